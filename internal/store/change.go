package store

import (
	"time"

	"github.com/ncruces/go-sqlite3"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/wire"
)

const changeColumns = "SELECT target, kind, sender, conversation, id, lamport, sent_at, text, seq, delivered FROM changes"

func (tx *Tx) changes(sql string, args ...any) ([]chat.Change, error) {
	var all []chat.Change
	err := tx.db.run(sql, func(s *sqlite3.Stmt) error {
		var c chat.Change
		f := fixed{s: s}
		f.bytes(0, c.Target[:])
		c.Kind = chat.ChangeKind(s.ColumnInt(1))
		f.bytes(2, c.From[:])
		f.bytes(3, c.Conversation[:])
		f.bytes(4, c.ID[:])
		c.Lamport, c.SentAt = uint64(s.ColumnInt64(5)), time.UnixMilli(s.ColumnInt64(6)).UTC()
		c.Text, c.Seq, c.Delivered = s.ColumnText(7), chat.Seq(s.ColumnInt64(8)), s.ColumnBool(9)
		all = append(all, c)
		return f.err
	}, args...)
	return all, err
}

// Change returns what somebody did last of a kind to a message.
func (tx *Tx) Change(kind chat.ChangeKind, target wire.MessageID, from identity.AccountID) (c chat.Change, ok bool, err error) {
	all, err := tx.changes(changeColumns+" WHERE target = ? AND kind = ? AND sender = ?", target[:], int(kind), from[:])
	if err != nil || len(all) == 0 {
		return c, false, err
	}
	return all[0], true, nil
}

// Changes returns what everybody did to a message.
func (tx *Tx) Changes(target wire.MessageID) ([]chat.Change, error) {
	return tx.changes(changeColumns+" WHERE target = ? ORDER BY kind, sender", target[:])
}

// ChangesBy returns what one content did.
func (tx *Tx) ChangesBy(id wire.MessageID) ([]chat.Change, error) {
	return tx.changes(changeColumns+" WHERE id = ? ORDER BY target", id[:])
}

// EarlyChanges returns how many changes wait in a conversation for messages that
// are not here.
func (tx *Tx) EarlyChanges(id chat.ConversationID) (n int, err error) {
	err = tx.db.one("SELECT count(*) FROM changes WHERE conversation = ? AND early = 1", func(s *sqlite3.Stmt) { n = s.ColumnInt(0) }, id[:])
	return n, err
}

// PutChange inserts c or replaces the one of the same kind, target and person.
func (tx *Tx) PutChange(c chat.Change) error {
	return tx.db.exec("INSERT OR REPLACE INTO changes (target, kind, sender, conversation, id, lamport, sent_at, text, seq, delivered, early)"+
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, NOT EXISTS (SELECT 1 FROM messages WHERE id = ?1) AND NOT EXISTS (SELECT 1 FROM forgotten WHERE id = ?1))",
		c.Target[:], int(c.Kind), c.From[:], c.Conversation[:], c.ID[:], c.Lamport, c.SentAt.UnixMilli(), c.Text, uint64(c.Seq), c.Delivered)
}

// notEarly lets the changes of a message wait no longer.
func (tx *Tx) notEarly(target wire.MessageID) error {
	return tx.db.exec("UPDATE changes SET early = 0 WHERE target = ? AND early = 1", target[:])
}

// readReactions reads who thinks what of a message.
func (tx *Tx) readReactions(m *chat.Message) error {
	const sql = "SELECT sender, text FROM changes WHERE target = ? AND kind = 2 AND text <> '' AND conversation = ? ORDER BY sender"
	return tx.db.run(sql, func(s *sqlite3.Stmt) error {
		r := chat.Reaction{Emoji: s.ColumnText(1)}
		f := fixed{s: s}
		f.bytes(0, r.From[:])
		m.Reactions = append(m.Reactions, r)
		return f.err
	}, m.ID[:], m.Conversation[:])
}

// RemoveMessage takes a message out of every table.
func (tx *Tx) RemoveMessage(id wire.MessageID) error {
	n, before, err := tx.row(id)
	if err != nil || n == 0 {
		return err
	}
	tx.erased = true
	if err := tx.unindex(n, &before); err != nil {
		return err
	}
	if err := tx.db.exec("DELETE FROM media WHERE message = ?", id[:]); err != nil {
		return err
	}
	return tx.db.exec("DELETE FROM messages WHERE n = ?", n)
}

// Forget remembers a message that must not come back.
func (tx *Tx) Forget(id wire.MessageID) error {
	if err := tx.db.exec("INSERT OR IGNORE INTO forgotten (id) VALUES (?)", id[:]); err != nil {
		return err
	}
	return tx.notEarly(id)
}

// Forgotten reports whether a message must not come back.
func (tx *Tx) Forgotten(id wire.MessageID) (forgotten bool, err error) {
	err = tx.db.one("SELECT 1 FROM forgotten WHERE id = ?", func(*sqlite3.Stmt) { forgotten = true }, id[:])
	return forgotten, err
}

// Unlog takes an event out of the log.
func (tx *Tx) Unlog(seq chat.Seq) error {
	return tx.db.exec("DELETE FROM log WHERE seq = ?", uint64(seq))
}

// Blank seals an event of the log again without what people said in it.
func (tx *Tx) Blank(seq chat.Seq) error {
	tx.erased = true
	var sealed []byte
	err := tx.db.one("SELECT sealed FROM log WHERE seq = ?", func(s *sqlite3.Stmt) { sealed = s.ColumnBlob(0, nil) }, uint64(seq))
	if err != nil || sealed == nil {
		return err
	}
	body, err := tx.db.seal.open("log", "", uint64(seq), sealed)
	if err != nil {
		return err
	}
	e, err := chat.ParseEvent(body)
	if err != nil {
		return err
	}
	if body, err = chat.MarshalEvent(chat.Blank(e)); err != nil {
		return err
	}
	return tx.db.exec("UPDATE log SET sealed = ? WHERE seq = ?", tx.db.seal.seal("log", "", uint64(seq), body), uint64(seq))
}

// OutboxCarrying returns the envelopes that wait and carry a message, or a change.
func (tx *Tx) OutboxCarrying(id wire.MessageID) ([]wire.EnvelopeID, error) {
	return tx.envelopes("SELECT id FROM outbox WHERE message = ?", id[:])
}
