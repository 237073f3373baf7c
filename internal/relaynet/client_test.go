package relaynet_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kith/box"
	"kith/internal/relaynet"
)

// counting dials and counts.
type counting struct {
	n     atomic.Int64
	conns chan net.Conn
}

func (c *counting) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c.n.Add(1)
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil && c.conns != nil {
		c.conns <- conn
	}
	return conn, err
}

// TestRelaynet_RN19_oneLink: many requests share a link, which ends when it is idle.
func TestRelaynet_RN19_oneLink(t *testing.T) {
	r := start(t, roomy(), nil)
	count := &counting{}
	c := client(t, relaynet.ClientOptions{Dial: count.dial, Idle: 200 * time.Millisecond})
	var group sync.WaitGroup
	for range 40 {
		group.Go(func() { wantStatus(t, c, r, newOwned(t).asPut(), box.OK) })
	}
	group.Wait()
	if n := count.n.Load(); n != 1 {
		t.Errorf("%d links", n)
	}
	// An answer that is awaited is no idleness.
	o := newOwned(t)
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	if _, err := c.Do(ctx, r.relay, o.asGet(3600)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting ends with %v", err)
	}
	wantStatus(t, c, r, o.asPut(), box.OK) // and the late answer comes to nobody
	if n := count.n.Load(); n != 1 {
		t.Errorf("%d links", n)
	}
	wantStatus(t, c, r, o.asGet(1), box.Found)
	for deadline := time.Now().Add(5 * time.Second); count.n.Load() == 1 && time.Now().Before(deadline); {
		<-time.After(300 * time.Millisecond) // longer than the idle time
		wantStatus(t, c, r, o.asGet(0), box.Found)
	}
	if count.n.Load() == 1 {
		t.Error("an idle link is not closed")
	}
}

// TestRelaynet_RN20_brokenLink: what broke while idle is made anew unseen; what
// cannot be reached is not tried again at once.
func TestRelaynet_RN20_brokenLink(t *testing.T) {
	r := start(t, roomy(), nil)
	count := &counting{conns: make(chan net.Conn, 10)}
	c := client(t, relaynet.ClientOptions{Dial: count.dial})
	o := newOwned(t)
	wantStatus(t, c, r, o.asPut(), box.OK)
	(<-count.conns).Close()
	wantStatus(t, c, r, o.asPut(), box.Exists)
	if n := count.n.Load(); n != 2 {
		t.Errorf("%d links", n)
	}

	nobody := box.Relay{Key: r.relay.Key, Addrs: []string{"127.0.0.1:1", "127.0.0.2:1"}}
	nobody.Key[0] ^= 1
	before := count.n.Load()
	for range 5 {
		if _, err := c.Do(t.Context(), nobody, o.asGet(0)); !errors.Is(err, relaynet.ErrUnreachable) {
			t.Errorf("nobody there is %v", err)
		}
	}
	if n := count.n.Load() - before; n != 2 {
		t.Errorf("tried %d addresses of 2", n)
	}
	// The second address counts when the first one leads to somebody else.
	impostor := start(t, roomy(), nil)
	r.relay.Addrs = []string{impostor.relay.Addrs[0], r.relay.Addrs[0]}
	wantStatus(t, client(t, relaynet.ClientOptions{}), r, o.asGet(0), box.Found)
}

// swallowing is a connection that, when told so, takes what is written and brings
// nothing any more, as one does whose other end let go of it while a machine slept.
type swallowing struct {
	net.Conn
	deaf *atomic.Bool
}

func (s swallowing) Write(b []byte) (int, error) {
	if s.deaf.Load() {
		return len(b), nil
	}
	return s.Conn.Write(b)
}

