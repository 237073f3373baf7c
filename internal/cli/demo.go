package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

const (
	demoFileSize = 64 << 20
	demoWait     = 60 * time.Second
)

type demoCmd struct {
	Keep string `help:"Make the two home directories here and keep them." placeholder:"DIR"`
}

// demo is one run: two nodes in processes of their own, and what was found.
type demo struct {
	e          *env
	dir        string
	passphrase string
	alice, bob *demoNode
	secrets    []needle // what must not be found on disk
	report     demoReport
}

// demoReport is what --json prints.
type demoReport struct {
	OK            bool         `json:"ok"`
	Dir           string       `json:"dir,omitempty"`
	SafetyNumbers []string     `json:"safety_numbers"`
	Checks        []demoCheck  `json:"checks"`
	Times         []demoTiming `json:"times"`
}

type demoCheck struct {
	Claim string `json:"claim"`
	OK    bool   `json:"ok"`
	Found string `json:"found,omitempty"`
}

type demoTiming struct {
	What string  `json:"what"`
	Ms   float64 `json:"ms"`
	Rate string  `json:"rate,omitempty"`
}

type demoNode struct {
	name, home string
	process    *exec.Cmd
	client     *client.Client
	env        *env
}

func (c *demoCmd) Run(e *env) (err error) {
	d := &demo{e: e, dir: c.Keep, passphrase: rand.Text()}
	if d.dir == "" {
		if d.dir, err = os.MkdirTemp("", "kith-demo-"); err != nil {
			return err
		}
		defer os.RemoveAll(d.dir)
	} else if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return client.FileError(err)
	}
	if d.dir, err = filepath.Abs(d.dir); err != nil {
		return err
	}
	defer d.stop()
	if err := d.run(); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return d.finish(c.Keep != "")
}

