package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/rogpeppe/go-internal/testscript"

	apiv1 "kith/api/v1"
	"kith/api/v1/apiv1connect"
	"kith/internal/cli"
	"kith/internal/wire"
)

// patience bounds every wait of a script.
const patience = 30 * time.Second

// passphrase is $PASSPHRASE of the scripts, for their KITH_PASSPHRASE, which is
// not set at first; no output may hold it.
const passphrase = "tulip-anchor-seventeen"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kith": main})
}

// TestScripts runs testdata/*.txtar. Alice, Bob and Carol are people with a
// home of that name in the script's directory; their names are commands:
//
//	alice VERB ...           kith --home alice VERB ...; "! alice" wants a failure
//	exits N WHO VERB ...     the same (WHO kith: as it stands), with exit code N
//	up WHO [FLAG ...]        run a node and wait until it is ready
//	ended WHO                its node ends now, without a complaint
//	kill9 WHO                end it as kill -9 does
//	meet WHO WHO             make homes, run nodes, become contacts
//	past TIME                wait until a time has passed
//	await WHO EVENT ...      wait until something was seen, see awaited
//	field VAR PATH           put a field of the last JSON line into the environment
//	json PATH VALUE          compare a field of the last JSON line; ! json: it differs
//	length PATH N            the bytes of a field of the last JSON line
//	keys NAME,NAME ...       the names of every JSON line's fields, in order
//	lines N                  the last output has so many lines
//	form FILE PATTERN        the file's mode
//	make KIND FILE ...       make a picture, bytes or text, see makeFile
//	sha256 VAR FILE          put a file's hash into the environment
//
// A command that fails must say so in one line that begins with "kith: " and
// at most one that begins with "hint: ", and nothing else.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			e.Setenv("PASSPHRASE", passphrase)
			e.Setenv("LONG", strings.Repeat("n", wire.MaxName+1))
			e.Setenv("ESCAPE", "Eve\x1b[31m")
			s := &stage{nodes: map[string]*running{}, ports: map[string]int{}}
			e.Values[stageKey{}] = s
			e.Defer(s.end)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"alice": person("alice"), "bob": person("bob"), "carol": person("carol"),
			"exits": exits, "up": up, "ended": ended, "kill9": kill9, "meet": meet, "await": await, "past": past,
			"field": field, "json": jsonIs, "length": length, "keys": keys, "lines": lines, "form": form,
			"make": makeFile, "sha256": sum,
		},
	})
}

type stageKey struct{}

// stage is one script's running nodes.
type stage struct {
	nodes map[string]*running
	ports map[string]int // chosen once, so that a node comes back where it was
}

type running struct {
	process *exec.Cmd
	errors  *bytes.Buffer
	done    chan error
}

func stageOf(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

// end kills what a script left running.
func (s *stage) end() {
	for _, n := range s.nodes {
		// It may have ended by itself.
		_ = n.process.Process.Kill()
		<-n.done
	}
}

// person makes the command that runs kith in somebody's home.
func person(name string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		err := ts.Exec("kith", append([]string{"--home", ts.MkAbs(name)}, args...)...)
		if (err != nil) != neg {
			ts.Fatalf("%s %v: %v", name, args, err)
		}
		checkOutput(ts, err != nil)
	}
}

// exits runs a command that ends with the given code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE WHO VERB ...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	words := args[2:]
	if args[1] != "kith" {
		words = append([]string{"--home", ts.MkAbs(args[1])}, words...)
	}
	err = ts.Exec("kith", words...)
	code := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
	checkOutput(ts, code != 0)
}

// checkOutput holds every output against what all of them promise.
func checkOutput(ts *testscript.TestScript, failed bool) {
	stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	for _, never := range []string{passphrase, "goroutine ", "panic:", "runtime error", ".go:", "%!"} {
		if strings.Contains(stdout+stderr, never) {
			ts.Fatalf("the output holds %q", never)
		}
	}
	if !failed {
		return
	}
	got := slices.Collect(strings.Lines(stderr))
	switch {
	case len(got) == 0, !strings.HasPrefix(got[0], "kith: "), len(got[0]) < len("kith: x\n"),
		len(got) > 2, len(got) == 2 && !strings.HasPrefix(got[1], "hint: "):
		ts.Fatalf("an error is not one line and a hint")
	}
}

