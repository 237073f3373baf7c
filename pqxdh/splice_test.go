package pqxdh_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"testing"

	"kith/pqxdh"
)

// TestPQXDH_PQ04_splicedBundles joins the beginning of one bundle and the end of
// another of the same device at every place. What still verifies consists of whole
// prekeys, all of that device; its name is that of neither bundle.
func TestPQXDH_PQ04_splicedBundles(t *testing.T) {
	bob := newDevice(t)
	first, second := bob.bundle(bob.prekeys(t, true)), bob.bundle(bob.prekeys(t, true))
	a, b := encode(t, first), encode(t, second)
	seen := map[[32]byte]int{first.Hash(): 0, second.Hash(): 0}
	for i := 1; i < len(a); i++ {
		spliced := append(bytes.Clone(a[:i]), b[i:]...)
		x, err := pqxdh.ParseBundle(spliced)
		if err != nil || x.Verify(noon) != nil {
			continue
		}
		if _, known := seen[x.Hash()]; !known {
			seen[x.Hash()] = i
		}
	}
	// Spliced after the signed prekey and after the one-time prekey.
	if len(seen) != 2+2 {
		t.Errorf("bundles spliced at %v verify", slices.Collect(maps.Values(seen)))
	}
}

// TestPQXDH_PQ09_splicedInitials does the same with two initials for the same
// prekeys: whatever still parses leads to the secrets of neither.
func TestPQXDH_PQ09_splicedInitials(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	keys := bob.prekeys(t, true)
	first, s1 := handshake(t, alice, bob, keys, nil)
	second, s2 := handshake(t, alice, bob, keys, nil)
	a, b := encode(t, first), encode(t, second)
	for i := 1; i < len(a); i++ {
		spliced := append(bytes.Clone(a[:i]), b[i:]...)
		if bytes.Equal(spliced, a) || bytes.Equal(spliced, b) || i > 200 && i%16 != 0 {
			continue
		}
		x, err := pqxdh.ParseInitial(spliced)
		if err != nil {
			continue
		}
		got, err := pqxdh.Accept(bob.Identity, keys, x, nil, noon)
		if err == nil && (got.Root == s1.Root || got.Root == s2.Root || bytes.Equal(got.AD, s1.AD) || bytes.Equal(got.AD, s2.AD)) {
			t.Fatalf("spliced at %d: the secrets of one of the two", i)
		}
	}
}

// TestPQXDH_PQ01_noOtherLength: nothing shorter or longer is a bundle or an initial,
// and the error is always the same.
func TestPQXDH_PQ01_noOtherLength(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	for _, oneTime := range []bool{false, true} {
		keys := bob.prekeys(t, oneTime)
		in, _ := handshake(t, alice, bob, keys, nil)
		bundle, initial := encode(t, bob.bundle(keys)), encode(t, in)
		for n := range len(bundle) {
			if _, err := pqxdh.ParseBundle(bundle[:n]); !errors.Is(err, pqxdh.ErrMalformed) {
				t.Fatalf("bundle cut to %d: %v", n, err)
			}
		}
		for n := range len(initial) {
			if _, err := pqxdh.ParseInitial(initial[:n]); !errors.Is(err, pqxdh.ErrMalformed) {
				t.Fatalf("initial cut to %d: %v", n, err)
			}
		}
		for _, tail := range [][]byte{{0}, {1}, bundle, initial} {
			if _, err := pqxdh.ParseBundle(append(bytes.Clone(bundle), tail...)); !errors.Is(err, pqxdh.ErrMalformed) {
				t.Fatalf("bundle and %d bytes: %v", len(tail), err)
			}
			if _, err := pqxdh.ParseInitial(append(bytes.Clone(initial), tail...)); !errors.Is(err, pqxdh.ErrMalformed) {
				t.Fatalf("initial and %d bytes: %v", len(tail), err)
			}
		}
	}
}
