package ratchet_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"kith/ratchet"
)

var (
	noon = time.Unix(1_700_000_000, 0)
	ad   = []byte("associated data of both")
)

// newPair returns the two sides of a fresh session.
func newPair(t testing.TB) (alice, bob *ratchet.Session) {
	t.Helper()
	spk, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var s ratchet.Secrets
	for _, k := range [][]byte{s.Root[:], s.HeaderA[:], s.HeaderB[:], s.PQ[:]} {
		rand.Read(k)
	}
	if alice, err = ratchet.NewInitiator(&s, spk.PublicKey()); err != nil {
		t.Fatal(err)
	}
	if bob, err = ratchet.NewResponder(&s, spk); err != nil {
		t.Fatal(err)
	}
	return alice, bob
}

// seal seals text and moves the session on.
func seal(t testing.TB, s **ratchet.Session, text string) []byte {
	t.Helper()
	next, msg, err := (*s).Seal([]byte(text), ad)
	if err != nil {
		t.Fatalf("seal %q: %v", text, err)
	}
	*s = next
	return msg
}

// open opens a message, wants text, and moves the session on.
func open(t testing.TB, s **ratchet.Session, msg []byte, text string) {
	t.Helper()
	next, plaintext, err := (*s).Open(msg, ad, noon)
	if err != nil {
		t.Fatalf("open %q: %v", text, err)
	}
	if !bytes.Equal(plaintext, []byte(text)) {
		t.Fatalf("opened %q, want %q", plaintext, text)
	}
	*s = next
}

// state returns the session's encoding.
func state(t testing.TB, s *ratchet.Session) []byte {
	t.Helper()
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// restore stores the session and loads it again.
func restore(t testing.TB, s **ratchet.Session) {
	t.Helper()
	next, err := ratchet.ParseSession(state(t, *s))
	if err != nil {
		t.Fatal(err)
	}
	*s = next
}

// refuse wants a message refused with an error, and the session as it was.
func refuse(t testing.TB, s *ratchet.Session, msg []byte, want error) {
	t.Helper()
	before := state(t, s)
	next, plaintext, err := s.Open(msg, ad, noon)
	if !errors.Is(err, want) {
		t.Fatalf("open: got %v, want %v", err, want)
	}
	if next != nil || plaintext != nil {
		t.Fatal("a refused message gave a result")
	}
	if !bytes.Equal(before, state(t, s)) {
		t.Fatal("a refused message changed the session")
	}
}

func TestRoundTrip(t *testing.T) {
	alice, bob := newPair(t)
	for range 5 {
		for range 3 {
			open(t, &bob, seal(t, &alice, "from alice"), "from alice")
		}
		for range 2 {
			open(t, &alice, seal(t, &bob, "from bob"), "from bob")
		}
		restore(t, &alice)
		restore(t, &bob)
	}
}

// A message within a chain must stay cheap.
func TestAllocations(t *testing.T) {
	const limit = 12
	alice, bob := newPair(t)
	first := seal(t, &alice, "first")
	open(t, &bob, first, "first")
	msg := seal(t, &alice, "x")
	if n := testing.AllocsPerRun(100, func() { alice.Seal([]byte("x"), ad) }); n > limit {
		t.Errorf("Seal allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { bob.Open(msg, ad, noon) }); n > limit {
		t.Errorf("Open allocates %v times", n)
	}
}

func BenchmarkSeal(b *testing.B) {
	alice, _ := newPair(b)
	plaintext := make([]byte, 100)
	seal(b, &alice, "first")
	b.ReportAllocs()
	for b.Loop() {
		next, _, err := alice.Seal(plaintext, ad)
		if err != nil {
			b.Fatal(err)
		}
		alice = next
	}
}

func BenchmarkOpen(b *testing.B) {
	alice, bob := newPair(b)
	msgs := make([][]byte, 1000)
	for i := range msgs {
		msgs[i] = seal(b, &alice, string(make([]byte, 100)))
	}
	open(b, &bob, msgs[0], string(make([]byte, 100)))
	start, i := bob, 0
	b.ReportAllocs()
	for b.Loop() {
		if i++; i == len(msgs) {
			bob, i = start, 1
		}
		next, _, err := bob.Open(msgs[i], ad, noon)
		if err != nil {
			b.Fatal(err)
		}
		bob = next
	}
}

func BenchmarkPingPong(b *testing.B) {
	alice, bob := newPair(b)
	b.ReportAllocs()
	for b.Loop() {
		open(b, &bob, seal(b, &alice, "ping"), "ping")
		open(b, &alice, seal(b, &bob, "pong"), "pong")
	}
}

// BenchmarkStored opens as an application does that keeps sessions in a store.
func BenchmarkStored(b *testing.B) {
	alice, bob := newPair(b)
	open(b, &bob, seal(b, &alice, "first"), "first")
	msg, stored := seal(b, &alice, "x"), state(b, bob)
	b.ReportAllocs()
	for b.Loop() {
		s, err := ratchet.ParseSession(stored)
		if err != nil {
			b.Fatal(err)
		}
		next, _, err := s.Open(msg, ad, noon)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := next.MarshalBinary(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkManySkipped opens in a session that stores as many keys as it may.
func BenchmarkManySkipped(b *testing.B) {
	alice, bob := newPair(b)
	for range 2 {
		for range ratchet.MaxSkip {
			seal(b, &alice, "lost")
		}
		open(b, &bob, seal(b, &alice, "x"), "x")
	}
	msg := seal(b, &alice, "x")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := bob.Open(msg, ad, noon); err != nil {
			b.Fatal(err)
		}
	}
}
