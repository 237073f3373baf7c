package sim

import (
	"fmt"
	"testing"
	"time"

	"kith/internal/engine"
)

// TestBoxing_BG04_relayReplaced: the only relay is given up for another while the other
// side is away, and the two never meet.
func TestBoxing_BG04_relayReplaced(t *testing.T) {
	w, alice, bob, relays := withRelays(t, 1)
	w.Cut(alice, bob)
	say(t, alice, bob, "before")
	w.Advance(time.Minute)
	alice.Switch(false)
	if _, err := bob.Do(engine.AddRelay{Relay: w.AddRelay().Is}); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Do(engine.RemoveRelay{Relay: relays[0].Is.ID()}); err != nil {
		t.Fatal(err)
	}
	say(t, bob, alice, "after")
	w.Advance(time.Hour)
	alice.Switch(true)
	w.Advance(3 * time.Hour)
	say(t, alice, bob, "I see")
	w.Advance(3 * time.Hour)
	check(t, alice, bob, 3, 2)
}

// TestBoxing_BG05_blockedGetsNoBoxes: what waits for somebody who is blocked does not go
// into boxes, whatever happens to relays.
func TestBoxing_BG05_blockedGetsNoBoxes(t *testing.T) {
	w, alice, bob, relays := withRelays(t, 4)
	w.Cut(alice, bob)
	bob.Switch(false)
	yes := true
	if _, err := alice.Do(engine.Configure{Account: bob.Self.Account, Blocked: &yes}); err != nil {
		t.Fatal(err)
	}
	w.Advance(3 * time.Hour)
	held := 0
	for _, r := range relays {
		held += r.Held()
	}
	waits := alice.mem.outboxTo(bob)
	if err := alice.UseRelays(w.AddRelay()); err != nil {
		t.Fatal(err)
	}
	w.Advance(time.Hour)
	if now := alice.mem.outboxTo(bob); now != waits {
		t.Errorf("%d envelopes wait for somebody who is blocked, %d before", now, waits)
	}
	now := 0
	for _, r := range relays {
		now += r.Held()
	}
	if now > held {
		t.Errorf("%d boxes were written", now-held)
	}
}

// TestBoxing_BG04_takerHasManyRelays: who takes up an invite may have many relays, of
// which the inviter knows nothing before the first word.
func TestBoxing_BG04_takerHasManyRelays(t *testing.T) {
	for i := range 4 {
		w, d := people(t, "alice", "bob")
		alice, bob := d[0], d[1]
		w.Cut(alice, bob)
		if err := alice.UseRelays(w.AddRelay()); err != nil {
			t.Fatal(err)
		}
		for range 8 + i {
			if err := bob.UseRelays(w.AddRelay()); err != nil {
				t.Fatal(err)
			}
		}
		inv := invite(t, alice, 7*24*time.Hour)
		w.Advance(time.Minute)
		alice.Switch(false)
		add(t, bob, inv)
		say(t, bob, alice, "I took it up")
		w.Advance(2 * time.Minute)
		bob.Switch(false)
		alice.Switch(true)
		w.Advance(5 * time.Minute)
		say(t, alice, bob, "welcome")
		w.Advance(5 * time.Minute)
		alice.Switch(false)
		bob.Switch(true)
		w.Advance(5 * time.Minute)
		say(t, bob, alice, "thank you")
		w.Advance(5 * time.Minute)
		alice.Switch(true)
		w.Advance(3 * time.Hour)
		check(t, alice, bob, 1, 2)
	}
}

// TestBoxing_BG04_bothChangeRelaysApart: both give up all their relays for others while
// they cannot reach each other, again and again, and go on talking.
func TestBoxing_BG04_bothChangeRelaysApart(t *testing.T) {
	w, alice, bob, _ := withRelays(t, 2)
	w.Cut(alice, bob)
	n := [2]int{}
	for round := range 6 {
		for i, d := range []*Device{alice, bob} {
			other := []*Device{bob, alice}[i]
			other.Switch(false)
			before, err := engine.RelaysOf(d.mem)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.UseRelays(w.AddRelay(), w.AddRelay()); err != nil {
				t.Fatal(err)
			}
			for _, r := range before {
				do(t, d, engine.RemoveRelay{Relay: r.ID()})
			}
			say(t, d, other, fmt.Sprint(d.Name, round))
			n[i]++
			w.Advance(time.Hour)
			other.Switch(true)
			w.Advance(5 * time.Minute)
			if got := len(other.Timeline(d)); got != 2+n[0]+n[1] {
				t.Fatalf("round %d: %s has %d messages of %d", round, other.Name, got, 2+n[0]+n[1])
			}
			w.Advance(3 * time.Hour)
		}
	}
	w.Advance(6 * time.Hour)
	check(t, alice, bob, 1+n[0], 1+n[1])
}
