package rendezvous_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"kith/internal/rendezvous"
)

var update = flag.Bool("update", false, "write the vectors anew")

var (
	root, writer, reader = fill(1), fill(2), fill(3)
	pair                 = rendezvous.NewPair(root, writer, reader)
	now                  = time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)
	today                = rendezvous.Days(now)[0]
)

func fill(b byte) (a [32]byte) { return [32]byte(bytes.Repeat([]byte{b}, 32)) }

func TestRendezvous_RV01_everyPairHasItsOwnSecret(t *testing.T) {
	seen := map[rendezvous.Pair]bool{pair: true}
	for _, other := range []rendezvous.Pair{
		rendezvous.NewPair(root, reader, writer), rendezvous.NewPair(fill(9), writer, reader),
		rendezvous.NewPair(root, fill(9), reader), rendezvous.NewPair(root, writer, fill(9)),
	} {
		if seen[other] {
			t.Error("two pairs have one secret")
		}
		seen[other] = true
	}
}

func TestRendezvous_RV02_placesChangeDaily(t *testing.T) {
	seen := map[[32]byte]bool{}
	for day := range uint32(100) {
		seen[pair.Place(today+day)] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d places in 100 days", len(seen))
	}
	place, _ := pair.Seal(nil, now)
	if place != pair.Place(today) {
		t.Error("writer and reader disagree on the place")
	}
}

func TestRendezvous_RV03_readersLookAtThreeDays(t *testing.T) {
	last := time.Date(2026, 11, 23, 23, 59, 59, 999999999, time.UTC)
	for _, x := range []struct {
		at   time.Time
		want [3]uint32
	}{
		{last, [3]uint32{today, today - 1, today + 1}}, {last.Add(1), [3]uint32{today + 1, today, today + 2}},
		{time.Unix(-5, 0), [3]uint32{1, 0, 2}},
	} {
		if got := rendezvous.Days(x.at); got != x.want {
			t.Errorf("%v: %v, want %v", x.at, got, x.want)
		}
	}
	// One whose clock is a day behind or ahead is found.
	for _, off := range []time.Duration{-24 * time.Hour, 0, 24 * time.Hour} {
		place, _ := pair.Seal(nil, now.Add(off))
		if !slices.ContainsFunc(slices.Collect(slices.Values(daysOf(now))), func(d uint32) bool { return pair.Place(d) == place }) {
			t.Errorf("a writer whose clock is off by %v is not found", off)
		}
	}
}

func daysOf(at time.Time) []uint32 { d := rendezvous.Days(at); return d[:] }

func TestRendezvous_RV04_addressesComeThroughWhole(t *testing.T) {
	full := strings.Repeat("a", rendezvous.MaxAddr)
	for _, x := range []struct{ in, want []string }{
		{nil, []string{}},
		{[]string{"/ip4/1.2.3.4/tcp/1"}, []string{"/ip4/1.2.3.4/tcp/1"}},
		{[]string{full, full + "a", "", "with blank", "ümlaut", "\x00", "b"}, []string{full, "b"}},
		{slices.Repeat([]string{"x"}, rendezvous.MaxAddrs+1), slices.Repeat([]string{"x"}, rendezvous.MaxAddrs)},
		// MaxText: three of 255 and one more byte each, then what is left, and one too long for that.
		{[]string{full, full, full, strings.Repeat("b", rendezvous.MaxText-3*256), "c"}, []string{full, full, full, "c"}},
		{[]string{full, full, full, strings.Repeat("b", rendezvous.MaxText-3*256-1), "c"}, []string{full, full, full, strings.Repeat("b", rendezvous.MaxText-3*256-1)}},
	} {
		place, record := pair.Seal(x.in, now)
		if len(record) != rendezvous.Size {
			t.Errorf("a record of %d bytes", len(record))
		}
		if err := rendezvous.Check(place, record, now); err != nil {
			t.Error(err)
		}
		got, made, err := pair.Open(today, record)
		if err != nil || !slices.Equal(got, x.want) || !made.Equal(now) {
			t.Errorf("%d addresses, want %d, made %v: %v", len(got), len(x.want), made, err)
		}
	}
}

func TestRendezvous_RV05_everyBitCounts(t *testing.T) {
	place, record := pair.Seal([]string{"/ip4/1.2.3.4/tcp/1"}, now)
	for i := range record {
		bad := bytes.Clone(record)
		bad[i] ^= 1 << (i % 8)
		if err := rendezvous.Check(place, bad, now); !errors.Is(err, rendezvous.ErrForged) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		if _, _, err := pair.Open(today, bad); !errors.Is(err, rendezvous.ErrForged) {
			t.Fatalf("byte %d changed: opened, %v", i, err)
		}
	}
}

