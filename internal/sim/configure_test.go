package sim

import (
	"testing"
	"time"

	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/wire"
)

// brief makes a device tell that its person is writing and returns what would leave.
func brief(t *testing.T, d, to *Device) []wire.Outgoing {
	t.Helper()
	up, err := d.engine.Step(d.mem, d.now(), engine.Typing{To: to.Self.Account})
	if err != nil {
		t.Fatal(err)
	}
	if len(up.Events) > 0 || len(up.Cells) > 0 || len(up.Boxes) > 0 || len(up.Drop) > 0 {
		t.Errorf("typing leaves something: %+v", up)
	}
	for _, o := range up.Outgoing {
		if _, changed := up.State[sessionsRow(to)]; !o.Ephemeral || !changed {
			t.Errorf("ephemeral %v, state of the session durable before it leaves %v", o.Ephemeral, changed)
		}
	}
	if _, err := d.mem.apply(up, d.now()); err != nil {
		t.Fatal(err)
	}
	return up.Outgoing
}

// typed gives an envelope to a device and reports whether it shows that somebody
// is writing.
func typed(t *testing.T, d, from *Device, o wire.Outgoing) bool {
	t.Helper()
	up, err := d.engine.Step(d.mem, d.now(), engine.Received{From: from.Self.Device.ID(), Envelope: o.Body})
	if err != nil {
		t.Fatal(err)
	}
	if up.Ack || len(up.Seen) > 0 || len(up.Outgoing) > 0 {
		t.Errorf("acknowledged %v, %d remembered, %d sent", up.Ack, len(up.Seen), len(up.Outgoing))
	}
	for _, e := range up.Events {
		if _, ok := e.(chat.ContactSession); !ok {
			t.Errorf("the log hears of %T", e)
		}
	}
	if _, err := d.mem.apply(up, d.now()); err != nil {
		t.Fatal(err)
	}
	return len(up.Typing) == 1 && up.Typing[0] == from.Self.Account
}

// TestContent_CO31_typingIsBrief: it is told at most every three seconds, leaves no
// trace on either side, and what is sealed after one that was lost opens.
func TestContent_CO31_typingIsBrief(t *testing.T) {
	w, alice, bob := met(t)
	outbox, log := len(alice.mem.outbox), len(bob.mem.log)
	first := brief(t, alice, bob)
	if len(first) != 1 || !typed(t, bob, alice, first[0]) {
		t.Fatalf("%d envelopes, or nothing shown", len(first))
	}
	w.Advance(engine.TypingEvery - time.Millisecond)
	if n := len(brief(t, alice, bob)); n != 0 {
		t.Errorf("told again after less than %v", engine.TypingEvery)
	}
	w.Advance(time.Millisecond)
	if n := len(brief(t, alice, bob)); n != 1 { // lost
		t.Errorf("not told again after %v", engine.TypingEvery)
	}
	if len(alice.mem.outbox) != outbox || len(bob.mem.log) != log {
		t.Error("typing is kept")
	}
	say(t, alice, bob, "written")
	w.Advance(time.Minute)
	wantState(t, alice, bob, "written", chat.Delivered, 0, 0)
	// It carries no acknowledgement: what might be lost must not.
	if err := bob.CheckProjections(); err != nil {
		t.Error(err)
	}
}

// TestContent_CO31_byBoxesItIsNotShown: somebody who puts it into boxes is not shown
// as writing hours later.
func TestContent_CO31_byBoxesItIsNotShown(t *testing.T) {
	w, alice, bob, _ := withRelays(t, 5)
	w.Advance(time.Minute)
	o := brief(t, alice, bob)
	if len(o) != 1 {
		t.Fatal("nothing is sealed")
	}
	o[0].Ephemeral = false // as a hostile device would
	w.Cut(alice, bob)
	if err := alice.commit(&engine.Update{Outgoing: o}, nil); err != nil {
		t.Fatal(err)
	}
	w.Advance(time.Hour)
	if _, seen := bob.mem.seen[o[0].ID]; seen {
		t.Error("it is remembered")
	}
	say(t, alice, bob, "later")
	w.Advance(2 * time.Hour)
	state(t, bob, alice, "later")
}

