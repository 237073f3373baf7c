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
	// Amendment returns what somebody last said of a message in a way.
	Amendment(target wire.MessageID, kind AmendmentKind, from identity.AccountID) (a Amendment, ok bool, err error)
	// Amendments returns all of them, in order of kind and account; the message need
	// not be there.
	Amendments(target wire.MessageID) ([]Amendment, error)
	// PutAmendment inserts a or replaces the one of the same target, kind and account.
	PutAmendment(a Amendment) error
	RemoveAmendment(a Amendment) error
	// Rewrite has the log hold another event at a place, or none if e is nil: what was
	// there before is erased. A fold that only repeats what the log says, as after a
	// change of the tables, rewrites nothing.
	Rewrite(seq Seq, e Event) error
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
	case MessageAmended:
		return applyAmended(p, l.Seq, e.Amendment)
	case MessagesHidden:
		return applyHidden(p, e)
	case DeletionDelivered:
		return applyDeletionDelivered(p, e)
	case Passed:
		return pass(p, e.Conversation, e.Lamport)
	case MediaStored:
		return p.SetMediaStored(e.Root)
	case ContentUnknown:
		return nil // kept in the log for a version that can read it
	}
	return fmt.Errorf("chat: event %T at %d has no fold", l.Event, l.Seq)
}

func applyContactAdded(p Projection, e ContactAdded) error {
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
	c, err := p.Conversation(m.Conversation)
	if err != nil {
		return err
	}
	c.Lamport = max(c.Lamport, m.Lamport)
	c.LastSeq = seq
	c.Messages++
	if m.From == m.Conversation.Account() && !m.Gone() {
		c.Unread++
	}
	if err := p.PutConversation(c); err != nil {
		return err
	}
	if err := p.PutMessage(m); err != nil {
		return err
	}
	return applyWaiting(p, m)
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
		if m.From == m.Conversation.Account() && e.State == Read {
			read++
		}
		m.State = e.State
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
