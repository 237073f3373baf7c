package relaynet_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kith/box"
	"kith/internal/boxstore"
	"kith/internal/relaynet"
)

// from dials from another address of the loopback, another network.
func from(ip ...byte) relaynet.DialFunc {
	return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IP(ip)}}).DialContext
}

// TestRelaynet_RN31_bytes: who moves more than a network may waits, and nobody else.
func TestRelaynet_RN31_bytes(t *testing.T) {
	t.Parallel()
	r, _ := startBlobs(t, 1<<30, func(o *relaynet.ServerOptions) {
		o.Limits.BlobBurst, o.Limits.BlobRate = 200_000, 100_000
	})
	greedy := client(t, relaynet.ClientOptions{})
	info, content := newBlob(100_000, 2)
	begin := time.Now()
	upload(t, greedy, r, info, content)
	upload(t, greedy, r, info, content) // of what is there costs the same
	done := make(chan time.Duration, 1)
	go func() {
		for range 4 {
			if _, err := greedy.Fetch(t.Context(), r.relay, capability(info, "GET"), nil); err != nil {
				t.Error(err)
			}
		}
		done <- time.Since(begin)
	}()
	for !r.Owes() {
		runtime.Gosched()
	}
	honest := client(t, relaynet.ClientOptions{Dial: from(127, 9, 9, 9)})
	fetch(t, honest, r, capability(info, "GET"), 0, -1)
	if len(done) > 0 {
		t.Error("another network waits as long as who owes")
	}
	if took := <-done; took < 1900*time.Millisecond { // the last one is owed
		t.Errorf("600 kB in %v", took)
	}
}

// TestRelaynet_RN31_closing: who waits for its turn does not hold up the end.
func TestRelaynet_RN31_closing(t *testing.T) {
	r, _ := startBlobs(t, 1<<30, func(o *relaynet.ServerOptions) { o.Limits.BlobBurst, o.Limits.BlobRate = 1000, 10 })
	c := client(t, relaynet.ClientOptions{})
	info, content := newBlob(100_000, 2)
	failed := make(chan error, 1)
	go func() {
		failed <- c.PutBlob(t.Context(), r.relay, info, box.Work{}, bytes.NewReader(content))
	}()
	for !r.Owes() {
		runtime.Gosched()
	}
	begin := time.Now()
	must(t, r.Close())
	if err := <-failed; !errors.Is(err, relaynet.ErrBroken) {
		t.Errorf("the upload ended with %v", err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("closing took %v", took)
	}
}

// TestRelaynet_RN32_slow: heads, contents and answers that do not come to their end.
func TestRelaynet_RN32_slow(t *testing.T) {
	t.Parallel()
	r, store := startBlobs(t, 1<<30, func(o *relaynet.ServerOptions) {
		o.Limits = slow()
		o.Limits.Blob = 4 * time.Second
	})
	c := client(t, relaynet.ClientOptions{})
	held, content := newBlob(relaynet.MaxBlob, 2)
	upload(t, c, r, held, content)
	info, _ := newBlob(100_000, 2)
	head := fmt.Sprintf("PUT /b/%x?e=%d HTTP/1.1\r\nHost: relay\r\nContent-Length: 100000\r\nKith-Key: %x\r\n", info.ID, info.Hour, info.Key)
	const soon = 20 * time.Second
	t.Run("asked", func(t *testing.T) {
		for name, asked := range map[string]string{
			"nothing": "", "half a head": head, "half a body": head + "\r\n" + strings.Repeat("x", 50_000), "no body": head + "\r\n",
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				conn := bare(t, r, relaynet.ProtocolBlobs)
				_, err := io.WriteString(conn, asked)
				must(t, err)
				must(t, conn.Handshake())
				within := soon
				if !strings.Contains(asked, "\r\n\r\n") {
					within = 3500 * time.Millisecond // of a head, sooner than of a whole request
				}
				over := make(chan struct{})
				go func() { ends(t, conn, within); close(over) }()
				tick := time.NewTicker(50 * time.Millisecond)
				defer tick.Stop()
				for asked != "" {
					select {
					case <-over:
						return
					case <-tick.C:
						_, _ = io.WriteString(conn, "y") // there is always more to come
					}
				}
				<-over
			})
		}
	})
	t.Run("an answer nobody takes", func(t *testing.T) {
		raw, err := net.Dial("tcp", r.relay.Addrs[0])
		must(t, err)
		must(t, raw.(*net.TCPConn).SetReadBuffer(4096))
		conn := tlsOver(raw)
		defer conn.Close()
		for range 8 {
			_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: relay\r\n\r\n", capability(held, "GET").Path())
			must(t, err)
		}
		for begin := time.Now(); r.Links() > 0; time.Sleep(10 * time.Millisecond) {
			if time.Since(begin) > soon {
				t.Fatal("who reads nothing keeps the connection")
			}
		}
	})
	if used, _ := store.BlobUsage(); used != 257*4096 {
		t.Errorf("%d bytes are counted", used)
	}
	if names, _ := filepath.Glob(filepath.Join(r.blobs, "*", "blobs", "new-*")); len(names) > 0 {
		t.Errorf("left %v", names)
	}
	if got := fetch(t, c, r, capability(held, "GET"), 0, -1); !bytes.Equal(got, content) {
		t.Error("another content")
	}
}

