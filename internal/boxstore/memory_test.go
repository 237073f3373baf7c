package boxstore_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kith/internal/boxstore"
	"kith/internal/relay"
)

var (
	boxes   = flag.Int("boxes", 12000, "how many boxes to store for a look at memory")
	million = flag.Bool("million", false, "store a million boxes, which takes minutes and 8 GB, and measure opening them")
)

// anonymous is what the process has of memory that no file stands behind, in bytes.
func anonymous(t *testing.T) int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("skipped: the system does not say how much memory is resident")
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "RssAnon:" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			must(t, err)
			return n << 10
		}
	}
	t.Skip("skipped: the system does not say how much memory is resident")
	return 0
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// fillStore puts n boxes on 14 days.
func fillStore(t *testing.T, s *boxstore.Store, n int) {
	t.Helper()
	var group sync.WaitGroup
	const batch = 500
	for at := 0; at < n; at += batch {
		changes := make([]relay.Change, min(batch, n-at))
		for i := range changes {
			group.Go(func() { changes[i] = put(cell(today+rand.Uint32N(14), rand.Uint32N(100))) })
		}
		group.Wait()
		must(t, s.Apply(changes))
	}
}

// TestBoxstore_BS16_memory counts what a stored box costs of memory: on the
// heap, in the running store and in one opened again.
func TestBoxstore_BS16_memory(t *testing.T) {
	const most = 100
	s := open(t, t.TempDir(), today, 1<<40)
	fillStore(t, s.Store, 500) // what does not grow is there
	empty := heap()
	fillStore(t, s.Store, *boxes)
	full := heap()
	must(t, s.Close())
	closed := heap()
	s = open(t, s.dir, today, 1<<40)
	opened := heap()
	if u := s.Usage(); u.Records != *boxes+500 {
		t.Fatalf("usage is %+v", u)
	}
	running, again := float64(full-empty)/float64(*boxes), float64(opened-closed)/float64(*boxes)
	t.Logf("%d boxes: %.1f bytes of heap a box while running, %.1f opened again; %d MiB resident that are no file's",
		*boxes, running, again, anonymous(t)>>20)
	if running > most || again > most {
		t.Errorf("a box costs %.1f and %.1f bytes of memory", running, again)
	}
}

// TestBoxstore_BS16_million opens a million boxes.
func TestBoxstore_BS16_million(t *testing.T) {
	if !*million {
		t.Skip("skipped: only with -million")
	}
	s := open(t, t.TempDir(), today, 1<<40)
	begin := time.Now()
	fillStore(t, s.Store, 1_000_000)
	t.Logf("stored in %v", time.Since(begin))
	must(t, s.Close())
	for _, what := range []string{"after closing", "from a cold disk"} {
		if what == "from a cold disk" {
			if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("1"), 0); err != nil {
				t.Logf("caches stay: %v", err)
				continue
			}
		}
		before := heap()
		begin = time.Now()
		s = open(t, s.dir, today, 1<<40)
		took := time.Since(begin)
		pages, free := s.Pages()
		t.Logf("%s: opened in %v; %.1f bytes of heap a box; files of %d MiB, %d free", what, took, float64(heap()-before)/1e6, pages>>20, free>>20)
		if took > 2*time.Second && what == "after closing" {
			t.Errorf("a million boxes take %v to open", took)
		}
		must(t, s.Close())
	}
}
