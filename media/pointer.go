package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// Errors that callers tell apart.
var (
	// ErrMalformed means bytes that are no valid encoding. The sender's fault.
	ErrMalformed = errors.New("media: malformed")
	// ErrForged means a chunk, proof or segment that does not belong where it
	// is. Whoever gave it is at fault; it tells no more.
	ErrForged = errors.New("media: does not verify")
	// ErrTooLarge means a file beyond [MaxSize].
	ErrTooLarge = errors.New("media: file too large")
	// ErrIncomplete means that chunks are still missing.
	ErrIncomplete = errors.New("media: chunks are missing")
)

const pointerVersion = 1

// Pointer is all that is needed to fetch and read a file. It holds the key:
// whoever has it can read the file. Treat as read-only.
type Pointer struct {
	Key    [32]byte // AES-256 key of this file alone
	Root   [32]byte // root of the hash tree over the chunks
	SHA256 [32]byte // of the plaintext, for people to compare
	Size   int64    // of the plaintext in bytes, 0 to MaxSize
}

// Ref returns what may be told to whoever stores or gives chunks.
func (p *Pointer) Ref() Ref { return Ref{Root: p.Root, Length: storedLength(p.Size)} }

// String names the pointer without its secrets.
func (p Pointer) String() string { return fmt.Sprintf("media.Pointer(%d bytes)", p.Size) }

// GoString is String: a key does not land in a log by %#v.
func (p Pointer) GoString() string { return p.String() }

// Format is String whatever the verb.
func (p Pointer) Format(f fmt.State, _ rune) { io.WriteString(f, p.String()) }

// MarshalText fails always, so that no key lands in JSON either.
func (p Pointer) MarshalText() ([]byte, error) {
	return nil, errors.New("media: a pointer is secret and has no text form")
}

// AppendBinary appends the encoding, [PointerSize] bytes. It fails with
// [ErrMalformed] when Size is out of range. Spec: media.md 5.
func (p *Pointer) AppendBinary(b []byte) ([]byte, error) {
	if p.Size < 0 || p.Size > MaxSize {
		return nil, ErrMalformed
	}
	b = append(b, pointerVersion)
	b = append(b, p.Key[:]...)
	b = append(b, p.Root[:]...)
	b = append(b, p.SHA256[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(p.Size)), nil
}

// ParsePointer reads exactly what [Pointer.AppendBinary] writes; anything else
// is [ErrMalformed].
func ParsePointer(b []byte) (*Pointer, error) {
	if len(b) != PointerSize || b[0] != pointerVersion {
		return nil, ErrMalformed
	}
	size := binary.BigEndian.Uint64(b[97:])
	if size > MaxSize {
		return nil, ErrMalformed
	}
	return &Pointer{Key: [32]byte(b[1:33]), Root: [32]byte(b[33:65]), SHA256: [32]byte(b[65:97]), Size: int64(size)}, nil
}

// Ref names a blob, the encrypted file, without its key.
type Ref struct {
	Root   [32]byte
	Length int64 // of the ciphertext in bytes
}

// RefOf returns the ref of a stored blob of the given length. It fails with
// [ErrMalformed] for a length no file has.
func RefOf(root [32]byte, length int64) (Ref, error) {
	if length <= 0 || length > storedLength(MaxSize) {
		return Ref{}, ErrMalformed
	}
	const sealed = SegmentSize + Overhead
	plain := length - (length+sealed-1)/sealed*Overhead
	if storedLength(plain) != length { // not padded, or padded otherwise
		return Ref{}, ErrMalformed
	}
	return Ref{Root: root, Length: length}, nil
}

// Chunks returns how many chunks the blob has, at least one.
func (r Ref) Chunks() uint64 { return uint64((r.Length + ChunkSize - 1) / ChunkSize) }

// ChunkLength returns the size of chunk i in bytes, zero when there is none.
func (r Ref) ChunkLength(i uint64) int {
	n := r.Chunks()
	switch {
	case i >= n: // first: i may be anything, i+1 then zero
		return 0
	case i == n-1:
		return int(r.Length - int64(i)*ChunkSize)
	}
	return ChunkSize
}

// padded returns the length to which size bytes of plaintext are padded with
// zeros: Padmé (Nikitin et al., PETS 2019, section 4), at least [MinPadded].
// It grows a file by at most 12 %, a large one by less.
func padded(size int64) int64 {
	if size <= MinPadded {
		return MinPadded
	}
	e := bits.Len64(uint64(size)) - 1 // floor(log2 size)
	s := bits.Len(uint(e))            // floor(log2 e) + 1
	mask := int64(1)<<(e-s) - 1
	return (size + mask) &^ mask
}

// segments returns how many segments a plaintext of n padded bytes has.
func segments(n int64) int64 { return (n + SegmentSize - 1) / SegmentSize }

// storedLength returns the ciphertext length of a file of size bytes.
func storedLength(size int64) int64 {
	p := padded(size)
	return p + segments(p)*Overhead
}
