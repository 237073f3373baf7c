package box

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"slices"
)

const labelPlace = "place/1"

// Rank orders relays by how near a box is to them, nearest first, as indexes into
// relays: by the least SHA-256 of the box and the relay's id (rendezvous hashing). Both
// ends compute it from the relays they both know; a relay more or less leaves the
// order of the others as it is. Source: docs/spec/box.md, BX-13.
func Rank(b [32]byte, relays []RelayID) []int {
	type scored struct {
		i     int
		score [32]byte
	}
	all := make([]scored, len(relays))
	for i, id := range relays {
		h := sha256.New()
		h.Write([]byte(labelPlace))
		h.Write(b[:])
		h.Write(id[:])
		all[i].i = i
		h.Sum(all[i].score[:0])
	}
	slices.SortFunc(all, func(x, y scored) int {
		return cmp.Or(bytes.Compare(x.score[:], y.score[:]), cmp.Compare(x.i, y.i))
	})
	order := make([]int, len(all))
	for i, x := range all {
		order[i] = x.i
	}
	return order
}
