package boxstore

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// Errors about blobs.
var (
	// ErrNoBlob reports a blob that is not there, or not readable, or expired.
	ErrNoBlob = errors.New("boxstore: no such blob")
	// ErrContent reports a blob whose content is not what its id says, or not as
	// long as was said: the uploader's fault.
	ErrContent = errors.New("boxstore: the blob's content is not the one of its id")
	// ErrHeld reports a blob that is there already under another key; it stays.
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

// openPart opens a part in place.
func (k *keys) openPart(name mark, place uint32, sealed []byte) ([]byte, error) {
	return k.openFor(sealed[nonceSize:nonceSize], sealed, binary.BigEndian.AppendUint32(k.bound(name), place))
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

// blobBytes is what a blob of a size counts against the cap: what it takes of the
// disk, and not less than would keep the number of files bounded.
func blobBytes(size int64) int64 {
	parts := (size + blobSegment - 1) / blobSegment
	return countFile(sealedInfo + size + parts*sealedExtra)
}

func countFile(size int64) int64 {
	const block = 4096
	return max((size+block-1)/block*block, leastBlob)
}

// blobPath is where a day has a blob.
func (d *day) blobPath(name mark) string {
	return filepath.Join(d.path, blobsName, hex.EncodeToString(name[:]))
}

// PutBlob keeps a blob until the end of its hour: what content gives, which must
// be of the size and hash that info says. It is durable when PutBlob returns nil.
// A blob that is there already under the same key is success; the later of the two
// hours holds. One that expired before now, hours since 1970, is not there.
// Errors: [ErrContent], [ErrHeld], [ErrCap], [ErrFull], the reader's, or the
// disk's. Callers check the hour and who may.
func (s *Store) PutBlob(info BlobInfo, now uint32, content io.Reader) error {
	if info.Size < 1 || info.Size > MaxBlob {
		return ErrContent
	}
	bytes := blobBytes(info.Size)
	if s.blobs.Add(bytes)+s.asideBlobs.Load() > s.options.BlobCap {
		s.blobs.Add(-bytes)
		return ErrCap
	}
	if b, err := s.FindBlob(info.ID, now); err == nil {
		verdict, known := b.Info.against(&info)
		if err := b.Close(); err != nil || known {
			s.blobs.Add(-bytes)
			return errors.Join(diskError(err), heldAlready(info, content, verdict))
		}
	}
	added, err := s.putBlob(info, now, content)
	if !added {
		s.blobs.Add(-bytes)
	}
	return err
}

// against says what another upload of a live blob is answered; false: it is to be
// kept, since its key is the same and its hour later.
func (i *BlobInfo) against(upload *BlobInfo) (verdict error, known bool) {
	if subtle.ConstantTimeCompare(i.Key[:], upload.Key[:]) != 1 {
		return ErrHeld, true
	}
	return nil, i.Hour >= upload.Hour
}

// heldAlready gives its verdict only to who has the content.
func heldAlready(info BlobInfo, content io.Reader, verdict error) error {
	hash := sha256.New()
	n, err := io.Copy(hash, io.LimitReader(content, info.Size+1))
	switch {
	case err != nil:
		return err
	case n != info.Size || [32]byte(hash.Sum(nil)) != info.ID:
		return ErrContent
	}
	return verdict
}

// putBlob reports whether there is one more file, which there may be after an
// error, too.
func (s *Store) putBlob(info BlobInfo, now uint32, content io.Reader) (added bool, err error) {
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
	temp := filepath.Join(dir, prefixNew+rand.Text())
	f, err := s.options.open(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, diskError(err)
	}
	defer os.Remove(temp) // nothing has that name when all went well
	err = d.writeBlob(f, info, content)
	if err == nil {
		err = diskError(f.Sync())
	}
	if err := errors.Join(err, diskError(f.Close())); err != nil {
		return false, err
	}
	if err := forgetTimes(temp, info.day()); err != nil {
		return false, diskError(err)
	}
	if added, err = s.publish(d, temp, info, now); err != nil {
		return false, err
	}
	return added, diskError(syncDir(dir))
}

// forgetTimes gives a file the times that every file of its day has: nothing about
// when it came. The time of access is ahead, so that the system does not think it
// worth updating when the file is read.
func forgetTimes(path string, day uint32) error {
	return os.Chtimes(path, time.Unix(int64(day+2)*24*60*60, 0), time.Unix(0, 0))
}

// publish gives a whole blob its name and counts it, unless its day is over. It
// takes the place of one of the same day that expired, or whose hour it extends;
// else, of two that come at once, the first stays.
func (s *Store) publish(d *day, temp string, info BlobInfo, now uint32) (added bool, err error) {
	s.work.Lock()
	defer s.work.Unlock()
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.state != serving {
		return false, errUnavailable
	}
	path := d.blobPath(d.keys.blobName(info.ID))
	_, err = os.Lstat(path)
	replaces := err == nil
	if b := d.findBlob(info.ID); b != nil {
		b.Close()
		if verdict, known := b.Info.against(&info); known && b.Info.Hour >= now {
			return false, verdict
		}
	}
	if err := os.Rename(temp, path); err != nil {
		return false, diskError(err)
	}
	if replaces {
		return false, nil // of the same size: it is the same content
	}
	d.blobs.Add(blobBytes(info.Size))
	return true, nil
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
	if n, _ := io.ReadFull(content, plain[:1]); n > 0 || [32]byte(hash.Sum(nil)) != info.ID {
		return ErrContent
	}
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
		total += countFile(info.Size())
	}
	d.blobs.Store(total)
	return nil
}

// blobCount is what a day's or a store's blobs take.
type blobCount = atomic.Int64
