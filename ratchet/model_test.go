package ratchet_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"kith/ratchet"
)

var (
	seed  = flag.Uint64("seed", 0, "replay the simulation with this seed")
	steps = flag.Int("steps", 20_000, "steps of the long simulation")
)

// world is two parties, a bad network between them, and a model of what each must
// be able to open.
type world struct {
	t     testing.TB
	now   time.Time
	sides [2]party
	sent  uint32
}

type party struct {
	session  *ratchet.Session
	chain    int  // how many sending chains it began
	answered bool // it opened something since the chain began, so the next is new
	newest   int  // the newest chain of the peer it opened a message of
	accepted int
	inbox    []letter
	stale    []letter // opened once
}

// letter is a message under way.
type letter struct {
	msg, text []byte
	chain     int
	after     int // receiver's accepted when it was sent
	at        time.Time
}

// inFlight bounds an inbox, well below the limit for skipping.
const inFlight = 200

func newWorld(t testing.TB) *world {
	w := &world{t: t, now: noon}
	w.sides[0].session, w.sides[1].session = newPair(t)
	w.sides[0].answered = true
	return w
}

// do takes one step that the bytes choose and reports how many it used.
func (w *world) do(b []byte) int {
	op, arg := b[0], int(b[1])
	p, peer := &w.sides[op>>7], &w.sides[1-op>>7]
	switch op % 16 {
	case 0, 1, 2, 3:
		w.send(p, peer, arg)
	case 4, 5, 6, 7, 8, 9:
		w.deliver(p, arg)
	case 10:
		if len(p.inbox) > 0 { // the oldest is lost
			p.inbox = p.inbox[1:]
		}
	case 11:
		if len(p.stale) > 0 {
			w.mustFail(p, p.stale[arg%len(p.stale)].msg)
		}
	case 12:
		if len(p.inbox) > 0 {
			bad := bytes.Clone(p.inbox[arg%len(p.inbox)].msg)
			bad[arg%len(bad)] ^= 1 << (arg % 8)
			w.mustFail(p, bad)
		}
	case 13:
		w.now = w.now.Add(time.Duration(arg) * time.Minute)
	case 14:
		restore(w.t, &p.session)
	case 15:
		if len(peer.inbox) > 0 {
			w.mustFail(p, peer.inbox[arg%len(peer.inbox)].msg) // its own, echoed
		}
	}
	return 2
}

func (w *world) send(p, peer *party, arg int) {
	if len(peer.inbox) >= inFlight {
		return
	}
	before := state(w.t, p.session)
	text := binary.BigEndian.AppendUint32(make([]byte, arg), w.sent)
	w.sent++
	next, msg, err := p.session.Seal(text, ad)
	if !bytes.Equal(before, state(w.t, p.session)) {
		w.t.Fatal("Seal changed the session it was called on")
	}
	if p == &w.sides[1] && p.accepted == 0 {
		if !errors.Is(err, ratchet.ErrNotReady) {
			w.t.Fatalf("responder before the first message: %v", err)
		}
		return
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if p.answered {
		p.answered = false
		p.chain++
	}
	p.session = next
	peer.inbox = append(peer.inbox, letter{msg, text, p.chain, peer.accepted, w.now})
}

// deliver hands over any message under way.
func (w *world) deliver(p *party, arg int) {
	if len(p.inbox) == 0 {
		return
	}
	i := arg % len(p.inbox)
	l := p.inbox[i]
	p.inbox = append(p.inbox[:i:i], p.inbox[i+1:]...)
	before := state(w.t, p.session)
	next, text, err := p.session.Open(l.msg, ad, w.now)
	if !bytes.Equal(before, state(w.t, p.session)) {
		w.t.Fatal("Open changed the session it was called on")
	}
	if err != nil {
		// It may be lost to a limit: too many chains, messages or days ago.
		if p.newest-l.chain < ratchet.MaxChains && p.accepted-l.after < ratchet.SkippedMessages &&
			w.now.Sub(l.at) <= ratchet.SkippedAge {
			w.t.Fatalf("message of chain %d (newest %d) does not open: %v", l.chain, p.newest, err)
		}
		return
	}
	if !bytes.Equal(text, l.text) {
		w.t.Fatalf("opened %x, sent %x", text, l.text)
	}
	p.session = next
	p.accepted++
	if l.chain > p.newest {
		p.newest, p.answered = l.chain, true
	}
	if p.stale = append(p.stale, l); len(p.stale) > 50 {
		p.stale = p.stale[1:]
	}
}

func (w *world) mustFail(p *party, msg []byte) {
	before := state(w.t, p.session)
	next, plaintext, err := p.session.Open(msg, ad, w.now)
	if err == nil || next != nil || plaintext != nil {
		w.t.Fatal("a message opened that must not")
	}
	if !bytes.Equal(before, state(w.t, p.session)) {
		w.t.Fatal("a refused message changed the session")
	}
}

// settle delivers what is under way, and sees that both can still talk.
func (w *world) settle() {
	for i := range w.sides {
		for len(w.sides[i].inbox) > 0 {
			w.deliver(&w.sides[i], 0)
		}
	}
	for range 2 {
		for i := range w.sides {
			w.send(&w.sides[i], &w.sides[1-i], 1)
			w.deliver(&w.sides[1-i], 0)
		}
	}
	if w.sides[0].accepted == 0 || w.sides[1].accepted == 0 {
		w.t.Fatal("the conversation has died")
	}
}

// FuzzActions lets bytes choose who sends and what the network does. Both sessions
// are stored and restored at every step.
func FuzzActions(f *testing.F) {
	f.Add([]byte{0, 1, 0x84, 0, 0x80, 1, 4, 0})
	f.Add([]byte("some more actions, in no particular order whatever"))
	f.Fuzz(func(t *testing.T, actions []byte) {
		w := newWorld(t)
		for actions = actions[:min(len(actions), 600)]; len(actions) >= 2; {
			actions = actions[w.do(actions):]
			restore(t, &w.sides[0].session)
			restore(t, &w.sides[1].session)
		}
		w.settle()
	})
}

func newSeed(t *testing.T) uint64 {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("replay with -seed %d", s)
	return s
}

// TestRatchet_R19_anyOrder: whatever permutation, loss and duplication, every
// message within the limits opens exactly once.
func TestRatchet_R19_anyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(newSeed(t), 1))
	for range 60 {
		w := newWorld(t)
		for range rng.IntN(300) {
			w.do([]byte{byte(rng.Uint32()), byte(rng.Uint32())})
		}
		w.settle()
	}
}

// TestRatchet_R23_longSimulation saves and restores both sessions at every step.
func TestRatchet_R23_longSimulation(t *testing.T) {
	rng := rand.New(rand.NewPCG(newSeed(t), 2))
	n := *steps
	if testing.Short() {
		n /= 10
	}
	w := newWorld(t)
	for range n {
		w.do([]byte{byte(rng.Uint32()), byte(rng.Uint32())})
		restore(t, &w.sides[0].session)
		restore(t, &w.sides[1].session)
	}
	w.settle()
	t.Logf("%d messages opened, %d keys skipped", w.sides[0].accepted+w.sides[1].accepted, w.sides[0].session.Skipped())
}
