package media

import (
	"crypto/cipher"
	"errors"
	"io"
)

// Reader reads a file's plaintext out of its blob. It decrypts and verifies
// the segments it needs and keeps the last one. It is not safe for concurrent
// use; make one for each reader.
type Reader struct {
	src   io.ReaderAt
	aead  cipher.AEAD
	size  int64 // of the plaintext
	total int64 // padded plaintext
	at    int64 // where Read goes on
	buf   []byte
	plain []byte // the segment kept, in buf
	kept  int64  // its index, -1 for none
}

// NewReader returns a reader of the blob src that p points to. A blob of
// another length shows when its end is read.
func NewReader(src io.ReaderAt, p *Pointer) (*Reader, error) {
	if p.Size < 0 || p.Size > MaxSize {
		return nil, ErrMalformed
	}
	return &Reader{src: src, aead: newAEAD(p.Key), size: p.Size, total: padded(p.Size), kept: -1,
		buf: make([]byte, SegmentSize+Overhead)}, nil
}

// Size returns the plaintext's length in bytes.
func (r *Reader) Size() int64 { return r.size }

// Read implements io.Reader. A segment that does not verify is [ErrForged].
func (r *Reader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := r.some(b, r.at)
	r.at += int64(n)
	return n, err
}

// ReadAt implements io.ReaderAt, but not for concurrent use.
func (r *Reader) ReadAt(b []byte, at int64) (int, error) {
	if at < 0 {
		return 0, errors.New("media: negative offset")
	}
	n := 0
	for n < len(b) {
		m, err := r.some(b[n:], at+int64(n))
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Seek implements io.Seeker.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	case io.SeekStart:
	default:
		return 0, errors.New("media: unknown whence")
	}
	if offset < 0 {
		return 0, errors.New("media: negative offset")
	}
	r.at = offset
	return offset, nil
}

// some reads what one segment has of the plaintext from at on.
func (r *Reader) some(b []byte, at int64) (int, error) {
	if at >= r.size {
		return 0, io.EOF
	}
	if err := r.load(at / SegmentSize); err != nil {
		return 0, err
	}
	from := at % SegmentSize
	return copy(b, r.plain[from:min(int64(len(r.plain)), from+r.size-at)]), nil
}

// load decrypts segment i.
func (r *Reader) load(i int64) error {
	if r.kept == i {
		return nil
	}
	r.kept = -1
	length := min(r.total-i*SegmentSize, SegmentSize)
	sealed := r.buf[:length+Overhead]
	if err := readAt(r.src, sealed, i*(SegmentSize+Overhead)); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return ErrForged // cut short
		}
		return err
	}
	n := nonce(uint64(i), (i+1)*SegmentSize >= r.total)
	plain, err := r.aead.Open(sealed[:0], n[:], sealed, nil)
	if err != nil {
		return ErrForged
	}
	r.plain, r.kept = plain, i
	return nil
}

func ignoreEOF(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
