package node

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"kith/box"
	"kith/identity"
	"kith/internal/engine"
	"kith/internal/rendezvous"
	"kith/internal/store"
	"kith/internal/wire"
)

// Far is what the loop needs to find contacts who moved: *p2p.Host, or a
// simulated one. All methods are safe for concurrent use.
type Far interface {
	// UseRelays says which relays the network stays connected to from now on.
	UseRelays(relays []wire.RelayHint)
	// Through gives the addresses by which a peer is reached that has a place at
	// one of these relays.
	Through(relays []wire.RelayHint) []string
	// Publish puts a record at a place of the DHT.
	Publish(ctx context.Context, place [32]byte, record []byte) error
	// Lookup gives the newest record at a place of the DHT.
	Lookup(ctx context.Context, place [32]byte) ([]byte, error)
}

// Times of rendezvous. Spec: rendezvous.md section 2.
const (
	lookAround     = 2 * time.Second  // to see whether the addresses changed
	lookHarder     = 15 * time.Second // to see whether anything else is to be published
	publishSoonest = 5 * time.Second  // after the last time at a place, doubling
	publishSlowest = 5 * time.Minute
	publishAgain   = 6 * time.Hour
	publishTimeout = 30 * time.Second
	lookupTimeout  = 15 * time.Second
	lookupAfter    = time.Second     // of dialling without success
	lookupFirst    = 5 * time.Second // after one that found nothing new, doubling
	lookupMost     = 30 * time.Minute
)

// meetings is what the node knows of rendezvous.
type meetings struct {
	far  Far // nil: contacts are found by what is known of them alone
	kick chan struct{}

	mu   sync.Mutex // guards what follows
	left map[wire.PeerID]*left
}

// left is what a contact left word of.
type left struct {
	addrs []string
	next  time.Time // to look again
	wait  time.Duration
}

// published is what was written at a place last.
type published struct {
	addrs []string
	at    time.Time
	wait  time.Duration // until the next time
}