// TestRelaynet_RN32_memory: uploads that do not go on take little, whatever they
// said they would bring.
func TestRelaynet_RN32_memory(t *testing.T) {
	const n, most = 100, 160 << 10
	r, _ := startBlobs(t, 1<<30, nil)
	grown := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	before := grown()
	for range n {
		info, content := newBlob(relaynet.MaxBlob, 2)
		conn := bare(t, r, relaynet.ProtocolBlobs)
		_, err := fmt.Fprintf(conn, "PUT /b/%x?e=%d HTTP/1.1\r\nHost: relay\r\nContent-Length: %d\r\nKith-Key: %x\r\n\r\n", info.ID, info.Hour, len(content), info.Key)
		must(t, err)
		_, err = conn.Write(content[:700_000])
		must(t, err)
	}
	each := (grown() - before) / n
	t.Logf("%d KiB for each connection, both ends together", each>>10)
	if each > most {
		t.Errorf("an upload that waits takes %d bytes", each)
	}
}

// tally counts what is read of an upload.
type tally struct {
	io.Reader
	n atomic.Int64
}

func (c *tally) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// TestRelaynet_RN26_refusedFirst: an upload that cannot be is refused before its
// content is sent.
func TestRelaynet_RN26_refusedFirst(t *testing.T) {
	r, _ := startBlobs(t, 100_000, nil)
	c := client(t, relaynet.ClientOptions{})
	first, content := newBlob(1000, 2)
	upload(t, c, r, first, content)
	info, content := newBlob(relaynet.MaxBlob, 2)
	late := info
	late.Hour += 24 * 10
	count := &tally{Reader: bytes.NewReader(content)}
	if err := c.PutBlob(t.Context(), r.relay, late, box.Work{}, count); !errors.Is(err, relaynet.ErrRefused) {
		t.Errorf("too far ahead: %v", err)
	}
	var wants *relaynet.WantsWork
	if err := c.PutBlob(t.Context(), r.relay, info, box.Work{}, count); !errors.As(err, &wants) {
		t.Errorf("without work: %v", err)
	}
	if n := count.n.Load(); n != 0 {
		t.Errorf("%d bytes were sent for nothing", n)
	}
	// Work done, but no room.
	if err := c.Upload(t.Context(), r.relay, info, content); !errors.Is(err, relaynet.ErrFull) {
		t.Errorf("beyond the cap: %v", err)
	}
	if got := fetch(t, c, r, capability(first, "GET"), 0, -1); len(got) != 1000 {
		t.Error("who was first is harmed")
	}
}

