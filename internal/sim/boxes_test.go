package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kith/box"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/wire"
)

// withRelays is a calm world in which two people are contacts, with relays that one
// of them uses.
func withRelays(t *testing.T, n int) (w *World, alice, bob *Device, relays []*Relay) {
	t.Helper()
	w, alice, bob = met(t)
	for range n {
		relays = append(relays, w.AddRelay())
	}
	if err := bob.UseRelays(relays...); err != nil {
		t.Fatal(err)
	}
	w.Advance(time.Minute)
	return w, alice, bob, relays
}

func state(t *testing.T, d *Device, with *Device, text string) chat.Message {
	t.Helper()
	for _, m := range d.Timeline(with) {
		if m.Text == text {
			return m
		}
	}
	t.Fatalf("%s has no message %.30q", d.Name, text)
	return chat.Message{}
}

func wantState(t *testing.T, d, with *Device, text string, want chat.State, on, of int) {
	t.Helper()
	if m := state(t, d, with, text); m.State != want || m.BoxedOn != on || m.BoxedOf != of {
		t.Errorf("%.30q is %v, boxed on %d of %d; want %v, %d of %d", text, m.State, m.BoxedOn, m.BoxedOf, want, on, of)
	}
}

// TestBoxing_BG01_neverOnlineTogether: what is said to somebody who is away arrives
// when they return, though the sender is gone by then; each state is what is known.
func TestBoxing_BG01_neverOnlineTogether(t *testing.T) {
	w, alice, bob, _ := withRelays(t, 6)
	bob.Switch(false)
	say(t, alice, bob, "you are away")
	wantState(t, alice, bob, "you are away", chat.Queued, 0, 0)
	w.Advance(time.Minute)
	wantState(t, alice, bob, "you are away", chat.Boxed, 4, 4)
	alice.Switch(false)
	w.Advance(3 * time.Hour)

	bob.Switch(true)
	w.Advance(10 * time.Second)
	if got := len(bob.Timeline(alice)); got != 3 {
		t.Fatalf("bob has %d messages", got)
	}
	w.Advance(2 * time.Hour)
	bob.Switch(false)
	alice.Switch(true)
	w.Advance(time.Minute)
	wantState(t, alice, bob, "you are away", chat.Delivered, 4, 4)
	check(t, alice, bob, 2, 1)
}

// TestBoxing_BG02_conversationByBoxesAlone: two who never meet again go on talking
// for weeks, through changes of streams.
func TestBoxing_BG02_conversationByBoxesAlone(t *testing.T) {
	w, alice, bob, _ := withRelays(t, 5)
	w.Cut(alice, bob)
	for i := range 60 {
		say(t, alice, bob, fmt.Sprint("a", i))
		w.Advance(3 * time.Hour)
		say(t, bob, alice, fmt.Sprint("b", i))
		w.Advance(5 * time.Hour)
	}
	w.Advance(2 * time.Hour)
	check(t, alice, bob, 61, 61)
}

// TestSim_boxes_randomWorlds: two people who can never reach each other directly
// talk by boxes while devices and relays come and go, one relay lies, some lose
// everything, and devices are killed at any moment. At the end everything has arrived
// once and in one order.
func TestSim_boxes_randomWorlds(t *testing.T) {
	worlds(t, *flagWorlds/2, runBoxes)
}

