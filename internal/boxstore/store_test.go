package boxstore_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"kith/box"
	"kith/internal/boxstore"
	"kith/internal/relay"
)

const today = 20000

func TestMain(m *testing.M) {
	if child := os.Getenv(childVariable); child != "" {
		runChild(child)
		return
	}
	goleak.VerifyTestMain(m)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func cell(expiry, effort uint32) *relay.Record {
	r := &relay.Record{Expiry: expiry, Effort: effort, Cell: make([]byte, box.CellSize)}
	rand.Read(r.Box[:])
	rand.Read(r.Sig[:])
	rand.Read(r.Cell)
	return r
}

func tomb(of *relay.Record) *relay.Record {
	r := &relay.Record{Box: of.Box, Expiry: of.Expiry, Effort: of.Effort}
	rand.Read(r.Sig[:])
	return r
}

func put(r *relay.Record) relay.Change { return relay.Change{Put: r} }

func remove(r *relay.Record) relay.Change {
	return relay.Change{Remove: &relay.Ref{Box: r.Box, Expiry: r.Expiry, Effort: r.Effort}}
}

// watched is a store and what it told.
type watched struct {
	*boxstore.Store
	dir  string
	told []error
}

func open(t testing.TB, dir string, day uint32, limit int64) *watched {
	t.Helper()
	w := &watched{dir: dir}
	s, err := boxstore.Open(dir, day, boxstore.Options{Cap: limit, Trouble: func(err error) { w.told = append(w.told, err) }})
	must(t, err)
	w.Store = s
	t.Cleanup(func() { s.Close() })
	return w
}

func equal(a, b *relay.Record) bool {
	return a.Box == b.Box && a.Expiry == b.Expiry && a.Effort == b.Effort && a.Sig == b.Sig && bytes.Equal(a.Cell, b.Cell) &&
		(a.Cell == nil) == (b.Cell == nil)
}

func wants(t testing.TB, s *boxstore.Store, records ...*relay.Record) {
	t.Helper()
	for i, r := range records {
		got, ok, err := s.Get(r.Box)
		if err != nil || !ok || !equal(&got, r) {
			t.Fatalf("record %d of %d: found %v, %v", i, len(records), ok, err)
		}
		ref, cell, ok, err := s.Find(r.Box)
		if err != nil || !ok || cell != (r.Cell != nil) || ref != (relay.Ref{Box: r.Box, Expiry: r.Expiry, Effort: r.Effort}) {
			t.Fatalf("record %d of %d without its cell: found %v, %v", i, len(records), ok, err)
		}
	}
}

func lacks(t testing.TB, s *boxstore.Store, records ...*relay.Record) {
	t.Helper()
	for _, r := range records {
		if _, ok, err := s.Get(r.Box); ok || err != nil {
			t.Fatalf("a record that should not be there: %v, %v", ok, err)
		}
		if _, cell, ok, err := s.Find(r.Box); cell || ok || err != nil {
			t.Fatalf("a record that should not be there, without its cell: %v, %v", ok, err)
		}
	}
}

// contents reads every file below a directory.
func contents(t testing.TB, dir string) (all []byte) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		all = append(append(all, name...), b...)
		return err
	}))
	return all
}

// TestBoxstore_BS01_layout looks at names, permissions, and what is removed.
func TestBoxstore_BS01_layout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := open(t, dir, today, 1<<30)
	must(t, s.Apply([]relay.Change{put(cell(today, 1)), put(cell(today+14, 1))}))
	must(t, s.Close())
	if err := s.Apply([]relay.Change{put(cell(today, 1))}); !errors.Is(err, boxstore.ErrClosed) {
		t.Errorf("a closed store says %v", err)
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 2 || entries[0].Name() != "20000-0" || entries[1].Name() != "20014-0" {
		t.Errorf("days are called %v", entries)
	}
	for _, name := range []string{".", "20000-0", "20000-0/key", "20000-0/boxes"} {
		st, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if runtime.GOOS != "windows" && st.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has permissions %v", name, st.Mode())
		}
	}
	must(t, os.Mkdir(filepath.Join(dir, "new-123"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "new-123", "key"), []byte("half"), 0o600))
	for _, other := range []string{"README", "020000-0", "20000", "20000--1", "99999999999-0"} {
		must(t, os.WriteFile(filepath.Join(dir, other), nil, 0o600))
	}
	open(t, dir, today, 1<<30)
	if _, err := os.Stat(filepath.Join(dir, "new-123")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a day half made is still there")
	}
	if entries, _ = os.ReadDir(dir); len(entries) != 7 {
		t.Errorf("what is not ours was touched: %v", entries)
	}
}

