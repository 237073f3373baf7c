package erasure

import "encoding/binary"

// Weighting chunks costs a multiplication for each symbol, and 36 chunks have 576.
// Instead the bits of the weights are taken apart: for each of the 16 powers of x,
// the chunks whose weights have it are added up, four chunks by one look into a
// table of their 16 sums; what comes out is multiplied by x only at the end.

// chunk is a chunk as words: 16 symbols, each the value of another polynomial. It
// is no array, since the compiler keeps those in memory.
type chunk struct{ a, b, c, d uint64 }

func load(b []byte) chunk {
	_ = b[ChunkSize-1]
	return chunk{
		binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]),
		binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b[24:]),
	}
}

func (c chunk) appendTo(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, c.a)
	dst = binary.BigEndian.AppendUint64(dst, c.b)
	dst = binary.BigEndian.AppendUint64(dst, c.c)
	return binary.BigEndian.AppendUint64(dst, c.d)
}

func (c chunk) plus(o chunk) chunk { return chunk{c.a ^ o.a, c.b ^ o.b, c.c ^ o.c, c.d ^ o.d} }

func (c chunk) doubled() chunk { return chunk{double(c.a), double(c.b), double(c.c), double(c.d)} }

func (c chunk) times(x uint16) (p chunk) {
	for range degree {
		mask := -uint64(x >> (degree - 1))
		p = p.doubled().plus(chunk{c.a & mask, c.b & mask, c.c & mask, c.d & mask})
		x <<= 1
	}
	return p
}

// table holds the sums of all subsets of four chunks.
type table [1 << lanes]chunk

// fill takes up to four chunks from b; those that are not there are zero.
func (t *table) fill(b []byte) {
	for i := range lanes {
		var c chunk
		if len(b) >= ChunkSize*(i+1) {
			c = load(b[ChunkSize*i : ChunkSize*(i+1)])
		}
		half := 1 << i
		for j, sum := range t[:half] {
			t[half+j] = sum.plus(c)
		}
	}
}

// partial holds, for each power of x, the sum of the chunks whose weight has it.
type partial [degree]chunk

// add adds four chunks with their weights. The lookups are by weights, which come
// from chunk indices only.
func (p *partial) add(t *table, weights uint64) {
	// A product with gather moves the lowest bits of the lanes next to one another.
	const gather = 1<<48 | 1<<33 | 1<<18 | 1<<3
	for i := range p {
		p[i] = p[i].plus(t[weights&ones*gather>>48%(1<<lanes)])
		weights >>= 1
	}
}

// total returns the sum of all powers of x times their sums.
func (p *partial) total() (sum chunk) {
	for i := degree - 1; i >= 0; i-- {
		sum = sum.doubled().plus(p[i])
	}
	return sum
}
