package boxstore

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// Errors about blobs.
var (
	// ErrNoBlob reports a blob that is not there, or not readable, or expired.
	ErrNoBlob = errors.New("boxstore: no such blob")
	// ErrContent reports a blob whose content is not what its id says, or not as
	// long as was said: the uploader's fault.
	ErrContent = errors.New("boxstore: the blob's content is not the one of its id")
	// ErrHeld reports a blob that is there already; the first one stays.
	ErrHeld = errors.New("boxstore: the blob is there already")
)

// BlobInfo is what a relay keeps of a blob beside its content.
type BlobInfo struct {
	ID   [32]byte // SHA-256 of the content
	Hour uint32   // the last one it is kept for, hours since 1970
	Key  [32]byte // capabilities are minted under it
	Size int64    // bytes, 1 to MaxBlob
}

const hoursPerDay = 24

// day is the one on which a blob expires.
func (i *BlobInfo) day() uint32 { return i.Hour / hoursPerDay }

const (
	blobsName    = "blobs"
	labelBlobs   = "kith v1 boxstore blobs"
	infoSize     = 32 + 4 + 32 + 8
	sealedInfo   = nonceSize + infoSize + tagSize
	blobSegment  = 64 << 10
	sealedExtra  = nonceSize + tagSize
	infoPosition = ^uint32(0) // the place of the info among segments
)

// blobName is what a day calls a blob.
func (k *keys) blobName(id [32]byte) mark {
	h := hmac.New(sha256.New, k.blobs)
	h.Write(id[:])
	var sum [sha256.Size]byte
	return mark(h.Sum(sum[:0])[:markSize])
}

// sealPart seals a part of a blob for its place.
func (k *keys) sealPart(dst []byte, name mark, place uint32, plain []byte) []byte {
	return k.sealFor(dst, plain, binary.BigEndian.AppendUint32(k.bound(name), place))
}

func (k *keys) openPart(name mark, place uint32, sealed []byte) ([]byte, error) {
	return k.openFor(sealed, binary.BigEndian.AppendUint32(k.bound(name), place))
}

