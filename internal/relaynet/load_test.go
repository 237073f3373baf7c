package relaynet_test

import (
	"bufio"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kith/box"
	"kith/internal/boxstore"
	machine "kith/internal/relay"
	"kith/internal/relaynet"
)

// TestRelaynet_RN24_manyClients: 64 at once, each with boxes of its own, each box
// read by another.
func TestRelaynet_RN24_manyClients(t *testing.T) {
	r := start(t, roomy(), nil)
	var group sync.WaitGroup
	boxes := make(chan *owned, 64*8)
	for range 64 {
		group.Go(func() {
			c := relaynet.NewClient(relaynet.ClientOptions{})
			defer c.Close()
			for range 8 {
				o := newOwned(t)
				if reply, err := c.Do(t.Context(), r.relay, o.asPut()); err != nil || reply.Status != box.OK {
					t.Errorf("put: %+v, %v", reply, err)
					return
				}
				boxes <- o
				o = <-boxes
				reply, err := c.Do(t.Context(), r.relay, o.asGet(0))
				if err != nil || reply.Status != box.Found || string(reply.Cell) != string(o.cell) {
					t.Errorf("get: %v", err)
					return
				}
				if reply, err := c.Do(t.Context(), r.relay, o.asDelete()); err != nil || reply.Status != box.OK {
					t.Errorf("delete: %+v, %v", reply, err)
				}
			}
		})
	}
	group.Wait()
	if u := r.store.Usage(); u.Records != 0 || u.Tombs != 64*8 {
		t.Errorf("usage %+v", u)
	}
}

// childVariable tells the test's binary to be a relay in a directory.
const childVariable = "KITH_RELAYNET_CHILD"

func childKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) }

func childRelay() box.Relay {
	return box.Relay{Key: [32]byte(childKey().Public().(ed25519.PublicKey))}
}

// runChild is a relay that will be killed.
func runChild(dir string) {
	store, err := boxstore.Open(dir, box.Day(time.Now()), boxstore.Options{Cap: 1 << 30})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	s, err := relaynet.NewServer(relaynet.ServerOptions{Key: childKey(), Machine: machine.New(childRelay().ID(), store), Limits: roomy()})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	_ = s.Serve(l)
}

// child starts one and says where it is.
func child(t *testing.T, dir string) (*exec.Cmd, box.Relay) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var addr string
	_, err = fmt.Fscanln(bufio.NewReader(out), &addr)
	must(t, err)
	at := childRelay()
	at.Addrs = []string{addr}
	return cmd, at
}

// TestRelaynet_RN14_killed kills a relay while it is written to: what it
// acknowledged is there when it runs again.
func TestRelaynet_RN14_killed(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	kept, gone := map[*owned]bool{}, map[*owned]bool{}
	for range 6 {
		cmd, at := child(t, dir)
		var group sync.WaitGroup
		killer := time.AfterFunc(time.Duration(50+rand.IntN(300))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for range 8 {
			group.Go(func() {
				c := relaynet.NewClient(relaynet.ClientOptions{})
				defer c.Close()
				for i := 0; ; i++ {
					o := newOwned(t)
					reply, err := c.Do(t.Context(), at, o.asPut())
					if err != nil {
						return
					}
					if reply.Status != box.OK {
						t.Errorf("status %d", reply.Status)
					}
					mu.Lock()
					kept[o] = true
					mu.Unlock()
					if i%3 > 0 {
						continue
					}
					mu.Lock()
					delete(kept, o) // from here on it may be gone
					mu.Unlock()
					if _, err = c.Do(t.Context(), at, o.asDelete()); err != nil {
						return
					}
					mu.Lock()
					gone[o] = true
					mu.Unlock()
				}
			})
		}
		group.Wait()
		_ = cmd.Wait()
		killer.Stop()
		cmd, at = child(t, dir)
		c := relaynet.NewClient(relaynet.ClientOptions{})
		for o := range kept {
			reply, err := c.Do(t.Context(), at, o.asGet(0))
			if err != nil || reply.Status != box.Found {
				t.Fatalf("an acknowledged box: %+v, %v", reply, err)
			}
		}
		for o := range gone {
			reply, err := c.Do(t.Context(), at, o.asGet(0))
			if err != nil || reply.Status != box.Gone {
				t.Fatalf("a deleted box: %v", err)
			}
		}
		must(t, c.Close())
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if len(kept) < 20 || len(gone) < 10 {
		t.Errorf("only %d and %d boxes", len(kept), len(gone))
	}
	t.Logf("%d boxes kept, %d deleted", len(kept), len(gone))
}

// BenchmarkTriples is PUT, GET and DEL of a box, each durable, by 64 goroutines
// over 8 links of one process. The requests are made beforehand.
func BenchmarkTriples(b *testing.B) {
	b.Run("relay", func(b *testing.B) {
		r := start(b, roomy(), nil)
		var clients []*relaynet.Client
		for range 8 {
			clients = append(clients, client(b, relaynet.ClientOptions{}))
		}
		run(b, func(i int, o *owned, del *box.Request) error {
			for _, q := range []*box.Request{o.asPut(), o.asGet(0), del} {
				if _, err := clients[i%8].Do(b.Context(), r.relay, q); err != nil {
					return err
				}
			}
			return nil
		})
	})
	b.Run("store", func(b *testing.B) {
		s, err := boxstore.Open(b.TempDir(), box.Day(time.Now()), boxstore.Options{Cap: 1 << 33})
		must(b, err)
		defer s.Close()
		run(b, func(_ int, o *owned, del *box.Request) error {
			if _, _, err := s.Get(o.box); err != nil {
				return err
			}
			rec := machine.Record{Box: o.box, Expiry: o.put.Expiry, Sig: o.put.Sig, Cell: o.cell}
			if err := s.Apply([]machine.Change{{Put: &rec}}); err != nil {
				return err
			}
			for range 2 {
				if _, _, err := s.Get(o.box); err != nil {
					return err
				}
			}
			dead := machine.Record{Box: o.box, Expiry: o.put.Expiry, Sig: del.Delete.Sig}
			return s.Apply([]machine.Change{{Put: &dead}})
		})
	})
}

func run(b *testing.B, triple func(i int, o *owned, del *box.Request) error) {
	type made struct {
		o   *owned
		del *box.Request
	}
	all := make([]made, b.N)
	for i := range all {
		o := newOwned(b)
		all[i] = made{o, o.asDelete()}
	}
	var next atomic.Int64
	b.ResetTimer()
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < b.N; i = int(next.Add(1)) - 1 {
				if err := triple(i, all[i].o, all[i].del); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "triples/s")
}
