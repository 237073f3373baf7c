package engine

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
)

// said finds a message the person wants to do something to, and whether its
// contact can be told.
func (s *step) said(id wire.MessageID) (m chat.Message, row *statepb.Contact, err error) {
	m, ok, err := s.Message(id)
	if err != nil {
		return m, nil, err
	}
	switch {
	case !ok:
		return m, nil, &Error{Code: NotFound, Text: "no such message"}
	case m.Notice != 0:
		return m, nil, &Error{Code: Invalid, Text: "nobody said this"}
	case m.Deleted:
		return m, nil, &Error{Code: NotNow, Text: "this message was deleted"}
	}
	a := m.Conversation.Account()
	row, known, err := s.contact(a)
	if err != nil {
		return m, nil, err
	}
	return m, row, s.maySend(a, row, known)
}

// edit gives an own message another text. Spec: content.md, CO-25.
func (s *step) edit(in Edit) error {
	m, row, err := s.said(in.ID)
	if err != nil {
		return err
	}
	switch {
	case m.From != s.self.account:
		return &Error{Code: Invalid, Text: "only your own messages can be edited"}
	case in.Text == "" && len(m.Media) == 0:
		return &Error{Code: Invalid, Text: "nothing would be left of this message", Hint: "kith delete takes it away"}
	}
	s.up.Reply = Sent{ID: m.ID}
	return s.change(&m, row, chat.Edit, in.Text, &wire.Content{Edit: &wire.Edit{Target: m.ID, Text: in.Text}})
}

// react says what the person thinks of a message. Spec: content.md, CO-26.
func (s *step) react(in React) error {
	m, row, err := s.said(in.ID)
	if err != nil {
		return err
	}
	if in.Emoji != "" && !wire.ValidEmoji(in.Emoji) {
		return &Error{Code: Invalid, Text: "a reaction is one emoji"}
	}
	before, ok, err := s.Change(chat.React, m.ID, s.self.account)
	if err != nil || before.Text == in.Emoji && (ok || in.Emoji == "") {
		return err // said already
	}
	return s.change(&m, row, chat.React, in.Emoji, &wire.Content{Reaction: &wire.Reaction{Target: m.ID, Emoji: in.Emoji}})
}

// change logs what the person does to one message and tells the contact. What it
// takes the place of need not arrive any more.
func (s *step) change(m *chat.Message, row *statepb.Contact, kind chat.ChangeKind, text string, c *wire.Content) error {
	before, ok, err := s.Change(kind, m.ID, s.self.account)
	if err != nil {
		return err
	}
	if err := s.stamp(m.Conversation, c); err != nil {
		return err
	}
	if _, err := c.AppendBinary(nil); err != nil {
		return badMessage(Send{Text: text})
	}
	s.event(chat.MessageChanged{Change: s.own(m, kind, text, c)})
	if ok {
		if err := s.letGo(row, before.ID); err != nil {
			return err
		}
	}
	return s.sayAfter(m.Conversation.Account(), row, c)
}

// sayAfter says a content after envelopes were let go. The first such makes the
// fence: what tells, once it is acknowledged, that the other side has come past what
// was let go before it. Spec: content.md, CO-29.
func (s *step) sayAfter(a identity.AccountID, row *statepb.Contact, c *wire.Content) error {
	if err := s.saveContact(a, row); err != nil {
		return err
	}
	if err := s.say(a, row, c); err != nil {
		return err
	}
	sealed := slices.IndexFunc(s.up.Outgoing, func(o wire.Outgoing) bool { return o.Message == c.ID })
	if row.GetLetGo() == 0 || len(row.GetFence()) > 0 || sealed < 0 {
		return nil
	}
	row.Fence, row.LetGoBefore = s.up.Outgoing[sealed].ID[:], row.GetLetGo()
	return s.saveContact(a, row)
}

