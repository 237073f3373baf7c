package delivery_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"kith/internal/delivery"
	"kith/internal/wire"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	bob   = wire.PeerID{0xb}
	carol = wire.PeerID{0xc}
)

func outgoing(n int, to wire.PeerID) wire.Outgoing {
	body := fmt.Appendf(nil, "envelope %d", n)
	return wire.Outgoing{To: to.Device(), ID: wire.IDOf(body), Body: body}
}

func queue(from, to int) (all []wire.Outgoing) {
	for i := from; i < to; i++ {
		all = append(all, outgoing(i, bob))
	}
	return all
}

// sent lists the envelopes that effects put on the link to bob.
func sent(t testing.TB, effects []delivery.Effect) (bodies []string) {
	t.Helper()
	for _, e := range effects {
		s, ok := e.(delivery.Send)
		if !ok {
			continue
		}
		f, err := wire.ParseFrame(s.Frame)
		if err != nil || s.Peer != bob {
			t.Fatal(err, s.Peer)
		}
		bodies = append(bodies, string(f.Envelope))
	}
	return bodies
}

func dials(effects []delivery.Effect) (n int) {
	for _, e := range effects {
		if _, ok := e.(delivery.Dial); ok {
			n++
		}
	}
	return n
}

func TestDelivery_DE05_orderAndWindow(t *testing.T) {
	m := delivery.New(queue(0, delivery.MaxInFlight+10), 1)
	got := sent(t, m.Step(start, delivery.Up{Peer: bob}))
	if len(got) != delivery.MaxInFlight || got[0] != "envelope 0" || got[63] != "envelope 63" {
		t.Fatalf("%d sent at once, first %q", len(got), got[0])
	}
	if more := sent(t, m.Step(start, delivery.Queue{Envelopes: queue(100, 101)})); len(more) != 0 {
		t.Errorf("the window was left: %q", more)
	}
	drop := delivery.Drop{IDs: []wire.EnvelopeID{outgoing(3, bob).ID, outgoing(7, bob).ID}}
	if got := sent(t, m.Step(start, drop)); !reflect.DeepEqual(got, []string{"envelope 64", "envelope 65"}) {
		t.Errorf("room for two was filled with %q", got)
	}
	if m.Waiting(bob) != delivery.MaxInFlight+10+1-2 || m.Len() != m.Waiting(bob) {
		t.Errorf("%d wait", m.Waiting(bob))
	}
}

func TestDelivery_DE06_repeatedUntilDroppedEverLater(t *testing.T) {
	m := delivery.New(queue(0, 1), 1)
	now := start
	m.Step(now, delivery.Up{Peer: bob})
	for _, wait := range []time.Duration{15, 30, 60, 120, 240, 300, 300} {
		if wake := m.Wake(); !wake.Equal(now.Add(wait * time.Second)) {
			t.Fatalf("wakes after %v, want %ds", wake.Sub(now), wait)
		}
		if got := sent(t, m.Step(now.Add(wait*time.Second-1), delivery.Tick{})); len(got) != 0 {
			t.Error("repeated too early")
		}
		now = now.Add(wait * time.Second)
		if got := sent(t, m.Step(now, delivery.Tick{})); len(got) != 1 {
			t.Fatalf("after %ds: %q", wait, got)
		}
	}
	m.Step(now, delivery.Drop{IDs: []wire.EnvelopeID{outgoing(0, bob).ID}})
	if !m.Wake().IsZero() {
		t.Error("wakes for nothing")
	}
}

func TestDelivery_DE05_linkThatComesBackGetsEverythingAgain(t *testing.T) {
	m := delivery.New(queue(0, 3), 1)
	m.Step(start, delivery.Up{Peer: bob})
	m.Step(start, delivery.Down{Peer: bob})
	if got := sent(t, m.Step(start.Add(time.Hour), delivery.Queue{Envelopes: queue(3, 4)})); len(got) != 0 {
		t.Error("sent without a link")
	}
	if got := sent(t, m.Step(start.Add(time.Hour), delivery.Up{Peer: bob})); len(got) != 4 || got[0] != "envelope 0" {
		t.Errorf("%q", got)
	}
}

