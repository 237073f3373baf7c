package store

import (
	"time"

	"github.com/ncruces/go-sqlite3"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/wire"
)

// Tx is one transaction: the engine's View of what is stored, with what this
// transaction has written so far. It ends with the function it was given to.
type Tx struct {
	db     *DB
	erased bool // something that people said was erased
}

var _ engine.View = (*Tx)(nil)
var _ chat.Projection = (*Tx)(nil)

// State returns a row of engine state, nil when there is none.
func (tx *Tx) State(k engine.StateKey) ([]byte, error) {
	var value []byte
	const sql = "SELECT s.version, s.sealed, v.version FROM state_versions v LEFT JOIN state s ON s.key = v.key WHERE v.key = ?1" +
		" UNION ALL SELECT s.version, s.sealed, -1 FROM state s WHERE s.key = ?1 AND NOT EXISTS (SELECT 1 FROM state_versions WHERE key = ?1)"
	err := tx.db.run(sql, func(s *sqlite3.Stmt) (err error) {
		if s.ColumnInt64(0) != s.ColumnInt64(2) {
			return errSealed // one of the two is older than the other
		}
		value, err = tx.db.seal.open("state", string(k), uint64(s.ColumnInt64(0)), s.ColumnRawBlob(1))
		return err
	}, string(k))
	return value, err
}

// StateKeys returns the keys that start with prefix, sorted.
func (tx *Tx) StateKeys(prefix string) ([]engine.StateKey, error) {
	var keys []engine.StateKey
	err := tx.db.one("SELECT key FROM state WHERE key >= ? AND key < ? ORDER BY key", func(s *sqlite3.Stmt) {
		keys = append(keys, engine.StateKey(s.ColumnText(0)))
	}, prefix, prefix+"\xff")
	return keys, err
}

func (tx *Tx) putState(k engine.StateKey, value []byte) error {
	if value == nil {
		if err := tx.db.exec("DELETE FROM state_versions WHERE key = ?", string(k)); err != nil {
			return err
		}
		return tx.db.exec("DELETE FROM state WHERE key = ?", string(k))
	}
	var version uint64
	err := tx.db.one("SELECT version FROM state_versions WHERE key = ?", func(s *sqlite3.Stmt) { version = uint64(s.ColumnInt64(0)) }, string(k))
	if err != nil {
		return err
	}
	version++
	if err := tx.db.exec("INSERT OR REPLACE INTO state_versions (key, version) VALUES (?, ?)", string(k), version); err != nil {
		return err
	}
	return tx.db.exec("INSERT INTO state (key, version, sealed) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET version = excluded.version, sealed = excluded.sealed",
		string(k), version, tx.db.seal.seal("state", string(k), version, value))
}

// Apply writes everything one step decided and returns the sequence of its
// last event, zero when it has none; at is the local time of the commit. After
// an error the transaction must end.
func (tx *Tx) Apply(up *engine.Update, at time.Time) (chat.Seq, error) {
	for k, v := range up.State {
		if err := tx.putState(k, v); err != nil {
			return 0, err
		}
	}
	if err := tx.applyOutbox(up); err != nil {
		return 0, err
	}
	for _, id := range up.Seen {
		if err := tx.db.exec("INSERT OR IGNORE INTO seen (id, at) VALUES (?, ?)", id[:], at.UnixMilli()); err != nil {
			return 0, err
		}
	}
	if !up.SeenBefore.IsZero() {
		if err := tx.db.exec("DELETE FROM seen WHERE at < ?", up.SeenBefore.UnixMilli()); err != nil {
			return 0, err
		}
	}
	for d, addrs := range up.Addrs {
		if err := tx.PutAddrs(d, addrs); err != nil {
			return 0, err
		}
	}
	var last chat.Seq
	for _, e := range up.Events {
		seq, err := tx.append(e, at)
		if err != nil {
			return 0, err
		}
		last = seq
	}
	return last, nil
}

