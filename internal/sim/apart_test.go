package sim

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kith/box"
	"kith/internal/chat"
	"kith/internal/engine"
)

// TestBoxing_BG06_asleepForThreeWeeks: boxes that expired unread do not stand between
// the reader and what was said since.
func TestBoxing_BG06_asleepForThreeWeeks(t *testing.T) {
	for _, n := range []int{1, 5, box.Window + 8} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w, alice, bob, _ := withRelays(t, 5)
			w.Cut(alice, bob)
			bob.Switch(false)
			for i := range n {
				say(t, alice, bob, fmt.Sprint("you are away ", i))
			}
			w.Advance(21 * 24 * time.Hour)
			say(t, alice, bob, "still away")
			w.Advance(time.Minute)
			alice.Switch(false)
			bob.Switch(true)
			w.Advance(time.Hour)
			if got := len(bob.Timeline(alice)); got != n+3 {
				t.Errorf("bob has %d messages", got)
			}
			alice.Switch(true)
			w.Advance(3 * time.Hour)
			check(t, alice, bob, n+2, 1)
		})
	}
}

// TestBoxing_BG07_relayKeepsWhatExpired: a relay whose clock is days late, and that shows
// what expired, does not make us believe that a box which was sealed anew is taken: when
// the relay has let go of what it held, that goes into the same box.
func TestBoxing_BG07_relayKeepsWhatExpired(t *testing.T) {
	w, alice, bob, relays := withRelays(t, 1)
	relays[0].Keeping = true
	w.Cut(alice, bob)
	bob.Switch(false)
	for i := range 5 {
		say(t, alice, bob, fmt.Sprint("you are away ", i))
	}
	w.Advance(20 * 24 * time.Hour)
	relays[0].Keeping = false
	w.Advance(24 * time.Hour)
	say(t, alice, bob, "still away")
	w.Advance(time.Minute)
	alice.Switch(false)
	bob.Switch(true)
	w.Advance(time.Hour)
	if got := len(bob.Timeline(alice)); got != 8 {
		t.Errorf("bob has %d messages", got)
	}
}

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

// TestBoxing_BG13_inviteForAMonth: what is behind an invite is there for as long as the
// invite is good, which is longer than relays keep anything.
func TestBoxing_BG13_inviteForAMonth(t *testing.T) {
	w, d := people(t, "alice", "bob")
	alice, bob := d[0], d[1]
	w.Cut(alice, bob)
	if err := alice.UseRelays(w.AddRelay(), w.AddRelay()); err != nil {
		t.Fatal(err)
	}
	inv := invite(t, alice, engine.MaxInviteLife)
	w.Advance(25 * 24 * time.Hour)
	alice.Switch(false)
	add(t, bob, inv)
	say(t, bob, alice, "at last")
	w.Advance(time.Minute)
	bob.Switch(false)
	alice.Switch(true)
	w.Advance(time.Minute)
	state(t, alice, bob, "at last")
	w.Advance(12 * 24 * time.Hour) // and nothing is left of the invite
	if left := alice.mem.someCells(func(c engine.Cell) bool { return c.Group[0] == 'i' }); len(left) > 0 {
		t.Errorf("%d cells of the invite are left", len(left))
	}
}

// TestSim_boxes_longAbsences: two people who can never reach each other directly are
// away for weeks at a time, say much and little, one part of a message is lost here
// and there, and relays are changed. In the end everything has arrived by boxes.
func TestSim_boxes_longAbsences(t *testing.T) {
	worlds(t, *flagWorlds/2, runAbsences)
}

func runAbsences(t *testing.T, seed uint64) {
	w := New(seed)
	skew := time.Duration(w.rng.Int64N(int64(44*time.Hour))) - 22*time.Hour
	alice, bob := must(t)(w.AddDevice("alice", 0)), must(t)(w.AddDevice("bob", skew))
	meet(t, w, alice, bob)
	var relays []*Relay
	for range 1 + w.rng.IntN(6) {
		relays = append(relays, w.AddRelay())
	}
	if err := bob.UseRelays(relays...); err != nil {
		t.Fatal(err)
	}
	w.Advance(time.Hour)
	w.Cut(alice, bob)
	// A crash in a thousand: a device that starts asks of each envelope whether it is in
	// boxes, and is to come to the end of hundreds.
	w.Faults = Faults{Loss: 0.02, CrashBefore: 0.0005, CrashAfter: 0.0005, MaxDelay: 300 * time.Millisecond}
	devices := [2]*Device{alice, bob}
	var sent [2]int
	for range 40 {
		i := w.rng.IntN(2)
		d, other := devices[i], devices[1-i]
		switch n := w.rng.IntN(20); {
		case n < 7 && !d.Off:
			for range 1 + w.rng.IntN(1+w.rng.IntN(40)) {
				text := fmt.Sprintf("%s %d ", d.Name, sent[i])
				if w.rng.IntN(8) == 0 {
					text += strings.Repeat("long ", 1+w.rng.IntN(4000))
				}
				say(t, d, other, text)
				sent[i]++
			}
		case n < 11:
			d.Switch(d.Off)
		case n == 11:
			r := relays[w.rng.IntN(len(relays))]
			var held [][32]byte
			for b := range r.held {
				held = append(held, b)
			}
			slices.SortFunc(held, func(a, b [32]byte) int { return slices.Compare(a[:], b[:]) })
			if len(held) > 0 {
				delete(r.held, held[w.rng.IntN(len(held))])
			}
		case n == 12 && !d.Off:
			_ = d.UseRelays(w.AddRelay())
		case n == 13:
			w.Advance(time.Duration(w.rng.Int64N(int64(20 * 24 * time.Hour))))
		default:
			w.Advance(time.Duration(w.rng.Int64N(int64(12 * time.Hour))))
		}
	}
	w.Faults = Faults{MaxDelay: 50 * time.Millisecond}
	for _, d := range devices {
		if d.Off {
			d.Switch(true)
		}
	}
	w.Advance(3 * 24 * time.Hour)
	say(t, alice, bob, "last")
	say(t, bob, alice, "last")
	w.Advance(3 * 24 * time.Hour)
	check(t, alice, bob, sent[0]+1, sent[1]+1)
}

