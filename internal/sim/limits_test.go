package sim

import (
	"strings"
	"testing"
	"time"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/wire"
)

func TestContact_FC02_inviteLimits(t *testing.T) {
	w, d := people(t, "alice")
	alice := d[0]
	for life, ok := range map[time.Duration]bool{
		engine.MinInviteLife - 1: false, engine.MinInviteLife: true, engine.MaxInviteLife: true, engine.MaxInviteLife + 1: false, -time.Hour: false,
	} {
		_, err := alice.Invite(life)
		if ok != (err == nil) {
			t.Errorf("life %v: %v", life, err)
		}
		if !ok {
			wantCode(t, err, engine.Invalid)
		}
	}
	w.Advance(engine.MaxInviteLife + time.Hour) // those are over
	for range engine.MaxInvites {
		invite(t, alice, time.Hour)
	}
	_, err := alice.Invite(time.Hour)
	wantCode(t, err, engine.NotNow)
	w.Advance(2 * time.Hour)
	invite(t, alice, time.Hour)
}

func TestContact_FC02_initialWithinTheGraceOnly(t *testing.T) {
	for late, want := range map[time.Duration]chat.ContactState{
		engine.InitialGrace - 10*time.Minute: chat.ContactEstablished,
		engine.InitialGrace + time.Minute:    chat.ContactRefused,
	} {
		w, d := people(t, "alice", "bob")
		alice, bob := d[0], d[1]
		inv := invite(t, alice, time.Hour)
		add(t, bob, inv)
		// Bob fetches the bundle in time; then nothing gets through for long.
		var m engine.Machine
		up, err := m.Step(alice.mem, alice.now(), engine.Received{From: bob.Self.Device.ID(), Envelope: bob.mem.outbox[0].Body})
		if err != nil {
			t.Fatal(err)
		}
		w.Cut(alice, bob)
		if err := bob.input(engine.Received{From: alice.Self.Device.ID(), Envelope: up.Outgoing[0].Body}, nil); err != nil {
			t.Fatal(err)
		}
		w.Advance(time.Hour + late)
		w.Join(alice, bob)
		w.Advance(20 * time.Minute)
		if c := contact(t, bob, alice); c.State != want {
			t.Errorf("initial %v after the expiry: %v, want %v", late, c.State, want)
		}
	}
}

func TestContent_CO11_messagesThatWaitAreBounded(t *testing.T) {
	w, d := people(t, "alice", "bob")
	alice, bob := d[0], d[1]
	w.Cut(alice, bob)
	add(t, bob, invite(t, alice, 24*time.Hour))
	for range engine.MaxWaiting {
		if _, err := bob.Send(alice, "x"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := bob.Send(alice, "one more")
	wantCode(t, err, engine.NotNow)
	if n := len(bob.Timeline(alice)); n != engine.MaxWaiting {
		t.Errorf("%d messages: a refused one was kept", n)
	}
	w.Join(alice, bob)
	w.Advance(time.Hour)
	check(t, alice, bob, 0, engine.MaxWaiting)
}

func TestContact_FC15_namesAreUniqueAndNobodysAddress(t *testing.T) {
	w, d := people(t, "alice", "bob", "bob", strings.Repeat("n", wire.MaxName), strings.Repeat("n", wire.MaxName))
	alice := d[0]
	for _, p := range d[1:] {
		add(t, p, invite(t, alice, time.Hour))
	}
	w.Advance(time.Minute)
	contacts, _ := alice.mem.Contacts()
	seen := map[string]bool{}
	for _, c := range contacts {
		if seen[c.Name] || !wire.ValidName(c.Name) {
			t.Errorf("name %q", c.Name)
		}
		seen[c.Name] = true
	}
	if len(contacts) != 4 || !seen["bob"] || !seen["bob (2)"] {
		t.Errorf("%v", seen)
	}
	for name, code := range map[string]engine.Code{
		"bob": engine.Exists, "a\x00b": engine.Invalid, strings.Repeat("x", wire.MaxName+1): engine.Invalid,
		d[2].Self.Account.String(): engine.Invalid, " ": engine.Invalid,
	} {
		stranger, err := w.AddDevice("stranger", 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = alice.Do(engine.Add{Invite: invite(t, stranger, time.Hour), Name: name})
		wantCode(t, err, code)
	}
	if _, err := engine.Create(identity.NewAccount(), "", w.Now); err == nil {
		t.Error("an account without a name")
	}
}

func TestContent_CO14_lamportLeapsAreCut(t *testing.T) {
	w, d := people(t, "alice", "bob")
	alice, bob := d[0], d[1]
	add(t, bob, invite(t, alice, time.Hour))
	w.Advance(time.Minute)
	// Bob's own conversation claims to be at the end of the numbers.
	c := bob.mem.conversations[chat.With(alice.Self.Account)]
	c.Lamport = wire.MaxLamport - 1
	bob.mem.conversations[c.ID] = c
	if _, err := bob.Send(alice, "far ahead"); err != nil {
		t.Fatal(err)
	}
	w.Advance(time.Minute)
	if m := alice.Timeline(bob); len(m) != 1 || m[0].Lamport != engine.MaxLamportJump {
		t.Fatalf("%+v", m)
	}
	if _, err := alice.Send(bob, "still here"); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Send(alice, "at the end"); err != nil {
		t.Fatal("nothing can be said at the end of the numbers:", err)
	}
}
