package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	apiv1 "kith/api/v1"
)

// disk is a directory on a file system that can lose power: everything that
// was not synchronised is then there or not, in units of so many bytes.
type disk struct {
	t          *testing.T
	program    string
	back, path string
	tear       int
	server     *exec.Cmd
	done       chan error
	said       *bufio.Reader
}

// crashfs builds the file system, or skips the test.
func crashfs(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(*bed, "crash", "crashfs")); err != nil {
		t.Skip("skipped: the file system that loses power is not beside this repository: see -testbed")
	}
	fuse, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("skipped: a file system that loses power needs FUSE: %v", err)
	}
	fuse.Close()
	program := filepath.Join(t.TempDir(), "crashfs")
	build := exec.Command("go", "build", "-C", filepath.Join(*bed, "crash"), "-o", program, "./crashfs")
	build.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("skipped: the file system that loses power does not build here: %v\n%s", err, out)
	}
	return program
}

func newDisk(t *testing.T, program, dir, name string, tear int) *disk {
	d := &disk{t: t, program: program, back: filepath.Join(dir, name+"-back"), path: filepath.Join(dir, name), tear: tear}
	must(t, os.Mkdir(d.back, 0o700))
	must(t, os.Mkdir(d.path, 0o700))
	t.Cleanup(func() {
		if d.server != nil {
			d.off()
		}
	})
	return d
}

// on mounts what the disk holds.
func (d *disk) on(seed uint64) {
	d.t.Helper()
	d.server = exec.Command(d.program, "-back", d.back, "-mnt", d.path, "-tear", fmt.Sprint(d.tear), "-seed", fmt.Sprint(seed))
	d.server.Stderr = os.Stderr
	out, err := d.server.StdoutPipe()
	must(d.t, err)
	d.done = make(chan error, 1)
	must(d.t, d.server.Start())
	d.said = bufio.NewReader(out)
	if line, err := d.said.ReadString('\n'); err != nil || line != "mounted\n" {
		d.t.Fatalf("mounting a file system that loses power: %q %v", line, err)
	}
}

// cut takes the power away: from here on every call fails.
func (d *disk) cut() string {
	d.t.Helper()
	must(d.t, d.server.Process.Signal(syscall.SIGUSR1))
	line, err := d.said.ReadString('\n')
	if err != nil {
		d.t.Fatalf("cutting the power: %v", err)
	}
	return strings.TrimSpace(line)
}

// off unmounts the disk; nobody may have files open there.
func (d *disk) off() {
	must(d.t, d.server.Process.Signal(syscall.SIGTERM))
	_, _ = io.Copy(io.Discard, d.said)
	if err := d.server.Wait(); err != nil {
		d.t.Errorf("the file system that loses power ended badly: %v", err)
	}
	d.server = nil
}

// TestPower_whatWasAcknowledgedIsThere cuts the power of both machines, of one
// and the other, while they talk and a file is on its way.
func TestPower_whatWasAcknowledgedIsThere(t *testing.T) {
	t.Parallel()
	program := crashfs(t)
	for _, tear := range []int{512, 4096} {
		t.Run(fmt.Sprintf("torn at %d", tear), func(t *testing.T) {
			t.Parallel()
			powerLoss(t, program, tear)
		})
	}
}

func powerLoss(t *testing.T, program string, tear int) {
	random := dice(t)
	dir := t.TempDir()
	disks := map[string]*disk{}
	for _, name := range []string{"a", "b"} {
		disks[name] = newDisk(t, program, dir, name, tear)
		disks[name].on(random.Uint64())
	}
	alice, bob := newPerson(t, disks["a"].path, "Alice"), newPerson(t, disks["b"].path, "Bob")
	people := map[string]*person{"a": alice, "b": bob}
	for _, p := range people {
		p.init()
		p.up()
	}
	alice.meet(bob)
	said := &record{sent: map[string]string{}}
	files := map[string]string{}
	for round := range *powerCuts / 2 {
		var talk sync.WaitGroup
		for _, p := range people {
			talk.Go(func() { said.talk(p, round) })
		}
		if round%2 == 1 {
			name := fmt.Sprintf("file-%d.bin", round)
			path := filepath.Join(t.TempDir(), name)
			sum := randomFile(t, path, int64(1<<20+random.IntN(12<<20)))
			said.tried = append(said.tried, name)
			talk.Go(func() {
				if o := alice.run("send", "Bob", "", "--file", path); o.code == 0 {
					files[strings.Fields(o.stdout)[0]] = sum
				}
			})
		}
		victims := [][]string{{"a"}, {"b"}, {"a", "b"}}[random.IntN(3)]
		<-time.After(time.Duration(20+random.IntN(400)) * time.Millisecond)
		for _, v := range victims {
			t.Logf("round %d, %s: %s", round, people[v].name, disks[v].cut())
		}
		talk.Wait()
		for _, v := range victims {
			people[v].kill()
			disks[v].off()
			disks[v].on(random.Uint64())
			people[v].up()
		}
		compare(t, fmt.Sprintf("round %d, power cut of %v", round, victims), alice, bob, said)
		if t.Failed() {
			return
		}
	}
	settle(t, alice, bob)
	compare(t, "at the end", alice, bob, said)
	for id, sum := range files {
		alice.awaitState(id, "delivered")
		alice.saved(id, sum)
		bob.await("all of a file", func(w *apiv1.WatchResponse) bool {
			return message(w).GetId() == id && message(w).GetMedia()[0].GetState() == "stored"
		})
		bob.saved(id, sum)
	}
	t.Logf("%d power cuts; %d texts and %d files were acknowledged and are there", *powerCuts/2, len(said.sent), len(files))
	for _, p := range people {
		p.down()
	}
}

// TestPower_twiceInARow cuts the power of one machine again and again, each
// time while it writes its first commits after the cut before.
func TestPower_twiceInARow(t *testing.T) {
	t.Parallel()
	random := dice(t)
	dir := t.TempDir()
	d := newDisk(t, crashfs(t), dir, "b", 512)
	d.on(random.Uint64())
	alice, bob := newPerson(t, dir, "Alice"), newPerson(t, d.path, "Bob")
	for _, p := range []*person{alice, bob} {
		p.init()
		p.up()
	}
	alice.meet(bob)
	said := &record{sent: map[string]string{}}
	for round := range *powerCuts {
		var talk sync.WaitGroup
		talk.Go(func() { said.talk(bob, round) })
		<-time.After(time.Duration(5+random.IntN(60)) * time.Millisecond)
		d.cut()
		talk.Wait()
		bob.kill()
		d.off()
		d.on(random.Uint64())
		bob.up()
		compare(t, fmt.Sprintf("after cut %d", round), alice, bob, said)
		if t.Failed() {
			return
		}
	}
	bob.down()
	t.Logf("%d power cuts; %d texts were acknowledged and are there", *powerCuts, len(said.sent))
}
