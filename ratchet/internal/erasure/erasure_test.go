package erasure_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	. "kith/ratchet/internal/erasure"
)

// The reference: the definition, one element at a time.

func mul(a, b uint16) uint16 {
	var p uint32
	for i := range 16 {
		p ^= uint32(a) << i * (uint32(b) >> i & 1)
	}
	for i := 31; i >= 16; i-- {
		p ^= 0x1100b << (i - 16) * (p >> i & 1)
	}
	return uint16(p)
}

func inv(a uint16) uint16 {
	p := uint16(1)
	for range 15 { // a^(2^16 - 2)
		a = mul(a, a)
		p = mul(p, a)
	}
	return p
}

// lagrange returns the chunk at x of the polynomials through chunks at these points.
func lagrange(points []uint16, chunks []byte, x uint16) []byte {
	out := make([]byte, ChunkSize)
	for i, xi := range points {
		weight := uint16(1)
		for j, xj := range points {
			if i != j {
				weight = mul(weight, mul(x^xj, inv(xi^xj)))
			}
		}
		for j := 0; j < ChunkSize; j += 2 {
			y := mul(weight, binary.BigEndian.Uint16(chunks[ChunkSize*i+j:]))
			binary.BigEndian.PutUint16(out[j:], binary.BigEndian.Uint16(out[j:])^y)
		}
	}
	return out
}

func first(n int) (points []uint16) {
	for i := range n {
		points = append(points, uint16(i))
	}
	return points
}

func message(r *rand.Rand, chunks int) []byte {
	b := make([]byte, chunks*ChunkSize)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// sizes are those of the braid, in chunks, and edges.
var sizes = []int{3, 5, 30, 36, 1, 2, 4, 7, 8, 31, 32, 33, MaxChunks - 1, MaxChunks}

func TestChunksAreValues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range sizes {
		m := message(r, n)
		indices := append(first(2*n), 255, 256, 1023, 1024, 32767, 32768, 65534, 65535, uint16(r.Uint32()))
		for _, index := range indices {
			want := lagrange(first(n), m, index)
			if got := AppendChunk(nil, m, index); !bytes.Equal(got, want) {
				t.Fatalf("%d chunks, index %d: %x, want %x", n, index, got, want)
			}
		}
	}
}

// TestEveryIndex sums the chunks of all indices: polynomials of such a low degree
// have no coefficient that would not vanish.
func TestEveryIndex(t *testing.T) {
	m := message(rand.New(rand.NewPCG(2, 2)), 36)
	sum := make([]byte, ChunkSize)
	var chunk []byte
	for index := range 1 << 16 {
		chunk = AppendChunk(chunk[:0], m, uint16(index))
		for i, b := range chunk {
			sum[i] ^= b
		}
	}
	if !bytes.Equal(sum, make([]byte, ChunkSize)) {
		t.Errorf("sum %x", sum)
	}
}

func TestAnyChunksDecode(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, n := range sizes {
		for round := range 40 {
			m := message(r, n)
			highest := []int{n, n + 1, 2 * n, 3 * n, 1 << 16}[round%5]
			var indices []uint16
			var chunks []byte
			for len(indices) < n {
				if i := uint16(r.IntN(highest)); !slices.Contains(indices, i) {
					indices = append(indices, i)
					chunks = AppendChunk(chunks, m, i)
				}
			}
			if got, err := Decode(len(m), indices, chunks); err != nil || !bytes.Equal(got, m) {
				t.Fatalf("%d chunks, indices %d: %v", n, indices, err)
			}
		}
	}
}

func TestParityAloneDecodes(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, n := range sizes {
		m := message(r, n)
		var indices []uint16
		var chunks []byte
		for i := range n {
			indices = append(indices, uint16(65535-i))
			chunks = AppendChunk(chunks, m, indices[i])
		}
		if got, err := Decode(len(m), indices, chunks); err != nil || !bytes.Equal(got, m) {
			t.Fatalf("%d chunks: %v", n, err)
		}
	}
}

