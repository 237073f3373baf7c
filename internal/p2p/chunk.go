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
	"github.com/libp2p/go-libp2p/core/protocol"

	"kith/internal/wire"
)

func protocolID(p string) protocol.ID { return protocol.ID(p) }

// Answers to a chunk request, docs/spec/transport.md section 4.
const (
	chunkOK     = 0
	chunkAbsent = 1
)

// requestSize is a root and an index.
const requestSize = 32 + 8

// chunkStream is a stream on which chunks are asked for one after another.
type chunkStream struct {
	network.Stream
	r          *bufio.Reader
	unanswered bool // the last request got not one byte back
}

// Fetch asks a connected peer for one chunk and its proof. The chunk uses buf
// when that is large enough. [wire.ErrAbsent] says that the peer does not have
// it or does not give it; other errors are the link's or a hostile peer's.
// Nothing is verified here.
func (h *Host) Fetch(ctx context.Context, from wire.PeerID, ref wire.ChunkRef, buf []byte) (chunk []byte, proof [][32]byte, err error) {
	id, err := peerID(from)
	if err != nil {
		return nil, nil, err
	}
	l := h.link(id)
	if l == nil || !h.isDirect(id) {
		return nil, nil, errNoLink // relays carry no media
	}
	// The peer closes a stream that idled; then another takes its place. The
	// answer is new bytes either way, so asking twice does no harm.
	for {
		s, reused := l.take(), true
		if s == nil {
			raw, err := h.open(ctx, id, protoChunk)
			if err != nil {
				return nil, nil, err
			}
			s, reused = &chunkStream{Stream: raw, r: bufio.NewReaderSize(raw, 4<<10)}, false
		}
		stop := context.AfterFunc(ctx, func() { s.Reset() })
		chunk, proof, err = s.fetch(ref, buf)
		if stop() && (err == nil || errors.Is(err, wire.ErrAbsent)) {
			l.put(s)
			return chunk, proof, err
		}
		s.Reset()
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if !reused || !s.unanswered {
			return nil, nil, err
		}
	}
}

func (l *link) take() *chunkStream {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.idle); n > 0 {
		s := l.idle[n-1]
		l.idle = l.idle[:n-1]
		return s
	}
	return nil
}

func (l *link) put(s *chunkStream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.idle) < MaxIdleStreams {
		l.idle = append(l.idle, s)
		return
	}
	s.Close()
}

func (s *chunkStream) fetch(ref wire.ChunkRef, buf []byte) (chunk []byte, proof [][32]byte, err error) {
	s.unanswered = true
	if err := s.SetDeadline(time.Now().Add(chunkTimeout)); err != nil {
		return nil, nil, err
	}
	request := binary.BigEndian.AppendUint64(append(make([]byte, 0, requestSize), ref.Root[:]...), ref.Index)
	if _, err := s.Write(request); err != nil {
		return nil, nil, err
	}
	status, err := s.r.ReadByte()
	if err != nil {
		return nil, nil, err
	}
	s.unanswered = false
	switch status {
	case chunkAbsent:
		return nil, nil, wire.ErrAbsent
	case chunkOK:
	default:
		return nil, nil, fmt.Errorf("p2p: chunk answer %d", status)
	}
	count, err := s.r.ReadByte()
	if err != nil {
		return nil, nil, err
	}
	if count > MaxProof {
		return nil, nil, fmt.Errorf("p2p: a proof of %d hashes", count)
	}
	proof = make([][32]byte, count)
	for i := range proof {
		if _, err := io.ReadFull(s.r, proof[i][:]); err != nil {
			return nil, nil, err
		}
	}
	var head [4]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return nil, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > MaxChunk {
		return nil, nil, fmt.Errorf("p2p: a chunk of %d bytes", n)
	}
	if int(n) > len(buf) {
		buf = make([]byte, n)
	}
	chunk = buf[:n]
	_, err = io.ReadFull(s.r, chunk)
	return chunk, proof, err
}

// chunkBuffers are for chunks being served; the collector takes them back when
// nobody fetches.
var chunkBuffers = sync.Pool{New: func() any { b := make([]byte, MaxChunk+1024); return &b }}

// serveChunks answers requests on a peer's stream until it ends or idles.
func (h *Host) serveChunks(s network.Stream) {
	l, source := h.enter(s), h.source.Load()
	if l == nil {
		s.Reset()
		return
	}
	defer h.work.Done()
	defer l.work.Done()
	if source == nil || circuit(s.Conn().RemoteMultiaddr()) || !l.serve(1) {
		s.Reset()
		return
	}
	defer l.serve(-1)
	stop := context.AfterFunc(l.ctx, func() { s.Reset() })
	defer stop()
	for {
		if err := h.serveChunk(s, l, *source); err != nil {
			s.Reset()
			return
		}
	}
}

// serve counts a stream in or out; it reports false when there are too many.
func (l *link) serve(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.serving+n > MaxServing {
		return false
	}
	l.serving += n
	return true
}

func (h *Host) serveChunk(s network.Stream, l *link, source wire.ChunkSource) error {
	if err := s.SetReadDeadline(time.Now().Add(idleTimeout)); err != nil {
		return err
	}
	var request [requestSize]byte
	if _, err := io.ReadFull(s, request[:]); err != nil {
		return err
	}
	ref := wire.ChunkRef{Root: [32]byte(request[:32]), Index: binary.BigEndian.Uint64(request[32:])}
	// Whoever is asked about nothing but contacts need not read files for
	// strangers, nor hold a buffer for them.
	if !h.isKnown(l.peer) {
		return answerAbsent(s)
	}
	select {
	case h.serving <- struct{}{}:
	case <-l.ctx.Done():
		return l.ctx.Err()
	}
	defer func() { <-h.serving }()
	buf := chunkBuffers.Get().(*[]byte)
	defer chunkBuffers.Put(buf)
	chunk, proof, err := source(l.ctx, l.peer, ref, *buf)
	if err != nil || len(chunk) == 0 || len(chunk) > MaxChunk || len(proof) > MaxProof {
		if err != nil && !errors.Is(err, wire.ErrAbsent) {
			h.log.Warn("a chunk could not be read")
		}
		return answerAbsent(s)
	}
	head := append(make([]byte, 0, 2+32*len(proof)+4), chunkOK, byte(len(proof)))
	for _, hash := range proof {
		head = append(head, hash[:]...)
	}
	head = binary.BigEndian.AppendUint32(head, uint32(len(chunk)))
	if err := s.SetWriteDeadline(time.Now().Add(chunkTimeout)); err != nil {
		return err
	}
	if _, err := s.Write(head); err != nil {
		return err
	}
	_, err = s.Write(chunk)
	return err
}

// answerAbsent waits little: a peer that does not read one byte reads nothing.
func answerAbsent(s network.Stream) error {
	if err := s.SetWriteDeadline(time.Now().Add(absentTimeout)); err != nil {
		return err
	}
	_, err := s.Write([]byte{chunkAbsent})
	return err
}
