package node

import (
	"maps"
	"slices"

	"kith/box"
	"kith/internal/placement"
)

// book knows where relays are, by what was told of each for boxes of each group. Who
// tells a false address of a relay is believed beside those who tell others, and first
// for his own boxes alone: a relay's key cannot be taken from it, its address could.
type book map[box.RelayID]map[placement.Group]box.Relay

// maxAddrs is how many addresses of a relay are tried.
const maxAddrs = 2 * box.MaxAddrs

// put replaces what was told for a group.
func (b book) put(of placement.Group, relays []box.Relay) {
	for id, told := range b {
		if delete(told, of); len(told) == 0 {
			delete(b, id)
		}
	}
	for _, r := range relays {
		if b[r.ID()] == nil {
			b[r.ID()] = map[placement.Group]box.Relay{}
		}
		b[r.ID()][of] = r
	}
}

// find gives a relay with its addresses, those told for the group first.
func (b book) find(of placement.Group, id box.RelayID) (r box.Relay) {
	told := b[id]
	for _, g := range append([]placement.Group{of}, slices.Sorted(maps.Keys(told))...) {
		one, ok := told[g]
		if !ok {
			continue
		}
		r.Key = one.Key
		for _, a := range one.Addrs {
			if !slices.Contains(r.Addrs, a) && len(r.Addrs) < maxAddrs {
				r.Addrs = append(r.Addrs, a)
			}
		}
	}
	return r
}
