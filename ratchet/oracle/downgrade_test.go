package oracle_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"kith/ratchet/internal/signalv4"
)

// chat is a quiet conversation that begins with the first party.
func chat(t *testing.T, first, second party, messages int) {
	t.Helper()
	for i := range messages {
		opens(t, second, first.seal(t, fmt.Sprint("message ", i)))
		first, second = second, first
	}
}

// TestOracle_withoutSPQR is about peers who do not have the post-quantum ratchet:
// new versions of libsignal refuse them, old ones do not, and so does our suite
// with and without Negotiable.
func TestOracle_withoutSPQR(t *testing.T) {
	us := func(n *node, weStart bool, o signalv4.Options) (*ours, *theirs) {
		t.Helper()
		us, them := newOurs(t, false), newTheirs(n)
		o.Registration = ourRegistration
		us.Options = o
		introduce(t, us, them, weStart, true)
		return us, them
	}
	fresh, old := startNode(t, "v103"), startNode(t, "v90")

	a, b := us(fresh, true, signalv4.Options{WithoutPQ: true})
	refuse(t, b, "first message without SPQR", a.seal(t, "hello"))
	a, b = us(fresh, false, signalv4.Options{WithoutPQ: true})
	opens(t, a, b.seal(t, "hello"))
	refuse(t, b, "answer without SPQR", a.seal(t, "hello"))

	a, b = us(old, true, signalv4.Options{WithoutPQ: true})
	chat(t, a, b, 20)
	a, b = us(old, false, signalv4.Options{WithoutPQ: true})
	chat(t, b, a, 20)

	a, b = us(old, false, signalv4.Options{})
	refuse(t, a, "first message of one who negotiates", b.seal(t, "hello"))
	a, b = us(old, false, signalv4.Options{Negotiable: true})
	w := b.seal(t, "hello")
	opens(t, a, w)
	opens(t, b, a.seal(t, "answer")) // with which it is settled
	m, _, mac, err := signalv4.ParseMessage(b.seal(t, "not to be delivered").body)
	if err != nil {
		t.Fatal(err)
	}
	pq, err := signalv4.ParsePQMessage(m.PQRatchet)
	if err != nil || pq.Index == 0 {
		t.Errorf("not settled: index %d, %v", pq.Index, err)
	}
	m.PQRatchet = nil
	refuse(t, a, "SPQR stripped after it was settled", wire{signalv4.KindMessage, append(m.Append(nil), mac...), ""})
	chat(t, b, a, 20)
	a, b = us(old, true, signalv4.Options{})
	chat(t, a, b, 20)
}

// TestOracle_bundles offers bad bundles to both sides.
func TestOracle_bundles(t *testing.T) {
	n := startNode(t, "v103")
	kem := signalv4.NewKEMKeyPair()
	ec, err := signalv4.NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*ours, *offer){
		"prekey not signed":     func(_ *ours, o *offer) { o.Signature[7] ^= 1 },
		"KEM prekey not signed": func(_ *ours, o *offer) { o.KEMSignature[7] ^= 1 },
		"signatures swapped":    func(_ *ours, o *offer) { o.Signature, o.KEMSignature = o.KEMSignature, o.Signature },
		"signature too short":   func(_ *ours, o *offer) { o.Signature = o.Signature[:63] },
		"prekey of another":     func(_ *ours, o *offer) { o.SignedPreKey = ec.Public.Append(nil) },
		"KEM prekey of another": func(_ *ours, o *offer) { o.KEMPreKey = kem.Public[:] },
		"identity of another":   func(_ *ours, o *offer) { o.Identity = ec.Public.Append(nil) },
		"EC key in the KEM slot": func(us *ours, o *offer) {
			o.KEMPreKey = ec.Public.Append(nil)
			o.KEMSignature = sign(us, o.KEMPreKey)
		},
		"KEM key in the EC slot": func(us *ours, o *offer) {
			o.SignedPreKey = kem.Public[:]
			o.Signature = sign(us, o.SignedPreKey)
		},
		"KEM key as one-time prekey": func(_ *ours, o *offer) { o.PreKey = kem.Public[:] },
		"ML-KEM's type": func(us *ours, o *offer) {
			o.KEMPreKey = slices.Concat([]byte{0x0a}, kem.Public[1:])
			o.KEMSignature = sign(us, o.KEMPreKey)
		},
		"prekey of low order": func(us *ours, o *offer) {
			o.SignedPreKey = append([]byte{5, 1}, make([]byte, 31)...)
			o.Signature = sign(us, o.SignedPreKey)
		},
		"one-time prekey of low order": func(_ *ours, o *offer) { o.PreKey = append([]byte{5}, make([]byte, 32)...) },
		"empty KEM prekey": func(us *ours, o *offer) {
			o.KEMPreKey = nil
			o.KEMSignature = sign(us, nil)
		},
	} {
		owner, reader, them := newOurs(t, false), newOurs(t, false), newTheirs(n)
		b, err := owner.NewBundle(true)
		if err != nil {
			t.Fatal(err)
		}
		o := offerOf(b)
		o.Signature, o.KEMSignature = bytes.Clone(o.Signature), bytes.Clone(o.KEMSignature)
		spoil(owner, o)
		before := them.state(t)
		if err := them.start(o); err == nil {
			t.Errorf("libsignal takes a bundle: %s", name)
		}
		if them.state(t) != before {
			t.Errorf("libsignal changes with a bundle: %s", name)
		}
		read, err := o.bundle()
		if err == nil {
			err = reader.Start(theirName, read)
		}
		if err == nil || reader.ready() {
			t.Errorf("we take a bundle: %s", name)
		}
	}
}

