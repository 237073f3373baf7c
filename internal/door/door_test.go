package door_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"kith/internal/door"
)

// open runs a door with a secret behind it.
func open(t *testing.T) *door.Door {
	t.Helper()
	d, err := door.New(0, fstest.MapFS{"index.html": {Data: []byte("the page")}, "app/main.js": {Data: []byte("// script")}, "app/page.css": {Data: []byte("/* style */")}})
	if err != nil {
		t.Fatal(err)
	}
	d.Behind(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "a secret") }))
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- d.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return d
}

// ask sends a request as it is written, and returns status, headers, body.
func ask(t *testing.T, d *door.Door, method, path string, headers map[string]string, body string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", d.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n", method, path, len(body))
	if _, given := headers["Host"]; !given {
		fmt.Fprintf(conn, "Host: 127.0.0.1:%d\r\n", d.Port())
	}
	for k, v := range headers {
		fmt.Fprintf(conn, "%s: %s\r\n", k, v)
	}
	fmt.Fprintf(conn, "\r\n%s", body)
	r, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

func origin(d *door.Door) string { return fmt.Sprintf("http://127.0.0.1:%d", d.Port()) }

func tokenOf(url string) string {
	_, token, _ := strings.Cut(url, "#")
	return token
}

// enter exchanges a launch for a cookie.
func enter(t *testing.T, d *door.Door, token string) (cookie string, status int) {
	t.Helper()
	r, _ := ask(t, d, "POST", "/launch", map[string]string{"Origin": origin(d)}, token)
	for _, c := range r.Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("the cookie is %+v", c)
		}
		cookie = c.Name + "=" + c.Value
	}
	return cookie, r.StatusCode
}

func TestPage_PG01_onlyWithASession(t *testing.T) {
	d := open(t)
	if r, body := ask(t, d, "GET", "/", nil, ""); r.StatusCode != 200 || body != "the page" {
		t.Fatalf("%d %q", r.StatusCode, body)
	}
	for _, cookie := range []string{"", "kith=", "kith=guess", "kith=guess; kith=again", "other=x"} {
		for _, path := range []string{"/setup", "/media/1/0", "/kith.api.v1.Kith/Status", "/x", "/..%2fsetup"} {
			if r, body := ask(t, d, "GET", path, map[string]string{"Cookie": cookie}, ""); r.StatusCode != 401 || body != "" {
				t.Errorf("%s with %q: %d %q", path, cookie, r.StatusCode, body)
			}
		}
	}
	cookie, status := enter(t, d, tokenOf(d.Launch()))
	if status != 204 {
		t.Fatalf("launch: %d", status)
	}
	if r, body := ask(t, d, "GET", "/setup", map[string]string{"Cookie": cookie}, ""); r.StatusCode != 200 || body != "a secret" {
		t.Errorf("%d %q", r.StatusCode, body)
	}
	if r, _ := ask(t, d, "POST", "/setup", map[string]string{"Cookie": "kith=wrong; " + cookie, "Origin": origin(d)}, ""); r.StatusCode != 200 {
		t.Errorf("with another cookie of the name beside it: %d", r.StatusCode)
	}
}

// TestPage_PG02_tokens: good once, for a minute, for whoever is first; never in a
// request line.
func TestPage_PG02_tokens(t *testing.T) {
	d := open(t)
	url := d.Launch()
	if !strings.HasPrefix(url, origin(d)+"/#") || len(tokenOf(url)) < 26 {
		t.Fatalf("%q", url)
	}
	for _, bad := range []string{"", "x", tokenOf(url)[1:], tokenOf(url) + "A", strings.Repeat("x", 1000)} {
		if _, status := enter(t, d, bad); status != 403 {
			t.Errorf("%.20q: %d", bad, status)
		}
	}
	first, status := enter(t, d, tokenOf(url))
	if _, again := enter(t, d, tokenOf(url)); status != 204 || again != 403 {
		t.Errorf("first %d, again %d", status, again)
	}
	other, _ := enter(t, d, tokenOf(d.Launch()))
	if first == other {
		t.Error("two browsers have one session")
	}
	old := d.Launch()
	door.Pass(d, door.TokenLife+1)
	if _, status := enter(t, d, tokenOf(old)); status != 403 {
		t.Errorf("after a minute: %d", status)
	}
	// Only so many wait, and only so many are in.
	oldest := d.Launch()
	for range door.MaxTokens {
		d.Launch()
	}
	if _, status := enter(t, d, tokenOf(oldest)); status != 403 {
		t.Errorf("one token too many: %d", status)
	}
	for range door.MaxSessions {
		enter(t, d, tokenOf(d.Launch()))
	}
	if r, _ := ask(t, d, "GET", "/setup", map[string]string{"Cookie": first}, ""); r.StatusCode != 401 {
		t.Errorf("one session too many: %d", r.StatusCode)
	}
}

// TestPage_PG03_rebinding: a name somebody else's server gave this address under is not
// answered, with or without a session.
func TestPage_PG03_rebinding(t *testing.T) {
	d := open(t)
	cookie, _ := enter(t, d, tokenOf(d.Launch()))
	for _, host := range []string{"evil.example", fmt.Sprintf("evil.example:%d", d.Port()), "127.0.0.1", fmt.Sprintf("127.0.0.1.evil.example:%d", d.Port()), "127.0.0.1:1", fmt.Sprintf("[::1]:%d", d.Port()), ""} {
		for _, path := range []string{"/", "/app/main.js", "/setup", "/launch"} {
			r, body := ask(t, d, "GET", path, map[string]string{"Host": host, "Cookie": cookie}, "")
			if r.StatusCode/100 != 4 || strings.Contains(body, "secret") || strings.Contains(body, "page") {
				t.Errorf("%q %s: %d %q", host, path, r.StatusCode, body)
			}
		}
	}
	if r, _ := ask(t, d, "GET", "/setup", map[string]string{"Host": fmt.Sprintf("localhost:%d", d.Port()), "Cookie": cookie}, ""); r.StatusCode != 200 {
		t.Errorf("localhost: %d", r.StatusCode)
	}
}

