package store

import (
	"context"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/ext/fts5"
	_ "github.com/ncruces/go-sqlite3/vfs/adiantum" // the page encryption

	"kith/internal/engine"
)

// Names inside a home directory.
const (
	fileName  = "kith.db"
	blobsName = "blobs"
)

const (
	schemaVersion = 6
	applicationID = 0x6b697468 // "kith"
	// pageBlock is the unit of the page encryption. A write-ahead log that a
	// power cut left with an odd tail is cut down to it before opening: the
	// tail was never committed, and the file layer refuses an odd length.
	pageBlock = 4096
	// cacheKiB is the page cache; larger ones cost idle memory.
	cacheKiB = 4096
)

//go:embed schema.sql
var schema string

// Errors a caller acts on. All are local.
var (
	// ErrNone reports a home directory without a database.
	ErrNone = errors.New("store: no database here")
	// ErrInUse reports that another process has the database open.
	ErrInUse = errors.New("store: another process has the database open")
	// ErrDamaged reports a database that cannot be read: damaged, or not made
	// under this key.
	ErrDamaged = errors.New("store: the database is damaged or belongs to another key")
	// ErrNewer reports a database written by a newer version.
	ErrNewer = errors.New("store: the database was written by a newer version of kith")
	// ErrFull reports that the disk is full; nothing was changed.
	ErrFull = errors.New("store: the disk is full")
)

// DB is an open store.
type DB struct {
	dir  string
	seal *sealer

	mu     sync.Mutex // guards what follows: one connection, one user at a time
	conn   *sqlite3.Conn
	stmts  map[string]*sqlite3.Stmt
	closed bool
	// stale means that the write-ahead log holds pages from before something was
	// erased.
	stale bool
}

// Create makes a database in directory dir (made with mode 0700 when absent)
// under the vault's master key and commits the founding update. It fails when
// one is there already. The database is made beside its place and put there
// whole: a Create that was killed half way leaves nothing that Open would find
// or that stands in the way of the next one.
func Create(dir string, master [32]byte, first *engine.Update, now time.Time) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, fileName)
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("store: %s exists: %w", path, fs.ErrExist)
	}
	if err := removeUnfinished(dir); err != nil {
		return err
	}
	making, err := os.MkdirTemp(dir, prefixUnfinished+"*")
	if err != nil {
		return DiskError(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(making)) }()
	if err := create(making, master, first, now); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(making, fileName), path); err != nil {
		return DiskError(err)
	}
	return syncDir(dir)
}

// prefixUnfinished is what directories of a Create at work are called.
const prefixUnfinished = fileName + ".new-"

// removeUnfinished takes away what a Create that was killed has left.
func removeUnfinished(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefixUnfinished) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// create makes a whole database in an empty directory and closes it.
func create(dir string, master [32]byte, first *engine.Update, now time.Time) (err error) {
	db, err := open(dir, master, sqlite3.OPEN_CREATE)
	if err != nil {
		return err
	}
	// Closing writes the log back: one file is left, and it is durable.
	defer func() {
		if cerr := db.Close(); err == nil {
			err = db.diagnose(cerr)
		}
	}()
	if err := db.found(); err != nil {
		return db.diagnose(err)
	}
	return db.Update(context.Background(), func(tx *Tx) error {
		_, err := tx.Apply(first, now)
		return err
	})
}

// found lays down the schema.
func (db *DB) found() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	ddl := fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
		schema, applicationID, schemaVersion)
	return wrap(db.conn.Exec(ddl))
}

// Open opens the database in dir under the vault's master key. Errors:
// [ErrNone], [ErrInUse], [ErrDamaged], [ErrNewer], [ErrFull], or the system's.
func Open(dir string, master [32]byte) (*DB, error) {
	path := filepath.Join(dir, fileName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	} else if err != nil {
		return nil, err
	}
	db, err := open(dir, master, 0)
	if err != nil {
		return nil, err
	}
	if err := db.check(); err != nil {
		db.Close()
		return nil, err
	}
	// An empty directory that stays is in nobody's way.
	_ = removeUnfinished(dir)
	return db, nil
}

func open(dir string, master [32]byte, flags sqlite3.OpenFlag) (*DB, error) {
	path := filepath.Join(dir, fileName)
	if err := cutTornLog(path + "-wal"); err != nil {
		return nil, err
	}
	key, err := derive(master, labelPages)
	if err != nil {
		return nil, err
	}
	seal, err := newSealer(master)
	if err != nil {
		return nil, err
	}
	uri := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path),
		RawQuery: "vfs=adiantum&hexkey=" + hex.EncodeToString(key)}
	clear(key)
	conn, err := sqlite3.OpenFlags(uri.String(), sqlite3.OPEN_READWRITE|sqlite3.OPEN_URI|flags)
	if err != nil {
		return nil, wrap(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		conn.Close()
		return nil, err
	}
	db := &DB{dir: dir, seal: seal, conn: conn, stmts: map[string]*sqlite3.Stmt{}}
	if err := db.configure(); err != nil {
		conn.Close()
		return nil, db.diagnose(err)
	}
	return db, nil
}

