package pqxdh_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"testing"
	"time"

	"kith/pqxdh"
)

var noon = time.Unix(1_700_000_000, 0)

// device is a party of the tests: its identity and its signing key.
type device struct {
	pqxdh.Identity
	signer ed25519.PrivateKey
}

func newDevice(t testing.TB) device {
	t.Helper()
	public, signer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dh, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d := device{pqxdh.Identity{DH: dh}, signer}
	d.Device = [32]byte(public)
	rand.Read(d.Account[:])
	return d
}

// prekeys makes a set that expires in an hour, with one-time keys or without.
func (d device) prekeys(t testing.TB, oneTime bool) pqxdh.Prekeys {
	t.Helper()
	end := noon.Add(time.Hour).Unix()
	var keys pqxdh.Prekeys
	var err error
	if keys.Signed, err = pqxdh.NewSignedPrekey(d.signer, d.Public(), 7, end); err != nil {
		t.Fatal(err)
	}
	if keys.KEM, err = pqxdh.NewKEMPrekey(d.signer, d.Public(), 8, end, !oneTime); err != nil {
		t.Fatal(err)
	}
	if oneTime {
		if keys.OneTime, err = pqxdh.NewOneTimePrekey(d.signer, d.Public(), 9, end); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

func (d device) bundle(keys pqxdh.Prekeys) *pqxdh.Bundle {
	return pqxdh.NewBundle(d.Public(), keys.Signed, keys.OneTime, keys.KEM)
}

// equal compares everything both sides must agree on.
func equal(a, b *pqxdh.Secrets) bool {
	return a.Root == b.Root && a.HeaderA == b.HeaderA && a.HeaderB == b.HeaderB &&
		a.PQ == b.PQ && a.Exporter == b.Exporter && bytes.Equal(a.AD, b.AD)
}

// variants are all shapes a handshake can have.
var variants = []struct {
	name    string
	oneTime bool
	psk     []byte
}{
	{"last resort", false, nil},
	{"one-time", true, nil},
	{"last resort, invite", false, bytes.Repeat([]byte{1}, pqxdh.PSKSize)},
	{"one-time, invite", true, bytes.Repeat([]byte{1}, pqxdh.PSKSize)},
}

// handshake runs both sides and wants equal secrets.
func handshake(t testing.TB, alice, bob device, keys pqxdh.Prekeys, psk []byte) (*pqxdh.Initial, *pqxdh.Secrets) {
	t.Helper()
	in, sa, err := pqxdh.Initiate(alice.Identity, bob.bundle(keys), psk, noon)
	if err != nil {
		t.Fatal(err)
	}
	sb, err := pqxdh.Accept(bob.Identity, keys, in, psk, noon)
	if err != nil {
		t.Fatal(err)
	}
	if !equal(sa, sb) {
		t.Fatal("secrets differ")
	}
	return in, sa
}

func TestPQXDH_PQ15_bothSidesAgree(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			keys := bob.prekeys(t, v.oneTime)
			in, s := handshake(t, alice, bob, keys, v.psk)
			seen := make(map[[32]byte]bool)
			for _, k := range [][32]byte{s.Root, s.HeaderA, s.HeaderB, s.PQ, s.Exporter, {}} {
				seen[k] = true
			}
			if len(seen) != 6 {
				t.Error("secrets repeat or are zero")
			}
			if s.SelfRatchet != nil || !bytes.Equal(s.PeerRatchet.Bytes(), keys.Signed.Public.Key[:]) {
				t.Error("the initiator's first ratchet key is not the signed prekey")
			}
			b, err := pqxdh.Accept(bob.Identity, keys, in, v.psk, noon)
			if err != nil {
				t.Fatal(err)
			}
			if b.PeerRatchet != nil || !bytes.Equal(b.SelfRatchet.PublicKey().Bytes(), keys.Signed.Public.Key[:]) {
				t.Error("the responder's first ratchet key is not the signed prekey")
			}
		})
	}
}

// The key schedule, a second time, from the specification.
func TestPQXDH_PQ08_referenceAgrees(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			keys := bob.prekeys(t, v.oneTime)
			in, s := handshake(t, alice, bob, keys, v.psk)
			out, ad := refSecrets(t, bob, keys, in, v.psk)
			if !bytes.Equal(out, concat(s)) || !bytes.Equal(ad, s.AD) {
				t.Error("secrets or associated data differ from the reference")
			}
		})
	}
}

// Two handshakes with the same bundle share nothing.
func TestPQXDH_PQ08_freshEveryTime(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	keys := bob.prekeys(t, false)
	in1, s1 := handshake(t, alice, bob, keys, nil)
	in2, s2 := handshake(t, alice, bob, keys, nil)
	if in1.Ephemeral == in2.Ephemeral || in1.Ciphertext == in2.Ciphertext || s1.Root == s2.Root || bytes.Equal(s1.AD, s2.AD) {
		t.Error("a handshake repeats another")
	}
}

// Accept consumes nothing: the caller deletes prekeys and recognises replays.
func TestPQXDH_PQ14_replayIsRecognisable(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	keys := bob.prekeys(t, false)
	in, s := handshake(t, alice, bob, keys, nil)
	again, err := pqxdh.Accept(bob.Identity, keys, reparse(t, in), nil, noon)
	if err != nil || !equal(s, again) {
		t.Fatalf("the same initial leads elsewhere: %v", err)
	}
	other, _ := handshake(t, alice, bob, keys, nil)
	if in.Hash() != reparse(t, in).Hash() || in.Hash() == other.Hash() {
		t.Error("Hash does not tell a replay from another initial")
	}
}

func reparse(t testing.TB, in *pqxdh.Initial) *pqxdh.Initial {
	t.Helper()
	b, err := in.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pqxdh.ParseInitial(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPQXDH_PQ16_wipe(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	keys := bob.prekeys(t, true)
	in, s := handshake(t, alice, bob, keys, nil)
	ad := s.AD
	s.Wipe()
	if !bytes.Equal(concat(s), make([]byte, 160)) || s.AD != nil || s.PeerRatchet != nil || !bytes.Equal(ad, make([]byte, len(ad))) {
		t.Error("Wipe leaves something")
	}
	b, err := pqxdh.Accept(bob.Identity, keys, in, nil, noon)
	if err != nil {
		t.Fatal(err)
	}
	b.Wipe()
	if b.SelfRatchet != nil {
		t.Error("Wipe leaves the ratchet key")
	}
	if _, err := pqxdh.Accept(bob.Identity, keys, in, nil, noon); err != nil {
		t.Errorf("wiping secrets harmed the prekeys: %v", err)
	}
}

func BenchmarkInitiate(b *testing.B) {
	alice, bob := newDevice(b), newDevice(b)
	bundle := bob.bundle(bob.prekeys(b, true))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := pqxdh.Initiate(alice.Identity, bundle, nil, noon); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAccept(b *testing.B) {
	alice, bob := newDevice(b), newDevice(b)
	keys := bob.prekeys(b, true)
	in, _, err := pqxdh.Initiate(alice.Identity, bob.bundle(keys), nil, noon)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pqxdh.Accept(bob.Identity, keys, in, nil, noon); err != nil {
			b.Fatal(err)
		}
	}
}
