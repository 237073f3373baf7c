package relaynet

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"kith/box"
	"kith/internal/boxstore"
	"kith/internal/relay"
)

// ServerOptions say what a server is.
type ServerOptions struct {
	Key     ed25519.PrivateKey // the relay's
	Machine Machine            // owned by the server until Close returns
	Limits  Limits
	// Effort says how much work the machine wants of a put now. It is called by
	// many goroutines at once, which then check signatures beside each other; nil:
	// the machine checks them all, one after the other.
	Effort func() uint32
	// Look gives the record of a box that is durable and not about to change, or
	// false. It is called by many goroutines at once, which then answer what they find
	// and wait for no commit; nil: the machine answers everything.
	Look func(b [32]byte) (relay.Record, bool)
	// Blobs keeps blobs; nil: there are none.
	Blobs *boxstore.Store
	// Log is told when the server starts and stops and, each hour in which
	// there was something, rounded totals; nil: nobody is.
	Log func(string)
	// Full says how much of what may be kept is kept, in percent; if it is set the
	// hour's line is told whatever there was, with that. RN-15.
	Full    func() int
	Version string           // of the program, for Log
	Now     func() time.Time // nil: time.Now
}

// Server is a relay's side. Its methods are safe for concurrent use.
type Server struct {
	options ServerOptions
	limits  Limits
	id      box.RelayID
	tls     *tls.Config
	gate    *gate
	asked   chan *pending
	next    atomic.Uint64 // the link named last
	backlog atomic.Int64  // answers that wait to be written, of all links
	looked  atomic.Int64  // questions answered beside the machine
	stop    context.CancelFunc
	stopped context.Context // done: everything ends

	links    sync.WaitGroup // accepting and serving
	loop     sync.WaitGroup
	blobs    *http.Server
	handover *handover
	standing *standing

	mu        sync.Mutex // guards what follows
	listeners []net.Listener
	open      map[net.Conn]struct{}
	closed    bool
}

// ErrClosed reports a server or client that was closed.
var ErrClosed = errors.New("relaynet: closed")

// NewServer starts the goroutine that owns the machine. Call Close when done,
// even if Serve was never called.
func NewServer(o ServerOptions) (*Server, error) {
	config, err := serverConfig(o.Key)
	if err != nil {
		return nil, fmt.Errorf("relaynet: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	public, ok := o.Key.Public().(ed25519.PublicKey)
	if !ok || len(public) != ed25519.PublicKeySize {
		return nil, errors.New("relaynet: a relay needs an Ed25519 key")
	}
	limits := o.Limits.orDefault()
	s := &Server{options: o, limits: limits, id: box.Relay{Key: [32]byte(public)}.ID(), tls: config, gate: newGate(limits, o.Now),
		asked: make(chan *pending, limits.Batch), open: map[net.Conn]struct{}{}}
	s.stopped, s.stop = context.WithCancel(context.Background())
	s.startBlobs()
	s.loop.Go(s.run)
	o.Log("relay started, version " + o.Version)
	return s, nil
}

// Serve accepts links from l until Close, which closes l. It returns nil then,
// and an error only when l ends by itself. It may be called for several listeners.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		l.Close()
		return ErrClosed
	}
	s.listeners = append(s.listeners, l)
	s.links.Add(1)
	s.mu.Unlock()
	defer s.links.Done()
	const least, most = 5 * time.Millisecond, time.Second
	wait := least
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			wait = least
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetKeepAliveConfig(probing) // a link that cannot be probed is ended by its idle time
			}
			s.accept(conn)
		case s.stopped.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("relaynet: %w", err)
		default:
			// No descriptors left, a link that broke before it was accepted: it
			// passes.
			select {
			case <-time.After(wait):
			case <-s.stopped.Done():
				return nil
			}
			wait = min(2*wait, most)
		}
	}
}

// accept serves a connection in a goroutine of its own, if there is room.
func (s *Server) accept(conn net.Conn) {
	key := s.gate.key(conn.RemoteAddr())
	if !s.gate.enter(key) {
		conn.Close()
		return
	}
	if !s.track(conn) {
		s.gate.leave(key)
		conn.Close()
		return
	}
	s.links.Go(func() {
		defer s.gate.leave(key)
		defer s.untrack(conn)
		s.serve(conn, key)
	})
}

// track remembers a connection so that Close can end it.
func (s *Server) track(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.open[conn] = struct{}{}
	}
	return !s.closed
}

func (s *Server) untrack(conn net.Conn) {
	conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, conn)
}

// leaveToBlobs lets Close leave a connection to net/http, which ends it in order.
func (s *Server) leaveToBlobs(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, conn)
}

// serve does the handshake and hands over to what was asked for.
func (s *Server) serve(conn net.Conn, key uint64) {
	ctx, cancel := context.WithTimeout(s.stopped, s.limits.Handshake)
	raw := &meter{Conn: conn}
	secured := tls.Server(raw, s.tls)
	err := secured.HandshakeContext(ctx)
	cancel()
	if err != nil {
		return
	}
	switch secured.ConnectionState().NegotiatedProtocol {
	case ProtocolFrames:
		s.serveFrames(raw, secured, key)
	case ProtocolBlobs:
		s.leaveToBlobs(conn)
		s.serveBlobs(secured, key)
	}
}

// Close ends the server: nothing is accepted any more, requests that the machine
// has taken up are finished, all goroutines have ended when it returns.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.loop.Wait()
		return nil
	}
	s.closed = true
	s.stop()
	for _, l := range s.listeners {
		l.Close()
	}
	for conn := range s.open {
		conn.Close()
	}
	s.mu.Unlock()
	s.closeBlobs()
	s.links.Wait()
	s.loop.Wait()
	s.options.Log("relay stopped")
	return nil
}
