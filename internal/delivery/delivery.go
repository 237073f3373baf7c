// Package delivery gets envelopes to devices: it keeps links to contacts,
// sends what waits in the outbox, repeats what was not acknowledged, and hands
// what arrives to the engine together with the acknowledgement that may leave
// once the engine's decision is durable.
//
// [Machine.Step] takes inputs and returns effects; the machine has no
// goroutine, clock or socket, and its memory is rebuilt from the store at
// start with [New]. It promises that an envelope is offered again until it is
// dropped, in the order it was queued, and that at most [MaxInFlight] are
// unacknowledged on a link. It does not open envelopes and does not know
// duplicates; the engine does. Not safe for concurrent use. Rules:
// docs/spec/delivery.md.
package delivery

import (
	"math/rand/v2"
	"slices"
	"time"

	"kith/internal/wire"
)

// Bounds of this package, each with a test at its edge.
const (
	// MaxInFlight is how many envelopes may wait for an acknowledgement on one
	// link.
	MaxInFlight = 64
	// ResendFirst and ResendMost bound the wait before an unacknowledged
	// envelope is repeated on a link that stayed up.
	ResendFirst = 15 * time.Second
	ResendMost  = 5 * time.Minute
	// BackoffFirst and BackoffMost bound the wait between attempts to reach a
	// peer; the wait doubles and is spread by a fifth either way.
	BackoffFirst = time.Second
	BackoffMost  = 5 * time.Minute
	// BoxAfter is how long an envelope waits for its peer's link before it goes into
	// boxes, too; BoxAgain how long until it is asked for again, in case there was
	// no relay then.
	BoxAfter = 2 * time.Second
	BoxAgain = 6 * time.Hour
)

// Input is something the machine reacts to.
type Input interface{ input() }

// Queue adds durable envelopes to what waits; ephemeral ones are sent at once
// when the link is up, and forgotten.
type Queue struct{ Envelopes []wire.Outgoing }

// Drop forgets envelopes that have done their work.
type Drop struct{ IDs []wire.EnvelopeID }

// Keep asks for a link to a peer whenever one can be had.
type Keep struct{ Peer wire.PeerID }

// Leave gives a peer up: it is not dialled, and nothing waits for it here. What
// waits in the store is given again with [Queue] after another [Keep].
type Leave struct{ Peer wire.PeerID }

// Up and Down say that the first link to a peer came or the last one went.
type Up struct{ Peer wire.PeerID }

// Down: see [Up].
type Down struct{ Peer wire.PeerID }

// Found says that there is news of where a peer may be reached: dial now.
type Found struct{ Peer wire.PeerID }

// DialEnded says that an attempt to reach a peer is over; without an [Up] it failed.
type DialEnded struct{ Peer wire.PeerID }

// Frame is a frame that arrived from a peer.
type Frame struct {
	Peer  wire.PeerID
	Bytes []byte
}

// Tick says that the time of [Machine.Wake] has come.
type Tick struct{}

func (Queue) input()     {}
func (Drop) input()      {}
func (Keep) input()      {}
func (Leave) input()     {}
func (Up) input()        {}
func (Down) input()      {}
func (Found) input()     {}
func (DialEnded) input() {}
func (Frame) input()     {}
func (Tick) input()      {}

// Effect is something the caller does for the machine.
type Effect interface{ effect() }

// Dial asks for one attempt to reach a peer, answered by [Up] or [DialEnded].
type Dial struct{ Peer wire.PeerID }

// Send asks to send one frame on the link to a peer.
type Send struct {
	Peer  wire.PeerID
	Frame []byte
}

// Deliver hands an envelope to the engine. Then may happen only after the
// engine accepted it and its decision is durable.
type Deliver struct {
	From     wire.PeerID
	Envelope []byte
	Then     Send
}

// Acked hands an acknowledgement to the engine.
type Acked struct {
	From wire.PeerID
	ID   wire.EnvelopeID
}

// Box asks to put an envelope into boxes on relays, since its peer cannot be
// reached. It is still handed over when a link comes up.
type Box struct{ ID wire.EnvelopeID }

// Refused counts a frame that no correct peer sends.
type Refused struct{ Peer wire.PeerID }

func (Dial) effect()    {}
func (Send) effect()    {}
func (Deliver) effect() {}
func (Acked) effect()   {}
func (Box) effect()     {}
func (Refused) effect() {}

// Machine is the delivery machine; make one with [New].
type Machine struct {
	peers map[wire.PeerID]*peer
	rng   *rand.Rand
}

// peer is what is known of one device.
type peer struct {
	up      bool
	keep    bool
	dialing bool
	dialAt  time.Time     // when to try next; zero: not planned
	backoff time.Duration // the wait after the next failure
	queue   []*item       // in order of sending
}

