package sim

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"testing/cryptotest"
	"time"

	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/wire"
)

// amendAtRandom has somebody edit, react to or delete a message of a conversation.
func (w *World) amendAtRandom(t *testing.T, d, other *Device) {
	t.Helper()
	all := d.Timeline(other)
	if len(all) == 0 {
		return
	}
	m := all[w.rng.IntN(len(all))]
	var in engine.Input
	switch n := w.rng.IntN(10); {
	case n < 4:
		in = engine.Edit{ID: m.ID, Text: fmt.Sprintf("%s edits %d", d.Name, w.rng.IntN(1e6))}
	case n < 8:
		in = engine.React{ID: m.ID, Emoji: []string{"\U0001f44d", "\U0001f600", ""}[w.rng.IntN(3)]}
	default:
		in = engine.Delete{IDs: []wire.MessageID{m.ID}, Everyone: true}
	}
	// What may not be done is refused in words, and nothing happens.
	if _, err := d.Do(in); err != nil {
		if _, ok := errors.AsType[*engine.Error](err); !ok {
			t.Fatal(err)
		}
	}
}

// pictures compares what two people see: texts, reactions, what is gone.
func pictures(t *testing.T, a, b *Device) {
	t.Helper()
	see := func(d, with *Device) (all []string) {
		for _, m := range d.Timeline(with) {
			if m.Notice == 0 {
				all = append(all, fmt.Sprintf("%x %q edited %v deleted %v %v answers %x", m.ID[:4], m.Text, m.EditedAt.UnixMilli(), m.Deleted, m.Reactions, m.ReplyTo[:4]))
			}
		}
		return all
	}
	x, y := see(a, b), see(b, a)
	if !slices.Equal(x, y) {
		for i := range min(len(x), len(y)) {
			if x[i] != y[i] {
				t.Errorf("%s sees\n%s\n%s sees\n%s", a.Name, x[i], b.Name, y[i])
			}
		}
		t.Fatalf("%d and %d messages", len(x), len(y))
	}
	for _, p := range [][2]*Device{{a, b}, {b, a}} {
		for _, m := range p[0].Timeline(p[1]) {
			if m.Deleted && m.From == p[0].Self.Account && !m.DeletedThere {
				t.Errorf("%s does not know that %x was deleted there", p[0].Name, m.ID)
			}
		}
		if keys, _ := p[0].mem.StateKeys("amendments/"); len(keys) > 0 {
			t.Errorf("%s still waits for %d amendments", p[0].Name, len(keys))
		}
		if err := p[0].CheckProjections(); err != nil {
			t.Error(err)
		}
	}
}

// TestSim_amendments_randomWorlds: edits, reactions and deletions, through loss,
// repetition, crashes and partitions, and by boxes: both end with the same picture, and
// whoever deleted something knows that it is deleted there.
func TestSim_amendments_randomWorlds(t *testing.T) {
	first, last := uint64(1), *flagWorlds/4
	if *flagSeed != 0 {
		first, last = *flagSeed, *flagSeed
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, seed)
			w := New(seed)
			defer func() {
				if t.Failed() {
					t.Logf("run again with -sim.seed=%d", seed)
				}
			}()
			alice, bob := must(t)(w.AddDevice("alice", 0)), must(t)(w.AddDevice("bob", 0))
			meet(t, w, alice, bob)
			if seed%2 == 0 {
				if err := bob.UseRelays(w.AddRelay(), w.AddRelay(), w.AddRelay(), w.AddRelay()); err != nil {
					t.Fatal(err)
				}
				w.Advance(time.Hour)
			}
			w.Faults = Faults{Loss: 0.1 * w.rng.Float64(), Repeat: 0.2, CrashBefore: 0.03, CrashAfter: 0.03, MaxDelay: 400 * time.Millisecond}
			devices := [2]*Device{alice, bob}
			for i := range 120 {
				at := w.rng.IntN(2)
				d, other := devices[at], devices[1-at]
				switch n := w.rng.IntN(20); {
				case n < 5:
					in := engine.Send{To: other.Self.Account, Text: fmt.Sprintf("%s %d", d.Name, i)}
					if all := d.Timeline(other); len(all) > 0 && n < 2 {
						if m := all[w.rng.IntN(len(all))]; m.Notice == 0 {
							in.ReplyTo = m.ID
						}
					}
					if _, err := d.Do(in); err != nil {
						t.Fatal(err)
					}
				case n < 14:
					w.amendAtRandom(t, d, other)
				case n == 14:
					w.Cut(alice, bob)
				case n == 15:
					w.Join(alice, bob)
				case n == 16:
					d.crash()
				default:
					w.Advance(time.Duration(w.rng.Int64N(int64(30 * time.Second))))
				}
			}
			w.Join(alice, bob)
			w.Faults = Faults{MaxDelay: 50 * time.Millisecond}
			w.Advance(3 * time.Hour)
			pictures(t, alice, bob)
		})
	}
}

