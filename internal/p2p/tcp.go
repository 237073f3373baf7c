package p2p

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// tcpTransport is TCP from two kinds of ports. Ordinary dials leave from a port
// of their own: two devices that dial each other at once from the ports they
// listen on meet in one connection, with a TLS client at either end. From the
// listening port it dials only where that is wanted: to relays, which then
// tell it what its router makes of that port, and through holes, where the two
// have agreed on who is the client.
type tcpTransport struct {
	*tcp.TcpTransport // from the listening port
	plain             *tcp.TcpTransport

	extra chan transport.CapableConn // dialled here, accepted by a listener

	mu     sync.Mutex // guards relays
	relays []multiaddr.Multiaddr
}

var _ transport.DialUpdater = (*tcpTransport)(nil)

func newTCP(up transport.Upgrader, resources network.ResourceManager) (*tcpTransport, error) {
	fixed, err := tcp.NewTCPTransport(up, resources, nil)
	if err != nil {
		return nil, err
	}
	plain, err := tcp.NewTCPTransport(up, resources, nil, tcp.DisableReuseport())
	if err != nil {
		return nil, err
	}
	return &tcpTransport{TcpTransport: fixed, plain: plain, extra: make(chan transport.CapableConn)}, nil
}

// asRelays says to which addresses it dials from the listening port.
func (t *tcpTransport) asRelays(addrs []multiaddr.Multiaddr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.relays = addrs
}

func (t *tcpTransport) isRelay(a multiaddr.Multiaddr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.relays, a.Equal)
}

// Dial implements transport.Transport.
func (t *tcpTransport) Dial(ctx context.Context, a multiaddr.Multiaddr, p peer.ID) (transport.CapableConn, error) {
	return t.DialWithUpdates(ctx, a, p, nil)
}

// DialWithUpdates implements transport.DialUpdater.
func (t *tcpTransport) DialWithUpdates(ctx context.Context, a multiaddr.Multiaddr, p peer.ID, updates chan<- transport.DialUpdate) (transport.CapableConn, error) {
	if punching, _, _ := network.GetSimultaneousConnect(ctx); punching || t.isRelay(a) {
		return t.TcpTransport.DialWithUpdates(ctx, a, p, updates)
	}
	return t.plain.DialWithUpdates(ctx, a, p, updates)
}

// second makes one more connection to a peer that has one over another
// transport: the swarm makes but one, and the address that routers give to
// this device's TCP port is learnt over TCP alone.
func (t *tcpTransport) second(ctx context.Context, a multiaddr.Multiaddr, p peer.ID) error {
	c, err := t.TcpTransport.Dial(ctx, a, p)
	if err != nil {
		return err
	}
	select {
	case t.extra <- c:
		return nil
	case <-ctx.Done():
		return errors.Join(ctx.Err(), c.Close())
	}
}

// Listen implements transport.Transport. The address must be free: with
// SO_REUSEPORT alone two programs would take each other's connections.
func (t *tcpTransport) Listen(a multiaddr.Multiaddr) (transport.Listener, error) {
	network, address, err := manet.DialArgs(a)
	if err != nil {
		return nil, err
	}
	probe, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	if err := probe.Close(); err != nil {
		return nil, err
	}
	inner, err := t.TcpTransport.Listen(a)
	if err != nil {
		return nil, err
	}
	l := &joinedListener{Listener: inner, extra: t.extra, accepted: make(chan transport.CapableConn), ended: make(chan struct{})}
	l.work.Go(l.pump)
	return l, nil
}

// joinedListener accepts what comes in, and what was dialled by second.
type joinedListener struct {
	transport.Listener
	extra    <-chan transport.CapableConn
	accepted chan transport.CapableConn
	ended    chan struct{} // closed when accepting has ended, with err
	closing  sync.Once
	err      error
	work     sync.WaitGroup
}

func (l *joinedListener) pump() {
	defer close(l.ended)
	defer close(l.accepted)
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			l.err = err
			return
		}
		l.accepted <- c
	}
}

// Accept implements transport.Listener.
func (l *joinedListener) Accept() (transport.CapableConn, error) {
	select {
	case c, ok := <-l.accepted:
		if ok {
			return c, nil
		}
		<-l.ended
		return nil, l.err
	case c := <-l.extra:
		return c, nil
	}
}

// Close implements transport.Listener.
func (l *joinedListener) Close() error {
	var err error
	l.closing.Do(func() {
		err = l.Listener.Close()
		for c := range l.accepted { // nobody accepts any more
			c.Close()
		}
		l.work.Wait()
	})
	return err
}