// up runs a node until it says that it is ready. Flags are added; with a
// --listen among them the usual one is left out.
func up(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: up WHO [FLAG ...]")
	}
	s, who := stageOf(ts), args[0]
	if s.ports[who] == 0 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		s.ports[who] = l.Addr().(*net.TCPAddr).Port
		l.Close()
	}
	words := append([]string{"--home", ts.MkAbs(who), "up", "--no-lan"}, args[1:]...)
	if !slices.Contains(args, "--listen") {
		words = append(words, "--listen", fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", s.ports[who]))
	}
	n := &running{process: exec.Command("kith", words...), errors: new(bytes.Buffer), done: make(chan error, 1)}
	n.process.Env = os.Environ()
	for _, name := range []string{"HOME", "TMPDIR", "KITH_PASSPHRASE", "XDG_RUNTIME_DIR"} {
		if value := ts.Getenv(name); value != "" {
			n.process.Env = append(n.process.Env, name+"="+value)
		}
	}
	n.process.Stderr = n.errors
	out, err := n.process.StdoutPipe()
	ts.Check(err)
	ts.Check(n.process.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() { n.done <- n.process.Wait() }()
	s.nodes[who] = n
	if err != nil || !strings.HasPrefix(line, "ready kith1") {
		ts.Fatalf("%s's node is not ready: %q %v\n%s", who, line, err, n.errors)
	}
}

// ended waits for a node that was told to end.
func ended(ts *testscript.TestScript, neg bool, args []string) {
	n := take(ts, neg, args)
	select {
	case err := <-n.done:
		if err != nil || n.errors.Len() > 0 {
			ts.Fatalf("it ended badly: %v\n%s", err, n.errors)
		}
	case <-time.After(patience):
		ts.Fatalf("it does not end")
	}
}

func kill9(ts *testscript.TestScript, neg bool, args []string) {
	n := take(ts, neg, args)
	ts.Check(n.process.Process.Signal(syscall.SIGKILL))
	<-n.done
}

func take(ts *testscript.TestScript, neg bool, args []string) *running {
	s := stageOf(ts)
	if neg || len(args) != 1 || s.nodes[args[0]] == nil {
		ts.Fatalf("name somebody whose node runs")
	}
	n := s.nodes[args[0]]
	delete(s.nodes, args[0])
	return n
}

// meet makes two people contacts; a home or node that is there is used.
func meet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: meet WHO WHO")
	}
	names := map[string]string{}
	for _, who := range args {
		names[who] = strings.ToUpper(who[:1]) + who[1:]
		if _, err := os.Stat(ts.MkAbs(who)); err != nil {
			ts.Check(ts.Exec("kith", "--home", ts.MkAbs(who), "init", "--name", names[who], "--key-file"))
		}
		if stageOf(ts).nodes[who] == nil {
			up(ts, false, []string{who})
		}
	}
	ts.Check(ts.Exec("kith", "--home", ts.MkAbs(args[0]), "invite"))
	link := strings.TrimSpace(ts.ReadFile("stdout"))
	ts.Check(ts.Exec("kith", "--home", ts.MkAbs(args[1]), "add", link))
	await(ts, false, []string{args[0], "contact", names[args[1]], "established"})
	await(ts, false, []string{args[1], "contact", names[args[0]], "established"})
}

// await follows a node's event log from its beginning until it has seen
//
//	contact NAME STATE       a contact in that state
//	text TEXT                a message that says exactly this
//	state ID STATE           a message that came so far
//	reaction ID EMOJI        a message with just this reaction, or none
//	stored NAME              an attachment of this name, complete
//	media NAME               an attachment of this name, complete or not
//	complete ID              a message with all its files
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: await WHO EVENT ...")
	}
	is := awaited(ts, args[1:])
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	socket := cli.SocketPath(ts.MkAbs(args[0]))
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	client := apiv1connect.NewKithClient(&http.Client{Transport: transport}, "http://kith")
	stream, err := client.Watch(ctx, connect.NewRequest(&apiv1.WatchRequest{}))
	ts.Check(err)
	defer stream.Close()
	for stream.Receive() {
		if is(stream.Msg()) {
			return
		}
	}
	ts.Fatalf("%v was not seen: %v", args, stream.Err())
}

// past waits for what only the clock brings: an expiry.
func past(ts *testscript.TestScript, neg bool, args []string) {
	t, err := time.Parse(time.RFC3339, strings.Join(args, " "))
	ts.Check(err)
	if time.Until(t) > patience {
		ts.Fatalf("%s is far away", t)
	}
	<-time.After(time.Until(t))
}

