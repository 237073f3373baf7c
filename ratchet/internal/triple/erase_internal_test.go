package triple

import (
	"crypto/ecdh"
	"crypto/rand"
	"testing"

	"kith/ratchet/internal/kdf"
	"kith/ratchet/internal/skipped"
	"kith/ratchet/internal/spqr"
)

// plain is as much of a suite as these tests need.
type plain struct{ Suite }

var profile = spqr.Profile{Rules: skipped.Rules{Stored: 9, Messages: 9}}

func (plain) SPQR() *spqr.Profile                         { return &profile }
func (plain) HeaderKey(announced, _ *kdf.Key) kdf.Key     { return *announced }
func (plain) Root(_, dh *kdf.Key) (chain, header kdf.Key) { return kdf.MAC(dh, nil, nil), *dh }

func fill(k *kdf.Key) { rand.Read(k[:]) }

// TestRatchet_R21_wipeClearsMemory looks at the memory a session leaves behind.
func TestRatchet_R21_wipeClearsMemory(t *testing.T) {
	s := &Session{suite: plain{}, hasSelf: true, hasPeer: true, hasRecv: true}
	for _, k := range []*kdf.Key{&s.root, &s.send.chain, &s.recv.chain, &s.nextSend, &s.nextRecv, &s.self.private} {
		fill(k)
	}
	s.pq = spqr.New(&profile, &s.root, true)
	s.closed = make([]Closed, 2, 4)
	s.skipped = make(skipped.Store, 3, 8)
	closed, kept := s.closed[:4], s.skipped[:8]
	for i := range closed {
		fill(&closed[i].Header)
	}
	for i := range kept {
		fill(&kept[i].Secret)
	}
	s.Wipe()
	if s.root != (kdf.Key{}) || s.send != (chain{}) || s.recv != (chain{}) || s.self.private != (kdf.Key{}) ||
		s.nextSend != (kdf.Key{}) || s.nextRecv != (kdf.Key{}) || s.hasSelf || s.closed != nil || s.skipped != nil {
		t.Error("the session is not zero")
	}
	if s.pq.Epoch() != 0 || s.pq.Skipped() != 0 {
		t.Error("the post-quantum ratchet is not zero")
	}
	for _, c := range closed {
		if c.Header != (kdf.Key{}) {
			t.Error("a header key remains")
		}
	}
	for _, k := range kept {
		if k.Secret != (kdf.Key{}) {
			t.Error("a skipped message key remains")
		}
	}
}

// The receiving half-step leaves no sending chain in memory, either.
func TestRatchet_R06_receivingErasesSendingChain(t *testing.T) {
	dh, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &Session{suite: plain{}, hasSelf: true, hasPeer: true}
	s.self.set(dh)
	s.send = chain{header: kdf.Key{1}, chain: kdf.Key{2}, n: 3}
	if err := s.receiveStep(&Header{Key: kdf.Key{9}}); err != nil {
		t.Fatal(err)
	}
	if s.send != (chain{}) || s.self.private != (kdf.Key{}) || s.self.dh != nil || s.pn != 3 {
		t.Error("something of the sending chain or the ratchet key remains")
	}
}

// A key that was used is erased from the array it lay in.
func TestRatchet_R12_takenKeyIsCleared(t *testing.T) {
	keys := skipped.Store{{N: 1, Secret: kdf.Key{1}}, {N: 2, Secret: kdf.Key{2}}}
	all := keys
	if got := keys.Take(0); got != (kdf.Key{1}) || len(keys) != 1 || keys[0].N != 2 {
		t.Fatalf("took %v, left %v", got, keys)
	}
	if all[1] != (skipped.Key{}) {
		t.Error("a copy of a key remains in memory")
	}
}