// pastFence takes note that an envelope was acknowledged, or is gone for another
// reason: with the fence goes what was let go before it.
func pastFence(row *statepb.Contact) {
	row.LetGo -= min(row.GetLetGoBefore(), row.GetLetGo())
	row.Fence, row.LetGoBefore = nil, 0
}

// stamp gives a content its id, and the place after everything known.
func (s *step) stamp(id chat.ConversationID, c *wire.Content) error {
	conv, err := s.Conversation(id)
	c.ID, c.Lamport, c.SentAt = newMessageID(), min(conv.Lamport+1, wire.MaxLamport), s.now.Truncate(time.Millisecond).UTC()
	return err
}

func (s *step) own(m *chat.Message, kind chat.ChangeKind, text string, c *wire.Content) chat.Change {
	return chat.Change{Kind: kind, Conversation: m.Conversation, Target: m.ID, From: s.self.account,
		ID: c.ID, Lamport: c.Lamport, SentAt: c.SentAt, Text: text}
}

// letGo drops the envelopes that carry a message or change, unless relays hold
// them. Whether they have left on a link nobody knows; the other side bears both.
func (s *step) letGo(row *statepb.Contact, id wire.MessageID) error {
	if fence := row.GetFence(); len(fence) > 0 {
		if _, waits, err := s.Outbox(wire.EnvelopeID(fence)); err != nil {
			return err
		} else if !waits { // of a session that is no more
			pastFence(row)
		}
	}
	all, err := s.OutboxCarrying(id)
	if err != nil {
		return err
	}
	for _, e := range all {
		cells, err := s.CellsFor(e)
		if err != nil {
			return err
		}
		if len(cells) > 0 || row.GetLetGo() >= MaxLetGo || bytes.Equal(e[:], row.GetFence()) {
			continue
		}
		row.LetGo++
		s.up.Drop = append(s.up.Drop, e)
	}
	return nil
}

// delete takes messages away. Spec: content.md, CO-28 and CO-30.
func (s *step) delete(in Delete) error {
	if len(in.IDs) == 0 || len(in.IDs) > wire.MaxDeleted {
		return &Error{Code: Invalid, Text: fmt.Sprintf("1 to %d messages can be deleted at once", wire.MaxDeleted)}
	}
	var all []chat.Message
	known := map[wire.MessageID]bool{}
	for _, id := range in.IDs {
		m, ok, err := s.Message(id)
		if err != nil {
			return err
		}
		switch {
		case !ok:
			return &Error{Code: NotFound, Text: "no such message"}
		case len(all) > 0 && m.Conversation != all[0].Conversation:
			return &Error{Code: Invalid, Text: "these messages are of several conversations"}
		}
		if !known[id] {
			all = append(all, m)
		}
		known[id] = true
	}
	if in.Everyone {
		return s.deleteEverywhere(all)
	}
	return s.forget(all)
}

// forget takes messages away here alone.
func (s *step) forget(all []chat.Message) error {
	e := chat.MessagesForgotten{Conversation: all[0].Conversation}
	for i := range all {
		e.IDs = append(e.IDs, all[i].ID)
		if err := s.eraseMedia(&all[i]); err != nil {
			return err
		}
	}
	s.event(e)
	return nil
}

func (s *step) deleteEverywhere(all []chat.Message) error {
	var deleted []chat.Message
	for _, m := range all {
		if m.From != s.self.account || m.Notice != 0 {
			return &Error{Code: Invalid, Text: "only your own messages can be deleted for everyone", Hint: "without --for-everyone they are deleted here"}
		}
		if !m.Deleted {
			deleted = append(deleted, m)
		}
	}
	if len(deleted) == 0 {
		return nil
	}
	a := deleted[0].Conversation.Account()
	row, known, err := s.contact(a)
	if err != nil {
		return err
	}
	if err := s.maySend(a, row, known); err != nil {
		return err
	}
	c := &wire.Content{}
	if err := s.stamp(deleted[0].Conversation, c); err != nil {
		return err
	}
	for i := range deleted {
		m := &deleted[i]
		c.Deletion = append(c.Deletion, wire.Deleted{Target: m.ID, Lamport: m.Lamport, SentAt: m.SentAt})
		s.event(chat.MessageChanged{Change: s.own(m, chat.Deletion, "", c)})
		if err := s.eraseMedia(m); err != nil {
			return err
		}
		if err := s.letAllGo(row, m.ID); err != nil {
			return err
		}
	}
	return s.sayAfter(a, row, c)
}

