package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	apiv1 "kith/api/v1"
)

// hostile is what somebody may send to do more than say something.
var hostile = map[string]string{
	"controls":         "a\x00b\x07c\x08d\x7fe\vf\fg\rh",
	"colours":          "\x1b[31;7mred\x1b[0m",
	"cursor":           "\x1b[2J\x1b[Hgone\x1b[1A\x1b[999D",
	"title":            "\x1b]0;owned\x07\x1b]2;owned\x1b\\",
	"clipboard":        "\x1b]52;c;ZXZpbA==\x07",
	"hyperlink":        "\x1b]8;;http://example.org\x1b\\here\x1b]8;;\x1b\\",
	"device":           "\x1b[c\x1b[6n\x1bP$qm\x1b\\",
	"picture":          "\x1b_Gi=1,a=T;AAAA\x1b\\",
	"placeholder":      "\x1b[38;5;16m\U0010EEEE\u0305\u0305",
	"c1":               "\u009b31mred\u009d0;owned\u009c",
	"c1 bytes":         "\x9b31mred",
	"broken":           "\xff\xfe\xc3(\xe2\x82",
	"alternate screen": "\x1b[?1049l\x1b[?25l",
	"carriage":         "good\rbad",
	"overrides":        "\u202egnp.exe\u202c \u2066x\u2069 \u2067y\u2069",
	"direction marks":  "\u200e\u200f\u061c",
	"separators":       "a\u2028b\u2029c",
	"nothing seen":     "a\u200bb\u2060c\ufeffd\u00ade\u3164f\u115fg",
	"tags":             "\U000e0041\U000e0042\U000e007f",
	"marks":            "a" + strings.Repeat("\u0301", 5000),
	"marks first":      "\u0301\u0302 lost",
	"jamo":             strings.Repeat("\u1100", 3000),
	"joined":           strings.Repeat("👩\u200d", 2000),
	"joiners":          strings.Repeat("\u200d", 1000),
	"flags":            strings.Repeat("🇩", 999),
	"private":          "\ue000\U000f0000\U00100000",
	"unassigned":       "\u0378\U0003fffe\ufffe",
	"lines":            strings.Repeat("\n", 5000),
	"one line":         strings.Repeat("x", 1<<20),
	"wide line":        strings.Repeat("世", 1<<18),
	"path":             "../../../etc/passwd",
	"windows path":     `..\..\boot.ini`,
	"tabs":             strings.Repeat("\t", 300),
	"spaces":           strings.Repeat("\u3000\u00a0\u2003", 300),
	"variations":       "a" + strings.Repeat("\ufe0f\ufe00", 100),
	"empty":            "",
}

// poisoned puts a text into everything another side or a node says.
func poisoned(text string) *fake {
	f := newFake()
	f.contacts = []*apiv1.Contact{
		{Account: "kith1bob", Name: text, State: "established", Online: true, Unread: 3, Receipts: true, Typing: true},
		{Account: "kith1eve", Name: text, State: "refused", Reason: text},
	}
	one := &apiv1.Message{Id: strings.Repeat("0", 31) + "1", Contact: text, From: text, Text: text, State: "delivered", AtMs: noon.UnixMilli(), EditedAtMs: 1,
		Media:     []*apiv1.Media{{Name: text, Type: text, State: text, Size: 1 << 62, Have: -5}, {Name: text, Type: "image/png", State: "stored", Size: 10}},
		ReplyTo:   &apiv1.Quote{Id: "x", Here: true, From: text, Text: text},
		Reactions: []*apiv1.Reaction{{Who: text, Emoji: text}}}
	own := &apiv1.Message{Id: strings.Repeat("0", 31) + "2", Contact: text, From: text, Mine: true, Text: text, State: text, AtMs: -1 << 60}
	notice := &apiv1.Message{Id: strings.Repeat("0", 31) + "3", Contact: text, Notice: text + "!", AtMs: 1 << 60}
	f.logs["kith1bob"] = []*apiv1.Message{one, own, notice}
	f.logs["kith1eve"] = []*apiv1.Message{own}
	return f
}

