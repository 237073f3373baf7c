package p2p_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"go.uber.org/goleak"

	"kith/internal/p2p"
	"kith/internal/wire"
)

const (
	overTCP  = "/ip4/127.0.0.1/tcp/0"
	overQUIC = "/ip4/127.0.0.1/udp/0/quic-v1"
)

var transports = []string{overTCP, overQUIC}

// host is a Host under test. Every peer in known is a contact; nil means all.
type host struct {
	*p2p.Host
	key ed25519.PrivateKey
}

func start(t testing.TB, listen ...string) *host { return startAs(t, newKey(t), listen...) }

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func startAs(t testing.TB, key ed25519.PrivateKey, listen ...string) *host {
	t.Helper()
	h, err := p2p.New(t.Context(), p2p.Config{Key: key, Listen: listen})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	h.Serve(absent, func(wire.PeerID) bool { return true })
	return &host{h, key}
}

func absent(context.Context, wire.PeerID, wire.ChunkRef, []byte) ([]byte, [][32]byte, error) {
	return nil, nil, wire.ErrAbsent
}

func (h *host) next(t testing.TB, kind wire.LinkKind) wire.LinkEvent {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		e, err := h.Recv(ctx)
		if err != nil {
			t.Fatalf("waiting for event %d: %v", kind, err)
		}
		if e.Kind == kind {
			return e
		}
		if e.Kind != wire.LinkAddrs {
			t.Fatalf("event %d, want %d", e.Kind, kind)
		}
	}
}

// linked gives two hosts with a link between them, its Up events taken.
func linked(t testing.TB, listen string) (a, b *host) {
	t.Helper()
	a, b = start(t, listen), start(t, listen)
	dial(t, a, b)
	a.next(t, wire.LinkUp)
	b.next(t, wire.LinkUp)
	return a, b
}

func dial(t testing.TB, a, b *host) {
	t.Helper()
	if err := a.Dial(t.Context(), b.Self(), b.Addrs()); err != nil {
		t.Fatal(err)
	}
}

func TestTransport_TR01_onlyTheDeviceItselfIsReached(t *testing.T) {
	for _, listen := range transports {
		a, b, c := start(t, listen), start(t, listen), start(t, listen)
		if err := a.Dial(t.Context(), c.Self(), b.Addrs()); err == nil {
			t.Errorf("%s: another device was taken for the one dialled", listen)
		}
		dial(t, a, b)
		if e := a.next(t, wire.LinkUp); e.Peer != b.Self() {
			t.Errorf("%s: up with %x", listen, e.Peer)
		}
		if e := b.next(t, wire.LinkUp); e.Peer != a.Self() {
			t.Errorf("%s: up with %x", listen, e.Peer)
		}
	}
}

func TestTransport_TR02_framesArriveWholeAndInOrder(t *testing.T) {
	for _, listen := range transports {
		a, b := linked(t, listen)
		const n = 300
		go func() {
			for i := range n {
				a.Send(t.Context(), b.Self(), bytes.Repeat([]byte{byte(i)}, 1+i*97%5000))
			}
			a.Send(t.Context(), b.Self(), make([]byte, wire.MaxFrame))
		}()
		for i := range n {
			if f := b.next(t, wire.LinkFrame).Frame; !bytes.Equal(f, bytes.Repeat([]byte{byte(i)}, 1+i*97%5000)) {
				t.Fatalf("%s: frame %d is another", listen, i)
			}
		}
		if f := b.next(t, wire.LinkFrame).Frame; len(f) != wire.MaxFrame {
			t.Errorf("%s: the largest frame has %d bytes", listen, len(f))
		}
	}
}

