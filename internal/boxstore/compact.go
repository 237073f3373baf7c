package boxstore

import (
	"errors"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// compactIfNeeded writes the emptiest day's file anew when the files take more
// than the cap. bbolt never gives pages back by itself.
func (s *Store) compactIfNeeded() {
	days, err := s.snapshot()
	if err != nil {
		return
	}
	total := int64(0)
	var emptiest *day
	var share int64
	for _, d := range days {
		t := d.count()
		total += t.pages
		if t.pages > 0 && t.free*100/t.pages > share {
			emptiest, share = d, t.free*100/t.pages
		}
	}
	if total <= s.options.Cap || share < compactShare {
		return
	}
	// Failing costs disk and nothing else; the next commit tries again.
	if err := emptiest.compact(); errors.Is(err, errDamaged) {
		s.setAside(emptiest)
	}
}

// compact copies what is alive into a new file and puts it in the old one's
// place. The caller is the only writer.
func (d *day) compact() error {
	d.mu.RLock()
	old := d.db
	d.mu.RUnlock()
	if old == nil {
		return errUnavailable
	}
	if err := d.copyTo(old); err != nil {
		return errors.Join(err, os.Remove(filepath.Join(d.path, newFileName)))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	closeFile(old)
	d.db = nil
	// Either name leads to a whole file with the same records.
	err := os.Rename(filepath.Join(d.path, newFileName), filepath.Join(d.path, fileName))
	return errors.Join(err, syncDir(d.path), d.attach())
}

func (d *day) copyTo(old *bbolt.DB) error {
	fresh, err := d.openFile(newFileName)
	if err != nil {
		return err
	}
	err = guard(func() error { return bbolt.Compact(fresh, old, compactStep) })
	return errors.Join(err, fresh.Close())
}