// TestPage_PG04_otherOrigins: what pages of other origins have a browser ask, cookie and
// all, is refused.
func TestPage_PG04_otherOrigins(t *testing.T) {
	d := open(t)
	cookie, _ := enter(t, d, tokenOf(d.Launch()))
	token := tokenOf(d.Launch())
	for name, headers := range map[string]map[string]string{
		"another origin":  {"Origin": "https://evil.example"},
		"null":            {"Origin": "null"},
		"another port":    {"Origin": "http://127.0.0.1:1"},
		"another scheme":  {"Origin": "https://" + strings.TrimPrefix(origin(d), "http://")},
		"cross-site":      {"Sec-Fetch-Site": "cross-site"},
		"same-site":       {"Sec-Fetch-Site": "same-site"},
		"an image":        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
		"a link":          {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
		"both, one right": {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
	} {
		headers["Cookie"] = cookie
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "OPTIONS"} {
			for _, path := range []string{"/setup", "/media", "/launch", "/app/main.js"} {
				if r, body := ask(t, d, method, path, headers, token); r.StatusCode != 403 || body != "" {
					t.Errorf("%s: %s %s: %d %q", name, method, path, r.StatusCode, body)
				}
			}
		}
	}
	for name, headers := range map[string]map[string]string{"the page": {"Origin": origin(d)}, "fetch": {"Sec-Fetch-Site": "same-origin"}} {
		headers["Cookie"] = cookie
		if r, _ := ask(t, d, "POST", "/setup", headers, ""); r.StatusCode != 200 {
			t.Errorf("%s: %d", name, r.StatusCode)
		}
	}
	// A form without any of these headers.
	if r, _ := ask(t, d, "POST", "/setup", map[string]string{"Cookie": cookie}, ""); r.StatusCode != 403 {
		t.Errorf("no word of where it comes from: %d", r.StatusCode)
	}
}

// TestPage_PG05_headers: on every answer.
func TestPage_PG05_headers(t *testing.T) {
	d := open(t)
	cookie, _ := enter(t, d, tokenOf(d.Launch()))
	for _, path := range []string{"/", "/app/main.js", "/setup", "/nothing"} {
		for _, c := range []string{"", cookie} {
			r, _ := ask(t, d, "GET", path, map[string]string{"Cookie": c}, "")
			csp := r.Header.Get("Content-Security-Policy")
			if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "require-trusted-types-for 'script'") || !strings.Contains(csp, "frame-ancestors 'none'") {
				t.Errorf("%s: policy %q", path, csp)
			}
			for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
				"Cross-Origin-Resource-Policy": "same-origin"} {
				if got := r.Header.Get(name); got != want {
					t.Errorf("%s: %s is %q", path, name, got)
				}
			}
			if path == "/setup" && r.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s may be cached", path)
			}
		}
	}
	if r, _ := ask(t, d, "GET", "/app/main.js", nil, ""); !strings.HasPrefix(r.Header.Get("Content-Type"), "text/javascript") {
		t.Errorf("a module is %q", r.Header.Get("Content-Type"))
	}
}

// TestPage_PG08_sessionsOutliveARestart: a browser that was let in is after a restart,
// and the file of it lets nobody else in.
func TestPage_PG08_sessionsOutliveARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sessions")
	d := open(t)
	early, _ := enter(t, d, tokenOf(d.Launch()))
	if err := d.Remember(file); err != nil {
		t.Fatal(err)
	}
	late, _ := enter(t, d, tokenOf(d.Launch()))
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := os.Stat(file); st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	again := open(t)
	if err := again.Remember(file); err != nil {
		t.Fatal(err)
	}
	for _, cookie := range []string{early, late} {
		if r, _ := ask(t, again, "GET", "/setup", map[string]string{"Cookie": cookie}, ""); r.StatusCode != 200 {
			t.Errorf("after a restart: %d", r.StatusCode)
		}
	}
	for line := range strings.FieldsSeq(string(kept)) {
		if r, _ := ask(t, again, "GET", "/setup", map[string]string{"Cookie": "kith=" + line}, ""); r.StatusCode != 401 {
			t.Errorf("what the file holds lets in: %d", r.StatusCode)
		}
	}
	for _, junk := range []string{"", "junk", strings.Repeat("ab", 32) + "\n" + strings.Repeat("x", 10000)} {
		if err := os.WriteFile(file, []byte(junk), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := open(t).Remember(file); err != nil {
			t.Errorf("%.10q: %v", junk, err)
		}
	}
}

// TestPage_PG06_loopback: nobody but this machine is listened to.
func TestPage_PG06_loopback(t *testing.T) {
	d := open(t)
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		ip := a.(*net.IPNet).IP
		if ip.IsLoopback() || ip.To4() == nil {
			continue
		}
		if c, err := net.Dial("tcp", net.JoinHostPort(ip.String(), fmt.Sprint(d.Port()))); err == nil {
			c.Close()
			t.Errorf("reached at %s", ip)
		}
	}
}
