package netns

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/api/v1/apiv1connect"
	"kith/internal/cli"
)

const deadline = 90 * time.Second

// person is somebody with a home on a machine.
type person struct {
	apiv1connect.KithClient // of the node, while it runs
	t                       *testing.T
	at                      *machine
	name, home, binary      string
	env                     []string // of the node
	http                    *http.Client
	node                    *exec.Cmd
	errors                  *notes
}

// notes collects what a program says.
type notes struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (n *notes) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.Write(p)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.b.String()
}

// person makes somebody with an account on a machine. A socket reaches out of a
// namespace, so the node's API is at hand.
func (m *machine) person(name string) *person {
	t := m.lab.t
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, at: m, name: name, binary: path, home: filepath.Join(t.TempDir(), name)}
	socket := cli.SocketPath(p.home)
	p.http = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	p.KithClient = apiv1connect.NewKithClient(p.http, "http://kith")
	p.kith(nil, "init", "--name", name, "--key-file")
	return p
}

// kith runs a verb and reads its JSON.
func (p *person) kith(into any, args ...string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), deadline)
	defer cancel()
	c := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", p.at.name, p.binary, "--home", p.home, "--json"}, args...)...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		p.t.Fatalf("%s: kith %s: %v\n%s%s", p.name, strings.Join(args, " "), err, &stderr, p.said())
	}
	if into != nil {
		if err := json.Unmarshal(out, into); err != nil {
			p.t.Fatalf("kith %s: %v in %s", strings.Join(args, " "), err, out)
		}
	}
}

// said is what the node logged, which names nobody.
func (p *person) said() string {
	if p.errors == nil {
		return ""
	}
	return p.name + "'s node said:\n" + p.errors.String()
}

// up runs the node.
func (p *person) up(flags ...string) {
	p.t.Helper()
	p.node = p.at.command(p.binary, append([]string{"--home", p.home, "up", "-v"}, flags...)...)
	p.errors = &notes{}
	p.node.Stderr, p.node.Env = p.errors, append(os.Environ(), p.env...)
	ready(p.t, p.node, "ready ")
	p.t.Cleanup(p.down)
}

// ready starts a program and returns its lines up to the first that begins so.
func ready(t *testing.T, c *exec.Cmd, prefix string) []string {
	t.Helper()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	s := bufio.NewScanner(out)
	for s.Scan() {
		lines = append(lines, s.Text())
		if strings.HasPrefix(s.Text(), prefix) {
			go func() {
				for s.Scan() {
				}
			}()
			return lines
		}
	}
	c.Wait()
	t.Fatalf("%s ended: %q, %v\n%v", c.Path, lines, s.Err(), c.Stderr)
	return nil
}

// down ends the node.
func (p *person) down() {
	if p.node == nil {
		return
	}
	// The program that ip executes takes its place.
	p.node.Process.Signal(os.Interrupt)
	p.node.Wait()
	p.node = nil
	p.http.CloseIdleConnections()
}

// reach asks how the node is reached.
func (p *person) reach() *apiv1.ReachResponse {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), deadline)
	defer cancel()
	r, err := p.Reach(ctx, connect.NewRequest(&apiv1.ReachRequest{}))
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", p.name, err, p.said())
	}
	return r.Msg
}

// until waits until the node is reached in a way, and returns how long it took.
func (p *person) until(what string, within time.Duration, is func(*apiv1.ReachResponse) bool) time.Duration {
	p.t.Helper()
	took, ok := p.within(within, is)
	if !ok {
		p.t.Fatalf("%s: %s: not within %v: %v\n%s", p.name, what, within, p.reach(), p.said())
	}
	return took
}

func (p *person) within(limit time.Duration, is func(*apiv1.ReachResponse) bool) (time.Duration, bool) {
	began := time.Now()
	for {
		if is(p.reach()) {
			return time.Since(began), true
		}
		if time.Since(began) > limit {
			return time.Since(began), false
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// reserved reports a place at a relay.
func reserved(r *apiv1.ReachResponse) bool {
	for _, l := range r.GetRelays() {
		if l.GetReserved() {
			return true
		}
	}
	return false
}

func direct(r *apiv1.ReachResponse) bool  { return r.GetDirect() > 0 }
func relayed(r *apiv1.ReachResponse) bool { return r.GetRelayed() > 0 && r.GetDirect() == 0 }

// meet makes two people contacts: p takes up an invite of other.
func (p *person) meet(other *person) {
	p.t.Helper()
	var inv struct{ Link string }
	other.kith(&inv, "invite")
	p.kith(nil, "add", inv.Link)
	p.established(other)
	other.established(p)
}

// established waits until somebody is a contact.
func (p *person) established(with *person) {
	p.t.Helper()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(p.t.Context(), deadline)
		r, err := p.Contacts(ctx, connect.NewRequest(&apiv1.ContactsRequest{}))
		cancel()
		if err != nil {
			p.t.Fatal(err)
		}
		for _, c := range r.Msg.GetContacts() {
			if c.GetName() == with.name && c.GetState() == "established" {
				return
			}
		}
		if time.Since(began) > deadline {
			p.t.Fatalf("%s and %s are no contacts: %v\n%s%s", p.name, with.name, r.Msg.GetContacts(), p.said(), with.said())
		}
	}
}

// say sends a text through the API.
func (p *person) say(to *person, text string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), deadline)
	defer cancel()
	if _, err := p.Send(ctx, connect.NewRequest(&apiv1.SendRequest{Contact: to.name, Text: text})); err != nil {
		p.t.Fatalf("%s: %v\n%s", p.name, err, p.said())
	}
}

