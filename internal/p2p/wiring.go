package p2p

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"io"
	"time"

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
	reuse, err := addTransports(sw, key, self, gater, resources)
	if err != nil {
		sw.Close()
		return nil, nil, err
	}
	closers = append(closers, reuse) // nobody else closes it: it keeps sockets and goroutines
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

func addTransports(sw *swarm.Swarm, key crypto.PrivKey, self peer.ID, gater connmgr.ConnectionGater, resources network.ResourceManager) (*quicreuse.ConnManager, error) {
	security, err := newClockless(key, self, yamux.ID)
	if err != nil {
		return nil, err
	}
	up, err := upgrader.New([]sec.SecureTransport{security}, []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: muxer()}}, nil, resources, gater)
	if err != nil {
		return nil, err
	}
	// Without SO_REUSEPORT: two peers that dial each other at once from their
	// listening ports meet in one TCP connection with two clients, and two
	// programs on one port take each other's connections.
	overTCP, err := tcp.NewTCPTransport(up, resources, nil, tcp.DisableReuseport())
	if err != nil {
		return nil, err
	}
	if err := sw.AddTransport(overTCP); err != nil {
		return nil, err
	}
	var reset quic.StatelessResetKey
	var token quic.TokenGeneratorKey
	// The same after a restart: then the resets tell peers at once that their
	// connections are gone, not after the idle timeout.
	seed, err := key.Raw()
	if err != nil {
		return nil, err
	}
	for label, out := range map[string][]byte{resetLabel: reset[:], tokenLabel: token[:]} {
		b, err := hkdf.Key(sha256.New, seed[:ed25519.SeedSize], nil, label, len(out))
		if err != nil {
			return nil, err
		}
		copy(out, b)
	}
	reuse, err := quicreuse.NewConnManager(reset, token)
	if err != nil {
		return nil, err
	}
	dateless, err := datelessCert()
	if err != nil {
		return nil, errors.Join(err, reuse.Close())
	}
	overQUIC, err := libp2pquic.NewTransport(key, reuse, nil, gater, resources, libp2pquic.WithTLSIdentityOption(dateless))
	if err != nil {
		return nil, errors.Join(err, reuse.Close())
	}
	if err := sw.AddTransport(overQUIC); err != nil {
		return nil, errors.Join(err, reuse.Close())
	}
	return reuse, nil
}

// Labels of the keys for QUIC's stateless resets (RFC 9000 section 10.3) and
// address tokens (section 8.1), which are made from the device's key.
const (
	resetLabel = "kith v1 transport quic reset"
	tokenLabel = "kith v1 transport quic token"
)

// muxer is yamux with windows that grow to 8 MiB, 600 Mbit/s at 100 ms, and a
// ping often enough to miss a peer within half a minute.
func muxer() *yamux.Transport {
	config := *yamux.DefaultTransport
	config.MaxStreamWindowSize = 8 << 20
	config.KeepAliveInterval = 15 * time.Second
	return &config
}
