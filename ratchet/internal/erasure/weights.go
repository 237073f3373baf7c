package erasure

import "math/bits"

// weights are one element for each of a message's chunks, four to a word: with
// them a chunk is the sum of weighted others (Lagrange's interpolation in its
// second, barycentric form). Lanes beyond the last chunk are zero.
type weights [maxGroups]uint64

// groups is the number of words for so many chunks.
func groups(count int) int { return (count + lanes - 1) / lanes }

// set sets the weight of one chunk, which was zero.
func (w *weights) set(i int, x uint16) {
	w[i/lanes] |= uint64(x) << (i % lanes * degree)
}

// points are the numbers 0 to MaxChunks-1.
var points = numbers()

func numbers() (w weights) {
	for i := range MaxChunks {
		w.set(i, uint16(i))
	}
	return w
}

// scaling multiplies the lanes of a word by four constants: it holds them times x^0
// to x^15.
type scaling [degree]uint64

func scale(constants uint64) (s scaling) {
	for i := range s {
		s[i] = constants
		constants = double(constants)
	}
	return s
}

func (s *scaling) apply(v uint64) (product uint64) {
	for _, multiple := range s {
		product ^= v & ones * (1<<degree - 1) & multiple
		v >>= 1
	}
	return product
}

// systematic holds, for each length of a message, the scalings by the weights
// 1 / product of (i - j) over all other points j, for i = 0 to length-1.
var systematic = barycentric()

func barycentric() (table [MaxChunks + 1][]scaling) {
	all := make([]scaling, 0, maxGroups*(MaxChunks+lanes)/2) // 1 to maxGroups, lanes times each
	var w weights
	for length := range MaxChunks {
		distance := broadcast(uint16(length))
		last := uint64(ones)
		for g := range groups(length) {
			inv := inverse(distance ^ points[g])
			w[g] = times(w[g], inv)
			last = times(last, within(inv, length-lanes*g))
		}
		w.set(length, product(last))
		for _, constants := range w[:groups(length+1)] {
			all = append(all, scale(constants))
		}
		table[length+1] = all[len(all)-groups(length+1):]
	}
	return table
}

// within replaces the lanes from rest on by ones.
func within(v uint64, rest int) uint64 {
	if rest >= lanes {
		return v
	}
	keep := uint64(1)<<(rest*degree) - 1
	return v&keep | ones&^keep
}

// product multiplies the lanes of a word.
func product(v uint64) uint16 {
	v = times(v, v>>32)
	return uint16(times(v, v>>degree))
}

// vanishing holds, for m = 0 to 5, the polynomial whose roots are 0 to 2^m-1. They
// are a subspace, hence it is a linear map.
var vanishing = vanishingMaps()

func vanishingMaps() (maps [6]linear) {
	for i := range degree {
		maps[0][i] = 1 << i
	}
	for m := range len(maps) - 1 { // s'(x) = s(x) s(x + 2^m) = s(x)^2 + s(2^m) s(x)
		at := broadcast(uint16(maps[m].apply(1 << m)))
		for i, c := range maps[m] {
			s := uint64(c)
			maps[m+1][i] = uint16(times(s, s) ^ times(s, at))
		}
	}
	return maps
}

// nodal returns the product of (x - j) for all j below length: these fall into
// one block of 2^m for each bit m of length.
func nodal(length int, x uint16) uint16 {
	at, all := uint64(x), uint64(1)
	for rest := length; rest != 0; {
		m := bits.Len(uint(rest)) - 1
		rest -= 1 << m
		if s := vanishing[m].apply(at); all == 1 {
			all = s
		} else {
			all = times(all, s)
		}
		at ^= 1 << m
	}
	return uint16(all)
}
