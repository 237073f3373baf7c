package oracle_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"kith/ratchet/internal/signalv4"
)

// refuse offers what must be refused, and demands that nothing changes.
func refuse(t *testing.T, to party, what string, w wire) {
	t.Helper()
	before := to.state(t)
	if text, err := to.open(w); err == nil {
		t.Errorf("%T opens %s: %q", to, what, text)
	}
	if to.state(t) != before {
		t.Errorf("%T changes with %s", to, what)
	}
}

// opens offers what is genuine.
func opens(t *testing.T, to party, w wire) {
	t.Helper()
	if text, err := to.open(w); err != nil || text != w.text {
		t.Fatalf("%T does not open %q: %q, %v", to, w.text, text, err)
	}
}

// pair is a session of both, in which the initiator has said nothing yet.
func pair(t *testing.T, n *node, weStart bool) (us *ours, them *theirs, first, second party) {
	t.Helper()
	us, them = newOurs(t, false), newTheirs(n)
	introduce(t, us, them, weStart, true)
	if weStart {
		return us, them, us, them
	}
	return us, them, them, us
}

// tampered is a message changed in many ways, none of which is to open.
func tampered(t *testing.T, w wire) map[string]wire {
	t.Helper()
	all := map[string]wire{}
	add := func(name string, body []byte) { all[name] = wire{w.kind, body, w.text} }
	bits := 1 // for first messages, which cost more
	if w.kind == signalv4.KindMessage {
		bits = 8
	}
	from, to := registration(t, w)
	for i := range w.body {
		if from <= i && i < to {
			continue
		}
		for bit := range bits {
			b := bytes.Clone(w.body)
			b[i] ^= 1 << ((i + bit) % 8)
			add(fmt.Sprintf("bit %d of byte %d", (i+bit)%8, i), b)
		}
	}
	for _, n := range []int{0, 1, 2, 9, len(w.body) / 2, len(w.body) - 9, len(w.body) - 8, len(w.body) - 1} {
		add(fmt.Sprintf("the first %d bytes", n), w.body[:n])
	}
	for _, version := range []byte{0x00, 0x11, 0x33, 0x34, 0x43, 0x45, 0x54, 0x55, 0xff} {
		b := bytes.Clone(w.body)
		b[0] = version
		add(fmt.Sprintf("version %#x", version), b)
	}
	add("a byte more", append(bytes.Clone(w.body), 0))
	add("twice itself", append(bytes.Clone(w.body), w.body...))
	for name, body := range downgraded(t, w) {
		add(name, body)
	}
	return all
}

