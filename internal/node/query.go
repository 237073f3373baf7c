package node

import (
	"slices"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/store"
	"kith/internal/wire"
)

// OneTimePrekeys returns how many pairs of one-time prekeys are left for contacts
// who have to begin a session anew.
func (n *Node) OneTimePrekeys() (left int, err error) {
	err = n.db.View(func(tx *store.Tx) (err error) {
		left, err = engine.OneTimePrekeys(tx)
		return err
	})
	return left, err
}

// Contacts returns every contact in order of name, with how many messages of
// each are unread.
func (n *Node) Contacts() (contacts []chat.Contact, unread map[identity.AccountID]int, err error) {
	unread = map[identity.AccountID]int{}
	err = n.db.View(func(tx *store.Tx) (err error) {
		if contacts, err = tx.Contacts(); err != nil {
			return err
		}
		for _, c := range contacts {
			conv, err := tx.Conversation(chat.With(c.Account))
			if err != nil {
				return err
			}
			unread[c.Account] = conv.Unread
		}
		return nil
	})
	return contacts, unread, err
}

// Place says which messages of a conversation are wanted: the newest, those before
// or after a message, or those around it. At most one is set.
type Place struct{ Before, After, Around *chat.Message }

// Page is a part of a conversation, oldest first.
type Page struct {
	Messages       []chat.Message
	Earlier, Later bool     // there is more before, and after
	Seq            chat.Seq // of the newest event
}

// Messages returns up to limit messages of a conversation.
func (n *Node) Messages(id chat.ConversationID, at Place, limit int) (p Page, err error) {
	err = n.db.View(func(tx *store.Tx) (err error) {
		if p.Seq, err = tx.LastSeq(); err != nil {
			return err
		}
		if at.After != nil {
			p.Earlier = true
			p.Messages, p.Later, err = later(tx, id, at.After, limit)
			return err
		}
		if at.Around == nil {
			p.Later = at.Before != nil
			p.Messages, p.Earlier, err = earlier(tx, id, at.Before, limit)
			return err
		}
		before, more, err := earlier(tx, id, at.Around, limit/2)
		if err != nil {
			return err
		}
		p.Earlier = more
		after, more, err := later(tx, id, at.Around, max(limit-limit/2-1, 0))
		p.Messages, p.Later = slices.Concat(before, []chat.Message{*at.Around}, after), more
		return err
	})
	return p, err
}

// earlier reads the newest limit messages before one, nil for all, and whether there
// are more.
func earlier(tx *store.Tx, id chat.ConversationID, before *chat.Message, limit int) ([]chat.Message, bool, error) {
	all, err := tx.Messages(id, before, limit+1)
	if len(all) > limit {
		return all[1:], true, err
	}
	return all, false, err
}

func later(tx *store.Tx, id chat.ConversationID, after *chat.Message, limit int) ([]chat.Message, bool, error) {
	all, err := tx.MessagesAfter(id, after, limit+1)
	if len(all) > limit {
		return all[:limit], true, err
	}
	return all, false, err
}

// ChangedBy returns the messages that one content changed.
func (n *Node) ChangedBy(id wire.MessageID) (messages []chat.Message, err error) {
	err = n.db.View(func(tx *store.Tx) error {
		changes, err := tx.ChangesBy(id)
		if err != nil {
			return err
		}
		for _, c := range changes {
			m, ok, err := tx.Message(c.Target)
			if err != nil {
				return err
			}
			if ok {
				messages = append(messages, m)
			}
		}
		return nil
	})
	return messages, err
}

// Message returns one message.
func (n *Node) Message(id wire.MessageID) (m chat.Message, ok bool, err error) {
	err = n.db.View(func(tx *store.Tx) (err error) {
		m, ok, err = tx.Message(id)
		return err
	})
	return m, ok, err
}

// MessagesLike returns up to limit messages whose id begins with the given
// lower-case hex digits.
func (n *Node) MessagesLike(prefix string, limit int) (messages []chat.Message, err error) {
	err = n.db.View(func(tx *store.Tx) (err error) {
		messages, err = tx.MessagesLike(prefix, limit)
		return err
	})
	return messages, err
}

// WithRoot returns the messages that have an attachment with this blob root.
func (n *Node) WithRoot(root [32]byte) (messages []chat.Message, err error) {
	err = n.db.View(func(tx *store.Tx) (err error) {
		messages, err = tx.WithRoot(root)
		return err
	})
	return messages, err
}

// Search returns up to limit messages that hold every word, the best first, without
// the best offset, in one conversation or, with nil, in all; and whether there are
// more.
func (n *Node) Search(in *chat.ConversationID, words string, offset, limit int) (messages []chat.Message, more bool, err error) {
	err = n.db.View(func(tx *store.Tx) (err error) {
		messages, err = tx.SearchIn(in, words, offset, limit+1)
		return err
	})
	if len(messages) > limit {
		return messages[:limit], true, err
	}
	return messages, false, err
}

// LastSeq returns the sequence of the newest event.
func (n *Node) LastSeq() (seq chat.Seq, err error) {
	err = n.db.View(func(tx *store.Tx) (err error) {
		seq, err = tx.LastSeq()
		return err
	})
	return seq, err
}

// Draft returns what the person was about to say to a contact, and the message it
// was to answer, if that is here.
func (n *Node) Draft(a identity.AccountID) (text string, reply *chat.Message, err error) {
	err = n.db.View(func(tx *store.Tx) (err error) {
		var id wire.MessageID
		if text, id, err = engine.LoadDraft(tx, a); err != nil || id == (wire.MessageID{}) {
			return err
		}
		m, ok, err := tx.Message(id)
		if ok {
			reply = &m
		}
		return err
	})
	return text, reply, err
}