// TestHostile_nothingReachesTheTerminal draws every screen with hostile text in
// every place; screen.check looks at each after every message.
func TestHostile_nothingReachesTheTerminal(t *testing.T) {
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			for _, size := range [][2]int{{40, 12}, {80, 24}, {130, 50}} {
				s := begin(t, poisoned(text), size[0], size[1], "kith1bob")
				s.press("up", "up", "up", "enter", "esc", "a", "esc", "d", "esc", "r", "esc", "s", "esc", "ctrl+t", "esc", "ctrl+f", "tab")
				s.typed("\u200b")
				s.send(tea.PasteMsg{Content: text})
				s.press("enter", "down", "esc", "esc", "esc", "down", "up")
				s.send(done{errors.New(text)})
				s.send(saved{paths: []string{text}})
				s.press("tab", "tab", "tab")
				s.send(tea.PasteMsg{Content: text})
				s.press("alt+enter", "left", "backspace", "up", "ctrl+o")
				s.send(tea.PasteMsg{Content: text})
				s.press("enter")
				s.send(tea.WindowSizeMsg{Width: 20, Height: 6})
			}
		})
	}
}

func TestHostile_everySizeHoldsItsLines(t *testing.T) {
	s := begin(t, household(), 80, 24, "kith1bob")
	s.press("up")
	for _, open := range []string{"esc", "f1", "ctrl+t", "ctrl+f", "ctrl+o"} {
		s.press("esc", "tab", open)
		for w := 1; w <= 75; w += 3 {
			for h := 1; h <= 40; h += 3 {
				s.send(tea.WindowSizeMsg{Width: w, Height: h})
			}
		}
	}
}

func TestClean_keepsWhatPeopleWrite(t *testing.T) {
	for _, text := range []string{"plain", "two\nlines", "世界 ✓ “quotes”", "👨\u200d👩\u200d👧\u200d👦 family", "👩🏽\u200d🚀", "🇩🇪🇫🇷", "❤️", "नमस्ते", "สวัสดี", "می\u200cخواهم", "שָׁלוֹם", "e\u0301 is é", "Zalgo\u0301\u0302 a bit"} {
		if got := clean(text, true); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestClean_neutralises(t *testing.T) {
	for text, want := range map[string]string{
		"\x1b[31mred":                     "\ufffd[31mred",
		"a\u202eb":                        "a\ufffdb",
		"a\u200bb":                        "ab",
		"a\tb":                            "a b",
		"a\nb":                            "a b",
		"\U0010eeee":                      "\ufffd",
		"\xff":                            "\ufffd",
		"\u0301":                          "◌\u0301",
		"\u200dx":                         "x",
		"a\u2028b":                        "a\ufffdb",
		"\u009b31m":                       "\ufffd31m",
		"a" + strings.Repeat("\u0301", 9): "a" + strings.Repeat("\u0301", maxMarks),
	} {
		if got := clean(text, false); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	if got := cleanName("../../etc/passwd"); strings.ContainsAny(got, `/\`) {
		t.Errorf("a file's name is shown as %q", got)
	}
}

func TestClean_bounds(t *testing.T) {
	for name, text := range hostile {
		got := clean(text, true)
		marks := 0
		for _, r := range got {
			if marks++; !unicode.Is(unicode.M, r) {
				marks = 0
			}
			if marks > maxMarks {
				t.Errorf("%s: more than %d marks in a row", name, maxMarks)
				break
			}
		}
		for s := got; s != ""; {
			cluster, _ := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
			if n := utf8.RuneCountInString(cluster); n > maxCluster+1 {
				t.Errorf("%s: a character of %d code points", name, n)
				break
			}
			s = s[len(cluster):]
		}
	}
}

func TestHostile_longTextIsCutAndCanBeRead(t *testing.T) {
	for _, n := range []int{25, 3000} {
		f := withBob(2)
		var lines []string
		for i := range n {
			lines = append(lines, fmt.Sprintf("line-%d.", i))
		}
		f.logs["kith1bob"][0].Text = strings.Join(lines, "\n")
		last := lines[n-1]
		s := begin(t, f, 80, 40, "kith1bob")
		s.shows("line-0.", "in all; Enter shows it")
		s.hides("line-20.", last)
		s.press("up", "up", "enter")
		s.press("end")
		s.shows(last)
		s.press("esc")
		s.hides(last)
	}
}

func FuzzClean(f *testing.F) {
	for _, text := range hostile {
		f.Add(head(text, 4096))
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := clean(text, true)
		if r := firstUnsafe(strings.ReplaceAll(got, "\n", "")); r != 0 {
			t.Errorf("%q holds %U", got, r)
		}
		if again := clean(got, true); again != got {
			t.Errorf("%q became %q the second time", got, again)
		}
		for _, c := range []cells{cells(ansi.WcWidth), cells(ansi.GraphemeWidth)} {
			for _, w := range []int{2, 7, 40} {
				for _, l := range c.wrap(got, w) {
					if c.width(c.fit(l, w)) != w {
						t.Errorf("a line of %d cells is %d: %q", w, c.width(c.fit(l, w)), l)
					}
				}
			}
		}
	})
}
