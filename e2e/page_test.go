package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
)

// guest is a browser's side of the door.
type guest struct {
	t      *testing.T
	origin string
	http.Client
}

// letIn uses a launch address.
func letIn(t *testing.T, launch string) *guest {
	t.Helper()
	u, err := url.Parse(launch)
	must(t, err)
	jar, err := cookiejar.New(nil)
	must(t, err)
	g := &guest{t: t, origin: u.Scheme + "://" + u.Host, Client: http.Client{Jar: jar}}
	if status, _, _ := g.ask("POST", "/launch", []byte(u.Fragment)); status != http.StatusNoContent {
		t.Fatalf("not let in: %d", status)
	}
	return g
}

func (g *guest) ask(method, path string, body []byte) (int, http.Header, []byte) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.origin+path, bytes.NewReader(body))
	must(g.t, err)
	r.Header.Set("Origin", g.origin)
	answer, err := g.Do(r)
	must(g.t, err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	must(g.t, err)
	return answer.StatusCode, answer.Header, b
}

// TestPage_PG10_whatIsShownInPlace: a file is shown in place for what it is, not for
// what its sender calls it; what could hold a script is only ever saved.
func TestPage_PG10_whatIsShownInPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice, bob := pair(t, dir)
	launch, err := bob.Page(t.Context(), connect.NewRequest(&apiv1.PageRequest{}))
	must(t, err)
	g := letIn(t, launch.Msg.GetUrl())
	const script = `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	gif := "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
	for _, x := range []struct{ name, content, kind, disposition string }{
		{"a.svg", script, "application/octet-stream", "attachment"},
		{"holiday.jpg", script, "application/octet-stream", "attachment"},
		{"b.html", "<!doctype html><script>alert(1)</script>", "application/octet-stream", "attachment"},
		{"c.xml", `<?xml version="1.0"?><x/>`, "application/octet-stream", "attachment"},
		{"d.pdf", "%PDF-1.7\n", "application/octet-stream", "attachment"},
		{"e.js", "alert(1)", "application/octet-stream", "attachment"},
		{"f.bin", "\x00\x01", "application/octet-stream", "attachment"},
		{"page.html", gif, "image/gif", "inline"},
		{"polyglot.gif", "GIF89a/*" + script + "*/=1;", "image/gif", "inline"},
	} {
		path := filepath.Join(dir, x.name)
		must(t, os.WriteFile(path, []byte(x.content), 0o600))
		var sent struct{ ID string }
		alice.json(&sent, "send", "Bob", "--file", path, "--as-file")
		bob.awaitFile(x.name)
		status, head, body := g.ask("GET", "/media/"+sent.ID+"/0", nil)
		disposition, _, _ := strings.Cut(head.Get("Content-Disposition"), ";")
		if status != 200 || string(body) != x.content || head.Get("Content-Type") != x.kind || disposition != x.disposition {
			t.Errorf("%s: %d %s, %s", x.name, status, head.Get("Content-Type"), disposition)
		}
		if head.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(head.Get("Content-Security-Policy"), "sandbox") || head.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", x.name, head)
		}
		if _, head, _ := g.ask("GET", "/media/"+sent.ID+"/0?save=1", nil); !strings.HasPrefix(head.Get("Content-Disposition"), "attachment") || head.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s, to be saved: %v", x.name, head)
		}
	}
	for _, path := range []string{"/media/00000000000000000000000000000000/0", "/media/x/0", "/media/../../kith.db", "/media/0/99"} {
		if status, _, _ := g.ask("GET", path, nil); status < 400 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// TestPage_PG09_aWholeNodeBehindIt: what a session may ask, and that a QR code that was
// drawn is read again.
func TestPage_PG09_aWholeNodeBehindIt(t *testing.T) {
	t.Parallel()
	alice := newPerson(t, t.TempDir(), "Alice")
	alice.init()
	alice.up()
	var page struct{ URL string }
	alice.json(&page, "page", "--no-open")
	g := letIn(t, page.URL)
	if status, _, body := g.ask("GET", "/setup", nil); status != 200 || !strings.Contains(string(body), "running") {
		t.Errorf("%d %s", status, body)
	}
	status, head, png := g.ask("POST", "/qr", []byte("kith:something"))
	if status != 200 || head.Get("Content-Type") != "image/png" {
		t.Fatalf("%d %v", status, head)
	}
	if status, _, body := g.ask("POST", "/qr/read", png); status != 200 || !strings.Contains(string(body), `"kith:something"`) {
		t.Errorf("%d %s", status, body)
	}
	for path, body := range map[string][]byte{"/qr": bytes.Repeat([]byte("x"), 4097), "/qr/read": []byte("no picture")} {
		if status, _, _ := g.ask("POST", path, body); status != 400 {
			t.Errorf("%s: %d", path, status)
		}
	}
	// After a restart by itself the page finds the node again.
	alice.down()
	alice.up()
	if status, _, _ := g.ask("GET", "/setup", nil); status != 200 {
		t.Errorf("after a restart: %d", status)
	}
}

// TestPage_PG07_settingUp: from nothing to a node and, locked, to it again, and nothing
// out of its turn.
func TestPage_PG07_settingUp(t *testing.T) {
	t.Parallel()
	home := filepath.Join(t.TempDir(), "home")
	up := func() (*guest, func()) {
		c := exec.Command(binary, "--home", home, "--json", "page", "--no-open", "--no-lan", "--listen", fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", freePort(t)))
		out, err := c.StdoutPipe()
		must(t, err)
		var said notes
		c.Stderr = &said
		must(t, c.Start())
		var page struct{ URL string }
		must(t, json.NewDecoder(out).Decode(&page))
		return letIn(t, page.URL), func() {
			must(t, c.Process.Signal(os.Interrupt))
			_ = c.Wait() // interrupted
			if s := said.String(); strings.Contains(s, "panic") || strings.Contains(s, "goroutine") {
				t.Errorf("it said\n%s", s)
			}
		}
	}
	g, end := up()
	ask := func(path, body string) (int, map[string]any) {
		t.Helper()
		method := "POST"
		if body == "" {
			method = "GET"
		}
		status, _, b := g.ask(method, path, []byte(body))
		var v map[string]any
		_ = json.Unmarshal(b, &v) // or it is none
		return status, v
	}
	state := func(want string) {
		t.Helper()
		until(t, func() bool { _, v := ask("/setup", ""); return v["state"] == want })
	}
	state("new")
	for name, x := range map[string]struct {
		path, body string
		want       int
	}{
		"unlocking nothing": {"/setup/unlock", `{"passphrase":"x"}`, 409}, "no name": {"/setup/create", `{"name":"","key":"file"}`, 400},
		"a name nobody sees": {"/setup/create", `{"name":"\u202e","key":"file"}`, 400}, "a short passphrase": {"/setup/create", `{"name":"A","key":"passphrase","passphrase":"1234567"}`, 400},
		"no JSON": {"/setup/create", `{`, 400}, "unknown words": {"/setup/create", `{"name":"A","home":"/"}`, 400}, "too much": {"/setup/create", `{"name":"` + strings.Repeat("x", 5000) + `"}`, 400},
		"false words": {"/setup/create", `{"name":"A","key":"file","phrase":"zoo zoo zoo"}`, 409}, "the API": {"/kith.api.v1.Kith/Status", `{}`, 503},
	} {
		if status, v := ask(x.path, x.body); status != x.want {
			t.Errorf("%s: %d %v", name, status, v)
		}
	}
	status, made := ask("/setup/create", `{"name":"Alice","key":"passphrase","passphrase":"correct horse"}`)
	if words, _ := made["phrase"].([]any); status != 200 || len(words) != 24 || made["key"] != "passphrase" {
		t.Fatalf("%d %v", status, made)
	}
	state("running")
	if status, _ := ask("/setup/create", `{"name":"Eve","key":"file"}`); status < 400 {
		t.Errorf("a second account: %d", status)
	}
	if status, v := ask("/kith.api.v1.Kith/Status", `{}`); status != 200 && status != 415 {
		t.Errorf("%d %v", status, v)
	}
	end()

	g, end = up()
	defer func() { end() }()
	state("locked")
	if status, _ := ask("/setup/unlock", `{"passphrase":"wrong"}`); status != 202 {
		t.Errorf("%d", status)
	}
	until(t, func() bool { _, v := ask("/setup", ""); return v["state"] == "locked" && v["wrong"] != "" })
	ask("/setup/unlock", `{"passphrase":"correct horse"}`)
	state("running")
}