// TestRelaynet_RN26_strict: requests by hand, of which none is an upload.
func TestRelaynet_RN26_strict(t *testing.T) {
	r, store := startBlobs(t, 1<<30, nil)
	info, content := newBlob(10, 2)
	path := fmt.Sprintf("/b/%x?e=%d", info.ID, info.Hour)
	key := fmt.Sprintf("Kith-Key: %x\r\n", info.Key)
	length := "Content-Length: 10\r\n"
	for name, head := range map[string]string{
		"no key": path + " HTTP/1.1\r\n" + length, "two keys": path + " HTTP/1.1\r\n" + length + key + key,
		"upper case": path + " HTTP/1.1\r\n" + length + "Kith-Key: " + strings.ToUpper(hex.EncodeToString(info.Key[:])) + "\r\n",
		"short key":  path + " HTTP/1.1\r\n" + length + key[:len(key)-4] + "\r\n",
		"no hour":    strings.Split(path, "?")[0] + " HTTP/1.1\r\n" + length + key,
		"zeros":      strings.Replace(path, "e=", "e=0", 1) + " HTTP/1.1\r\n" + length + key,
		"more":       path + "&x=1 HTTP/1.1\r\n" + length + key,
		"no length":  path + " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + key,
		"empty":      path + " HTTP/1.1\r\nContent-Length: 0\r\n" + key,
		"bad work":   path + " HTTP/1.1\r\n" + length + key + "Kith-Work: 1234\r\n",
		"large head": path + " HTTP/1.1\r\n" + length + key + "X: " + strings.Repeat("x", 20_000) + "\r\n",
	} {
		conn := bare(t, r, relaynet.ProtocolBlobs)
		_, err := fmt.Fprintf(conn, "PUT %sHost: relay\r\nConnection: close\r\n\r\n", head)
		must(t, err)
		_, _ = conn.Write(append(content, "\r\n\r\n"...))
		must(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		b, _ := io.ReadAll(conn)
		if !bytes.HasPrefix(b, []byte("HTTP/1.1 4")) || bytes.Contains(b, []byte("Date")) {
			t.Errorf("%s: %q", name, b)
		}
	}
	if used, _ := store.BlobUsage(); used != 0 {
		t.Errorf("%d bytes are kept", used)
	}
}

// TestRelaynet_RN26_clocks: a relay and a client whose clocks are days apart.
func TestRelaynet_RN26_clocks(t *testing.T) {
	for _, days := range []int{-2, -1, 1, 2} {
		r, _ := startBlobs(t, 1<<30, func(o *relaynet.ServerOptions) {
			o.Now = func() time.Time { return time.Now().AddDate(0, 0, days) }
		})
		c := client(t, relaynet.ClientOptions{})
		today := box.Day(time.Now())
		chunk := make([]byte, 1000)
		rand.Read(chunk)
		for life := uint32(0); life <= 9; life++ {
			info := relaynet.NewBlob(chunk, [32]byte{}, today+life)
			err := c.Upload(t.Context(), r.relay, info, chunk)
			ahead := int(life) - days
			if good := ahead >= 0 && ahead <= 7; good && err != nil || !good && ahead != 8 && !errors.Is(err, relaynet.ErrRefused) {
				t.Errorf("clock %d days off, %d days to live: %v", days, life, err)
			}
		}
		must(t, r.Close())
	}
}

// TestRelaynet_RN27_rangesByHand: what RFC 9110 allows and clients of ours do not do.
func TestRelaynet_RN27_rangesByHand(t *testing.T) {
	r, _ := startBlobs(t, 1<<30, nil)
	c := client(t, relaynet.ClientOptions{})
	info, content := newBlob(100_000, 2)
	upload(t, c, r, info, content)
	tag := fmt.Sprintf(`"%x"`, info.ID)
	for header, want := range map[string]struct {
		status     int
		begin, end int
	}{
		"Range: bytes=-5":                      {206, 99_995, 100_000},
		"Range: bytes=-200000":                 {206, 0, 100_000},
		"Range: bytes=99999-":                  {206, 99_999, 100_000},
		"Range: bytes=99990-200000":            {206, 99_990, 100_000},
		"Range: bytes=100000-":                 {416, 0, 0},
		"Range: bytes=5-2":                     {416, 0, 0},
		"Range: bytes=x-2":                     {416, 0, 0},
		"Range: bytes=-":                       {416, 0, 0},
		"Range: bytes=18446744073709551616-":   {416, 0, 0},
		"Range: bytes=0-0,5-9":                 {200, 0, 100_000},
		"Range: lines=0-1":                     {416, 0, 0},
		"Range: bytes=0-9\r\nIf-Range: " + tag: {206, 0, 10},
		"Range: bytes=0-9\r\nIf-Range: \"x\"":  {200, 0, 100_000},
		"If-None-Match: " + tag:                {304, 0, 0},
		"If-None-Match: \"x\"":                 {200, 0, 100_000},
		"If-Match: \"x\"":                      {412, 0, 0},
	} {
		b := rawGet(t, r, "GET", capability(info, "GET").Path()+" HTTP/1.1\r\n"+header+"\r\nX:")
		head, body, _ := strings.Cut(b, "\r\n\r\n")
		if !strings.HasPrefix(head, fmt.Sprint("HTTP/1.1 ", want.status)) || want.end > 0 && body != string(content[want.begin:want.end]) {
			t.Errorf("%s: %d bytes after %q", header, len(body), head)
		}
		if want.end == 0 && len(body) > 100 {
			t.Errorf("%s: content in the answer", header)
		}
	}
	// Without a good capability none of it says anything.
	bad := capability(info, "GET")
	bad.MAC[3] ^= 1
	plain := rawGet(t, r, "GET", bad.Path())
	for _, header := range []string{"If-None-Match: " + tag, "If-None-Match: *", "If-Match: \"x\"", "Range: bytes=0-1", "Range: bytes=900000-"} {
		if b := rawGet(t, r, "GET", bad.Path()+" HTTP/1.1\r\n"+header+"\r\nX:"); b != plain {
			t.Errorf("%s: %q", header, b)
		}
	}
}

// TestRelaynet_RN27_resumed: a fetch that broke goes on where it was, elsewhere, and
// who lies is found out.
func TestRelaynet_RN27_resumed(t *testing.T) {
	first, _ := startBlobs(t, 1<<30, nil)
	second, _ := startBlobs(t, 1<<30, nil)
	c := client(t, relaynet.ClientOptions{})
	chunk := make([]byte, relaynet.MaxBlob)
	rand.Read(chunk)
	var key [32]byte
	rand.Read(key[:])
	info := relaynet.NewBlob(chunk, key, box.Day(time.Now())+7)
	for _, r := range []*relay{first, second} {
		must(t, c.Upload(t.Context(), r.relay, info, chunk))
		must(t, c.Upload(t.Context(), r.relay, info, chunk))
	}
	by := relaynet.Mint(key, "GET", info.ID, info.Hour, 0)
	breaking := client(t, relaynet.ClientOptions{Dial: cutAfter(500_000)})
	have, err := breaking.Fetch(t.Context(), first.relay, by, nil)
	if !errors.Is(err, relaynet.ErrBroken) || len(have) < 400_000 || len(have) > 500_000 || !bytes.HasPrefix(chunk, have) {
		t.Fatalf("%d bytes, %v", len(have), err)
	}
	count := &counting{}
	c2 := client(t, relaynet.ClientOptions{Dial: count.dial})
	got, err := c2.Fetch(t.Context(), second.relay, by, have)
	if err != nil || !bytes.Equal(got, chunk) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if got, err = c2.Fetch(t.Context(), second.relay, by, got); err != nil || len(got) != len(chunk) || count.n.Load() != 1 {
		t.Errorf("what is whole is fetched again: %v", err)
	}
	other := bytes.Clone(chunk[:1000])
	other[0] ^= 1
	if got, err := c.Fetch(t.Context(), first.relay, by, other); !errors.Is(err, relaynet.ErrFalse) || got != nil {
		t.Errorf("a wrong beginning: %v", err)
	}
	if _, err := c.Fetch(t.Context(), first.relay, by, make([]byte, relaynet.MaxBlob)); !errors.Is(err, relaynet.ErrFalse) {
		t.Errorf("a wrong whole: %v", err)
	}
	// A relay that gives another blob under this name.
	lie, content := newBlob(1000, 1)
	upload(t, c, first, lie, content)
	must(t, c.DeleteBlob(t.Context(), first.relay, relaynet.Mint(key, "DELETE", info.ID, info.Hour, 0)))
	if _, err := c.Fetch(t.Context(), first.relay, by, nil); !errors.Is(err, relaynet.ErrNoBlob) {
		t.Errorf("a deleted blob: %v", err)
	}
}

// TestRelaynet_RN26_givenUp: who gives up waits no longer, and leaves nothing.
func TestRelaynet_RN26_givenUp(t *testing.T) {
	r, store := startBlobs(t, 1<<30, nil)
	c := relaynet.NewClient(relaynet.ClientOptions{})
	info, content := newBlob(relaynet.MaxBlob, 2)
	stuck, release := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	defer context.AfterFunc(ctx, func() { release.CloseWithError(ctx.Err()) })()
	done := make(chan error, 1)
	go func() { done <- c.PutBlob(ctx, r.relay, info, box.Work{}, stuck) }()
	_, err := release.Write(content[:50_000])
	must(t, err)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		if used, _ := store.BlobUsage(); used == 0 {
			break
		}
		if time.Since(begin) > 5*time.Second {
			t.Fatal("what was begun still counts")
		}
	}
	upload(t, c, r, info, content)
	body, err := c.GetBlob(t.Context(), r.relay, capability(info, "GET"), 0, -1)
	must(t, err)
	must(t, c.Close())
	piece := make([]byte, 100)
	for err == nil {
		_, err = body.Read(piece)
	}
	if errors.Is(err, io.EOF) {
		t.Error("a body outlives its client")
	}
	must(t, body.Close())
	if _, err := c.GetBlob(t.Context(), r.relay, capability(info, "GET"), 0, -1); !errors.Is(err, relaynet.ErrClosed) {
		t.Errorf("a closed client: %v", err)
	}
}

