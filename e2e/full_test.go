package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	apiv1 "kith/api/v1"
)

// small is a disk of so many bytes.
type small struct {
	t    *testing.T
	path string
}

// newSmall mounts one, or skips the test.
func newSmall(t *testing.T, bytes int) *small {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("skipped: a small disk needs mount, which needs root")
	}
	s := &small{t: t, path: t.TempDir()}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=0700", bytes), "tmpfs", s.path).CombinedOutput(); err != nil {
		t.Skipf("skipped: tmpfs cannot be mounted here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", s.path).CombinedOutput(); err != nil {
			t.Errorf("unmounting: %s", out)
		}
	})
	return s
}

// fill writes until nothing more goes on the disk.
func (s *small) fill() {
	s.t.Helper()
	f, err := os.OpenFile(filepath.Join(s.path, "filler"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	must(s.t, err)
	defer f.Close()
	for size := 1 << 20; size >= 1; size /= 16 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			s.t.Fatal(err)
		}
	}
}

func (s *small) free() { must(s.t, os.Remove(filepath.Join(s.path, "filler"))) }

// grow makes the disk larger.
func (s *small) grow(bytes int) {
	s.t.Helper()
	if out, err := exec.Command("mount", "-o", fmt.Sprintf("remount,size=%d", bytes), s.path).CombinedOutput(); err != nil {
		s.t.Fatalf("growing a disk: %s", out)
	}
}

const full = "the disk is full"

// awaitTrouble waits until status says that the disk is full, or that it is
// not any more.
func (p *person) awaitTrouble(is bool) {
	p.t.Helper()
	until(p.t, func() bool { return strings.Contains(p.status().GetTrouble(), full) == is })
}

// TestFull_senderRefuses fills the disk of somebody who sends.
func TestFull_senderRefuses(t *testing.T) {
	t.Parallel()
	d := newSmall(t, 32<<20)
	dir := t.TempDir()
	alice, bob := newPerson(t, d.path, "Alice"), newPerson(t, dir, "Bob")
	for _, p := range []*person{alice, bob} {
		p.init()
		p.up()
	}
	alice.meet(bob)
	file := filepath.Join(dir, "file.bin")
	sum := randomFile(t, file, 8<<20)

	d.fill()
	var said []string
	refused := false
	for i := range 500 {
		text := fmt.Sprintf("%03d %s", i, strings.Repeat("words ", 500))
		if _, err := alice.say("Bob", text); err != nil {
			refused = strings.Contains(err.Error(), full)
			break
		}
		said = append(said, text)
	}
	if !refused {
		t.Fatal("a full disk is not noticed")
	}
	alice.refused(5, "kith: "+full, "send", "Bob", "hello")
	alice.refused(5, "hint: free some space; nothing was lost", "send", "Bob", "hello")
	alice.refused(5, "kith: "+full, "send", "Bob", "--file", file)
	alice.refused(5, "kith: "+full, "invite")
	alice.awaitTrouble(true)
	if out := alice.ok("status"); !strings.Contains(out, "trouble   "+full) {
		t.Errorf("status does not tell of the trouble:\n%s", out)
	}
	alice.tidy(0)

	d.free()
	alice.ok("send", "Bob", "there is room again", "--wait", "delivered")
	alice.awaitTrouble(false)
	id := alice.sendFile("Bob", file, "--wait", "delivered")
	bob.awaitFile("file.bin")
	bob.saved(id, sum)
	checkTexts(t, bob.all("Alice"), append(said, "there is room again", ""))
	alice.down()
}

// checkTexts compares what a log says, in order.
func checkTexts(t *testing.T, log []*apiv1.Message, want []string) {
	t.Helper()
	var got []string
	for _, m := range log {
		got = append(got, m.GetText())
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d texts, want %d, or in another order", len(got), len(want))
	}
}

