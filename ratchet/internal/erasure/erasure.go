package erasure

import (
	"errors"
	"slices"
)

// ErrChunks: what was given to Decode is no message's worth of different chunks.
// The caller's fault, since indices decide it.
var ErrChunks = errors.New("erasure: not as many different chunks as the message needs")

// AppendChunk appends the chunk of this index to dst. The message is a multiple of
// ChunkSize, at least one and at most MaxChunks of them; of any other length there
// is no chunk, and dst comes back as it is.
func AppendChunk(dst, message []byte, index uint16) []byte {
	length := len(message) / ChunkSize
	if !validSize(len(message)) {
		return dst
	}
	if i := int(index); i < length {
		return append(dst, message[ChunkSize*i:ChunkSize*(i+1)]...)
	}
	var t table
	var sums partial
	at := broadcast(index)
	for g := range systematic[length] {
		t.fill(message[ChunkSize*lanes*g:])
		sums.add(&t, systematic[length][g].apply(inverse(at^points[g])))
	}
	return sums.total().times(nodal(length, index)).appendTo(dst)
}

func validSize(size int) bool {
	return size > 0 && size <= MaxChunks*ChunkSize && size%ChunkSize == 0
}

// Decode returns the message of size bytes: a multiple of ChunkSize, at most
// MaxChunks of them. It takes exactly as many chunks as that, in any order, one
// after the other, and their indices, all different. The error is ErrChunks.
func Decode(size int, indices []uint16, chunks []byte) ([]byte, error) {
	if !validSize(size) || len(chunks) != size || len(indices) != size/ChunkSize {
		return nil, ErrChunks
	}
	message := make([]byte, size)
	var given [MaxChunks]bool // which of the message's own chunks
	for i, index := range indices {
		if slices.Contains(indices[:i], index) {
			return nil, ErrChunks
		}
		if at := int(index); at < len(indices) {
			given[at] = true
			copy(message[ChunkSize*at:], chunks[ChunkSize*i:ChunkSize*(i+1)])
		}
	}
	if missing := slices.Index(given[:len(indices)], false); missing >= 0 {
		interpolate(message, indices, chunks, given[:len(indices)])
	}
	return message, nil
}

// interpolate computes the chunks of message that were not given.
func interpolate(message []byte, indices []uint16, chunks []byte, given []bool) {
	var x weights
	for i, index := range indices {
		x.set(i, index)
	}
	count := groups(len(indices))
	base := distances(&x, indices)

	var tables [maxGroups]table
	for g := range count {
		tables[g].fill(chunks[ChunkSize*lanes*g:])
	}
	for i := range given {
		if given[i] {
			continue
		}
		var sums partial
		at, all := broadcast(uint16(i)), uint64(ones)
		for g := range count {
			d := at ^ x[g]
			sums.add(&tables[g], times(base[g], inverse(d)))
			all = times(all, within(d, len(indices)-lanes*g))
		}
		sums.total().times(product(all)).appendTo(message[:ChunkSize*i])
	}
}

// distances returns 1 / product of (x - y) over all other points y, for each x.
func distances(x *weights, indices []uint16) (w weights) {
	count := groups(len(indices))
	for g := range count {
		w[g] = ones
	}
	for i, index := range indices {
		at := broadcast(index)
		for g := range count {
			d := at ^ x[g]
			if g == i/lanes {
				d |= 1 << (i % lanes * degree) // instead of the distance to itself
			}
			w[g] = times(w[g], d)
		}
	}
	for g := range count {
		w[g] = inverse(w[g])
	}
	if rest := len(indices) % lanes; rest != 0 {
		w[count-1] &= 1<<(rest*degree) - 1
	}
	return w
}