func (d *demo) run() error {
	steps := []struct {
		title string
		do    func() error
	}{
		{"Two people, two processes, nobody in between", d.start},
		{"Alice makes an invite, Bob takes it up", d.meet},
		{"They talk", d.talk},
		{"Alice sends a photo that her camera has written into", d.photo},
		{"Bob sends a file of 64 MiB", d.file},
		{"They compare safety numbers", d.verify},
		{"What a thief of both disks would find", d.disks},
	}
	for _, s := range steps {
		d.say("\n%s\n", s.title)
		if err := s.do(); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) say(format string, args ...any) {
	if !d.e.json {
		d.e.printf(format, args...)
	}
}

func (d *demo) check(claim string, ok bool, found string) {
	d.report.Checks = append(d.report.Checks, demoCheck{claim, ok, found})
	mark := "✓"
	if !ok {
		mark = "✗"
	}
	d.say("  %s %s%s\n", mark, claim, prefixed(": ", found))
}

func prefixed(p, s string) string {
	if s == "" {
		return ""
	}
	return p + s
}

func (d *demo) timed(what string, took time.Duration, size int64) {
	t := demoTiming{What: what, Ms: float64(took.Microseconds()) / 1000}
	if size > 0 {
		t.Rate = client.Bytes(int64(float64(size)/took.Seconds())) + "/s"
	}
	d.report.Times = append(d.report.Times, t)
	d.say("  %s: %.1f ms%s\n", what, t.Ms, prefixed(", ", t.Rate))
}

func (d *demo) finish(keep bool) error {
	d.report.OK = true
	for _, c := range d.report.Checks {
		d.report.OK = d.report.OK && c.OK
	}
	if keep {
		d.report.Dir = d.dir
		d.say("\nboth homes are kept in %s; KITH_PASSPHRASE=%s opens them\n", d.dir, d.passphrase)
	}
	if d.e.json {
		if err := d.e.printJSON(d.report); err != nil {
			return err
		}
	}
	if !d.report.OK {
		return &Error{Text: "demo: not everything kith claims was found to be true", Exit: exitFailed}
	}
	d.say("\nall %d checks passed\n", len(d.report.Checks))
	return nil
}

func (d *demo) start() (err error) {
	if d.alice, err = d.node("Alice"); err != nil {
		return err
	}
	d.bob, err = d.node("Bob")
	return err
}

// node makes a home and runs a node in it, both as a person would.
func (d *demo) node(name string) (*demoNode, error) {
	home := filepath.Join(d.dir, strings.ToLower(name))
	n := &demoNode{name: name, home: home, client: client.New(home)}
	n.env = &env{ctx: d.e.ctx, home: home, errOut: io.Discard, out: io.Discard}
	var made struct {
		Account string
		Phrase  []string
	}
	if err := d.kith(n, &made, "init", "--name", name); err != nil {
		return nil, err
	}
	d.secrets = append(d.secrets, needle{name + "'s recovery phrase", []byte(strings.Join(made.Phrase, " "))})
	began := time.Now()
	p, err := d.command(n, "up", "--no-lan", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1", "--listen", "/ip4/127.0.0.1/tcp/0")
	if err != nil {
		return nil, err
	}
	out, err := p.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.Start(); err != nil {
		return nil, err
	}
	n.process = p
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "ready ") {
		return nil, fmt.Errorf("%s's node did not become ready", name)
	}
	d.timed(fmt.Sprintf("%s is %s, process %d, ready", name, made.Account[:16]+"…", p.Process.Pid), time.Since(began), 0)
	return n, nil
}

func (d *demo) command(n *demoNode, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.CommandContext(d.e.ctx, self, append([]string{"--home", n.home}, args...)...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 5 * time.Second
	c.Env = append(os.Environ(), "KITH_PASSPHRASE="+d.passphrase)
	c.Stderr = d.e.errOut
	return c, nil
}

// kith runs one verb and reads its JSON.
func (d *demo) kith(n *demoNode, into any, args ...string) error {
	c, err := d.command(n, append([]string{"--json"}, args...)...)
	if err != nil {
		return err
	}
	out, err := c.Output()
	if err != nil {
		return fmt.Errorf("kith %s: %w", args[0], err)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(out, into)
}

func (d *demo) stop() {
	for _, n := range []*demoNode{d.alice, d.bob} {
		if n == nil || n.process == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if _, err := n.client.Stop(ctx, connect.NewRequest(&apiv1.StopRequest{})); err != nil {
			n.process.Process.Kill()
		}
		cancel()
		// How it ended no longer matters.
		_ = n.process.Wait()
		n.process = nil
	}
}

func (d *demo) meet() error {
	var inv struct{ Link string }
	if err := d.kith(d.alice, &inv, "invite"); err != nil {
		return err
	}
	d.say("  %s…\n", inv.Link[:56])
	d.secrets = append(d.secrets, needle{"the invite", []byte(inv.Link[5:])})
	began := time.Now()
	if err := d.kith(d.bob, nil, "add", inv.Link); err != nil {
		return err
	}
	for _, n := range []*demoNode{d.alice, d.bob} {
		if err := d.await(n, func(w *apiv1.WatchResponse) bool { return w.GetContact().GetState() == "established" }); err != nil {
			return fmt.Errorf("waiting for %s's contact: %w", n.name, err)
		}
	}
	d.timed("strangers to contacts, PQXDH and both acknowledged", time.Since(began), 0)
	return nil
}

// await reads a node's events from the start until one is what is waited for.
func (d *demo) await(n *demoNode, done func(*apiv1.WatchResponse) bool) error {
	ctx, cancel := context.WithTimeout(d.e.ctx, demoWait)
	defer cancel()
	found := false
	err := n.client.Follow(ctx, 0, func(w *apiv1.WatchResponse) bool {
		found = done(w)
		return !found
	})
	if found {
		return nil
	}
	if err == nil {
		err = errors.New("the node ended")
	}
	return err
}

func (d *demo) talk() error {
	lines := []struct {
		from *demoNode
		to   string
		text string
	}{
		{d.alice, "Bob", "Hello Bob. Is anybody between us?"},
		{d.bob, "Alice", "Only the air. Your words went straight to my machine."},
		{d.alice, "Bob", "Then nobody keeps them but the two of us."},
	}
	for _, l := range lines {
		d.secrets = append(d.secrets, needle{"a message", []byte(l.text)})
		began := time.Now()
		id, err := d.send(l.from, l.to, &apiv1.SendRequest{Text: l.text})
		if err != nil {
			return err
		}
		took := time.Since(began)
		to := d.other(l.from)
		m, err := to.client.Message(d.e.ctx, connect.NewRequest(&apiv1.MessageRequest{Id: id}))
		if err != nil {
			return err
		}
		d.say("  %s: %s\n", l.from.name, l.text)
		d.timed("  durable at "+to.name+" and acknowledged", took, 0)
		if m.Msg.GetMessage().GetText() != l.text {
			d.check("the text arrived as it was written", false, "")
		}
	}
	d.check("every message arrived as it was written", true, "")
	return nil
}

func (d *demo) other(n *demoNode) *demoNode {
	if n == d.alice {
		return d.bob
	}
	return d.alice
}

// send says something and waits until it is delivered.
func (d *demo) send(n *demoNode, to string, req *apiv1.SendRequest) (id string, err error) {
	req.Contact = to
	r, err := n.client.Send(d.e.ctx, connect.NewRequest(req))
	if err != nil {
		return "", n.env.explain(err)
	}
	_, err = n.env.awaitState(n.client, r.Msg.GetId(), r.Msg.GetSeq(), "delivered", demoWait)
	return r.Msg.GetId(), err
}

// sendFile sends a file and waits until every byte of it is stored and
// verified at the other side.
func (d *demo) sendFile(n *demoNode, to, path string) (id string, sent *apiv1.Media, took time.Duration, err error) {
	began := time.Now()
	cmd := &sendCmd{Contact: to}
	a, err := cmd.upload(n.env, n.client, path)
	if err != nil {
		return "", nil, 0, err
	}
	if id, err = d.send(n, to, &apiv1.SendRequest{Media: []*apiv1.Attachment{a}}); err != nil {
		return "", nil, 0, err
	}
	err = d.await(d.other(n), func(w *apiv1.WatchResponse) bool {
		for _, m := range []*apiv1.Message{w.GetMessage(), w.GetChanged()} {
			if m.GetId() == id && m.GetMedia()[0].GetState() == "stored" {
				sent = m.GetMedia()[0]
				return true
			}
		}
		return false
	})
	return id, sent, time.Since(began), err
}

func (d *demo) photo() error {
	original, pixels := demoPhoto()
	path := filepath.Join(d.dir, "holiday.jpg")
	if err := os.WriteFile(path, original, 0o600); err != nil {
		return err
	}
	defer os.Remove(path)
	d.check("before sending the photo tells place and camera", hasCamera(original), demoCamera)
	id, _, took, err := d.sendFile(d.alice, "Bob", path)
	if err != nil {
		return err
	}
	d.timed(fmt.Sprintf("%s there, verified", client.Bytes(int64(len(original)))), took, 0)
	saved := filepath.Join(d.dir, "received.jpg")
	defer os.Remove(saved)
	if err := d.kith(d.bob, nil, "save", id, saved, "--force"); err != nil {
		return err
	}
	received, err := os.ReadFile(saved)
	if err != nil {
		return err
	}
	d.check("at Bob's the place and the camera are gone", !hasCamera(received), "")
	d.check("and every pixel is the same", samePixels(received, pixels), "")
	d.secrets = append(d.secrets, needle{"the photo", received[len(received)/2 : len(received)/2+64]})
	return nil
}

func (d *demo) file() error {
	path := filepath.Join(d.dir, "archive.bin")
	want, err := randomFile(path, demoFileSize)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	marker := make([]byte, 64)
	if err := readMiddle(path, marker); err != nil {
		return err
	}
	d.secrets = append(d.secrets, needle{"the file", marker}, needle{"the file's name", []byte("archive.bin")})
	id, _, took, err := d.sendFile(d.bob, "Alice", path)
	if err != nil {
		return err
	}
	d.timed("64 MiB read, encrypted, sent, verified, durable", took, demoFileSize)
	saved := filepath.Join(d.dir, "received.bin")
	defer os.Remove(saved)
	if err := d.kith(d.alice, nil, "save", id, saved, "--force"); err != nil {
		return err
	}
	f, err := os.Open(saved)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	got := hex.EncodeToString(sum.Sum(nil))
	d.check("both sides have the same SHA-256", got == want, got[:16]+"…")
	return nil
}

func (d *demo) verify() error {
	for _, n := range []*demoNode{d.alice, d.bob} {
		var v struct {
			SafetyNumber string `json:"safety_number"`
		}
		if err := d.kith(n, &v, "verify", d.other(n).name, "--mark"); err != nil {
			return err
		}
		d.report.SafetyNumbers = append(d.report.SafetyNumbers, v.SafetyNumber)
		d.say("  %-6s %s\n", n.name, v.SafetyNumber)
	}
	d.check("both see the same 60 digits", d.report.SafetyNumbers[0] == d.report.SafetyNumbers[1], "")
	return nil
}

// disks ends both nodes and looks through everything they left.
func (d *demo) disks() error {
	d.secrets = append(d.secrets, needle{"the passphrase", []byte(d.passphrase)})
	d.stop()
	for _, n := range []*demoNode{d.alice, d.bob} {
		files, size, found, err := scan(n.home, d.secrets)
		if err != nil {
			return err
		}
		d.check(fmt.Sprintf("nothing in clear in %s's %d files, %s", n.name, files, client.Bytes(size)), len(found) == 0, strings.Join(found, ", "))
	}
	// A scan that finds nothing proves something only if it can find.
	control := filepath.Join(d.dir, "control")
	if err := os.Mkdir(control, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	defer os.RemoveAll(control)
	for i, s := range d.secrets {
		if err := os.WriteFile(filepath.Join(control, fmt.Sprint(i)), append([]byte("x"), s.bytes...), 0o600); err != nil {
			return err
		}
	}
	_, _, found, err := scan(control, d.secrets)
	if err != nil {
		return err
	}
	d.check("the same scan finds all of it where it is in clear", len(found) == len(d.secrets), "")
	return nil
}