// TestBoxstore_BS02_allOfTheKey changes one bit of the key file at either end.
func TestBoxstore_BS02_allOfTheKey(t *testing.T) {
	for _, at := range []int{0, boxstore.KeyFileSize - 1} {
		s := open(t, t.TempDir(), today, 1<<30)
		r := cell(today, 1)
		must(t, s.Apply([]relay.Change{put(r)}))
		must(t, s.Close())
		name := filepath.Join(s.dir, "20000-0", boxstore.KeyName)
		b, err := os.ReadFile(name)
		must(t, err)
		if len(b) != boxstore.KeyFileSize || len(slices.Compact(slices.Clone(b))) < 3900 {
			t.Fatal("the key file is not random")
		}
		b[at] ^= 1
		must(t, os.WriteFile(name, b, 0o600))
		s = open(t, s.dir, today, 1<<30)
		lacks(t, s.Store, r)
	}
}

// TestBoxstore_BS03_noAddressOnDisk scans all files for addresses, raw and in
// the usual encodings, with a positive control.
func TestBoxstore_BS03_noAddressOnDisk(t *testing.T) {
	s := open(t, t.TempDir(), today, 1<<30)
	var records []*relay.Record
	for i := range uint32(50) {
		records = append(records, cell(today+i%3, i))
		must(t, s.Apply([]relay.Change{put(records[i])}))
		if i%5 == 0 {
			records[i] = tomb(records[i])
			must(t, s.Apply([]relay.Change{put(records[i])}))
		}
	}
	all := contents(t, s.dir)
	hits := func(r *relay.Record) (n int) {
		for _, secret := range [][]byte{r.Box[:], r.Sig[:], r.Cell} {
			if len(secret) >= 32 {
				n += bytes.Count(all, secret[:32]) + bytes.Count(all, []byte(hex.EncodeToString(secret[:32])))
			}
		}
		return n
	}
	for _, r := range records {
		if n := hits(r); n > 0 {
			t.Fatalf("%d times a record is in clear", n)
		}
	}
	all = append(all, records[1].Box[:]...)
	if hits(records[1]) != 1 {
		t.Error("the scan does not find what is there")
	}
}