func TestDelivery_DE01_DE02_attemptsBackOffAndNewsEndsTheWait(t *testing.T) {
	m := delivery.New(nil, 7)
	now := start
	if dials(m.Step(now, delivery.Keep{Peer: bob})) != 1 || dials(m.Step(now, delivery.Keep{Peer: bob})) != 0 {
		t.Fatal("not exactly one attempt at a time")
	}
	want := delivery.BackoffFirst
	for range 12 {
		m.Step(now, delivery.DialEnded{Peer: bob})
		wait := m.Wake().Sub(now)
		if wait < want*8/10 || wait > want*12/10 {
			t.Fatalf("waits %v, want about %v", wait, want)
		}
		if dials(m.Step(now.Add(wait-1), delivery.Tick{})) != 0 {
			t.Error("dialled too early")
		}
		now = now.Add(wait)
		if dials(m.Step(now, delivery.Tick{})) != 1 {
			t.Fatal("not dialled")
		}
		want = min(2*want, delivery.BackoffMost)
	}
	m.Step(now, delivery.DialEnded{Peer: bob})
	if dials(m.Step(now, delivery.Found{Peer: bob})) != 1 {
		t.Error("news does not end the wait")
	}
	m.Step(now, delivery.DialEnded{Peer: bob})
	if wait := m.Wake().Sub(now); wait > delivery.BackoffFirst*12/10 {
		t.Errorf("after news it waits %v", wait)
	}
	if m.Step(now, delivery.Found{Peer: carol}) != nil {
		t.Error("a stranger nearby is dialled")
	}
}

func TestDelivery_DE07_strangersAreAnsweredOnceAndOnlyOnTheirLink(t *testing.T) {
	m := delivery.New(nil, 1)
	answer := outgoing(1, bob)
	answer.Ephemeral = true
	if got := m.Step(start, delivery.Queue{Envelopes: []wire.Outgoing{answer}}); len(got) != 0 {
		t.Errorf("an answer without a link: %v", got)
	}
	m.Step(start, delivery.Up{Peer: bob})
	if got := sent(t, m.Step(start, delivery.Queue{Envelopes: []wire.Outgoing{answer}})); len(got) != 1 {
		t.Error("no answer")
	}
	if m.Len() != 0 || !m.Wake().IsZero() {
		t.Error("an answer waits to be repeated")
	}
}

func TestDelivery_DE09_acknowledgementTravelsWithWhatItAcknowledges(t *testing.T) {
	m := delivery.New(nil, 1)
	frame, _ := (&wire.Frame{Kind: wire.FrameEnvelope, Envelope: []byte("x")}).AppendBinary(nil)
	effects := m.Step(start, delivery.Frame{Peer: bob, Bytes: frame})
	d, ok := effects[0].(delivery.Deliver)
	if !ok || len(effects) != 1 || string(d.Envelope) != "x" {
		t.Fatalf("%v", effects)
	}
	f, err := wire.ParseFrame(d.Then.Frame)
	if err != nil || f.Kind != wire.FrameAck || f.Acks[0] != wire.IDOf([]byte("x")) || d.Then.Peer != bob {
		t.Errorf("%v, %+v", err, f)
	}
}

func TestDelivery_DE11_DE13_onlyTheAddresseeAcknowledges(t *testing.T) {
	m := delivery.New(queue(0, 2), 1)
	ack, _ := (&wire.Frame{Kind: wire.FrameAck, Acks: []wire.EnvelopeID{outgoing(1, bob).ID, {9}}}).AppendBinary(nil)
	if got := m.Step(start, delivery.Frame{Peer: bob, Bytes: ack}); len(got) != 1 || got[0] != (delivery.Acked{From: bob, ID: outgoing(1, bob).ID}) {
		t.Errorf("%v", got)
	}
	m.Step(start, delivery.Up{Peer: carol})
	if got := m.Step(start, delivery.Frame{Peer: carol, Bytes: ack}); len(got) != 0 {
		t.Errorf("somebody else's acknowledgement: %v", got)
	}
	for _, bad := range [][]byte{nil, {1}, {7, 7}, {2, 1}} {
		if got := m.Step(start, delivery.Frame{Peer: bob, Bytes: bad}); !reflect.DeepEqual(got, []delivery.Effect{delivery.Refused{Peer: bob}}) {
			t.Errorf("frame %x: %v", bad, got)
		}
	}
	if m.Waiting(bob) != 2 {
		t.Error("an acknowledgement alone must not empty the queue: the engine decides")
	}
}