func runBoxes(t *testing.T, seed uint64) {
	w := New(seed)
	skew := time.Duration(w.rng.Int64N(int64(44*time.Hour))) - 22*time.Hour
	alice, bob := must(t)(w.AddDevice("alice", 0)), must(t)(w.AddDevice("bob", skew))
	meet(t, w, alice, bob)
	var relays []*Relay
	for range 5 + w.rng.IntN(4) {
		relays = append(relays, w.AddRelay())
	}
	relays[0].Lying = true
	if err := alice.UseRelays(relays[:2]...); err != nil {
		t.Fatal(err)
	}
	if err := bob.UseRelays(relays[2:]...); err != nil {
		t.Fatal(err)
	}
	w.Advance(time.Hour)
	w.Cut(alice, bob)
	w.Faults = Faults{Loss: 0.05, CrashBefore: 0.01, CrashAfter: 0.01, MaxDelay: 300 * time.Millisecond}
	devices := [2]*Device{alice, bob}
	var sent [2]int
	for range 60 {
		i := w.rng.IntN(2)
		d, other := devices[i], devices[1-i]
		switch n := w.rng.IntN(20); {
		case n < 8 && !d.Off:
			say(t, d, other, fmt.Sprintf("%s %d", d.Name, sent[i]))
			sent[i]++
		case n < 12:
			d.Switch(d.Off)
		case n == 12:
			r := relays[1+w.rng.IntN(len(relays)-1)]
			r.Down = !r.Down
		case n == 13 && w.rng.IntN(4) == 0:
			relays[1+w.rng.IntN(len(relays)-1)].Lose()
		default:
			w.Advance(time.Duration(w.rng.Int64N(int64(8 * time.Hour))))
		}
	}
	for _, r := range relays {
		r.Down = false
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

// TestSim_boxes_linksComeAndGo: two people have links now and then, relays now and
// then, both or neither; they take relays up and drop them, and are killed at any
// moment; each has one at least. In the end, when there are relays alone, everything
// arrives by these.
func TestSim_boxes_linksComeAndGo(t *testing.T) {
	worlds(t, *flagWorlds/2, runMixed)
}

func runMixed(t *testing.T, seed uint64) {
	w := New(seed)
	skew := time.Duration(w.rng.Int64N(int64(44*time.Hour))) - 22*time.Hour
	devices := [2]*Device{must(t)(w.AddDevice("alice", 0)), must(t)(w.AddDevice("bob", skew))}
	alice, bob := devices[0], devices[1]
	meet(t, w, alice, bob)
	var relays []*Relay
	for range 6 {
		relays = append(relays, w.AddRelay())
	}
	for _, d := range devices {
		if err := d.UseRelays(relays[w.rng.IntN(len(relays))]); err != nil {
			t.Fatal(err)
		}
	}
	w.Advance(time.Minute)
	w.Faults = Faults{Loss: 0.03, CrashBefore: 0.005, CrashAfter: 0.005, MaxDelay: 300 * time.Millisecond}
	var sent [2]int
	for range 120 {
		i := w.rng.IntN(2)
		d, other := devices[i], devices[1-i]
		r := relays[w.rng.IntN(len(relays))]
		switch n := w.rng.IntN(24); {
		case n < 8 && !d.Off:
			for range 1 + w.rng.IntN(4) {
				text := fmt.Sprintf("%s %d", d.Name, sent[i])
				if w.rng.IntN(8) == 0 { // of several boxes
					text += strings.Repeat(".", w.rng.IntN(wire.MaxText/2))
				}
				say(t, d, other, text)
				sent[i]++
				w.Advance(time.Duration(w.rng.IntN(4)) * time.Second)
			}
		case n < 11:
			d.Switch(d.Off)
		case n == 11:
			w.Cut(alice, bob)
		case n == 12:
			w.Join(alice, bob)
		case n == 13:
			for _, r := range relays {
				r.Down = true
			}
		case n < 16:
			for _, r := range relays {
				r.Down = false
			}
		case n == 16:
			r.Down = !r.Down
		case n == 17 && w.rng.IntN(3) == 0:
			r.Lose()
		case n == 18 && !d.Off:
			_ = d.UseRelays(r) // the same one twice is refused
		case n == 19 && !d.Off:
			// Who has none, and was heard to, is found by a link alone.
			own, err := engine.RelaysOf(d.mem)
			if err != nil {
				t.Fatal(err)
			}
			if len(own) > 1 {
				do(t, d, engine.RemoveRelay{Relay: own[w.rng.IntN(len(own))].ID()})
			}
		default:
			w.Advance(time.Duration(w.rng.Int64N(int64(6 * time.Hour))))
		}
	}
	w.Cut(alice, bob)
	w.Faults = Faults{MaxDelay: 50 * time.Millisecond}
	for _, r := range relays {
		r.Down = false
	}
	for i, d := range devices {
		if d.Off {
			d.Switch(true)
		}
		_ = d.UseRelays(relays[i])
	}
	w.Advance(24 * time.Hour)
	say(t, alice, bob, "last")
	say(t, bob, alice, "last")
	w.Advance(3 * 24 * time.Hour)
	check(t, alice, bob, sent[0]+1, sent[1]+1)
}

// TestBoxing_BG10_firstContactApart: an invite is taken up while the inviter is away,
// the two are never up together, and in the end they are contacts who have talked.
func TestBoxing_BG10_firstContactApart(t *testing.T) {
	w, d := people(t, "alice", "bob")
	alice, bob := d[0], d[1]
	var relays []*Relay
	for range 5 {
		relays = append(relays, w.AddRelay())
	}
	if err := alice.UseRelays(relays...); err != nil {
		t.Fatal(err)
	}
	w.Cut(alice, bob)
	inv := invite(t, alice, 7*24*time.Hour)
	w.Advance(time.Minute)
	alice.Switch(false)
	w.Advance(time.Hour)

	add(t, bob, inv)
	w.Advance(time.Minute)
	say(t, bob, alice, "I took it up")
	w.Advance(time.Minute)
	if c := contact(t, bob, alice); c.State != chat.ContactPending {
		t.Errorf("bob thinks that alice is %v", c.State)
	}
	wantState(t, bob, alice, "I took it up", chat.Boxed, 4, 4)
	bob.Switch(false)
	w.Advance(24 * time.Hour)

	alice.Switch(true)
	w.Advance(time.Minute)
	if c := contact(t, alice, bob); c.State != chat.ContactEstablished {
		t.Errorf("alice thinks that bob is %v", c.State)
	}
	state(t, alice, bob, "I took it up")
	say(t, alice, bob, "welcome")
	w.Advance(2 * time.Hour)
	alice.Switch(false)

	bob.Switch(true)
	w.Advance(2 * time.Hour)
	state(t, bob, alice, "welcome")
	alice.Switch(true)
	w.Advance(2 * time.Hour)
	check(t, alice, bob, 1, 1)
	wantState(t, bob, alice, "I took it up", chat.Delivered, 4, 4)
}

// TestBoxing_BG08_whatDoesNotOpenIsPassedOver: a box that holds something signed which
// does not open, on every relay, holds up what comes after it for minutes and not for
// ever.
func TestBoxing_BG08_whatDoesNotOpenIsPassedOver(t *testing.T) {
	w, alice, bob, relays := withRelays(t, 4)
	bob.Switch(false)
	say(t, alice, bob, "spoiled")
	w.Advance(time.Minute)
	for _, r := range relays {
		for _, x := range r.held {
			if x.put != nil {
				x.put.Cell = make([]byte, box.CellSize)
			}
		}
	}
	for i := range box.Window + 8 {
		say(t, alice, bob, fmt.Sprint("after it ", i))
	}
	w.Advance(time.Minute)
	alice.Switch(false)
	bob.Switch(true)
	w.Advance(3 * time.Hour)
	if got := len(bob.Timeline(alice)); got != box.Window+10 {
		t.Errorf("bob has %d messages", got)
	}
	alice.Switch(true) // what could not be read is handed over when they meet
	w.Advance(time.Hour)
	check(t, alice, bob, box.Window+10, 1)
}

// TestBoxing_BG07_nobodyHasUsWriteForEver: boxes that the other side fills itself are
// given up for others so many times a day; the envelope is not lost.
func TestBoxing_BG07_nobodyHasUsWriteForEver(t *testing.T) {
	w, alice, bob, _ := withRelays(t, 4)
	bob.Switch(false)
	say(t, alice, bob, "you are away")
	w.Advance(time.Minute)
	given := 0
	for range 2 * engine.MaxTaken {
		cells := alice.mem.someCells(func(c engine.Cell) bool { return c.Held != engine.Fetched })
		if len(cells) == 0 {
			break
		}
		if err := alice.input(engine.BoxTaken{Box: cells[0].Box}, nil); err != nil {
			t.Fatal(err)
		}
		given++
	}
	if given != engine.MaxTaken+1 {
		t.Errorf("%d boxes were given up", given)
	}
	bob.Switch(true)
	w.Advance(time.Hour)
	check(t, alice, bob, 2, 1)
}

// TestBoxing_BG06_boxesOfWhatWasHandedOverAreFilled: what went into boxes while no
// relay could be reached, and was then handed over directly, leaves no hole in the
// stream: what is said later by boxes is found at once.
func TestBoxing_BG06_boxesOfWhatWasHandedOverAreFilled(t *testing.T) {
	w, alice, bob, relays := withRelays(t, 4)
	for _, r := range relays {
		r.Down = true
	}
	w.Cut(alice, bob)
	for i := range box.Window + 8 {
		say(t, alice, bob, fmt.Sprint("no network ", i))
	}
	w.Advance(time.Minute)
	w.Join(alice, bob)
	w.Advance(time.Hour)
	wantState(t, alice, bob, "no network 0", chat.Delivered, 0, 0)

	for _, r := range relays {
		r.Down = false
	}
	w.Cut(alice, bob)
	say(t, alice, bob, "after it")
	w.Advance(15 * time.Minute)
	state(t, bob, alice, "after it")
	w.Advance(3 * time.Hour)
	check(t, alice, bob, box.Window+10, 1)
	if left := alice.mem.someCells(func(engine.Cell) bool { return true }); len(left) != 0 {
		t.Errorf("%d cells are kept of what was read", len(left))
	}
}

// TestBoxing_BG02_whatLiesInAnEarlierStreamIsFound: a box of an earlier stream that
// relays withhold for days is read when they show it, though the other side has long
// been writing to a later stream, and does not come back.
func TestBoxing_BG02_whatLiesInAnEarlierStreamIsFound(t *testing.T) {
	w, alice, bob, relays := withRelays(t, 6)
	w.Cut(alice, bob)
	alice.Switch(false)
	say(t, bob, alice, "in the earlier stream")
	w.Advance(time.Minute)
	wantState(t, bob, alice, "in the earlier stream", chat.Boxed, 4, 4)
	hidden := map[[32]byte]bool{}
	for _, c := range bob.mem.someCells(func(c engine.Cell) bool { return c.Held == 4 }) {
		hidden[c.Box] = true
	}
	for _, r := range relays {
		r.Withheld = hidden
	}
	if err := bob.UseRelays(w.AddRelay()); err != nil { // which begins another stream
		t.Fatal(err)
	}
	alice.Switch(true)
	for i := range 5 {
		w.Advance(12 * time.Hour)
		say(t, alice, bob, fmt.Sprint("a", i))
		w.Advance(12 * time.Hour)
		say(t, bob, alice, fmt.Sprint("b", i))
	}
	w.Advance(time.Hour)
	if got := len(bob.Timeline(alice)); got != 13 {
		t.Fatalf("bob has %d messages", got)
	}
	bob.Switch(false)
	for _, r := range relays {
		r.Withheld = nil
	}
	w.Advance(30 * time.Hour)
	state(t, alice, bob, "in the earlier stream")
	bob.Switch(true)
	w.Advance(3 * time.Hour)
	check(t, alice, bob, 6, 7)
}

// TestBoxing_BG04_bothChangeTheirRelays: two who can reach each other by relays alone,
// and who both take others while they are not up together, still find each other.
func TestBoxing_BG04_bothChangeTheirRelays(t *testing.T) {
	w, alice, bob := met(t)
	var relays []*Relay
	for range 4 {
		relays = append(relays, w.AddRelay())
	}
	for i, d := range []*Device{alice, bob} {
		if err := d.UseRelays(relays[i]); err != nil {
			t.Fatal(err)
		}
	}
	w.Advance(time.Hour)
	w.Cut(alice, bob)
	for i, d := range []*Device{alice, bob} {
		do(t, d, engine.RemoveRelay{Relay: relays[i].Is.ID()})
		if err := d.UseRelays(relays[2+i]); err != nil {
			t.Fatal(err)
		}
	}
	w.Advance(time.Minute)
	say(t, alice, bob, "are you there")
	say(t, bob, alice, "here I am")
	w.Advance(2 * time.Hour)
	check(t, alice, bob, 2, 2)
}

// TestBoxing_BG05_everyMessageFits: the longest text there may be goes by boxes like
// any other, and so does whatever fills each size that contents are padded to.
func TestBoxing_BG05_everyMessageFits(t *testing.T) {
	w, alice, bob, relays := withRelays(t, 4)
	w.Cut(alice, bob)
	bob.Switch(false)
	var texts []string
	for _, n := range []int{15 << 10, 17 << 10, 31 << 10, 33 << 10, wire.MaxText} {
		texts = append(texts, strings.Repeat("x", n))
		say(t, alice, bob, texts[len(texts)-1])
	}
	w.Advance(10 * time.Minute)
	for _, text := range texts {
		wantState(t, alice, bob, text, chat.Boxed, 4, 4)
	}
	alice.Switch(false)
	relays[0].Lose()
	bob.Switch(true)
	w.Advance(time.Minute)
	for _, text := range texts {
		state(t, bob, alice, text)
	}
	w.Advance(time.Hour)
	alice.Switch(true)
	w.Advance(time.Hour)
	check(t, alice, bob, 1+len(texts), 1)
	if most := 128<<10 + 8<<10; box.MaxMessage < most {
		t.Errorf("a content padded to 128 KiB may take %d bytes sealed, and %d is the most for boxes", most, box.MaxMessage)
	}
}