func TestRefused(t *testing.T) {
	m := message(rand.New(rand.NewPCG(5, 5)), 3)
	for name, tt := range map[string]struct {
		size    int
		indices []uint16
		chunks  []byte
	}{
		"nothing":           {0, nil, nil},
		"negative":          {-32, nil, nil},
		"too few":           {96, []uint16{0, 1}, m[:64]},
		"too many":          {96, []uint16{0, 1, 2, 3}, make([]byte, 128)},
		"twice the same":    {96, []uint16{0, 7, 7}, m},
		"an index too few":  {96, []uint16{0, 1}, m},
		"an index too many": {96, []uint16{0, 1, 2, 3}, m},
		"a byte too few":    {96, []uint16{0, 1, 2}, m[:95]},
		"no whole chunk":    {95, []uint16{0, 1, 2}, m[:95]},
		"too long":          {(MaxChunks + 1) * ChunkSize, first(MaxChunks + 1), make([]byte, (MaxChunks+1)*ChunkSize)},
	} {
		if got, err := Decode(tt.size, tt.indices, tt.chunks); !errors.Is(err, ErrChunks) || got != nil {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for _, size := range []int{0, 1, 31, 33, 65, (MaxChunks + 1) * ChunkSize} {
		if got := AppendChunk([]byte("before"), make([]byte, size), 70); string(got) != "before" {
			t.Errorf("a message of %d bytes has a chunk: %x", size, got)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	m := make([]byte, 1152)
	dst := make([]byte, 0, ChunkSize)
	if got := testing.AllocsPerRun(10, func() { AppendChunk(dst, m, 1000) }); got != 0 {
		t.Errorf("AppendChunk: %v allocations", got)
	}
	indices := first(72)[36:]
	if got := testing.AllocsPerRun(10, func() { Decode(len(m), indices, m) }); got != 1 {
		t.Errorf("Decode: %v allocations, not that of its result alone", got)
	}
}

// FuzzDecode takes any chunks as values: the message decoded from them must have
// them as its chunks.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{0, 1, 0, 9, 1, 0}, bytes.Repeat([]byte{1, 2, 3}, 32))
	f.Fuzz(func(t *testing.T, in, chunks []byte) {
		var indices []uint16
		for ; len(in) >= 2; in = in[2:] {
			indices = append(indices, binary.BigEndian.Uint16(in))
		}
		m, err := Decode(len(indices)*ChunkSize, indices, chunks)
		if err != nil {
			return
		}
		for i, index := range indices {
			want := chunks[ChunkSize*i : ChunkSize*(i+1)]
			if got := AppendChunk(nil, m, index); !bytes.Equal(got, want) {
				t.Fatalf("index %d: %x, want %x", index, got, want)
			}
		}
	})
}

func BenchmarkChunk(b *testing.B) {
	for _, n := range []int{3, 5, 30, 36} {
		m := message(rand.New(rand.NewPCG(6, 6)), n)
		dst := make([]byte, 0, ChunkSize)
		for name, start := range map[string]uint16{"own": 0, "parity": uint16(n), "far parity": 40000} {
			b.Run(name+"/"+string(rune('0'+n/10))+string(rune('0'+n%10)), func(b *testing.B) {
				i := uint16(0)
				for b.Loop() {
					dst = AppendChunk(dst[:0], m, start+i%uint16(n))
					i++
				}
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	m := message(rand.New(rand.NewPCG(7, 7)), 36)
	for name, own := range map[string]int{"all own": 36, "half own": 18, "parity": 0} {
		var indices []uint16
		var chunks []byte
		for i := range 36 {
			index := uint16(i)
			if i >= own {
				index += 36
			}
			indices = append(indices, index)
			chunks = AppendChunk(chunks, m, index)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Decode(len(m), indices, chunks); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
