package p2p

import (
	"crypto/rand"
	"errors"
	"io"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	basichost "github.com/libp2p/go-libp2p/p2p/host/basic"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/quic-go/quic-go"
)

// newHost puts swarm, transports and host together by hand: libp2p.New links
// WebRTC, WebTransport and a dependency injector that a small node carries for
// nothing (a third of its binary and of its memory). These constructors change
// between libp2p's minor versions; they are all in this function.
func newHost(key crypto.PrivKey, gater connmgr.ConnectionGater) (h host.Host, closeAll func() error, err error) {
	var closers []io.Closer
	closeAll = func() error {
		var errs []error
		for i := len(closers) - 1; i >= 0; i-- {
			errs = append(errs, closers[i].Close())
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	self, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	peers, err := pstoremem.NewPeerstore()
	if err != nil {
		return nil, nil, err
	}
	closers = append(closers, peers)
	if err := errors.Join(peers.AddPrivKey(self, key), peers.AddPubKey(self, key.GetPublic())); err != nil {
		return nil, nil, err
	}
	limits := rcmgr.DefaultLimits
	limiter := rcmgr.NewFixedLimiter(limits.Scale(256<<20, 1024))
	resources, err := rcmgr.NewResourceManager(limiter, rcmgr.WithMetricsDisabled())
	if err != nil {
		return nil, nil, err
	}
	closers = append(closers, resources)
	bus := eventbus.NewBus()
	sw, err := swarm.NewSwarm(self, peers, bus, swarm.WithResourceManager(resources), swarm.WithConnectionGater(gater),
		swarm.WithDialRanker(rank), swarm.WithUDPBlackHoleSuccessCounter(nil), swarm.WithIPv6BlackHoleSuccessCounter(nil))
	if err != nil {
		return nil, nil, err
	}
	sockets, err := addTransports(sw, key, self, gater, resources)
	if err != nil {
		sw.Close()
		return nil, nil, err
	}
	closers = append(closers, sockets)
	// identify tells peers where this device listens; signed peer records
	// would let them prove it to others.
	basic, err := basichost.NewHost(sw, &basichost.HostOpts{EventBus: bus, UserAgent: "kith", ProtocolVersion: "kith/1", DisableSignedPeerRecord: true})
	if err != nil {
		sw.Close()
		return nil, nil, err
	}
	closers = append(closers, basic)
	basic.Start()
	return basic, closeAll, nil
}

// addTransports gives the swarm TCP and QUIC, and returns what owns QUIC's
// sockets: close it after the swarm.
func addTransports(sw *swarm.Swarm, key crypto.PrivKey, self peer.ID, gater connmgr.ConnectionGater, resources network.ResourceManager) (sockets io.Closer, err error) {
	security, err := newClockless(key, self, yamux.ID)
	if err != nil {
		return nil, err
	}
	up, err := upgrader.New([]sec.SecureTransport{security}, []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}, nil, resources, gater)
	if err != nil {
		return nil, err
	}
	overTCP, err := tcp.NewTCPTransport(up, resources, nil)
	if err != nil {
		return nil, err
	}
	if err := sw.AddTransport(overTCP); err != nil {
		return nil, err
	}
	var reset quic.StatelessResetKey
	var token quic.TokenGeneratorKey
	rand.Read(reset[:])
	rand.Read(token[:])
	reuse, err := quicreuse.NewConnManager(reset, token)
	if err != nil {
		return nil, err
	}
	overQUIC, err := libp2pquic.NewTransport(key, reuse, nil, gater, resources)
	if err != nil {
		return nil, errors.Join(err, reuse.Close())
	}
	if err := sw.AddTransport(overQUIC); err != nil {
		return nil, errors.Join(err, reuse.Close())
	}
	return reuse, nil
}
