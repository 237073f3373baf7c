package store

import (
	"encoding/hex"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
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

// SealedEvent reads an event as it lies in its page, nil when there is none.
func SealedEvent(t *testing.T, db *DB, seq uint64) (sealed []byte) {
	t.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	err := db.one("SELECT sealed FROM log WHERE seq = ?", func(s *sqlite3.Stmt) { sealed = s.ColumnBlob(0, nil) }, seq)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// SealedMedia reads the sealed pointers of a message.
func SealedMedia(t *testing.T, db *DB, message []byte) (sealed [][]byte) {
	t.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	err := db.one("SELECT sealed FROM media WHERE message = ?", func(s *sqlite3.Stmt) { sealed = append(sealed, s.ColumnBlob(0, nil)) }, message)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// Pages decrypts every page of a database file, those in no use too, as whoever has
// the master key could.
func Pages(t *testing.T, path string, master [32]byte) []byte {
	t.Helper()
	key, err := derive(master, labelPages)
	if err != nil {
		t.Fatal(err)
	}
	spy := &spyVFS{VFS: vfs.Find("adiantum")}
	vfs.Register("spy", spy)
	defer vfs.Unregister("spy")
	uri := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: "vfs=spy&hexkey=" + hex.EncodeToString(key)}
	conn, err := sqlite3.OpenFlags(uri.String(), sqlite3.OPEN_READWRITE|sqlite3.OPEN_URI)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Exec("PRAGMA locking_mode=exclusive; SELECT count(*) FROM sqlite_schema"); err != nil {
		t.Fatal(err)
	}
	size, err := spy.main.Size()
	if err != nil {
		t.Fatal(err)
	}
	all := make([]byte, size)
	for at := int64(0); at < size; at += pageBlock {
		if _, err := spy.main.ReadAt(all[at:at+pageBlock], at); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// spyVFS keeps the file of the database it opens.
type spyVFS struct {
	vfs.VFS
	main vfs.File
}

func (s *spyVFS) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := s.VFS.(vfs.VFSFilename).OpenFilename(name, flags)
	if err == nil && flags&vfs.OPEN_MAIN_DB != 0 {
		s.main = f
	}
	return f, flags, err
}
