package boxstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Blob is a blob that is read. It is an [io.ReadSeeker] of its content, which is
// authenticated part by part. Close it. Not safe for concurrent use.
type Blob struct {
	Info BlobInfo
	*io.SectionReader
	reader *blobReader
}

// Close closes the blob's file.
func (b *Blob) Close() error { return b.reader.file.Close() }

// FindBlob opens a blob that has not expired at an hour, hours since 1970. All
// that can be wrong is [ErrNoBlob], and takes about the same time.
func (s *Store) FindBlob(id [32]byte, hour uint32) (*Blob, error) {
	days, err := s.snapshot()
	if err != nil {
		return nil, err
	}
	for _, d := range slices.Backward(days) {
		if b := d.findBlob(id); b != nil && b.Info.Hour >= hour {
			return b, nil
		} else if b != nil {
			b.Close()
		}
	}
	return nil, ErrNoBlob
}

func (d *day) findBlob(id [32]byte) *Blob {
	name := d.keys.blobName(id)
	f, err := os.Open(d.blobPath(name))
	if err != nil {
		return nil
	}
	sealed := make([]byte, sealedInfo)
	if _, err := f.ReadAt(sealed, 0); err == nil {
		if plain, err := d.keys.openPart(name, infoPosition, sealed); err == nil {
			if info, ok := decodeInfo(plain); ok && info.ID == id && info.day() == d.number {
				r := &blobReader{file: f, keys: d.keys, name: name, size: info.Size, part: infoPosition}
				return &Blob{info, io.NewSectionReader(r, 0, info.Size), r}
			}
		}
	}
	f.Close()
	return nil
}

// blobReader opens a blob's parts as they are asked for, and keeps the last one.
type blobReader struct {
	file   *os.File
	keys   *keys
	name   mark
	size   int64
	part   uint32
	sealed []byte // the last part, opened in place
	plain  []byte
}

func (r *blobReader) ReadAt(b []byte, at int64) (n int, err error) {
	for n < len(b) {
		if at >= r.size {
			return n, io.EOF
		}
		if err := r.load(uint32(at / blobSegment)); err != nil {
			return n, err
		}
		m := copy(b[n:], r.plain[at%blobSegment:])
		n, at = n+m, at+int64(m)
	}
	return n, nil
}

func (r *blobReader) load(part uint32) error {
	if part == r.part {
		return nil
	}
	start := int64(part) * blobSegment
	if r.sealed == nil {
		r.sealed = make([]byte, min(r.size, blobSegment)+sealedExtra)
	}
	r.part = infoPosition // the buffer is the last part's
	sealed := r.sealed[:min(r.size-start, blobSegment)+sealedExtra]
	if _, err := r.file.ReadAt(sealed, sealedInfo+start+int64(part)*sealedExtra); err != nil {
		return diskError(err)
	}
	plain, err := r.keys.openPart(r.name, part, sealed)
	if err != nil {
		return fmt.Errorf("boxstore: a blob is %w", err)
	}
	r.part, r.plain = part, plain
	return nil
}

// DeleteBlob removes a blob from every day that has it, durably. [ErrNoBlob]: none
// had.
func (s *Store) DeleteBlob(id [32]byte) error {
	days, err := s.snapshot()
	if err != nil {
		return err
	}
	result := ErrNoBlob
	for _, d := range days {
		b := d.findBlob(id)
		if b == nil {
			continue
		}
		b.Close()
		path := d.blobPath(d.keys.blobName(id))
		err := s.removeBlob(d, path, blobBytes(b.Info.Size))
		if err == nil {
			err = diskError(syncDir(filepath.Dir(path)))
		}
		if err == nil && result == ErrNoBlob {
			result = nil
		} else if err != nil && err != ErrNoBlob {
			result = err
		}
	}
	return result
}

func (s *Store) removeBlob(d *day, path string, bytes int64) error {
	s.work.Lock()
	defer s.work.Unlock()
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.state != serving {
		return ErrNoBlob
	}
	if err := os.Remove(path); errors.Is(err, fs.ErrNotExist) {
		return ErrNoBlob // somebody else did at the same time
	} else if err != nil {
		return diskError(err)
	}
	d.blobs.Add(-bytes)
	s.blobs.Add(-bytes)
	return nil
}
