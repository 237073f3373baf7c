package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/api/v1/apiv1connect"
	"kith/internal/cli"
)

// patience bounds every wait for a node.
const patience = 2 * time.Minute

// binary is the kith under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		flag.Parse()
		// Most of the time these tests wait for a timer of a node.
		if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
			if err := flag.Set("test.parallel", "6"); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		if remove, err := useMemory(); err == nil {
			defer remove()
		}
		if binary = *prebuilt; binary != "" {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "kith-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "kith")
		build := exec.Command("go", "build", "-o", binary, "kith/cmd/kith")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building kith: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// memory is where Linux keeps files in memory.
const memory = "/dev/shm"

// useMemory puts temporary directories there when there is room: what is
// tested does not depend on how fast a disk is, but the time it takes does.
func useMemory() (remove func(), err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(memory, &st); err != nil {
		return nil, err
	}
	if os.Getenv("TMPDIR") != "" || uint64(st.Bavail)*uint64(st.Bsize) < 4<<30 {
		return nil, errors.ErrUnsupported
	}
	dir, err := os.MkdirTemp(memory, "kith-e2e-")
	if err != nil {
		return nil, err
	}
	return func() { os.RemoveAll(dir) }, os.Setenv("TMPDIR", dir)
}

// dice gives a test its randomness; the seed is printed when it failed.
func dice(t *testing.T) *rand.Rand {
	n := *seed
	if n == 0 {
		n = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again with: -seed %d", n)
		}
	})
	return rand.New(rand.NewPCG(n, 0))
}

// person is somebody with a home and, most of the time, a running node.
type person struct {
	t      *testing.T
	name   string
	home   string
	binary string
	env    []string
	listen []string // addresses, kept over restarts
	node   *exec.Cmd
	done   chan error
	errors *notes
	apiv1connect.KithClient
	http *http.Client
}

// newPerson says who and where, and makes nothing yet.
func newPerson(t *testing.T, dir, name string) *person {
	p := &person{t: t, name: name, home: filepath.Join(dir, strings.ToLower(name)), binary: binary,
		listen: []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", freePort(t))}}
	p.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", cli.SocketPath(p.home))
		}}}
	p.KithClient = apiv1connect.NewKithClient(p.http, "http://kith")
	t.Cleanup(func() {
		if p.node != nil {
			p.kill()
		}
	})
	return p
}

// lastPort is the port that freePort gave out last. Tests begin at different ones, so
// that two runs on one machine do not meet.
var lastPort = func() *atomic.Int64 {
	var n atomic.Int64
	n.Store(10000 + rand.Int64N(20000))
	return &n
}()

// freePort finds a port, so that a node comes back where it was: one below those the
// system gives out by itself, or a connection made meanwhile could have it. A relay
// takes the one after it, too.
func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := int(lastPort.Add(2))
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pair makes Alice and Bob, contacts, both running.
func pair(t *testing.T, dir string) (alice, bob *person) {
	t.Helper()
	return pairOver(t, dir, "tcp")
}

// pairOver makes them talk over TCP or QUIC only.
func pairOver(t *testing.T, dir, transport string) (alice, bob *person) {
	t.Helper()
	alice, bob = newPerson(t, dir, "Alice"), newPerson(t, dir, "Bob")
	for _, p := range []*person{alice, bob} {
		if transport == "quic" {
			p.listen = []string{fmt.Sprintf("/ip4/127.0.0.1/udp/%d/quic-v1", freePort(t))}
		}
		p.init()
		p.up()
	}
	alice.meet(bob)
	return alice, bob
}

func (p *person) init() {
	p.t.Helper()
	p.ok("init", "--name", p.name, "--key-file")
}

// meet makes two people contacts.
func (p *person) meet(other *person) {
	p.t.Helper()
	var invite struct{ Link string }
	p.json(&invite, "invite")
	other.ok("add", invite.Link)
	p.await("contact "+other.name, established(other.name))
	other.await("contact "+p.name, established(p.name))
}

func established(name string) func(*apiv1.WatchResponse) bool {
	return func(w *apiv1.WatchResponse) bool {
		return w.GetContact().GetName() == name && w.GetContact().GetState() == "established"
	}
}

// outcome is what a command that ended left.
type outcome struct {
	code           int
	stdout, stderr string
}