func TestTransport_TR03_framesBeyondTheLimitAreRefusedByBothSides(t *testing.T) {
	a, b := linked(t, overTCP)
	for _, n := range []int{0, wire.MaxFrame + 1} {
		if err := a.Send(t.Context(), b.Self(), make([]byte, n)); err == nil {
			t.Errorf("a frame of %d bytes was sent", n)
		}
	}
	for _, n := range []uint32{0, wire.MaxFrame + 1, 1<<32 - 1} {
		s := a.RawStream(t, b.Self(), "/kith/frame/1")
		s.Write(binary.BigEndian.AppendUint32(nil, n))
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, network.ErrReset) {
			t.Errorf("length %d: %v, want a reset", n, err)
		}
	}
	if err := a.Send(t.Context(), b.Self(), []byte("still here")); err != nil {
		t.Fatal(err)
	}
	if f := b.next(t, wire.LinkFrame).Frame; string(f) != "still here" {
		t.Errorf("%q", f)
	}
}

func TestTransport_TR04_upAndDownAlternateThroughRestarts(t *testing.T) {
	for _, listen := range transports {
		a, b := linked(t, listen)
		for range 3 {
			key, addrs := b.key, b.Addrs()
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if e := a.next(t, wire.LinkDown); e.Peer != b.Self() {
				t.Fatal("down of another peer")
			}
			if err := a.Send(t.Context(), b.Self(), []byte("x")); err == nil {
				t.Error("a frame went to a peer that is gone")
			}
			b = startAs(t, key, addrs...)
			dial(t, a, b)
			a.next(t, wire.LinkUp)
			b.next(t, wire.LinkUp)
		}
		if err := a.Send(t.Context(), b.Self(), []byte("after restarts")); err != nil {
			t.Fatal(err)
		}
		if f := b.next(t, wire.LinkFrame).Frame; string(f) != "after restarts" {
			t.Errorf("%s: %q", listen, f)
		}
	}
}

func TestTransport_TR05_slowReaderHoldsItsPeerBack(t *testing.T) {
	a, b := linked(t, overTCP)
	frame := make([]byte, wire.MaxFrame)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	sent := 0
	for ; sent < 4*p2p.MaxEvents; sent++ { // 256 MiB would fit nowhere
		if a.Send(ctx, b.Self(), frame) != nil {
			break
		}
	}
	if sent == 4*p2p.MaxEvents {
		t.Fatal("everything was taken though nobody reads")
	}
	for range p2p.MaxEvents {
		b.next(t, wire.LinkFrame)
	}
}

func TestTransport_TR06_strangersAreBoundedAndDoNotStarveContacts(t *testing.T) {
	b := start(t, overTCP)
	contact, stranger := start(t, overTCP), start(t, overTCP)
	b.Serve(absent, func(p wire.PeerID) bool { return p == contact.Self() })
	dial(t, stranger, b)
	b.next(t, wire.LinkUp)
	stranger.next(t, wire.LinkUp)
	for range 20 * p2p.MaxStrangerEvents {
		if err := stranger.Send(t.Context(), b.Self(), []byte("noise")); err != nil {
			t.Fatal(err)
		}
	}
	dial(t, contact, b)
	contact.next(t, wire.LinkUp)
	if err := contact.Send(t.Context(), b.Self(), []byte("word")); err != nil {
		t.Fatal(err)
	}
	noise := 0
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		e, err := b.Recv(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == wire.LinkFrame && e.Peer == stranger.Self() {
			noise++
		}
		if e.Kind == wire.LinkFrame && e.Peer == contact.Self() {
			break
		}
	}
	if noise > p2p.MaxStrangerEvents {
		t.Errorf("%d frames of a stranger before the contact's one", noise)
	}
}

