package relaynet_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kith/box"
	"kith/internal/relaynet"
)

// TestRelaynet_RN07_answersInAnyOrder: a request that waits holds up none behind it.
func TestRelaynet_RN07_answersInAnyOrder(t *testing.T) {
	t.Parallel()
	r := start(t, roomy(), nil)
	conn := bare(t, r, relaynet.ProtocolFrames)
	o := newOwned(t)
	for tag, q := range map[uint64]*box.Request{7: o.asGet(3600), 9: newOwned(t).asGet(1)} {
		q.Tag = tag
		_, err := conn.Write(frameOf(t, q))
		must(t, err)
	}
	read := func() *box.Reply {
		t.Helper()
		frame := make([]byte, box.FrameSize)
		must(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		_, err := io.ReadFull(conn, frame)
		must(t, err)
		reply, err := box.ParseReply(frame)
		must(t, err)
		return reply
	}
	info := &box.Request{Op: box.OpInfo, Tag: 8}
	_, err := conn.Write(frameOf(t, info))
	must(t, err)
	if reply := read(); reply.Tag != 8 || reply.Status != box.OK {
		t.Errorf("first answer: %+v", reply)
	}
	if reply := read(); reply.Tag != 9 || reply.Status != box.Miss {
		t.Errorf("second answer: tag %d, status %d", reply.Tag, reply.Status)
	}
	wantStatus(t, client(t, relaynet.ClientOptions{}), r, o.asPut(), box.OK)
	if reply := read(); reply.Tag != 7 || reply.Status != box.Found || string(reply.Cell) != string(o.cell) {
		t.Errorf("third answer: tag %d, status %d", reply.Tag, reply.Status)
	}
}

// TestRelaynet_RN08_malformed: what no frame can be ends the link, and nothing else.
func TestRelaynet_RN08_malformed(t *testing.T) {
	r := start(t, roomy(), nil)
	c := client(t, relaynet.ClientOptions{})
	wantStatus(t, c, r, &box.Request{Op: box.OpInfo}, box.OK)
	for _, change := range []func([]byte){func(b []byte) { b[0] = 2 }, func(b []byte) { b[1] = 0 }, func(b []byte) { b[1] = 99 }} {
		conn := bare(t, r, relaynet.ProtocolFrames)
		frame := frameOf(t, &box.Request{Op: box.OpInfo})
		change(frame)
		_, err := conn.Write(frame)
		must(t, err)
		ends(t, conn, 10*time.Second)
	}
	wantStatus(t, c, r, &box.Request{Op: box.OpInfo}, box.OK)
}

// TestRelaynet_RN09_links: one too many, of all and of a network, is turned away.
func TestRelaynet_RN09_links(t *testing.T) {
	for name, limits := range map[string]relaynet.Limits{
		"of all":       {Links: 3, LinksPrefix: 100},
		"of a network": {Links: 100, LinksPrefix: 3},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, limits, nil)
			var conns []*tls.Conn
			for range 3 {
				conn := bare(t, r, relaynet.ProtocolFrames)
				must(t, conn.Handshake())
				conns = append(conns, conn)
			}
			if bare(t, r, relaynet.ProtocolFrames).Handshake() == nil {
				t.Error("a link beyond the limit")
			}
			conns[0].Close()
			for deadline := time.Now().Add(10 * time.Second); ; {
				if bare(t, r, relaynet.ProtocolFrames).Handshake() == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal("a link that ended is still counted")
				}
			}
		})
	}
	if p := relaynet.PrefixOf("203.0.113.77:5"); p != "203.0.113.0/24" {
		t.Errorf("prefix %s", p)
	}
	if p := relaynet.PrefixOf("[::ffff:203.0.113.77]:5"); p != "203.0.113.0/24" {
		t.Errorf("prefix %s", p)
	}
	if p := relaynet.PrefixOf("[2001:db8:1:2::3%eth0]:5"); p != "2001:db8:1::/48" {
		t.Errorf("prefix %s", p)
	}
}

