package boxstore_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kith/internal/boxstore"
	"kith/internal/relay"
)

var (
	damages    = flag.Int("damages", 24, "how many damaged files to try")
	damageSeed = flag.Uint64("damage-seed", 0, "of where they are damaged; 0: another one each time, printed")
)

const damageRecords = 240

// sound makes a store of four days in a directory.
func sound(t *testing.T) string {
	t.Helper()
	s := open(t, t.TempDir(), today, 1<<30)
	for n := uint64(0); n < damageRecords; n += 10 {
		var changes []relay.Change
		for i := range uint64(10) {
			changes = append(changes, put(derived(n+i)))
		}
		must(t, s.Apply(changes))
	}
	must(t, s.Close())
	return s.dir
}

// TestBoxstore_BS14_damageCostsItsDay damages one day's files in all ways that
// come to mind, each in a process of its own: it must not end badly, serve
// what was never put, or lose anything of other days.
func TestBoxstore_BS14_damageCostsItsDay(t *testing.T) {
	dir := sound(t)
	name := filepath.Join(dir, "20002-0", boxstore.FileName)
	whole, err := os.ReadFile(name)
	must(t, err)
	used := bytes.LastIndexFunc(whole, func(r rune) bool { return r != 0 })
	seed := *damageSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	random := rand.New(rand.NewPCG(seed, 0))
	set := 0
	for i := range *damages {
		b := bytes.Clone(whole)
		what := ""
		switch i % 8 {
		case 0:
			at := random.IntN(used)
			b[at] ^= 1 << random.IntN(8)
			what = fmt.Sprintf("a bit at %d", at)
		case 1:
			b = b[:random.IntN(used)]
			what = fmt.Sprintf("cut at %d", len(b))
		case 2:
			page := random.IntN(used / 4096)
			clear(b[page*4096:][:4096])
			what = fmt.Sprintf("page %d zero", page)
		case 3:
			at := random.IntN(used-512) &^ 511
			for j := range 512 {
				b[at+j] = byte(random.Uint32())
			}
			what = fmt.Sprintf("sector at %d", at)
		case 4:
			from, to := random.IntN(used/4096), random.IntN(used/4096)
			copy(b[to*4096:][:4096], b[from*4096:][:4096])
			what = fmt.Sprintf("page %d at %d", from, to)
		case 5:
			page := random.IntN(used / 4096)
			at := page*4096 + random.IntN(64)
			b[at] = byte(random.Uint32())
			what = fmt.Sprintf("the head of page %d, byte %d", page, at%4096)
		case 6:
			page := random.IntN(used / 4096)
			at := page*4096 + 16 + random.IntN(256)
			b[at] ^= 1 << random.IntN(8)
			what = fmt.Sprintf("an element of page %d, byte %d", page, at%4096)
		case 7:
			b = nil
			what = "empty"
		}
		must(t, os.WriteFile(name, b, 0o600))
		_ = os.Remove(filepath.Join(dir, "20002-0", boxstore.AsideName))
		must(t, os.RemoveAll(filepath.Join(dir, "20002-1")))
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVariable+"=read "+dir)
		out, err := cmd.CombinedOutput()
		have, told, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "read "), " ")
		if err != nil || !ok || len(have) != damageRecords || strings.Contains(string(out), "error") {
			t.Errorf("seed %d, %s: %v\n%.2000s", seed, what, err, out)
			continue
		}
		lost := false
		for n, c := range []byte(have) {
			if c == '0' && n%4 != 2 {
				t.Errorf("seed %d, %s: record %d of another day is lost", seed, what, n)
				break
			}
			lost = lost || c == '0'
		}
		if lost && told != "1" || told != "0" && told != "1" {
			t.Errorf("seed %d, %s: lost %v and told %s times", seed, what, lost, told)
		}
		if told == "1" {
			set++
		}
	}
	t.Logf("%d of %d set aside", set, *damages)
	if set == 0 {
		t.Error("no damage was noticed")
	}
}

