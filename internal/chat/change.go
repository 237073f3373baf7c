package chat

import (
	"bytes"
	"cmp"
	"time"

	"kith/identity"
	"kith/internal/wire"
)

// ChangeKind says what somebody did to a message.
type ChangeKind uint8

const (
	// Edit gives a message of one's own another text.
	Edit ChangeKind = 1
	// React says what one thinks of a message; without text it says nothing any more.
	React ChangeKind = 2
	// Deletion takes a message of one's own back, everywhere.
	Deletion ChangeKind = 3
)

// Change is what somebody did to a message after it was said. Of one kind, message
// and person the last counts, by [Change.After]; so it does not matter in which
// order changes and the message come. Spec: content.md, section 6.
type Change struct {
	Kind         ChangeKind
	Conversation ConversationID
	Target       wire.MessageID
	From         identity.AccountID
	ID           wire.MessageID // of the content that said it
	Lamport      uint64
	SentAt       time.Time // by the sender's clock
	Text         string    // an edit's text, a reaction's emoji
	Seq          Seq       // of its event
	Delivered    bool      // an own one: the other side has applied it
}

// After reports whether c counts in place of x: by causal order, then id.
func (c *Change) After(x *Change) bool {
	return cmp.Or(cmp.Compare(c.Lamport, x.Lamport), bytes.Compare(c.ID[:], x.ID[:])) > 0
}

// Blank returns an event without what people said in it: what the log keeps of a
// message that was deleted. It changes nothing in other events.
func Blank(e Event) Event {
	switch e := e.(type) {
	case MessageAdded:
		e.Message = e.Message.Blank()
		return e
	case MessageChanged:
		e.Change.Text = ""
		return e
	}
	return e
}

// Blank returns the message without text, files, edits and what it answers.
func (m *Message) Blank() Message {
	blank := *m
	blank.Text, blank.Media, blank.ReplyTo, blank.EditedAt, blank.Reactions = "", nil, wire.MessageID{}, time.Time{}, nil
	return blank
}

// unread reports whether somebody said it and nobody here has seen it.
func (m *Message) unread() bool {
	return m.From == m.Conversation.Account() && m.State.Before(Read) && !m.Deleted
}

// settle gives a message what was done to it, whether that came before or after.
func settle(p Projection, m *Message) error {
	if m.Notice != 0 {
		return nil
	}
	d, deleted, err := p.Change(Deletion, m.ID, m.From)
	if err != nil {
		return err
	}
	if deleted && d.Conversation == m.Conversation {
		return bury(p, m, &d)
	}
	e, edited, err := p.Change(Edit, m.ID, m.From)
	if err != nil {
		return err
	}
	if edited && e.Conversation == m.Conversation {
		m.Text, m.EditedAt = e.Text, e.SentAt
	}
	return nil
}

// bury leaves of a message that it was there, and takes what people said out of
// the log.
func bury(p Projection, m *Message, d *Change) error {
	*m = m.Blank()
	m.Deleted = true
	if m.From != m.Conversation.Account() {
		m.DeletedOf = 1
		if d.Delivered {
			m.DeletedOn = 1
		}
	}
	if err := p.Blank(m.Seq); err != nil {
		return err
	}
	all, err := p.Changes(m.ID)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Text == "" {
			continue
		}
		c.Text = ""
		if err := p.PutChange(c); err != nil {
			return err
		}
		if err := p.Blank(c.Seq); err != nil {
			return err
		}
	}
	return nil
}

func applyMessageChanged(p Projection, seq Seq, c Change) error {
	c.Seq = seq
	conv, err := p.Conversation(c.Conversation)
	if err != nil {
		return err
	}
	if c.Lamport > conv.Lamport {
		conv.Lamport = c.Lamport
		if err := p.PutConversation(conv); err != nil {
			return err
		}
	}
	before, ok, err := p.Change(c.Kind, c.Target, c.From)
	if err != nil {
		return err
	}
	if ok && !c.After(&before) {
		return p.Blank(seq) // what is there was said later
	}
	if ok {
		if err := p.Unlog(before.Seq); err != nil {
			return err
		}
	}
	if err := p.PutChange(c); err != nil {
		return err
	}
	return resettle(p, c.Target)
}

// resettle gives a message that is here what was done to it.
func resettle(p Projection, target wire.MessageID) error {
	m, known, err := p.Message(target)
	if err != nil || !known {
		return err // kept until it comes
	}
	unread := m.unread()
	if err := settle(p, &m); err != nil {
		return err
	}
	if err := p.PutMessage(m); err != nil {
		return err
	}
	if unread && !m.unread() {
		return lessUnread(p, m.Conversation, 1)
	}
	return nil
}

func lessUnread(p Projection, id ConversationID, n int) error {
	c, err := p.Conversation(id)
	if err != nil {
		return err
	}
	c.Unread = max(c.Unread-n, 0)
	return p.PutConversation(c)
}

// applyChangeDelivered tells the messages that a content of ours changed.
func applyChangeDelivered(p Projection, e ChangeDelivered) error {
	all, err := p.ChangesBy(e.ID)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Conversation != e.Conversation {
			continue
		}
		c.Delivered = true
		if err := p.PutChange(c); err != nil {
			return err
		}
		if err := resettle(p, c.Target); err != nil {
			return err
		}
	}
	return nil
}

// applyMessagesForgotten takes messages away and keeps only that they must not
// come back.
func applyMessagesForgotten(p Projection, e MessagesForgotten) error {
	for _, id := range e.IDs {
		m, known, err := p.Message(id)
		if err != nil {
			return err
		}
		if err := p.Forget(id); err != nil {
			return err
		}
		if !known {
			continue
		}
		unread := m.unread()
		if err := bury(p, &m, &Change{}); err != nil {
			return err
		}
		if err := p.RemoveMessage(id); err != nil {
			return err
		}
		c, err := p.Conversation(e.Conversation)
		if err != nil {
			return err
		}
		c.Messages--
		if unread {
			c.Unread = max(c.Unread-1, 0)
		}
		if err := p.PutConversation(c); err != nil {
			return err
		}
	}
	return nil
}
