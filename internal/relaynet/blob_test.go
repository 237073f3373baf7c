package relaynet_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kith/box"
	"kith/internal/boxstore"
	"kith/internal/relaynet"
)

// startBlobs is a relay that keeps blobs.
func startBlobs(t *testing.T, limit int64, change func(*relaynet.ServerOptions)) (*relay, *boxstore.Store) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "blobs")
	store, err := boxstore.Open(dir, box.Day(time.Now()), boxstore.Options{Cap: 1 << 30, BlobCap: limit})
	must(t, err)
	r := start(t, roomy(), func(o *relaynet.ServerOptions) {
		o.Blobs = store
		if change != nil {
			change(o)
		}
	})
	r.blobs = dir
	t.Cleanup(func() { must(t, r.Close()); must(t, store.Close()) })
	return r, store
}

func newBlob(size int, hours uint32) (boxstore.BlobInfo, []byte) {
	content := make([]byte, size)
	rand.Read(content)
	info := boxstore.BlobInfo{ID: sha256.Sum256(content), Hour: relaynet.BlobHour(time.Now()) + hours, Size: int64(size)}
	rand.Read(info.Key[:])
	return info, content
}

func capability(info boxstore.BlobInfo, method string) relaynet.Capability {
	return relaynet.Mint(info.Key, method, info.ID, info.Hour, 0)
}

func upload(t testing.TB, c *relaynet.Client, r *relay, info boxstore.BlobInfo, content []byte) {
	t.Helper()
	must(t, c.PutBlob(t.Context(), r.relay, info, box.Work{}, bytes.NewReader(content)))
}

// TestRelaynet_RN25_capabilities: whoever holds another one than was minted gets
// the same answer as who asks for what is not there. (T16)
func TestRelaynet_RN25_capabilities(t *testing.T) {
	var shift atomic.Int64
	r, _ := startBlobs(t, 1<<30, func(o *relaynet.ServerOptions) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
	})
	c := client(t, relaynet.ClientOptions{})
	info, content := newBlob(100_000, 5)
	other, otherContent := newBlob(100_000, 5)
	upload(t, c, r, info, content)
	upload(t, c, r, other, otherContent)
	good := capability(info, "GET")
	flip := func(change func(*relaynet.Capability)) relaynet.Capability {
		bad := good
		change(&bad)
		return bad
	}
	now := relaynet.BlobHour(time.Now())
	wrong := map[string]relaynet.Capability{
		"first bit":        flip(func(c *relaynet.Capability) { c.MAC[0] ^= 1 }),
		"last bit":         flip(func(c *relaynet.Capability) { c.MAC[15] ^= 128 }),
		"later hour":       flip(func(c *relaynet.Capability) { c.Hour++ }),
		"more uses":        flip(func(c *relaynet.Capability) { c.Uses++ }),
		"another blob":     flip(func(c *relaynet.Capability) { c.ID = other.ID }),
		"no blob":          flip(func(c *relaynet.Capability) { c.ID[5] ^= 1 }),
		"another method":   capability(info, "DELETE"),
		"head":             capability(info, "HEAD"),
		"another key":      relaynet.Mint(other.Key, "GET", info.ID, info.Hour, 0),
		"no key":           relaynet.Mint([32]byte{}, "GET", info.ID, info.Hour, 0),
		"expired":          relaynet.Mint(info.Key, "GET", info.ID, now-1, 0),
		"of nothing, zero": relaynet.Mint([32]byte{}, "GET", [32]byte{}, info.Hour, 0),
	}
	for name, bad := range wrong {
		if _, err := c.GetBlob(t.Context(), r.relay, bad, 0, -1); !errors.Is(err, relaynet.ErrNoBlob) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.DeleteBlob(t.Context(), r.relay, good); !errors.Is(err, relaynet.ErrNoBlob) {
		t.Errorf("deleting with a capability to get: %v", err)
	}
	if got := fetch(t, c, r, good, 0, -1); !bytes.Equal(got, content) {
		t.Error("another content")
	}
	if n, err := c.HeadBlob(t.Context(), r.relay, capability(info, "HEAD")); err != nil || n != 100_000 {
		t.Errorf("size %d, %v", n, err)
	}
	early := relaynet.Mint(info.Key, "GET", info.ID, now, 0) // for somebody who may sooner no more
	fetch(t, c, r, early, 0, 1)
	answers := map[string]string{}
	for name, path := range map[string]string{
		"good but for a bit": wrongPath(wrong["first bit"]), "no blob": wrongPath(wrong["no blob"]), "expired": wrongPath(wrong["expired"]),
		"no capability": strings.Split(wrongPath(good), "?")[0], "no path": "/", "upper case": strings.ToUpper(wrongPath(good)),
		"twice": wrongPath(good) + "&c=1", "other order": strings.Replace(wrongPath(good), "&n=0", "", 1) + "&n=0", "zeros": strings.Replace(wrongPath(good), "n=0", "n=00", 1),
		"absolute": "https://relay" + wrongPath(good), "escaped": strings.Replace(wrongPath(good), "/b/", "/%62/", 1), "dots": "/x/.." + wrongPath(good),
	} {
		answers[rawGet(t, r, "GET", path)] = name
	}
	shift.Store(int64(2 * time.Hour))
	answers[rawGet(t, r, "GET", wrongPath(early))] = "expired meanwhile"
	shift.Store(int64(7 * time.Hour))
	answers[rawGet(t, r, "GET", wrongPath(good))] = "blob expired"
	if len(answers) != 1 {
		t.Errorf("answers can be told apart: %q", answers)
	}
	for a := range answers {
		if !strings.HasPrefix(a, "HTTP/1.1 404 Not Found\r\n") || strings.Contains(a, "Date") {
			t.Errorf("the answer is %q", a)
		}
	}
}

