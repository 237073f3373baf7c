package wire

import (
	"encoding/binary"

	"kith/mls/internal/rule"
)

// Reader reads structures from the front of a byte string. The first error
// sticks: later reads return zero values, and Err and Done return it.
type Reader struct {
	rest []byte
	err  error
	left *int // elements of vectors that may follow; nil: any number
}

// NewReader returns a Reader of b, which somebody else may have made.
func NewReader(b []byte) *Reader { return &Reader{rest: b, left: new(MaxMessageElements)} }

// NewStateReader returns a Reader of what this package stored: it may hold more
// elements than a message.
func NewStateReader(b []byte) *Reader { return &Reader{rest: b} }

// Err returns the first error, or nil.
func (r *Reader) Err() error { return r.err }

// Len returns how many bytes are left.
func (r *Reader) Len() int { return len(r.rest) }

// Rest returns what is left, and leaves nothing.
func (r *Reader) Rest() []byte { return r.bytes(len(r.rest)) }

// Done returns the first error; bytes left over are one.
func (r *Reader) Done() error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail(rule.Encoding, "bytes left over")
	}
	return r.err
}

func (r *Reader) fail(id rule.ID, detail string) {
	if r.err == nil {
		r.err = rule.Breakf(id, "%s", detail)
	}
	r.rest = nil
}

// Fail makes the Reader fail: a value that was read cannot be.
func (r *Reader) Fail(detail string) { r.fail(rule.Encoding, detail) }

// Bool reads a byte that is 0 or 1.
func (r *Reader) Bool() bool { return r.optional() }

// Uint8 reads one byte.
func (r *Reader) Uint8() uint8 { return r.uint8() }

func (r *Reader) bytes(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.fail(rule.Encoding, "truncated")
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *Reader) uint8() uint8 {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint16 reads a big-endian number of two bytes.
func (r *Reader) Uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// Uint32 reads a big-endian number of four bytes.
func (r *Reader) Uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// Uint64 reads a big-endian number of eight bytes.
func (r *Reader) Uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Length reads the header of a variable-size vector (section 2.1.2), which must
// be of the shortest form. It does not look at what follows.
func (r *Reader) Length() int {
	first := r.uint8()
	n := int(first & 0x3f)
	switch first >> 6 {
	case 1:
		if n = n<<8 | int(r.uint8()); n < 1<<6 {
			r.fail(rule.Encoding, "length is not of the shortest form")
		}
	case 2:
		b := r.bytes(3)
		if b == nil {
			return 0
		}
		if n = n<<24 | int(b[0])<<16 | int(b[1])<<8 | int(b[2]); n < 1<<14 {
			r.fail(rule.Encoding, "length is not of the shortest form")
		}
	case 3:
		r.fail(rule.Encoding, "length of an invalid form")
	}
	if r.err != nil {
		return 0
	}
	return n
}

// Opaque reads opaque<V>. An empty one is nil.
func (r *Reader) Opaque() []byte {
	b := r.bytes(r.Length())
	if len(b) == 0 {
		return nil
	}
	return b
}

// sub returns a Reader of the next vector's content.
func (r *Reader) sub() *Reader {
	b := r.bytes(r.Length())
	return &Reader{rest: b, err: r.err, left: r.left}
}

// Small structures could make a message many times larger in memory than it is, so
// their number has bounds.
const (
	// MaxElements bounds the elements of one vector of structures.
	MaxElements = 1 << 18
	// MaxMessageElements bounds those of all vectors together, nested ones included.
	MaxMessageElements = 1 << 20
)

// Vector reads a vector whose elements are read by element.
func Vector[T any](r *Reader, element func(*Reader) T) []T {
	s := r.sub()
	var v []T
	for s.err == nil && len(s.rest) > 0 {
		if len(v) == MaxElements || s.left != nil && *s.left == 0 {
			s.fail(rule.TooLong, "too many elements")
			break
		}
		if s.left != nil {
			*s.left--
		}
		v = append(v, element(s))
	}
	if s.err != nil {
		r.rest, r.err = nil, s.err
		return nil
	}
	return v
}

// optional reads the presence byte of optional<T>: true if T follows.
func (r *Reader) optional() bool {
	switch r.uint8() {
	case 0:
		return false
	case 1:
		return r.err == nil
	}
	r.fail(rule.Encoding, "presence is neither 0 nor 1")
	return false
}
