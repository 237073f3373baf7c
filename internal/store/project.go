package store

import (
	"encoding/hex"
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

const contactColumns = "SELECT account, device, name, state, reason, verified, added_at, reduced, stale, no_receipts, no_typing, blocked FROM contacts"

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
	c.NoReceipts, c.NoTyping, c.Blocked = s.ColumnBool(9), s.ColumnBool(10), s.ColumnBool(11)
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
	return tx.db.exec("INSERT OR REPLACE INTO contacts (account, device, name, state, reason, verified, added_at, reduced, stale, no_receipts, no_typing, blocked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		c.Account[:], c.Device[:], c.Name, int(c.State), int(c.Reason), c.Verified, c.AddedAt.UnixMilli(), c.Reduced, c.Stale,
		c.NoReceipts, c.NoTyping, c.Blocked)
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

const (
	messageFields = "m.id, m.conversation, m.sender, m.device, m.lamport, m.sent_at, m.text, m.state, m.seq, m.notice, m.boxed_on, m.boxed_of," +
		" m.reply_to, m.edited_at, m.deleted, m.deleted_on, m.deleted_of"
	messageColumns = "SELECT " + messageFields + " FROM messages m"
)

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
	if len(s.ColumnRawBlob(12)) > 0 {
		f.bytes(12, m.ReplyTo[:])
	}
	if at := s.ColumnInt64(13); at != 0 {
		m.EditedAt = time.UnixMilli(at).UTC()
	}
	m.Deleted, m.DeletedOn, m.DeletedOf = s.ColumnBool(14), s.ColumnInt(15), s.ColumnInt(16)
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
			err = tx.readMedia(&all[i])
		}
		if err == nil {
			err = tx.readReactions(&all[i])
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
		all, err = tx.messages(messageColumns+" WHERE conversation = ?"+order, id[:], limit)
	} else {
		all, err = tx.messages(messageColumns+" WHERE conversation = ? AND (lamport, sender, id) < (?, ?, ?)"+order,
			id[:], before.Lamport, before.From[:], before.ID[:], limit)
	}
	slices.Reverse(all)
	return all, err
}

// MessagesAfter returns the first limit messages of a conversation after a message,
// oldest first.
func (tx *Tx) MessagesAfter(id chat.ConversationID, after *chat.Message, limit int) ([]chat.Message, error) {
	return tx.messages(messageColumns+" WHERE conversation = ? AND (lamport, sender, id) > (?, ?, ?) ORDER BY lamport, sender, id LIMIT ?",
		id[:], after.Lamport, after.From[:], after.ID[:], limit)
}

// Unread returns up to limit ids of messages of others not yet read, oldest
// first.
func (tx *Tx) Unread(id chat.ConversationID, limit int) ([]wire.MessageID, error) {
	return tx.ids("SELECT id FROM messages WHERE conversation = ?1 AND sender = ?1 AND state < 3 AND deleted = 0 ORDER BY lamport LIMIT ?2", id[:], limit)
}

// Undelivered returns the ids of own messages not known to be delivered, oldest
// first.
func (tx *Tx) Undelivered(id chat.ConversationID) ([]wire.MessageID, error) {
	return tx.ids("SELECT id FROM messages WHERE conversation = ?1 AND sender <> ?1 AND state IN (1, 4, 5) AND deleted = 0 ORDER BY lamport", id[:])
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
	return tx.SearchIn(nil, query, 0, limit)
}