func wrongPath(c relaynet.Capability) string { return c.Path() }

// rawGet returns an answer byte by byte.
func rawGet(t *testing.T, r *relay, method, path string) string {
	t.Helper()
	conn := bare(t, r, relaynet.ProtocolBlobs)
	_, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n", method, path)
	must(t, err)
	must(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	b, _ := io.ReadAll(conn)
	conn.Close()
	return string(b)
}

func fetch(t testing.TB, c *relaynet.Client, r *relay, by relaynet.Capability, offset, length int64) []byte {
	t.Helper()
	body, err := c.GetBlob(t.Context(), r.relay, by, offset, length)
	must(t, err)
	defer body.Close()
	b, err := io.ReadAll(body)
	must(t, err)
	return b
}

// TestRelaynet_RN25_sameTime: how long the answer takes does not say whether there
// is such a blob.
func TestRelaynet_RN25_sameTime(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: takes times")
	}
	r, _ := startBlobs(t, 1<<30, nil)
	c := client(t, relaynet.ClientOptions{})
	info, content := newBlob(1<<20, 5)
	upload(t, c, r, info, content)
	bad, none := capability(info, "GET"), capability(info, "GET")
	bad.MAC[0] ^= 1
	none.ID[0] ^= 1
	raw, err := net.Dial("tcp", r.relay.Addrs[0])
	must(t, err)
	defer raw.Close()
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{relaynet.ProtocolBlobs}})
	ask := func(by relaynet.Capability) time.Duration {
		begin := time.Now()
		_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: relay\r\n\r\n", by.Path())
		must(t, err)
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		must(t, err)
		if !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 404") {
			t.Fatalf("answer %q", buf[:n])
		}
		return time.Since(begin)
	}
	var there, absent []time.Duration
	for range 400 {
		there, absent = append(there, ask(bad)), append(absent, ask(none))
	}
	slices.Sort(there)
	slices.Sort(absent)
	a, b := there[len(there)/2], absent[len(absent)/2]
	noise := there[len(there)*9/10] - there[len(there)/10]
	t.Logf("median with a wrong capability %v, without such a blob %v, noise %v", a, b, noise)
	if d := (a - b).Abs(); d > max(noise, 100*time.Microsecond) {
		t.Errorf("the answers differ by %v", d)
	}
}

