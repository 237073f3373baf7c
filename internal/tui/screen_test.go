package tui

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	apiv1 "kith/api/v1"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// noon is when these tests take place.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// screen drives a model without a program around it: what it asks for is done
// at once, and after every message all that may never be is looked for.
type screen struct {
	t       *testing.T
	m       *Model
	node    *fake
	now     time.Time
	held    []tea.Cmd // with hold: what was asked for and not done
	hold    bool
	waits   []tick // what was waited for
	quit    bool
	resumed []uint64 // from which sequences it followed
}

// begin opens a screen of a size.
func begin(t *testing.T, node *fake, w, h int, contact string) *screen {
	t.Helper()
	s := &screen{t: t, node: node, now: noon}
	s.m = New(context.Background(), Options{Node: node, Contact: contact, Zone: time.UTC, Now: func() time.Time { return s.now },
		After: func(_ time.Duration, msg tea.Msg) tea.Cmd {
			s.waits = append(s.waits, msg.(tick))
			return nil
		}})
	t.Cleanup(s.m.stop)
	s.m.watch = func() tea.Cmd {
		s.resumed = append(s.resumed, s.m.seq)
		return nil
	}
	s.send(tea.WindowSizeMsg{Width: w, Height: h})
	s.run(s.m.Init())
	return s
}

// send gives the model a message and does what it asks for.
func (s *screen) send(msg tea.Msg) {
	s.t.Helper()
	if _, ok := msg.(tea.QuitMsg); ok {
		s.quit = true
		return
	}
	_, cmd := s.m.Update(msg)
	s.check()
	s.run(cmd)
}

func (s *screen) run(cmd tea.Cmd) {
	s.t.Helper()
	if cmd == nil {
		return
	}
	if s.hold {
		s.held = append(s.held, cmd)
		return
	}
	s.deliver(cmd())
}

func (s *screen) deliver(msg tea.Msg) {
	s.t.Helper()
	if msg == nil {
		return
	}
	if v := reflect.ValueOf(msg); v.Kind() == reflect.Slice && v.Type().Elem() == reflect.TypeFor[tea.Cmd]() { // a batch
		for i := range v.Len() {
			s.run(v.Index(i).Interface().(tea.Cmd))
		}
		return
	}
	s.send(msg)
}

// press presses keys by name; what is no name is typed.
func (s *screen) press(keys ...string) {
	s.t.Helper()
	for _, k := range keys {
		s.send(keyPress(k))
	}
}

func (s *screen) typed(text string) {
	s.t.Helper()
	for _, r := range text {
		s.send(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
}

func keyPress(name string) tea.KeyPressMsg {
	k := tea.KeyPressMsg{}
	for {
		mod, rest, ok := strings.Cut(name, "+")
		m, known := map[string]tea.KeyMod{"ctrl": tea.ModCtrl, "alt": tea.ModAlt, "shift": tea.ModShift}[mod]
		if !ok || !known {
			break
		}
		k.Mod |= m
		name = rest
	}
	codes := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown,
		"left": tea.KeyLeft, "right": tea.KeyRight, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "home": tea.KeyHome, "end": tea.KeyEnd,
		"f1": tea.KeyF1, "backspace": tea.KeyBackspace, "delete": tea.KeyDelete, "space": tea.KeySpace}
	if code, ok := codes[name]; ok {
		k.Code = code
		return k
	}
	k.Code = []rune(name)[0]
	if k.Mod == 0 {
		k.Text = name
	}
	return k
}

var sgr = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// check looks for what may never be on the screen.
func (s *screen) check() {
	s.t.Helper()
	view := s.m.View()
	lines := strings.Split(view.Content, "\n")
	if len(lines) != s.m.h {
		s.t.Fatalf("%d lines on a screen of %d by %d:\n%s", len(lines), s.m.w, s.m.h, view.Content)
	}
	for i, l := range lines {
		if w := s.m.term.cells.width(l); w != s.m.w {
			s.t.Fatalf("line %d is %d cells wide on a screen of %d by %d: %q", i, w, s.m.w, s.m.h, l)
		}
		text := sgr.ReplaceAllString(l, "")
		if c := firstUnsafe(text); c != 0 && !(s.m.term.inline() && c == 0x10eeee) {
			s.t.Fatalf("line %d holds %U: %q", i, c, l)
		}
	}
	if c := view.Cursor; c != nil && (c.X < 0 || c.Y < 0 || c.X >= s.m.w || c.Y >= s.m.h) {
		s.t.Fatalf("the cursor is at %d, %d on a screen of %d by %d", c.X, c.Y, s.m.w, s.m.h)
	}
}

// firstUnsafe gives the first character no line may hold.
func firstUnsafe(s string) rune {
	for _, r := range s {
		if unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f ||
			r == 0x2028 || r == 0x2029 || r == 0x200b || r == 0xfeff || unicode.Is(unicode.Co, r) || r >= 0xe0000 && r <= 0xe0fff {
			return r
		}
	}
	return 0
}

// text is the screen without its styles.
func (s *screen) text() string { return ansi.Strip(s.m.View().Content) }

func (s *screen) shows(want ...string) {
	s.t.Helper()
	for _, w := range want {
		if !strings.Contains(s.text(), w) {
			s.t.Errorf("the screen does not show %q:\n%s", w, s.text())
		}
	}
}

func (s *screen) hides(never ...string) {
	s.t.Helper()
	for _, n := range never {
		if strings.Contains(s.text(), n) {
			s.t.Errorf("the screen shows %q:\n%s", n, s.text())
		}
	}
}

// golden holds the screen against a file; styled, with its escapes made visible.
func (s *screen) golden(name string, styled bool) {
	s.t.Helper()
	got := s.text()
	if styled {
		got = strings.ReplaceAll(s.m.View().Content, "\x1b", "␛")
	}
	var b strings.Builder
	for l := range strings.SplitSeq(got, "\n") {
		b.WriteString(strings.TrimRight(l, " ") + "\n")
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if string(want) != b.String() {
		s.t.Errorf("%s: the screen is another (-update writes it anew):\n%s", path, b.String())
	}
}

// happens gives the model an event.
func (s *screen) happens(events ...*apiv1.WatchResponse) {
	s.t.Helper()
	s.send(fed{events: events})
}

// says is a message n of the conversation with Bob.
func says(n int, mine bool, text string) *apiv1.Message {
	m := &apiv1.Message{Id: fmt.Sprintf("%032x", n), Contact: "Bob", From: "Bob", Mine: mine, Text: text, State: "delivered",
		AtMs: noon.Add(time.Duration(n-1000) * time.Minute).UnixMilli(), Seq: uint64(n)}
	if mine {
		m.From = "Alice"
	}
	return m
}

// withBob is a node with one contact and so many messages.
func withBob(n int) *fake {
	f := newFake()
	f.contacts = []*apiv1.Contact{{Account: "kith1bob", Name: "Bob", State: "established", Online: true, Receipts: true, Typing: true}}
	for i := range n {
		f.logs["kith1bob"] = append(f.logs["kith1bob"], says(i+1, i%3 == 2, fmt.Sprintf("text-%d.", i+1)))
	}
	return f
}
