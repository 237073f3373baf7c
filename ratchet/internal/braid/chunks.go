package braid

import (
	"encoding/binary"

	"kith/ratchet/internal/erasure"
)

// storedChunk is a chunk as it is kept until enough have come: number and data.
const storedChunk = 2 + erasure.ChunkSize

// collect keeps what a message of type a or b brings, and returns the whole
// piece once enough chunks are there. What is beyond that, or there already, is ignored.
func (s *State) collect(m *Message, a, b Type) []byte {
	if m.Type != a && m.Type != b {
		return nil
	}
	need := a.size() / erasure.ChunkSize
	in := make([]byte, len(s.in), min(len(s.in)+m.Count*storedChunk, need*storedChunk))
	copy(in, s.in)
	number := m.First
	for i := 0; i < m.Count && len(in) < need*storedChunk; i, number = i+1, after(number) {
		if stored(in, number) {
			continue
		}
		in = binary.BigEndian.AppendUint16(in, number)
		in = append(in, m.Chunks[i*erasure.ChunkSize:(i+1)*erasure.ChunkSize]...)
	}
	if len(in) < need*storedChunk {
		s.in = in
		return nil
	}
	s.in = nil
	return decode(in, a.size())
}

// after is the number of the chunk that follows. A peer may use any numbers.
func after(number uint16) uint16 {
	if number == Numbers-1 {
		return 0
	}
	return number + 1
}

func stored(in []byte, number uint16) bool {
	for ; len(in) > 0; in = in[storedChunk:] {
		if binary.BigEndian.Uint16(in) == number {
			return true
		}
	}
	return false
}

func decode(in []byte, size int) []byte {
	indices := make([]uint16, 0, needed)
	chunks := make([]byte, 0, size)
	for ; len(in) > 0; in = in[storedChunk:] {
		indices = append(indices, binary.BigEndian.Uint16(in))
		chunks = append(chunks, in[2:storedChunk]...)
	}
	whole, err := erasure.Decode(size, indices, chunks)
	if err != nil {
		panic("braid: distinct chunks refused: " + err.Error())
	}
	return whole
}
