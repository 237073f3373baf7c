package relaynet

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Bounds of HTTP.
const (
	blobHeader = 8 << 10          // bytes of a request's head
	blobTime   = 60 * time.Second // to read a request, or write an answer
	blobGrace  = 5 * time.Second  // for what is going on when the server closes
)

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

// handed tells when net/http has closed a connection.
type handed struct {
	*tls.Conn
	closed chan struct{}
	once   sync.Once
}

func (c *handed) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func (s *Server) startBlobs() {
	handler := s.options.Blobs
	if handler == nil {
		handler = http.NotFoundHandler()
	}
	s.handover = &handover{conns: make(chan net.Conn), done: make(chan struct{})}
	s.standing = &standing{conns: map[net.Conn]struct{}{}}
	s.blobs = &http.Server{
		ConnState:         s.standing.follow,
		Handler:           handler,
		ReadHeaderTimeout: s.limits.Frame,
		ReadTimeout:       blobTime,
		WriteTimeout:      blobTime,
		IdleTimeout:       s.limits.Idle,
		MaxHeaderBytes:    blobHeader,
		ErrorLog:          log.New(io.Discard, "", 0), // it would name addresses
	}
	s.loop.Go(func() { _ = s.blobs.Serve(s.handover) })
}

// serveBlobs lets net/http serve a connection and returns when it is over.
func (s *Server) serveBlobs(conn *tls.Conn) {
	c := &handed{Conn: conn, closed: make(chan struct{})}
	select {
	case s.handover.conns <- c:
		<-c.closed
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
