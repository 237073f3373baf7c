package ratchet_test

import (
	"bytes"
	"errors"
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