// downgraded is a message with less in it, or with keys in each other's places.
func downgraded(t *testing.T, w wire) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	inner := w.body
	outer := func(b []byte) []byte { return b }
	if w.kind == signalv4.KindPreKey {
		pre, err := signalv4.ParsePreKeyMessage(w.body)
		if err != nil {
			t.Fatal(err)
		}
		inner = pre.Message
		outer = func(b []byte) []byte {
			p := *pre
			p.Message = b
			return p.Append(nil)
		}
		change := func(name string, f func(*signalv4.PreKeyMessage)) {
			p := *pre
			f(&p)
			all[name] = p.Append(nil)
		}
		ec := append([]byte{5}, pre.BaseKey[:]...)
		change("EC key in place of the KEM ciphertext", func(p *signalv4.PreKeyMessage) { p.KEMCiphertext = ec })
		change("EC type on the KEM ciphertext", func(p *signalv4.PreKeyMessage) {
			p.KEMCiphertext = append([]byte{5}, p.KEMCiphertext[1:]...)
		})
		change("ML-KEM's type on the KEM ciphertext", func(p *signalv4.PreKeyMessage) {
			p.KEMCiphertext = append([]byte{0x0a}, p.KEMCiphertext[1:]...)
		})
		change("one-time prekey left out", func(p *signalv4.PreKeyMessage) { p.HasPreKey = false })
		change("base key of low order", func(p *signalv4.PreKeyMessage) { p.BaseKey = signalv4.PublicKey{} })
		change("base key of order 4", func(p *signalv4.PreKeyMessage) { p.BaseKey = signalv4.PublicKey{1} })
		change("base key not reduced", func(p *signalv4.PreKeyMessage) { p.BaseKey[31] |= 0x80 })
		change("identity of a stranger", func(p *signalv4.PreKeyMessage) { p.IdentityKey = signalv4.PublicKey{9} })
		i := bytes.Index(w.body, ec)
		all["KEM ciphertext in place of the base key"] = slices.Concat(w.body[:i-1],
			[]byte{0xa1, 0x0c}, pre.KEMCiphertext, w.body[i+len(ec):])
	}
	m, _, mac, err := signalv4.ParseMessage(inner)
	if err != nil {
		t.Fatal(err)
	}
	change := func(name string, f func(*signalv4.Message)) {
		c := *m
		f(&c)
		all[name] = outer(append(c.Append(nil), mac...))
	}
	change("no SPQR message", func(c *signalv4.Message) { c.PQRatchet = nil })
	change("SPQR message of version 0", func(c *signalv4.Message) { c.PQRatchet = []byte{0} })
	change("SPQR message without key", func(c *signalv4.Message) { c.PQRatchet = []byte{1, 1, 0, 0} })
	change("SPQR message of no type", func(c *signalv4.Message) { c.PQRatchet = []byte{1, 1, 1, 7} })
	change("addresses of others", func(c *signalv4.Message) { c.Addresses = make([]byte, 36) })
	change("other counter", func(c *signalv4.Message) { c.Counter++ })
	change("counter far ahead", func(c *signalv4.Message) { c.Counter += 1 << 30 })
	change("other previous counter", func(c *signalv4.Message) { c.PreviousCounter++ })
	change("ratchet key of low order", func(c *signalv4.Message) { c.RatchetKey = signalv4.PublicKey{} })
	change("ratchet key not reduced", func(c *signalv4.Message) { c.RatchetKey[31] |= 0x80 })
	change("no ciphertext", func(c *signalv4.Message) { c.Ciphertext = nil })
	change("a block of ciphertext less", func(c *signalv4.Message) { c.Ciphertext = c.Ciphertext[:len(c.Ciphertext)-16] })
	return all
}

// registration tells where the registration id lies in a first message: nothing
// authenticates it, and libsignal does without it.
func registration(t *testing.T, w wire) (from, to int) {
	t.Helper()
	if w.kind == signalv4.KindMessage {
		return 0, 0
	}
	m, err := signalv4.ParsePreKeyMessage(w.body)
	if err != nil {
		t.Fatal(err)
	}
	field := binary.AppendUvarint([]byte{0x28}, uint64(m.RegistrationID))
	from = bytes.Index(w.body, append(field, 0x30))
	return from, from + len(field)
}

// lenient reports whether libsignal takes a change that we refuse: in the first byte
// of a first message, which nothing authenticates, it reads the higher half only.
func lenient(w, changed wire) bool {
	return w.kind == signalv4.KindPreKey && len(changed.body) == len(w.body) &&
		changed.body[0]>>4 == w.body[0]>>4 && bytes.Equal(changed.body[1:], w.body[1:])
}

// TestOracle_tampered changes messages of all kinds, in both directions: both sides
// refuse all of it, keep their state, and open the genuine message then.
func TestOracle_tampered(t *testing.T) {
	n := startNode(t, "v103")
	for _, weStart := range []bool{true, false} {
		_, _, first, second := pair(t, n, weStart)
		total := 0
		attack := func(from, to party, text string) {
			t.Helper()
			w := from.seal(t, text)
			for name, bad := range tampered(t, w) {
				if _, us := to.(*ours); us || !lenient(w, bad) {
					refuse(t, to, name+" of "+text, bad)
					total++
				}
			}
			reflected := w
			if w.kind == signalv4.KindMessage {
				refuse(t, from, text+" of its own", reflected)
			}
			opens(t, to, w)
			refuse(t, to, text+" again", w)
		}
		attack(first, second, "first message")
		opens(t, second, first.seal(t, "another first message"))
		attack(second, first, "answer")
		for range 40 { // until there are chunks of other types
			opens(t, second, first.seal(t, "filler"))
			opens(t, first, second.seal(t, "filler"))
		}
		attack(first, second, "message of the initiator")
		attack(second, first, "message of the responder")
		t.Logf("we start: %t: %d changed messages refused", weStart, total)
	}
}
