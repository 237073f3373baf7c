package ratchet_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"kith/ratchet"
)

// pingPong exchanges messages in turn until both sides know so many epochs'
// secrets more than alice did.
func pingPong(t testing.TB, alice, bob **ratchet.Session, epochs uint64) (trips int) {
	t.Helper()
	goal := (*alice).QuantumEpoch() + epochs
	for ; (*alice).QuantumEpoch() < goal || (*bob).QuantumEpoch() < goal; trips++ {
		if trips > int(20*epochs) {
			t.Fatalf("%d round trips, and only %d epochs", trips, (*alice).QuantumEpoch())
		}
		open(t, bob, seal(t, alice, "ping"), "ping")
		open(t, alice, seal(t, bob, "pong"), "pong")
	}
	return trips
}

// TestRatchet_R27_epochsFollowRoundTrips: an epoch takes seven round trips or so.
func TestRatchet_R27_epochsFollowRoundTrips(t *testing.T) {
	alice, bob := newPair(t)
	const epochs = 8
	trips := pingPong(t, &alice, &bob, epochs)
	t.Logf("%.1f round trips an epoch", float64(trips)/epochs)
	if trips > 8*epochs {
		t.Error("too many")
	}
}

// TestRatchet_R26_bothKeysAreNeeded: whoever has one of the two message keys, and
// everything else besides, opens and forges nothing.
func TestRatchet_R26_bothKeysAreNeeded(t *testing.T) {
	alice, bob := conversation(t)
	pingPong(t, &alice, &bob, 1)
	msg := seal(t, &alice, "secret")
	x := parseState(t, bob)
	strange := bytes.Repeat([]byte{3}, 32)
	for name, edit := range map[string]func(*refState){
		"classical key alone": func(x *refState) {
			for _, e := range x.pq.epochs {
				if e.recv != nil {
					e.recv.next = strange
				}
			}
		},
		"post-quantum key alone, knowing header keys": func(x *refState) {
			x.private = bytes.Clone(x.private)
			x.private[5] ^= 1
		},
	} {
		thief := x.clone()
		edit(thief)
		if _, _, err := parse(t, thief).Open(msg, ad, noon); !errors.Is(err, ratchet.ErrOpen) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := parse(t, x.clone()).Open(msg, ad, noon); err != nil {
		t.Fatalf("the thief of both does it wrong: %v", err)
	}
}

// TestRatchet_R29_quantumHealing: a thief stole bob's whole state and computes every
// X25519 key since, which is to say that he has all of bob's state but the
// post-quantum ratchet's, which he carries on from what he stole.
func TestRatchet_R29_quantumHealing(t *testing.T) {
	for _, before := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9} { // places in an epoch to steal at
		alice, bob := conversation(t)
		for range before {
			open(t, &bob, seal(t, &alice, "x"), "x")
			open(t, &alice, seal(t, &bob, "x"), "x")
		}
		stolen := parseState(t, bob).pq
		epoch := bob.QuantumEpoch()
		opened := 0
		thief := func() *ratchet.Session {
			x := parseState(t, bob)
			x.pq = stolen
			x.pq.skipped = nil
			s, err := ratchet.ParseSession(x.encode())
			if err != nil {
				return nil
			}
			return s
		}
		for bob.QuantumEpoch() < epoch+4 {
			msg := seal(t, &alice, "x")
			if s := thief(); s != nil {
				if next, _, err := s.Open(msg, ad, noon); err == nil {
					opened++
					if used := parseState(t, bob).pq.receiving; used >= epoch+2 {
						t.Fatalf("stolen after %d round trips in epoch %d, and still opens in epoch %d", before, epoch, used)
					}
					stolen = parseState(t, next).pq
				}
			}
			open(t, &bob, msg, "x")
			if s := thief(); s != nil {
				if next, _, err := s.Seal([]byte("x"), ad); err == nil {
					stolen = parseState(t, next).pq // what bob sends is known to him
				}
			}
			open(t, &alice, seal(t, &bob, "x"), "x")
		}
		if opened == 0 {
			t.Fatal("the thief opened nothing, not even at first: he does it wrong")
		}
	}
}