func sign(us *ours, encoded []byte) octets {
	s := signalv4.SignKey(&us.Identity, encoded)
	return s[:]
}

// TestOracle_otherSender delivers what one has sent as if another had.
func TestOracle_otherSender(t *testing.T) {
	n := startNode(t, "v103")
	for _, weStart := range []bool{true, false} {
		us, them, first, second := pair(t, n, weStart)
		w := first.seal(t, "hello")
		us.peer, them.peer = strangerID, strangerID
		refuse(t, second, "first message of another", w)
		us.peer, them.peer = theirName, ourName
		opens(t, second, w)
		w = first.seal(t, "again")
		us.peer, them.peer = strangerID, strangerID
		refuse(t, second, "first message of another in a session", w)
		us.peer, them.peer = theirName, ourName
		opens(t, second, w)
		opens(t, first, second.seal(t, "answer"))
	}
}

// TestOracle_otherSession mixes two handshakes of the same parties.
func TestOracle_otherSession(t *testing.T) {
	n := startNode(t, "v103")
	us, them, first, second := pair(t, n, true)
	one := first.seal(t, "one")
	introduce(t, us, them, true, true)
	two := first.seal(t, "two")
	a, err := signalv4.ParsePreKeyMessage(one.body)
	if err != nil {
		t.Fatal(err)
	}
	b, err := signalv4.ParsePreKeyMessage(two.body)
	if err != nil {
		t.Fatal(err)
	}
	a.Message, b.Message = b.Message, a.Message
	refuse(t, second, "handshake one with message two", wire{one.kind, a.Append(nil), ""})
	refuse(t, second, "handshake two with message one", wire{one.kind, b.Append(nil), ""})
	opens(t, second, two)
	opens(t, first, second.seal(t, "answer"))
	refuse(t, second, "message two with the same number", wire{signalv4.KindMessage, b.Message, ""})
	chat(t, first, second, 10)
}

// TestOracle_identityChanged lets a peer come back with another identity.
func TestOracle_identityChanged(t *testing.T) {
	n := startNode(t, "v103")
	us, them, first, second := pair(t, n, true)
	chat(t, first, second, 4)
	other := newOurs(t, false)
	introduce(t, other, them, true, true)
	refuse(t, them, "first message of a new identity", other.seal(t, "hello"))
	b, err := us.NewBundle(true)
	if err != nil {
		t.Fatal(err)
	}
	successor := newTheirs(n) // of the same name
	if err := successor.start(offerOf(b)); err != nil {
		t.Fatal(err)
	}
	refuse(t, us, "first message of a new identity", successor.seal(t, "hello"))
}