func TestTransport_TR07_chunksAreServedOnPooledStreams(t *testing.T) {
	for _, listen := range transports {
		a, b := linked(t, listen)
		want := bytes.Repeat([]byte("chunk"), 200_000)
		proof := [][32]byte{{1}, {2}, {3}}
		b.Serve(func(_ context.Context, p wire.PeerID, ref wire.ChunkRef, buf []byte) ([]byte, [][32]byte, error) {
			if p != a.Self() || ref.Root != [32]byte{7} {
				return nil, nil, wire.ErrAbsent
			}
			return buf[:copy(buf, want)], proof, nil
		}, func(wire.PeerID) bool { return true })
		buf := make([]byte, p2p.MaxChunk)
		for i := range 20 {
			chunk, got, err := a.Fetch(t.Context(), b.Self(), wire.ChunkRef{Root: [32]byte{7}, Index: uint64(i)}, buf)
			if err != nil || !bytes.Equal(chunk, want) || len(got) != 3 || got[2] != proof[2] {
				t.Fatalf("%s: %v, %d bytes, %d hashes", listen, err, len(chunk), len(got))
			}
			if &chunk[0] != &buf[0] {
				t.Error("the buffer was not used")
			}
			if _, _, err := a.Fetch(t.Context(), b.Self(), wire.ChunkRef{Root: [32]byte{8}}, buf); !errors.Is(err, wire.ErrAbsent) {
				t.Fatalf("%s: %v, want absent", listen, err)
			}
		}
		if n := a.Streams(b.Self()); n > 3 {
			t.Errorf("%s: %d streams after fetching one after another", listen, n)
		}
	}
}

func TestTransport_TR08_hostileServerCannotHurt(t *testing.T) {
	for name, answer := range map[string][]byte{
		"status":   {9},
		"proof":    {0, p2p.MaxProof + 1},
		"oversize": binary.BigEndian.AppendUint32([]byte{0, 0}, p2p.MaxChunk+1),
		"empty":    {0, 0, 0, 0, 0, 0},
		"cut":      {0, 2, 1, 2, 3},
	} {
		a, b := start(t, overTCP), start(t, overTCP)
		b.RawHandler("/kith/chunk/1", func(s network.Stream) {
			io.ReadFull(s, make([]byte, 40))
			s.Write(answer)
			s.Close()
		})
		dial(t, a, b)
		a.next(t, wire.LinkUp)
		if _, _, err := a.Fetch(t.Context(), b.Self(), wire.ChunkRef{}, nil); err == nil || errors.Is(err, wire.ErrAbsent) {
			t.Errorf("%s: %v", name, err)
		}
		if n := a.Streams(b.Self()); n > 2 {
			t.Errorf("%s: the stream is kept", name)
		}
	}
}