// told returns what was said in a conversation: by p, and by the other, with
// the state of each.
func (p *person) told(with *person) (mine, theirs, states []string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), deadline)
	defer cancel()
	r, err := p.Log(ctx, connect.NewRequest(&apiv1.LogRequest{Contact: with.name, Limit: 1000}))
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", p.name, err, p.said())
	}
	for _, m := range r.Msg.GetMessages() {
		switch {
		case m.GetText() == "":
		case m.GetMine():
			mine, states = append(mine, m.GetText()), append(states, m.GetState())
		default:
			theirs = append(theirs, m.GetText())
		}
	}
	return mine, theirs, states
}

// converse has two people say something to each other in turn, count times, and
// checks all they ever said: every message is with the other exactly once, in
// order, and its state says so.
func converse(a, b *person, topic string, count int) {
	a.t.Helper()
	for i := range count {
		a.say(b, fmt.Sprintf("%s %d from %s", topic, i, a.name))
		b.say(a, fmt.Sprintf("%s %d from %s", topic, i, b.name))
	}
	settled(a, b)
	settled(b, a)
}

// settled waits until all that p said is with the other, and compares. A message
// may be with the other before p knows it, and never the other way round.
func settled(p, other *person) {
	p.t.Helper()
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		said, _, states := p.told(other)
		_, heard, _ := other.told(p)
		open := 0
		for _, s := range states {
			switch s {
			case "delivered", "read":
			default:
				open++
			}
		}
		if len(heard) < len(said)-open {
			p.t.Fatalf("%s says that %d of %d are delivered, and %s has %d", p.name, len(said)-open, len(said), other.name, len(heard))
		}
		if open == 0 {
			if strings.Join(said, "\n") != strings.Join(heard, "\n") {
				p.t.Fatalf("%s said\n%q\nand %s heard\n%q", p.name, said, other.name, heard)
			}
			return
		}
		if time.Since(began) > deadline {
			p.t.Fatalf("%d of %d messages of %s are not delivered: %q\n%s%s", open, len(said), p.name, states, p.said(), other.said())
		}
	}
}

// relay runs kith relay on a public host. The port is the same after a restart.
type relay struct {
	at      *machine
	home    string
	program string
	env     []string
	said    *notes
	process *exec.Cmd
	Link    string
	// Bootstrap are where others begin: over QUIC, and over TCP.
	Bootstrap []string
}

// begin is the flags of those who begin at relays.
func begin(relays ...*relay) (flags []string) {
	for _, r := range relays {
		for _, b := range r.Bootstrap {
			flags = append(flags, "--bootstrap", b)
		}
	}
	return flags
}

func (m *machine) relay(flags ...string) *relay {
	m.lab.t.Helper()
	path, err := binary()
	if err != nil {
		m.lab.t.Fatal(err)
	}
	r := &relay{at: m, home: filepath.Join(m.lab.t.TempDir(), "relay"), program: path}
	r.up(flags...)
	return r
}

// liar runs a relay that lies, for boxes only.
func (m *machine) liar() *relay {
	m.lab.t.Helper()
	path, err := liar()
	if err != nil {
		m.lab.t.Fatal(err)
	}
	r := &relay{at: m, home: filepath.Join(m.lab.t.TempDir(), "liar"), program: path}
	r.start("--home", r.home, "--listen", m.ip+":4747", "--seed", fmt.Sprint(time.Now().UnixNano()))
	return r
}

func (r *relay) up(flags ...string) {
	r.at.lab.t.Helper()
	r.start(append([]string{"--home", r.home, "--json", "relay", "--listen", r.at.ip + ":4747"}, flags...)...)
	if len(r.Bootstrap) != 2 {
		r.at.lab.t.Fatalf("others can begin at %q", r.Bootstrap)
	}
}

func (r *relay) start(args ...string) {
	t := r.at.lab.t
	t.Helper()
	r.process, r.said = r.at.command(r.program, args...), &notes{}
	r.process.Stderr, r.process.Env = r.said, append(os.Environ(), r.env...)
	lines := ready(t, r.process, "{")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), r); err != nil {
		t.Fatalf("%q: %v", lines, err)
	}
	t.Cleanup(r.down)
}

// down ends the relay as an operator would, kill as a power cut would.
func (r *relay) down() { r.end(os.Interrupt) }
func (r *relay) kill() { r.end(os.Kill) }

func (r *relay) end(how os.Signal) {
	if r.process != nil {
		r.process.Process.Signal(how)
		r.process.Wait()
		r.process = nil
	}
}

// finding is what doctor says of one thing.
type finding struct{ Name, State, Says, Do string }

// doctor looks at everything from a person's machine.
func (p *person) doctor() map[string]finding {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), deadline)
	defer cancel()
	c := exec.CommandContext(ctx, "ip", "netns", "exec", p.at.name, p.binary, "--home", p.home, "--json", "doctor")
	out, err := c.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) { // 1: something is bad
		p.t.Fatalf("doctor: %v", err)
	}
	found := map[string]finding{}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var f finding
		if err := d.Decode(&f); err != nil {
			p.t.Fatalf("doctor: %v in %s", err, out)
		}
		found[f.Name] = f
	}
	return found
}
