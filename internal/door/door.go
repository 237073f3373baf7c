package door

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of the door, each with a test at its edge.
const (
	// TokenLife is how long a launch token is good for; it is good once.
	TokenLife = time.Minute
	// MaxTokens is how many may wait to be used, MaxSessions how many browsers may be
	// let in; the oldest gives way.
	MaxTokens   = 16
	MaxSessions = 16
	// maxToken bounds what is read of a request to be let in, in bytes.
	maxToken = 256

	cookieName   = "kith"
	headTimeout  = 10 * time.Second
	drainTimeout = 2 * time.Second
)

// Door is a server on the loopback. Safe for concurrent use.
type Door struct {
	listener net.Listener
	hosts    []string // what a browser calls this
	page     http.Handler
	server   *http.Server
	behind   atomic.Pointer[http.Handler]
	now      func() time.Time

	mu       sync.Mutex          // guards what follows
	tokens   []token             // oldest first
	memory   string              // file of sessions; empty: they end with the door
	sessions [][sha256.Size]byte // of their secrets; oldest first
}

type token struct {
	sum   [sha256.Size]byte
	until time.Time
}

// New opens a door on the loopback: on the given port if it is free, else on any;
// 0 is any. Page holds the files of the page. Nothing is served before Serve.
func New(port int, page fs.FS) (*Door, error) {
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil && port != 0 {
		l, err = net.Listen("tcp4", "127.0.0.1:0")
	}
	if err != nil {
		return nil, err
	}
	own := l.Addr().(*net.TCPAddr).Port
	d := &Door{listener: l, hosts: []string{fmt.Sprintf("127.0.0.1:%d", own), fmt.Sprintf("localhost:%d", own)}, page: http.FileServerFS(page), now: time.Now}
	d.server = &http.Server{Handler: d, ReadHeaderTimeout: headTimeout}
	return d, nil
}

// Port returns the port it is on.
func (d *Door) Port() int { return d.listener.Addr().(*net.TCPAddr).Port }

// Behind sets what sessions reach from now on: the API of a node, or what stands for
// it until there is one.
func (d *Door) Behind(h http.Handler) { d.behind.Store(&h) }

// Serve serves until ctx ends; what is under way then gets two seconds.
func (d *Door) Serve(ctx context.Context) error {
	d.server.BaseContext = func(net.Listener) context.Context { return ctx }
	served := make(chan error, 1)
	go func() { served <- d.server.Serve(d.listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if d.server.Shutdown(end) != nil {
		d.server.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close gives the port up, whether or not it was ever served.
func (d *Door) Close() error { return d.server.Close() }

// Launch returns an address that lets one browser in, once, within [TokenLife]. The
// token is in the fragment, which browsers do not send.
func (d *Door) Launch() string {
	secret := rand.Text()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tokens = append(d.tokens, token{sha256.Sum256([]byte(secret)), d.now().Add(TokenLife)})
	d.tokens = d.tokens[max(len(d.tokens)-MaxTokens, 0):]
	return "http://" + d.hosts[0] + "/#" + secret
}

// redeem takes a token out, if it is one.
func (d *Door) redeem(secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	d.mu.Lock()
	defer d.mu.Unlock()
	found := false
	var left []token
	for _, t := range d.tokens {
		switch {
		case d.now().After(t.until):
		case t.sum == sum: // a guess learns nothing from the time a hash takes to differ
			found = true
		default:
			left = append(left, t)
		}
	}
	d.tokens = left
	return found
}

// admit makes a session and returns its secret.
func (d *Door) admit() string {
	secret := rand.Text() + rand.Text() // 256 bits and more
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sessions = append(d.sessions, sha256.Sum256([]byte(secret)))
	d.sessions = d.sessions[max(len(d.sessions)-MaxSessions, 0):]
	_ = d.save() // it is a session without that, too
	return secret
}

// Remember keeps sessions in a file, as hashes, so that a browser is let in after a
// restart as well; those that are in it already are. What the file holds lets nobody
// in. A file that cannot be read is as good as none.
func (d *Door) Remember(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	old, _ := os.ReadFile(path)
	var kept [][sha256.Size]byte
	for line := range strings.FieldsSeq(string(old[:min(len(old), MaxSessions*(2*sha256.Size+1))])) {
		if sum, err := hex.DecodeString(line); err == nil && len(sum) == sha256.Size {
			kept = append(kept, [sha256.Size]byte(sum))
		}
	}
	d.memory = path
	d.sessions = append(kept, d.sessions...)
	d.sessions = d.sessions[max(len(d.sessions)-MaxSessions, 0):]
	return d.save()
}

// save writes the sessions down; the caller holds d.mu.
func (d *Door) save() error {
	if d.memory == "" {
		return nil
	}
	var b strings.Builder
	for _, s := range d.sessions {
		fmt.Fprintf(&b, "%x\n", s)
	}
	fresh := d.memory + ".new"
	if err := os.WriteFile(fresh, []byte(b.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, d.memory)
}

func (d *Door) admitted(r *http.Request) bool {
	for _, c := range r.CookiesNamed(cookieName) {
		sum := sha256.Sum256([]byte(c.Value))
		d.mu.Lock()
		if slices.Contains(d.sessions, sum) {
			d.mu.Unlock()
			return true
		}
		d.mu.Unlock()
	}
	return false
}

// launch exchanges a token for a session.
func (d *Door) launch(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxToken+1))
	if err != nil || len(b) > maxToken || !d.redeem(strings.TrimSpace(string(b))) {
		refuse(w, http.StatusForbidden)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: d.admit(), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	w.WriteHeader(http.StatusNoContent)
}