// TestRatchet_R28_hurriedPeer: a peer who begins the next epoch without waiting until
// he is told that the last one ended gains nothing by it. In particular we can
// still seal, though we have not sealed in the epoch before yet.
func TestRatchet_R28_hurriedPeer(t *testing.T) {
	const ct2Sampled = 10
	alice, bob := newPair(t)
	for parseState(t, bob).pq.braid[0] != ct2Sampled {
		open(t, &bob, seal(t, &alice, "x"), "x")
		if parseState(t, bob).pq.braid[0] != ct2Sampled {
			open(t, &alice, seal(t, &bob, "x"), "x")
		}
	}
	open(t, &alice, seal(t, &bob, "the epoch ends here"), "the epoch ends here")
	x := parseState(t, bob)
	x.pq.braidEpoch++
	b := bytes.Clone(x.pq.braid[:1+8+64]) // phase 0 has no more than this
	b[0] = 0
	binary.BigEndian.PutUint64(b[1:], x.pq.braidEpoch)
	x.pq.braid = b
	bob = parse(t, x)
	for i := range 3 { // he has a header for alice at once
		msg := seal(t, &bob, "and the next begins")
		if i > 0 {
			open(t, &alice, msg, "and the next begins")
		}
	}
	for range 10 {
		open(t, &bob, seal(t, &alice, "still here"), "still here")
		open(t, &alice, seal(t, &bob, "x"), "x")
		restore(t, &alice)
	}
	if alice.QuantumEpoch() < 2 {
		t.Error("the next epoch did not come")
	}
}

// TestRatchet_R30_lateAcrossEpochs: a message that was the last of its epoch opens
// epochs later, though the chain it came from is long erased.
func TestRatchet_R30_lateAcrossEpochs(t *testing.T) {
	alice, bob := newPair(t)
	pingPong(t, &alice, &bob, 1)
	found := 0
	for found < 3 {
		open(t, &bob, seal(t, &alice, "x"), "x")
		late := seal(t, &alice, "late")
		epoch := parseState(t, alice).pq.sending
		open(t, &alice, seal(t, &bob, "x"), "x")
		msg := seal(t, &alice, "x")
		open(t, &bob, msg, "x")
		if sending := parseState(t, alice).pq.sending; sending == epoch {
			open(t, &bob, late, "late")
			open(t, &alice, seal(t, &bob, "x"), "x")
			continue
		}
		found++
		open(t, &alice, seal(t, &bob, "x"), "x")
		pingPong(t, &alice, &bob, 4)
		if x := parseState(t, bob).pq; x.first <= epoch || len(x.epochs) > 2 {
			t.Fatal("the epoch of the late message still has chains")
		}
		restore(t, &bob)
		open(t, &bob, late, "late")
		refuse(t, bob, late, ratchet.ErrOpen)
	}
}

// What an epoch's chain lacked is stored when the next is used, and the chain goes.
func TestRatchet_R30_chainIsClosed(t *testing.T) {
	alice, bob := newPair(t)
	for {
		from := parseState(t, alice).pq
		old := parseState(t, bob).pq
		msg := seal(t, &alice, "x")
		to := parseState(t, alice).pq
		open(t, &bob, msg, "x")
		if to.sending > from.sending {
			now := parseState(t, bob)
			if now.pq.receiving != to.sending || now.pq.first == old.receiving && now.pq.epochs[0].recv != nil {
				t.Fatal("the chain of the epoch before is still there")
			}
			c := old.recvChain()
			c.step()
			holds(t, "bob", bob, map[string][]byte{"old chain": old.recvChain().next, "its successor": c.next})
			return
		}
		open(t, &alice, seal(t, &bob, "x"), "x")
	}
}

