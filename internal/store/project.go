package store

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/wire"
	"kith/media"
)

// fixed reads columns of fixed size and remembers the first that is not.
type fixed struct {
	s   *sqlite3.Stmt
	err error
}

func (f *fixed) bytes(col int, out []byte) {
	if b := f.s.ColumnRawBlob(col); len(b) == len(out) {
		copy(out, b)
		return
	}
	f.err = ErrDamaged
}

const contactColumns = "SELECT account, device, name, state, reason, verified, added_at, reduced, stale FROM contacts"

func contact(s *sqlite3.Stmt) (c chat.Contact, err error) {
	f := fixed{s: s}
	f.bytes(0, c.Account[:])
	f.bytes(1, c.Device[:])
	c.Name = s.ColumnText(2)
	c.State = chat.ContactState(s.ColumnInt(3))
	c.Reason = wire.Reason(s.ColumnInt(4))
	c.Verified = s.ColumnBool(5)
	c.AddedAt = time.UnixMilli(s.ColumnInt64(6)).UTC()
	c.Reduced, c.Stale = s.ColumnBool(7), s.ColumnBool(8)
	return c, f.err
}

// Contact returns one contact.
func (tx *Tx) Contact(a identity.AccountID) (c chat.Contact, ok bool, err error) {
	err = tx.db.run(contactColumns+" WHERE account = ?", func(s *sqlite3.Stmt) (err error) {
		c, err = contact(s)
		ok = true
		return err
	}, a[:])
	return c, ok, err
}

// Contacts returns every contact, in order of name.
func (tx *Tx) Contacts() ([]chat.Contact, error) {
	var all []chat.Contact
	err := tx.db.run(contactColumns+" ORDER BY name", func(s *sqlite3.Stmt) error {
		c, err := contact(s)
		all = append(all, c)
		return err
	})
	return all, err
}

