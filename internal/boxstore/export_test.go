package boxstore

import (
	"os"
	"path/filepath"
)

// WithOpener makes bbolt open its files by a test's function.
func WithOpener(o Options, open func(string, int, os.FileMode) (*os.File, error)) Options {
	o.open = open
	return o
}

// CheckFile checks the skeleton of a day's file.
func CheckFile(dir string) error {
	f, err := os.Open(filepath.Join(dir, fileName))
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	return checkFile(f, st.Size())
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