// TestRelaynet_RN20_refresh: links that look as if they were up are made anew, and who
// waits on one is told, or asks on the next; a relay that could not be reached before
// is tried at once.
func TestRelaynet_RN20_refresh(t *testing.T) {
	r := start(t, roomy(), nil)
	var deaf, unreachable atomic.Bool
	var dialled atomic.Int64
	c := client(t, relaynet.ClientOptions{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled.Add(1)
		if unreachable.Load() {
			return nil, errors.New("no network")
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return swallowing{conn, &deaf}, err
	}})
	o := newOwned(t)
	wantStatus(t, c, r, o.asPut(), box.OK)
	deaf.Store(true)
	waited := make(chan error, 1)
	asked := make(chan struct{})
	go func() {
		close(asked)
		reply, err := c.Do(t.Context(), r.relay, newOwned(t).asGet(1))
		if err == nil && reply.Status != box.Miss {
			err = errors.New("another answer than miss")
		}
		waited <- err
	}()
	<-asked
	for dialled.Load() < 2 { // until it waits on the link, which then is made anew
		deaf.Store(false)
		c.Refresh()
		wantStatus(t, c, r, o.asGet(0), box.Found)
	}
	if err := <-waited; err != nil {
		t.Errorf("who waited is told %v", err)
	}
	unreachable.Store(true)
	c.Refresh()
	if _, err := c.Do(t.Context(), r.relay, o.asGet(0)); !errors.Is(err, relaynet.ErrUnreachable) {
		t.Errorf("without a network: %v", err)
	}
	unreachable.Store(false)
	c.Refresh()
	wantStatus(t, c, r, o.asGet(0), box.Found)
}

// TestRelaynet_RN20_hangingUp: a relay that always hangs up does not keep a client busy.
func TestRelaynet_RN20_hangingUp(t *testing.T) {
	r := start(t, roomy(), nil)
	hellos, _ := hello(t, r, func(c *relaynet.Client, at box.Relay) {
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if _, err := c.Do(t.Context(), at, &box.Request{Op: box.OpInfo}); !errors.Is(err, relaynet.ErrBroken) {
					t.Errorf("a relay that hangs up is %v", err)
				}
			})
		}
		group.Wait()
	})
	if len(hellos) > 8*3 {
		t.Errorf("%d links for 8 requests", len(hellos))
	}
}

// liar is a relay with a key that answers as it likes.
func liar(t *testing.T, r *relay, answer func(q *box.Request) []*box.Reply) box.Relay {
	t.Helper()
	probe := bare(t, r, relaynet.ProtocolFrames)
	must(t, probe.Handshake())
	cert := tls.Certificate{PrivateKey: r.key, Certificate: [][]byte{probe.ConnectionState().PeerCertificates[0].Raw}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var group sync.WaitGroup
	t.Cleanup(func() { l.Close(); group.Wait() })
	group.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer raw.Close()
				conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{relaynet.ProtocolFrames}})
				frame := make([]byte, box.FrameSize)
				for {
					if _, err := io.ReadFull(conn, frame); err != nil {
						return
					}
					q, err := box.ParseRequest(frame)
					if err != nil {
						return
					}
					for _, reply := range answer(q) {
						b, err := reply.AppendBinary(nil)
						if err != nil {
							return
						}
						if _, err := conn.Write(b); err != nil {
							return
						}
					}
				}
			})
		}
	})
	return box.Relay{Key: r.relay.Key, Addrs: []string{l.Addr().String()}}
}

// TestRelaynet_RN21_falseAnswers: none reaches the caller.
func TestRelaynet_RN21_falseAnswers(t *testing.T) {
	r := start(t, roomy(), nil)
	o, other := newOwned(t), newOwned(t)
	found := func(q *box.Request, p *box.Put) *box.Reply {
		return &box.Reply{Status: box.Found, Tag: q.Tag, Expiry: p.Expiry, Sig: p.Sig, Cell: p.Cell}
	}
	for name, lie := range map[string]struct {
		answer func(q *box.Request) []*box.Reply
		want   error
	}{
		"another cell":  {func(q *box.Request) []*box.Reply { return []*box.Reply{found(q, other.put)} }, relaynet.ErrFalse},
		"not deleted":   {func(q *box.Request) []*box.Reply { return []*box.Reply{{Status: box.Gone, Tag: q.Tag}} }, relaynet.ErrFalse},
		"another tag":   {func(q *box.Request) []*box.Reply { return []*box.Reply{{Status: box.Miss, Tag: q.Tag + 1}} }, relaynet.ErrBroken},
		"no such state": {func(q *box.Request) []*box.Reply { return []*box.Reply{{Status: 77, Tag: q.Tag}} }, relaynet.ErrBroken},
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, relaynet.ClientOptions{})
			if reply, err := c.Do(t.Context(), liar(t, r, lie.answer), o.asGet(0)); !errors.Is(err, lie.want) {
				t.Errorf("got %+v, %v", reply, err)
			}
		})
	}
	t.Run("twice", func(t *testing.T) {
		c := client(t, relaynet.ClientOptions{})
		at := liar(t, r, func(q *box.Request) []*box.Reply { return []*box.Reply{found(q, o.put), found(q, o.put)} })
		for range 3 {
			reply, err := c.Do(t.Context(), at, o.asGet(0))
			if err == nil && string(reply.Cell) != string(o.cell) || err != nil && !errors.Is(err, relaynet.ErrBroken) {
				t.Errorf("got %v", err)
			}
		}
	})
}