func TestTransport_TR09_fetchEndsWithItsContext(t *testing.T) {
	a, b := linked(t, overTCP)
	entered, release := make(chan struct{}), make(chan struct{})
	b.Serve(func(context.Context, wire.PeerID, wire.ChunkRef, []byte) ([]byte, [][32]byte, error) {
		close(entered)
		<-release
		return nil, nil, wire.ErrAbsent
	}, func(wire.PeerID) bool { return true })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	if _, _, err := a.Fetch(ctx, b.Self(), wire.ChunkRef{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want cancelled", err)
	}
	close(release)
}

func TestTransport_TR10_onePeerCannotHoldManyChunkStreams(t *testing.T) {
	a, b := linked(t, overTCP)
	release, entered := make(chan struct{}), make(chan struct{}, 100)
	b.Serve(func(context.Context, wire.PeerID, wire.ChunkRef, []byte) ([]byte, [][32]byte, error) {
		entered <- struct{}{}
		<-release
		return nil, nil, wire.ErrAbsent
	}, func(wire.PeerID) bool { return true })
	errs := make(chan error, 3*p2p.MaxServing)
	for range p2p.MaxServing {
		go func() {
			_, _, err := a.Fetch(t.Context(), b.Self(), wire.ChunkRef{}, nil)
			errs <- err
		}()
		<-entered
	}
	if _, _, err := a.Fetch(t.Context(), b.Self(), wire.ChunkRef{}, nil); err == nil || errors.Is(err, wire.ErrAbsent) {
		t.Errorf("one stream more than allowed: %v", err)
	}
	close(release)
	for range p2p.MaxServing {
		if err := <-errs; !errors.Is(err, wire.ErrAbsent) {
			t.Errorf("an allowed stream: %v", err)
		}
	}
}

func TestTransport_TR11_preferredPortIsKeptWhenFree(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	taken := l.Addr().(*net.TCPAddr).Port
	h, err := p2p.New(t.Context(), p2p.Config{Key: newKey(t), Port: taken})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if h.Port() == taken || h.Port() == 0 {
		t.Errorf("port %d", h.Port())
	}
	l.Close()
	again, err := p2p.New(t.Context(), p2p.Config{Key: newKey(t), Port: taken})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Port() != taken {
		t.Errorf("port %d, want %d, which is free", again.Port(), taken)
	}
	for _, bad := range []string{"nonsense", "/ip4/127.0.0.1/tcp/99999"} {
		if _, err := p2p.New(t.Context(), p2p.Config{Key: newKey(t), Listen: []string{bad}}); err == nil {
			t.Errorf("listening on %q", bad)
		}
	}
}

func TestTransport_TR12_contactsLearnWhereAPeerListens(t *testing.T) {
	a, b := start(t, overTCP), start(t, overTCP, overQUIC)
	dial(t, a, b)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		e, err := a.Recv(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		// It may tell of the rest a moment later.
		if e.Kind == wire.LinkAddrs && len(e.Addrs) > 1 {
			if e.Peer != b.Self() || len(e.Addrs) != 2 {
				t.Errorf("%v", e.Addrs)
			}
			return
		}
	}
}

func TestTransport_TR13_hintsThatAreNoneArePassedOver(t *testing.T) {
	a, b := start(t, overTCP), start(t, overTCP)
	hints := append([]string{"", "x", "/ip4/300.1.1.1/tcp/1", string(make([]byte, 300))}, b.Addrs()...)
	if err := a.Dial(t.Context(), b.Self(), hints); err != nil {
		t.Fatal(err)
	}
	if err := a.Dial(t.Context(), b.Self(), nil); err != nil {
		t.Errorf("dialling a connected peer: %v", err)
	}
	if err := a.Dial(t.Context(), wire.PeerID{1}, hints); err == nil {
		t.Error("a peer nobody is was reached")
	}
}

func TestTransport_TR14_everyGoroutineEndsWithTheHost(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	a, b := linked(t, overTCP)
	if err := a.Send(t.Context(), b.Self(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	b.next(t, wire.LinkFrame)
	a.Fetch(t.Context(), b.Self(), wire.ChunkRef{}, nil)
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	if err := goleak.Find(ignore); err != nil {
		t.Error(err)
	}
}

// BenchmarkBulk compares four fetch loops with one bare stream of the same
// bytes over the same link.
func BenchmarkBulk(b *testing.B) {
	const size = 256 << 20
	for _, listen := range transports {
		b.Run(fmt.Sprintf("bare%s", listen[14:18]), func(b *testing.B) {
			x, y := linked(b, listen)
			y.RawHandler("/bare/1", func(s network.Stream) {
				io.Copy(io.Discard, s)
				s.Write([]byte{1})
				s.Close()
			})
			block := make([]byte, 1<<20)
			b.SetBytes(size)
			for b.Loop() {
				s := x.RawStream(b, y.Self(), "/bare/1")
				for range size / len(block) {
					if _, err := s.Write(block); err != nil {
						b.Fatal(err)
					}
				}
				s.CloseWrite()
				io.ReadFull(s, make([]byte, 1))
			}
		})
		b.Run(fmt.Sprintf("fetch%s", listen[14:18]), func(b *testing.B) {
			x, y := linked(b, listen)
			block := make([]byte, 1<<20)
			y.Serve(func(context.Context, wire.PeerID, wire.ChunkRef, []byte) ([]byte, [][32]byte, error) {
				return block, nil, nil
			},
				func(wire.PeerID) bool { return true })
			b.SetBytes(size)
			for b.Loop() {
				done := make(chan error)
				for range 4 {
					go func() {
						buf := make([]byte, 1<<20)
						var err error
						for range size / len(block) / 4 {
							if _, _, e := x.Fetch(b.Context(), y.Self(), wire.ChunkRef{}, buf); e != nil {
								err = e
							}
						}
						done <- err
					}()
				}
				for range 4 {
					if err := <-done; err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
