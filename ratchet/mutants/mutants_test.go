// Package mutants proves that tests can fail: each entry of list.txt breaks one
// rule of the code, and names the test that must then fail. Without flags only
// the list itself is checked; with -mutants every entry is tried.
package mutants

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	try  = flag.Bool("mutants", false, "break each rule and see its test fail; takes minutes")
	only = flag.String("mutant", "", "try only entries whose name matches this expression")
)

// mutant is one entry of the list.
type mutant struct {
	name     string
	file     string // from the root of the module
	old, new string // whole lines
	pkg      string
	test     string // the test that must fail
}

const root = "../.."

// readList reads list.txt: entries apart by empty lines, of "name:", "file:", lines
// "- " taken out, lines "+ " put in, and "fails: package test".
func readList(t *testing.T) (list []mutant) {
	t.Helper()
	b, err := os.ReadFile("list.txt")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(b), "\n\n") {
		var m mutant
		for line := range strings.Lines(block) {
			line = strings.TrimSuffix(line, "\n")
			switch key, value, _ := strings.Cut(line, " "); key {
			case "name:":
				m.name = value
			case "file:":
				m.file = value
			case "-":
				m.old += value + "\n"
			case "+":
				m.new += value + "\n"
			case "fails:":
				m.pkg, m.test, _ = strings.Cut(value, " ")
			case "#", "":
			default:
				t.Fatalf("list.txt: %q", line)
			}
		}
		if m != (mutant{}) {
			list = append(list, m)
		}
	}
	return list
}

// apply returns the broken file.
func (m *mutant) apply(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		t.Fatal(err)
	}
	if m.old == "" || strings.Count(string(b), m.old) != 1 {
		t.Fatalf("%s: %q is there %d times, not once: bring list.txt up to date", m.file, m.old, strings.Count(string(b), m.old))
	}
	return strings.Replace(string(b), m.old, m.new, 1)
}

func TestMutants(t *testing.T) {
	list := readList(t)
	names := map[string]bool{}
	pick := regexp.MustCompile(*only)
	tried := 0
	for _, m := range list {
		if names[m.name] || m.name == "" || m.pkg == "" || m.test == "" {
			t.Fatalf("entry %q is incomplete or twice there", m.name)
		}
		names[m.name] = true
		broken := m.apply(t)
		if *try && pick.MatchString(m.name) {
			tried++
			t.Run(m.name, func(t *testing.T) { m.mustFail(t, broken) })
		}
	}
	t.Logf("%d entries, %d tried", len(list), tried)
}

// mustFail runs the test over the broken file. It must run, and fail.
func (m *mutant) mustFail(t *testing.T, broken string) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mutant.go")
	if err := os.WriteFile(file, []byte(broken), 0o644); err != nil {
		t.Fatal(err)
	}
	original, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: file}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", list, "-timeout", "5m", "-run", "^("+m.test+")", m.pkg)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	switch text := string(out); {
	case err == nil:
		t.Errorf("the rule is broken and %s passes:\n%s", m.test, text)
	case strings.Contains(text, "[build failed]") || strings.Contains(text, "[setup failed]"):
		t.Errorf("does not build:\n%s", text)
	case !strings.Contains(text, "--- FAIL: ") && !strings.Contains(text, "panic:"):
		t.Errorf("no test failed:\n%s", text)
	}
}
