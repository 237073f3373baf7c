package boxstore_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"kith/internal/boxstore"
	"kith/internal/relay"
)

// childVariable tells the test's binary to be a child and what to do.
const childVariable = "KITH_BOXSTORE_CHILD"

// runChild is a process that is killed, or that a damaged file may end.
func runChild(what string) {
	verb, dir, _ := strings.Cut(what, " ")
	switch verb {
	case "write":
		writeForEver(dir)
	case "read":
		readAll(dir)
	}
}

// derived makes a record of which the address says everything.
func derived(name uint64) *relay.Record {
	source := rand.NewChaCha8([32]byte{byte(name), byte(name >> 8), byte(name >> 16), byte(name >> 24), byte(name >> 32), 1})
	r := cell(today+uint32(name%4), uint32(name%7))
	source.Read(r.Box[:])
	source.Read(r.Sig[:])
	source.Read(r.Cell)
	return r
}

// writeForEver says "put n" or "dead n" after the store has acknowledged it,
// and sometimes expires a day that holds nothing but chaff.
func writeForEver(dir string) {
	s, err := boxstore.Open(dir, today-5, boxstore.Options{Cap: 1 << 30})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	out := make(chan string)
	for g := range 8 {
		go func() {
			for i := uint64(rand.Uint32()); ; i++ {
				n := i<<3 | uint64(g)
				r := derived(n)
				if err := s.Apply([]relay.Change{put(r), put(cell(today-1-uint32(g%3), 1))}); err != nil {
					out <- fmt.Sprint("error ", err)
				}
				out <- fmt.Sprint("put ", n)
				if n%3 == 0 {
					r.Cell = nil
					if err := s.Apply([]relay.Change{put(r)}); err != nil {
						out <- fmt.Sprint("error ", err)
					}
					out <- fmt.Sprint("dead ", n)
				}
				if g == 0 && i%16 == 0 {
					if err := s.Expire(today - uint32(i/16%3)); err != nil {
						out <- fmt.Sprint("error ", err)
					}
				}
			}
		}()
	}
	for line := range out {
		fmt.Println(line) // one write each: what the parent reads was acknowledged
	}
}

// TestBoxstore_BS08_killed kills a writer at random instants: whatever it
// acknowledged is there.
func TestBoxstore_BS08_killed(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[uint64]bool{} // whether dead
	maybe := map[uint64]bool{}        // may have died without saying so
	for range 12 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVariable+"=write "+dir)
		pipe, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		killer := time.AfterFunc(time.Duration(20+rand.IntN(250))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		lines := bufio.NewScanner(pipe)
		for lines.Scan() {
			var n uint64
			var word string
			if _, err := fmt.Sscan(lines.Text(), &word, &n); err != nil && word != "error" {
				continue // cut off
			}
			switch word {
			case "put":
				acknowledged[n] = false
				maybe[n] = n%3 == 0
			case "dead":
				acknowledged[n] = true
			case "error":
				t.Fatal(lines.Text())
			}
		}
		_ = cmd.Wait()
		killer.Stop()
		s := open(t, dir, today-5, 1<<30)
		for n, dead := range acknowledged {
			want := derived(n)
			got, ok, err := s.Get(want.Box)
			if err != nil || !ok {
				t.Fatalf("%d was acknowledged: %v, %v", n, ok, err)
			}
			if dead || maybe[n] && got.Cell == nil {
				want.Cell = nil
			}
			if !equal(&got, want) {
				t.Fatalf("%d is not what was acknowledged", n)
			}
		}
		if len(s.told) > 0 {
			t.Fatalf("told %v", s.told)
		}
		must(t, s.Close())
	}
	if len(acknowledged) < 100 {
		t.Errorf("only %d records were acknowledged", len(acknowledged))
	}
	t.Logf("%d records acknowledged", len(acknowledged))
}

// readAll opens a store that may be damaged, reads what should be there,
// writes, and says how that went.
func readAll(dir string) {
	told := 0
	s, err := boxstore.Open(dir, today, boxstore.Options{Cap: 1 << 30, Trouble: func(error) { told++ }})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	var have strings.Builder
	for n := range uint64(damageRecords) {
		r, ok, err := s.Get(derived(n).Box)
		switch {
		case err != nil:
			fmt.Println("error", err)
		case ok && !equal(&r, derived(n)):
			fmt.Println("error: served what was never put")
		case ok:
			have.WriteByte('1')
		default:
			have.WriteByte('0')
		}
	}
	if err := s.Lowest(func(relay.Ref) bool { return true }); err != nil {
		fmt.Println("error", err)
	}
	for day := range uint32(4) {
		r := cell(today+day, 5)
		if err := s.Apply([]relay.Change{put(r)}); err != nil {
			fmt.Println("error", err)
		} else if got, ok, err := s.Get(r.Box); err != nil || !ok || !equal(&got, r) {
			fmt.Println("error: a day does not take anything new", ok, err)
		}
	}
	if err := s.Close(); err != nil {
		fmt.Println("error", hex.EncodeToString([]byte(err.Error())))
	}
	fmt.Println("read", have.String(), told)
}