// TestOracle_signatures compares both variants of XEdDSA with libsignal.
func TestOracle_signatures(t *testing.T) {
	n := startNode(t, "v103")
	signs := map[byte]int{}
	for i := range 60 {
		k, err := signalv4.NewKeyPair()
		if err != nil {
			t.Fatal(err)
		}
		text := octets(bytes.Repeat([]byte{byte(i)}, i))
		var made struct{ Signature octets }
		n.must("sign", map[string]any{"key": octets(k.Private[:]), "text": text}, &made)
		theirs := signalv4.Signature(made.Signature)
		signs[theirs[63]&0x80]++
		if !signalv4.VerifySignal(&k.Public, text, &theirs) {
			t.Errorf("we refuse a signature of key %x", k.Private)
		}
		check := func(name string, sig signalv4.Signature, want bool) {
			t.Helper()
			var verdict struct{ Good bool }
			key := octets(k.Public.Append(nil))
			n.must("verify", map[string]any{"key": key, "text": text, "signature": octets(sig[:])}, &verdict)
			if verdict.Good != want || signalv4.VerifySignal(&k.Public, text, &sig) != want {
				t.Errorf("%s by key %x: libsignal says %t", name, k.Private, verdict.Good)
			}
		}
		z := [64]byte{byte(i)}
		check("libsignal's variant", signalv4.SignSignal(&k.Private, text, &z), true)
		check("the specification's variant", signalv4.SignXEdDSA(&k.Private, text, &z), true)
		for _, bit := range []int{0, 255, 256, 507, 508, 509, 510, 511} {
			bad := theirs
			bad[bit/8] ^= 1 << (bit % 8)
			check(fmt.Sprint("bit ", bit), bad, false)
		}
	}
	if len(signs) != 2 {
		t.Error("not both signs")
	}
}

// TestOracle_limits goes to the edge of what may be skipped and of what is kept.
func TestOracle_limits(t *testing.T) {
	if testing.Short() {
		t.Skip("seals 50,000 messages")
	}
	const jump, kept = signalv4.MaxPQJump, signalv4.MaxSkipped
	n := startNode(t, "v103")
	for _, weSend := range []bool{true, false} {
		us, them, first, second := pair(t, n, weSend)
		chat(t, first, second, 4)
		opens(t, second, first.seal(t, "before")) // number 0 of its chain
		keep := []int{0, jump - kept - 1, jump - kept, jump - 1, jump, jump + 1}
		var sent []wire
		if weSend {
			for i := range jump + 2 {
				if w := us.seal(t, "many"); slices.Contains(keep, i) {
					sent = append(sent, w)
				}
			}
		} else {
			var many []struct {
				Type signalv4.Kind
				Body octets
			}
			n.must("encMany", them.args(map[string]any{"text": octets("many"), "count": jump + 2, "keep": keep}), &many)
			for _, m := range many {
				sent = append(sent, wire{m.Type, m.Body, "many"})
			}
		}
		refuse(t, second, "a message that skips one too many", sent[5])
		opens(t, second, sent[4])
		refuse(t, second, "the oldest of all", sent[0])
		refuse(t, second, "the newest of those not kept", sent[1])
		opens(t, second, sent[2])
		opens(t, second, sent[3])
		opens(t, second, sent[5])
		chat(t, second, first, 4)
	}
}

// TestOracle_oldChains leaves a message behind in each of many chains.
func TestOracle_oldChains(t *testing.T) {
	n := startNode(t, "v103")
	for _, weStart := range []bool{true, false} {
		_, _, first, second := pair(t, n, weStart)
		chat(t, first, second, 2)
		var late []wire
		for range 12 {
			late = append(late, first.seal(t, "late"))
			chat(t, first, second, 2)
		}
		opened := 0
		for i, w := range late {
			text, err := second.open(w)
			if (err == nil) != (i >= len(late)-signalv4.MaxChains) {
				t.Errorf("%T: message %d: %q, %v", second, i, text, err)
			}
			if err == nil {
				opened++
			}
		}
		t.Logf("%T opens %d of %d", second, opened, len(late))
	}
}
