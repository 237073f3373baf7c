package p2p

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"kith/internal/wire"
)

// link is what is known of a connected peer.
type link struct {
	peer wire.PeerID

	sending sync.Mutex // one frame at a time; guards out
	out     network.Stream

	mu      sync.Mutex // guards idle and serving
	idle    []*chunkStream
	serving int
}

// connected and disconnected turn libp2p's notices into links. libp2p may
// deliver them on many goroutines; what counts is whether a connection exists
// when the lock is held, so that Up and Down alternate.
func (h *Host) connected(_ network.Network, c network.Conn)    { h.settle(c.RemotePeer()) }
func (h *Host) disconnected(_ network.Network, c network.Conn) { h.settle(c.RemotePeer()) }

func (h *Host) settle(id peer.ID) {
	p, ok := wireID(id)
	if !ok {
		return
	}
	// Posting may wait for room; libp2p must not wait with it.
	h.work.Go(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		connected := h.host.Network().Connectedness(id) == network.Connected
		l, have := h.links[id]
		switch {
		case connected && !have:
			h.links[id] = &link{peer: p}
			h.post(wire.LinkEvent{Kind: wire.LinkUp, Peer: p})
		case !connected && have:
			delete(h.links, id)
			l.drop()
			h.post(wire.LinkEvent{Kind: wire.LinkDown, Peer: p})
		}
	})
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

// open opens a stream on a connection that exists.
func (h *Host) open(ctx context.Context, id peer.ID, proto string) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "kith"), openTimeout)
	defer cancel()
	return h.host.NewStream(ctx, id, protocolID(proto))
}

// receiveFrames reads frames off a peer's stream until it ends. A stream that
// breaks the format is reset.
func (h *Host) receiveFrames(s network.Stream) {
	if !h.enter() {
		s.Reset()
		return
	}
	defer h.work.Done()
	id := s.Conn().RemotePeer()
	p, ok := wireID(id)
	if !ok || !h.awaitLink(id) {
		s.Reset()
		return
	}
	stop := context.AfterFunc(h.ctx, func() { s.Reset() })
	defer stop()
	r := bufio.NewReaderSize(s, 4<<10)
	for {
		frame, err := readFrame(s, r)
		if err != nil {
			s.Reset()
			return
		}
		if !h.deliver(p, frame) {
			s.Reset()
			return
		}
	}
}

// enter counts a handler of libp2p's among the host's goroutines, unless the
// host is closing.
func (h *Host) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ctx.Err() != nil {
		return false
	}
	h.work.Add(1)
	return true
}

// awaitLink makes sure that LinkUp was posted before anything of the peer.
func (h *Host) awaitLink(id peer.ID) bool {
	if h.link(id) != nil {
		return true
	}
	h.settle(id)
	for range 100 {
		if h.link(id) != nil {
			return true
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-h.ctx.Done():
			return false
		}
	}
	return false
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
	frame := make([]byte, n)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, err
	}
	return frame, s.SetReadDeadline(time.Time{})
}

// deliver posts a frame. A contact's waits for room, and its sender with it; a
// stranger's is dropped when strangers have had their share. It reports false
// when the host is closing.
func (h *Host) deliver(p wire.PeerID, frame []byte) bool {
	e := wire.LinkEvent{Kind: wire.LinkFrame, Peer: p, Frame: frame}
	if !h.isKnown(p) {
		select {
		case h.strangers <- struct{}{}:
		default:
			return true
		}
	}
	select {
	case h.events <- e:
		return true
	case <-h.ctx.Done():
		return false
	}
}