// meet leaves word for contacts of where this device is, until ctx ends.
func (n *Node) meet(ctx context.Context) {
	last := map[[32]byte]published{}
	var relays []box.Relay
	var told []string   // the addresses of the last round
	var again time.Time // for the next whatever happens
	for {
		own, err := n.Relays()
		if err == nil && !slices.EqualFunc(own, relays, func(a, b box.Relay) bool { return a.String() == b.String() }) {
			relays = own
			n.meetings.far.UseRelays(hintsOf(relays))
		}
		now, addrs := time.Now(), tellable(n.net.Addrs())
		if !now.Before(again) || !slices.Equal(addrs, told) {
			told, again = addrs, now.Add(lookHarder)
			if err := n.leaveWord(ctx, now, addrs, last); err != nil {
				n.log.Debug("word could not be left for a contact", "cause", cause(err))
				again = now.Add(publishSoonest)
			}
		}
		timer := time.NewTimer(lookAround)
		select {
		case <-timer.C:
		case <-n.meetings.kick:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// leaveWord publishes at every place where what lies there is not what is true.
func (n *Node) leaveWord(ctx context.Context, now time.Time, addrs []string, last map[[32]byte]published) error {
	if len(addrs) == 0 {
		return nil
	}
	var all []engine.Rendezvous
	err := n.db.View(func(tx *store.Tx) (err error) {
		all, err = engine.AllRendezvous(tx)
		return err
	})
	if err != nil {
		return err
	}
	current := map[[32]byte]bool{}
	for _, r := range all {
		if !n.isContact(wire.PeerOf(r.Device)) {
			continue
		}
		for _, p := range r.Writes {
			place := p.Place(rendezvous.Days(now)[0])
			current[place] = true
			was := last[place]
			if age := now.Sub(was.at); age < was.wait || age < publishAgain && slices.Equal(was.addrs, addrs) {
				continue
			}
			pctx, cancel := context.WithTimeout(ctx, publishTimeout)
			_, record := p.Seal(addrs, now)
			err := n.meetings.far.Publish(pctx, place, record)
			cancel()
			if err != nil {
				return err // the others are tried next time round
			}
			last[place] = published{addrs, now, min(max(2*was.wait, publishSoonest), publishSlowest)}
		}
	}
	for place := range last {
		if !current[place] {
			delete(last, place)
		}
	}
	return nil
}

// tellable are the addresses worth telling a contact far away, the best first:
// those that work from anywhere, then those of local networks.
func tellable(addrs []string) []string {
	var best, rest []string
	for _, a := range addrs {
		switch {
		case strings.HasPrefix(a, "/ip4/127.") || strings.HasPrefix(a, "/ip6/::1/") || strings.HasPrefix(a, "/ip6/fe80:"):
		case Private(a):
			rest = append(rest, a)
		default:
			best = append(best, a)
		}
	}
	return append(best, rest...)
}

// Private reports whether a multiaddr is of a local network (RFC 1918, RFC
// 4193). What leads through a relay is not.
func Private(a string) bool {
	if strings.Contains(a, "/p2p-circuit") {
		return false
	}
	for _, p := range []string{"/ip4/10.", "/ip4/192.168.", "/ip6/fc", "/ip6/fd"} {
		if strings.HasPrefix(a, p) {
			return true
		}
	}
	rest, ok := strings.CutPrefix(a, "/ip4/172.")
	second, _, dot := strings.Cut(rest, ".")
	return ok && dot && len(second) == 2 && second >= "16" && second <= "31"
}

func hintsOf(relays []box.Relay) []wire.RelayHint {
	var hints []wire.RelayHint
	for _, r := range relays {
		hints = append(hints, wire.RelayHint{Peer: wire.PeerID(r.Key), Addrs: r.Addrs})
	}
	return hints
}

// elsewhere are addresses at which a contact may be, beyond those that worked
// before: what it left word of, and its relays.
func (n *Node) elsewhere(r engine.Rendezvous) []string {
	n.meetings.mu.Lock()
	defer n.meetings.mu.Unlock()
	var addrs []string
	if l := n.meetings.left[wire.PeerOf(r.Device)]; l != nil {
		addrs = append(addrs, l.addrs...)
	}
	return append(addrs, n.meetings.far.Through(hintsOf(r.Relays))...)
}

// due reports whether a contact's word may be looked for now, and counts it as
// done.
func (m *meetings) due(peer wire.PeerID, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.left[peer]
	if l == nil {
		l = &left{wait: lookupFirst}
		m.left[peer] = l
	}
	if now.Before(l.next) {
		return false
	}
	l.next = now.Add(l.wait)
	l.wait = min(2*l.wait, lookupMost)
	return true
}

// found notes what a contact left word of; it reports whether that is new.
func (m *meetings) found(peer wire.PeerID, addrs []string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.left[peer]
	if l == nil || slices.Equal(l.addrs, addrs) {
		return false
	}
	l.addrs, l.wait = addrs, lookupFirst
	return true
}

// lookFor looks at the places where a contact leaves word.
func (n *Node) lookFor(ctx context.Context, r engine.Rendezvous) []string {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	now := time.Now()
	for _, pair := range r.Reads {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var newest time.Time
		var addrs []string
		for _, day := range rendezvous.Days(now) {
			wg.Go(func() {
				record, err := n.meetings.far.Lookup(ctx, pair.Place(day))
				if err != nil {
					return
				}
				at, made, err := pair.Open(day, record)
				mu.Lock()
				defer mu.Unlock()
				if err == nil && made.After(newest) {
					newest, addrs = made, at
				}
			})
		}
		wg.Wait()
		if len(addrs) > 0 || ctx.Err() != nil {
			return addrs
		}
	}
	return nil
}

// dialFar dials a contact at what is known of it and, when that does not lead
// there soon, at what it left word of.
func (n *Node) dialFar(ctx context.Context, peer wire.PeerID, hints []string) error {
	var r engine.Rendezvous
	err := n.db.View(func(tx *store.Tx) (err error) {
		r, err = engine.RendezvousOf(tx, identity.DeviceID(peer))
		return err
	})
	if err != nil {
		return err
	}
	hints = merge(n.elsewhere(r), hints)
	if len(r.Reads) == 0 || !n.meetings.due(peer, time.Now()) {
		return n.dialAt(ctx, peer, hints)
	}
	lctx, stop := context.WithCancel(ctx)
	defer stop()
	fresh := make(chan []string, 1)
	n.work.Go(func() {
		timer := time.NewTimer(lookupAfter)
		defer timer.Stop()
		select {
		case <-timer.C:
			fresh <- n.lookFor(lctx, r)
		case <-lctx.Done():
			fresh <- nil
		}
	})
	if err = n.dialAt(ctx, peer, hints); err == nil {
		return nil
	}
	addrs := <-fresh
	if len(addrs) == 0 || !n.meetings.found(peer, addrs) {
		return err
	}
	return n.dialAt(ctx, peer, merge(addrs, hints))
}

func (n *Node) dialAt(ctx context.Context, peer wire.PeerID, hints []string) error {
	dctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return n.net.Dial(dctx, peer, hints)
}