// TestRelaynet_RN10_pending: who asks more at once than is allowed is cut off.
func TestRelaynet_RN10_pending(t *testing.T) {
	limits := roomy()
	limits.Pending = 5
	r := start(t, limits, nil)
	conn := bare(t, r, relaynet.ProtocolFrames)
	for range 5 {
		_, err := conn.Write(frameOf(t, newOwned(t).asGet(3600)))
		must(t, err)
	}
	must(t, conn.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
	if _, err := conn.Read(make([]byte, 1)); !os.IsTimeout(err) {
		t.Errorf("as many as are allowed: %v", err)
	}
	_, err := conn.Write(frameOf(t, newOwned(t).asGet(3600)))
	must(t, err)
	ends(t, conn, 10*time.Second)
}

// slow limits are short, so that tests of them are.
func slow() relaynet.Limits {
	l := roomy()
	l.Handshake, l.Frame, l.Write, l.Idle = time.Second, time.Second, time.Second, 2*time.Second
	return l
}

// TestRelaynet_RN11_slow: what begins must end in time: handshake, record, frame;
// and nothing at all only for so long.
func TestRelaynet_RN11_slow(t *testing.T) {
	t.Parallel()
	r := start(t, slow(), nil)
	const soon = 20 * time.Second
	t.Run("no handshake", func(t *testing.T) {
		t.Parallel()
		conn, err := net.Dial("tcp", r.relay.Addrs[0])
		must(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte{22, 3, 1})
		must(t, err)
		ends(t, conn, soon)
	})
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		conn := bare(t, r, relaynet.ProtocolFrames)
		must(t, conn.Handshake())
		ends(t, conn, soon)
	})
	waiting := func(t *testing.T) *tls.Conn {
		conn := bare(t, r, relaynet.ProtocolFrames)
		_, err := conn.Write(frameOf(t, newOwned(t).asGet(3600)))
		must(t, err)
		return conn
	}
	t.Run("nothing while an answer is awaited", func(t *testing.T) {
		t.Parallel()
		conn := waiting(t)
		must(t, conn.SetReadDeadline(time.Now().Add(3*time.Second)))
		if _, err := conn.Read(make([]byte, 1)); !os.IsTimeout(err) {
			t.Errorf("who waits is cut off: %v", err)
		}
	})
	t.Run("half a frame", func(t *testing.T) {
		t.Parallel()
		conn := waiting(t)
		_, err := conn.Write(frameOf(t, &box.Request{Op: box.OpInfo})[:3000])
		must(t, err)
		ends(t, conn, soon)
	})
	t.Run("half a record", func(t *testing.T) {
		t.Parallel()
		conn := waiting(t)
		_, err := conn.NetConn().Write([]byte{23, 3, 3, 24, 17, 1, 2, 3})
		must(t, err)
		ends(t, conn, soon)
	})
	t.Run("a record byte by byte", func(t *testing.T) {
		t.Parallel()
		conn := waiting(t)
		over := make(chan struct{})
		go func() { ends(t, conn, soon); close(over) }()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		begin := time.Now()
		for _, b := range append([]byte{23, 3, 3, 24, 17}, make([]byte, 2000)...) {
			select {
			case <-over:
				if took := time.Since(begin); took > 15*time.Second {
					t.Errorf("cut off after %v", took)
				}
				return
			case <-tick.C:
				_, _ = conn.NetConn().Write([]byte{b})
			}
		}
	})
}

// TestRelaynet_RN12_whoDoesNotRead is cut off, and harms nobody else.
func TestRelaynet_RN12_whoDoesNotRead(t *testing.T) {
	r := start(t, slow(), nil)
	c := client(t, relaynet.ClientOptions{})
	o := newOwned(t)
	wantStatus(t, c, r, o.asPut(), box.OK)
	raw, err := net.Dial("tcp", r.relay.Addrs[0])
	must(t, err)
	defer raw.Close()
	must(t, raw.(*net.TCPConn).SetReadBuffer(4096))
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{relaynet.ProtocolFrames}})
	must(t, conn.Handshake())
	frame := frameOf(t, o.asGet(0))
	must(t, conn.SetWriteDeadline(time.Now().Add(20*time.Second)))
	for i := 0; ; i++ {
		if _, err = conn.Write(frame); err != nil {
			if os.IsTimeout(err) {
				t.Error("who does not read is not cut off")
			}
			break
		}
		wantStatus(t, c, r, o.asGet(0), box.Found)
	}
}