func (i *BlobInfo) encode() []byte {
	b := append(make([]byte, 0, infoSize), i.ID[:]...)
	b = binary.BigEndian.AppendUint32(b, i.Hour)
	b = append(b, i.Key[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(i.Size))
}

func decodeInfo(b []byte) (i BlobInfo, ok bool) {
	if len(b) != infoSize {
		return i, false
	}
	i = BlobInfo{ID: [32]byte(b), Hour: binary.BigEndian.Uint32(b[32:]), Key: [32]byte(b[36:]), Size: int64(binary.BigEndian.Uint64(b[68:]))}
	return i, i.Size >= 1 && i.Size <= MaxBlob
}

// blobBytes is what a blob of a size takes of the disk and counts against the cap.
func blobBytes(size int64) int64 {
	const block = 4096
	parts := (size + blobSegment - 1) / blobSegment
	return (sealedInfo + size + parts*sealedExtra + block - 1) / block * block
}

// blobPath is where a day has a blob.
func (d *day) blobPath(name mark) string {
	return filepath.Join(d.path, blobsName, hex.EncodeToString(name[:]))
}

// PutBlob keeps a blob until the end of its hour: what content gives, which must
// be of the size and hash that info says. It is durable when PutBlob returns nil.
// Errors: [ErrContent], [ErrHeld], [ErrCap], [ErrFull], the reader's, or the
// disk's. Callers check the hour and who may.
func (s *Store) PutBlob(info BlobInfo, content io.Reader) error {
	if info.Size < 1 || info.Size > MaxBlob {
		return ErrContent
	}
	bytes := blobBytes(info.Size)
	if s.blobs.Add(bytes)+s.asideBlobs.Load() > s.options.BlobCap {
		s.blobs.Add(-bytes)
		return ErrCap
	}
	if b, err := s.FindBlob(info.ID, 0); err == nil {
		s.blobs.Add(-bytes)
		return errors.Join(b.Close(), heldAlready(info, content))
	}
	kept, err := s.putBlob(info, content)
	if !kept {
		s.blobs.Add(-bytes)
	}
	return err
}

// heldAlready tells only who has the content that it is here.
func heldAlready(info BlobInfo, content io.Reader) error {
	hash := sha256.New()
	n, err := io.Copy(hash, io.LimitReader(content, info.Size+1))
	switch {
	case err != nil:
		return err
	case n != info.Size || [32]byte(hash.Sum(nil)) != info.ID:
		return ErrContent
	}
	return ErrHeld
}

// putBlob reports whether the blob is there, which it may be after an error, too.
func (s *Store) putBlob(info BlobInfo, content io.Reader) (kept bool, err error) {
	s.work.Lock()
	d, err := s.day(info.day(), true)
	s.work.Unlock()
	if err != nil {
		return false, diskError(err)
	}
	dir := filepath.Join(d.path, blobsName)
	if err := os.Mkdir(dir, 0o700); err == nil {
		if err := syncDir(d.path); err != nil {
			return false, diskError(err)
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return false, diskError(err)
	}
	f, err := os.CreateTemp(dir, prefixNew+"*") // mode 0600
	if err != nil {
		return false, diskError(err)
	}
	defer os.Remove(f.Name()) // nothing has that name when all went well
	err = d.writeBlob(f, info, content)
	if err == nil {
		err = diskError(f.Sync())
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return false, err
	}
	if err := s.publish(d, f.Name(), d.blobPath(d.keys.blobName(info.ID)), blobBytes(info.Size)); err != nil {
		return false, err
	}
	return true, diskError(syncDir(dir))
}

// publish gives a whole blob its name and counts it, unless its day is over. Of
// two that come at once the first stays.
func (s *Store) publish(d *day, from, path string, bytes int64) error {
	s.work.Lock()
	defer s.work.Unlock()
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.state != serving {
		return errUnavailable
	}
	if _, err := os.Lstat(path); err == nil {
		return ErrHeld
	}
	if err := os.Rename(from, path); err != nil {
		return diskError(err)
	}
	d.blobs.Add(bytes)
	return nil
}

// writeBlob seals a blob into a file.
func (d *day) writeBlob(f *os.File, info BlobInfo, content io.Reader) error {
	name := d.keys.blobName(info.ID)
	if _, err := f.Write(d.keys.sealPart(nil, name, infoPosition, info.encode())); err != nil {
		return diskError(err)
	}
	hash := sha256.New()
	plain, sealed := make([]byte, blobSegment), make([]byte, 0, blobSegment+sealedExtra)
	left := info.Size
	for place := uint32(0); left > 0; place++ {
		part := plain[:min(left, blobSegment)]
		if _, err := io.ReadFull(content, part); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return ErrContent
		} else if err != nil {
			return err
		}
		hash.Write(part)
		left -= int64(len(part))
		if _, err := f.Write(d.keys.sealPart(sealed[:0], name, place, part)); err != nil {
			return diskError(err)
		}
	}
	if n, _ := content.Read(plain[:1]); n > 0 || [32]byte(hash.Sum(nil)) != info.ID {
		return ErrContent
	}
	return nil
}

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
	file  *os.File
	keys  *keys
	name  mark
	size  int64
	part  uint32
	plain []byte
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
	sealed := make([]byte, min(r.size-start, blobSegment)+sealedExtra)
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

// DeleteBlob removes a blob, durably. [ErrNoBlob]: there was none.
func (s *Store) DeleteBlob(id [32]byte) error {
	days, err := s.snapshot()
	if err != nil {
		return err
	}
	for _, d := range days {
		b := d.findBlob(id)
		if b == nil {
			continue
		}
		b.Close()
		path := d.blobPath(d.keys.blobName(id))
		if err := s.removeBlob(d, path, blobBytes(b.Info.Size)); err != nil {
			return err
		}
		return diskError(syncDir(filepath.Dir(path)))
	}
	return ErrNoBlob
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

// BlobUsage returns what blobs take of the disk, and their cap, in bytes.
func (s *Store) BlobUsage() (bytes, limit int64) {
	return s.blobs.Load() + s.asideBlobs.Load(), s.options.BlobCap
}

// countBlobs counts a day's blobs and removes what was not finished.
func (d *day) countBlobs() error {
	dir := filepath.Join(d.path, blobsName)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	total := int64(0)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefixNew) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		total += (info.Size() + 4095) / 4096 * 4096
	}
	d.blobs.Store(total)
	return nil
}

// blobCount is what a day's or a store's blobs take.
type blobCount = atomic.Int64
