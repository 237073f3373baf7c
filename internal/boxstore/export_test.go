package boxstore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

// WithOpener makes bbolt open its files by a test's function.
func WithOpener(o Options, open func(string, int, os.FileMode) (*os.File, error)) Options {
	o.open = open
	return o
}

// CheckFile checks the skeleton of a day's file.
func CheckFile(dir string) error { _, err := checkDir(dir); return err }

// CheckHeads checks that both heads of a day's file are sound, too.
func CheckHeads(dir string) error {
	heads, err := checkDir(dir)
	if err == nil && heads != 2 {
		err = errDamaged
	}
	return err
}

func checkDir(dir string) (heads int, err error) {
	f, err := os.Open(filepath.Join(dir, fileName))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return checkFile(f, st.Size())
}

// DamageKey changes the last bit of the last key of a bucket of a day's file, which
// keeps the order of keys and what else belongs to the record.
func DamageKey(t testing.TB, dir, bucket string) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, fileName), 0o600, &bbolt.Options{PageSize: pageSize, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		k, v := b.Cursor().Last()
		k, v = bytes.Clone(k), bytes.Clone(v)
		err := b.Delete(k)
		k[len(k)-1] ^= 1
		return errors.Join(err, b.Put(k, v))
	}), db.Close())
	if err != nil {
		t.Fatal(err)
	}
}

// ErrDamaged is what CheckFile says.
var ErrDamaged = errDamaged

// Names of files.
const (
	KeyName, FileName, NewFileName, AsideName = keyName, fileName, newFileName, asideName
	KeyFileSize                               = keyFileSize
)

// Pages returns what the files take, and how much of it is free.
func (s *Store) Pages() (pages, free int64) {
	days, _ := s.snapshot()
	for _, d := range days {
		t := d.count()
		pages += t.pages
		free += t.free
	}
	return pages, free
}

// Moving has a store be as while changes of boxes are on their way to the disk.
func (s *Store) Moving(boxes ...[32]byte) {
	days, _ := s.snapshot()
	for _, d := range days {
		d.mu.Lock()
		d.moving = map[mark]struct{}{}
		for _, b := range boxes {
			d.moving[d.keys.mark(b)] = struct{}{}
		}
		d.mu.Unlock()
	}
}

// Filter is the set of fingerprints.
type Filter struct{ f filter }

func (f *Filter) Add(m [16]byte)      { f.f.add(m) }
func (f *Filter) Remove(m [16]byte)   { f.f.remove(m) }
func (f *Filter) Has(m [16]byte) bool { return f.f.has(m) }
func (f *Filter) Bytes() int          { return 4 * len(f.f.slots) }
