package relaynet_test

import (
	"bufio"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime/pprof"
	"sync"
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

// childVariable tells the test's binary to be a relay in a directory,
// profileVariable where to write a profile of what it does for 5 s.
const (
	childVariable   = "KITH_RELAYNET_CHILD"
	profileVariable = "KITH_RELAYNET_PROFILE"
)

func profile(path string) {
	f, err := os.Create(path)
	if err == nil && pprof.StartCPUProfile(f) == nil {
		time.AfterFunc(5*time.Second, func() { pprof.StopCPUProfile(); f.Close() })
	}
}

func childKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) }

func childRelay() box.Relay {
	return box.Relay{Key: [32]byte(childKey().Public().(ed25519.PublicKey))}
}

// runChild is a relay that will be killed.
func runChild(dir string) {
	relaynet.TuneProcess()
	store, err := boxstore.Open(dir, box.Day(time.Now()), boxstore.Options{Cap: 1 << 33})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	s, err := relaynet.NewServer(relaynet.ServerOptions{Key: childKey(), Machine: machine.New(childRelay().ID(), store), Limits: roomy(),
		Effort: func() uint32 { return machine.Effort(store.Usage()) }, Look: store.Settled})
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
	if path := os.Getenv(profileVariable); path != "" {
		profile(path)
	}
	_ = s.Serve(l)
}

// child starts one and says where it is.
func child(t testing.TB, dir string) (*exec.Cmd, box.Relay) {
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
	t.Parallel()
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
