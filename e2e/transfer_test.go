package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kith/internal/transfer"
	"kith/media"
)

// gave is how many bytes a process has given to write calls: its TCP
// connections, and little else where it only sends.
func (p *person) gave() int64 {
	p.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.node.Process.Pid))
	must(p.t, err)
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, "wchar:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			must(p.t, err)
			return n
		}
	}
	p.t.Fatal("/proc does not count what a process writes")
	return 0
}

func needProc(t *testing.T) {
	t.Helper()
	if _, err := os.ReadFile("/proc/self/io"); err != nil {
		t.Skipf("skipped: bytes on the wire are read from /proc: %v", err)
	}
}

// allowed is how many bytes a sender may write for a file of so many chunks
// when the transfer was cut so often: every finished chunk goes over the wire
// once, what was in flight at a cut twice. A fiftieth is for frames and proofs.
func allowed(cuts int) int64 {
	chunks := bigFile()/media.ChunkSize + 2 // padded
	return (chunks+int64(cuts)*transfer.MaxFetches)*media.ChunkSize*51/50 + 1<<20
}

// TestCrash_receiverInMidTransfer kills the receiver of a file after parts of
// it have come, at system calls and at once, and counts what its sender gave.
func TestCrash_receiverInMidTransfer(t *testing.T) {
	t.Parallel()
	needStrace(t)
	needProc(t)
	random := dice(t)
	dir := t.TempDir()
	alice, bob := pair(t, dir)
	path := filepath.Join(dir, "big.bin")
	sum := randomFile(t, path, bigFile())
	bob.down()
	id := alice.sendFile("Bob", path)
	before := alice.gave()
	// The last ones: when the blob is given its final name, and made durable.
	points := []point{{"pwrite64", 1 + random.IntN(12)}, {"pwrite64", 1 + random.IntN(40)}, {"", 100 + random.IntN(150)},
		{"", 50 + random.IntN(100)}, {"fsync", 1}, {"renameat", 1}, {"renameat", 2}}
	cuts := 0
	for _, where := range points {
		if died := bob.diesAt(where, func() { _ = bob.sees(complete("big.bin")) }); died {
			cuts++
		}
	}
	bob.up()
	bob.awaitFile("big.bin")
	gave := alice.gave() - before
	if gave > allowed(cuts) {
		t.Errorf("cut %d times, a file of %d bytes cost %d on the wire, more than %d", cuts, bigFile(), gave, allowed(cuts))
	}
	alice.awaitState(id, "delivered")
	bob.saved(id, sum)
	if n := len(bob.all("Alice")); n != 1 {
		t.Errorf("%d messages, not one", n)
	}
	bob.tidy(1)
	t.Logf("cut %d times, %.1f MiB on the wire for %d MiB", cuts, float64(gave)/(1<<20), bigFile()>>20)
}

// TestCrash_senderInMidTransfer kills the sender of a file while it gives it.
func TestCrash_senderInMidTransfer(t *testing.T) {
	t.Parallel()
	needProc(t)
	random := dice(t)
	dir := t.TempDir()
	alice, bob := pair(t, dir)
	path := filepath.Join(dir, "big.bin")
	sum := randomFile(t, path, bigFile())
	bob.down()
	id := alice.sendFile("Bob", path)
	total := -alice.gave()
	bob.up()
	const cuts = 4
	for range cuts {
		began, enough := alice.gave(), (random.Int64N(bigFile() / 5))
		until(t, func() bool { return alice.gave()-began >= enough })
		// Stopped first, so that nothing leaves between the count and the kill.
		must(t, alice.node.Process.Signal(syscall.SIGSTOP))
		total += alice.gave()
		alice.kill()
		alice.up()
	}
	bob.awaitFile("big.bin")
	total += alice.gave()
	if total > allowed(cuts) {
		t.Errorf("cut %d times, a file of %d bytes cost %d on the wire, more than %d", cuts, bigFile(), total, allowed(cuts))
	}
	alice.awaitState(id, "delivered")
	bob.saved(id, sum)
	bob.tidy(1)
	t.Logf("cut %d times, %.1f MiB on the wire for %d MiB", cuts, float64(total)/(1<<20), bigFile()>>20)
}

// TestCrash_whileTakingAFileIn kills the node that a file is given to, before
// there is a message about it: nothing of it stays.
func TestCrash_whileTakingAFileIn(t *testing.T) {
	t.Parallel()
	needStrace(t)
	dir := t.TempDir()
	alice, bob := pair(t, dir)
	path := filepath.Join(dir, "some.bin")
	sum := randomFile(t, path, 5<<20)
	alice.kill()
	sent := 0
	for _, where := range []point{{"write", 1}, {"fsync", 1}, {"fsync", 2}, {"renameat", 1}, {"renameat", 2}} {
		// System calls are counted by thread, and what takes a file in may change
		// its thread between two of them: then the file is sent, and the point is
		// tried again.
		died := false
		for tries := 0; !died && tries < 10; tries++ {
			if died = alice.diesAt(where, func() { alice.run("send", "Bob", "--file", path) }); !died {
				sent++
			}
		}
		if !died {
			t.Fatalf("it did not come to %s", where)
		}
		alice.up()
		if n := len(alice.all("Bob")); n != sent {
			t.Errorf("killed at %s, there are %d messages, not %d", where, n, sent)
		}
		alice.tidy(sent)
		alice.kill()
	}
	alice.up()
	whole := filepath.Join(dir, "whole.bin")
	must(t, os.Rename(path, whole))
	id := alice.sendFile("Bob", whole, "--wait", "delivered")
	bob.awaitFile("whole.bin")
	bob.saved(id, sum)
}

// diesAt runs the node so that it dies at a point while something goes on, and
// reports whether it did; if not, it is killed when that is over.
func (p *person) diesAt(where point, meanwhile func()) bool {
	p.t.Helper()
	var wrap []string
	if where.call != "" {
		wrap = killAt(where.call, where.n)
	}
	if p.start(wrap...) {
		if where.call == "" {
			timer := time.AfterFunc(time.Duration(where.n)*time.Millisecond, func() { _ = p.node.Process.Kill() })
			defer timer.Stop()
		}
		meanwhile()
	}
	// What goes on sees a broken connection a moment before the process is gone.
	var died bool
	select {
	case <-p.done:
		died = true
		p.forget()
	case <-time.After(2 * time.Second):
		p.kill()
	}
	return died
}

// tidy checks that a home holds so many blobs and nothing half done.
func (p *person) tidy(blobs int) {
	p.t.Helper()
	entries, err := os.ReadDir(filepath.Join(p.home, "blobs"))
	if err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	whole := 0
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case ".blob":
			whole++
			if strings.HasPrefix(e.Name(), "new-") {
				p.t.Errorf("%s stays", e.Name())
			}
		case ".tree":
		default:
			p.t.Errorf("%s stays", e.Name())
		}
	}
	if whole != blobs {
		p.t.Errorf("%d blobs, want %d", whole, blobs)
	}
}

// until asks again and again whether something is so.
func until(t *testing.T, so func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !so() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("it does not come to it")
		}
	}
}
