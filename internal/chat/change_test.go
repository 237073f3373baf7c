package chat_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/wire"
)

// projection holds one contact and conversation, and what the log keeps.
type projection struct {
	contact      chat.Contact
	conversation chat.Conversation
	messages     map[wire.MessageID]chat.Message
	changes      map[changeKey]chat.Change
	forgotten    map[wire.MessageID]bool
	log          map[chat.Seq]chat.Event
}

type changeKey struct {
	kind   chat.ChangeKind
	target wire.MessageID
	from   identity.AccountID
}

func newProjection() *projection {
	return &projection{messages: map[wire.MessageID]chat.Message{}, changes: map[changeKey]chat.Change{},
		forgotten: map[wire.MessageID]bool{}, log: map[chat.Seq]chat.Event{}}
}

func (p *projection) Contact(a identity.AccountID) (chat.Contact, bool, error) {
	return p.contact, p.contact.Account == a, nil
}
func (p *projection) PutContact(c chat.Contact) error { p.contact = c; return nil }
func (p *projection) Conversation(id chat.ConversationID) (chat.Conversation, error) {
	p.conversation.ID = id
	return p.conversation, nil
}
func (p *projection) PutConversation(c chat.Conversation) error { p.conversation = c; return nil }
func (p *projection) Message(id wire.MessageID) (chat.Message, bool, error) {
	m, ok := p.messages[id]
	return m, ok, nil
}
func (p *projection) PutMessage(m chat.Message) error           { p.messages[m.ID] = m; return nil }
func (p *projection) SetMediaStored([32]byte) error             { return nil }
func (p *projection) SetMediaHeld([32]byte, chat.Hold) error    { return nil }
func (p *projection) RemoveMessage(id wire.MessageID) error     { delete(p.messages, id); return nil }
func (p *projection) Forget(id wire.MessageID) error            { p.forgotten[id] = true; return nil }
func (p *projection) Forgotten(id wire.MessageID) (bool, error) { return p.forgotten[id], nil }
func (p *projection) Unlog(s chat.Seq) error                    { delete(p.log, s); return nil }
func (p *projection) Blank(s chat.Seq) error {
	if e, ok := p.log[s]; ok {
		p.log[s] = chat.Blank(e)
	}
	return nil
}
func (p *projection) Change(k chat.ChangeKind, target wire.MessageID, from identity.AccountID) (chat.Change, bool, error) {
	c, ok := p.changes[changeKey{k, target, from}]
	return c, ok, nil
}
func (p *projection) PutChange(c chat.Change) error {
	p.changes[changeKey{c.Kind, c.Target, c.From}] = c
	return nil
}
func (p *projection) some(want func(chat.Change) bool) (all []chat.Change, err error) {
	for _, c := range p.changes {
		if want(c) {
			all = append(all, c)
		}
	}
	return all, nil
}
func (p *projection) Changes(id wire.MessageID) ([]chat.Change, error) {
	return p.some(func(c chat.Change) bool { return c.Target == id })
}
func (p *projection) ChangesBy(id wire.MessageID) ([]chat.Change, error) {
	return p.some(func(c chat.Change) bool { return c.ID == id })
}

// add logs an event and folds it, as a store does.
func (p *projection) add(t *testing.T, seq chat.Seq, e chat.Event) {
	t.Helper()
	p.log[seq] = e
	if err := chat.Apply(p, chat.Logged{Seq: seq, At: now, Event: e}); err != nil {
		t.Fatal(err)
	}
}

// rebuilt folds what the log holds from its beginning.
func (p *projection) rebuilt(t *testing.T) *projection {
	t.Helper()
	again := newProjection()
	for _, seq := range slices.Sorted(maps.Keys(p.log)) {
		if err := chat.Apply(again, chat.Logged{Seq: seq, At: now, Event: p.log[seq]}); err != nil {
			t.Fatal(err)
		}
	}
	again.log = p.log
	return again
}

// picture is what a person sees: it has nothing of the order of events here.
func (p *projection) picture() string {
	var out strings.Builder
	for _, id := range slices.SortedFunc(maps.Keys(p.messages), func(a, b wire.MessageID) int { return slices.Compare(a[:], b[:]) }) {
		m := p.messages[id]
		fmt.Fprintf(&out, "%x %q edited %d deleted %v on %d of %d;", id[:1], m.Text, m.EditedAt.UnixMilli(), m.Deleted, m.DeletedOn, m.DeletedOf)
		for _, from := range []byte{1, 9} {
			if c := p.changes[changeKey{chat.React, id, identity.AccountID{from}}]; c.Text != "" {
				fmt.Fprintf(&out, " %d %s", from, c.Text)
			}
		}
		out.WriteString("\n")
	}
	return out.String() + fmt.Sprintf("lamport %d, %d messages, %d unread\n", p.conversation.Lamport, p.conversation.Messages, p.conversation.Unread)
}

func change(kind chat.ChangeKind, target, from, id byte, lamport uint64, text string) chat.Change {
	return chat.Change{Kind: kind, Conversation: chat.With(identity.AccountID{1}), Target: wire.MessageID{target}, From: identity.AccountID{from},
		ID: wire.MessageID{id}, Lamport: lamport, SentAt: now, Text: text}
}

func changed(kind chat.ChangeKind, target, from, id byte, lamport uint64, text string) chat.Event {
	return chat.MessageChanged{Change: change(kind, target, from, id, lamport, text)}
}

