package p2p

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"kith/internal/wire"
)

// link is what is known of a connected peer, from its first connection to its
// last.
type link struct {
	peer wire.PeerID

	ctx    context.Context // ends with the link
	cancel context.CancelFunc
	up     chan struct{}  // closed when LinkUp is in the queue
	work   sync.WaitGroup // readers of frames; LinkDown waits for them
	turn   chan struct{}  // held by the one reader that delivers

	// Guarded by Host.mu. A link that has nothing but relayed connections is
	// made known when the hope for a direct one is over.
	conns           map[network.Conn]bool
	direct, relayed int
	known           bool        // LinkUp is queued, or on its way there
	hope            *time.Timer // ends the hope

	sending sync.Mutex // one frame at a time; guards out
	out     network.Stream

	mu      sync.Mutex // guards the rest
	in      network.Stream
	readers int
	idle    []*chunkStream
	serving int
}

// change is news of a link on its way to the queue.
type change struct {
	link    *link
	kind    wire.LinkKind
	relayed bool
}

// connected opens a link with a peer's first connection. libp2p calls it before
// it takes the connection's first stream. What this host dialled for the DHT or
// to a relay is no link until one side wants it.
func (h *Host) connected(_ network.Network, c network.Conn) { h.attach(c, false) }

// attach counts a connection among those of its peer's link; wanted makes a link
// whoever the peer is.
func (h *Host) attach(c network.Conn, wanted bool) {
	id := c.RemotePeer()
	p, ok := wireID(id)
	if !ok {
		return
	}
	contact := h.isKnown(p) // asks others, hence without the lock
	if contact {
		h.host.ConnManager().Protect(id, tagContact)
	}
	relayed := circuit(c.RemoteMultiaddr())
	if relayed && !contact && c.Stat().Direction == network.DirInbound {
		h.expire(c, p)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.links[id]
	if l == nil && !wanted && !contact && c.Stat().Direction == network.DirOutbound && h.dialled[id] == 0 || c.IsClosed() {
		return
	}
	if l != nil && l.conns[c] {
		return
	}
	if l == nil {
		l = &link{peer: p, up: make(chan struct{}), turn: make(chan struct{}, 1), conns: map[network.Conn]bool{}}
		l.ctx, l.cancel = context.WithCancel(h.ctx)
		h.links[id] = l
	}
	l.conns[c] = true
	if relayed {
		l.relayed++
		if c.Stat().Direction == network.DirInbound && l.direct == 0 && l.relayed == 1 {
			h.spawn(func() { h.straighten(id, l) })
		}
		switch {
		case l.known || l.hope != nil:
		case contact:
			l.hope = time.AfterFunc(relayGrace, func() {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.announce(id, l)
			})
		default:
			h.announce(id, l) // nobody punches holes for strangers
		}
		return
	}
	if l.direct++; l.direct > 1 {
		return
	}
	if l.known {
		h.change(change{link: l, kind: wire.LinkDirect})
		h.spawn(func() { h.upgraded(id, l) })
		return
	}
	h.announce(id, l)
	if l.relayed > 0 {
		h.spawn(func() { h.upgraded(id, l) })
	}
}

// announce makes a link known, once; the caller holds h.mu.
func (h *Host) announce(id peer.ID, l *link) {
	if l.known || h.links[id] != l {
		return
	}
	if l.hope != nil {
		l.hope.Stop()
	}
	l.known = true
	h.change(change{link: l, kind: wire.LinkUp, relayed: l.direct == 0})
}

// spawn runs what ends with the host. The caller holds h.mu.
func (h *Host) spawn(f func()) {
	if h.ctx.Err() == nil {
		h.work.Go(f)
	}
}

// expire closes a stranger's circuit unless he has become a contact by then:
// a relay carries few for each device.
func (h *Host) expire(c network.Conn, p wire.PeerID) {
	time.AfterFunc(strangerCircuit, func() {
		if !h.isKnown(p) {
			c.Close()
		}
	})
}

// disconnected ends a link with a peer's last connection.
func (h *Host) disconnected(_ network.Network, c network.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	id := c.RemotePeer()
	l := h.links[id]
	if l == nil || !l.conns[c] {
		return
	}
	delete(l.conns, c)
	if circuit(c.RemoteMultiaddr()) {
		l.relayed--
	} else {
		l.direct--
	}
	if l.direct+l.relayed > 0 {
		return
	}
	delete(h.links, id)
	l.cancel()
	if l.hope != nil {
		l.hope.Stop()
	}
	// A link nobody has heard of yet goes unheard of: so peers that come and go
	// while the queue is full cannot make it grow.
	unheard := !l.known
	h.changes = slices.DeleteFunc(h.changes, func(c change) bool {
		unheard = unheard || c.link == l && c.kind == wire.LinkUp
		return c.link == l
	})
	if !unheard {
		h.change(change{link: l, kind: wire.LinkDown})
	}
}

// change queues a change; the caller holds h.mu.
func (h *Host) change(c change) {
	h.changes = append(h.changes, c)
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// settle posts the changes in order, on one goroutine, so that Up and Down of a
// peer alternate and its frames lie between them.
func (h *Host) settle() {
	for {
		h.mu.Lock()
		var c change
		if len(h.changes) > 0 {
			c = h.changes[0]
			h.changes = slices.Delete(h.changes, 0, 1)
		}
		h.mu.Unlock()
		switch {
		case c.link == nil:
			select {
			case <-h.changed:
			case <-h.ctx.Done():
				return
			}
		case c.kind == wire.LinkUp:
			h.post(wire.LinkEvent{Kind: c.kind, Peer: c.link.peer, Relayed: c.relayed})
			close(c.link.up)
		case c.kind == wire.LinkDirect:
			h.post(wire.LinkEvent{Kind: c.kind, Peer: c.link.peer})
		default:
			c.link.drop()
			c.link.work.Wait()
			h.post(wire.LinkEvent{Kind: c.kind, Peer: c.link.peer})
		}
	}
}

// drop resets what was open with a peer that is gone.
func (l *link) drop() {
	l.mu.Lock()
	idle := l.idle
	l.idle = nil
	l.mu.Unlock()
	for _, s := range idle {
		s.Reset()
	}
}

func (h *Host) link(id peer.ID) *link {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.links[id]
}

var errNoLink = errors.New("p2p: no link to this peer")

// Send puts one frame on the link to a connected peer, after the frames sent
// before it. It does not dial. A frame beyond [wire.MaxFrame] is refused; other
// errors are the link's, and the frame may or may not have arrived.
func (h *Host) Send(ctx context.Context, to wire.PeerID, frame []byte) error {
	if len(frame) == 0 || len(frame) > maxFrame {
		return fmt.Errorf("p2p: a frame of %d bytes", len(frame))
	}
	id, err := peerID(to)
	if err != nil {
		return err
	}
	l := h.link(id)
	if l == nil {
		return errNoLink
	}
	l.sending.Lock()
	defer l.sending.Unlock()
	fresh := l.out == nil
	if err := h.write(ctx, id, l, frame); err == nil || fresh {
		return err
	}
	// The stream may be of a connection that went while another stayed.
	return h.write(ctx, id, l, frame)
}

// write writes a frame on the link's stream, opening one when there is none. A
// stream that failed is forgotten. The caller holds l.sending.
func (h *Host) write(ctx context.Context, id peer.ID, l *link, frame []byte) (err error) {
	if l.out == nil {
		if l.out, err = h.open(ctx, id, protoFrame); err != nil {
			return err
		}
	}
	defer func() {
		if err != nil {
			l.out.Reset()
			l.out = nil
		}
	}()
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(frameTimeout)
	}
	if err := l.out.SetWriteDeadline(deadline); err != nil {
		return err
	}
	// One write: one packet where it fits.
	buf := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(frame)), uint32(len(frame)))
	_, err = l.out.Write(append(buf, frame...))
	return err
}