func TestRendezvous_RV06_keepersRefuseForgedRecords(t *testing.T) {
	place, record := pair.Seal(nil, now)
	for _, x := range []struct {
		name   string
		place  [32]byte
		record []byte
		now    time.Time
	}{
		{"another's place", rendezvous.NewPair(fill(9), writer, reader).Place(today), record, now},
		{"another day's place", pair.Place(today + 1), record, now},
		{"too short", place, record[:len(record)-1], now}, {"too long", place, append(bytes.Clone(record), 0), now}, {"empty", place, nil, now},
		{"two days later", place, record, now.Add(48 * time.Hour)}, {"two days earlier", place, record, now.Add(-48 * time.Hour)},
	} {
		if err := rendezvous.Check(x.place, x.record, x.now); !errors.Is(err, rendezvous.ErrForged) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
	for _, off := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		if err := rendezvous.Check(place, record, now.Add(off)); err != nil {
			t.Errorf("a day off by %v: %v", off, err)
		}
	}
	// What says another day than it was made in, signed rightly.
	bad := bytes.Clone(record)
	binary.BigEndian.PutUint64(bad[5:], uint64(now.Add(24*time.Hour).UnixMilli()))
	resign(bad, today)
	if err := rendezvous.Check(place, bad, now); !errors.Is(err, rendezvous.ErrForged) {
		t.Errorf("a day it was not made in: %v", err)
	}
}

// resign signs with the day's key, as the pair can; the seed is that of the
// specification.
func resign(record []byte, day uint32) {
	sign := ed25519.NewKeyFromSeed(rendezvous.SeedOf(pair, day))
	body := record[:len(record)-64]
	copy(record[len(record)-64:], ed25519.Sign(sign, append([]byte("kith v1 rendezvous record"), body...)))
}

func TestRendezvous_RV07_newestIsKept(t *testing.T) {
	_, old := pair.Seal(nil, now)
	_, fresh := pair.Seal(nil, now.Add(time.Millisecond))
	_, twin := pair.Seal(nil, now)
	for _, x := range []struct {
		records [][]byte
		want    int
	}{
		{[][]byte{old, fresh}, 1}, {[][]byte{fresh, old}, 0}, {[][]byte{nil, old}, 1}, {[][]byte{old, fresh, twin}, 1},
	} {
		if got, err := rendezvous.Newest(x.records); err != nil || got != x.want {
			t.Errorf("%d, %v; want %d", got, err, x.want)
		}
	}
	// Two made at once: everybody keeps the same.
	a, _ := rendezvous.Newest([][]byte{old, twin})
	b, _ := rendezvous.Newest([][]byte{twin, old})
	if a == b {
		t.Error("which is kept depends on the order")
	}
	if _, err := rendezvous.Newest([][]byte{nil}); !errors.Is(err, rendezvous.ErrForged) {
		t.Errorf("of none: %v", err)
	}
}

func TestRendezvous_RV10_readersRefuseWhatIsNotTheirs(t *testing.T) {
	_, record := pair.Seal([]string{"a"}, now)
	if _, _, err := rendezvous.NewPair(root, reader, writer).Open(today, record); !errors.Is(err, rendezvous.ErrForged) {
		t.Errorf("the other way round: %v", err)
	}
	if _, _, err := pair.Open(today-1, record); !errors.Is(err, rendezvous.ErrForged) {
		t.Errorf("as of another day: %v", err)
	}
	for name, plain := range map[string][]byte{
		"too many":     append([]byte{rendezvous.MaxAddrs + 1}, bytes.Repeat([]byte{1, 'a'}, rendezvous.MaxAddrs+1)...),
		"an empty one": {1, 0},
		"not ASCII":    {1, 1, 0x80},
		"past the end": {9, 255},
		"not zeros":    {1, 1, 'a', 0, 1},
	} {
		r := rendezvous.SealRaw(pair, plain, now)
		if err := rendezvous.Check(pair.Place(today), r, now); err != nil {
			t.Fatal(err)
		}
		if got, _, err := pair.Open(today, r); !errors.Is(err, rendezvous.ErrForged) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	_, record := pair.Seal([]string{"/ip4/1.2.3.4/tcp/1"}, now)
	f.Add(record)
	f.Add(record[:100])
	f.Fuzz(func(t *testing.T, b []byte) {
		err := rendezvous.Check(pair.Place(today), b, now)
		_, _, opened := pair.Open(today, b)
		if err != nil && opened == nil {
			t.Error("what keepers refuse is opened")
		}
		if _, err := rendezvous.Newest([][]byte{b, record}); err != nil {
			t.Error(err)
		}
		rendezvous.Unpack(b)
	})
}

func TestRendezvous_vectors(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	var b strings.Builder
	fmt.Fprintf(&b, "# docs/spec/rendezvous.md, version 1\nroot %x\nwriter %x\nreader %x\npair %x\n", root, writer, reader, pair)
	for _, day := range rendezvous.Days(now) {
		fmt.Fprintf(&b, "place %d %x\n", day, pair.Place(day))
	}
	addrs := []string{"/ip4/192.0.2.1/udp/4001/quic-v1", "/dns/relay.example.org/udp/4747/quic-v1/p2p-circuit"}
	_, record := pair.Seal(addrs, now)
	fmt.Fprintf(&b, "made %d\naddrs %s\nrecord %x\n", now.UnixMilli(), strings.Join(addrs, " "), record)
	path := filepath.Join("testdata", "vectors", "rendezvous.txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		t.Error("the vectors changed: look at the difference after -update")
	}
	_, text, _ := strings.Cut(string(want), "record ")
	kept, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := pair.Open(today, kept); err != nil || !slices.Equal(got, addrs) {
		t.Errorf("%q, %v", got, err)
	}
}