// TestRelaynet_RN26_upload: what may be uploaded and what not.
func TestRelaynet_RN26_upload(t *testing.T) {
	r, store := startBlobs(t, 40<<20, nil)
	c := client(t, relaynet.ClientOptions{})
	info, content := newBlob(70_000, 8*24)
	upload(t, c, r, info, content)
	put := func(info boxstore.BlobInfo, content []byte) error {
		return c.PutBlob(t.Context(), r.relay, info, box.Work{}, bytes.NewReader(content))
	}
	must(t, put(info, content))
	other := info
	other.Key[0] ^= 1
	if err := put(other, content); !errors.Is(err, relaynet.ErrHeld) {
		t.Errorf("twice, under another key: %v", err)
	}
	wrong := bytes.Clone(content)
	wrong[5] ^= 1
	if err := put(info, wrong); !errors.Is(err, relaynet.ErrRefused) {
		t.Errorf("who has another content learns of it: %v", err)
	}
	for name, hours := range map[string]uint32{"past": ^uint32(0), "too far": 8*24 + 1} {
		info, content := newBlob(100, hours)
		if err := put(info, content); !errors.Is(err, relaynet.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	big, bigContent := newBlob(boxstore.MaxBlob+1, 1)
	if err := put(big, bigContent); !errors.Is(err, relaynet.ErrRefused) {
		t.Errorf("too large: %v", err)
	}
	edge, edgeContent := newBlob(boxstore.MaxBlob, 0)
	upload(t, c, r, edge, edgeContent)
	if got := fetch(t, c, r, capability(edge, "GET"), 0, -1); !bytes.Equal(got, edgeContent) {
		t.Error("another content")
	}
	must(t, c.DeleteBlob(t.Context(), r.relay, capability(edge, "DELETE")))
	if _, err := c.GetBlob(t.Context(), r.relay, capability(edge, "GET"), 0, -1); !errors.Is(err, relaynet.ErrNoBlob) {
		t.Errorf("a deleted blob: %v", err)
	}
	if err := c.DeleteBlob(t.Context(), r.relay, capability(edge, "DELETE")); !errors.Is(err, relaynet.ErrNoBlob) {
		t.Errorf("deleting twice: %v", err)
	}
	// Work is wanted as they fill up.
	var wants *relaynet.WantsWork
	var last boxstore.BlobInfo
	var lastContent []byte
	for range 40 {
		last, lastContent = newBlob(boxstore.MaxBlob, 1)
		if err := put(last, lastContent); errors.As(err, &wants) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if used, limit := store.BlobUsage(); wants == nil || wants.Effort != 16 || used*10/limit != 5 {
		t.Fatalf("wants %+v with %d of %d", wants, used, limit)
	}
	work, ok := box.Solve(r.relay.ID(), box.Day(time.Now()), last.ID, wants.Effort, func() bool { return false })
	if !ok {
		t.Fatal("no solution")
	}
	elsewhere := last
	elsewhere.ID[0] ^= 1
	if err := c.PutBlob(t.Context(), r.relay, elsewhere, work, bytes.NewReader(lastContent)); !errors.As(err, &wants) {
		t.Errorf("work for another blob: %v", err)
	}
	must(t, c.PutBlob(t.Context(), r.relay, last, work, bytes.NewReader(lastContent)))
	if e := relaynet.BlobEffort(95, 100, boxstore.MaxBlob); e != 256 {
		t.Errorf("nearly full: %d", e)
	}
	if e := relaynet.BlobEffort(1<<30, 100, boxstore.MaxBlob); e != box.MaxEffort {
		t.Errorf("more than full: %d", e)
	}
	none := start(t, roomy(), nil)
	if err := c.PutBlob(t.Context(), none.relay, info, box.Work{}, bytes.NewReader(content)); !errors.Is(err, relaynet.ErrRefused) {
		t.Errorf("a relay without blobs: %v", err)
	}
	if _, err := c.GetBlob(t.Context(), none.relay, capability(info, "GET"), 0, -1); !errors.Is(err, relaynet.ErrNoBlob) {
		t.Errorf("a relay without blobs: %v", err)
	}
}

// TestRelaynet_RN27_range: parts of a blob, across the parts it is sealed in.
func TestRelaynet_RN27_range(t *testing.T) {
	r, _ := startBlobs(t, 1<<30, nil)
	c := client(t, relaynet.ClientOptions{})
	info, content := newBlob(300_000, 2)
	upload(t, c, r, info, content)
	by := capability(info, "GET")
	for _, at := range [][2]int64{{0, 1}, {65_535, 2}, {65_536, 65_536}, {1, 299_999}, {131_072, 65_536}, {299_999, 1}, {200_000, -1}} {
		want := content[at[0]:]
		if at[1] >= 0 {
			want = want[:at[1]]
		}
		if got := fetch(t, c, r, by, at[0], at[1]); !bytes.Equal(got, want) {
			t.Errorf("from %d, %d bytes: got %d others", at[0], at[1], len(got))
		}
	}
	if _, err := c.GetBlob(t.Context(), r.relay, by, 300_000, 1); !errors.Is(err, relaynet.ErrRefused) {
		t.Errorf("beyond the end: %v", err)
	}
}

// TestRelaynet_RN28_uses: a capability for so many uses is good for no more.
func TestRelaynet_RN28_uses(t *testing.T) {
	r, _ := startBlobs(t, 1<<30, nil)
	c := client(t, relaynet.ClientOptions{})
	info, content := newBlob(1000, 2)
	upload(t, c, r, info, content)
	by := relaynet.Mint(info.Key, "GET", info.ID, info.Hour, 3)
	var group sync.WaitGroup
	var good atomic.Int64
	for range 10 {
		group.Go(func() {
			body, err := c.GetBlob(t.Context(), r.relay, by, 0, -1)
			if err == nil {
				good.Add(1)
				_, _ = io.Copy(io.Discard, body)
				body.Close()
			} else if !errors.Is(err, relaynet.ErrNoBlob) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if good.Load() != 3 {
		t.Errorf("used %d times", good.Load())
	}
	fetch(t, c, r, capability(info, "GET"), 0, -1)
}

// TestRelaynet_RN29_oneConnectionEach: nothing ties two requests for blobs
// together, and what is sent says nothing of the program.
func TestRelaynet_RN29_oneConnectionEach(t *testing.T) {
	r, _ := startBlobs(t, 1<<30, nil)
	count := &counting{}
	c := client(t, relaynet.ClientOptions{Dial: count.dial})
	info, content := newBlob(1000, 2)
	upload(t, c, r, info, content)
	for range 3 {
		fetch(t, c, r, capability(info, "GET"), 0, 10)
	}
	if n := count.n.Load(); n != 4 {
		t.Errorf("%d connections for 4 requests", n)
	}
	probe := bare(t, r, relaynet.ProtocolFrames)
	must(t, probe.Handshake())
	cert := tls.Certificate{PrivateKey: r.key, Certificate: [][]byte{probe.ConnectionState().PeerCertificates[0].Raw}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	seen := make(chan http.Header, 1)
	s := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		q.Header.Set("Host", q.Host)
		seen <- q.Header
	})}
	done := make(chan struct{})
	go func() {
		_ = s.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}))
		close(done)
	}()
	at := box.Relay{Key: r.relay.Key, Addrs: []string{l.Addr().String()}}
	body, err := c.GetBlob(t.Context(), at, capability(info, "GET"), 0, -1)
	must(t, err)
	body.Close()
	if h := <-seen; len(h) != 2 || h.Get("Host") != "relay" || h.Get("Connection") != "close" {
		t.Errorf("headers %v", h)
	}
	at.Key[0] ^= 1
	if _, err := c.GetBlob(t.Context(), at, capability(info, "GET"), 0, -1); !errors.Is(err, relaynet.ErrKey) {
		t.Errorf("another key: %v", err)
	}
	must(t, s.Close())
	<-done
}

// TestRelaynet_RN30_closing: what is being fetched when a relay ends is given to
// the end, if that does not take long.
func TestRelaynet_RN30_closing(t *testing.T) {
	r, _ := startBlobs(t, 1<<30, nil)
	c := client(t, relaynet.ClientOptions{})
	info, content := newBlob(1<<20, 2)
	upload(t, c, r, info, content)
	idle := bare(t, r, relaynet.ProtocolBlobs)
	must(t, idle.Handshake())
	body, err := c.GetBlob(t.Context(), r.relay, capability(info, "GET"), 0, -1)
	must(t, err)
	first := make([]byte, 1000)
	_, err = io.ReadFull(body, first)
	must(t, err)
	closed := make(chan error, 1)
	go func() { closed <- r.Close() }()
	rest, err := io.ReadAll(body)
	must(t, err)
	must(t, body.Close())
	if !bytes.Equal(append(first, rest...), content) {
		t.Error("another content")
	}
	must(t, <-closed)
	ends(t, idle, time.Second)
	if entries, err := os.ReadDir(r.dir); err != nil || len(entries) > 1 {
		t.Errorf("left %v, %v", entries, err)
	}
}

// FuzzCapability: what is parsed has one form.
func FuzzCapability(f *testing.F) {
	info, _ := newBlob(1, 1)
	good := capability(info, "GET")
	path, _, _ := strings.Cut(good.Path(), "?")
	f.Add(good.Path())
	f.Add(path + "?e=1&n=2&c=")
	f.Fuzz(func(t *testing.T, uri string) {
		c, ok := relaynet.ParseCapability("GET", uri)
		if ok && c.Path() != uri {
			t.Errorf("%q was read as %q", uri, c.Path())
		}
	})
}
