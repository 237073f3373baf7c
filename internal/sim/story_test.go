package sim

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"kith/internal/chat"
	"kith/internal/engine"
)

var update = flag.Bool("update", false, "write the golden views of the stories anew; read the diff")

// TestSim_stories plays every story of testdata: a script of what people do,
// then what they see. Lines: "people NAME…", "meet A B" (B takes A's invite),
// "A says B TEXT", "A reads B", "cut A B", "join A B", "crash A", "skew A
// SPAN", "advance SPAN", "view A B" (prints A's conversation with B).
func TestSim_stories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.story")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".story"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script, golden, _ := strings.Cut(string(b), "-- view --\n")
			got := play(t, script)
			if *update {
				if err := os.WriteFile(file, []byte(script+"-- view --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != golden {
				t.Errorf("seen:\n%s\nwritten:\n%s", got, golden)
			}
		})
	}
}

func play(t *testing.T, script string) string {
	t.Helper()
	cryptotest.SetGlobalRandom(t, 7)
	w := New(7)
	w.Faults = Faults{MaxDelay: 20 * time.Millisecond}
	d := map[string]*Device{}
	var out strings.Builder
	for line := range strings.Lines(script) {
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		if err := act(t, w, d, &out, f, strings.TrimSpace(line)); err != nil {
			var e *engine.Error
			if !errors.As(err, &e) {
				t.Fatalf("%s: %v", strings.TrimSpace(line), err)
			}
			fmt.Fprintf(&out, "%s: %s\n", strings.TrimSpace(line), e.Text)
		}
	}
	return out.String()
}

func act(t *testing.T, w *World, d map[string]*Device, out *strings.Builder, f []string, line string) error {
	t.Helper()
	span := func(s string) time.Duration {
		v, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(line, err)
		}
		return v
	}
	switch {
	case f[0] == "people":
		for _, name := range f[1:] {
			d[name] = must(t)(w.AddDevice(name, 0))
		}
	case f[0] == "meet":
		inv, err := d[f[1]].Invite(24 * time.Hour)
		if err != nil {
			return err
		}
		_, err = d[f[2]].Do(engine.Add{Invite: inv})
		return err
	case f[0] == "cut":
		w.Cut(d[f[1]], d[f[2]])
	case f[0] == "join":
		w.Join(d[f[1]], d[f[2]])
	case f[0] == "crash":
		d[f[1]].crash()
	case f[0] == "skew":
		d[f[1]].skew = span(f[2])
	case f[0] == "advance":
		w.Advance(span(f[1]))
	case f[0] == "view":
		fmt.Fprintf(out, "%s sees of %s:\n", f[1], f[2])
		for _, m := range d[f[1]].Timeline(d[f[2]]) {
			who := f[2]
			if m.From == d[f[1]].Self.Account {
				who = f[1]
			}
			fmt.Fprintf(out, "  %s: %s [%v]\n", who, m.Text, m.State)
		}
	case f[1] == "says":
		_, err := d[f[0]].Send(d[f[2]], strings.Join(f[3:], " "))
		return err
	case f[1] == "reads":
		_, err := d[f[0]].Do(engine.MarkRead{Conversation: chat.With(d[f[2]].Self.Account)})
		return err
	default:
		t.Fatalf("a story cannot say %q", line)
	}
	return nil
}