// SearchIn is [Tx.Search] in one conversation, nil for all, without the best offset
// messages.
func (tx *Tx) SearchIn(in *chat.ConversationID, query string, offset, limit int) ([]chat.Message, error) {
	match := searchTerms(query)
	if match == "" {
		return nil, nil
	}
	const sql = "SELECT " + messageFields + " FROM search JOIN messages m ON m.n = search.rowid WHERE search MATCH ?"
	const order = " ORDER BY search.rank, m.n DESC LIMIT ? OFFSET ?"
	if in != nil {
		return tx.messages(sql+" AND m.conversation = ?"+order, match, in[:], limit, offset)
	}
	return tx.messages(sql+order, match, limit, offset)
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

// PutMessage inserts m or replaces the message of the same id. Its reactions are
// changes of their own.
func (tx *Tx) PutMessage(m chat.Message) error {
	n, before, err := tx.row(m.ID)
	if err != nil {
		return err
	}
	if n != 0 {
		err = tx.db.exec("UPDATE messages SET text = ?, state = ?, boxed_on = ?, boxed_of = ?, reply_to = ?, edited_at = ?, deleted = ?, deleted_on = ?, deleted_of = ? WHERE n = ?",
			m.Text, int(m.State), m.BoxedOn, m.BoxedOf, replyTo(&m), editedAt(&m), m.Deleted, m.DeletedOn, m.DeletedOf, n)
		if err != nil || words(&m) == words(&before) {
			return err
		}
		if err := tx.unindex(n, &before); err != nil {
			return err
		}
		if len(m.Media) < len(before.Media) { // it is deleted: files never change otherwise
			if err := tx.db.exec("DELETE FROM media WHERE message = ?", m.ID[:]); err != nil {
				return err
			}
		}
		return tx.index(n, &m)
	}
	err = tx.db.exec("INSERT INTO messages (id, conversation, sender, device, lamport, sent_at, text, state, seq, notice, boxed_on, boxed_of,"+
		" reply_to, edited_at, deleted, deleted_on, deleted_of) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		m.ID[:], m.Conversation[:], m.From[:], m.Device[:], m.Lamport, m.SentAt.UnixMilli(), m.Text, int(m.State), uint64(m.Seq), int(m.Notice), m.BoxedOn, m.BoxedOf,
		replyTo(&m), editedAt(&m), m.Deleted, m.DeletedOn, m.DeletedOf)
	if err != nil {
		return err
	}
	n = tx.db.conn.LastInsertRowID()
	for i, a := range m.Media {
		if err := tx.putMedia(m.ID, i, a); err != nil {
			return err
		}
	}
	if err := tx.notEarly(m.ID); err != nil {
		return err
	}
	return tx.index(n, &m)
}

// row finds a message's row, 0 when there is none, and what is indexed of it.
func (tx *Tx) row(id wire.MessageID) (n int64, m chat.Message, err error) {
	err = tx.db.one("SELECT n, text FROM messages WHERE id = ?", func(s *sqlite3.Stmt) {
		n, m.Text = s.ColumnInt64(0), s.ColumnText(1)
	}, id[:])
	if err != nil || n == 0 {
		return n, m, err
	}
	err = tx.db.one("SELECT name FROM media WHERE message = ? ORDER BY place", func(s *sqlite3.Stmt) {
		m.Media = append(m.Media, chat.Media{Attachment: wire.Attachment{Name: s.ColumnText(0)}})
	}, id[:])
	return n, m, err
}

// words is what is found of a message.
func words(m *chat.Message) string {
	all := []string{m.Text}
	for _, a := range m.Media {
		all = append(all, a.Name)
	}
	return strings.Join(all, "\n")
}

func (tx *Tx) index(n int64, m *chat.Message) error {
	return tx.db.exec("INSERT INTO search (rowid, words) VALUES (?, ?)", n, words(m))
}

// unindex takes a message out of the index, which has to be told what it holds.
func (tx *Tx) unindex(n int64, m *chat.Message) error {
	return tx.db.exec("INSERT INTO search (search, rowid, words) VALUES ('delete', ?, ?)", n, words(m))
}

func replyTo(m *chat.Message) []byte {
	if m.ReplyTo == (wire.MessageID{}) {
		return []byte{}
	}
	return m.ReplyTo[:]
}

func editedAt(m *chat.Message) int64 {
	if m.EditedAt.IsZero() {
		return 0
	}
	return m.EditedAt.UnixMilli()
}

func (tx *Tx) putMedia(id wire.MessageID, place int, a chat.Media) error {
	p, err := a.Pointer.AppendBinary(nil)
	if err != nil {
		return err
	}
	preview, err := a.Preview.AppendBinary([]byte{})
	if err != nil {
		return err
	}
	ref := a.Pointer.Ref()
	return tx.db.exec("INSERT INTO media (message, place, root, name, type, stored, hold, preview, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		id[:], place, ref.Root[:], a.Name, a.Type, a.Stored, int(a.Hold), preview, tx.db.seal.seal("media", hex.EncodeToString(id[:]), uint64(place), p))
}

func (tx *Tx) readMedia(m *chat.Message) error {
	return tx.db.run("SELECT place, name, type, stored, sealed, hold, preview FROM media WHERE message = ? ORDER BY place", func(s *sqlite3.Stmt) error {
		a := chat.Media{Stored: s.ColumnBool(3), Hold: chat.Hold(s.ColumnInt(5))}
		a.Name, a.Type, a.Preview = s.ColumnText(1), s.ColumnText(2), wire.ParsePreview(s.ColumnBlob(6, nil))
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

// SetMediaHeld says of every attachment with this root what the person wants.
func (tx *Tx) SetMediaHeld(root [32]byte, h chat.Hold) error {
	return tx.db.exec("UPDATE media SET hold = ? WHERE root = ?", int(h), root[:])
}

// MediaKnown reports whether any message refers to this blob.
func (tx *Tx) MediaKnown(root [32]byte) (known bool, err error) {
	err = tx.db.one("SELECT 1 FROM media WHERE root = ? LIMIT 1", func(*sqlite3.Stmt) { known = true }, root[:])
	return known, err
}

// Wants returns the blobs that messages refer to, that are not stored and that the
// person did not cancel, with the device that has each, oldest first.
func (tx *Tx) Wants() ([]engine.Want, error) {
	var wants []engine.Want
	all, err := tx.messages(messageColumns + " WHERE id IN (SELECT message FROM media WHERE stored = 0) ORDER BY seq")
	for _, m := range all {
		for _, a := range m.Media {
			if !a.Stored && a.Hold != chat.Cancelled {
				wants = append(wants, engine.Want{Ref: a.Pointer.Ref(), From: m.Device, Paused: a.Hold == chat.Paused})
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
