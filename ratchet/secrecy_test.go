package ratchet_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"kith/ratchet"
)

// holds fails if the session's encoding contains one of the secrets.
func holds(t *testing.T, who string, s *ratchet.Session, secrets map[string][]byte) {
	t.Helper()
	b := state(t, s)
	for name, secret := range secrets {
		if bytes.Contains(b, secret) {
			t.Errorf("%s still holds the %s", who, name)
		}
	}
}

// used collects what one message consumed, from the sender's state before and
// after it.
func used(before, after *refState) map[string][]byte {
	secrets := make(map[string][]byte)
	send := before.send
	if send == nil {
		send = &refChain{}
		secrets["root key"] = before.root
		_, send.chain, _ = refRoot(before.root, refDH(after.private, before.peer))
		secrets["DH output"] = refDH(after.private, before.peer)
	}
	message, _ := send.messageKey(send.n)
	c := before.pq.sendChain()
	pq := c.key(c.n + 1)
	key, nonce, _ := refBodyKeys(pq, message)
	secrets["chain key"], secrets["message key"] = send.chain, message
	secrets["post-quantum chain key"], secrets["post-quantum message key"] = c.next, pq
	secrets["AES key"], secrets["nonce"] = key, nonce
	return secrets
}

// TestRatchet_R16_forwardSecrecy: after a message neither side's state contains
// a key that was used for it, nor does any state that can be made by turning
// the stolen one's counters back open it.
func TestRatchet_R16_forwardSecrecy(t *testing.T) {
	alice, bob := newPair(t)
	names := [2]string{"alice", "bob"}
	sides := [2]**ratchet.Session{&alice, &bob}
	gone := make(map[string][]byte)
	var old [2][][]byte
	for round := range 6 {
		from, to := round%2, (round+1)%2
		for i := range 3 {
			before := parseState(t, *sides[from])
			msg := seal(t, sides[from], "secret")
			for name, secret := range used(before, parseState(t, *sides[from])) {
				gone[fmt.Sprintf("%s of message %d in round %d", name, i, round)] = secret
			}
			receiver := parseState(t, *sides[to])
			open(t, sides[to], msg, "secret")
			old[to] = append(old[to], msg)
			if receiver.private != nil && i == 0 {
				gone[fmt.Sprintf("ratchet key answered in round %d", round)] = receiver.private
			}
			holds(t, names[from], *sides[from], gone)
			holds(t, names[to], *sides[to], gone)
		}
		if to == 1 {
			turnBack(t, *sides[to], old[to])
		}
	}
}

// turnBack sets the counters of a stolen state to every value that might help.
func turnBack(t *testing.T, s *ratchet.Session, msgs [][]byte) {
	t.Helper()
	for n := range uint32(4) {
		x := parseState(t, s)
		if n > 0 {
			x.recv.n = n
		}
		thief := parse(t, x)
		for i, msg := range msgs {
			if _, _, err := thief.Open(msg, ad, noon); err == nil {
				t.Errorf("message %d opens again with Nr = %d", i, n)
			}
		}
	}
}

// A skipped message's key is there until the message came, and not afterwards.
func TestRatchet_R16_skippedKeyIsErased(t *testing.T) {
	alice, bob := newPair(t)
	before := parseState(t, alice)
	late := seal(t, &alice, "late")
	key := used(before, parseState(t, alice))["message key"]
	open(t, &bob, seal(t, &alice, "x"), "x")
	if !bytes.Contains(state(t, bob), key) {
		t.Fatal("the test looks for the wrong key")
	}
	open(t, &bob, late, "late")
	holds(t, "bob", bob, map[string][]byte{"message key": key})
}

// TestRatchet_R08_chainIsClosedAtPN: once a new chain begins, the old one's chain
// key is gone; what it lacked is stored key by key.
func TestRatchet_R08_chainIsClosedAtPN(t *testing.T) {
	alice, bob := newPair(t)
	open(t, &bob, seal(t, &alice, "x"), "x")
	chain := parseState(t, bob).recv.chain
	late := [][]byte{seal(t, &alice, "0"), seal(t, &alice, "1")}
	open(t, &alice, seal(t, &bob, "x"), "x")
	open(t, &bob, seal(t, &alice, "new chain"), "new chain")
	if bob.Skipped() != len(late) {
		t.Fatalf("%d keys skipped, want %d", bob.Skipped(), len(late))
	}
	_, after := (&refChain{chain: chain}).messageKey(1)
	holds(t, "bob", bob, map[string][]byte{"old chain key": chain, "old chain key's successor": after})
	for i, msg := range late {
		open(t, &bob, msg, fmt.Sprint(i))
	}
	if x := parseState(t, bob); len(x.closed) != 0 {
		t.Error("the header key of a complete chain is kept")
	}
}