// TestRatchet_R30_falseLengths: the length given for the chain before is held against
// what is known and the limit.
func TestRatchet_R30_falseLengths(t *testing.T) {
	for name, tt := range map[string]struct {
		edit func(*refHeader, uint32)
		want error
	}{
		"below what was received": {func(h *refHeader, n uint32) { h.pqPN = n - 1 }, ratchet.ErrOpen},
		"zero":                    {func(h *refHeader, n uint32) { h.pqPN = 0 }, ratchet.ErrOpen},
		"at the limit":            {func(h *refHeader, n uint32) { h.pqPN = n + 2*ratchet.MaxSkip }, nil},
		"beyond the limit":        {func(h *refHeader, n uint32) { h.pqPN = n + 2*ratchet.MaxSkip + 1 }, ratchet.ErrTooFar},
		"the largest":             {func(h *refHeader, n uint32) { h.pqPN = math.MaxUint32 }, ratchet.ErrTooFar},
		"number beyond the limit": {func(h *refHeader, n uint32) { h.pqN = 2*ratchet.MaxSkip + 2 }, ratchet.ErrTooFar},
	} {
		t.Run(name, func(t *testing.T) {
			alice, bob := newPair(t)
			for {
				before := parseState(t, alice)
				msg := seal(t, &alice, "x")
				after := parseState(t, alice)
				if after.pq.sending == before.pq.sending {
					open(t, &bob, msg, "x")
					open(t, &alice, seal(t, &bob, "x"), "x")
					continue
				}
				// The first message of an epoch, made again with another header.
				h := refOpenHeader(t, after.send.header, msg)
				_, chain, _ := refRoot(before.root, refDH(after.private, before.peer))
				message, _ := (&refChain{chain: chain}).messageKey(0)
				f := &forge{hk: after.send.header, message: message, header: h, version: 1, plaintext: []byte("forged")}
				c := before.pq.epochs[after.pq.sending-before.pq.first].send
				tt.edit(&f.header, parseState(t, bob).pq.recvChain().n)
				f.pq = c.key(1)
				if tt.want != nil {
					refuse(t, bob, f.seal(), tt.want)
				} else if _, _, err := bob.Open(f.seal(), ad, noon); err != nil {
					t.Fatal(err)
				}
				open(t, &bob, msg, "x")
				return
			}
		})
	}
}

// TestRatchet_R31_alarm: the owner hears when healing has stopped.
func TestRatchet_R31_alarm(t *testing.T) {
	alice, bob := newPair(t)
	for i := range ratchet.QuantumAlarm {
		if alice.QuantumStale() || bob.QuantumStale() {
			t.Fatalf("alarm after %d messages", i)
		}
		open(t, &bob, seal(t, &alice, "nobody answers"), "nobody answers")
	}
	restore(t, &alice)
	restore(t, &bob)
	if !alice.QuantumStale() || !bob.QuantumStale() {
		t.Fatal("no alarm")
	}
	pingPong(t, &alice, &bob, 1)
	if alice.QuantumStale() || bob.QuantumStale() {
		t.Error("the alarm outlives its cause")
	}
	var zero ratchet.Session
	if zero.QuantumStale() || zero.QuantumEpoch() != 0 {
		t.Error("the zero session knows something")
	}
}

// TestRatchet_R20_quantumCounterLimit: the end of an epoch's chain.
func TestRatchet_R20_quantumCounterLimit(t *testing.T) {
	alice, bob := newPair(t)
	open(t, &bob, seal(t, &alice, "first"), "first")
	a, b := parseState(t, alice), parseState(t, bob)
	a.pq.sendChain().n, b.pq.recvChain().n = math.MaxUint32-1, math.MaxUint32-1
	a.pq.since, b.pq.since = math.MaxUint32, math.MaxUint32
	alice, bob = parse(t, a), parse(t, b)
	open(t, &bob, seal(t, &alice, "last"), "last")
	if _, _, err := alice.Seal(nil, ad); !errors.Is(err, ratchet.ErrExhausted) {
		t.Fatalf("beyond the last message: %v", err)
	}
	if !alice.QuantumStale() || !bob.QuantumStale() {
		t.Error("the count of messages went over its end")
	}
}
