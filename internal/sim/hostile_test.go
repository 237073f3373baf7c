package sim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/wire"
	"kith/ratchet"
)

// force has a device say any content, whatever its engine would think of it, and
// reports whether the other side took it.
func force(t *testing.T, from, to *Device, c *wire.Content) (taken bool) {
	t.Helper()
	row := sessionsOf(t, from, to)
	active := row.Sessions[row.Active]
	session, err := ratchet.ParseSession(active.Ratchet)
	if err != nil {
		t.Fatal(err)
	}
	content, err := c.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	session, sealed, err := session.Seal(wire.Pad(content), active.Ad)
	if err != nil {
		t.Fatal(err)
	}
	if active.Ratchet, err = session.MarshalBinary(); err != nil {
		t.Fatal(err)
	}
	if from.mem.state[sessionsRow(to)], err = proto.Marshal(row); err != nil {
		t.Fatal(err)
	}
	envelope, err := (&wire.Envelope{Kind: wire.KindSession, Body: sealed}).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	up, err := to.engine.Step(to.mem, to.now(), engine.Received{From: from.Self.Device.ID(), Envelope: envelope})
	if err != nil {
		t.Fatal(err)
	}
	if err := to.commit(up, nil); err != nil {
		t.Fatal(err)
	}
	return up.Ack
}