// TestRelaynet_RN13_flood: one network that sends all it can leaves others what
// they need. (T12)
func TestRelaynet_RN13_flood(t *testing.T) {
	limits := relaynet.Limits{LinksPrefix: 8, Burst: 50, Rate: 20}
	r := start(t, limits, nil)
	honest := client(t, relaynet.ClientOptions{Dial: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 9, 9, 9)}}).DialContext})
	var took [2][]time.Duration
	var flooded atomic.Int64
	measure := func(i int) {
		for range 12 {
			o := newOwned(t)
			begin := time.Now()
			wantStatus(t, honest, r, o.asPut(), box.OK)
			wantStatus(t, honest, r, o.asGet(0), box.Found)
			took[i] = append(took[i], time.Since(begin))
		}
	}
	measure(0)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			for {
				conn, err := net.Dial("tcp", r.relay.Addrs[0]) // 127.0.0.1, another network
				if err != nil {
					return
				}
				flood(conn, stop, &flooded)
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	begin := time.Now()
	for flooded.Load() < 40 && time.Since(begin) < 10*time.Second {
		measure(1)
	}
	measure(1)
	lasted := time.Since(begin)
	close(stop)
	group.Wait()
	most := float64(limits.Burst) + limits.Rate*lasted.Seconds() + 8*2
	if got := float64(flooded.Load()); got > most {
		t.Errorf("%v frames of one network were answered in %v, more than %v", got, lasted, most)
	}
	slowest := func(d []time.Duration) (m time.Duration) {
		for _, x := range d {
			m = max(m, x)
		}
		return m
	}
	t.Logf("an honest pair of requests takes at most %v alone, %v beside %d frames of a flood in %v", slowest(took[0]), slowest(took[1]), flooded.Load(), lasted)
	if slowest(took[1]) > 5*time.Second {
		t.Error("others are harmed")
	}
}

// flood sends requests and reads answers as fast as it can.
func flood(raw net.Conn, stop chan struct{}, answered *atomic.Int64) {
	defer raw.Close()
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{relaynet.ProtocolFrames}})
	_ = raw.SetDeadline(time.Now().Add(5 * time.Second))
	if conn.Handshake() != nil {
		return
	}
	frame, _ := (&box.Request{Op: box.OpInfo}).AppendBinary(nil)
	go func() {
		for range 200 {
			if _, err := conn.Write(frame); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, box.FrameSize)
	for {
		select {
		case <-stop:
			return
		default:
		}
		_ = raw.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		if _, err := io.ReadFull(conn, buf); err != nil && !os.IsTimeout(err) {
			return
		} else if err == nil {
			answered.Add(1)
		}
	}
}

// TestRelaynet_RN15_logs: start, stop, and rounded totals of an hour.
func TestRelaynet_RN15_logs(t *testing.T) {
	var shift atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
	r := start(t, roomy(), func(o *relaynet.ServerOptions) { o.Now = clock })
	c := client(t, relaynet.ClientOptions{})
	ask := func(n int) {
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				for range n / 10 {
					wantStatus(t, c, r, newOwnedGet(), box.Miss)
				}
			})
		}
		group.Wait()
	}
	ask(1490)
	shift.Store(int64(61 * time.Minute))
	ask(10)
	ask(400)
	shift.Store(int64(122 * time.Minute))
	ask(10)
	must(t, r.Close())
	r.mu.Lock()
	defer r.mu.Unlock()
	all := strings.Join(r.said, "\n")
	want := "relay started, version test\nin the last hour about 0 boxes put, 1000 asked for, 0 deleted\nrelay stopped"
	if alt := strings.Replace(want, "1000", "2000", 1); all != want && all != alt {
		t.Errorf("logged:\n%s", all)
	}
}

