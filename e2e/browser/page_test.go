package browser

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	run  = flag.Bool("browser", false, "drive real browsers")
	keep = flag.String("shots", "", "where to leave screenshots; empty: nowhere")
)

// chromium finds a browser.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Skip("skipped: no Chromium to drive")
	return ""
}

// TestPage_types holds the page's modules against the types in their comments.
func TestPage_types(t *testing.T) {
	if !*run {
		t.Skip("skipped: browsers are driven only with -browser")
	}
	for _, c := range [][]string{{"npm", "ci", "--silent", "--no-audit", "--no-fund"}, {"node", "node_modules/typescript/bin/tsc", "--noEmit", "--allowJs", "--checkJs", "--strict", "--target", "esnext",
		"--module", "esnext", "--moduleResolution", "bundler", "--lib", "esnext,dom,dom.iterable", "--skipLibCheck", "../../internal/webui/app/main.js"}} {
		if _, err := exec.LookPath(c[0]); err != nil {
			t.Skipf("skipped: no %s", c[0])
		}
		if out, err := exec.CommandContext(t.Context(), c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", c[0], err, out)
		}
	}
}

// TestPage_twoPeopleInTwoBrowsers tells the whole story of page.mjs: first run, invite,
// text, a picture, answers, edits, deletions, search, dark, a phone's width, axe-core,
// who is let in, a node killed under an open page.
func TestPage_twoPeopleInTwoBrowsers(t *testing.T) { tell(t, "page.mjs", nil) }

// tell runs a story: a file of this directory that gets the program, a directory for
// homes, one for screenshots, and what more gives.
func tell(t *testing.T, story string, more func() []string, needs ...string) {
	t.Helper()
	if !*run {
		t.Skip("skipped: browsers are driven only with -browser")
	}
	where := chromium(t)
	for _, need := range append(needs, "node", "npm") {
		if _, err := exec.LookPath(need); err != nil {
			t.Skipf("skipped: no %s for %s", need, story)
		}
	}
	dir, err := os.MkdirTemp("", "kith-browser-") // short: sockets are in it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	kith := filepath.Join(dir, "kith")
	for _, c := range [][]string{{"go", "build", "-o", kith, "kith/cmd/kith"}, {"npm", "ci", "--silent", "--no-audit", "--no-fund"}} {
		if out, err := exec.CommandContext(ctx, c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(c, " "), err, out)
		}
	}
	shots := filepath.Join(dir, "shots")
	if *keep != "" {
		if shots, err = filepath.Abs(*keep); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{story, kith, dir, shots}
	if more != nil {
		args = append(args, more()...)
	}
	c := exec.CommandContext(ctx, "node", args...)
	c.Env = append(os.Environ(), "CHROMIUM="+where)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	out, err := c.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("%v", err)
	}
}
