package relaynet_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"flag"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kith/box"
	"kith/internal/boxstore"
	machine "kith/internal/relay"
	"kith/internal/relaynet"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		runChild(dir)
		return
	}
	flag.Parse()
	// Tests that are parallel wait for time to pass.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = flag.Set("test.parallel", "16") // it takes numbers
	}
	goleak.VerifyTestMain(m)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// relay is a running server on the loopback.
type relay struct {
	*relaynet.Server
	key    ed25519.PrivateKey
	relay  box.Relay
	store  *boxstore.Store
	dir    string
	blobs  string // where blobs are
	served chan error

	mu   sync.Mutex
	said []string
}

// roomy are limits for tests that are not about them.
func roomy() relaynet.Limits {
	return relaynet.Limits{LinksPrefix: 500, Burst: 1 << 30, Rate: 1e6}
}

func start(t testing.TB, limits relaynet.Limits, change func(*relaynet.ServerOptions)) *relay {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	r := &relay{key: key, dir: filepath.Join(t.TempDir(), "relay"), served: make(chan error, 1)}
	store, err := boxstore.Open(r.dir, box.Day(time.Now()), boxstore.Options{Cap: 1 << 30})
	must(t, err)
	r.store = store
	r.relay.Key = [32]byte(key.Public().(ed25519.PublicKey))
	o := relaynet.ServerOptions{Key: key, Machine: machine.New(r.relay.ID(), store), Limits: limits, Version: "test",
		Effort: func() uint32 { return machine.Effort(store.Usage()) }, Look: store.Settled,
		Log: func(s string) { r.mu.Lock(); r.said = append(r.said, s); r.mu.Unlock() }}
	if change != nil {
		change(&o)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	if r.Server, err = relaynet.NewServer(o); err != nil {
		t.Fatal(err)
	}
	r.relay.Addrs = []string{l.Addr().String()}
	go func() { r.served <- r.Serve(l) }()
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := <-r.served; err != nil {
			t.Errorf("serving ended with %v", err)
		}
		must(t, store.Close())
	})
	return r
}

func client(t testing.TB, o relaynet.ClientOptions) *relaynet.Client {
	t.Helper()
	c := relaynet.NewClient(o)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

// owned is a box with its key.
type owned struct {
	box  [32]byte
	key  ed25519.PrivateKey
	put  *box.Put
	cell []byte
}

func newOwned(t testing.TB) *owned {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	o := &owned{box: [32]byte(public), key: key, cell: make([]byte, box.CellSize)}
	rand.Read(o.cell)
	o.put = &box.Put{Box: o.box, Expiry: box.Day(time.Now()) + box.DefaultLife, Cell: o.cell}
	sum := sha256.Sum256(o.cell)
	text := binary.BigEndian.AppendUint32(append([]byte("put/1"), o.box[:]...), o.put.Expiry)
	o.put.Sig = [64]byte(ed25519.Sign(key, append(text, sum[:]...)))
	return o
}

func (o *owned) asPut() *box.Request { return &box.Request{Op: box.OpPut, Box: o.box, Put: o.put} }

func (o *owned) asGet(wait uint16) *box.Request {
	return &box.Request{Op: box.OpGet, Box: o.box, Wait: wait}
}

func (o *owned) asDelete() *box.Request {
	d := &box.Delete{Box: o.box, Sig: [64]byte(ed25519.Sign(o.key, append([]byte("del/1"), o.box[:]...)))}
	return &box.Request{Op: box.OpDelete, Box: o.box, Delete: d}
}

// wantStatus asks and compares.
func wantStatus(t testing.TB, c *relaynet.Client, r *relay, q *box.Request, want box.Status) *box.Reply {
	t.Helper()
	reply, err := c.Do(t.Context(), r.relay, q)
	must(t, err)
	if reply.Status != want {
		t.Fatalf("operation %d: status %d, want %d", q.Op, reply.Status, want)
	}
	return reply
}

// bare opens TLS as a client that is none of ours.
func bare(t testing.TB, r *relay, protocols ...string) *tls.Conn {
	t.Helper()
	raw, err := net.Dial("tcp", r.relay.Addrs[0])
	must(t, err)
	t.Cleanup(func() { raw.Close() })
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols, DynamicRecordSizingDisabled: true})
	return conn
}

// ends waits until the other side has closed a connection.
func ends(t testing.TB, conn net.Conn, within time.Duration) {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(within)))
	buf := make([]byte, 1<<16)
	for {
		if _, err := conn.Read(buf); err != nil {
			if os.IsTimeout(err) {
				t.Error("the connection is still there")
			}
			return
		}
	}
}

func frameOf(t testing.TB, q *box.Request) []byte {
	t.Helper()
	b, err := q.AppendBinary(nil)
	must(t, err)
	return b
}

func tlsOver(raw net.Conn) *tls.Conn {
	return tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{relaynet.ProtocolBlobs}})
}

// cutting is a connection that breaks after so many bytes.
type cutting struct {
	net.Conn
	left int
}

func (c *cutting) Read(b []byte) (int, error) {
	if c.left <= 0 {
		c.Close()
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}

func cutAfter(n int) relaynet.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &cutting{conn, n}, nil
	}
}