// PutContact inserts or replaces a contact.
func (tx *Tx) PutContact(c chat.Contact) error {
	return tx.db.exec("INSERT OR REPLACE INTO contacts (account, device, name, state, reason, verified, added_at, reduced, stale) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		c.Account[:], c.Device[:], c.Name, int(c.State), int(c.Reason), c.Verified, c.AddedAt.UnixMilli(), c.Reduced, c.Stale)
}

// Conversation returns a conversation's summary, zero but for its id when new.
func (tx *Tx) Conversation(id chat.ConversationID) (chat.Conversation, error) {
	c := chat.Conversation{ID: id}
	err := tx.db.one("SELECT lamport, unread, last_seq, messages FROM conversations WHERE id = ?", func(s *sqlite3.Stmt) {
		c.Lamport, c.Unread = uint64(s.ColumnInt64(0)), s.ColumnInt(1)
		c.LastSeq, c.Messages = chat.Seq(s.ColumnInt64(2)), s.ColumnInt(3)
	}, id[:])
	return c, err
}

// PutConversation inserts or replaces a summary.
func (tx *Tx) PutConversation(c chat.Conversation) error {
	return tx.db.exec("INSERT OR REPLACE INTO conversations (id, lamport, unread, last_seq, messages) VALUES (?, ?, ?, ?, ?)",
		c.ID[:], c.Lamport, c.Unread, uint64(c.LastSeq), c.Messages)
}

const messageColumns = "SELECT id, conversation, sender, device, lamport, sent_at, text, state, seq, notice, boxed_on, boxed_of, reply_to, edited_at, deleted, hidden FROM messages"

func message(s *sqlite3.Stmt) (m chat.Message, err error) {
	f := fixed{s: s}
	f.bytes(0, m.ID[:])
	f.bytes(1, m.Conversation[:])
	f.bytes(2, m.From[:])
	f.bytes(3, m.Device[:])
	m.Lamport = uint64(s.ColumnInt64(4))
	m.SentAt = time.UnixMilli(s.ColumnInt64(5)).UTC()
	m.Text = s.ColumnText(6)
	m.State = chat.State(s.ColumnInt(7))
	m.Seq = chat.Seq(s.ColumnInt64(8))
	m.Notice = chat.Notice(s.ColumnInt(9))
	m.BoxedOn, m.BoxedOf = s.ColumnInt(10), s.ColumnInt(11)
	f.bytes(12, m.ReplyTo[:])
	if at := s.ColumnInt64(13); at != 0 {
		m.EditedAt = time.UnixMilli(at).UTC()
	}
	m.Deleted, m.DeletedThere = s.ColumnInt(14) > 0, s.ColumnInt(14) > 1
	m.Hidden = s.ColumnBool(15)
	return m, f.err
}

// messages runs a query over messageColumns and reads each one's attachments and
// reactions.
func (tx *Tx) messages(sql string, args ...any) ([]chat.Message, error) {
	var all []chat.Message
	err := tx.db.run(sql, func(s *sqlite3.Stmt) error {
		m, err := message(s)
		all = append(all, m)
		return err
	}, args...)
	for i := range all {
		if err == nil {
			err = errors.Join(tx.readMedia(&all[i]), tx.readReactions(&all[i]))
		}
	}
	return all, err
}

// Message returns one message with its attachments and reactions.
func (tx *Tx) Message(id wire.MessageID) (m chat.Message, ok bool, err error) {
	all, err := tx.messages(messageColumns+" WHERE id = ?", id[:])
	if err != nil || len(all) == 0 {
		return m, false, err
	}
	return all[0], true, nil
}

// Messages returns the newest limit messages of a conversation, oldest first,
// in the order every device shows them. Before, when not nil, asks for those
// before that message.
func (tx *Tx) Messages(id chat.ConversationID, before *chat.Message, limit int) ([]chat.Message, error) {
	const order = " ORDER BY lamport DESC, sender DESC, id DESC LIMIT ?"
	var all []chat.Message
	var err error
	if before == nil {
		all, err = tx.messages(messageColumns+" WHERE conversation = ? AND hidden = 0"+order, id[:], limit)
	} else {
		all, err = tx.messages(messageColumns+" WHERE conversation = ? AND hidden = 0 AND (lamport, sender, id) < (?, ?, ?)"+order,
			id[:], before.Lamport, before.From[:], before.ID[:], limit)
	}
	slices.Reverse(all)
	return all, err
}

// MessagesAfter returns the oldest limit messages of a conversation after one.
func (tx *Tx) MessagesAfter(id chat.ConversationID, after *chat.Message, limit int) ([]chat.Message, error) {
	return tx.messages(messageColumns+" WHERE conversation = ? AND hidden = 0 AND (lamport, sender, id) > (?, ?, ?) ORDER BY lamport, sender, id LIMIT ?",
		id[:], after.Lamport, after.From[:], after.ID[:], limit)
}

// Unread returns up to limit ids of messages of others not yet read, oldest
// first.
func (tx *Tx) Unread(id chat.ConversationID, limit int) ([]wire.MessageID, error) {
	return tx.ids("SELECT id FROM messages WHERE conversation = ?1 AND sender = ?1 AND state < 3 ORDER BY lamport LIMIT ?2", id[:], limit)
}

// Undelivered returns the ids of own messages not known to be delivered, oldest
// first.
func (tx *Tx) Undelivered(id chat.ConversationID) ([]wire.MessageID, error) {
	return tx.ids("SELECT id FROM messages WHERE conversation = ?1 AND sender <> ?1 AND state IN (1, 4, 5) ORDER BY lamport", id[:])
}

func (tx *Tx) ids(sql string, args ...any) ([]wire.MessageID, error) {
	var ids []wire.MessageID
	err := tx.db.run(sql, func(s *sqlite3.Stmt) error {
		f := fixed{s: s}
		var m wire.MessageID
		f.bytes(0, m[:])
		ids = append(ids, m)
		return f.err
	}, args...)
	return ids, err
}

// Search returns up to limit messages that hold every word of query, the best
// match first. A word ending in * matches its beginnings.
func (tx *Tx) Search(query string, limit int) ([]chat.Message, error) {
	match := searchTerms(query)
	if match == "" {
		return nil, nil
	}
	const sql = "SELECT m.id, m.conversation, m.sender, m.device, m.lamport, m.sent_at, m.text, m.state, m.seq, m.notice, m.boxed_on, m.boxed_of, m.reply_to, m.edited_at, m.deleted, m.hidden" +
		" FROM search JOIN messages m ON m.n = search.rowid WHERE search MATCH ? ORDER BY search.rank, m.n DESC LIMIT ?"
	return tx.messages(sql, match, limit)
}

// searchTerms makes an FTS5 query of a person's words: each word quoted, so
// that no character of it is syntax.
func searchTerms(query string) string {
	var terms []string
	for word := range strings.FieldsSeq(query) {
		prefix := strings.HasSuffix(word, "*")
		word = strings.ReplaceAll(strings.TrimRight(word, "*"), `"`, "")
		if word == "" {
			continue
		}
		term := `"` + word + `"`
		if prefix {
			term += "*"
		}
		terms = append(terms, term)
	}
	return strings.Join(terms, " ")
}

// PutMessage inserts m or replaces the message of the same id. Of the attachments of
// one that is there only their absence is taken over.
func (tx *Tx) PutMessage(m chat.Message) error {
	var n int64
	var text string
	err := tx.db.one("SELECT n, text FROM messages WHERE id = ?", func(s *sqlite3.Stmt) { n, text = s.ColumnInt64(0), s.ColumnText(1) }, m.ID[:])
	if err != nil {
		return err
	}
	var edited int64
	if !m.EditedAt.IsZero() {
		edited = m.EditedAt.UnixMilli()
	}
	deleted := 0
	if m.Deleted {
		deleted = 1
		if m.DeletedThere {
			deleted = 2
		}
	}
	if n != 0 {
		err := tx.db.exec("UPDATE messages SET state = ?, boxed_on = ?, boxed_of = ?, text = ?, reply_to = ?, edited_at = ?, deleted = ?, hidden = ? WHERE n = ?",
			int(m.State), m.BoxedOn, m.BoxedOf, m.Text, m.ReplyTo[:], edited, deleted, m.Hidden, n)
		if err != nil || m.Text == text && !m.Gone() {
			return err
		}
		return tx.reword(n, &m)
	}
	err = tx.db.exec("INSERT INTO messages (id, conversation, sender, device, lamport, sent_at, text, state, seq, notice, boxed_on, boxed_of, reply_to, edited_at, deleted, hidden) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		m.ID[:], m.Conversation[:], m.From[:], m.Device[:], m.Lamport, m.SentAt.UnixMilli(), m.Text, int(m.State), uint64(m.Seq), int(m.Notice), m.BoxedOn, m.BoxedOf,
		m.ReplyTo[:], edited, deleted, m.Hidden)
	if err != nil || m.Gone() {
		return err
	}
	n = tx.db.conn.LastInsertRowID()
	for i, a := range m.Media {
		if err := tx.putMedia(m.ID, i, a); err != nil {
			return err
		}
	}
	return tx.index(n, &m)
}

// index has a message found by its words.
func (tx *Tx) index(n int64, m *chat.Message) error {
	words := []string{m.Text}
	for _, a := range m.Media {
		words = append(words, a.Name)
	}
	return tx.db.exec("INSERT INTO search (rowid, words) VALUES (?, ?)", n, strings.Join(words, "\n"))
}

// reword has a message found by other words from now on, or not at all. The index keeps
// old words until it is merged, so it is.
func (tx *Tx) reword(n int64, m *chat.Message) error {
	tx.erased = true
	if err := tx.db.exec("DELETE FROM search WHERE rowid = ?", n); err != nil {
		return err
	}
	if !m.Gone() {
		if err := tx.index(n, m); err != nil {
			return err
		}
	} else if err := tx.db.exec("DELETE FROM media WHERE message = ?", m.ID[:]); err != nil {
		return err
	}
	if tx.repeating {
		return nil
	}
	return tx.db.exec("INSERT INTO search (search) VALUES ('optimize')")
}

func (tx *Tx) putMedia(id wire.MessageID, place int, a chat.Media) error {
	p, err := a.Pointer.AppendBinary(nil)
	if err != nil {
		return err
	}
	ref := a.Pointer.Ref()
	return tx.db.exec("INSERT INTO media (message, place, root, name, type, stored, sealed) VALUES (?, ?, ?, ?, ?, ?, ?)",
		id[:], place, ref.Root[:], a.Name, a.Type, a.Stored, tx.db.seal.seal("media", hex.EncodeToString(id[:]), uint64(place), p))
}

func (tx *Tx) readMedia(m *chat.Message) error {
	return tx.db.run("SELECT place, name, type, stored, sealed FROM media WHERE message = ? ORDER BY place", func(s *sqlite3.Stmt) error {
		a := chat.Media{Stored: s.ColumnBool(3)}
		a.Name, a.Type = s.ColumnText(1), s.ColumnText(2)
		p, err := tx.db.seal.open("media", hex.EncodeToString(m.ID[:]), uint64(s.ColumnInt64(0)), s.ColumnRawBlob(4))
		if err != nil {
			return err
		}
		a.Pointer, err = media.ParsePointer(p)
		m.Media = append(m.Media, a)
		return err
	}, m.ID[:])
}

// SetMediaStored marks every attachment with this root as stored.
func (tx *Tx) SetMediaStored(root [32]byte) error {
	return tx.db.exec("UPDATE media SET stored = 1 WHERE root = ?", root[:])
}

// MediaKnown reports whether any message refers to this blob.
func (tx *Tx) MediaKnown(root [32]byte) (known bool, err error) {
	err = tx.db.one("SELECT 1 FROM media WHERE root = ? LIMIT 1", func(*sqlite3.Stmt) { known = true }, root[:])
	return known, err
}

// Wants returns the blobs that messages refer to and that are not stored, with
// the device that has each, oldest first.
func (tx *Tx) Wants() ([]engine.Want, error) {
	var wants []engine.Want
	all, err := tx.messages(messageColumns + " WHERE id IN (SELECT message FROM media WHERE stored = 0) ORDER BY seq")
	for _, m := range all {
		for _, a := range m.Media {
			if !a.Stored {
				wants = append(wants, engine.Want{Ref: a.Pointer.Ref(), From: m.Device})
			}
		}
	}
	return wants, err
}

// MessagesLike returns up to limit messages whose id begins with the given
// lower-case hex digits.
func (tx *Tx) MessagesLike(prefix string, limit int) ([]chat.Message, error) {
	return tx.messages(messageColumns+" WHERE substr(lower(hex(id)), 1, ?) = ? LIMIT ?", len(prefix), prefix, limit)
}

// WithRoot returns the messages that have an attachment with this blob root.
func (tx *Tx) WithRoot(root [32]byte) ([]chat.Message, error) {
	return tx.messages(messageColumns+" WHERE id IN (SELECT message FROM media WHERE root = ?)", root[:])
}

const amendmentColumns = "SELECT target, kind, sender, conversation, id, lamport, at, text, seq FROM amendments"

func (tx *Tx) amendments(sql string, args ...any) ([]chat.Amendment, error) {
	var all []chat.Amendment
	err := tx.db.run(sql, func(s *sqlite3.Stmt) error {
		f := fixed{s: s}
		var a chat.Amendment
		f.bytes(0, a.Target[:])
		a.Kind = chat.AmendmentKind(s.ColumnInt(1))
		f.bytes(2, a.From[:])
		f.bytes(3, a.Conversation[:])
		f.bytes(4, a.ID[:])
		a.Lamport = uint64(s.ColumnInt64(5))
		a.At = time.UnixMilli(s.ColumnInt64(6)).UTC()
		a.Text = s.ColumnText(7)
		a.Seq = chat.Seq(s.ColumnInt64(8))
		all = append(all, a)
		return f.err
	}, args...)
	return all, err
}

// Amendment returns what somebody last said of a message in a way.
func (tx *Tx) Amendment(target wire.MessageID, kind chat.AmendmentKind, from identity.AccountID) (a chat.Amendment, ok bool, err error) {
	all, err := tx.amendments(amendmentColumns+" WHERE target = ? AND kind = ? AND sender = ?", target[:], int(kind), from[:])
	if err != nil || len(all) == 0 {
		return a, false, err
	}
	return all[0], true, nil
}

// Amendments returns all that was said of a message, in order of kind and account.
func (tx *Tx) Amendments(target wire.MessageID) ([]chat.Amendment, error) {
	return tx.amendments(amendmentColumns+" WHERE target = ? ORDER BY kind, sender", target[:])
}

// Awaiting counts what was said in a conversation of messages that are not here.
func (tx *Tx) Awaiting(id chat.ConversationID) (n int, err error) {
	err = tx.db.one("SELECT count(*) FROM amendments a WHERE conversation = ? AND NOT EXISTS (SELECT 1 FROM messages WHERE id = a.target)",
		func(s *sqlite3.Stmt) { n = s.ColumnInt(0) }, id[:])
	return n, err
}

// PutAmendment inserts or replaces what somebody said of a message in a way.
func (tx *Tx) PutAmendment(a chat.Amendment) error {
	return tx.db.exec("INSERT OR REPLACE INTO amendments (target, kind, sender, conversation, id, lamport, at, text, seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		a.Target[:], int(a.Kind), a.From[:], a.Conversation[:], a.ID[:], a.Lamport, a.At.UnixMilli(), a.Text, uint64(a.Seq))
}

// RemoveAmendment forgets it.
func (tx *Tx) RemoveAmendment(a chat.Amendment) error {
	return tx.db.exec("DELETE FROM amendments WHERE target = ? AND kind = ? AND sender = ?", a.Target[:], int(a.Kind), a.From[:])
}

func (tx *Tx) readReactions(m *chat.Message) error {
	return tx.db.run("SELECT sender, text FROM amendments WHERE target = ? AND kind = 2 AND text <> '' ORDER BY sender", func(s *sqlite3.Stmt) error {
		f := fixed{s: s}
		var r chat.Reaction
		f.bytes(0, r.From[:])
		r.Emoji = s.ColumnText(1)
		m.Reactions = append(m.Reactions, r)
		return f.err
	}, m.ID[:])
}