// TestBoxstore_BS14_oneHeadLost: a file has two heads, written in turn. With either of
// them damaged the day is as it was at the commit before the last, or as it was; that
// is told, once, and another start finds both heads whole.
func TestBoxstore_BS14_oneHeadLost(t *testing.T) {
	lost := 0
	for head := range 2 {
		s := open(t, t.TempDir(), today, 1<<30)
		var all []*relay.Record
		for range 4 {
			r := cell(today, 1)
			must(t, s.Apply([]relay.Change{put(r)}))
			all = append(all, r)
		}
		must(t, s.Close())
		name := filepath.Join(s.dir, "20000-0", boxstore.FileName)
		b, err := os.ReadFile(name)
		must(t, err)
		b[head*4096+60] ^= 4
		must(t, os.WriteFile(name, b, 0o600))
		for start := range 2 {
			s = open(t, s.dir, today, 1<<30)
			wants(t, s.Store, all[:3]...)
			if _, ok, err := s.Get(all[3].Box); err != nil {
				t.Error(err)
			} else if !ok && start == 0 {
				lost++
			}
			if told := len(s.told); told != 1-start || told == 1 && s.told[0] != boxstore.ErrHead {
				t.Errorf("head %d, start %d: told %v", head, start, s.told)
			}
			must(t, s.Close())
		}
		must(t, boxstore.CheckHeads(filepath.Join(s.dir, "20000-0")))
	}
	if lost != 1 {
		t.Errorf("with one head or the other damaged, the last record was lost %d times", lost)
	}
}

// TestBoxstore_BS14_damagedKeys: a record whose key in either bucket was changed is
// missed, and its day set aside.
func TestBoxstore_BS14_damagedKeys(t *testing.T) {
	for _, bucket := range []string{"cells", "order"} {
		s := open(t, t.TempDir(), today, 1<<30)
		a, b := cell(today, 1), cell(today, 700)
		must(t, s.Apply([]relay.Change{put(a), put(b), put(cell(today+1, 1))}))
		must(t, s.Close())
		boxstore.DamageKey(t, filepath.Join(s.dir, "20000-0"), bucket)
		s = open(t, s.dir, today, 1<<30)
		lost := 0
		for _, r := range []*relay.Record{a, b} {
			if _, ok, err := s.Get(r.Box); err != nil {
				t.Error(err)
			} else if !ok {
				lost++
			}
		}
		if lost == 0 || len(s.told) != 1 || s.told[0] != boxstore.ErrSetAside {
			t.Errorf("%s: %d records lost, told %v", bucket, lost, s.told)
		}
		must(t, s.Close())
	}
}

// TestBoxstore_BS14_toldOnce sets a day aside, and lets it end like any other.
func TestBoxstore_BS14_toldOnce(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"no file":   func(dir string) error { return os.Remove(filepath.Join(dir, boxstore.FileName)) },
		"short key": func(dir string) error { return os.Truncate(filepath.Join(dir, boxstore.KeyName), 100) },
		"garbage": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, boxstore.FileName), bytes.Repeat([]byte("garbage "), 4096), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), today, 1<<30)
			a, b := cell(today, 1), cell(today+1, 1)
			must(t, s.Apply([]relay.Change{put(a), put(b)}))
			must(t, s.Close())
			day := filepath.Join(s.dir, "20000-0")
			must(t, damage(day))
			for start := range 3 {
				s = open(t, s.dir, today, 1<<30)
				lacks(t, s.Store, a)
				wants(t, s.Store, b)
				if told := len(s.told); told != 0 && start > 0 || told != 1 && start == 0 {
					t.Errorf("start %d: told %v", start, s.told)
				}
				if u := s.Usage(); u.Bytes <= int64(u.Records)*relay.CellCost {
					t.Errorf("a day set aside counts nothing: %+v", u)
				}
				c := cell(today, 3)
				must(t, s.Apply([]relay.Change{put(c)}))
				wants(t, s.Store, c)
				must(t, s.Close())
			}
			for _, err := range s.told {
				if strings.ContainsAny(err.Error(), "0123456789/") {
					t.Errorf("told details: %v", err)
				}
			}
			if _, err := os.Stat(filepath.Join(s.dir, "20000-1")); err != nil {
				t.Error(err)
			}
			s = open(t, s.dir, today, 1<<30)
			must(t, s.Expire(today+1))
			if _, err := os.Stat(day); !errors.Is(err, os.ErrNotExist) {
				t.Error("a day set aside outlives its end")
			}
			if u := s.Usage(); u.Bytes != relay.CellCost {
				t.Errorf("usage is %+v", u)
			}
		})
	}
}
