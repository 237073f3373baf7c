package bench

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	all      = flag.Bool("bench-all", false, "measure; without it the test is skipped")
	only     = flag.String("bench-only", "seal,text,file,kill,idle,ready,return", "what to measure")
	runs     = flag.Int("bench-runs", 3, "runs of the file measurements; the median counts")
	messages = flag.Int("bench-messages", 300, "text messages to send")
	mebis    = flag.Int64("bench-mib", 1024, "size of the file in MiB")
	crocPath = flag.String("bench-croc", "", "a croc binary; empty: install one; none: leave it out")
	settle   = flag.Duration("bench-settle", time.Minute, "how long a node idles before its memory is read")
)

// roleEnv turns this test binary into the far end of a bare stream.
const roleEnv = "KITH_BENCH_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleEnv) == roleFarEnd {
		if err := farEnd(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// bed is one run of everything: where it works and what it found.
type bed struct {
	*testing.T
	ctx  context.Context
	dir  string // removed at the end
	kith string // the binary under test
	rows []row
}

func TestTargets(t *testing.T) {
	if !*all {
		t.Skip("give -bench-all to measure")
	}
	b := &bed{T: t, ctx: t.Context(), dir: t.TempDir()}
	b.kith = filepath.Join(b.dir, "kith")
	build := exec.CommandContext(b.ctx, "go", "build", "-o", b.kith, "kith/cmd/kith")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building kith: %v\n%s", err, out)
	}
	began := time.Now()
	wanted := strings.Split(*only, ",")
	for _, part := range []struct {
		name string
		do   func()
	}{
		{"seal", b.seal},
		{"text", b.text},
		{"ready", b.ready},
		{"file", b.file},
		{"kill", b.kill},
		{"idle", b.idle},
		{"return", b.comeback},
	} {
		if slices.Contains(wanted, part.name) {
			t.Logf("measuring %s, load %s", part.name, load())
			part.do()
		}
	}
	t.Logf("%s, %s/%s, %d cores, %s\n%s", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(),
		time.Since(began).Round(time.Second), table(b.rows))
	for _, r := range b.rows {
		if r.missed() {
			t.Errorf("target missed: %s", r.what)
		}
	}
}

// must ends the run when a step failed: figures of a broken run mean nothing.
func (b *bed) must(err error, doing string) {
	b.Helper()
	if err != nil {
		b.Fatalf("%s: %v", doing, err)
	}
}