// letAllGo drops the envelopes that carry a message and what was done to it here.
func (s *step) letAllGo(row *statepb.Contact, id wire.MessageID) error {
	if err := s.letGo(row, id); err != nil {
		return err
	}
	changes, err := s.Changes(id)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if c.From != s.self.account {
			continue
		}
		if err := s.letGo(row, c.ID); err != nil {
			return err
		}
	}
	return nil
}

// eraseMedia has the files of a message taken away, and what relays hold of them
// let go.
func (s *step) eraseMedia(m *chat.Message) error {
	_, device, err := s.deviceFor(m.Conversation.Account())
	if err != nil {
		return err
	}
	for _, ref := range m.Roots() {
		s.up.Erase = append(s.up.Erase, ref.Root)
		for _, d := range []identity.DeviceID{m.Device, device} {
			left, given := depositKey(prefixLeft, d, ref.Root), depositKey(prefixGiven, d, ref.Root)
			if b, err := s.State(left); err != nil {
				return err
			} else if b != nil {
				s.up.State[left] = nil
				s.depositChange(EndUpload{For: d, Root: ref.Root})
			}
			if b, err := s.State(given); err != nil {
				return err
			} else if b != nil {
				s.up.State[given] = nil
				s.depositChange(EndGiven{From: d, Root: ref.Root})
			}
		}
	}
	return nil
}

// deviceFor returns the device of a contact.
func (s *step) deviceFor(a identity.AccountID) (*statepb.Contact, identity.DeviceID, error) {
	row, ok, err := s.contact(a)
	if err != nil || !ok {
		return row, identity.DeviceID{}, err
	}
	return row, identity.DeviceID(row.GetDevice()), nil
}

// receiveChange takes an edit or a reaction of a contact's. One that may not be,
// or that is not the last, changes nothing; one of a message that is not here
// waits. Spec: content.md, CO-23 to CO-27.
func (s *step) receiveChange(a identity.AccountID, c *wire.Content, kind chat.ChangeKind, target wire.MessageID, text string) error {
	conv, err := s.Conversation(chat.With(a))
	if err != nil {
		return err
	}
	m, known, err := s.Message(target)
	if err != nil {
		return err
	}
	if known && (m.Conversation != conv.ID || m.Notice != 0 || m.Deleted || kind == chat.Edit && m.From != a) {
		return nil
	}
	change := chat.Change{Kind: kind, Conversation: conv.ID, Target: target, From: a, ID: c.ID,
		Lamport: min(c.Lamport, conv.Lamport+MaxLamportJump), SentAt: c.SentAt, Text: text}
	before, ok, err := s.Change(kind, target, a)
	if err != nil || ok && !change.After(&before) {
		return err
	}
	if !known {
		if forgotten, err := s.Forgotten(target); err != nil || forgotten {
			return err
		}
		if early, err := s.EarlyChanges(conv.ID); err != nil || !ok && early >= MaxEarly {
			return err
		}
	}
	s.event(chat.MessageChanged{Change: change})
	return nil
}