func (p *person) command(ctx context.Context, wrap []string, args ...string) *exec.Cmd {
	words := append(append(append([]string{}, wrap...), p.binary, "--home", p.home), args...)
	c := exec.CommandContext(ctx, words[0], words[1:]...)
	c.Env = append(os.Environ(), p.env...)
	c.WaitDelay = 10 * time.Second
	return c
}

// run runs a verb to its end, whatever that is.
func (p *person) run(args ...string) outcome {
	p.t.Helper()
	return p.runUnder(nil, args...)
}

// runUnder runs a verb under another command.
func (p *person) runUnder(wrap []string, args ...string) outcome {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := p.command(ctx, wrap, args...)
	var out, errOut strings.Builder
	c.Stdout, c.Stderr = &out, &errOut
	err := c.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		p.t.Fatalf("%s: kith %v: %v", p.name, args, err)
	}
	o := outcome{c.ProcessState.ExitCode(), out.String(), errOut.String()}
	if ctx.Err() != nil {
		p.t.Fatalf("%s: kith %v does not end\n%s", p.name, args, o.stderr)
	}
	o.check(p.t)
	return o
}

// check holds an outcome against what every one promises.
func (o outcome) check(t *testing.T) {
	t.Helper()
	for _, never := range []string{"goroutine ", "panic:", "runtime error", "%!"} {
		if strings.Contains(o.stdout+o.stderr, never) {
			t.Errorf("the output holds %q:\n%s%s", never, o.stdout, o.stderr)
		}
	}
	// A killed process says nothing; others say what is wrong in one line.
	if lines := strings.Split(strings.TrimSuffix(o.stderr, "\n"), "\n"); o.code > 0 && o.code < 100 &&
		(!strings.HasPrefix(lines[0], "kith: ") || len(lines) > 2 || len(lines) == 2 && !strings.HasPrefix(lines[1], "hint: ")) {
		t.Errorf("an error is not one line and a hint:\n%s", o.stderr)
	}
}

// refused runs a verb that fails with a code and a text.
func (p *person) refused(code int, text string, args ...string) {
	p.t.Helper()
	if o := p.run(args...); o.code != code || !strings.Contains(o.stderr, text) {
		p.t.Errorf("%s: kith %v: exit code %d, want %d and %q:\n%s", p.name, args, o.code, code, text, o.stderr)
	}
}

// ok runs a verb that succeeds.
func (p *person) ok(args ...string) string {
	p.t.Helper()
	o := p.run(args...)
	if o.code != 0 {
		p.t.Fatalf("%s: kith %v: exit code %d\n%s", p.name, args, o.code, o.stderr)
	}
	return o.stdout
}

// json runs a verb and reads the JSON it printed.
func (p *person) json(into any, args ...string) {
	p.t.Helper()
	must(p.t, json.Unmarshal([]byte(p.ok(append([]string{"--json"}, args...)...)), into))
}

// notes is what a node writes to standard error.
type notes struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (n *notes) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.Write(b)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.String()
}

// up runs the node and waits until it is ready.
func (p *person) up() {
	p.t.Helper()
	if !p.start() {
		err := <-p.done
		p.node = nil
		p.t.Fatalf("%s's node is not ready: %v\n%s", p.name, err, p.errors)
	}
}

// start runs the node, under another command if one is given, and reports
// whether it became ready; if not, it ended.
func (p *person) start(wrap ...string) bool {
	p.t.Helper()
	args := []string{"up", "--no-lan"}
	for _, l := range p.listen {
		args = append(args, "--listen", l)
	}
	p.node = p.command(context.Background(), wrap, args...)
	p.errors, p.done = new(notes), make(chan error, 1)
	p.node.Stderr = p.errors
	out, err := p.node.StdoutPipe()
	must(p.t, err)
	must(p.t, p.node.Start())
	line, _ := bufio.NewReader(out).ReadString('\n')
	go func(c *exec.Cmd) { p.done <- c.Wait() }(p.node)
	return strings.HasPrefix(line, "ready kith1")
}

// down ends the node in good order.
func (p *person) down() {
	p.t.Helper()
	p.ok("down")
	if err := p.ended(); err != nil {
		p.t.Errorf("%s's node ended badly: %v\n%s", p.name, err, p.errors)
	}
}

// ended waits until the node has ended by itself.
func (p *person) ended() error {
	p.t.Helper()
	select {
	case err := <-p.done:
		p.forget()
		return err
	case <-time.After(patience):
		p.t.Fatalf("%s's node does not end", p.name)
		return nil
	}
}