func awaited(ts *testscript.TestScript, args []string) func(*apiv1.WatchResponse) bool {
	message := func(w *apiv1.WatchResponse) *apiv1.Message {
		if m := w.GetMessage(); m != nil {
			return m
		}
		return w.GetChanged()
	}
	what := strings.Join(args[1:], " ")
	switch args[0] {
	case "contact":
		return func(w *apiv1.WatchResponse) bool {
			return w.GetContact().GetName() == args[1] && w.GetContact().GetState() == args[2]
		}
	case "text":
		return func(w *apiv1.WatchResponse) bool { return message(w).GetText() == what }
	case "state":
		return func(w *apiv1.WatchResponse) bool {
			return strings.HasPrefix(message(w).GetId(), args[1]) && message(w).GetState() == args[2]
		}
	case "reaction":
		return func(w *apiv1.WatchResponse) bool {
			m, emoji := message(w), "none"
			for _, r := range m.GetReactions() {
				emoji = r.GetEmoji()
			}
			return strings.HasPrefix(m.GetId(), args[1]) && emoji == args[2]
		}
	case "complete": // every file of a message is here
		return func(w *apiv1.WatchResponse) bool {
			m := message(w)
			return strings.HasPrefix(m.GetId(), args[1]) && len(m.GetMedia()) > 0 &&
				!slices.ContainsFunc(m.GetMedia(), func(a *apiv1.Media) bool { return a.GetState() != "stored" })
		}
	case "stored", "media":
		return func(w *apiv1.WatchResponse) bool {
			return slices.ContainsFunc(message(w).GetMedia(), func(m *apiv1.Media) bool {
				return m.GetName() == what && (args[0] == "media" || m.GetState() == "stored")
			})
		}
	}
	ts.Fatalf("nothing is called %q", args[0])
	return nil
}

// lookup finds a field of the last JSON line by a path such as media.0.name.
func lookup(ts *testscript.TestScript, path string) string {
	all := slices.Collect(strings.Lines(ts.ReadFile("stdout")))
	if len(all) == 0 {
		ts.Fatalf("there is no output")
	}
	d := json.NewDecoder(strings.NewReader(all[len(all)-1]))
	d.UseNumber()
	var v any
	ts.Check(d.Decode(&v))
	for part := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(in) {
				ts.Fatalf("there is no %s", path)
			}
			v = in[i]
		default:
			v = nil
		}
	}
	if text, ok := v.(string); ok {
		return text
	}
	b, err := json.Marshal(v)
	ts.Check(err)
	return string(b)
}

func field(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: field VAR PATH")
	}
	ts.Setenv(args[0], lookup(ts, args[1]))
}

func jsonIs(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH VALUE")
	}
	if got := lookup(ts, args[0]); (got == args[1]) == neg {
		ts.Fatalf("%s is %q", args[0], got)
	}
}

func length(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: length PATH N")
	}
	if got := strconv.Itoa(len(lookup(ts, args[0]))); got != args[1] {
		ts.Fatalf("%s has %s bytes", args[0], got)
	}
}

// keys compares the names of the fields of every line, in their order.
func keys(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: keys NAME,NAME ...")
	}
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		d := json.NewDecoder(strings.NewReader(line))
		var names []string
		if _, err := d.Token(); err != nil {
			ts.Fatalf("not JSON: %q", line)
		}
		for d.More() {
			name, err := d.Token()
			ts.Check(err)
			names = append(names, name.(string))
			var value any
			ts.Check(d.Decode(&value))
		}
		if got := strings.Join(names, ","); got != strings.Join(args, ",") {
			ts.Fatalf("the fields are %s", got)
		}
	}
}

func lines(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(strings.Join(args, ""))
	ts.Check(err)
	if got := strings.Count(ts.ReadFile("stdout"), "\n"); (got == want) == neg {
		ts.Fatalf("%d lines", got)
	}
}

// form compares a file's mode, in the notation of ls, with a beginning of it.
func form(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: form FILE MODE")
	}
	st, err := os.Lstat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := st.Mode().String(); strings.HasPrefix(got, args[1]) == neg {
		ts.Fatalf("%s is %s", args[0], got)
	}
}

func sum(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sha256 VAR FILE")
	}
	b, err := os.ReadFile(filepath.Clean(ts.MkAbs(args[1])))
	ts.Check(err)
	h := sha256.Sum256(b)
	ts.Setenv(args[0], hex.EncodeToString(h[:]))
}
