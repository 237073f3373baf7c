// Package netns tests the real binary on networks made of namespaces. It needs
// root and the flag -netns; nothing of it leaves the machine.
package netns

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var run = flag.Bool("netns", false, "make network namespaces and run kith in them (root)")

const deadline = 60 * time.Second

//	a 10.77.0.1 ---- va | vb ---- 10.77.0.2 b
//
// One cable between two hosts: a local network without router or name server.
type lan struct {
	t      *testing.T
	binary string
	ns     [2]string
	dir    string
}

func newLAN(t *testing.T) *lan {
	t.Helper()
	if !*run {
		t.Skip("skipped: namespaces are made only with -netns, as root")
	}
	if os.Getuid() != 0 {
		t.Fatal("-netns needs root")
	}
	l := &lan{t: t, dir: t.TempDir(), ns: [2]string{fmt.Sprintf("kith-a-%d", os.Getpid()), fmt.Sprintf("kith-b-%d", os.Getpid())}}
	l.binary = filepath.Join(l.dir, "kith")
	l.must("go", "build", "-o", l.binary, "kith/cmd/kith")
	for _, ns := range l.ns {
		l.must("ip", "netns", "add", ns)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
	}
	l.must("ip", "link", "add", "kitha", "netns", l.ns[0], "type", "veth", "peer", "name", "kithb", "netns", l.ns[1])
	for i, ns := range l.ns {
		l.must("ip", "-n", ns, "link", "set", "lo", "up")
		l.must("ip", "-n", ns, "link", "set", dev(i), "up")
	}
	return l
}

func dev(i int) string { return [2]string{"kitha", "kithb"}[i] }

func (l *lan) must(name string, args ...string) string {
	l.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// move gives both hosts addresses of another network.
func (l *lan) move(network string) {
	l.t.Helper()
	for i, ns := range l.ns {
		l.must("ip", "-n", ns, "addr", "flush", "dev", dev(i))
		l.must("ip", "-n", ns, "addr", "add", fmt.Sprintf("%s.%d/24", network, i+1), "dev", dev(i))
		l.must("ip", "-n", ns, "route", "add", "default", "dev", dev(i)) // multicast needs a route
	}
}

func (l *lan) home(i int) string { return filepath.Join(l.dir, [2]string{"alice", "bob"}[i]) }

// kith runs a verb on host i and reads its JSON.
func (l *lan) kith(i int, into any, args ...string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), deadline)
	defer cancel()
	c := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", l.ns[i], l.binary, "--home", l.home(i), "--json"}, args...)...)
	c.Env = append(os.Environ(), "KITH_PASSPHRASE=netns")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		l.t.Fatalf("kith %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	if into != nil {
		if err := json.Unmarshal(out, into); err != nil {
			l.t.Fatalf("kith %s: %v in %s", strings.Join(args, " "), err, out)
		}
	}
}

// up runs a node on host i and returns how to end it.
func (l *lan) up(i int) (down func()) {
	l.t.Helper()
	c := exec.Command("ip", "netns", "exec", l.ns[i], l.binary, "--home", l.home(i), "up")
	c.Env = append(os.Environ(), "KITH_PASSPHRASE=netns")
	out, err := c.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		l.t.Fatal(err)
	}
	ended := false
	down = func() {
		if !ended {
			ended = true
			c.Process.Signal(os.Interrupt)
			c.Wait()
		}
	}
	l.t.Cleanup(down)
	line := make([]byte, 6)
	if _, err := out.Read(line); err != nil || string(line) != "ready " {
		l.t.Fatalf("node %d: %q, %v", i, line, err)
	}
	return down
}

// TestLAN_neighboursFindEachOtherByMDNS: two contacts whose addresses all
// changed while both were away have nothing but multicast to meet by.
func TestLAN_neighboursFindEachOtherByMDNS(t *testing.T) {
	l := newLAN(t)
	l.move("10.77.0")
	var downs [2]func()
	for i, name := range []string{"Alice", "Bob"} {
		l.kith(i, nil, "init", "--name", name)
		downs[i] = l.up(i)
	}
	var inv struct{ Link string }
	l.kith(0, &inv, "invite")
	l.kith(1, nil, "add", inv.Link)
	l.kith(1, nil, "send", "Alice", "first", "--wait", "delivered", "--timeout", "30s")
	for _, down := range downs {
		down()
	}
	l.move("10.99.3")
	for i := range downs {
		downs[i] = l.up(i)
	}
	began := time.Now()
	l.kith(1, nil, "send", "Alice", "from a new network", "--wait", "delivered", "--timeout", "30s")
	t.Logf("delivered %v after both came up elsewhere", time.Since(began).Round(time.Millisecond))
}