// open opens a stream on a connection that exists, a direct one if there is.
func (h *Host) open(ctx context.Context, id peer.ID, proto string) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "kith"), openTimeout)
	defer cancel()
	if proto == protoFrame {
		ctx = network.WithAllowLimitedConn(ctx, "text goes through relays, chunks do not")
	}
	return h.host.NewStream(ctx, id, protocolID(proto))
}

// receiveFrames reads frames off a peer's stream until it ends. A stream that
// breaks the format is reset.
func (h *Host) receiveFrames(s network.Stream) {
	l := h.enter(s)
	if l == nil {
		s.Reset()
		return
	}
	defer h.work.Done()
	defer l.work.Done()
	if !l.replace(s) {
		s.Reset()
		return
	}
	defer l.finish(s)
	stop := context.AfterFunc(l.ctx, func() { s.Reset() })
	defer stop()
	// A peer begins a new stream when its old one failed: what the old one
	// still holds goes first.
	select {
	case <-l.up:
	case <-l.ctx.Done():
		return
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-l.ctx.Done():
		return
	}
	r := bufio.NewReaderSize(s, 4<<10)
	for {
		frame, err := readFrame(s, r)
		if err != nil || !h.deliver(l, frame) {
			s.Reset()
			return
		}
	}
}

// replace makes s the stream that a peer's frames come on; the one before is
// reset. It reports false when too many wait already.
func (l *link) replace(s network.Stream) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.readers >= MaxFrameStreams {
		return false
	}
	l.readers++
	if l.in != nil {
		l.in.Reset()
	}
	l.in = s
	return true
}

