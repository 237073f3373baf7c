package bench

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// crocVersion is the rival: end-to-end encrypted, through its own relay.
const crocVersion = "github.com/schollz/croc/v10@v10.7.0"

// croc is a croc with a relay on the loopback.
type croc struct {
	b     *bed
	path  string
	relay *exec.Cmd
	addr  string
	sent  int
}

// newCroc installs croc and starts its relay, or returns nil.
func (b *bed) newCroc() *croc {
	c := &croc{b: b, path: *crocPath}
	switch c.path {
	case "none":
		return nil
	case "":
		install := exec.CommandContext(b.ctx, "go", "install", crocVersion)
		install.Env = append(os.Environ(), "GOBIN="+b.dir, "CGO_ENABLED=0")
		install.Dir = b.dir // outside of this module
		if out, err := install.CombinedOutput(); err != nil {
			b.Logf("croc is left out: %v\n%s", err, out)
			return nil
		}
		c.path = filepath.Join(b.dir, "croc")
	}
	ports := freePorts(b, 5)
	c.addr = "127.0.0.1:" + ports[0]
	c.relay = c.command(b.dir, "relay", "--host", "127.0.0.1", "--ports", strings.Join(ports, ","))
	b.must(c.relay.Start(), "starting croc's relay")
	for range 100 {
		if conn, err := net.Dial("tcp", c.addr); err == nil {
			conn.Close()
			return c
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.Fatal("croc's relay does not answer")
	return nil
}

// freePorts finds ports all at once, so that they differ.
func freePorts(b *bed, n int) (ports []string) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		b.must(err, "finding a port")
		defer l.Close()
		ports = append(ports, fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
	}
	return ports
}

func (c *croc) command(dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(c.b.ctx, c.path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), fmt.Sprintf("CROC_SECRET=bench-code-%d", c.sent), "CROC_CONFIG_DIR="+c.b.dir, "HOME="+c.b.dir)
	return cmd
}

// send returns how long the receiver took from its start to its end. The
// sender has hashed the file and waits by then, which is to croc's advantage.
func (c *croc) send(path string) time.Duration {
	c.sent++
	in, err := os.MkdirTemp(c.b.dir, "croc-")
	c.b.must(err, "making a directory")
	defer os.RemoveAll(in)
	sender := c.command(c.b.dir, "--yes", "--no-compress", "--relay", c.addr, "send", "--no-local", "--code", fmt.Sprintf("bench-code-%d", c.sent), path)
	c.b.must(sender.Start(), "starting croc")
	time.Sleep(3 * time.Second)
	receiver := c.command(in, "--yes", "--no-compress", "--relay", c.addr)
	began := time.Now()
	out, err := receiver.CombinedOutput()
	took := time.Since(began)
	if err != nil {
		c.b.Fatalf("croc: %v\n%s", err, out)
	}
	c.b.must(sender.Wait(), "croc's sender")
	if st, err := os.Stat(filepath.Join(in, filepath.Base(path))); err != nil || st.Size() != *mebis<<20 {
		c.b.Fatalf("croc did not bring the file: %v", err)
	}
	return took
}

func (c *croc) close() {
	if c != nil {
		c.relay.Process.Kill()
		_ = c.relay.Wait() // it was killed
	}
}
