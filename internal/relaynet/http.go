package relaynet

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
)

// networkKey is under which a request's context has the network it comes from.
type networkKey struct{}

// handover is a listener of connections that were accepted elsewhere.
type handover struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr is nobody's.
func (h *handover) Addr() net.Addr { return &net.TCPAddr{} }

// standing are the connections on which no request is at work.
type standing struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil: the server closes
}

// follow is net/http's hook.
func (s *standing) follow(c net.Conn, state http.ConnState) {
	if h, ok := c.(*handed); ok && state == http.StateClosed {
		close(h.over) // the last thing that is done for a connection
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state != http.StateNew && state != http.StateIdle:
		delete(s.conns, c)
	case s.conns == nil:
		c.Close()
	default:
		s.conns[c] = struct{}{}
	}
}

// close ends them, and those that come to stand later.
func (s *standing) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

// handed is a connection that net/http serves.
type handed struct {
	*tls.Conn
	network uint64
	over    chan struct{} // closed when its goroutine has ended
}

func (s *Server) startBlobs() {
	s.handover = &handover{conns: make(chan net.Conn), done: make(chan struct{})}
	s.standing = &standing{conns: map[net.Conn]struct{}{}}
	s.blobs = &http.Server{
		Handler: &blobServer{store: s.options.Blobs, id: s.id, now: s.options.Now, gate: s.gate, time: s.limits.Blob, uses: map[[16]byte]*use{}},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if h, ok := c.(*handed); ok {
				ctx = context.WithValue(ctx, networkKey{}, h.network)
			}
			return ctx
		},
		// Requests that are made to wait end with the server.
		BaseContext:                  func(net.Listener) context.Context { return s.stopped },
		ConnState:                    s.standing.follow,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            s.limits.Frame,
		ReadTimeout:                  s.limits.Blob,
		WriteTimeout:                 s.limits.Blob,
		IdleTimeout:                  s.limits.Idle,
		MaxHeaderBytes:               blobHeader,
		ErrorLog:                     log.New(io.Discard, "", 0), // it would name addresses
	}
	s.loop.Go(func() { _ = s.blobs.Serve(s.handover) })
}

// serveBlobs lets net/http serve a connection and returns when it is over.
func (s *Server) serveBlobs(conn *tls.Conn, network uint64) {
	c := &handed{Conn: conn, network: network, over: make(chan struct{})}
	select {
	case s.handover.conns <- c:
		<-c.over
	case <-s.stopped.Done():
	}
}

func (s *Server) closeBlobs() {
	ctx, cancel := context.WithTimeout(context.Background(), blobGrace)
	defer cancel()
	s.standing.close()
	if s.blobs.Shutdown(ctx) != nil {
		_ = s.blobs.Close() // who is not done by now is cut off
	}
}
