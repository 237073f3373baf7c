package wire

import "encoding/binary"

// Encoder is a structure that encodes itself behind b.
type Encoder interface{ Append(b []byte) []byte }

// Marshal returns the encoding of e.
func Marshal(e Encoder) []byte { return e.Append(nil) }

// MaxVector is the longest vector that section 2.1.2 can express.
const MaxVector = 1<<30 - 1

// AppendLength appends the header of a vector of n bytes, at most MaxVector.
func AppendLength(b []byte, n int) []byte {
	switch {
	case n < 1<<6:
		return append(b, byte(n))
	case n < 1<<14:
		return binary.BigEndian.AppendUint16(b, 1<<14|uint16(n))
	}
	return binary.BigEndian.AppendUint32(b, 2<<30|uint32(n))
}

// AppendOpaque appends opaque<V>.
func AppendOpaque[T ~[]byte | ~string](b []byte, v T) []byte {
	return append(AppendLength(b, len(v)), v...)
}

// AppendVector appends a vector whose elements are encoded by element.
func AppendVector[T any](b []byte, v []T, element func([]byte, T) []byte) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0) // room for the longest header
	for _, e := range v {
		b = element(b, e)
	}
	n := len(b) - start - 4
	if header := AppendLength(b[start:start], n); len(header) < 4 {
		copy(b[start+len(header):], b[start+4:])
		b = b[:start+len(header)+n]
	}
	return b
}

func appendEncoder[T Encoder](b []byte, e T) []byte { return e.Append(b) }

func appendUint16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }

func appendUint32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }
