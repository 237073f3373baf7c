package node

import (
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

// Messages returns the newest limit messages of a conversation, or those
// before the given one, oldest first, and the sequence of the newest event.
func (n *Node) Messages(id chat.ConversationID, before *chat.Message, limit int) (messages []chat.Message, seq chat.Seq, err error) {
	err = n.db.View(func(tx *store.Tx) (err error) {
		if messages, err = tx.Messages(id, before, limit); err != nil {
			return err
		}
		seq, err = tx.LastSeq()
		return err
	})
	return messages, seq, err
}

// MessagesAfter returns the oldest limit messages of a conversation after one, and the
// sequence of the newest event.
func (n *Node) MessagesAfter(id chat.ConversationID, after *chat.Message, limit int) (messages []chat.Message, seq chat.Seq, err error) {
	err = n.db.View(func(tx *store.Tx) (err error) {
		if messages, err = tx.MessagesAfter(id, after, limit); err != nil {
			return err
		}
		seq, err = tx.LastSeq()
		return err
	})
	return messages, seq, err
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

// Search returns up to limit messages that hold every word, the best first.
func (n *Node) Search(words string, limit int) (messages []chat.Message, err error) {
	err = n.db.View(func(tx *store.Tx) (err error) {
		messages, err = tx.Search(words, limit)
		return err
	})
	return messages, err
}

// LastSeq returns the sequence of the newest event.
func (n *Node) LastSeq() (seq chat.Seq, err error) {
	err = n.db.View(func(tx *store.Tx) (err error) {
		seq, err = tx.LastSeq()
		return err
	})
	return seq, err
}