// TestFull_receiverWaits fills the disk of somebody who receives: nothing is
// acknowledged that is not kept, and everything comes when there is room.
func TestFull_receiverWaits(t *testing.T) {
	t.Parallel()
	d := newSmall(t, 32<<20)
	alice, bob := newPerson(t, t.TempDir(), "Alice"), newPerson(t, d.path, "Bob")
	for _, p := range []*person{alice, bob} {
		p.init()
		p.up()
	}
	alice.meet(bob)
	d.fill()
	var said []string
	last := ""
	for i := range 300 {
		text := fmt.Sprintf("%03d %s", i, strings.Repeat("words ", 500))
		id, err := alice.say("Bob", text)
		must(t, err)
		said, last = append(said, text), id
	}
	bob.awaitTrouble(true)
	if len(bob.all("Alice")) >= len(said) {
		t.Fatal("the disk was not full")
	}
	for _, m := range alice.all("Bob") {
		if m.GetId() == last && m.GetState() != "queued" {
			t.Error("the last text counts as delivered")
		}
	}
	alice.refused(7, "not delivered yet", "send", "Bob", "one more", "--wait", "delivered", "--timeout", "100ms")
	d.free()
	settle(t, alice, bob) // what was refused is repeated after a while
	bob.awaitTrouble(false)
	// Texts that were refused for want of space come again in their own time.
	for {
		all := alice.all("Bob")
		i := slices.IndexFunc(all, func(m *apiv1.Message) bool { return m.GetState() == "queued" })
		if i < 0 {
			break
		}
		alice.awaitState(all[i].GetId(), "delivered")
	}
	checkTexts(t, bob.all("Alice"), append(said, "one more"))
	bob.down()
}

// TestFull_receiverInMidFile has room for half of a file at first.
func TestFull_receiverInMidFile(t *testing.T) {
	t.Parallel()
	needProc(t)
	d := newSmall(t, int(bigFile()/2))
	dir := t.TempDir()
	alice, bob := newPerson(t, dir, "Alice"), newPerson(t, d.path, "Bob")
	for _, p := range []*person{alice, bob} {
		p.init()
		p.up()
	}
	alice.meet(bob)
	file := filepath.Join(dir, "big.bin")
	sum := randomFile(t, file, bigFile())
	before := alice.gave()
	id := alice.sendFile("Bob", file)
	bob.awaitTrouble(true)
	bob.refused(5, "not complete yet", "save", id, filepath.Join(dir, "early"))
	d.grow(int(3 * bigFile()))
	alice.ok("send", "Bob", "words go through in between", "--wait", "delivered")
	bob.awaitFile("big.bin")
	bob.awaitTrouble(false)
	// Taking the file in was written to Alice's own disk: once, and its hashes.
	if gave := alice.gave() - before - bigFile(); gave > allowed(6) {
		t.Errorf("%d bytes on the wire for a file of %d", gave, bigFile())
	}
	bob.saved(id, sum)
	bob.tidy(1)
	bob.down()
}

// TestFull_initLeavesNothingHalfMade makes an account on disks with no room,
// or too little.
func TestFull_initLeavesNothingHalfMade(t *testing.T) {
	t.Parallel()
	for _, pages := range []int{1, 2, 3, 4, 5, 6, 12, 20, 30, 40, 60} {
		d := newSmall(t, pages*4096)
		p := newPerson(t, d.path, "Alice")
		o := p.run("init", "--name", "Alice", "--key-file")
		if o.code == 0 {
			continue
		}
		if o.code != 5 || !strings.Contains(o.stderr, full) {
			t.Errorf("with %d pages: exit code %d\n%s", pages, o.code, o.stderr)
		}
		if o.stdout != "" {
			t.Errorf("with %d pages it printed an account", pages)
		}
		p.refused(3, "there is no account", "up")
		d.grow(16 << 20)
		p.init()
		p.up()
		p.down()
	}
}

// TestFull_upSaysSo starts a node on a full disk.
func TestFull_upSaysSo(t *testing.T) {
	t.Parallel()
	d := newSmall(t, 32<<20)
	alice, bob := newPerson(t, d.path, "Alice"), newPerson(t, t.TempDir(), "Bob")
	for _, p := range []*person{alice, bob} {
		p.init()
		p.up()
	}
	alice.meet(bob)
	alice.ok("send", "Bob", "before", "--wait", "delivered")
	for _, orderly := range []bool{true, false} {
		if orderly {
			alice.down()
		} else {
			alice.kill()
		}
		d.fill()
		if !alice.start() {
			err := <-alice.done
			t.Logf("orderly %v: %v %s", orderly, err, alice.errors)
			if !strings.Contains(alice.errors.String(), "kith: "+full) {
				t.Errorf("it does not say why it cannot start: %s", alice.errors)
			}
			alice.forget()
		} else {
			alice.kill()
		}
		d.free()
		alice.up()
		alice.ok("send", "Bob", "after", "--wait", "delivered")
	}
	checkTexts(t, alice.all("Bob"), []string{"before", "after", "after"})
}
