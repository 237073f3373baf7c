package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"

	apiv1 "kith/api/v1"
)

// terminal is kith chat in a terminal of its own.
type terminal struct {
	t     *testing.T
	f     *os.File
	vt    vt10x.Terminal
	drawn chan struct{} // something was drawn since it was last looked at
	done  chan error
}

// chat opens a terminal of a size for a person.
func (p *person) chat(cols, rows int, args ...string) *terminal {
	p.t.Helper()
	c := exec.Command(p.binary, append([]string{"--home", p.home, "chat"}, args...)...)
	c.Env = append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=1", "LANG=C.UTF-8")
	f, err := pty.StartWithSize(c, &pty.Winsize{Rows: uint16(rows), Cols: uint16(cols)})
	must(p.t, err)
	// The emulator answers what a program asks a terminal.
	s := &terminal{t: p.t, f: f, vt: vt10x.New(vt10x.WithSize(cols, rows), vt10x.WithWriter(f)), drawn: make(chan struct{}, 1), done: make(chan error, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 32<<10)
		for {
			n, err := f.Read(b)
			if err != nil {
				return
			}
			s.vt.Write(b[:n])
			select {
			case s.drawn <- struct{}{}:
			default:
			}
		}
	}()
	go func() { s.done <- c.Wait() }()
	p.t.Cleanup(func() {
		c.Process.Kill() // it may have ended
		f.Close()
		<-ended
	})
	return s
}

// shows waits until the screen shows something.
func (s *terminal) shows(want ...string) {
	s.t.Helper()
	over := time.After(patience)
	for {
		screen, missing := s.vt.String(), ""
		for _, w := range want {
			if !strings.Contains(screen, w) {
				missing = w
			}
		}
		if missing == "" {
			return
		}
		select {
		case <-s.drawn:
		case <-over:
			s.t.Fatalf("the screen does not show %q:\n%s", missing, screen)
		}
	}
}

// types sends what a keyboard would.
func (s *terminal) types(keys string) {
	s.t.Helper()
	_, err := s.f.WriteString(keys)
	must(s.t, err)
}

const enter, up, ctrlC, ctrlO, ctrlF = "\r", "\x1b[A", "\x03", "\x0f", "\x06"

// says reports a message of this text.
func says(text string) func(*apiv1.WatchResponse) bool {
	return func(w *apiv1.WatchResponse) bool { return message(w).GetText() == text }
}

// reacted reports a message with a reaction of one's own.
func reacted(emoji string) func(*apiv1.WatchResponse) bool {
	return func(w *apiv1.WatchResponse) bool {
		return slices.ContainsFunc(message(w).GetReactions(), func(r *apiv1.Reaction) bool { return r.GetMine() && r.GetEmoji() == emoji })
	}
}

// TestChat_onATerminal is a person's evening with kith chat: it opens at a
// conversation, both write, she answers, reacts, sends a file, finds a message; her
// node goes away and comes back; she leaves.
func TestChat_onATerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice, bob := pair(t, dir)
	_, err := bob.say("Alice", "Good-evening!")
	must(t, err)
	alice.await("his message", says("Good-evening!"))

	s := alice.chat(100, 30)
	s.shows("Bob", "(1)", "Good-evening!")
	s.types(enter)
	s.shows("not verified", "› ")
	s.types("Hello-from-a-terminal" + enter)
	bob.await("her message", says("Hello-from-a-terminal"))
	s.shows("Hello-from-a-terminal  delivered")
	bob.ok("read", "Alice")
	s.shows("Hello-from-a-terminal  read")

	s.types(up + up) // to his
	s.shows("▌   Good-evening!")
	s.types("a1") // the first of the emoji
	alice.await("her reaction", reacted("👍"))
	s.types("r")
	s.shows("answering Bob: Good-evening!")
	s.types("To-you-too" + enter)
	s.shows("▏ Bob: Good-evening!", "To-you-too  delivered")

	file := filepath.Join(dir, "notes.txt")
	must(t, os.WriteFile(file, []byte(strings.Repeat("so much to say\n", 10_000)), 0o600))
	s.types(ctrlO)
	s.shows("File: ")
	s.types(file + enter)
	s.shows("▤ notes.txt", "Enter sends")
	s.types("my-notes" + enter)
	s.shows("my-notes", "146.5 KiB  delivered")
	bob.awaitFile("notes.txt")

	alice.down()
	s.shows("the node does not answer")
	alice.up()
	_, err = bob.say("Alice", "are-you-back?")
	must(t, err)
	s.shows("are-you-back?")

	s.types(ctrlF + "evening" + enter)
	s.shows("Search with Bob", "Good-evening!")
	s.types(enter)
	s.shows("▌   Good-evening!")

	must(t, pty.Setsize(s.f, &pty.Winsize{Rows: 12, Cols: 40}))
	s.vt.Resize(40, 12)
	s.shows("Bob  ")
	s.types(ctrlC)
	select {
	case err := <-s.done:
		must(t, err)
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
}

// TestChat_refusals says why it cannot be shown, as every verb does.
func TestChat_refusals(t *testing.T) {
	t.Parallel()
	p := newPerson(t, t.TempDir(), "Alice")
	p.refused(2, "chat needs a terminal", "chat")
	for _, args := range [][]string{nil, {"Bob"}} {
		s := p.chat(80, 24, args...)
		s.ends(3, "there is no account in")
	}
	p.init()
	s := p.chat(80, 24)
	s.ends(3, "no node is running here", "hint: start it with: kith up")
	p.up()
	s = p.chat(80, 24, "Nobody")
	s.ends(4, "hint: ")
}

// ends waits until it ended with a code and these words, in full view.
func (s *terminal) ends(code int, want ...string) {
	s.t.Helper()
	s.shows(want...)
	err := <-s.done
	exit, ok := err.(*exec.ExitError)
	if !ok || exit.ExitCode() != code {
		s.t.Errorf("it ended with %v, want exit code %d:\n%s", err, code, s.vt.String())
	}
}
