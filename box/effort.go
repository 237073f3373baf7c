package box

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
)

// The puzzle is Equihash(60, 3) over SHA-256: 8 of 2^16 words whose sum is zero,
// found by sorting 2 MB of them and checked with 8 hashes. It makes a flood cost
// memory and time without telling who pays. Source: docs/spec/box.md 6.
const (
	puzzleWords  = 1 << 16
	puzzleBits   = 15 // that collide in each round
	puzzleTerms  = 8
	labelPuzzle  = "pow/1"
	challengeLen = len(labelPuzzle) + 32 + 4 + 32 + 8
)

// challenge is what a puzzle is about: one box at one relay on one day.
func challenge(relay RelayID, day uint32, b [32]byte, nonce [8]byte) []byte {
	c := append(make([]byte, 0, challengeLen), labelPuzzle...)
	c = append(c, relay[:]...)
	c = binary.BigEndian.AppendUint32(c, day)
	c = append(c, b[:]...)
	return append(c, nonce[:]...)
}

// word gives word j, of 60 bits: a quarter of a hash.
func word(c []byte, j uint32) uint64 {
	sum := sha256.Sum256(binary.BigEndian.AppendUint32(c[:len(c):len(c)], j/4))
	return binary.BigEndian.Uint64(sum[8*(j%4):]) >> 4
}

// hard reports whether a solution is as rare as an effort wants: one in effort is.
func hard(c []byte, solution [16]byte, effort uint32) bool {
	sum := sha256.Sum256(append(c[:len(c):len(c)], solution[:]...))
	return binary.BigEndian.Uint32(sum[:]) <= math.MaxUint32/max(effort, 1)
}

// VerifyWork reports whether work of at least this effort was done to put something
// into a box at a relay on a day (days since 1970). No effort needs no work. It takes
// some microseconds. Source: docs/spec/box.md, BX-09.
func VerifyWork(w *Work, relay RelayID, day uint32, b [32]byte, effort uint32) bool {
	if effort == 0 {
		return true
	}
	c := challenge(relay, day, b, w.Nonce)
	var terms [puzzleTerms]uint32
	var words [puzzleTerms]uint64
	for i := range terms {
		terms[i] = uint32(binary.BigEndian.Uint16(w.Solution[2*i:]))
	}
	if !hard(c, w.Solution, effort) {
		return false
	}
	for i, t := range terms {
		if slices.Contains(terms[:i], t) {
			return false
		}
		words[i] = word(c, t)
	}
	// Each round halves the tree: the left side begins with the lesser term, and the
	// sum of the two is zero in 15 bits more.
	for size, round := 1, 1; size < puzzleTerms; size, round = 2*size, round+1 {
		for i := 0; i < puzzleTerms; i += 2 * size {
			words[i] ^= words[i+size]
			if terms[i] >= terms[i+size] || words[i]>>(60-puzzleBits*round) != 0 {
				return false
			}
		}
	}
	return words[0] == 0
}

// Solve does work of an effort: it tries nonces until one has a solution that is rare
// enough, about effort/2 of them at 10 ms each. It asks stop now and then and gives up
// when that says so; ok tells whether there is a result. More than [MaxEffort] is not
// tried, none needs no work. It takes 4 MB of memory. Source: docs/spec/box.md, BX-09.
func Solve(relay RelayID, day uint32, b [32]byte, effort uint32, stop func() bool) (w Work, ok bool) {
	if effort == 0 || effort > MaxEffort {
		return Work{}, effort == 0
	}
	rand.Read(w.Nonce[:])
	s := &solver{}
	for n := binary.BigEndian.Uint64(w.Nonce[:]); !stop(); n++ {
		binary.BigEndian.PutUint64(w.Nonce[:], n)
		c := challenge(relay, day, b, w.Nonce)
		for _, terms := range s.solutions(c) {
			for i, t := range terms {
				binary.BigEndian.PutUint16(w.Solution[2*i:], uint16(t))
			}
			if VerifyWork(&w, relay, day, b, effort) {
				return w, true
			}
		}
	}
	return Work{}, false
}

// sums is one layer of the search: what is left of a sum, and of which two of the
// layer before it is.
type sums struct {
	left []uint64
	from [][2]uint32
}

// reset empties a layer and makes room for n.
func (s *sums) reset(n int) {
	s.left, s.from = slices.Grow(s.left[:0], n), slices.Grow(s.from[:0], n)
}

type solver struct {
	layers [3]sums
	head   []int32 // of each bucket, the last that fell into it
	next   []int32 // the one before it in the same bucket
}

// solutions finds sums of eight words that are zero.
func (s *solver) solutions(c []byte) (all [][puzzleTerms]uint32) {
	first := &s.layers[0]
	first.reset(puzzleWords)
	text := append(slices.Clip(c), 0, 0, 0, 0)
	for j := uint32(0); j < puzzleWords; j += 4 {
		binary.BigEndian.PutUint32(text[len(c):], j/4)
		sum := sha256.Sum256(text)
		for i := range uint32(4) {
			first.left = append(first.left, binary.BigEndian.Uint64(sum[8*i:])>>4)
			first.from = append(first.from, [2]uint32{j + i, j + i})
		}
	}
	for i := range 2 {
		// About as many pairs agree in 15 bits as there are words.
		s.layers[i+1].reset(puzzleWords + puzzleWords/16)
		s.pair(&s.layers[i], &s.layers[i+1], 60-(i+1)*puzzleBits, func(uint64) bool { return true })
	}
	var last sums
	s.pair(&s.layers[2], &last, 60-3*puzzleBits, func(left uint64) bool { return left == 0 })
	for _, pair := range last.from {
		if terms, ok := s.expand(pair); ok {
			all = append(all, terms)
		}
	}
	return all
}

// pair adds to a layer the sums of all pairs of the one before it that agree in the 15
// bits above shift.
func (s *solver) pair(in, out *sums, shift int, keep func(uint64) bool) {
	const buckets = 1 << puzzleBits
	s.head = slices.Grow(s.head[:0], buckets)[:buckets]
	s.next = slices.Grow(s.next[:0], len(in.left))[:len(in.left)]
	for i := range s.head {
		s.head[i] = -1
	}
	for i, v := range in.left {
		bucket := v >> shift & (buckets - 1)
		for j := s.head[bucket]; j >= 0; j = s.next[j] {
			// A layer far larger than it should be is one somebody made up.
			if sum := v ^ in.left[j]; keep(sum) && len(out.left) < 2*puzzleWords {
				out.left = append(out.left, sum)
				out.from = append(out.from, [2]uint32{uint32(j), uint32(i)})
			}
		}
		s.next[i], s.head[bucket] = s.head[bucket], int32(i)
	}
}

// expand names the eight words of a sum, in their order; not all need be different.
func (s *solver) expand(top [2]uint32) (terms [puzzleTerms]uint32, ok bool) {
	n := 0
	for _, a := range top {
		for _, b := range s.layers[2].from[a] {
			for _, c := range s.layers[1].from[b] {
				terms[n] = c
				n++
			}
		}
	}
	for size := 1; size < puzzleTerms; size *= 2 {
		for i := 0; i < puzzleTerms; i += 2 * size {
			if terms[i] > terms[i+size] {
				for j := range size {
					terms[i+j], terms[i+size+j] = terms[i+size+j], terms[i+j]
				}
			}
		}
	}
	sorted := terms
	slices.Sort(sorted[:])
	return terms, len(slices.Compact(sorted[:])) == puzzleTerms
}