// TestRatchet_R17_healing: a thief of the whole state who only listens is shut
// out by the next ratchet key of the victim.
func TestRatchet_R17_healing(t *testing.T) {
	alice, bob := conversation(t)
	seal(t, &bob, "bob's ratchet key is live")
	thief := bob
	restore(t, &thief)

	msg := seal(t, &alice, "alice answers the stolen key")
	open(t, &bob, msg, "alice answers the stolen key")
	open(t, &thief, msg, "alice answers the stolen key")

	reply := seal(t, &bob, "with a fresh ratchet key")
	open(t, &alice, reply, "with a fresh ratchet key")
	msg = seal(t, &alice, "healed")
	open(t, &bob, msg, "healed")
	refuse(t, thief, msg, ratchet.ErrOpen)
	seal(t, &thief, "x")
	refuse(t, thief, msg, ratchet.ErrOpen)
	for range 3 {
		msg = seal(t, &bob, "x")
		open(t, &alice, msg, "x")
		msg = seal(t, &alice, "x")
		refuse(t, thief, msg, ratchet.ErrOpen)
		open(t, &bob, msg, "x")
	}
}

// TestRatchet_R06_deferredStep: between receiving and sending there is no ratchet
// key to steal, so a theft then is healed by the very next message out.
func TestRatchet_R06_deferredStep(t *testing.T) {
	alice, bob := newPair(t)
	msg := seal(t, &alice, "x")
	open(t, &bob, msg, "x")
	x := parseState(t, bob)
	if x.private != nil || x.send != nil {
		t.Fatal("receiving made or kept a ratchet key or a sending chain")
	}
	thief := bob
	restore(t, &thief)
	before := parseState(t, alice)
	reply := seal(t, &bob, "reply")
	open(t, &alice, reply, "reply")
	after := parseState(t, alice)
	if !bytes.Equal(after.peer, parseState(t, bob).public) || after.private != nil || before.private == nil {
		t.Fatal("alice did not take her receiving half-step")
	}
	msg = seal(t, &alice, "healed")
	refuse(t, thief, msg, ratchet.ErrOpen)
	open(t, &bob, msg, "healed")
}

// Both branches from one session are sound on their own: dropping a result takes
// the step back.
func TestRatchet_R13_resultMayBeDropped(t *testing.T) {
	alice, bob := newPair(t)
	msg := seal(t, &alice, "x")
	for range 2 {
		next, plaintext, err := bob.Open(msg, ad, noon)
		if err != nil || string(plaintext) != "x" {
			t.Fatal(err)
		}
		next.Wipe()
	}
	open(t, &bob, msg, "x")
}

func TestRatchet_R21_wipedSession(t *testing.T) {
	alice, bob := conversation(t)
	msg := seal(t, &alice, "x")
	next, _, err := bob.Open(msg, ad, noon)
	if err != nil {
		t.Fatal(err)
	}
	kept := state(t, next)
	bob.Wipe()
	if !bytes.Equal(kept, state(t, next)) {
		t.Error("wiping a session changed the one derived from it")
	}
	if _, err := bob.MarshalBinary(); !errors.Is(err, ratchet.ErrState) {
		t.Errorf("MarshalBinary: %v", err)
	}
	if _, _, err := bob.Seal(nil, ad); !errors.Is(err, ratchet.ErrNotReady) {
		t.Errorf("Seal: %v", err)
	}
	if _, _, err := bob.Open(msg, ad, noon); !errors.Is(err, ratchet.ErrOpen) {
		t.Errorf("Open: %v", err)
	}
	if bob.CanOpen(msg) || bob.Confirmed() || bob.Skipped() != 0 || bob.Expire(noon) != nil {
		t.Error("a wiped session still knows something")
	}
	open(t, &next, seal(t, &alice, "y"), "y")
	var zero ratchet.Session
	if _, _, err := zero.Open(msg, ad, noon); !errors.Is(err, ratchet.ErrOpen) {
		t.Errorf("the zero session: %v", err)
	}
}

func TestRatchet_R18_confirmed(t *testing.T) {
	alice, bob := newPair(t)
	msg := seal(t, &alice, "x")
	if alice.Confirmed() || bob.Confirmed() {
		t.Error("confirmed before anything was opened")
	}
	open(t, &bob, msg, "x")
	open(t, &alice, seal(t, &bob, "x"), "x")
	restore(t, &alice)
	if !alice.Confirmed() || !bob.Confirmed() {
		t.Error("not confirmed")
	}
}