// kill ends the node as kill -9 does; it may have ended already.
func (p *person) kill() {
	_ = p.node.Process.Kill()
	<-p.done
	p.forget()
}

func (p *person) forget() {
	if said := p.errors.String(); strings.Contains(said, "panic:") || strings.Contains(said, "goroutine ") {
		p.t.Errorf("%s's node panicked:\n%s", p.name, said)
	}
	p.node = nil
	p.http.CloseIdleConnections()
}

// sees reads the event log from its beginning until something was seen; the
// error is that of a node that ended first.
func (p *person) sees(is func(*apiv1.WatchResponse) bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stream, err := p.Watch(ctx, connect.NewRequest(&apiv1.WatchRequest{}))
	if err != nil {
		return err
	}
	defer stream.Close()
	for stream.Receive() {
		if is(stream.Msg()) {
			return nil
		}
	}
	return fmt.Errorf("the node ended, or does not come to it: %w", stream.Err())
}

// await is sees for a node that does not end.
func (p *person) await(what string, is func(*apiv1.WatchResponse) bool) {
	p.t.Helper()
	if err := p.sees(is); err != nil {
		p.t.Fatalf("%s has not seen %s: %v\n%s", p.name, what, err, p.errors)
	}
}

// message returns the message an event is about, added or changed.
func message(w *apiv1.WatchResponse) *apiv1.Message {
	if m := w.GetMessage(); m != nil {
		return m
	}
	return w.GetChanged()
}

// awaitState waits until a message has come so far.
func (p *person) awaitState(id, state string) {
	p.t.Helper()
	p.await("message "+id+" "+state, func(w *apiv1.WatchResponse) bool {
		return message(w).GetId() == id && message(w).GetState() == state
	})
}

// complete reports an attachment of this name that is complete.
func complete(name string) func(*apiv1.WatchResponse) bool {
	return func(w *apiv1.WatchResponse) bool {
		return slices.ContainsFunc(message(w).GetMedia(), func(m *apiv1.Media) bool {
			return m.GetName() == name && m.GetState() == "stored"
		})
	}
}

// awaitFile waits until an attachment of this name is complete.
func (p *person) awaitFile(name string) {
	p.t.Helper()
	p.await("all of "+name, complete(name))
}

// say sends a text through the local API; the error says that the node is gone
// or refuses.
func (p *person) say(to, text string) (id string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := p.Send(ctx, connect.NewRequest(&apiv1.SendRequest{Contact: to, Text: text}))
	if err != nil {
		return "", err
	}
	return r.Msg.GetId(), nil
}

// sendFile sends a file and returns the message's id.
func (p *person) sendFile(to, path string, flags ...string) string {
	p.t.Helper()
	var sent struct{ ID string }
	p.json(&sent, append([]string{"send", to, "--file", path}, flags...)...)
	return sent.ID
}

// log returns a conversation, oldest first.
func (p *person) log(with string) ([]*apiv1.Message, error) {
	var all []*apiv1.Message
	before := ""
	for {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		r, err := p.Log(ctx, connect.NewRequest(&apiv1.LogRequest{Contact: with, Limit: 1000, Before: before}))
		cancel()
		if err != nil {
			return nil, err
		}
		page := r.Msg.GetMessages()
		all = append(slices.Clone(page), all...)
		if len(page) < 1000 {
			return all, nil
		}
		before = page[0].GetId()
	}
}

// all is log of a node that works.
func (p *person) all(with string) []*apiv1.Message {
	p.t.Helper()
	all, err := p.log(with)
	must(p.t, err)
	return all
}

// status asks the node how it stands.
func (p *person) status() *apiv1.StatusResponse {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := p.Status(ctx, connect.NewRequest(&apiv1.StatusRequest{}))
	must(p.t, err)
	return r.Msg
}

// randomFile writes size bytes of no meaning and returns their SHA-256.
func randomFile(t *testing.T, path string, size int64) string {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	h := sha256.New()
	source := rand.NewChaCha8([32]byte{byte(size)})
	_, err = io.CopyN(io.MultiWriter(f, h), source, size)
	must(t, err)
	return hex.EncodeToString(h.Sum(nil))
}

// saved saves an attachment and compares it with what was sent.
func (p *person) saved(id, sum string) {
	p.t.Helper()
	path := filepath.Join(p.t.TempDir(), "saved")
	p.ok("save", id, path)
	if sumOf(p.t, path) != sum {
		p.t.Errorf("%s saved another file than was sent", p.name)
	}
}
