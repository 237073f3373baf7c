package box_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"kith/box"
)

// TestBox_BX05_sealedAnew: what a box holds is sealed anew with another expiry by who
// kept its keys, and opens as before; nobody else's box is.
func TestBox_BX05_sealedAnew(t *testing.T) {
	c, r := pair(0)
	other, _, err := c.SealKeeping([]byte("other"), expiry)
	if err != nil {
		t.Fatal(err)
	}
	p, kept, err := c.SealKeeping([]byte("part"), expiry)
	if err != nil || !p.Verify() || c.Index() != 2 {
		t.Fatal(p, err)
	}
	kept, err = box.ParseWriteKey(marshal(t, kept))
	if err != nil {
		t.Fatal(err)
	}
	again, err := kept.Again(p, expiry+16)
	if err != nil || !again.Verify() || again.Box != p.Box || again.Expiry != expiry+16 || bytes.Equal(again.Cell[:24], p.Cell[:24]) {
		t.Fatal(again, err)
	}
	for _, x := range []*box.Put{p, again} {
		if i, part, err := r.Open(x.Box, x.Expiry, x.Cell); err != nil || i != 1 || string(part) != "part" {
			t.Errorf("%d, %q, %v", i, part, err)
		}
	}
	if !kept.Same(p, again) || kept.Same(p, other) || kept.Same(other, p) || kept.Same(p, &box.Put{Box: p.Box, Expiry: p.Expiry, Cell: make([]byte, box.CellSize)}) {
		t.Error("the same, or not")
	}
	if _, err := kept.Again(other, expiry+16); !errors.Is(err, box.ErrOpen) {
		t.Error("another box's:", err)
	}
	forged := *p
	forged.Cell = make([]byte, box.CellSize)
	if _, err := kept.Again(&forged, expiry+16); !errors.Is(err, box.ErrOpen) {
		t.Error("forged:", err)
	}
}

// TestBox_BX03_writeKeyAtRest: the form is read in one way, the limit of a part is the
// same, and no verb prints the secret.
func TestBox_BX03_writeKeyAtRest(t *testing.T) {
	c, _ := pair(0)
	before := marshal(t, c)
	if p, kept, err := c.SealKeeping(make([]byte, box.Capacity+1), expiry); !errors.Is(err, box.ErrLimit) || p != nil || kept != nil ||
		!bytes.Equal(before, marshal(t, c)) {
		t.Error("a part too long:", err)
	}
	_, kept, err := c.SealKeeping(make([]byte, box.Capacity), expiry)
	if err != nil {
		t.Fatal(err)
	}
	b := marshal(t, kept)
	for _, bad := range [][]byte{nil, b[:95], append(b, 0)} {
		if _, err := box.ParseWriteKey(bad); !errors.Is(err, box.ErrMalformed) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
		if s := fmt.Sprintf(verb, *kept) + fmt.Sprintf(verb, kept); strings.Count(s, "secret") != 2 {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}

// TestBox_BX04_partsOfWhatWasSealed: who kept a box's key knows into how many boxes the
// message in it was cut.
func TestBox_BX04_partsOfWhatWasSealed(t *testing.T) {
	c, _ := pair(0)
	for _, size := range []int{1, 4052, 4053, box.MaxMessage} {
		parts, err := box.Split(make([]byte, size))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range parts {
			p, kept, err := c.SealKeeping(part, expiry)
			if err != nil {
				t.Fatal(err)
			}
			if of, err := kept.Parts(p); err != nil || of != len(parts) {
				t.Errorf("%d bytes: of %d, %v", size, of, err)
			}
		}
	}
	other, _, _ := c.SealKeeping([]byte{0, 1, 2}, expiry)
	p, kept, _ := c.SealKeeping([]byte{1, 1, 2}, expiry)
	for _, x := range []*box.Put{other, p} {
		if of, err := kept.Parts(x); !errors.Is(err, box.ErrOpen) {
			t.Errorf("of %d, %v", of, err)
		}
	}
}