// TestContent_CO20_whatMayNotBeAmendedIsNot: a contact who edits and deletes what he did
// not write changes nothing, and what he says of messages that are not here is bounded.
func TestContent_CO20_whatMayNotBeAmendedIsNot(t *testing.T) {
	w, alice, bob := met(t)
	say(t, alice, bob, "mine")
	w.Advance(time.Minute)
	id := state(t, alice, bob, "mine").ID
	// Bob's own device believes what he wants it to.
	pretend := func(id wire.MessageID, from *Device) {
		m := bob.mem.messages[id]
		m.ID, m.Conversation, m.From, m.Text, m.Deleted = id, chat.With(alice.Self.Account), from.Self.Account, "x", false
		bob.mem.messages[id] = m
	}
	pretend(id, bob)
	do(t, bob, engine.Edit{ID: id, Text: "not mine"})
	do(t, bob, engine.Delete{IDs: []wire.MessageID{id}, Everyone: true})
	w.Advance(time.Minute)
	before := len(alice.mem.amendments)
	for i := range engine.MaxAwaiting + 20 {
		nothing := wire.MessageID{0xff, byte(i), byte(i >> 8)}
		pretend(nothing, alice)
		do(t, bob, engine.React{ID: nothing, Emoji: "\U0001f44d"})
		if i%50 == 0 {
			w.Advance(time.Minute)
		}
	}
	w.Advance(time.Hour)
	if m := state(t, alice, bob, "mine"); m.Deleted || m.Text != "mine" || !m.EditedAt.IsZero() {
		t.Errorf("%+v", m)
	}
	if n := len(alice.mem.amendments) - before; n != engine.MaxAwaiting {
		t.Errorf("%d reactions to nothing are kept", n)
	}
	if len(bob.mem.outbox) != 0 {
		t.Errorf("%d of them are not acknowledged", len(bob.mem.outbox))
	}
}

// TestContent_CO22_floodOfReactions: ten thousand changes of mind leave one in the log.
func TestContent_CO22_floodOfReactions(t *testing.T) {
	w, alice, bob := met(t)
	say(t, alice, bob, "mine")
	w.Advance(time.Minute)
	id := state(t, bob, alice, "mine").ID
	kept := func() (n int) {
		for _, l := range alice.mem.log {
			if l.Event != nil {
				n++
			}
		}
		return n
	}
	before := 0
	for i := range 2000 {
		do(t, bob, engine.React{ID: id, Emoji: []string{"\U0001f44d", "\U0001f600"}[i%2]})
		if i%100 == 0 {
			w.Advance(10 * time.Second)
		}
		if i == 200 {
			before = kept()
		}
	}
	w.Advance(time.Minute)
	if n := kept(); n > before+2 { // the state of the session is in it, too
		t.Errorf("the log grew from %d to %d", before, n)
	}
	pictures(t, alice, bob)
}

// TestContent_CO23_amendmentsOutliveTheSession: what was said about messages while the
// other side's session is lost arrives when there is a new one.
func TestContent_CO23_amendmentsOutliveTheSession(t *testing.T) {
	w, alice, bob := met(t)
	for _, text := range []string{"one", "two", "three"} {
		say(t, alice, bob, text)
	}
	w.Advance(time.Minute)
	lose(bob, alice)
	do(t, alice, engine.Edit{ID: state(t, alice, bob, "one").ID, Text: "first"})
	do(t, alice, engine.React{ID: state(t, alice, bob, "two").ID, Emoji: "\U0001f44d"})
	do(t, alice, engine.Delete{IDs: []wire.MessageID{state(t, alice, bob, "three").ID}, Everyone: true})
	say(t, alice, bob, "after")
	w.Advance(time.Hour)
	pictures(t, alice, bob)
	if got := bob.Timeline(alice); len(got) < 6 || state(t, bob, alice, "first").EditedAt.IsZero() || len(state(t, bob, alice, "two").Reactions) != 1 {
		t.Errorf("%+v", got)
	}
}

// TestContent_CO24_deletedBeforeItLeft: what was deleted before there was a session never
// leaves; what is deleted here alone stays there, and does not come back.
func TestContent_CO24_deletedBeforeItLeft(t *testing.T) {
	w, all := people(t, "alice", "bob")
	alice, bob := all[0], all[1]
	inv, err := alice.Invite(24 * time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.Cut(alice, bob)
	do(t, bob, engine.Add{Invite: inv})
	say(t, bob, alice, "thought better of it")
	say(t, bob, alice, "wrote it better")
	say(t, bob, alice, "stays")
	do(t, bob, engine.Delete{IDs: []wire.MessageID{state(t, bob, alice, "thought better of it").ID}, Everyone: true})
	do(t, bob, engine.Edit{ID: state(t, bob, alice, "wrote it better").ID, Text: "better"})
	w.Join(alice, bob)
	w.Advance(time.Hour)
	var got []string
	for _, m := range alice.Timeline(bob) {
		got = append(got, m.Text)
	}
	if !reflect.DeepEqual(got, []string{"better", "stays"}) {
		t.Errorf("arrived: %q", got)
	}
	do(t, alice, engine.Delete{IDs: []wire.MessageID{state(t, alice, bob, "stays").ID}})
	before := maps.Clone(alice.mem.messages)
	w.Advance(time.Hour)
	if len(alice.Timeline(bob)) != 1 || len(bob.Timeline(alice)) != 2 || len(before) != len(alice.mem.messages) {
		t.Errorf("%d with alice, %d with bob", len(alice.Timeline(bob)), len(bob.Timeline(alice)))
	}
}