// FuzzActions lets bytes choose what happens; what was queued is there until
// dropped, the window holds, and no wake lies in the past after a tick.
func FuzzActions(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7})
	f.Add([]byte{0, 0, 0, 1, 6, 6, 5, 1, 6})
	f.Fuzz(func(t *testing.T, actions []byte) {
		m, now, want, next := delivery.New(nil, 1), start, map[wire.EnvelopeID]bool{}, 0
		for _, a := range actions[:min(len(actions), 400)] {
			var effects []delivery.Effect
			switch a % 8 {
			case 0:
				o := outgoing(next, bob)
				next++
				want[o.ID] = true
				effects = m.Step(now, delivery.Queue{Envelopes: []wire.Outgoing{o}})
			case 1:
				effects = m.Step(now, delivery.Up{Peer: bob})
			case 2:
				effects = m.Step(now, delivery.Down{Peer: bob})
			case 3:
				effects = m.Step(now, delivery.DialEnded{Peer: bob})
			case 4:
				effects = m.Step(now, delivery.Found{Peer: bob})
			case 5:
				id := outgoing(int(a)/8, bob).ID
				delete(want, id)
				effects = m.Step(now, delivery.Drop{IDs: []wire.EnvelopeID{id}})
			default:
				now = now.Add(time.Duration(a) * time.Second)
				effects = m.Step(now, delivery.Tick{})
				if wake := m.Wake(); !wake.IsZero() && !wake.After(now) {
					t.Fatalf("wakes at %v after a tick at %v", wake, now)
				}
			}
			if n := len(sent(t, effects)); n > delivery.MaxInFlight {
				t.Fatalf("%d frames at once", n)
			}
			if m.Waiting(bob) != len(want) {
				t.Fatalf("%d wait, want %d", m.Waiting(bob), len(want))
			}
		}
	})
}

// TestDelivery_DE17_whoWasLeft is not dialled and gets nothing, but for what is queued
// again after another Keep.
func TestDelivery_DE17_whoWasLeft(t *testing.T) {
	m := delivery.New(queue(0, 3), 1)
	if n := dials(m.Step(start, delivery.Keep{Peer: bob})); n != 1 {
		t.Fatalf("%d dials", n)
	}
	m.Step(start, delivery.Up{Peer: bob})
	m.Step(start, delivery.Leave{Peer: bob})
	m.Step(start, delivery.Down{Peer: bob})
	for at := start; at.Before(start.Add(time.Hour)); at = at.Add(time.Minute) {
		effects := append(m.Step(at, delivery.Tick{}), m.Step(at, delivery.Found{Peer: bob})...)
		if dials(effects) != 0 || len(sent(t, effects)) != 0 {
			t.Fatalf("after it was left: %v", effects)
		}
	}
	if m.Len() != 0 {
		t.Errorf("%d envelopes wait here", m.Len())
	}
	m.Step(start, delivery.Leave{Peer: carol}) // never heard of
	if n := dials(m.Step(start.Add(2*time.Hour), delivery.Keep{Peer: bob})); n != 1 {
		t.Errorf("%d dials after another keep", n)
	}
	m.Step(start.Add(2*time.Hour), delivery.Queue{Envelopes: queue(0, 3)})
	if got := sent(t, m.Step(start.Add(2*time.Hour), delivery.Up{Peer: bob})); len(got) != 3 {
		t.Errorf("sent then: %q", got)
	}
}
