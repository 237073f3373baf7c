package store

import (
	"testing"

	"github.com/ncruces/go-sqlite3"
)

// SealedRow reads a state row as it lies in its page.
func SealedRow(t *testing.T, db *DB, key string) (sealed []byte) {
	t.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	err := db.one("SELECT sealed FROM state WHERE key = ?", func(s *sqlite3.Stmt) { sealed = s.ColumnBlob(0, nil) }, key)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// PutSealedRow puts bytes into a state row behind the sealer's back.
func PutSealedRow(t *testing.T, db *DB, key string, sealed []byte) {
	t.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.exec("UPDATE state SET sealed = ? WHERE key = ?", sealed, key); err != nil {
		t.Fatal(err)
	}
}

// BreakData takes the assembly's data file away, so that the disk refuses to
// synchronise it.
func BreakData(a *Assembly) { a.data.Close() }

// PutOldRow puts a whole state row back as it was at an earlier version, as a
// page of an older copy of the file would.
func PutOldRow(t *testing.T, db *DB, key string, version int, sealed []byte) {
	t.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := db.exec("UPDATE state SET version = ?, sealed = ? WHERE key = ?", version, sealed, key); err != nil {
		t.Fatal(err)
	}
}

// Exec runs SQL as it is.
func (db *DB) Exec(sql string) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return wrap(db.conn.Exec(sql))
}

// CopyPlain copies the database page by page, those that are free as well, to a file
// that is not encrypted.
func (db *DB) CopyPlain(path string) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return wrap(db.conn.Backup("main", "file:"+path))
}