// numbered gives ids that nobody else gives.
func numbered(n int) (id wire.MessageID) {
	id[0] = 0xee
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

// TestContent_CO25_onlyOnesOwnMessages: who edits or deletes what somebody else
// said is not heard, whichever comes first.
func TestContent_CO25_onlyOnesOwnMessages(t *testing.T) {
	w, alice, bob := met(t)
	id := tell(t, alice, bob, "mine")
	w.Advance(1e9)
	for i, c := range []*wire.Content{
		{Edit: &wire.Edit{Target: id, Text: "not mine"}},
		{Deletion: []wire.Deleted{{Target: id, SentAt: w.Now}}},
	} {
		c.ID, c.Lamport, c.SentAt = numbered(i), 100, w.Now
		if !force(t, bob, alice, c) {
			t.Error("it is not acknowledged: its sender would repeat it for ever")
		}
	}
	if m := state(t, alice, bob, "mine"); m.Deleted || !m.EditedAt.IsZero() {
		t.Errorf("%+v", m)
	}
	// An edit before its target, by somebody whose message it will not be.
	force(t, bob, alice, &wire.Content{ID: numbered(9), Lamport: 100, SentAt: w.Now, Edit: &wire.Edit{Target: numbered(50), Text: "early"}})
	if n, _ := alice.mem.EarlyChanges(chat.With(bob.Self.Account)); n != 1 {
		t.Errorf("%d changes wait", n)
	}
	if err := alice.CheckProjections(); err != nil {
		t.Error(err)
	}
}

// TestContent_CO27_earlyChangesAreBounded: at the limit one more is dropped, and
// what waits applies when its message comes.
func TestContent_CO27_earlyChangesAreBounded(t *testing.T) {
	w, alice, bob := met(t)
	before := len(alice.mem.log)
	for i := range engine.MaxEarly + 50 {
		force(t, bob, alice, &wire.Content{ID: numbered(1000 + i), Lamport: 20, SentAt: w.Now, Reaction: &wire.Reaction{Target: numbered(i), Emoji: "👍"}})
	}
	if n, _ := alice.mem.EarlyChanges(chat.With(bob.Self.Account)); n != engine.MaxEarly {
		t.Errorf("%d changes wait, want %d", n, engine.MaxEarly)
	}
	if n := len(alice.mem.log) - before; n != engine.MaxEarly {
		t.Errorf("%d more events in the log", n)
	}
	// A later one in place of one that waits needs no more room.
	force(t, bob, alice, &wire.Content{ID: numbered(5000), Lamport: 21, SentAt: w.Now, Reaction: &wire.Reaction{Target: numbered(0), Emoji: "🎉"}})
	force(t, bob, alice, &wire.Content{ID: numbered(0), Lamport: 19, SentAt: w.Now, Message: &wire.Message{Text: "the message"}})
	if m := state(t, alice, bob, "the message"); len(m.Reactions) != 1 || m.Reactions[0].Emoji != "🎉" {
		t.Errorf("%+v", m)
	}
	if n, _ := alice.mem.EarlyChanges(chat.With(bob.Self.Account)); n != engine.MaxEarly-1 {
		t.Errorf("%d changes wait after one message came", n)
	}
	if err := alice.CheckProjections(); err != nil {
		t.Error(err)
	}
}

// TestContent_CO26_floodOfReactions: however often somebody changes his mind, the
// log holds one event of it, and an older one that comes late none.
func TestContent_CO26_floodOfReactions(t *testing.T) {
	w, alice, bob := met(t)
	id := tell(t, alice, bob, "liked")
	w.Advance(1e9)
	reactions := func() (n int) {
		for _, l := range alice.mem.log {
			n += b2i(fmt.Sprintf("%T", l.Event) == "chat.MessageChanged")
		}
		return n
	}
	for i := range 2000 {
		force(t, bob, alice, &wire.Content{ID: numbered(i), Lamport: uint64(100 + i), SentAt: w.Now, Reaction: &wire.Reaction{Target: id, Emoji: "👍"}})
	}
	force(t, bob, alice, &wire.Content{ID: numbered(9000), Lamport: 99, SentAt: w.Now, Reaction: &wire.Reaction{Target: id, Emoji: "late"[:1]}})
	if n := reactions(); n != 1 {
		t.Errorf("%d reactions in the log", n)
	}
	if m := state(t, alice, bob, "liked"); len(m.Reactions) != 1 || m.Reactions[0].Emoji != "👍" {
		t.Errorf("%+v", m)
	}
}

// TestContent_CO28_hostileDeletions: names repeated, of others' messages, of what
// never was and of the highest order: nothing breaks, and nothing of others goes.
func TestContent_CO28_hostileDeletions(t *testing.T) {
	w, alice, bob := met(t)
	own, his := tell(t, alice, bob, "alice's"), tell(t, bob, alice, "bob's")
	w.Advance(1e9)
	c := &wire.Content{ID: numbered(1), Lamport: wire.MaxLamport, SentAt: w.Now}
	for range 3 {
		c.Deletion = append(c.Deletion, wire.Deleted{Target: own, SentAt: w.Now}, wire.Deleted{Target: his, SentAt: w.Now},
			wire.Deleted{Target: numbered(7), Lamport: wire.MaxLamport, SentAt: w.Now})
	}
	for range 2 {
		c.ID[1]++
		force(t, bob, alice, c)
	}
	conv, _ := alice.mem.Conversation(chat.With(bob.Self.Account))
	if conv.Lamport > 1<<34 {
		t.Errorf("the conversation was pushed to %d", conv.Lamport)
	}
	state(t, alice, bob, "alice's")
	n := 0
	for _, m := range alice.Timeline(bob) {
		if m.Deleted {
			n++
		}
	}
	if n != 2 || conv.Unread != 1 {
		t.Errorf("%d deleted, %d unread", n, conv.Unread)
	}
	// The message whose place is kept is not shown when it comes.
	force(t, bob, alice, &wire.Content{ID: numbered(7), Lamport: 5, SentAt: w.Now, Message: &wire.Message{Text: "too late"}})
	for _, m := range alice.Timeline(bob) {
		if m.Text == "too late" {
			t.Error("a deleted message is shown")
		}
	}
	if err := alice.CheckProjections(); err != nil {
		t.Error(err)
	}
}

// TestContent_CO22_answerToWhatIsNotHere is shown as it is, and a command to make
// one is refused.
func TestContent_CO22_answerToWhatIsNotHere(t *testing.T) {
	w, alice, bob := met(t)
	force(t, bob, alice, &wire.Content{ID: numbered(1), Lamport: 9, SentAt: w.Now, Message: &wire.Message{Text: "re", ReplyTo: numbered(2)}})
	if m := state(t, alice, bob, "re"); m.ReplyTo != numbered(2) {
		t.Errorf("%+v", m)
	}
	for _, in := range []engine.Input{
		engine.Send{To: bob.Self.Account, Text: "x", ReplyTo: numbered(2)}, engine.Edit{ID: numbered(2), Text: "x"}, engine.React{ID: numbered(2), Emoji: "x"},
		engine.Edit{ID: numbered(1), Text: "x"}, engine.React{ID: numbered(1), Emoji: "two words"}, engine.Delete{},
		engine.Delete{IDs: []wire.MessageID{numbered(1)}, Everyone: true}, engine.Delete{IDs: make([]wire.MessageID, wire.MaxDeleted+1)},
	} {
		if _, err := alice.Do(in); err == nil {
			t.Errorf("%T %+v is done", in, in)
		} else if _, ok := errors.AsType[*engine.Error](err); !ok {
			t.Errorf("%T: %v", in, err)
		}
	}
}

// TestContent_CO29_lettingGoIsBounded: at the limit envelopes stay, so that the
// session can go on.
func TestContent_CO29_lettingGoIsBounded(t *testing.T) {
	w, alice, bob := met(t)
	w.Cut(alice, bob)
	var ids []wire.MessageID
	for i := range engine.MaxLetGo + 10 {
		ids = append(ids, tell(t, alice, bob, fmt.Sprint(i)))
	}
	for len(ids) > 0 {
		n := min(len(ids), wire.MaxDeleted)
		do(t, alice, engine.Delete{IDs: ids[:n], Everyone: true})
		ids = ids[n:]
	}
	if n := len(alice.mem.outbox); n != 10+2 {
		t.Errorf("%d envelopes wait, want 12", n)
	}
	w.Join(alice, bob)
	w.Advance(3600e9)
	wantSame(t, alice, bob)
	if len(alice.Notices(bob)) != 0 {
		t.Error("the session was lost")
	}
}

// TestContent_CO29_earlierAcknowledgementsCountNothing: that the other side has what
// was sealed before envelopes were let go does not allow more of that; only what was
// sealed after them does. Reactions as fast as they can be made once lost the session.
func TestContent_CO29_earlierAcknowledgementsCountNothing(t *testing.T) {
	w, alice, bob := met(t)
	first := tell(t, alice, bob, "what do you think?")
	w.Advance(time.Minute)
	w.Cut(alice, bob)
	const rounds = 3
	for i := range rounds {
		tell(t, alice, bob, fmt.Sprint("before ", i))
	}
	early := slices.Clone(alice.mem.outbox[len(alice.mem.outbox)-rounds:])
	emoji := func(i int) string { return string(rune(0x1f600 + i%64)) }
	n := 0
	react := func(times int) {
		for range times {
			do(t, alice, engine.React{ID: first, Emoji: emoji(n)})
			n++
		}
	}
	for _, o := range early { // an acknowledgement each, late
		react(engine.MaxLetGo + 10)
		do(t, alice, engine.Acked{From: bob.Self.Device.ID(), ID: o.ID})
	}
	if left := len(alice.mem.outbox); n-left > engine.MaxLetGo {
		t.Errorf("%d of %d envelopes were let go, at most %d may be", n-left, n, engine.MaxLetGo)
	}
	w.Join(alice, bob)
	w.Advance(time.Hour)
	if len(alice.Notices(bob)) != 0 || len(bob.Notices(alice)) != 0 {
		t.Error("the session was lost")
	}
	// What was sealed after has come: there is room again.
	react(engine.MaxLetGo)
	w.Advance(time.Hour)
	tell(t, alice, bob, "after")
	w.Advance(time.Hour)
	all := bob.Timeline(alice)
	if last := all[len(all)-1]; last.Text != "after" {
		t.Errorf("the last thing said is %q", last.Text)
	}
	i := slices.IndexFunc(all, func(m chat.Message) bool { return m.ID == first })
	if i < 0 || len(all[i].Reactions) != 1 || all[i].Reactions[0].Emoji != emoji(n-1) {
		t.Errorf("the last reaction did not come")
	}
	if len(alice.mem.outbox) != 0 {
		t.Errorf("%d envelopes wait", len(alice.mem.outbox))
	}
}