// configure sets what every connection needs. Full synchronisation is what
// makes "sent" survive power loss; normal loses acknowledged transactions.
// The exclusive lock keeps a second process out and needs no shared memory.
// The log is written back before anything is added to it: after a crash its
// last commit may end inside a block, and a power cut that tears the next write
// to that block, which the page encryption changes as a whole, would take the
// commit with it.
func (db *DB) configure() error {
	// First of all: the lock must stand before the first access to the log.
	if err := db.conn.Exec("PRAGMA locking_mode=exclusive; BEGIN EXCLUSIVE; COMMIT"); err != nil {
		return wrap(err)
	}
	if err := fts5.Register(db.conn); err != nil {
		return wrap(err)
	}
	return wrap(db.conn.Exec(fmt.Sprintf(`
		PRAGMA temp_store=memory;
		PRAGMA cache_size=-%d;
		PRAGMA secure_delete=on;
		PRAGMA journal_mode=wal;
		PRAGMA synchronous=full;
		PRAGMA wal_checkpoint(truncate);
		PRAGMA trusted_schema=off;
		PRAGMA foreign_keys=off`, cacheKiB)))
}

// check makes sure that this is a database of ours of a version we know.
func (db *DB) check() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	var id, version int
	if err := db.one("PRAGMA application_id", func(s *sqlite3.Stmt) { id = s.ColumnInt(0) }); err != nil {
		return err
	}
	if err := db.one("PRAGMA user_version", func(s *sqlite3.Stmt) { version = s.ColumnInt(0) }); err != nil {
		return err
	}
	switch {
	case id != applicationID:
		return ErrDamaged
	case version > schemaVersion:
		return ErrNewer
	case version < 1:
		return ErrDamaged // no version before the first
	case version < schemaVersion:
		return db.migrate(version)
	}
	return nil
}

// migrations lead from one version of the schema to the next, the first of them
// from version 1.
var migrations = []string{
	`ALTER TABLE contacts ADD COLUMN reduced INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE contacts ADD COLUMN stale INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE messages ADD COLUMN notice INTEGER NOT NULL DEFAULT 0`,
	`ALTER TABLE messages ADD COLUMN boxed_on INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE messages ADD COLUMN boxed_of INTEGER NOT NULL DEFAULT 0;
	CREATE TABLE cells (box BLOB PRIMARY KEY, envelope BLOB NOT NULL, grp TEXT NOT NULL, expiry INTEGER NOT NULL,
		held INTEGER NOT NULL, put BLOB NOT NULL) WITHOUT ROWID;
	CREATE INDEX cells_envelope ON cells (envelope);
	CREATE INDEX cells_group ON cells (grp)`,
	`ALTER TABLE contacts ADD COLUMN no_receipts INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE contacts ADD COLUMN no_typing INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE contacts ADD COLUMN blocked INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE messages ADD COLUMN reply_to BLOB NOT NULL DEFAULT x'';
	ALTER TABLE messages ADD COLUMN edited_at INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE messages ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE messages ADD COLUMN deleted_on INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE messages ADD COLUMN deleted_of INTEGER NOT NULL DEFAULT 0;
	CREATE TABLE changes (target BLOB NOT NULL, kind INTEGER NOT NULL, sender BLOB NOT NULL, conversation BLOB NOT NULL,
		id BLOB NOT NULL, lamport INTEGER NOT NULL, sent_at INTEGER NOT NULL, text TEXT NOT NULL, seq INTEGER NOT NULL,
		delivered INTEGER NOT NULL, early INTEGER NOT NULL, PRIMARY KEY (target, kind, sender)) WITHOUT ROWID;
	CREATE INDEX changes_id ON changes (id);
	CREATE INDEX changes_early ON changes (conversation) WHERE early = 1;
	CREATE TABLE forgotten (id BLOB PRIMARY KEY) WITHOUT ROWID;
	CREATE INDEX outbox_message ON outbox (message);
	DROP TABLE search;
	CREATE VIRTUAL TABLE search USING fts5 (words, content='', tokenize="unicode61 remove_diacritics 2");
	INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
	INSERT INTO search (rowid, words) SELECT n, text || coalesce((SELECT char(10) || group_concat(name, char(10) ORDER BY place)
		FROM media WHERE message = messages.id), '') FROM messages`,
	`ALTER TABLE media ADD COLUMN hold INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE media ADD COLUMN preview BLOB NOT NULL DEFAULT x''`,
	`ALTER TABLE cells ADD COLUMN keys BLOB;
	ALTER TABLE cells ADD COLUMN stream INTEGER NOT NULL DEFAULT 0`,
}

