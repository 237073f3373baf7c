package chat

import (
	"fmt"

	"kith/identity"
	"kith/internal/wire"
)

// Projection is where the fold keeps what a person sees: tables in the store,
// maps in a simulation. Getters report absence with ok == false and a zero
// value; every error is a local fault and ends the transaction.
type Projection interface {
	Contact(identity.AccountID) (c Contact, ok bool, err error)
	PutContact(Contact) error
	Conversation(ConversationID) (Conversation, error) // zero but for ID when new
	PutConversation(Conversation) error
	Message(wire.MessageID) (m Message, ok bool, err error)
	// PutMessage inserts m, or replaces the message of the same id; the search
	// index follows.
	PutMessage(Message) error
	// SetMediaStored marks every attachment with this root as stored.
	SetMediaStored(root [32]byte) error
	// SetMediaHeld says of every attachment with this root what is wanted.
	SetMediaHeld(root [32]byte, h Hold) error
	// RemoveMessage takes a message away as if it had never been.
	RemoveMessage(wire.MessageID) error
	// Change returns what somebody did last of a kind to a message, Changes what
	// all did to one in no order, and ChangesBy what one content did.
	Change(kind ChangeKind, target wire.MessageID, from identity.AccountID) (c Change, ok bool, err error)
	Changes(target wire.MessageID) ([]Change, error)
	ChangesBy(id wire.MessageID) ([]Change, error)
	// PutChange inserts c, or replaces the one of the same kind, target and person.
	PutChange(Change) error
	// Forget remembers the id of a message that must not come back, and Forgotten
	// reports whether it is one.
	Forget(wire.MessageID) error
	Forgotten(wire.MessageID) (bool, error)
	// Unlog takes an event out of the log that another has taken the place of, and
	// Blank logs it again as [Blank] has it. Where there is no such event, as when
	// the log is folded again, they do nothing.
	Unlog(Seq) error
	Blank(Seq) error
}

// Apply folds one event into p. The same log always gives the same rows,
// whether applied as it grows or from the start. An error is local: p failed,
// or the log holds an event no engine of ours would have written.
func Apply(p Projection, l Logged) error {
	switch e := l.Event.(type) {
	case ContactAdded:
		return applyContactAdded(p, e)
	case ContactProgressed:
		return changeContact(p, e.Account, func(c *Contact) { c.State, c.Reason = e.State, e.Reason })
	case ContactVerified:
		return changeContact(p, e.Account, func(c *Contact) { c.Verified = e.Verified })
	case ContactDevices:
		return changeContact(p, e.Account, func(c *Contact) { c.Verified = false })
	case ContactMoved:
		return changeContact(p, e.Account, func(c *Contact) { c.Device = e.Device })
	case ContactSession:
		return changeContact(p, e.Account, func(c *Contact) { c.Reduced, c.Stale = e.Reduced, e.Stale })
	case MessageAdded:
		return applyMessageAdded(p, l.Seq, e)
	case MessagesMarked:
		return applyMessagesMarked(p, e)
	case MessageBoxed:
		return applyMessageBoxed(p, e)
	case MediaStored:
		return p.SetMediaStored(e.Root)
	case MediaHeld:
		return p.SetMediaHeld(e.Root, e.Hold)
	case MessageChanged:
		return applyMessageChanged(p, l.Seq, e.Change)
	case ChangeDelivered:
		return applyChangeDelivered(p, e)
	case MessagesForgotten:
		return applyMessagesForgotten(p, e)
	case ContactConfigured:
		return changeContact(p, e.Account, func(c *Contact) {
			c.Name, c.NoReceipts, c.NoTyping, c.Blocked = e.Name, e.NoReceipts, e.NoTyping, e.Blocked
		})
	case ContentUnknown:
		return nil // kept in the log for a version that can read it
	}
	return fmt.Errorf("chat: event %T at %d has no fold", l.Event, l.Seq)
}

func applyContactAdded(p Projection, e ContactAdded) error {
	// Who is added again may know what was settled before, and is blocked no more.
	before, known, err := p.Contact(e.Contact.Account)
	if err != nil {
		return err
	}
	if known {
		e.Contact.NoReceipts, e.Contact.NoTyping = before.NoReceipts, before.NoTyping
	}
	if err := p.PutContact(e.Contact); err != nil {
		return err
	}
	c, err := p.Conversation(With(e.Contact.Account))
	if err != nil {
		return err
	}
	return p.PutConversation(c)
}

func changeContact(p Projection, a identity.AccountID, change func(*Contact)) error {
	c, ok, err := p.Contact(a)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("chat: event about an account that is no contact")
	}
	change(&c)
	return p.PutContact(c)
}

func applyMessageAdded(p Projection, seq Seq, e MessageAdded) error {
	m := e.Message
	m.Seq = seq
	if err := settle(p, &m); err != nil {
		return err
	}
	c, err := p.Conversation(m.Conversation)
	if err != nil {
		return err
	}
	c.Lamport = max(c.Lamport, m.Lamport)
	c.LastSeq = seq
	c.Messages++
	if m.unread() {
		c.Unread++
	}
	if err := p.PutConversation(c); err != nil {
		return err
	}
	return p.PutMessage(m)
}

func applyMessageBoxed(p Projection, e MessageBoxed) error {
	m, ok, err := p.Message(e.ID)
	if err != nil || !ok || e.On <= m.BoxedOn {
		return err
	}
	m.BoxedOn, m.BoxedOf = e.On, e.Of
	if m.State.Before(Boxed) {
		m.State = Boxed
	}
	return p.PutMessage(m)
}

func applyMessagesMarked(p Projection, e MessagesMarked) error {
	read := 0
	for _, id := range e.IDs {
		m, ok, err := p.Message(id)
		if err != nil {
			return err
		}
		if !ok || !m.State.Before(e.State) {
			continue // a state never goes back
		}
		before := m.unread()
		m.State = e.State
		if before && !m.unread() {
			read++
		}
		if err := p.PutMessage(m); err != nil {
			return err
		}
	}
	if read == 0 {
		return nil
	}
	c, err := p.Conversation(e.Conversation)
	if err != nil {
		return err
	}
	c.Unread = max(c.Unread-read, 0)
	return p.PutConversation(c)
}