// TestContent_CO23_allOrdersConverge folds the same events in every order that
// can be: each gives the same picture, which a rebuild from what is left of the
// log gives, too.
func TestContent_CO23_allOrdersConverge(t *testing.T) {
	one, two, own := message(1, 1, chat.Delivered), message(2, 2, chat.Delivered), message(3, 3, chat.Queued)
	own.From = identity.AccountID{9}
	events := []chat.Event{
		chat.MessageAdded{Message: one}, chat.MessageAdded{Message: two}, chat.MessageAdded{Message: own},
		changed(chat.Edit, 1, 1, 30, 7, "first"), changed(chat.Edit, 1, 1, 31, 7, "second"), // of one lamport: the id decides
		changed(chat.Edit, 1, 9, 32, 8, "not mine to edit"),
		changed(chat.React, 1, 9, 33, 4, "👍"), changed(chat.React, 1, 9, 34, 5, ""), changed(chat.React, 1, 1, 35, 5, "🎉"),
		changed(chat.Edit, 2, 1, 36, 6, "will be gone"), changed(chat.Deletion, 2, 1, 37, 5, ""),
		changed(chat.Deletion, 3, 1, 38, 9, ""), // not his to delete
		changed(chat.React, 2, 9, 39, 12, "😢"),
		changed(chat.React, 77, 1, 40, 3, "🤷"), // to what never comes
	}
	rng := rand.New(rand.NewPCG(3, 4))
	var want string
	for n := range 400 {
		order := rng.Perm(len(events))
		p := newProjection()
		for i, j := range order {
			p.add(t, chat.Seq(i+1), events[j])
		}
		got := p.picture()
		if n == 0 {
			want = got
			for _, text := range []string{`01 "second"`, " 1 🎉", `02 "" edited`, "deleted true on 0 of 0", `03 "text"`, "lamport 12, 3 messages, 1 unread"} {
				if !strings.Contains(got, text) {
					t.Errorf("no %q in\n%s", text, got)
				}
			}
		}
		if got != want {
			t.Fatalf("order %v:\n%s\nanother:\n%s", order, got, want)
		}
		again := p.rebuilt(t)
		if !reflect.DeepEqual(again, p) {
			t.Fatalf("order %v: rebuilt\n%v\nincremental\n%v", order, again, p)
		}
		for seq, e := range p.log {
			if c, ok := e.(chat.MessageChanged); ok && c.Change.Target == (wire.MessageID{2}) && c.Change.Text != "" {
				t.Fatalf("order %v: event %d keeps %q of a deleted message", order, seq, c.Change.Text)
			}
			if m, ok := e.(chat.MessageAdded); ok && m.Message.ID == (wire.MessageID{2}) && m.Message.Text != "" {
				t.Fatalf("order %v: event %d keeps the text of a deleted message", order, seq)
			}
		}
	}
}

// TestContent_CO26_supersededChangesLeaveTheLog: ten thousand reactions of one
// person to one message leave one event.
func TestContent_CO26_supersededChangesLeaveTheLog(t *testing.T) {
	p := newProjection()
	p.add(t, 1, chat.MessageAdded{Message: message(1, 1, chat.Delivered)})
	for i := range 10_000 {
		e := changed(chat.React, 1, 1, byte(i), uint64(i+2), "👍").(chat.MessageChanged)
		e.Change.ID[1] = byte(i >> 8)
		p.add(t, chat.Seq(i+2), e)
	}
	if len(p.log) != 2 || len(p.changes) != 1 {
		t.Errorf("%d events and %d changes are left", len(p.log), len(p.changes))
	}
}

// TestContent_CO30_forgottenLeavesNothing: what a person deletes for herself is
// gone, and its place, too; a rebuild does not bring it back.
func TestContent_CO30_forgottenLeavesNothing(t *testing.T) {
	p := newProjection()
	p.add(t, 1, chat.MessageAdded{Message: message(1, 1, chat.Delivered)})
	p.add(t, 2, chat.MessageAdded{Message: message(2, 2, chat.Delivered)})
	p.add(t, 3, changed(chat.Edit, 1, 1, 30, 3, "edited"))
	p.add(t, 4, chat.MessagesForgotten{Conversation: chat.With(identity.AccountID{1}), IDs: []wire.MessageID{{1}, {99}}})
	if len(p.messages) != 1 || p.conversation.Unread != 1 || p.conversation.Messages != 1 || !p.forgotten[wire.MessageID{1}] {
		t.Errorf("%+v", p)
	}
	if again := p.rebuilt(t); !reflect.DeepEqual(again, p) {
		t.Errorf("rebuilt\n%v\nincremental\n%v", again, p)
	}
	if e := p.log[1].(chat.MessageAdded); e.Message.Text != "" {
		t.Error("the log keeps the text")
	}
	if e := p.log[3].(chat.MessageChanged); e.Change.Text != "" {
		t.Error("the log keeps the edit")
	}
}

// TestContent_CO28_deletionIsKnownOfTheOtherSide: an own deletion says whether the
// other device has done it.
func TestContent_CO28_deletionIsKnownOfTheOtherSide(t *testing.T) {
	p := newProjection()
	own := message(3, 3, chat.Queued)
	own.From = identity.AccountID{9}
	p.add(t, 1, chat.MessageAdded{Message: own})
	p.add(t, 2, changed(chat.Deletion, 3, 9, 30, 4, ""))
	if m := p.messages[own.ID]; !m.Deleted || m.DeletedOn != 0 || m.DeletedOf != 1 {
		t.Errorf("%+v", m)
	}
	p.add(t, 3, chat.ChangeDelivered{Conversation: own.Conversation, ID: wire.MessageID{30}})
	if m := p.messages[own.ID]; m.DeletedOn != 1 || m.DeletedOf != 1 {
		t.Errorf("%+v", m)
	}
	if again := p.rebuilt(t); !reflect.DeepEqual(again, p) {
		t.Errorf("rebuilt\n%v\nincremental\n%v", again, p)
	}
}
