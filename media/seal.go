package media

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
)

// File is where a blob or its tree lies: random access, both ways. *os.File is
// one. Writes to different places must be safe at once.
type File interface {
	io.ReaderAt
	io.WriterAt
}

// Sealer encrypts a file under a fresh key, chunk by chunk. It is not safe for
// concurrent use.
type Sealer struct {
	src     io.Reader
	aead    cipher.AEAD
	key     [32]byte
	sum     hash.Hash
	now     []byte // plaintext of the segment to seal next
	ahead   []byte // buffer for the one after it
	more    bool   // now is not the end of the source
	size    int64  // plaintext bytes read
	pad     int64  // zeros still to add after the source's end
	index   uint64
	nonce   [12]byte // of this segment; here, or each would be allocated
	began   bool
	ended   bool
	lastErr error
}

// NewSealer returns a sealer of everything src gives. When sum is not nil,
// every plaintext byte is written to it, in order, on the goroutine that calls
// Next; for speed hash the source on another goroutine instead.
func NewSealer(src io.Reader, sum hash.Hash) *Sealer {
	s := &Sealer{src: src, sum: sum, now: make([]byte, 0, SegmentSize), ahead: make([]byte, 0, SegmentSize)}
	rand.Read(s.key[:])
	s.aead = newAEAD(s.key)
	return s
}

func newAEAD(key [32]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("media: a 32-byte AES key was refused") // unreachable
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("media: AES has a 16-byte block") // unreachable
	}
	return aead
}

// nonce is the segment's index, three zero bytes and the final flag: no two
// segments of a file share one, and a file cannot be cut short unnoticed
// (Hoang et al., STREAM, CRYPTO 2015). Spec: media.md 2.
func nonce(index uint64, final bool) [12]byte {
	var n [12]byte
	binary.BigEndian.PutUint64(n[:], index)
	if final {
		n[11] = 1
	}
	return n
}

// Next seals the next chunk into buf, which must hold [ChunkSize] bytes, and
// returns the part of buf it fills. After the last chunk it returns io.EOF.
// Errors of the source are returned as they are, io.ErrNoProgress when it
// gives neither bytes nor an error; [ErrTooLarge] beyond [MaxSize]. After an
// error the sealer is of no use.
func (s *Sealer) Next(buf []byte) ([]byte, error) {
	if s.lastErr != nil {
		return nil, s.lastErr
	}
	if len(buf) < ChunkSize {
		return nil, io.ErrShortBuffer
	}
	chunk, err := s.next(buf[:0:ChunkSize])
	if err != nil {
		s.lastErr = err
	}
	return chunk, err
}

func (s *Sealer) next(chunk []byte) ([]byte, error) {
	if !s.began {
		s.began = true
		if err := s.read(); err != nil { // fills ahead
			return nil, err
		}
		if err := s.advance(); err != nil {
			return nil, err
		}
	}
	for range ChunkSegments {
		if s.ended {
			break
		}
		final := !s.more && s.pad == 0
		s.nonce = nonce(s.index, final)
		chunk = s.aead.Seal(chunk, s.nonce[:], s.now, nil)
		s.index++
		if s.ended = final; final {
			break
		}
		if err := s.advance(); err != nil {
			return nil, err
		}
	}
	if len(chunk) == 0 {
		return nil, io.EOF
	}
	return chunk, nil
}

// read fills ahead from the source; more tells whether it got anything.
func (s *Sealer) read() error {
	n, err := readSegmentOf(s.src, s.ahead[:SegmentSize])
	s.ahead = s.ahead[:n]
	if err != nil {
		return err
	}
	s.more = n > 0
	s.size += int64(n)
	if s.size > MaxSize {
		return ErrTooLarge
	}
	if s.sum != nil {
		s.sum.Write(s.ahead)
	}
	return nil
}

// readSegmentOf fills b up to the end of src. It is not io.ReadFull, after
// which nobody can tell a source that ended from one that broke off with
// io.ErrUnexpectedEOF.
func readSegmentOf(src io.Reader, b []byte) (n int, err error) {
	for empty := 0; n < len(b); {
		m, err := src.Read(b[n:])
		n += m
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if empty++; m > 0 {
			empty = 0
		}
		if empty == maxEmptyReads {
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}

// advance makes the next segment: what was read ahead, then zeros up to the
// padded length.
func (s *Sealer) advance() error {
	if s.more {
		s.now, s.ahead = s.ahead, s.now
		full := len(s.now) == SegmentSize
		s.more = false
		s.ahead = s.ahead[:0]
		if full {
			if err := s.read(); err != nil {
				return err
			}
		}
		if !s.more {
			s.pad = padded(s.size) - s.size
			s.fill(len(s.now))
		}
		return nil
	}
	if s.index == 0 {
		s.pad = padded(s.size) - s.size // an empty file
	}
	s.fill(0)
	return nil
}

// fill adds zeros to the segment after its first n bytes.
func (s *Sealer) fill(n int) {
	add := min(s.pad, int64(SegmentSize-n))
	s.now = s.now[:n+int(add)]
	clear(s.now[n:])
	s.pad -= add
}

// Pointer returns the pointer once Next has returned io.EOF, given the root of
// the tree over the chunks and the plaintext's SHA-256.
func (s *Sealer) Pointer(root, sum [32]byte) *Pointer {
	return &Pointer{Key: s.key, Root: root, SHA256: sum, Size: s.size}
}

// Encrypt seals all of src into dst and its hash tree into tree, one step
// after another on the caller's goroutine. Errors are those of the arguments,
// or [ErrTooLarge].
func Encrypt(dst io.Writer, tree File, src io.Reader) (*Pointer, error) {
	sum := sha256.New()
	s := NewSealer(src, sum)
	buf := make([]byte, ChunkSize)
	var n uint64
	for {
		chunk, err := s.Next(buf)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if _, err := dst.Write(chunk); err != nil {
			return nil, err
		}
		if err := PutLeaf(tree, n, Leaf(chunk)); err != nil {
			return nil, err
		}
		n++
	}
	root, err := BuildTree(tree, n)
	if err != nil {
		return nil, err
	}
	return s.Pointer(root, [32]byte(sum.Sum(nil))), nil
}