// TestContent_CO12_notToldOfReadingOrWriting: each side decides what it tells.
func TestContent_CO12_notToldOfReadingOrWriting(t *testing.T) {
	w, alice, bob := met(t)
	no, yes := false, true
	do(t, bob, engine.Configure{Account: alice.Self.Account, Receipts: &no, Typing: &no})
	say(t, alice, bob, "seen?")
	w.Advance(time.Minute)
	do(t, bob, engine.MarkRead{Conversation: chat.With(alice.Self.Account)})
	w.Advance(time.Minute)
	wantState(t, alice, bob, "seen?", chat.Delivered, 0, 0)
	wantState(t, bob, alice, "seen?", chat.Read, 0, 0)
	if n := len(brief(t, bob, alice)); n != 0 {
		t.Error("told of writing")
	}
	if n := len(brief(t, alice, bob)); n != 1 {
		t.Error("the other side's choice is not this one's")
	}
	do(t, bob, engine.Configure{Account: alice.Self.Account, Receipts: &yes, Typing: &yes})
	say(t, alice, bob, "and this?")
	w.Advance(time.Minute)
	do(t, bob, engine.MarkRead{Conversation: chat.With(alice.Self.Account)})
	w.Advance(time.Minute)
	wantState(t, alice, bob, "and this?", chat.Read, 0, 0)
	wantState(t, alice, bob, "seen?", chat.Delivered, 0, 0)
}

// TestContent_CO32_blocked: of a blocked contact nothing is taken, on a link or from
// boxes, and nothing is told to it; after unblocking all of it arrives.
func TestContent_CO32_blocked(t *testing.T) {
	w, alice, bob, _ := withRelays(t, 5)
	w.Advance(time.Minute)
	yes, no := true, false
	do(t, bob, engine.Configure{Account: alice.Self.Account, Blocked: &yes})
	before, log := len(bob.Timeline(alice)), len(bob.mem.log)
	say(t, alice, bob, "on the link")
	w.Advance(10 * time.Minute)
	w.Cut(alice, bob)
	say(t, alice, bob, "in boxes")
	w.Advance(3 * time.Hour)
	wantState(t, alice, bob, "on the link", chat.Boxed, 4, 4)
	wantState(t, alice, bob, "in boxes", chat.Boxed, 4, 4)
	do(t, bob, engine.MarkRead{Conversation: chat.With(alice.Self.Account)})
	bob.crash() // what is watched is built anew
	w.Advance(time.Hour)
	if len(bob.Timeline(alice)) != before {
		t.Error("something of a blocked contact is shown")
	}
	for _, l := range bob.mem.log[log:] {
		if e, ok := l.Event.(chat.MessageAdded); ok {
			t.Errorf("the log holds %q", e.Message.Text)
		}
	}
	if n := len(brief(t, bob, alice)); n != 0 {
		t.Error("a blocked contact is told of writing")
	}
	if _, err := bob.Send(alice, "no"); err == nil {
		t.Error("something is said to a blocked contact")
	}
	wantState(t, alice, bob, "in boxes", chat.Boxed, 4, 4)

	do(t, bob, engine.Configure{Account: alice.Self.Account, Blocked: &no})
	say(t, alice, bob, "after")
	w.Advance(3 * time.Hour)
	for _, text := range []string{"on the link", "in boxes", "after"} {
		state(t, bob, alice, text)
	}
	w.Join(alice, bob)
	w.Advance(3 * time.Hour)
	wantSame(t, alice, bob)
}

// TestContact_namesAreOnesOwn: a contact can be called otherwise, but not as another
// is, or as an account.
func TestContact_namesAreOnesOwn(t *testing.T) {
	w, all := people(t, "alice", "bob", "carol")
	meet(t, w, all[0], all[1])
	meet(t, w, all[0], all[2])
	name := func(to string) error {
		_, err := all[0].Do(engine.Configure{Account: all[1].Self.Account, Name: &to})
		return err
	}
	for _, bad := range []string{"carol", "", " ", "a\nb", all[2].Self.Account.String()} {
		if name(bad) == nil {
			t.Errorf("a contact is called %q", bad)
		}
	}
	for _, good := range []string{"robert", "bob"} {
		if err := name(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	if _, err := all[1].Do(engine.Configure{Account: all[2].Self.Account}); err == nil {
		t.Error("who is no contact is configured")
	}
}
