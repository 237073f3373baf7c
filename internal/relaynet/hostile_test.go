package relaynet_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kith/box"
	"kith/internal/boxstore"
	machine "kith/internal/relay"
	"kith/internal/relaynet"
)

// expiring is a box that expires on a day, signed.
func expiring(t testing.TB, day uint32) *owned {
	o := newOwned(t)
	o.put.Expiry = day
	sum := sha256.Sum256(o.cell)
	text := binary.BigEndian.AppendUint32(append([]byte("put/1"), o.box[:]...), day)
	o.put.Sig = [64]byte(ed25519.Sign(o.key, append(text, sum[:]...)))
	return o
}

// TestRelaynet_RN08_forged: what is forged, expired or out of shape is refused or
// ends its link; others do not notice. (T12)
func TestRelaynet_RN08_forged(t *testing.T) {
	r := start(t, roomy(), nil)
	c, honest := client(t, relaynet.ClientOptions{}), client(t, relaynet.ClientOptions{})
	kept := newOwned(t)
	wantStatus(t, honest, r, kept.asPut(), box.OK)
	today := box.Day(time.Now())
	forge := func(change func(o *owned)) *box.Request {
		o := newOwned(t)
		change(o)
		return o.asPut()
	}
	for name, q := range map[string]*box.Request{
		"signature":       forge(func(o *owned) { o.put.Sig[5] ^= 1 }),
		"cell":            forge(func(o *owned) { o.cell[5] ^= 1 }),
		"another's box":   forge(func(o *owned) { o.put.Box, o.box = kept.box, kept.box }),
		"another expiry":  forge(func(o *owned) { o.put.Expiry-- }),
		"expired":         expiring(t, today-1).asPut(),
		"too far":         expiring(t, today+30).asPut(),
		"no day there is": expiring(t, 1<<32-1).asPut(),
	} {
		if reply, err := c.Do(t.Context(), r.relay, q); err != nil || reply.Status != box.Refused {
			t.Errorf("%s: %+v, %v", name, reply, err)
		}
	}
	del := kept.asDelete()
	del.Delete.Sig[0] ^= 1
	if reply, err := c.Do(t.Context(), r.relay, del); err != nil || reply.Status != box.Refused {
		t.Errorf("a forged deletion: %+v, %v", reply, err)
	}
	for _, frame := range [][]byte{
		make([]byte, 16384), random(box.FrameSize), append(frameOf(t, &box.Request{Op: box.OpInfo}), random(box.FrameSize)...),
	} {
		conn := bare(t, r, relaynet.ProtocolFrames)
		_, err := conn.Write(frame)
		must(t, err)
		ends(t, conn, 10*time.Second)
	}
	wantStatus(t, honest, r, kept.asGet(0), box.Found)
	if u := r.store.Usage(); u.Records != 1 {
		t.Errorf("usage %+v", u)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// TestRelaynet_RN13_millionBoxes: a reader that asks for as many boxes as it can gets
// no more than its network's share, waits hold little memory and are forgotten, and
// another network does not notice. (T12)
func TestRelaynet_RN13_millionBoxes(t *testing.T) {
	r := start(t, relaynet.Limits{}, nil) // as a relay has them
	honest := client(t, relaynet.ClientOptions{Dial: from(127, 9, 9, 9)})
	pair := func() time.Duration {
		o := newOwned(t)
		begin := time.Now()
		wantStatus(t, honest, r, o.asPut(), box.OK)
		wantStatus(t, honest, r, o.asGet(0), box.Found)
		return time.Since(begin)
	}
	alone := pair()
	before := heapInUse()
	var greedy []*tls.Conn
	var answers, refused atomic.Int64
	var group sync.WaitGroup
	for range 40 {
		conn := bare(t, r, relaynet.ProtocolFrames)
		if conn.Handshake() != nil {
			refused.Add(1)
			continue
		}
		greedy = append(greedy, conn)
	}
	if refused.Load() != 8 {
		t.Errorf("%d of 40 connections of a network were refused", refused.Load())
	}
	for _, conn := range greedy {
		group.Go(func() { // reads what it gets
			buf := make([]byte, box.FrameSize)
			for {
				if _, err := io.ReadFull(conn, buf); err != nil {
					return
				}
				answers.Add(1)
			}
		})
		group.Go(func() {
			_ = conn.SetWriteDeadline(time.Now().Add(3 * time.Second))
			for i := range 1000 {
				q := newOwnedGet()
				rand.Read(q.Box[:])
				if i < 20 {
					q.Wait = 3600
				}
				frame, err := q.AppendBinary(nil)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := conn.Write(frame); err != nil {
					return
				}
			}
		})
	}
	for begin := time.Now(); answers.Load() < 300 && time.Since(begin) < 10*time.Second; {
		runtime.Gosched()
	}
	var worst time.Duration
	for range 10 {
		worst = max(worst, pair())
	}
	grown := heapInUse() - before
	t.Logf("%d answers; %d MiB more in use, both ends; an honest pair takes %v, %v alone", answers.Load(), grown>>20, worst, alone)
	if worst > 3*time.Second || grown > 64<<20 {
		t.Error("others are harmed")
	}
	for _, conn := range greedy {
		conn.NetConn().Close()
	}
	group.Wait()
	// 1024 at once, 8 a second after that, and one each that is owed.
	if n := answers.Load(); n > 1024+8*20+32 {
		t.Errorf("%d answers", n)
	}
	pair()
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// TestRelaynet_RN17_cap: a store somebody fills says clearly what it wants, is never
// above its cap, and takes the box of who does the work. (T12)
func TestRelaynet_RN17_cap(t *testing.T) {
	store, err := boxstore.Open(t.TempDir(), box.Day(time.Now()), boxstore.Options{Cap: boxstore.MinBytes})
	must(t, err)
	r := start(t, roomy(), func(o *relaynet.ServerOptions) {
		o.Machine = machine.New(box.Relay{Key: [32]byte(o.Key.Public().(ed25519.PublicKey))}.ID(), store)
		o.Effort = func() uint32 { return machine.Effort(store.Usage()) }
	})
	t.Cleanup(func() { must(t, r.Close()); must(t, store.Close()) })
	c, honest := client(t, relaynet.ClientOptions{}), client(t, relaynet.ClientOptions{})
	var mine []*owned
	effort := uint32(0)
	for range 400 { // the attacker does none of the work
		o := newOwned(t)
		reply, err := c.Do(t.Context(), r.relay, o.asPut())
		must(t, err)
		if reply.Status == box.Full {
			effort = reply.Effort
			continue
		}
		if reply.Status != box.OK {
			t.Fatalf("status %d", reply.Status)
		}
		if u := store.Usage(); u.Bytes > u.Cap {
			t.Fatalf("usage %+v", u)
		}
	}
	if u := store.Usage(); effort != 1 || u.Bytes*10/u.Cap != 5 {
		t.Fatalf("effort %d wanted with %+v", effort, u)
	}
	for range 200 { // people who do what is wanted
		o := newOwned(t)
		q := o.asPut()
		reply, err := honest.Do(t.Context(), r.relay, q)
		for tries := 0; err == nil && reply.Status == box.Full && tries < 4; tries++ {
			if reply.Effort > 64 {
				break
			}
			q.Work, _ = box.Solve(r.relay.ID(), box.Day(time.Now()), o.box, reply.Effort, func() bool { return false })
			reply, err = honest.Do(t.Context(), r.relay, q)
		}
		must(t, err)
		if u := store.Usage(); u.Bytes > u.Cap {
			t.Fatalf("usage %+v", u)
		}
		if reply.Status != box.OK {
			t.Fatalf("an honest put with the work wanted: status %d, effort %d, usage %+v", reply.Status, reply.Effort, store.Usage())
		}
		mine = append(mine, o)
		if effort = machine.Effort(store.Usage()); effort >= 8 {
			break // more takes long, and is the machine's (RL-05)
		}
	}
	for _, o := range mine {
		wantStatus(t, honest, r, o.asGet(0), box.Found)
	}
}

// TestRelaynet_RN17_fullDisk: a disk that fills up refuses what is new and serves
// what is old, and goes on when there is room.
func TestRelaynet_RN17_fullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("skipped: a small disk needs mount, which needs root")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("skipped: tmpfs cannot be mounted here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	filler := filepath.Join(dir, "filler")
	must(t, os.WriteFile(filler, make([]byte, 1<<20), 0o600))
	store, err := boxstore.Open(filepath.Join(dir, "store"), box.Day(time.Now()), boxstore.Options{Cap: 1 << 30, BlobCap: 1 << 30})
	must(t, err)
	r := start(t, roomy(), func(o *relaynet.ServerOptions) {
		o.Machine = machine.New(box.Relay{Key: [32]byte(o.Key.Public().(ed25519.PublicKey))}.ID(), store)
		o.Blobs = store
	})
	t.Cleanup(func() { must(t, r.Close()); must(t, store.Close()) })
	c := client(t, relaynet.ClientOptions{})
	info, content := newBlob(100_000, 2)
	upload(t, c, r, info, content)
	var kept []*owned
	fill := func() {
		t.Helper()
		for range 5000 {
			o := newOwned(t)
			reply, err := c.Do(t.Context(), r.relay, o.asPut())
			must(t, err)
			if reply.Status == box.Busy {
				return
			}
			if reply.Status != box.OK {
				t.Fatalf("status %d", reply.Status)
			}
			kept = append(kept, o)
		}
		t.Fatal("the disk does not fill up")
	}
	fill()
	before := len(kept)
	big, bigContent := newBlob(1_000_000, 2)
	must(t, os.WriteFile(filepath.Join(dir, "rest"), nil, 0o600))
	if rest, err := os.OpenFile(filepath.Join(dir, "rest"), os.O_WRONLY, 0); err == nil {
		_, _ = io.Copy(rest, io.LimitReader(rand.Reader, 8<<20)) // until nothing fits
		rest.Close()
	}
	if err := c.Upload(t.Context(), r.relay, big, bigContent); !errors.Is(err, relaynet.ErrFull) {
		t.Errorf("a chunk on a full disk: %v", err)
	}
	if got := fetch(t, c, r, capability(info, "GET"), 0, -1); len(got) != len(content) {
		t.Error("a chunk of before is gone")
	}
	for _, o := range kept {
		wantStatus(t, c, r, o.asGet(0), box.Found)
	}
	must(t, os.Remove(filler))
	must(t, os.Remove(filepath.Join(dir, "rest")))
	fill()
	if len(kept) <= before {
		t.Error("with room again nothing is taken")
	}
	for _, o := range kept {
		wantStatus(t, c, r, o.asGet(0), box.Found)
	}
}

// TestRelaynet_RN14_clocks: with clocks a day apart boxes of the usual life are taken,
// with and without work, and what is over by the relay's clock is refused.
func TestRelaynet_RN14_clocks(t *testing.T) {
	for _, days := range []int{-1, 1} {
		now := func() time.Time { return time.Now().AddDate(0, 0, days) }
		r := start(t, roomy(), func(o *relaynet.ServerOptions) { o.Now = now })
		c := client(t, relaynet.ClientOptions{})
		today := box.Day(time.Now())
		if reply := wantStatus(t, c, r, &box.Request{Op: box.OpInfo}, box.OK); reply.Day != box.Day(now()) {
			t.Errorf("the relay's day is %d", reply.Day)
		}
		for _, life := range []uint32{1, 3, 7, 14, 21} {
			o := expiring(t, today+life)
			wantStatus(t, c, r, o.asPut(), box.OK)
			wantStatus(t, c, r, o.asGet(0), box.Found)
			wantStatus(t, c, r, o.asDelete(), box.OK)
		}
		want := box.OK
		if days > 0 {
			want = box.Refused
		}
		wantStatus(t, c, r, expiring(t, today).asPut(), want)
		must(t, r.Close())
	}
}

// TestRelaynet_RN11_slowMany: a network full of clients that begin and do not end
// leaves room and time for another. (T12)
func TestRelaynet_RN11_slowMany(t *testing.T) {
	r := start(t, relaynet.Limits{}, nil)
	frame := frameOf(t, &box.Request{Op: box.OpInfo})
	for i := range 60 {
		switch raw, err := net.Dial("tcp", r.relay.Addrs[0]); {
		case err != nil:
			t.Fatal(err)
		case i%3 == 0: // a handshake that goes no further
			t.Cleanup(func() { raw.Close() })
			_, _ = raw.Write([]byte{22, 3, 1, 2})
		default:
			t.Cleanup(func() { raw.Close() })
			protocol := relaynet.ProtocolFrames
			if i%3 == 1 {
				protocol = relaynet.ProtocolBlobs
			}
			conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
			_ = raw.SetDeadline(time.Now().Add(5 * time.Second))
			if conn.Handshake() == nil {
				_, _ = conn.Write(frame[:1000])
			}
		}
	}
	if n := r.Links(); n > 32 {
		t.Errorf("%d connections of one network", n)
	}
	honest := client(t, relaynet.ClientOptions{Dial: from(127, 9, 9, 9)})
	begin := time.Now()
	for range 20 {
		o := newOwned(t)
		wantStatus(t, honest, r, o.asPut(), box.OK)
		wantStatus(t, honest, r, o.asGet(0), box.Found)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("20 honest pairs of requests take %v", took)
	}
}