// TestBoxing_BG14_goneBackIsNotFetched: a device that went back to an older state writes
// into boxes that were read and deleted before. It does not say that what it could not
// leave there was fetched, and goes on to boxes that were never used.
func TestBoxing_BG14_goneBackIsNotFetched(t *testing.T) {
	w, alice, bob, _ := withRelays(t, 4)
	w.Cut(alice, bob)
	id := bob.Self.Device.ID()
	row := engine.StateKey("boxes/" + hex.EncodeToString(id[:]))
	before := bytes.Clone(alice.mem.state[row])
	for i := range 3 {
		say(t, alice, bob, fmt.Sprint("before ", i))
	}
	w.Advance(3 * time.Hour)
	alice.mem.state[row] = before
	alice.crash()
	bob.Switch(false)
	say(t, alice, bob, "after")
	w.Advance(time.Hour)
	wantState(t, alice, bob, "after", chat.Boxed, 4, 4)
	alice.Switch(false)
	bob.Switch(true)
	w.Advance(time.Minute)
	state(t, bob, alice, "after")
}

// TestSim_boxes_flapping: two people whose link comes and goes within seconds, with
// relays that come and go, too, say more than goes over it. Everything arrives once, and
// no message is less than boxed for long after the last word.
func TestSim_boxes_flapping(t *testing.T) {
	worlds(t, *flagWorlds/2, runFlapping)
}

func runFlapping(t *testing.T, seed uint64) {
	w := New(seed)
	alice, bob := must(t)(w.AddDevice("alice", 0)), must(t)(w.AddDevice("bob", 0))
	meet(t, w, alice, bob)
	var relays []*Relay
	for range 1 + w.rng.IntN(4) {
		relays = append(relays, w.AddRelay())
	}
	if err := bob.UseRelays(relays...); err != nil {
		t.Fatal(err)
	}
	w.Advance(time.Hour)
	w.Faults = Faults{Loss: 0.1, Repeat: 0.1, CrashBefore: 0.01, CrashAfter: 0.01, MaxDelay: 2 * time.Second}
	devices := [2]*Device{alice, bob}
	var sent [2]int
	yes, no := true, false
	for range 150 {
		i := w.rng.IntN(2)
		d, other := devices[i], devices[1-i]
		switch n := w.rng.IntN(24); {
		case n < 9 && !d.Off:
			if _, err := d.Send(other, fmt.Sprintf("%s %d", d.Name, sent[i])); err == nil { // not while blocked
				sent[i]++
			}
		case n < 12:
			w.Cut(alice, bob)
		case n < 14:
			w.Join(alice, bob)
		case n < 16:
			d.Switch(d.Off)
		case n == 16:
			r := relays[w.rng.IntN(len(relays))]
			r.Down = !r.Down
		case n == 17 && !d.Off:
			block := &yes
			if w.rng.IntN(3) > 0 {
				block = &no
			}
			do(t, d, engine.Configure{Account: other.Self.Account, Blocked: block})
		case n == 18 && !d.Off:
			_ = d.UseRelays(w.AddRelay())
		case n == 19 && !d.Off:
			if all, err := engine.RelaysOf(d.mem); err == nil && len(all) > 1 {
				do(t, d, engine.RemoveRelay{Relay: all[w.rng.IntN(len(all))].ID()})
			}
		case n == 20:
			w.Advance(time.Duration(w.rng.Int64N(int64(12 * time.Hour))))
		default:
			w.Advance(time.Duration(w.rng.Int64N(int64(5 * time.Second))))
		}
	}
	w.Faults = Faults{MaxDelay: 50 * time.Millisecond}
	for _, r := range w.relays {
		r.Down = false
	}
	w.Cut(alice, bob)
	for i, d := range devices {
		if d.Off {
			d.Switch(true)
		}
		do(t, d, engine.Configure{Account: devices[1-i].Self.Account, Blocked: &no})
	}
	w.Advance(4 * 24 * time.Hour)
	check(t, alice, bob, sent[0], sent[1])
}
