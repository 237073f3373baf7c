package skipped_test

import (
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"kith/ratchet/internal/kdf"
	"kith/ratchet/internal/skipped"
)

var rules = skipped.Rules{Stored: 4, Messages: 10, Age: time.Minute}

func key(n uint32, opened uint64, at int64) skipped.Key {
	return skipped.Key{Chain: 7, N: n, Opened: opened, At: at, Secret: kdf.Key{byte(n + 1)}}
}

// Erasing skipped keys leaves none in the part of the array no longer in use.
func TestRatchet_R21_pruneClearsMemory(t *testing.T) {
	store := skipped.Store{key(0, 0, 100), key(1, 5, 0), key(2, 5, 100), key(3, 0, 100), key(4, 5, 100)}
	all := store
	store.Prune(&rules, 10, 100) // 0 and 3 by count, 1 by age
	if len(store) != 2 || store[0].N != 2 || store[1].N != 4 {
		t.Fatalf("kept %v", store)
	}
	for _, k := range all[2:] {
		if k.Secret != (kdf.Key{}) {
			t.Error("an erased key is still in memory")
		}
	}
}

func TestRatchet_R09_oldestGoFirst(t *testing.T) {
	var store skipped.Store
	for n := range uint32(6) {
		store = append(store, key(n, 1, 50))
	}
	all := store
	store.Prune(&rules, 2, 50)
	if len(store) != rules.Stored || store[0].N != 2 {
		t.Fatalf("kept %v", store)
	}
	if all[0].Secret != (kdf.Key{}) || all[1].Secret != (kdf.Key{}) {
		t.Error("an erased key is still in memory")
	}
}

func TestRatchet_R11_edges(t *testing.T) {
	store := skipped.Store{key(0, 5, 100)}
	if store.Find(&rules, 7, 0, 160) != 0 || store.Find(&rules, 7, 0, 161) != -1 || store.Find(&rules, 6, 0, 100) != -1 {
		t.Error("Find")
	}
	if store.Expired(&rules, 160) || !store.Expired(&rules, 161) {
		t.Error("Expired")
	}
	late := store.Clone(0)
	if late.Prune(&rules, 14, 160); len(late) != 1 {
		t.Error("gone at the edge")
	}
	if late.Prune(&rules, 15, 160); len(late) != 0 {
		t.Error("there beyond the count")
	}
	back := store.Clone(3)
	if back.Prune(&rules, 5, 40); back[0].At != 40 {
		t.Error("a clock set back prolongs a key's life")
	}
	if store[0].At != 100 {
		t.Error("a clone is not independent")
	}
}

func FuzzRead(f *testing.F) {
	var b cryptobyte.Builder
	skipped.Store{key(0, 5, 100), key(3, 6, -1)}.Add(&b)
	f.Add(b.BytesOrPanic())
	f.Add([]byte{0, 0})
	f.Add([]byte{0, 5})
	f.Fuzz(func(t *testing.T, in []byte) {
		var store skipped.Store
		r := cryptobyte.String(in)
		if !store.Read(&rules, &r) {
			return
		}
		var b cryptobyte.Builder
		store.Add(&b)
		if string(b.BytesOrPanic()) != string(in[:len(in)-len(r)]) || len(store) > rules.Stored {
			t.Fatal("what was read encodes differently")
		}
		store.Ordered(6, func(uint64) (uint64, bool) { return 9, true })
		store.Prune(&rules, 100, 0)
	})
}