// TestBoxstore_BS04_boundToItsPlace exchanges sealed values behind the store's
// back: between marks, between days, and with a bit changed.
func TestBoxstore_BS04_boundToItsPlace(t *testing.T) {
	a, b := cell(today, 1), cell(today, 2)
	edit := func(t *testing.T, change func(cells *bbolt.Bucket)) {
		s := open(t, t.TempDir(), today, 1<<30)
		must(t, s.Apply([]relay.Change{put(a), put(b)}))
		must(t, s.Close())
		db, err := bbolt.Open(filepath.Join(s.dir, "20000-0", boxstore.FileName), 0o600, nil)
		must(t, err)
		must(t, db.Update(func(tx *bbolt.Tx) error { change(tx.Bucket([]byte("cells"))); return nil }))
		must(t, db.Close())
		s = open(t, s.dir, today, 1<<30)
		for _, r := range []*relay.Record{a, b} {
			if got, ok, err := s.Get(r.Box); err != nil || ok && !equal(&got, r) {
				t.Errorf("served what is not the record: %v, %v", ok, err)
			}
		}
		if len(s.told) != 1 || s.told[0] != boxstore.ErrSetAside {
			t.Errorf("told %v", s.told)
		}
	}
	both := func(cells *bbolt.Bucket) (keys, values [][]byte) {
		must(t, cells.ForEach(func(k, v []byte) error {
			keys, values = append(keys, bytes.Clone(k)), append(values, bytes.Clone(v))
			return nil
		}))
		return keys, values
	}
	t.Run("exchanged", func(t *testing.T) {
		edit(t, func(cells *bbolt.Bucket) {
			k, v := both(cells)
			must(t, cells.Put(k[0], v[1]))
			must(t, cells.Put(k[1], v[0]))
		})
	})
	t.Run("changed", func(t *testing.T) {
		edit(t, func(cells *bbolt.Bucket) {
			k, v := both(cells)
			for i := range v {
				v[i][20] ^= 1
				must(t, cells.Put(k[i], v[i]))
			}
		})
	})
	t.Run("short", func(t *testing.T) {
		edit(t, func(cells *bbolt.Bucket) {
			k, v := both(cells)
			must(t, cells.Put(k[0], v[0][:10]))
			must(t, cells.Put(k[1], nil))
		})
	})
	t.Run("of another day", func(t *testing.T) {
		s := open(t, t.TempDir(), today, 1<<30)
		must(t, s.Apply([]relay.Change{put(a)}))
		must(t, s.Close())
		must(t, os.Rename(filepath.Join(s.dir, "20000-0"), filepath.Join(s.dir, "20005-0")))
		s = open(t, s.dir, today, 1<<30)
		lacks(t, s.Store, a)
		if len(s.told) != 1 {
			t.Errorf("told %v", s.told)
		}
	})
}

// TestBoxstore_BS05_oneRecordOfABox replaces, removes and counts.
func TestBoxstore_BS05_oneRecordOfABox(t *testing.T) {
	s := open(t, t.TempDir(), today, 1<<30)
	r := cell(today, 7)
	usage := func(cells, tombs int) {
		t.Helper()
		u := s.Usage()
		if u.Records != cells || u.Tombs != tombs || u.Bytes != int64(cells)*relay.CellCost+int64(tombs)*relay.TombCost || u.Cap > 1<<30 {
			t.Errorf("usage is %+v, not %d cells and %d tombstones", u, cells, tombs)
		}
	}
	usage(0, 0)
	must(t, s.Apply([]relay.Change{put(r), put(cell(today, 9))}))
	usage(2, 0)
	dead := tomb(r)
	must(t, s.Apply([]relay.Change{put(dead)}))
	wants(t, s.Store, dead)
	usage(1, 1)
	back := *r
	back.Effort = 11
	must(t, s.Apply([]relay.Change{put(&back)}))
	var order []uint32
	must(t, s.Lowest(func(r relay.Ref) bool { order = append(order, r.Effort); return true }))
	if !slices.Equal(order, []uint32{9, 11}) {
		t.Errorf("the order is %v", order)
	}
	usage(2, 0)
	must(t, s.Apply([]relay.Change{remove(r), remove(r), remove(cell(today+3, 1))}))
	lacks(t, s.Store, r)
	usage(1, 0)
	must(t, s.Apply([]relay.Change{put(r), remove(r), put(r), remove(r), put(r)}))
	wants(t, s.Store, r)
	usage(2, 0)
	must(t, s.Close())
	s = open(t, s.dir, today, 1<<30)
	wants(t, s.Store, r)
	usage(2, 0)
	must(t, s.Apply(nil))
}