type item struct {
	wire.Outgoing
	sentAt time.Time     // zero: not on the link that is up
	resend time.Duration // how long to wait for its acknowledgement
	boxAt  time.Time     // when to ask for boxes, unless a link is up
}

// New rebuilds the machine from what waits in the store, oldest first. The
// seed spreads retries only; it protects nothing.
func New(outbox []wire.Outgoing, seed uint64) *Machine {
	m := &Machine{peers: map[wire.PeerID]*peer{}, rng: rand.New(rand.NewPCG(seed, 0))}
	for _, o := range outbox {
		p := m.peer(wire.PeerOf(o.To))
		p.queue = append(p.queue, &item{Outgoing: o, boxAt: time.Unix(0, 0)})
	}
	return m
}

// Waiting returns how many envelopes wait for the given peer.
func (m *Machine) Waiting(id wire.PeerID) int {
	if p, ok := m.peers[id]; ok {
		return len(p.queue)
	}
	return 0
}

// Len returns how many envelopes wait for all peers.
func (m *Machine) Len() int {
	n := 0
	for _, p := range m.peers {
		n += len(p.queue)
	}
	return n
}

func (m *Machine) peer(id wire.PeerID) *peer {
	p, ok := m.peers[id]
	if !ok {
		p = &peer{}
		m.peers[id] = p
	}
	return p
}

// Step reacts to one input and returns what is to be done, in order. It never
// fails: what a peer sends wrongly becomes [Refused].
func (m *Machine) Step(now time.Time, in Input) []Effect {
	switch in := in.(type) {
	case Queue:
		return m.queue(now, in.Envelopes)
	case Drop:
		return m.drop(now, in.IDs)
	case Keep:
		p := m.peer(in.Peer)
		p.keep = true
		return m.reach(now, in.Peer, p)
	case Leave:
		if p, known := m.peers[in.Peer]; known {
			p.keep, p.queue, p.dialAt = false, nil, time.Time{}
			m.forget(in.Peer, p)
		}
	case Up:
		p := m.peer(in.Peer)
		p.up, p.dialing, p.backoff, p.dialAt = true, false, 0, time.Time{}
		return m.flush(now, in.Peer, p)
	case Down:
		return m.down(now, in.Peer)
	case Found:
		p, known := m.peers[in.Peer]
		if !known || p.up || p.dialing {
			return nil // a stranger nearby is not our business
		}
		p.backoff, p.dialAt = 0, now
		return m.reach(now, in.Peer, p)
	case DialEnded:
		p := m.peer(in.Peer)
		if p.dialing && !p.up {
			p.dialing = false
			m.plan(now, p)
		}
	case Frame:
		return m.frame(now, in)
	case Tick:
		return m.tick(now)
	}
	return nil
}

func (m *Machine) queue(now time.Time, envelopes []wire.Outgoing) []Effect {
	var effects []Effect
	var touched []wire.PeerID
	for _, o := range envelopes {
		id := wire.PeerOf(o.To)
		if o.Ephemeral {
			// Whoever asked and went is not answered.
			if p, ok := m.peers[id]; ok && p.up {
				effects = append(effects, envelopeFrame(id, o.Body)...)
			}
			continue
		}
		p := m.peer(id)
		p.queue = append(p.queue, &item{Outgoing: o, boxAt: now.Add(BoxAfter)})
		if !slices.Contains(touched, id) {
			touched = append(touched, id)
		}
	}
	for _, id := range touched {
		p := m.peers[id]
		if p.up {
			effects = append(effects, m.flush(now, id, p)...)
		} else {
			effects = append(effects, m.reach(now, id, p)...)
		}
	}
	return effects
}