// receiveDeletion takes messages of a contact's away. Of one that is not here the
// place is kept, so that it is not shown when it comes. Spec: content.md, CO-28.
func (s *step) receiveDeletion(a identity.AccountID, from identity.DeviceID, c *wire.Content) error {
	conv, err := s.Conversation(chat.With(a))
	if err != nil {
		return err
	}
	done := map[wire.MessageID]bool{}
	for _, d := range c.Deletion {
		if done[d.Target] {
			continue
		}
		done[d.Target] = true
		m, known, err := s.Message(d.Target)
		if err != nil {
			return err
		}
		if known && (m.Conversation != conv.ID || m.From != a || m.Notice != 0 || m.Deleted) {
			continue
		}
		if forgotten, err := s.Forgotten(d.Target); err != nil {
			return err
		} else if forgotten {
			continue
		}
		s.event(chat.MessageChanged{Change: chat.Change{Kind: chat.Deletion, Conversation: conv.ID, Target: d.Target, From: a, ID: c.ID,
			Lamport: min(c.Lamport, conv.Lamport+MaxLamportJump), SentAt: c.SentAt}})
		if !known {
			s.event(chat.MessageAdded{Message: chat.Message{ID: d.Target, Conversation: conv.ID, From: a, Device: from,
				Lamport: min(d.Lamport, conv.Lamport+MaxLamportJump), SentAt: d.SentAt, State: chat.Delivered}})
			continue
		}
		if err := s.eraseMedia(&m); err != nil {
			return err
		}
	}
	return nil
}

// changeArrived takes note that the other side has applied what a content of ours
// did. Of edits and reactions nobody wants to know.
func (s *step) changeArrived(a identity.AccountID, id wire.MessageID, err error) error {
	if err != nil {
		return err
	}
	all, err := s.ChangesBy(id)
	if err != nil {
		return err
	}
	if len(all) > 0 && all[0].Kind == chat.Deletion && all[0].From == s.self.account {
		s.event(chat.ChangeDelivered{Conversation: chat.With(a), ID: id})
	}
	return nil
}

// changeContent says again what one content did, nil if something later has taken
// its place.
func (s *step) changeContent(id wire.MessageID) (*wire.Content, error) {
	all, err := s.ChangesBy(id)
	if err != nil {
		return nil, err
	}
	var c *wire.Content
	for _, x := range all {
		if x.From != s.self.account {
			continue
		}
		m, known, err := s.Message(x.Target)
		if err != nil {
			return nil, err
		}
		if x.Kind != chat.Deletion && (!known || m.Deleted) {
			continue
		}
		if c == nil {
			c = &wire.Content{ID: x.ID, Lamport: x.Lamport, SentAt: x.SentAt}
		}
		switch x.Kind {
		case chat.Edit:
			c.Edit = &wire.Edit{Target: x.Target, Text: x.Text}
		case chat.React:
			c.Reaction = &wire.Reaction{Target: x.Target, Emoji: x.Text}
		case chat.Deletion:
			d := wire.Deleted{Target: x.Target, Lamport: x.Lamport, SentAt: x.SentAt}
			if known {
				d.Lamport, d.SentAt = m.Lamport, m.SentAt
			}
			c.Deletion = append(c.Deletion, d)
		}
	}
	return c, nil
}

// undeliveredChanges lists the contents that did something to messages and are
// held for a session, or wait for an acknowledgement in one that is over.
func (s *step) undeliveredChanges(a identity.AccountID) ([]wire.MessageID, error) {
	row, device, err := s.deviceFor(a)
	if err != nil {
		return nil, err
	}
	var ids []wire.MessageID
	for _, id := range row.GetWaiting() {
		ids = append(ids, wire.MessageID(id))
	}
	waiting, err := s.OutboxFor(device)
	if err != nil {
		return nil, err
	}
	for _, e := range waiting {
		o, ok, err := s.Outbox(e)
		if err != nil {
			return nil, err
		}
		if ok && o.Message != (wire.MessageID{}) {
			ids = append(ids, o.Message)
		}
	}
	var changes []wire.MessageID
	for _, id := range ids {
		all, err := s.ChangesBy(id)
		if err != nil {
			return nil, err
		}
		if len(all) > 0 && all[0].From == s.self.account {
			changes = append(changes, id)
		}
	}
	return changes, nil
}