func (l *link) finish(s network.Stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers--
	if l.in == s {
		l.in = nil
	}
}

// enter counts a handler of libp2p's among the goroutines of the host and of
// the peer's link. It returns nil when either is gone.
func (h *Host) enter(s network.Stream) *link {
	h.adopt(s.Conn().RemotePeer())
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.links[s.Conn().RemotePeer()]
	if l == nil || l.ctx.Err() != nil {
		return nil
	}
	h.work.Add(1)
	l.work.Add(1)
	return l
}

// readFrame reads a length and that many bytes. An idle stream may wait for
// ever; a frame that has begun may not.
func readFrame(s network.Stream, r *bufio.Reader) ([]byte, error) {
	if _, err := r.Peek(1); err != nil {
		return nil, err
	}
	if err := s.SetReadDeadline(time.Now().Add(frameTimeout)); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxFrame {
		return nil, fmt.Errorf("p2p: a frame of %d bytes", n)
	}
	// Room grows with what arrives, not with what is announced.
	var frame []byte
	for len(frame) < int(n) {
		have := len(frame)
		frame = slices.Grow(frame, min(int(n)-have, max(have, r.Size())))
		frame = frame[:min(int(n), cap(frame))]
		if _, err := io.ReadFull(r, frame[have:]); err != nil {
			return nil, err
		}
	}
	return frame, s.SetReadDeadline(time.Time{})
}

// deliver posts a frame. A contact's waits for room, and its sender with it; a
// stranger's is dropped when strangers have had their share. It reports false
// when the link is gone.
func (h *Host) deliver(l *link, frame []byte) bool {
	e := queued{LinkEvent: wire.LinkEvent{Kind: wire.LinkFrame, Peer: l.peer, Frame: frame}}
	if !h.isKnown(l.peer) {
		select {
		case h.strangers <- struct{}{}:
			e.stranger = true
		default:
			return true
		}
	}
	select {
	case h.events <- e:
		return true
	case <-l.ctx.Done():
		if e.stranger {
			<-h.strangers
		}
		return false
	}
}