func (m *Machine) drop(now time.Time, ids []wire.EnvelopeID) []Effect {
	gone := make(map[wire.EnvelopeID]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	var effects []Effect
	for _, id := range m.sorted() {
		p := m.peers[id]
		before := len(p.queue)
		p.queue = slices.DeleteFunc(p.queue, func(it *item) bool { return gone[it.ID] })
		if p.up && len(p.queue) < before {
			effects = append(effects, m.flush(now, id, p)...) // room came free
		}
		m.forget(id, p)
	}
	return effects
}

// forget lets go of a peer nobody waits for.
func (m *Machine) forget(id wire.PeerID, p *peer) {
	if !p.keep && !p.up && !p.dialing && len(p.queue) == 0 {
		delete(m.peers, id)
	}
}

func (m *Machine) down(now time.Time, id wire.PeerID) []Effect {
	p := m.peer(id)
	p.up = false
	for _, it := range p.queue {
		it.sentAt, it.resend = time.Time{}, 0
	}
	m.plan(now, p)
	m.forget(id, p)
	return nil
}

// reach dials a peer that is wanted, now or when its backoff says.
func (m *Machine) reach(now time.Time, id wire.PeerID, p *peer) []Effect {
	if p.up || p.dialing || !(p.keep || len(p.queue) > 0) {
		return nil
	}
	if p.dialAt.After(now) {
		return nil
	}
	p.dialing, p.dialAt = true, time.Time{}
	return []Effect{Dial{Peer: id}}
}

// plan sets the time of the next attempt and doubles the wait after it.
func (m *Machine) plan(now time.Time, p *peer) {
	p.backoff = min(max(2*p.backoff, BackoffFirst), BackoffMost)
	spread := 0.8 + 0.4*m.rng.Float64()
	p.dialAt = now.Add(time.Duration(float64(p.backoff) * spread))
}

// flush sends what waits, up to the window.
func (m *Machine) flush(now time.Time, id wire.PeerID, p *peer) []Effect {
	var effects []Effect
	for _, it := range p.queue[:min(len(p.queue), MaxInFlight)] {
		if !it.sentAt.IsZero() {
			continue
		}
		it.sentAt = now
		it.resend = min(max(2*it.resend, ResendFirst), ResendMost)
		effects = append(effects, envelopeFrame(id, it.Body)...)
	}
	return effects
}

func envelopeFrame(id wire.PeerID, body []byte) []Effect {
	frame, err := (&wire.Frame{Kind: wire.FrameEnvelope, Envelope: body}).AppendBinary(nil)
	if err != nil {
		return nil // the engine never makes one this large
	}
	return []Effect{Send{Peer: id, Frame: frame}}
}

func (m *Machine) frame(now time.Time, in Frame) []Effect {
	f, err := wire.ParseFrame(in.Bytes)
	if err != nil {
		return []Effect{Refused{Peer: in.Peer}}
	}
	if f.Kind == wire.FrameEnvelope {
		ack, err := (&wire.Frame{Kind: wire.FrameAck, Acks: []wire.EnvelopeID{wire.IDOf(f.Envelope)}}).AppendBinary(nil)
		if err != nil {
			return []Effect{Refused{Peer: in.Peer}}
		}
		return []Effect{Deliver{From: in.Peer, Envelope: f.Envelope, Then: Send{Peer: in.Peer, Frame: ack}}}
	}
	p, known := m.peers[in.Peer]
	if !known {
		return []Effect{Refused{Peer: in.Peer}}
	}
	var effects []Effect
	for _, id := range f.Acks {
		if i := slices.IndexFunc(p.queue, func(it *item) bool { return it.ID == id }); i >= 0 {
			// The row leaves the outbox, and with it the queue, when the
			// engine's answer to this is durable.
			effects = append(effects, Acked{From: in.Peer, ID: id})
		}
	}
	return effects
}

func (m *Machine) tick(now time.Time) []Effect {
	var effects []Effect
	for _, id := range m.sorted() {
		p := m.peers[id]
		if !p.up {
			effects = append(effects, m.reach(now, id, p)...)
			effects = append(effects, boxes(now, p)...)
			continue
		}
		for _, it := range p.queue[:min(len(p.queue), MaxInFlight)] {
			if !it.sentAt.IsZero() && !now.Before(it.sentAt.Add(it.resend)) {
				it.sentAt = time.Time{}
			}
		}
		effects = append(effects, m.flush(now, id, p)...)
	}
	return effects
}

// boxes asks for boxes for what has waited for a link.
func boxes(now time.Time, p *peer) []Effect {
	var effects []Effect
	for _, it := range p.queue {
		if !it.boxAt.After(now) {
			it.boxAt = now.Add(BoxAgain)
			effects = append(effects, Box{ID: it.ID})
		}
	}
	return effects
}

// sorted gives the peers in a fixed order, so that a replay of the same
// inputs gives the same effects.
func (m *Machine) sorted() []wire.PeerID {
	ids := make([]wire.PeerID, 0, len(m.peers))
	for id := range m.peers {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b wire.PeerID) int { return slices.Compare(a[:], b[:]) })
	return ids
}

// Wake returns when the machine next wants a [Tick]; zero when never.
func (m *Machine) Wake() time.Time {
	var wake time.Time
	earliest := func(t time.Time) {
		if wake.IsZero() || t.Before(wake) {
			wake = t
		}
	}
	for _, p := range m.peers {
		if !p.up {
			if !p.dialing && !p.dialAt.IsZero() && (p.keep || len(p.queue) > 0) {
				earliest(p.dialAt)
			}
			for _, it := range p.queue {
				earliest(it.boxAt)
			}
			continue
		}
		for _, it := range p.queue[:min(len(p.queue), MaxInFlight)] {
			earliest(it.sentAt.Add(it.resend))
		}
	}
	return wake
}