// TestRelaynet_RN15_nothingAboutBlobs: neither disk nor log say who uploaded or
// fetched, what, or when. The control is what a relay that logged would say. (T1)
func TestRelaynet_RN15_nothingAboutBlobs(t *testing.T) {
	r, _ := startBlobs(t, 1<<30, nil)
	who := []byte{127, byte(7 + len(t.Name())%90), 201, 199}
	c := client(t, relaynet.ClientOptions{Dial: from(who...)})
	needles := map[string][]byte{"address": []byte(net.IP(who).String()), "address, binary": who}
	begin := time.Now()
	for range 20 {
		chunk := make([]byte, 30_000)
		rand.Read(chunk)
		var key [32]byte
		rand.Read(key[:])
		info := relaynet.NewBlob(chunk, key, box.Day(time.Now())+3)
		must(t, c.Upload(t.Context(), r.relay, info, chunk))
		get := relaynet.Mint(key, "GET", info.ID, info.Hour, 0)
		_, err := c.Fetch(t.Context(), r.relay, get, nil)
		must(t, err)
		for name, v := range map[string][]byte{"id": info.ID[:], "key": key[:], "capability": get.MAC[:], "content": chunk[:32], "end of content": chunk[29_900:]} {
			needles[fmt.Sprintf("%s %x", name, v[:2])] = v
		}
	}
	lasted := time.Since(begin)
	must(t, r.Close())
	r.mu.Lock()
	log := strings.Join(r.said, "\n")
	r.mu.Unlock()
	all := map[string][]byte{"log": []byte(log)}
	must(t, filepath.WalkDir(r.blobs, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all[path], err = os.ReadFile(path)
		if st, e := d.Info(); e == nil && filepath.Base(filepath.Dir(path)) == "blobs" && !st.ModTime().Equal(time.Unix(0, 0)) {
			t.Errorf("the system says when a chunk came: %v", st.ModTime())
		}
		return err
	}))
	if len(all) < 20 {
		t.Fatalf("%d files", len(all))
	}
	hits := func(where map[string][]byte) (found []string) {
		for path, b := range where {
			for name, v := range needles {
				for _, form := range [][]byte{v, []byte(hex.EncodeToString(v)), []byte(base64.StdEncoding.EncodeToString(v))} {
					if bytes.Contains(b, form) {
						found = append(found, name+" in "+filepath.Base(path))
					}
				}
			}
			if name := filepath.Base(path); strings.ContainsFunc(name, func(r rune) bool { return r == '.' || r == ':' }) {
				found = append(found, "name "+name)
			}
		}
		return found
	}
	if found := hits(all); len(found) > 0 {
		t.Errorf("found %v", found)
	}
	for line := range strings.Lines(log) {
		if line != "relay started, version test\n" && line != "relay stopped" {
			t.Errorf("logged in %v: %q", lasted, line)
		}
	}
	for _, v := range needles {
		control := map[string][]byte{"log": []byte("peer " + net.IP(who).String() + " put " + hex.EncodeToString(v))}
		if len(hits(control)) == 0 {
			t.Errorf("%x would not be found", v)
		}
	}
}

