package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/api/v1/apiv1connect"
	"kith/internal/cli"
)

// patience bounds every wait for a node.
const patience = 3 * time.Minute

const passphrase = "a passphrase of the measurement"

// person is somebody with a home and, most of the time, a running node.
type person struct {
	b    *bed
	name string
	home string
	addr string // TCP address to listen on, kept over restarts
	node *exec.Cmd
	took time.Duration // from start to the ready line
	apiv1connect.KithClient
	http *http.Client
}

// newPerson makes a home whose key lies in a file or under the passphrase.
func (b *bed) newPerson(dir, name string, keyFile bool) *person {
	p := &person{b: b, name: name, home: filepath.Join(dir, name), addr: freeTCP(b)}
	socket := cli.SocketPath(p.home)
	p.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}}
	p.KithClient = apiv1connect.NewKithClient(p.http, "http://kith")
	args := []string{"init", "--name", name}
	if keyFile {
		args = append(args, "--key-file")
	}
	p.run(nil, args...)
	return p
}

// freeTCP finds a port, so that a node comes back where it was.
func freeTCP(b *bed) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	b.must(err, "finding a port")
	defer l.Close()
	return fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", l.Addr().(*net.TCPAddr).Port)
}

func (p *person) command(args ...string) *exec.Cmd {
	c := exec.CommandContext(p.b.ctx, p.b.kith, append([]string{"--home", p.home}, args...)...)
	c.Env = append(os.Environ(), "KITH_PASSPHRASE="+passphrase)
	c.Stderr = os.Stderr
	return c
}

// run runs one verb and reads its JSON into out, unless that is nil.
func (p *person) run(out any, args ...string) {
	p.b.Helper()
	text, err := p.command(append([]string{"--json"}, args...)...).Output()
	p.b.must(err, p.name+" "+args[0])
	if out != nil {
		p.b.must(json.Unmarshal(text, out), p.name+" "+args[0])
	}
}

// up starts the node and waits for its ready line.
func (p *person) up() {
	p.b.Helper()
	p.node = p.command("up", "--no-lan", "--listen", p.addr, "--listen", "/ip4/127.0.0.1/udp/0/quic-v1")
	out, err := p.node.StdoutPipe()
	p.b.must(err, "starting a node")
	began := time.Now()
	p.b.must(p.node.Start(), "starting a node")
	line, err := bufio.NewReader(out).ReadString('\n')
	p.took = time.Since(began)
	if err == nil && !strings.HasPrefix(line, "ready ") {
		err = fmt.Errorf("it said %q", line)
	}
	p.b.must(err, "waiting for a node")
}

// down ends the node in good order.
func (p *person) down() {
	if p.node == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := p.Stop(ctx, connect.NewRequest(&apiv1.StopRequest{})); err != nil {
		p.node.Process.Kill()
	}
	p.reap()
}

// kill ends the node at once, as kill -9 does.
func (p *person) kill() {
	p.b.must(p.node.Process.Kill(), "killing a node")
	p.reap()
}

func (p *person) reap() {
	// How it ended no longer matters.
	_ = p.node.Wait()
	p.node = nil
	p.http.CloseIdleConnections()
}

func (p *person) pid() int { return p.node.Process.Pid }

// pair is Alice and Bob, contacts, both running.
type pair struct {
	dir        string
	alice, bob *person
}

// pair makes two people; bob keeps his key in a file when keyFile is set.
func (b *bed) pair(keyFile bool) *pair {
	dir, err := os.MkdirTemp(b.dir, "pair-")
	b.must(err, "making a directory")
	p := &pair{dir: dir, alice: b.newPerson(dir, "Alice", false), bob: b.newPerson(dir, "Bob", keyFile)}
	b.Cleanup(p.end) // after a failure; twice does nothing
	p.alice.up()
	p.bob.up()
	var invite struct{ Link string }
	p.alice.run(&invite, "invite")
	p.bob.run(nil, "add", invite.Link)
	for _, who := range []*person{p.alice, p.bob} {
		w := who.watch(0)
		w.await(func(e *apiv1.WatchResponse) bool { return e.GetContact().GetState() == "established" })
		w.close()
	}
	return p
}

// end stops both and removes what they wrote.
func (p *pair) end() {
	p.alice.down()
	p.bob.down()
	os.RemoveAll(p.dir)
}

// happening is an event of a node's log and when it was seen here.
type happening struct {
	event *apiv1.WatchResponse
	at    time.Time
}

// watcher reads a node's events as they happen.
type watcher struct {
	who    *person
	events chan happening
	cancel context.CancelFunc
}

// watch begins after a sequence and returns when the node is sending.
func (p *person) watch(after uint64) *watcher {
	ctx, cancel := context.WithCancel(p.b.ctx)
	w := &watcher{who: p, events: make(chan happening, 4096), cancel: cancel}
	stream, err := p.Watch(ctx, connect.NewRequest(&apiv1.WatchRequest{After: after}))
	p.b.must(err, "watching "+p.name)
	if !stream.Receive() { // the first answer only says that it begins
		p.b.must(stream.Err(), "watching "+p.name)
	}
	go func() {
		defer close(w.events)
		defer stream.Close()
		for stream.Receive() {
			select {
			case w.events <- happening{stream.Msg(), time.Now()}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return w
}

// watchNews begins with what happens from now on.
func (p *person) watchNews() *watcher {
	s, err := p.Status(p.b.ctx, connect.NewRequest(&apiv1.StatusRequest{}))
	p.b.must(err, "asking "+p.name)
	return p.watch(s.Msg.GetSeq())
}

func (w *watcher) close() { w.cancel() }

// await returns when the first event that is what is waited for was seen.
func (w *watcher) await(is func(*apiv1.WatchResponse) bool) time.Time {
	w.who.b.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case h, ok := <-w.events:
			if !ok {
				w.who.b.Fatalf("%s's node ended", w.who.name)
			}
			if is(h.event) {
				return h.at
			}
		case <-timeout.C:
			w.who.b.Fatalf("%s's node did not do it in %s", w.who.name, patience)
		}
	}
}

// message returns the message an event is about, added or changed.
func message(e *apiv1.WatchResponse) *apiv1.Message {
	if m := e.GetMessage(); m != nil {
		return m
	}
	return e.GetChanged()
}

// arrived reports a message with an attachment that is still to come, stored
// one whose attachment is here.
func arrived(e *apiv1.WatchResponse) bool { return len(message(e).GetMedia()) > 0 }
func stored(e *apiv1.WatchResponse) bool {
	return arrived(e) && message(e).GetMedia()[0].GetState() == "stored"
}

// media reads an attachment's plaintext.
func (p *person) media(id string) io.ReadCloser {
	r, err := p.http.Get("http://kith/media/" + id + "/0")
	p.b.must(err, "reading an attachment")
	if r.StatusCode != http.StatusOK {
		p.b.Fatalf("reading an attachment: %s", r.Status)
	}
	return r.Body
}
