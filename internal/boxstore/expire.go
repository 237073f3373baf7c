package boxstore

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
)

// Expire destroys the days before today, a number of days since 1970: keys
// first, then everything else. After an error it is to be called again; what
// it took up is not served any more, either way.
func (s *Store) Expire(today uint32) error {
	s.work.Lock()
	defer s.work.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	var over, left []*day
	for _, d := range s.days {
		if d.number < today {
			over = append(over, d)
		} else {
			left = append(left, d)
		}
	}
	s.days = left
	paths := s.dying
	s.dying = nil
	s.mu.Unlock()

	for _, d := range over {
		// The key goes before the file is closed: whatever happens between, the
		// day is over. Readers that are still at it finish first.
		d.mu.Lock()
		d.state = ended
		d.mu.Unlock()
		// An error comes again below, where it counts.
		_ = destroyKeyFile(d.path)
		_ = d.end()
		s.blobs.Add(-d.blobs.Load())
		paths = append(paths, d.path)
	}
	paths = append(paths, s.asideBefore(today)...)
	slices.Sort(paths)
	var all error
	var failed []string
	for _, path := range slices.Compact(paths) {
		if err := destroy(path); err != nil {
			all = errors.Join(all, diskError(err))
			failed = append(failed, path)
		}
	}
	s.mu.Lock()
	s.dying = failed
	s.aside = s.asideSize()
	s.mu.Unlock()
	return all
}

// asideBefore lists directories set aside that expired before a day.
func (s *Store) asideBefore(today uint32) (paths []string) {
	s.eachAside(func(path string, number uint32) {
		if number < today {
			paths = append(paths, path)
		}
	})
	return paths
}

// asideSize counts what days set aside take: boxes are returned, blobs kept.
func (s *Store) asideSize() (boxes int64) {
	blobs := int64(0)
	s.eachAside(func(path string, _ uint32) {
		boxes += directorySize(path)
		blobs += directorySize(filepath.Join(path, blobsName))
	})
	s.asideBlobs.Store(blobs)
	return boxes
}

func (s *Store) eachAside(visit func(path string, number uint32)) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return // the next Expire or Open sees them
	}
	for _, e := range entries {
		path := filepath.Join(s.dir, e.Name())
		if number, ok := dayOf(e.Name()); ok {
			if _, err := os.Lstat(filepath.Join(path, asideName)); err == nil {
				visit(path, number)
			}
		}
	}
}

// destroy ends a day's directory for good: the key is overwritten and removed,
// then the rest, then the removal is made durable. Nobody may use it any more.
func destroy(path string) error {
	if err := destroyKeyFile(path); err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
