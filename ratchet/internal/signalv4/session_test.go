package signalv4_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	. "kith/ratchet/internal/signalv4"
)

const (
	alice = "11111111-1111-4111-8111-111111111111"
	bob   = "22222222-2222-4222-8222-222222222222"
	carol = "33333333-3333-4333-8333-333333333333"
)

var when = time.Unix(1_800_000_000, 0)

func device(t *testing.T, name string) *Device {
	t.Helper()
	d, err := NewDevice(name, Options{Registration: 7})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func bundle(t *testing.T, d *Device, oneTime bool) *Bundle {
	t.Helper()
	b, err := d.NewBundle(oneTime)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func seal(t *testing.T, d *Device, peer, text string) (Kind, []byte) {
	t.Helper()
	kind, msg, err := d.Seal(peer, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return kind, msg
}

func send(t *testing.T, from, to *Device, text string) Kind {
	t.Helper()
	kind, msg := seal(t, from, to.Name, text)
	got, err := to.Open(from.Name, kind, msg, when)
	if err != nil || string(got) != text {
		t.Fatalf("%s to %s: %q, %v", from.Name, to.Name, got, err)
	}
	return kind
}

func TestConversation(t *testing.T) {
	for _, oneTime := range []bool{true, false} {
		a, b := device(t, alice), device(t, bob)
		if err := a.Start(bob, bundle(t, b, oneTime)); err != nil {
			t.Fatal(err)
		}
		if len(b.OneTime) == 1 != oneTime {
			t.Fatalf("%d one-time prekeys", len(b.OneTime))
		}
		for i := range 3 {
			if kind := send(t, a, b, fmt.Sprint("first ", i)); kind != KindPreKey {
				t.Errorf("message %d before the answer is of kind %d", i, kind)
			}
		}
		if len(b.OneTime) != 0 {
			t.Error("a one-time prekey is still there")
		}
		for i := range 120 {
			if send(t, b, a, fmt.Sprint("answer ", i)) != KindMessage || send(t, a, b, fmt.Sprint("question ", i)) != KindMessage {
				t.Fatal("not a plain message")
			}
		}
		if e := a.Sessions[bob].Epoch(); e < 2 {
			t.Errorf("%d epochs in 120 round trips", e)
		}
	}
}

func TestBundleRefused(t *testing.T) {
	b := device(t, bob)
	kem := NewKEMKeyPair()
	ec := newKey(t)
	sign := func(encoded []byte) Signature { return SignKey(&b.Identity, encoded) }
	for name, spoil := range map[string]func(*Bundle){
		"signature":     func(o *Bundle) { o.SignedPreKeySignature[5] ^= 1 },
		"KEM signature": func(o *Bundle) { o.KEMPreKeySignature[5] ^= 1 },
		"swapped signatures": func(o *Bundle) {
			o.SignedPreKeySignature, o.KEMPreKeySignature = o.KEMPreKeySignature, o.SignedPreKeySignature
		},
		"another prekey":     func(o *Bundle) { o.SignedPreKey = ec.Public },
		"another KEM prekey": func(o *Bundle) { o.KEMPreKey = kem.Public[:] },
		"another identity":   func(o *Bundle) { o.Identity = ec.Public },
		"EC key as KEM key": func(o *Bundle) {
			o.KEMPreKey = ec.Public.Append(nil)
			o.KEMPreKeySignature = sign(o.KEMPreKey)
		},
		"KEM key of another type": func(o *Bundle) {
			o.KEMPreKey = append([]byte{0x0a}, kem.Public[1:]...)
			o.KEMPreKeySignature = sign(o.KEMPreKey)
		},
		"KEM key that is too long": func(o *Bundle) {
			o.KEMPreKey = append(kem.Public[:], 0)
			o.KEMPreKeySignature = sign(o.KEMPreKey)
		},
		"KEM key that is not reduced": func(o *Bundle) {
			o.KEMPreKey = bytes.Clone(kem.Public[:])
			o.KEMPreKey[1], o.KEMPreKey[2] = 0xff, 0xff
			o.KEMPreKeySignature = sign(o.KEMPreKey)
		},
		"low order prekey": func(o *Bundle) {
			o.SignedPreKey = PublicKey{1}
			o.SignedPreKeySignature = sign(o.SignedPreKey.Append(nil))
		},
		"low order one-time prekey": func(o *Bundle) { o.PreKey = PublicKey{} },
	} {
		offer := bundle(t, b, true)
		spoil(offer)
		a := device(t, alice)
		if err := a.Start(bob, offer); !errors.Is(err, ErrSignature) && !errors.Is(err, ErrKey) || len(a.Sessions) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// refused offers a message and demands that nothing changes.
func refused(t *testing.T, what string, d *Device, from string, kind Kind, msg []byte) {
	t.Helper()
	before := d.State(from)
	if text, err := d.Open(from, kind, msg, when); err == nil {
		t.Errorf("%s: opened %q", what, text)
	}
	if !bytes.Equal(d.State(from), before) {
		t.Errorf("%s: the state changed", what)
	}
}

func TestFirstMessageRefused(t *testing.T) {
	a, b, c := device(t, alice), device(t, bob), device(t, carol)
	if err := a.Start(bob, bundle(t, b, true)); err != nil {
		t.Fatal(err)
	}
	kind, msg := seal(t, a, bob, "hello")
	m, err := ParsePreKeyMessage(msg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range msg {
		if i >= len(msg)-KEMCiphertextSize-9 && i%16 != 0 {
			continue // most of the KEM ciphertext and what is before it
		}
		bad := bytes.Clone(msg)
		bad[i] ^= 1 << (i % 8)
		if p, err := ParsePreKeyMessage(bad); err == nil {
			if p.RegistrationID = m.RegistrationID; bytes.Equal(p.Append(nil), msg) {
				continue // nothing authenticates the registration id
			}
		}
		refused(t, fmt.Sprint("bit of byte ", i), b, alice, kind, bad)
	}
	refused(t, "a byte more", b, alice, kind, append(bytes.Clone(msg), 0))
	refused(t, "an unknown field", b, alice, kind, append(bytes.Clone(msg), 0x48, 0))
	refused(t, "a byte less", b, alice, kind, msg[:len(msg)-1])
	refused(t, "another sender", b, carol, kind, msg)
	refused(t, "inner message alone", b, alice, KindMessage, m.Message)

	other := *m
	other.IdentityKey = c.Identity.Public
	refused(t, "another identity", b, alice, kind, other.Append(nil))
	other = *m
	other.HasPreKey = false
	refused(t, "one-time prekey left out", b, alice, kind, other.Append(nil))
	other = *m
	other.SignedPreKeyID++
	refused(t, "unknown signed prekey", b, alice, kind, other.Append(nil))
	other = *m
	other.KEMCiphertext = append(bytes.Clone(newKey(t).Public.Append(nil)), make([]byte, KEMCiphertextSize-33)...)
	refused(t, "EC key as KEM ciphertext", b, alice, kind, other.Append(nil))
	if len(b.OneTime) != 1 {
		t.Error("the one-time prekey is gone")
	}
	if text, err := b.Open(alice, kind, msg, when); err != nil || string(text) != "hello" {
		t.Errorf("the genuine message: %q, %v", text, err)
	}
	refused(t, "replay", b, alice, kind, msg)
	delete(b.Sessions, alice)
	refused(t, "replay after the session was lost", b, alice, kind, msg)
}

func TestMessageRefused(t *testing.T) {
	a, b := device(t, alice), device(t, bob)
	if err := a.Start(bob, bundle(t, b, true)); err != nil {
		t.Fatal(err)
	}
	send(t, a, b, "hello")
	send(t, b, a, "hello")
	kind, msg := seal(t, a, bob, "text")
	for i := range 8 * len(msg) {
		bad := bytes.Clone(msg)
		bad[i/8] ^= 1 << (i % 8)
		refused(t, fmt.Sprint("bit ", i), b, alice, kind, bad)
	}
	for i := range msg {
		refused(t, fmt.Sprint("cut to ", i), b, alice, kind, msg[:i])
	}
	refused(t, "a byte more", b, alice, kind, append(bytes.Clone(msg), 0))
	refused(t, "own message", a, bob, kind, msg)
	m, _, mac, err := ParseMessage(msg)
	if err != nil {
		t.Fatal(err)
	}
	m.PQRatchet = nil
	refused(t, "no SPQR message", b, alice, kind, append(m.Append(nil), mac...))
	if text, err := b.Open(alice, kind, msg, when); err != nil || string(text) != "text" {
		t.Errorf("the genuine message: %q, %v", text, err)
	}
	refused(t, "replay", b, alice, kind, msg)
}

func TestStoredSession(t *testing.T) {
	a, b := device(t, alice), device(t, bob)
	if err := a.Start(bob, bundle(t, b, true)); err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		send(t, a, b, fmt.Sprint(i))
		send(t, b, a, fmt.Sprint(i))
		s, err := a.Sessions[bob].Restored()
		if err != nil || !bytes.Equal(s.State(), a.Sessions[bob].State()) {
			t.Fatalf("round %d: %v", i, err)
		}
		a.Sessions[bob] = s
	}
}
