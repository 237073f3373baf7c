package chat

import (
	"bytes"
	"cmp"
	"time"

	"kith/identity"
	"kith/internal/wire"
)

// AmendmentKind says what an amendment does to its message.
type AmendmentKind uint8

// The kinds; the numbers are those at rest.
const (
	AmendEdit     AmendmentKind = 1 // another text; only by the message's sender
	AmendReaction AmendmentKind = 2 // by anybody in the conversation
	AmendDeletion AmendmentKind = 3 // only by the message's sender
)

// Amendment is something said about an earlier message: of each person the last of a
// kind counts, in the order of [Amendment.Compare], whenever it comes; it may come
// before its message.
type Amendment struct {
	Kind         AmendmentKind
	Target       wire.MessageID
	Conversation ConversationID
	From         identity.AccountID
	ID           wire.MessageID // of the content that said it
	Lamport      uint64
	At           time.Time // by the sender's clock
	Text         string    // of an edit; the emoji of a reaction, empty when it was taken back
	Seq          Seq       // of the event in the log
}

// Compare orders amendments of one kind, person and message as every device does: by
// causal order, then id.
func (a *Amendment) Compare(b *Amendment) int {
	return cmp.Or(cmp.Compare(a.Lamport, b.Lamport), bytes.Compare(a.ID[:], b.ID[:]))
}

// May reports whether an amendment is one its sender may make to m.
func (a *Amendment) May(m *Message) bool {
	return a.Conversation == m.Conversation && (a.Kind == AmendReaction || a.From == m.From)
}

// applyAmended folds an amendment. Of those that have no effect any more the log keeps
// no more than their place in the order.
func applyAmended(p Projection, seq Seq, a Amendment) error {
	a.Seq = seq
	if err := pass(p, a.Conversation, a.Lamport); err != nil {
		return err
	}
	m, there, err := p.Message(a.Target)
	if err != nil {
		return err
	}
	if there && (!a.May(&m) || m.Hidden || m.Deleted && a.Kind != AmendDeletion) {
		return erase(p, a)
	}
	old, had, err := p.Amendment(a.Target, a.Kind, a.From)
	if err != nil {
		return err
	}
	if had {
		if a.Compare(&old) <= 0 {
			return erase(p, a)
		}
		if err := p.Rewrite(old.Seq, nil); err != nil { // this one is later in the order
			return err
		}
	}
	if err := p.PutAmendment(a); err != nil || !there {
		return err
	}
	return amend(p, m, a)
}

// pass notes that a conversation has come so far in the causal order.
func pass(p Projection, id ConversationID, lamport uint64) error {
	c, err := p.Conversation(id)
	if err != nil || lamport <= c.Lamport {
		return err
	}
	c.Lamport = lamport
	return p.PutConversation(c)
}

// erase takes an amendment out of the log.
func erase(p Projection, a Amendment) error {
	return p.Rewrite(a.Seq, Passed{Conversation: a.Conversation, Lamport: a.Lamport})
}

// amend changes a message as an amendment says that counts.
func amend(p Projection, m Message, a Amendment) error {
	switch {
	case a.Kind == AmendEdit:
		m.Text, m.EditedAt = a.Text, a.At
		return p.PutMessage(m)
	case a.Kind == AmendDeletion && !m.Deleted:
		m.Deleted = true
		return empty(p, m)
	}
	return nil
}

// empty takes away all that a message said, here and in the log.
func empty(p Projection, m Message) error {
	all, err := p.Amendments(m.ID)
	if err != nil {
		return err
	}
	for _, a := range all {
		if m.Deleted && a.Kind == AmendDeletion {
			continue
		}
		if err := erase(p, a); err != nil {
			return err
		}
		if err := p.RemoveAmendment(a); err != nil {
			return err
		}
	}
	if err := noLongerUnread(p, &m); err != nil {
		return err
	}
	m.Text, m.Media, m.ReplyTo, m.EditedAt, m.Reactions, m.DeletedThere = "", nil, wire.MessageID{}, time.Time{}, nil, false
	if err := p.PutMessage(m); err != nil {
		return err
	}
	return p.Rewrite(m.Seq, MessageAdded{m})
}

func noLongerUnread(p Projection, m *Message) error {
	if m.From != m.Conversation.Account() || !m.State.Before(Read) {
		return nil
	}
	m.State = Read
	c, err := p.Conversation(m.Conversation)
	if err != nil {
		return err
	}
	c.Unread = max(c.Unread-1, 0)
	return p.PutConversation(c)
}

// applyWaiting does to a message that is new what was said about it before it came.
func applyWaiting(p Projection, m Message) error {
	all, err := p.Amendments(m.ID)
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.May(&m) && !m.Gone() {
			if err := amend(p, m, a); err != nil {
				return err
			}
			if m, _, err = p.Message(m.ID); err != nil {
				return err
			}
			continue
		}
		if m.Deleted && a.Kind == AmendDeletion && a.May(&m) {
			continue
		}
		if err := erase(p, a); err != nil {
			return err
		}
		if err := p.RemoveAmendment(a); err != nil {
			return err
		}
	}
	return nil
}

func applyHidden(p Projection, e MessagesHidden) error {
	for _, id := range e.IDs {
		m, ok, err := p.Message(id)
		if err != nil {
			return err
		}
		if !ok || m.Hidden || m.Conversation != e.Conversation {
			continue
		}
		m.Hidden, m.Deleted = true, false
		if err := empty(p, m); err != nil {
			return err
		}
	}
	return nil
}

func applyDeletionDelivered(p Projection, e DeletionDelivered) error {
	m, ok, err := p.Message(e.ID)
	if err != nil || !ok || !m.Deleted {
		return err
	}
	m.DeletedThere = true
	return p.PutMessage(m)
}