func (tx *Tx) applyOutbox(up *engine.Update) error {
	for _, id := range up.Drop {
		if err := tx.db.exec("DELETE FROM outbox WHERE id = ?", id[:]); err != nil {
			return err
		}
	}
	for _, id := range up.DropCells {
		if err := tx.db.exec("DELETE FROM cells WHERE envelope = ?", id[:]); err != nil {
			return err
		}
	}
	for _, c := range up.Cells {
		err := tx.db.exec("INSERT OR REPLACE INTO cells (box, envelope, grp, expiry, held, put, keys, stream) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			c.Box[:], c.Envelope[:], string(c.Group), int64(c.Expiry), c.Held, c.Put, c.Keys, int64(c.Stream))
		if err != nil {
			return err
		}
	}
	for _, o := range up.Outgoing {
		if o.Ephemeral {
			continue
		}
		err := tx.db.exec("INSERT OR REPLACE INTO outbox (id, device, body, message) VALUES (?, ?, ?, ?)",
			o.ID[:], o.To[:], o.Body, o.Message[:])
		if err != nil {
			return err
		}
	}
	return nil
}

// append logs an event and folds it into the projections.
func (tx *Tx) append(e chat.Event, at time.Time) (chat.Seq, error) {
	body, err := chat.MarshalEvent(e)
	if err != nil {
		return 0, err
	}
	var last int64
	if err := tx.db.one("SELECT coalesce(max(seq), 0) FROM log", func(s *sqlite3.Stmt) { last = s.ColumnInt64(0) }); err != nil {
		return 0, err
	}
	l := chat.Logged{Seq: chat.Seq(last + 1), At: at, Event: e}
	sealed := tx.db.seal.seal("log", "", uint64(l.Seq), body)
	if err := tx.db.exec("INSERT INTO log (seq, at, sealed) VALUES (?, ?, ?)", uint64(l.Seq), at.UnixMilli(), sealed); err != nil {
		return 0, err
	}
	return l.Seq, chat.Apply(tx, l)
}

// Log returns up to limit events after the given sequence, in order.
func (tx *Tx) Log(after chat.Seq, limit int) ([]chat.Logged, error) {
	var events []chat.Logged
	err := tx.db.run("SELECT seq, at, sealed FROM log WHERE seq > ? ORDER BY seq LIMIT ?", func(s *sqlite3.Stmt) error {
		l := chat.Logged{Seq: chat.Seq(s.ColumnInt64(0)), At: time.UnixMilli(s.ColumnInt64(1)).UTC()}
		body, err := tx.db.seal.open("log", "", uint64(l.Seq), s.ColumnRawBlob(2))
		if err != nil {
			return err
		}
		l.Event, err = chat.ParseEvent(body)
		events = append(events, l)
		return err
	}, uint64(after), limit)
	return events, err
}

// LastSeq returns the sequence of the newest event, zero in an empty log.
func (tx *Tx) LastSeq() (chat.Seq, error) {
	var last chat.Seq
	err := tx.db.one("SELECT coalesce(max(seq), 0) FROM log", func(s *sqlite3.Stmt) { last = chat.Seq(s.ColumnInt64(0)) })
	return last, err
}

const outboxColumns = "SELECT id, device, body, message FROM outbox"

func outgoing(s *sqlite3.Stmt) (o wire.Outgoing, err error) {
	f := fixed{s: s}
	f.bytes(0, o.ID[:])
	f.bytes(1, o.To[:])
	f.bytes(3, o.Message[:])
	o.Body = s.ColumnBlob(2, nil)
	return o, f.err
}

// Outbox returns an envelope that waits for its acknowledgement.
func (tx *Tx) Outbox(id wire.EnvelopeID) (o wire.Outgoing, ok bool, err error) {
	err = tx.db.run(outboxColumns+" WHERE id = ?", func(s *sqlite3.Stmt) (err error) {
		o, err = outgoing(s)
		ok = true
		return err
	}, id[:])
	return o, ok, err
}

// OutboxFor returns the ids of everything that waits for a device.
func (tx *Tx) OutboxFor(d identity.DeviceID) ([]wire.EnvelopeID, error) {
	var ids []wire.EnvelopeID
	err := tx.db.run("SELECT id FROM outbox WHERE device = ? ORDER BY n", func(s *sqlite3.Stmt) error {
		f := fixed{s: s}
		var id wire.EnvelopeID
		f.bytes(0, id[:])
		ids = append(ids, id)
		return f.err
	}, d[:])
	return ids, err
}

// OutboxAll returns everything that waits, oldest first.
func (tx *Tx) OutboxAll() ([]wire.Outgoing, error) {
	var all []wire.Outgoing
	err := tx.db.run(outboxColumns+" ORDER BY n", func(s *sqlite3.Stmt) error {
		o, err := outgoing(s)
		all = append(all, o)
		return err
	})
	return all, err
}

const cellColumns = "SELECT box, envelope, grp, expiry, held, put, keys, stream FROM cells"

func (tx *Tx) cells(sql string, args ...any) ([]engine.Cell, error) {
	var all []engine.Cell
	err := tx.db.run(sql, func(s *sqlite3.Stmt) error {
		f := fixed{s: s}
		c := engine.Cell{Group: engine.BoxGroup(s.ColumnText(2)), Expiry: uint32(s.ColumnInt64(3)), Held: s.ColumnInt(4), Put: s.ColumnBlob(5, nil),
			Keys: s.ColumnBlob(6, nil), Stream: uint64(s.ColumnInt64(7))}
		f.bytes(0, c.Box[:])
		f.bytes(1, c.Envelope[:])
		all = append(all, c)
		return f.err
	}, args...)
	return all, err
}

// Cell returns what one box is to hold.
func (tx *Tx) Cell(b [32]byte) (c engine.Cell, ok bool, err error) {
	all, err := tx.cells(cellColumns+" WHERE box = ?", b[:])
	if err != nil || len(all) == 0 {
		return c, false, err
	}
	return all[0], true, nil
}

// CellsFor returns what boxes are to hold of an envelope.
func (tx *Tx) CellsFor(id wire.EnvelopeID) ([]engine.Cell, error) {
	return tx.cells(cellColumns+" WHERE envelope = ?", id[:])
}

// Cells returns what all boxes are to hold.
func (tx *Tx) Cells() ([]engine.Cell, error) { return tx.cells(cellColumns + " ORDER BY box") }

// CellsExpired returns the envelopes of which a box expired before a day.
func (tx *Tx) CellsExpired(day uint32) ([]wire.EnvelopeID, error) {
	return tx.envelopes("SELECT DISTINCT envelope FROM cells WHERE expiry < ?", int64(day))
}

// CellsOf returns the envelopes in boxes of a group.
func (tx *Tx) CellsOf(g engine.BoxGroup) ([]wire.EnvelopeID, error) {
	return tx.envelopes("SELECT DISTINCT envelope FROM cells WHERE grp = ?", string(g))
}

func (tx *Tx) envelopes(sql string, args ...any) ([]wire.EnvelopeID, error) {
	var ids []wire.EnvelopeID
	err := tx.db.run(sql, func(s *sqlite3.Stmt) error {
		f := fixed{s: s}
		var id wire.EnvelopeID
		f.bytes(0, id[:])
		ids = append(ids, id)
		return f.err
	}, args...)
	return ids, err
}

// Seen reports whether this envelope was opened before.
func (tx *Tx) Seen(id wire.EnvelopeID) (seen bool, err error) {
	err = tx.db.one("SELECT 1 FROM seen WHERE id = ?", func(*sqlite3.Stmt) { seen = true }, id[:])
	return seen, err
}

// Addrs returns where a device may be reached, as last heard; the newest
// source first.
func (tx *Tx) Addrs(d identity.DeviceID) ([]string, error) {
	var addrs []string
	err := tx.db.one("SELECT addr FROM addrs WHERE device = ? ORDER BY place", func(s *sqlite3.Stmt) {
		addrs = append(addrs, s.ColumnText(0))
	}, d[:])
	return addrs, err
}

// PutAddrs replaces where a device may be reached. At most [wire.MaxAddrs]
// are kept.
func (tx *Tx) PutAddrs(d identity.DeviceID, addrs []string) error {
	if err := tx.db.exec("DELETE FROM addrs WHERE device = ?", d[:]); err != nil {
		return err
	}
	for i, a := range addrs[:min(len(addrs), wire.MaxAddrs)] {
		if err := tx.db.exec("INSERT INTO addrs (device, place, addr) VALUES (?, ?, ?)", d[:], i, a); err != nil {
			return err
		}
	}
	return nil
}

// Setting returns a setting of this device, empty when it was never set.
func (tx *Tx) Setting(name string) (value string, err error) {
	err = tx.db.one("SELECT value FROM settings WHERE name = ?", func(s *sqlite3.Stmt) { value = s.ColumnText(0) }, name)
	return value, err
}

// PutSetting sets a setting of this device.
func (tx *Tx) PutSetting(name, value string) error {
	return tx.db.exec("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", name, value)
}

// Rebuild drops every projection and folds the log again from the start.
func (tx *Tx) Rebuild() error {
	for _, table := range []string{"contacts", "conversations", "messages", "media", "changes", "forgotten"} {
		if err := tx.db.exec("DELETE FROM " + table); err != nil {
			return err
		}
	}
	if err := tx.db.exec("INSERT INTO search (search) VALUES ('delete-all')"); err != nil {
		return err
	}
	var after chat.Seq
	for {
		events, err := tx.Log(after, 256)
		if err != nil || len(events) == 0 {
			return err
		}
		for _, l := range events {
			if err := chat.Apply(tx, l); err != nil {
				return err
			}
			after = l.Seq
		}
	}
}
