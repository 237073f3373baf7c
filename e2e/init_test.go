package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCrash_initCanBeRepeated kills init before each write and each
// synchronisation. What is left is an account that works, or nothing that
// stands in the way of the next init.
func TestCrash_initCanBeRepeated(t *testing.T) {
	t.Parallel()
	needStrace(t)
	random := dice(t)
	finished, begun := 0, 0
	var points []point
	for _, p := range []point{{"pwrite64", 50}, {"fdatasync", 8}, {"fsync", 5}, {"unlinkat", 4}, {"linkat", 2}, {"renameat", 1}, {"openat", 12}} {
		for n := 1; n <= p.n; n += 1 + p.n/8 {
			points = append(points, point{p.call, min(p.n, n+random.IntN(1+p.n/8))})
		}
	}
	dir := t.TempDir()
	for i, where := range points {
		p := newPerson(t, filepath.Join(dir, where.call), "Alice")
		p.home = filepath.Join(dir, "home")
		must(t, os.RemoveAll(p.home))
		kind := []string{"init", "--name", "Alice", "--key-file"}
		if i%8 == 7 {
			kind = kind[:3]
			p.env = []string{"KITH_PASSPHRASE=some words of a test"}
		}
		if o := p.runUnder(killAt(where.call, where.n), kind...); o.code == 0 {
			finished++ // the point lies behind the end
		} else if _, err := os.Stat(filepath.Join(p.home, "kith.db")); err != nil {
			begun++
			p.ok(kind...)
		}
		if o := p.run("up", "--no-lan", "--listen", "nonsense"); o.code != 1 || o.stderr == "" {
			t.Errorf("killed at %s, then: %s", where, o.stderr)
		} else if want := "cannot listen"; !strings.Contains(o.stderr, want) {
			t.Errorf("killed at %s, the home does not open: %s", where, o.stderr)
		}
		if left, _ := filepath.Glob(filepath.Join(p.home, "*new*")); len(left) > 0 {
			t.Errorf("killed at %s, %v stays", where, left)
		}
	}
	t.Logf("%d points: %d before the account was there, %d behind the end", len(points), begun, finished)
}