// TestRelaynet_RN15_debug: how full it is, too, and an hour in which nothing was asked.
func TestRelaynet_RN15_debug(t *testing.T) {
	var shift atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
	r := start(t, roomy(), func(o *relaynet.ServerOptions) { o.Now, o.Full = clock, func() int { return 7 } })
	c := client(t, relaynet.ClientOptions{})
	wantStatus(t, c, r, newOwnedGet(), box.Miss) // it has begun to count
	shift.Store(int64(61 * time.Minute))
	wantStatus(t, c, r, newOwnedGet(), box.Miss)
	must(t, r.Close())
	r.mu.Lock()
	defer r.mu.Unlock()
	if all, want := strings.Join(r.said, "\n"), "relay started, version test\nin the last hour about 0 boxes put, 0 asked for, 0 deleted; 7 % full\nrelay stopped"; all != want {
		t.Errorf("logged:\n%s", all)
	}
}

// newOwnedGet asks for a box nobody has.
func newOwnedGet() *box.Request {
	return &box.Request{Op: box.OpGet, Box: [32]byte{1, 2, 3}}
}

// flaky is a listener that fails now and then.
type flaky struct {
	net.Listener
	n atomic.Int64
}

func (f *flaky) Accept() (net.Conn, error) {
	if f.n.Add(1)%2 == 1 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return f.Listener.Accept()
}

// TestRelaynet_RN16_acceptErrors: a server without descriptors goes on later, and
// one whose listener is gone says so.
func TestRelaynet_RN16_acceptErrors(t *testing.T) {
	r := start(t, roomy(), nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- r.Serve(&flaky{Listener: l}) }()
	at := box.Relay{Key: r.relay.Key, Addrs: []string{l.Addr().String()}}
	for range 5 {
		c := relaynet.NewClient(relaynet.ClientOptions{})
		_, err := c.Do(t.Context(), at, &box.Request{Op: box.OpInfo})
		must(t, err)
		must(t, c.Close())
	}
	l.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a listener that is gone is %v", err)
	}
}

// TestRelaynet_RN17_diskFails: nothing is acknowledged that is not kept.
func TestRelaynet_RN17_diskFails(t *testing.T) {
	r := start(t, roomy(), nil)
	c := client(t, relaynet.ClientOptions{})
	wantStatus(t, c, r, newOwned(t).asPut(), box.OK)
	must(t, r.store.Close())
	wantStatus(t, c, r, newOwned(t).asPut(), box.Busy)
}

// TestRelaynet_RN18_close ends links in all states; TestMain counts goroutines.
func TestRelaynet_RN18_close(t *testing.T) {
	r := start(t, roomy(), nil)
	c := client(t, relaynet.ClientOptions{})
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() {
			if _, err := c.Do(t.Context(), r.relay, newOwned(t).asGet(3600)); err == nil {
				t.Error("a closed server answers")
			}
		})
	}
	for _, protocols := range [][]string{{relaynet.ProtocolFrames}, {relaynet.ProtocolBlobs}} {
		conn := bare(t, r, protocols...)
		must(t, conn.Handshake())
		defer ends(t, conn, 10*time.Second)
	}
	half, err := net.Dial("tcp", r.relay.Addrs[0])
	must(t, err)
	defer half.Close()
	wantStatus(t, c, r, newOwned(t).asPut(), box.OK)
	begin := time.Now()
	must(t, r.Close())
	must(t, r.Close())
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("closing takes %v", took)
	}
	group.Wait()
	if err := r.Serve(half2(t)); !errors.Is(err, relaynet.ErrClosed) {
		t.Errorf("serving after closing: %v", err)
	}
}

func half2(t *testing.T) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	return l
}
