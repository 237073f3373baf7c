package node

import (
	"fmt"
	"slices"
	"testing"

	"kith/box"
	"kith/internal/placement"
)

// TestBook_falseAddresses: a contact who names a relay of others, with addresses where
// it is not, keeps nobody else from it: neither who told the right ones before nor who
// tells them later, however many tell false ones.
func TestBook_falseAddresses(t *testing.T) {
	right := box.Relay{Key: [32]byte{1}, Addrs: []string{"192.0.2.1:4747", "192.0.2.2:4747"}}
	wrong := func(n int) box.Relay {
		r := box.Relay{Key: right.Key}
		for i := range box.MaxAddrs {
			r.Addrs = append(r.Addrs, fmt.Sprintf("198.51.100.%d:%d", n, i+1))
		}
		return r
	}
	const before, after = placement.Group("a, told before"), placement.Group("z, told after")
	b := book{}
	b.put(before, []box.Relay{right})
	for n := range 20 {
		b.put(placement.Group(fmt.Sprint("hostile ", n)), []box.Relay{wrong(n), {Key: [32]byte{2}, Addrs: []string{"192.0.2.9:1"}}})
	}
	b.put(after, []box.Relay{right})
	for _, g := range []placement.Group{before, after} {
		if r := b.find(g, right.ID()); r.Key != right.Key || !slices.Equal(r.Addrs[:2], right.Addrs) || len(r.Addrs) != maxAddrs {
			t.Errorf("%s: %v", g, r.Addrs)
		}
	}
	// Where one tells what is false, and one what is right, both are tried.
	c := book{}
	c.put(before, []box.Relay{right})
	c.put(after, []box.Relay{wrong(1)})
	if r := c.find(after, right.ID()); !slices.Equal(r.Addrs, append(wrong(1).Addrs, right.Addrs...)) {
		t.Errorf("%v", r.Addrs)
	}
	// What is told later replaces what the same told, and none is an entry of nothing.
	c.put(after, nil)
	c.put(before, nil)
	if r := c.find(before, right.ID()); len(r.Addrs) > 0 || len(c) > 0 {
		t.Errorf("%v, %d entries", r, len(c))
	}
}
