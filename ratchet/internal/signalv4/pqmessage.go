package signalv4

import (
	"encoding/binary"
	"math"
)

// PQType says what the chunk of an SPQR message belongs to.
type PQType uint8

// The types of version 1.
const (
	PQNone      PQType = iota
	PQHeader           // a chunk of the header of an encapsulation key
	PQVector           // a chunk of its vector
	PQVectorAck        // the same, and the first part of the ciphertext is complete
	PQAck              // no chunk: the first part of the ciphertext is complete
	PQFirst            // a chunk of the first part of the ciphertext
	PQSecond           // a chunk of its second part
)

const (
	pqVersion = 1
	chunkSize = 32
)

func (t PQType) hasChunk() bool { return t != PQNone && t != PQAck }

// PQMessage is an SPQR message of version 1.
type PQMessage struct {
	Epoch      uint64 // of the braid's state, from 1
	Index      uint32 // of the key in its chain; 0 stands for no key
	Type       PQType
	ChunkIndex uint16
	Chunk      [chunkSize]byte // zero in types without a chunk, as ChunkIndex is
}

// Append appends the message.
func (m *PQMessage) Append(b []byte) []byte {
	b = append(b, pqVersion)
	b = binary.AppendUvarint(b, m.Epoch)
	b = binary.AppendUvarint(b, uint64(m.Index))
	b = append(b, byte(m.Type))
	if m.Type.hasChunk() {
		b = binary.AppendUvarint(b, uint64(m.ChunkIndex))
		b = append(b, m.Chunk[:]...)
	}
	return b
}

// ParsePQMessage reads an SPQR message of version 1. The error is ErrFormat.
func ParsePQMessage(b []byte) (m PQMessage, err error) {
	r := pqReader{b: b}
	version := r.byte()
	m.Epoch = r.uvarint(math.MaxUint64)
	m.Index = uint32(r.uvarint(math.MaxUint32))
	m.Type = PQType(r.byte())
	if m.Type.hasChunk() {
		m.ChunkIndex = uint16(r.uvarint(math.MaxUint16))
		if len(r.b) != chunkSize {
			return PQMessage{}, ErrFormat
		}
		r.b = r.b[copy(m.Chunk[:], r.b):]
	}
	if r.bad || len(r.b) > 0 || version != pqVersion || m.Epoch == 0 || m.Type > PQSecond {
		return PQMessage{}, ErrFormat
	}
	return m, nil
}

type pqReader struct {
	b   []byte
	bad bool
}

func (r *pqReader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

// uvarint reads a number in its shortest form.
func (r *pqReader) uvarint(highest uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > highest || n > 1 && r.b[n-1] == 0 {
		r.bad = true
		r.b = nil
		return 0
	}
	r.b = r.b[n:]
	return v
}
