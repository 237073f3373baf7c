package boxstore

import "slices"

// filter says which marks a day may hold, so that a look-up touches the disk
// of one day instead of all. It is a multiset of 32-bit fingerprints in an
// open-addressed table that is at most half full: 8 to 16 bytes a record.
// A false "yes" costs one look-up in vain and happens once in 2^32/n times.
// The zero filter is empty. Not safe for concurrent use.
type filter struct {
	slots []uint32 // fingerprint, or 0 for a free slot
	used  int
}

// fingerprint is never 0. Marks are outputs of a keyed hash, so any bits do.
func fingerprint(m mark) uint32 {
	return uint32(m[0])<<24 | uint32(m[1])<<16 | uint32(m[2])<<8 | uint32(m[3]) | 1
}

// home is where a fingerprint's search begins. Its lowest bit is always set
// and says nothing.
func (f *filter) home(fp uint32) int { return int(fp>>1) & (len(f.slots) - 1) }

func (f *filter) has(m mark) bool {
	if len(f.slots) == 0 {
		return false
	}
	fp := fingerprint(m)
	for i := f.home(fp); f.slots[i] != 0; i = (i + 1) & (len(f.slots) - 1) {
		if f.slots[i] == fp {
			return true
		}
	}
	return false
}

func (f *filter) add(m mark) {
	if 2*(f.used+1) > len(f.slots) {
		f.grow()
	}
	f.insert(fingerprint(m))
}

func (f *filter) insert(fp uint32) {
	i := f.home(fp)
	for f.slots[i] != 0 {
		i = (i + 1) & (len(f.slots) - 1)
	}
	f.slots[i] = fp
	f.used++
}

func (f *filter) grow() {
	old := f.slots
	f.slots, f.used = make([]uint32, max(2*len(old), 64)), 0
	for _, fp := range old {
		if fp != 0 {
			f.insert(fp)
		}
	}
}

// remove takes one occurrence away and closes the gap behind it, so that
// searches still end at the first free slot.
func (f *filter) remove(m mark) {
	if len(f.slots) == 0 {
		return
	}
	fp, last := fingerprint(m), len(f.slots)-1
	gap := f.home(fp)
	for f.slots[gap] != fp {
		if f.slots[gap] == 0 {
			return
		}
		gap = (gap + 1) & last
	}
	for i := (gap + 1) & last; f.slots[i] != 0; i = (i + 1) & last {
		// A fingerprint may move into the gap unless its home lies after it.
		if (i-f.home(f.slots[i]))&last >= (i-gap)&last {
			f.slots[gap], gap = f.slots[i], i
		}
	}
	f.slots[gap] = 0
	f.used--
}

// reserve makes room for n marks at once.
func (f *filter) reserve(n int) {
	size := 64
	for size < 2*n {
		size *= 2
	}
	if size > len(f.slots) {
		f.slots, f.used = slices.Grow([]uint32(nil), size)[:size], 0
	}
}
