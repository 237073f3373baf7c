package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/wire"
)

// picture is what a device shows of a conversation, but for what each side alone
// knows: how far a message came, and when.
func picture(d, with *Device) []string {
	var all []string
	for _, m := range d.Timeline(with) {
		var s strings.Builder
		fmt.Fprintf(&s, "%x %d %q", m.ID[:2], m.Lamport, m.Text)
		if m.ReplyTo != (wire.MessageID{}) {
			fmt.Fprintf(&s, " answers %x", m.ReplyTo[:2])
		}
		if m.Deleted {
			s.WriteString(" deleted")
		}
		if !m.EditedAt.IsZero() {
			fmt.Fprint(&s, " edited ", m.EditedAt.UnixMilli())
		}
		for _, r := range m.Reactions {
			fmt.Fprintf(&s, " %x %s", r.From[:2], r.Emoji)
		}
		all = append(all, s.String())
	}
	return all
}

// wantSame checks that both show the same, that deletions are known to have
// arrived, and that projections equal a rebuild.
func wantSame(t *testing.T, alice, bob *Device) {
	t.Helper()
	a, b := picture(alice, bob), picture(bob, alice)
	if !slices.Equal(a, b) {
		t.Errorf("alice sees\n%s\nbob sees\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	for _, d := range []*Device{alice, bob} {
		other := alice
		if d == alice {
			other = bob
		}
		for _, m := range d.Timeline(other) {
			if m.From == d.Self.Account && m.Deleted && (m.DeletedOn != 1 || m.DeletedOf != 1) {
				t.Errorf("%s: %x is deleted on %d of %d", d.Name, m.ID[:2], m.DeletedOn, m.DeletedOf)
			}
			if m.Deleted && (m.Text != "" || m.Media != nil || m.Reactions != nil) {
				t.Errorf("%s: a deleted message shows %+v", d.Name, m)
			}
		}
		for _, l := range d.mem.log {
			if e, ok := l.Event.(chat.MessageAdded); ok && d.mem.messages[e.Message.ID].Deleted && e.Message.Text != "" {
				t.Errorf("%s: the log keeps %q of a deleted message", d.Name, e.Message.Text)
			}
			if e, ok := l.Event.(chat.MessageChanged); ok && d.mem.messages[e.Change.Target].Deleted && e.Change.Text != "" {
				t.Errorf("%s: the log keeps %q done to a deleted message", d.Name, e.Change.Text)
			}
		}
		if n := len(d.mem.outbox); n != 0 {
			t.Errorf("%s: %d envelopes left in the outbox", d.Name, n)
		}
		if err := d.CheckProjections(); err != nil {
			t.Error(err)
		}
	}
}

// tell says something and returns its id.
func tell(t *testing.T, from, to *Device, text string) wire.MessageID {
	t.Helper()
	id, err := from.Send(to, text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// meddle does something at random to a message of a conversation.
func meddle(t *testing.T, w *World, d, other *Device) {
	t.Helper()
	all := d.Timeline(other)
	if len(all) == 0 {
		return
	}
	m := all[w.rng.IntN(len(all))]
	var in engine.Input
	switch w.rng.IntN(8) {
	case 0, 1, 2:
		in = engine.React{ID: m.ID, Emoji: []string{"👍", "🎉", ""}[w.rng.IntN(3)]}
	case 3, 4, 5:
		in = engine.Edit{ID: m.ID, Text: fmt.Sprint("edited ", w.rng.IntN(1000))}
	case 6:
		in = engine.Delete{IDs: []wire.MessageID{m.ID}, Everyone: true}
	default:
		in = engine.Send{To: other.Self.Account, Text: "an answer", ReplyTo: m.ID}
	}
	if _, err := d.Do(in); err != nil {
		if _, ok := errors.AsType[*engine.Error](err); !ok {
			t.Fatal(err)
		}
	}
}

// TestSim_events_randomWorlds: two people say, edit, answer, react and delete
// through loss, repetition, partitions and crashes. At the end both see the same.
func TestSim_events_randomWorlds(t *testing.T) {
	worlds(t, *flagWorlds/4, runEvents)
}

func runEvents(t *testing.T, seed uint64) {
	w := New(seed)
	w.Faults = Faults{Loss: 0.2 * w.rng.Float64(), Repeat: 0.2, CrashBefore: 0.03, CrashAfter: 0.03, MaxDelay: 400 * time.Millisecond}
	alice, bob := must(t)(w.AddDevice("alice", 0)), must(t)(w.AddDevice("bob", 0))
	meet(t, w, alice, bob)
	for i := range 100 {
		d, other := alice, bob
		if w.rng.IntN(2) == 0 {
			d, other = bob, alice
		}
		switch n := w.rng.IntN(20); {
		case n < 5:
			say(t, d, other, fmt.Sprint(d.Name, " ", i))
		case n < 13:
			meddle(t, w, d, other)
		case n == 13:
			w.Cut(alice, bob)
		case n == 14:
			w.Join(alice, bob)
		case n == 15:
			d.crash()
		default:
			w.Advance(time.Duration(w.rng.Int64N(int64(20 * time.Second))))
		}
	}
	w.Join(alice, bob)
	w.Faults = Faults{MaxDelay: 50 * time.Millisecond}
	w.Advance(2 * time.Hour)
	wantSame(t, alice, bob)
}

// TestContent_CO23_changesArriveByBoxes: what is done to messages while the other
// is away is done there, too, when they return.
func TestContent_CO23_changesArriveByBoxes(t *testing.T) {
	w, alice, bob, _ := withRelays(t, 5)
	bob.Switch(false)
	kept, edited, gone := tell(t, alice, bob, "kept"), tell(t, alice, bob, "before it was edited"), tell(t, alice, bob, "regretted")
	w.Advance(time.Minute) // all of it lies in boxes
	do(t, alice, engine.Edit{ID: edited, Text: "after"})
	do(t, alice, engine.React{ID: kept, Emoji: "👍"})
	do(t, alice, engine.Delete{IDs: []wire.MessageID{gone}, Everyone: true})
	late := tell(t, alice, bob, "deleted before it left")
	do(t, alice, engine.Delete{IDs: []wire.MessageID{late}, Everyone: true})
	w.Advance(time.Minute)
	alice.Switch(false)
	w.Advance(time.Hour)
	bob.Switch(true)
	w.Advance(2 * time.Hour)
	if got := state(t, bob, alice, "after"); got.EditedAt.IsZero() {
		t.Errorf("%+v", got)
	}
	alice.Switch(true)
	w.Advance(2 * time.Hour)
	wantSame(t, alice, bob)
}

// TestContent_CO29_deletedBeforeItLeft: an envelope that has not left is let go,
// and the other side keeps the place alone.
func TestContent_CO29_deletedBeforeItLeft(t *testing.T) {
	w, alice, bob := met(t)
	w.Cut(alice, bob)
	var ids []wire.MessageID
	for i := range 20 {
		ids = append(ids, tell(t, alice, bob, fmt.Sprint("never mind ", i)))
		do(t, alice, engine.Edit{ID: ids[i], Text: "or this"})
		do(t, alice, engine.React{ID: ids[i], Emoji: "🙈"})
	}
	before := len(alice.mem.outbox)
	do(t, alice, engine.Delete{IDs: append(ids, ids[0]), Everyone: true})
	if n := len(alice.mem.outbox); before != 60 || n != 1 {
		t.Errorf("%d envelopes wait, %d before", n, before)
	}
	w.Join(alice, bob)
	w.Advance(time.Hour)
	wantSame(t, alice, bob)
	if n := len(bob.Timeline(alice)); n != len(alice.Timeline(bob)) || n < 20 {
		t.Errorf("bob shows %d messages", n)
	}
	c, _ := bob.mem.Conversation(chat.With(alice.Self.Account))
	if c.Unread > 1 {
		t.Errorf("%d unread though all were taken back", c.Unread)
	}
}

// TestContent_CO29_changesOutliveASession: what was done and not acknowledged is
// done again in the session that follows one that was lost.
func TestContent_CO29_changesOutliveASession(t *testing.T) {
	w, alice, bob := met(t)
	edited, gone := tell(t, alice, bob, "one"), tell(t, alice, bob, "two")
	w.Advance(time.Minute)
	w.Cut(alice, bob)
	do(t, alice, engine.Edit{ID: edited, Text: "first"})
	do(t, alice, engine.Edit{ID: edited, Text: "second"})
	do(t, alice, engine.React{ID: edited, Emoji: "👍"})
	do(t, alice, engine.Delete{IDs: []wire.MessageID{gone}, Everyone: true})
	for k := range bob.mem.state {
		if strings.HasPrefix(string(k), "sessions/") {
			delete(bob.mem.state, k) // as a damaged store would
		}
	}
	w.Join(alice, bob)
	w.Advance(time.Hour)
	wantSame(t, alice, bob)
	if got := state(t, bob, alice, "second"); len(got.Reactions) != 1 {
		t.Errorf("%+v", got)
	}
}

// TestContent_CO30_forMeAlone: what a person deletes for herself stays with the
// other, and a copy that comes again does not bring it back.
func TestContent_CO30_forMeAlone(t *testing.T) {
	w, alice, bob := met(t)
	id := tell(t, alice, bob, "once")
	w.Advance(time.Minute)
	do(t, bob, engine.Delete{IDs: []wire.MessageID{id}})
	do(t, alice, engine.Edit{ID: id, Text: "twice"})
	do(t, alice, engine.React{ID: id, Emoji: "👍"})
	w.Advance(time.Minute)
	for _, m := range bob.Timeline(alice) {
		if m.ID == id {
			t.Errorf("it is back: %+v", m)
		}
	}
	if n, _ := bob.mem.EarlyChanges(chat.With(alice.Self.Account)); n != 0 {
		t.Errorf("%d changes wait for what must not come back", n)
	}
	if got := state(t, alice, bob, "twice"); got.Deleted {
		t.Errorf("%+v", got)
	}
	if err := bob.CheckProjections(); err != nil {
		t.Error(err)
	}
}

// TestContent_CO29_beforeTheFirstSession: what is edited, deleted and answered before
// the other side has answered the invite is so from the beginning.
func TestContent_CO29_beforeTheFirstSession(t *testing.T) {
	w, all := people(t, "alice", "bob")
	alice, bob := all[0], all[1]
	inv, err := alice.Invite(24 * time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.Cut(alice, bob)
	do(t, bob, engine.Add{Invite: inv})
	edited, gone, mine := tell(t, bob, alice, "draft"), tell(t, bob, alice, "regretted"), tell(t, bob, alice, "for me")
	do(t, bob, engine.Edit{ID: edited, Text: "final"})
	do(t, bob, engine.React{ID: edited, Emoji: "👍"})
	do(t, bob, engine.Delete{IDs: []wire.MessageID{gone}, Everyone: true})
	do(t, bob, engine.Delete{IDs: []wire.MessageID{mine}})
	do(t, bob, engine.Send{To: alice.Self.Account, Text: "an answer to what is gone", ReplyTo: gone})
	w.Join(alice, bob)
	w.Advance(time.Hour)
	wantSame(t, alice, bob)
	if m := state(t, alice, bob, "final"); m.EditedAt.IsZero() || len(m.Reactions) != 1 {
		t.Errorf("%+v", m)
	}
	if n := len(alice.Timeline(bob)); n != 3 {
		t.Errorf("alice shows %d messages", n)
	}
}