// TestRelaynet_RN22_bounds of a client: requests of one relay, relays, and a
// request that is none.
func TestRelaynet_RN22_bounds(t *testing.T) {
	r := start(t, roomy(), nil)
	silent := liar(t, r, func(*box.Request) []*box.Reply { return nil })
	c := relaynet.NewClient(relaynet.ClientOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := c.Do(ctx, silent, &box.Request{Op: box.OpPut}); !errors.Is(err, box.ErrLimit) {
		t.Errorf("a request that is none: %v", err)
	}
	var many atomic.Int64
	var group sync.WaitGroup
	for range relaynet.MaxPending + 7 {
		group.Go(func() {
			_, err := c.Do(ctx, silent, &box.Request{Op: box.OpGet, Wait: 60})
			if errors.Is(err, relaynet.ErrTooMany) {
				if many.Add(1) == 7 {
					cancel()
				}
			} else if !errors.Is(err, context.Canceled) && !errors.Is(err, relaynet.ErrBroken) {
				t.Errorf("got %v", err)
			}
		})
	}
	group.Wait()
	cancel()
	if many.Load() != 7 {
		t.Errorf("%d refused", many.Load())
	}
	must(t, c.Close())
	if _, err := c.Do(t.Context(), silent, &box.Request{Op: box.OpInfo}); !errors.Is(err, relaynet.ErrClosed) {
		t.Errorf("a closed client says %v", err)
	}

	block := make(chan struct{})
	c = relaynet.NewClient(relaynet.ClientOptions{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		select {
		case <-block:
		case <-ctx.Done():
		}
		return nil, errors.New("no")
	}})
	many.Store(0)
	for range relaynet.MaxRelays + 3 {
		group.Go(func() {
			at := box.Relay{Addrs: []string{"x:1"}}
			rand.Read(at.Key[:])
			if _, err := c.Do(t.Context(), at, &box.Request{Op: box.OpInfo}); errors.Is(err, relaynet.ErrTooMany) && many.Add(1) == 3 {
				close(block)
			}
		})
	}
	group.Wait()
	must(t, c.Close())
	if many.Load() != 3 {
		t.Errorf("%d relays refused", many.Load())
	}
}

// TestRelaynet_RN23_waiting ends with its context, with the write, and with the time.
func TestRelaynet_RN23_waiting(t *testing.T) {
	t.Parallel()
	r := start(t, roomy(), nil)
	c := client(t, relaynet.ClientOptions{})
	o := newOwned(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := c.Do(ctx, r.relay, o.asGet(3600)); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that was given up: %v", err)
	}
	wantStatus(t, c, r, newOwned(t).asGet(1), box.Miss)
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() { wantStatus(t, c, r, o.asGet(60), box.Found) })
	}
	wantStatus(t, c, r, o.asPut(), box.OK)
	group.Wait()
}

// TestRelaynet_RN20_endsAtOnce: links that end as soon as they are made, while others
// make new ones.
func TestRelaynet_RN20_endsAtOnce(t *testing.T) {
	r := start(t, roomy(), nil)
	c := client(t, relaynet.ClientOptions{Idle: time.Nanosecond})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				// Whether it is answered is not the question.
				_, _ = c.Do(t.Context(), r.relay, newOwnedGet())
			}
		})
	}
	group.Wait()
}

// TestRelaynet_RN20_addressThatSaysNothing: an address that swallows what is sent to it,
// or takes a connection and says nothing, does not keep a client from the next.
func TestRelaynet_RN20_addressThatSaysNothing(t *testing.T) {
	t.Parallel()
	r := start(t, roomy(), nil)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer mute.Close()
	const hole = "192.0.2.1:4747"
	c := client(t, relaynet.ClientOptions{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == hole {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}})
	r.relay.Addrs = append([]string{hole, mute.Addr().String()}, r.relay.Addrs...)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if reply, err := c.Do(ctx, r.relay, newOwned(t).asGet(0)); err != nil || reply.Status != box.Miss {
		t.Errorf("%v", err)
	}
}