// TestRelaynet_RN26_manyAtOnce: 32 clients with chunks of their own, while others
// upload forgeries of them.
func TestRelaynet_RN26_manyAtOnce(t *testing.T) {
	r, store := startBlobs(t, 1<<30, nil)
	forger := client(t, relaynet.ClientOptions{})
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			c := relaynet.NewClient(relaynet.ClientOptions{})
			defer c.Close()
			info, content := newBlob(70_000, 2)
			forged := info
			rand.Read(forged.Key[:])
			if err := forger.PutBlob(t.Context(), r.relay, forged, box.Work{}, bytes.NewReader(make([]byte, 70_000))); !errors.Is(err, relaynet.ErrRefused) {
				t.Errorf("forged: %v", err)
			}
			if err := c.Upload(t.Context(), r.relay, info, content); err != nil {
				t.Error(err)
			}
			got, err := c.Fetch(t.Context(), r.relay, capability(info, "GET"), nil)
			if err != nil || sha256.Sum256(got) != info.ID {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if used, _ := store.BlobUsage(); used != 32*18*4096 {
		t.Errorf("%d bytes are counted", used)
	}
	if _, err := store.FindBlob([32]byte{}, 0); !errors.Is(err, boxstore.ErrNoBlob) {
		t.Error(err)
	}
}