// TestBoxstore_BS06_nothingElse puts the same records into two stores in
// another order and at other times: besides keys and page numbers no entry of
// the files differs, and no entry is more than the format says.
func TestBoxstore_BS06_nothingElse(t *testing.T) {
	s := open(t, t.TempDir(), today, 1<<30)
	var changes []relay.Change
	for i := range uint32(20) {
		changes = append(changes, put(cell(today, i)))
	}
	must(t, s.Apply(changes))
	must(t, s.Close())
	entries, err := os.ReadDir(filepath.Join(s.dir, "20000-0"))
	must(t, err)
	if len(entries) != 2 {
		t.Errorf("a day has the files %v", entries)
	}
	db, err := bbolt.Open(filepath.Join(s.dir, "20000-0", boxstore.FileName), 0o600, &bbolt.Options{ReadOnly: true})
	must(t, err)
	defer db.Close()
	sizes := map[string][2]int{"cells": {16, 12 + 16 + 101 + box.CellSize}, "order": {21, 0}, "totals": {1, 16 + 16}}
	must(t, db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			want, known := sizes[string(name)]
			if !known || b.Sequence() != 0 {
				t.Errorf("bucket %s, sequence %d", name, b.Sequence())
			}
			return b.ForEach(func(k, v []byte) error {
				if len(k) != want[0] || len(v) != want[1] {
					t.Errorf("%s has an entry of %d and %d bytes", name, len(k), len(v))
				}
				return nil
			})
		})
	}))
}

