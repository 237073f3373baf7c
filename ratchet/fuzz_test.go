package ratchet_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"kith/ratchet"
)

func FuzzParseSession(f *testing.F) {
	alice, bob := conversation(f)
	fresh, waiting := newPair(f)
	for _, s := range []*ratchet.Session{alice, bob, fresh, waiting} {
		f.Add(state(f, s))
	}
	msg := seal(f, &alice, "x")
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ratchet.ParseSession(b)
		if err != nil {
			if !errors.Is(err, ratchet.ErrState) || s != nil {
				t.Fatalf("got %v", err)
			}
			return
		}
		if !bytes.Equal(state(t, s), b) {
			t.Fatal("what was parsed encodes differently")
		}
		if next, _, err := s.Open(msg, ad, noon); err == nil {
			restore(t, &next)
		}
		if next, _, err := s.Seal(nil, ad); err == nil {
			restore(t, &next)
		}
		if next := s.Expire(noon); next != nil {
			restore(t, &next)
		}
		s.CanOpen(msg)
	})
}

// FuzzOpen holds one session against any bytes; only the genuine messages open.
func FuzzOpen(f *testing.F) {
	alice, bob := conversation(f)
	late, msg := seal(f, &alice, "late"), seal(f, &alice, "x")
	genuine := [][]byte{late, msg}
	for _, m := range genuine {
		f.Add(m, ad)
	}
	before := state(f, bob)
	f.Fuzz(func(t *testing.T, m, with []byte) {
		next, plaintext, err := bob.Open(m, with, noon)
		known := bytes.Equal(with, ad) && (bytes.Equal(m, late) || bytes.Equal(m, msg))
		if known != (err == nil) || (next == nil) != (err != nil) || plaintext != nil && err != nil {
			t.Fatalf("genuine %v, got %v", known, err)
		}
		if !bytes.Equal(before, state(t, bob)) {
			t.Fatal("Open changed the session it was called on")
		}
	})
}

// FuzzHeader lets the holder of all keys say anything in a header.
func FuzzHeader(f *testing.F) {
	alice, bob := conversation(f)
	x := parseState(f, alice)
	h := x.forgeChain(bytes.Repeat([]byte{7}, 32), 0)
	f.Add(h.header.encode(), uint8(1), true)
	seal(f, &alice, "x")
	y := parseState(f, alice)
	f.Add(y.forgeNext(1).header.encode(), uint8(1), false)
	f.Fuzz(func(t *testing.T, plain []byte, version uint8, next bool) {
		if len(plain) > 1<<12 {
			return
		}
		hk := y.send.header
		if next {
			hk = parseState(t, bob).recv.header
		}
		msg := refSealBody(refSealHeader(version, hk, plain), x.root, x.root, nil, ad)
		refuseAny(t, bob, msg)
	})
}

func refuseAny(t *testing.T, s *ratchet.Session, msg []byte) {
	t.Helper()
	before := state(t, s)
	if next, _, err := s.Open(msg, ad, noon); err == nil || next != nil {
		t.Fatal("a message without a message key opened")
	}
	if !bytes.Equal(before, state(t, s)) {
		t.Fatal("a refused message changed the session")
	}
}

// TestRatchet_R28_peerWhoSaysAnything: a peer who holds all keys, and seals whatever
// headers he likes properly, gets a message opened or refused; either way what is
// left can be stored, seals, and opens what an honest peer would have sent.
func TestRatchet_R28_peerWhoSaysAnything(t *testing.T) {
	rng := rand.New(rand.NewPCG(newSeed(t), 3))
	opened := 0
	for range 60 {
		alice, bob := conversation(t)
		for range rng.IntN(25) {
			open(t, &bob, seal(t, &alice, "x"), "x")
			open(t, &alice, seal(t, &bob, "x"), "x")
		}
		open(t, &bob, seal(t, &alice, "x"), "x")
		seal(t, &bob, "begins a chain")
		for range 40 {
			victim, x := alice, parseState(t, bob)
			for range 1 + rng.IntN(4) {
				f := x.forgeNext(x.send.n + uint32(rng.IntN(3)))
				f.sayAnything(rng, x)
				next, _, err := victim.Open(f.seal(), ad, noon)
				switch {
				case err == nil:
					victim = next
					opened++
				case next != nil || err != ratchet.ErrOpen && err != ratchet.ErrDuplicate && err != ratchet.ErrTooFar:
					t.Fatalf("got %v", err)
				}
				restore(t, &victim)
			}
			seal(t, &victim, "still here")
			restore(t, &victim)
		}
	}
	if opened == 0 {
		t.Error("nothing opened: the peer does it wrong")
	}
}

// sayAnything changes what a header says, and takes the key that goes with it.
func (f *forge) sayAnything(rng *rand.Rand, x *refState) {
	h := &f.header
	if i := rng.IntN(len(x.pq.epochs)); rng.IntN(2) == 0 && x.pq.epochs[i].send != nil {
		h.epoch = x.pq.first + uint64(i) + 1
		f.as(x.pq.epochs[i].send, x.pq.epochs[i].send.n+1+uint32(rng.IntN(4)))
	}
	if rng.IntN(2) == 0 {
		h.pqPN += uint32(rng.IntN(5) - 1)
	}
	h.kind = uint8(rng.IntN(7))
	h.first = [...]uint16{0, uint16(rng.Uint32()), 1020, 1023, 65530}[rng.IntN(5)]
	h.chunks = make([]byte, 32*[...]int{0, 3, 8, 8, 0, 8, 5}[h.kind])
	if len(h.chunks) == 0 {
		h.first = 0
	}
	for i := range h.chunks {
		h.chunks[i] = byte(rng.Uint32())
	}
}