// migrate brings an older schema up to date, in one transaction.
func (db *DB) migrate(version int) error {
	steps := strings.Join(migrations[version-1:], ";\n")
	return wrap(db.conn.Exec(fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version=%d; COMMIT", steps, schemaVersion)))
}

// cutTornLog shortens a write-ahead log to whole blocks of the page encryption.
func cutTornLog(path string) error {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if odd := st.Size() % pageBlock; odd != 0 {
		return os.Truncate(path, st.Size()-odd)
	}
	return nil
}

// Close writes the log back into the database and closes it.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil
	}
	db.closed = true
	for _, s := range db.stmts {
		s.Close()
	}
	return wrap(db.conn.Close())
}

// Update runs fn in one transaction. When it returns nil everything fn wrote
// is durable; on any error, fn's own included, nothing of it happened. A full
// disk is [ErrFull].
func (db *DB) Update(ctx context.Context, fn func(*Tx) error) (err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return errors.New("store: closed")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := db.exec("BEGIN IMMEDIATE"); err != nil {
		return db.diagnose(err)
	}
	tx := &Tx{db: db}
	if err := fn(tx); err != nil {
		db.rollback()
		return db.diagnose(err)
	}
	if err := db.exec("COMMIT"); err != nil {
		db.rollback()
		return db.diagnose(err)
	}
	if db.stale = db.stale || tx.erased; db.stale {
		// What was erased must not be left in the log. The transaction is durable
		// whatever comes of this, and it is tried again after the next.
		db.stale = db.conn.Exec("PRAGMA wal_checkpoint(truncate)") != nil
	}
	return nil
}

func (db *DB) rollback() {
	if !db.conn.GetAutocommit() {
		// A failed rollback leaves the transaction open, and the next BEGIN says so.
		_ = db.exec("ROLLBACK")
	}
}

// View runs fn on the last commit. fn must not write.
func (db *DB) View(fn func(*Tx) error) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return errors.New("store: closed")
	}
	return fn(&Tx{db: db})
}

// prepare gives a statement that is kept for the life of the connection.
func (db *DB) prepare(sql string) (*sqlite3.Stmt, error) {
	if s, ok := db.stmts[sql]; ok {
		return s, nil
	}
	s, _, err := db.conn.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT)
	if err != nil {
		return nil, wrap(err)
	}
	db.stmts[sql] = s
	return s, nil
}

// run binds args, steps through every row, and leaves the statement ready for
// its next use.
func (db *DB) run(sql string, row func(*sqlite3.Stmt) error, args ...any) error {
	s, err := db.prepare(sql)
	if err != nil {
		return err
	}
	for i, a := range args {
		if err := bind(s, i+1, a); err != nil {
			return wrap(err)
		}
	}
	for s.Step() {
		if row == nil {
			continue
		}
		if err := row(s); err != nil {
			s.Reset()
			return err
		}
	}
	err = s.Err()
	if rerr := s.Reset(); err == nil {
		err = rerr
	}
	s.ClearBindings()
	return wrap(err)
}

func bind(s *sqlite3.Stmt, i int, a any) error {
	switch a := a.(type) {
	case []byte:
		return s.BindBlob(i, a)
	case string:
		return s.BindText(i, a)
	case int:
		return s.BindInt(i, a)
	case int64:
		return s.BindInt64(i, a)
	case uint64:
		return s.BindInt64(i, int64(a))
	case bool:
		return s.BindBool(i, a)
	}
	return fmt.Errorf("store: cannot bind %T", a)
}

func (db *DB) exec(sql string, args ...any) error { return db.run(sql, nil, args...) }

func (db *DB) one(sql string, row func(*sqlite3.Stmt), args ...any) error {
	return db.run(sql, func(s *sqlite3.Stmt) error { row(s); return nil }, args...)
}

// wrap turns SQLite's errors into those of this package.
func wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sqlite3.BUSY), errors.Is(err, sqlite3.LOCKED):
		return ErrInUse
	case errors.Is(err, sqlite3.NOTADB), errors.Is(err, sqlite3.CORRUPT):
		return ErrDamaged
	case errors.Is(err, sqlite3.FULL):
		return ErrFull
	}
	return fmt.Errorf("store: %w", err)
}

// diagnose tells a full disk from a failing one: the file layer reports both
// as an input/output error.
func (db *DB) diagnose(err error) error {
	if errors.Is(err, sqlite3.IOERR) {
		if free, ok := freeSpace(db.dir); ok && free < 1<<20 {
			return ErrFull
		}
	}
	return err
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return syncDirFile(d)
}