// TestBoxstore_BS07_togetherAndDurable writes from many goroutines to several
// days, and finds everything after opening again.
func TestBoxstore_BS07_togetherAndDurable(t *testing.T) {
	s := open(t, t.TempDir(), today, 1<<30)
	var mu sync.Mutex
	var all []*relay.Record
	var group sync.WaitGroup
	for g := range uint32(16) {
		group.Go(func() {
			for i := range uint32(20) {
				a, b := cell(today+g%4, i), cell(today+i%5, g)
				if err := s.Apply([]relay.Change{put(a), put(b)}); err != nil {
					t.Error(err)
				}
				if i%3 == 0 {
					b = tomb(b)
					if err := s.Apply([]relay.Change{put(b)}); err != nil {
						t.Error(err)
					}
				}
				if got, ok, err := s.Get(b.Box); err != nil || !ok || !equal(&got, b) {
					t.Errorf("what was just acknowledged: %v, %v", ok, err)
				}
				mu.Lock()
				all = append(all, a, b)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	wants(t, s.Store, all...)
	lacks(t, s.Store, cell(today, 1))
	before := s.Usage()
	must(t, s.Close())
	for day := range uint32(5) {
		must(t, boxstore.CheckFile(filepath.Join(s.dir, "2000"+string(rune('0'+day))+"-0")))
	}
	s = open(t, s.dir, today, 1<<30)
	wants(t, s.Store, all...)
	if after := s.Usage(); after != before {
		t.Errorf("usage was %+v and is %+v", before, after)
	}
}

// TestBoxstore_BS09_evictionOrder compares with a sorted list.
func TestBoxstore_BS09_evictionOrder(t *testing.T) {
	s := open(t, t.TempDir(), today, 1<<30)
	var changes []relay.Change
	var want []relay.Ref
	for range 200 {
		r := cell(today+mrand.Uint32N(3), mrand.Uint32N(1<<16)<<mrand.Uint32N(17))
		changes = append(changes, put(r))
		want = append(want, relay.Ref{Box: r.Box, Expiry: r.Expiry, Effort: r.Effort})
	}
	must(t, s.Apply(changes))
	slices.SortFunc(want, func(a, b relay.Ref) int {
		if a.Expiry != b.Expiry {
			return int(a.Expiry) - int(b.Expiry)
		}
		return int(int64(a.Effort) - int64(b.Effort))
	})
	check := func(want []relay.Ref) {
		t.Helper()
		i := 0
		must(t, s.Lowest(func(got relay.Ref) bool {
			if got.Expiry != want[i].Expiry || got.Effort != want[i].Effort {
				t.Fatalf("%d: %+v, not %+v", i, got, want[i])
			}
			i++
			return i < len(want)-5
		}))
		if i != len(want)-5 {
			t.Errorf("visited %d", i)
		}
	}
	check(want)
	must(t, s.Close())
	s = open(t, s.dir, today, 1<<30)
	for len(want) > 100 {
		var low relay.Ref
		must(t, s.Lowest(func(r relay.Ref) bool { low = r; return false }))
		must(t, s.Apply([]relay.Change{{Remove: &low}}))
		want = want[1:]
	}
	check(want)
}

// TestBoxstore_BS10_hardCap goes to the edge and over it, alone and together.
func TestBoxstore_BS10_hardCap(t *testing.T) {
	if _, err := boxstore.Open(t.TempDir(), today, boxstore.Options{Cap: boxstore.MinBytes - 1}); err == nil {
		t.Error("a cap below the least one")
	}
	const fits = boxstore.MinBytes/boxstore.CellBytes + 1
	s := open(t, t.TempDir(), today, fits*boxstore.CellBytes)
	var group sync.WaitGroup
	var mu sync.Mutex
	var kept []*relay.Record
	refused := 0
	for range fits + 40 {
		group.Go(func() {
			r := cell(today+mrand.Uint32N(3), 1)
			err := s.Apply([]relay.Change{put(r)})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				kept = append(kept, r)
			} else if errors.Is(err, boxstore.ErrCap) {
				refused++
			} else {
				t.Error(err)
			}
			if u := s.Usage(); u.Bytes > u.Cap {
				t.Errorf("above the cap: %+v", u)
			}
		})
	}
	group.Wait()
	if len(kept) != fits || refused != 40 {
		t.Errorf("%d kept and %d refused, of %d and 40", len(kept), refused, fits)
	}
	if err := s.Apply([]relay.Change{put(tomb(cell(today, 1)))}); !errors.Is(err, boxstore.ErrCap) {
		t.Errorf("a tombstone above the cap: %v", err)
	}
	if err := s.Apply([]relay.Change{remove(kept[0]), put(cell(today+1, 2)), put(cell(today+1, 2))}); !errors.Is(err, boxstore.ErrCap) {
		t.Errorf("one for two: %v", err)
	}
	wants(t, s.Store, kept...)
	fresh := cell(today+1, 2)
	must(t, s.Apply([]relay.Change{remove(kept[0]), put(fresh)}))
	dead := tomb(kept[1]) // at the cap a deletion makes room
	must(t, s.Apply([]relay.Change{put(dead), put(dead)}))
	must(t, s.Apply([]relay.Change{put(fresh)}))
	wants(t, s.Store, append(kept[2:], fresh, dead)...)
	must(t, s.Close())
	s = open(t, s.dir, today, boxstore.MinBytes) // a smaller cap than what is there
	must(t, s.Apply([]relay.Change{remove(fresh)}))
}

// TestBoxstore_BS12_compaction fills and empties again and again: files do not
// grow with what was there once.
func TestBoxstore_BS12_compaction(t *testing.T) {
	const limit = 4 << 20
	s := open(t, t.TempDir(), today, limit)
	keep := cell(today, 9)
	must(t, s.Apply([]relay.Change{put(keep)}))
	for round := range uint32(12) {
		var in, out []relay.Change
		for range 500 {
			r := cell(today+round, 1)
			in = append(in, put(r))
			out = append(out, remove(r))
		}
		must(t, s.Apply(in))
		must(t, s.Apply(out))
		if pages, _ := s.Pages(); pages > limit+500*boxstore.CellBytes {
			t.Fatalf("round %d: files of %d bytes under a cap of %d", round, pages, limit)
		}
	}
	wants(t, s.Store, keep)
	must(t, s.Close())
	// A copy that was never put in place.
	must(t, os.WriteFile(filepath.Join(s.dir, "20000-0", boxstore.NewFileName), []byte("half"), 0o600))
	s = open(t, s.dir, today, limit)
	wants(t, s.Store, keep)
	if strings.Contains(string(contents(t, s.dir)), boxstore.NewFileName) {
		t.Error("a compaction's rest is still there")
	}
}

// TestBoxstore_BS15_oneProcess opens a store twice.
func TestBoxstore_BS15_oneProcess(t *testing.T) {
	s := open(t, t.TempDir(), today, 1<<30)
	must(t, s.Apply([]relay.Change{put(cell(today, 1))}))
	if _, err := boxstore.Open(s.dir, today, boxstore.Options{Cap: 1 << 30}); !errors.Is(err, boxstore.ErrInUse) {
		t.Errorf("a second process is told %v", err)
	}
}

// TestFilter compares the filter with a map of counts.
func TestFilter(t *testing.T) {
	var f boxstore.Filter
	counts := map[[16]byte]int{}
	var pool [][16]byte
	for range 3000 {
		var m [16]byte
		rand.Read(m[:3]) // few bits: fingerprints and homes collide
		pool = append(pool, m)
	}
	prints := func(m [16]byte) (n int) {
		for o, c := range counts {
			if o[0] == m[0] && o[1] == m[1] && o[2] == m[2] {
				n += c
			}
		}
		return n
	}
	for i := range 20000 {
		m := pool[mrand.IntN(len(pool))]
		if i%5 < 3 {
			f.Add(m)
			counts[m]++
		} else if counts[m] > 0 {
			f.Remove(m)
			counts[m]--
		}
		if i%37 == 0 {
			m = pool[mrand.IntN(len(pool))]
			if f.Has(m) != (prints(m) > 0) {
				t.Fatalf("step %d: the filter says %v", i, f.Has(m))
			}
		}
	}
}

// TestBoxstore_BS07_settled: what is read beside commits is durable: neither a record
// that is on its way to the disk nor one that is about to be replaced.
func TestBoxstore_BS07_settled(t *testing.T) {
	s := open(t, t.TempDir(), today, 1<<30)
	a, b := cell(today, 1), cell(today+1, 1)
	if _, ok := s.Settled(a.Box); ok {
		t.Error("what was never put is settled")
	}
	must(t, s.Apply([]relay.Change{put(a), put(b)}))
	s.Moving(a.Box)
	if _, ok := s.Settled(a.Box); ok {
		t.Error("what is on its way to the disk is settled")
	}
	if r, ok := s.Settled(b.Box); !ok || !bytes.Equal(r.Cell, b.Cell) {
		t.Error("another record is not settled")
	}
	wants(t, s.Store, a, b)
	dead := tomb(a)
	must(t, s.Apply([]relay.Change{put(dead)})) // whatever was on its way, is
	if r, ok := s.Settled(a.Box); !ok || r.Cell != nil || r.Sig != dead.Sig {
		t.Error("a tombstone is not settled")
	}
	must(t, s.Expire(today+1))
	if _, ok := s.Settled(a.Box); ok {
		t.Error("what expired is settled")
	}
	must(t, s.Close())
	if _, ok := s.Settled(b.Box); ok {
		t.Error("a closed store gives something")
	}
}

// TestBoxstore_BS05_roomUsedAgain: what records are sealed and opened in serves the next
// ones, while others read: each stays what it was.
func TestBoxstore_BS05_roomUsedAgain(t *testing.T) {
	s := open(t, t.TempDir(), today, 1<<30)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 8 {
				var all []*relay.Record
				var changes []relay.Change
				for range 8 {
					r := cell(today+1, 1)
					all, changes = append(all, r), append(changes, put(r))
				}
				if err := s.Apply(changes); err != nil {
					t.Error(err)
					return
				}
				all[0] = tomb(all[0])
				if err := s.Apply([]relay.Change{put(all[0])}); err != nil {
					t.Error(err)
					return
				}
				for _, r := range all {
					got, ok, err := s.Get(r.Box)
					ref, there, _, e := s.Find(r.Box)
					if !ok || !equal(&got, r) || ref.Box != r.Box || there != (r.Cell != nil) || errors.Join(err, e) != nil {
						t.Errorf("another record than was put: %v", errors.Join(err, e))
					}
				}
			}
		})
	}
	group.Wait()
}
