package p2p

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"time"

	connmgrcore "github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/core/transport"
	basichost "github.com/libp2p/go-libp2p/p2p/host/basic"
	blankhost "github.com/libp2p/go-libp2p/p2p/host/blank"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/observedaddrs"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/protocol/autonatv2"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-libp2p/x/rate"
	"github.com/quic-go/quic-go"
)

// parts are what a Host is put together of.
type parts struct {
	host     *basichost.BasicHost
	swarm    *swarm.Swarm
	observed *observedaddrs.Manager // with what follows nil unless Config.Wide
	punch    *holepunch.Service
	mapper   basichost.NATManager // nil: no ports are mapped
	closers  []func() error       // the last made is the first closed
}

func (p *parts) onClose(f func() error) { p.closers = append(p.closers, f) }

func (p *parts) close() error {
	var errs []error
	for _, f := range slices.Backward(p.closers) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// newParts puts swarm, transports and host together by hand: libp2p.New links
// WebRTC, WebTransport and a dependency injector that a small node carries for
// nothing (a third of its binary and of its memory). These constructors change
// between libp2p's minor versions; they are all in this file.
func newParts(key crypto.PrivKey, h *Host, cfg Config) (p *parts, err error) {
	p = &parts{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	resources, err := newResources(cfg.Public)
	if err != nil {
		return nil, err
	}
	p.onClose(resources.Close)
	bus := eventbus.NewBus()
	up, err := p.addSwarm(key, bus, resources, gate{h}, swarm.WithDialRanker(rank))
	if err != nil {
		return nil, err
	}
	opts := &basichost.HostOpts{EventBus: bus, UserAgent: "kith", ProtocolVersion: "kith/1",
		// identify tells peers where this device listens; signed peer records
		// would let them prove it to others.
		DisableSignedPeerRecord: true}
	if cfg.Wide {
		if err := p.addProbing(key, bus, resources, cfg, opts); err != nil {
			return nil, err
		}
	}
	if p.host, err = basichost.NewHost(p.swarm, opts); err != nil {
		return nil, err
	}
	p.onClose(p.host.Close)
	if cfg.Wide {
		if err := p.addCircuits(up); err != nil {
			return nil, err
		}
	}
	p.host.Start()
	if cfg.Wide && !cfg.Public {
		// What it would dial back with is not there.
		p.host.RemoveStreamHandler(autonatv2.DialProtocol)
	}
	return p, nil
}

// addProbing adds to opts what finds out how this device is seen from outside.
func (p *parts) addProbing(key crypto.PrivKey, bus event.Bus, resources network.ResourceManager, cfg Config, opts *basichost.HostOpts) (err error) {
	if p.observed, err = observedaddrs.NewManager(bus, p.swarm); err != nil {
		return err
	}
	p.observed.Start(p.swarm)
	p.onClose(p.observed.Close)
	opts.ObservedAddrsManager = p.observed
	if opts.AutoNATv2, err = newProber(p, key, resources, cfg.Public); err != nil {
		return err
	}
	low, high := lowConns, highConns
	if cfg.Public {
		low, high = lowGuests, highGuests
	}
	trimmer, err := connmgr.NewConnManager(low, high, connmgr.WithGracePeriod(trimGrace))
	if err != nil {
		return err
	}
	p.onClose(trimmer.Close)
	opts.ConnManager = trimmer
	if cfg.MapPorts {
		opts.NATManager = func(n network.Network) basichost.NATManager {
			p.mapper = basichost.NewNATManager(n)
			return p.mapper
		}
	}
	return nil
}

// addCircuits adds the transport that goes through relays, and what leads out
// of them again.
func (p *parts) addCircuits(up transport.Upgrader) (err error) {
	if err := client.AddTransport(p.host, up); err != nil {
		return err
	}
	p.punch, err = holepunch.NewService(impatient{p.host}, p.host.IDService(), p.punchable, holepunch.DirectDialTimeout(punchTimeout))
	if err != nil {
		return err
	}
	p.onClose(p.punch.Close)
	return nil
}

// newResources bounds what all peers together may use.
func newResources(public bool) (network.ResourceManager, error) {
	limits := rcmgr.DefaultLimits
	if !public {
		return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.Scale(256<<20, 1024)), rcmgr.WithMetricsDisabled())
	}
	more := rcmgr.PartialLimitConfig{System: rcmgr.ResourceLimits{
		Conns: 2 * MaxGuests, ConnsInbound: 2 * MaxGuests, Streams: 32 * MaxGuests, StreamsInbound: 16 * MaxGuests, StreamsOutbound: 16 * MaxGuests,
	}}
	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(more.Build(limits.Scale(1<<30, 4096))), rcmgr.WithMetricsDisabled(),
		// Many people may be behind one address, and a network of /48 is cheap.
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: guestsPerIP}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: guestsPerIP}, {PrefixLength: 48, ConnCount: 8 * guestsPerIP}}),
		rcmgr.WithConnRateLimiters(&rate.Limiter{
			NetworkPrefixLimits: []rate.PrefixLimit{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")}},
			GlobalLimit:         rate.Limit{RPS: guestRate * 100, Burst: guestsPerIP * 16},
			SubnetRateLimiter: rate.SubnetLimiter{
				IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: rate.Limit{RPS: guestRate, Burst: guestsPerIP}}},
				IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 56, Limit: rate.Limit{RPS: guestRate, Burst: guestsPerIP}},
					{PrefixLength: 48, Limit: rate.Limit{RPS: 8 * guestRate, Burst: 8 * guestsPerIP}}},
				GracePeriod: time.Minute,
			},
		}))
}

// addSwarm makes a swarm with its peer store and transports.
func (p *parts) addSwarm(key crypto.PrivKey, bus event.Bus, resources network.ResourceManager, gater connmgrcore.ConnectionGater, more ...swarm.Option) (transport.Upgrader, error) {
	self, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return nil, err
	}
	peers, err := pstoremem.NewPeerstore()
	if err != nil {
		return nil, err
	}
	p.onClose(peers.Close)
	if err := errors.Join(peers.AddPrivKey(self, key), peers.AddPubKey(self, key.GetPublic())); err != nil {
		return nil, err
	}
	options := []swarm.Option{swarm.WithResourceManager(resources),
		// A relay that is young has dialled nobody: counters of what came to
		// nothing would make it refuse to probe addresses for others.
		swarm.WithUDPBlackHoleSuccessCounter(nil), swarm.WithIPv6BlackHoleSuccessCounter(nil)}
	if gater != nil {
		options = append(options, swarm.WithConnectionGater(gater))
	}
	if p.swarm, err = swarm.NewSwarm(self, peers, bus, append(options, more...)...); err != nil {
		return nil, err
	}
	p.onClose(p.swarm.Close)
	return p.addTransports(key, self, gater, resources)
}

// newProber makes the client that asks others whether this device's addresses
// can be reached, and on a public node the server that answers, with a host of
// its own to dial back from.
func newProber(p *parts, key crypto.PrivKey, resources network.ResourceManager, serve bool) (*autonatv2.AutoNAT, error) {
	if !serve {
		return autonatv2.New(nobody{})
	}
	fresh, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, err
	}
	back := &parts{}
	if _, err := back.addSwarm(fresh, eventbus.NewBus(), resources, nil, swarm.WithDialRanker(swarm.NoDelayDialRanker)); err != nil {
		return nil, errors.Join(err, back.close())
	}
	p.onClose(back.close)
	return autonatv2.New(blankhost.NewBlankHost(back.swarm, blankhost.WithEventBus(eventbus.NewBus())))
}

// nobody stands for the host that a node without the service would dial from.
type nobody struct{ host.Host }

// Close implements host.Host.
func (nobody) Close() error { return nil }

func (p *parts) addTransports(key crypto.PrivKey, self peer.ID, gater connmgrcore.ConnectionGater, resources network.ResourceManager) (transport.Upgrader, error) {
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
	// programs on one port take each other's connections. So holes are punched
	// over QUIC alone.
	overTCP, err := tcp.NewTCPTransport(up, resources, nil, tcp.DisableReuseport())
	if err != nil {
		return nil, err
	}
	if err := p.swarm.AddTransport(overTCP); err != nil {
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
	// Nobody else closes it: it keeps sockets and goroutines. It is closed
	// after the swarm, whose transport uses it.
	p.closers = slices.Insert(p.closers, len(p.closers)-1, reuse.Close)
	dateless, err := datelessCert()
	if err != nil {
		return nil, err
	}
	overQUIC, err := libp2pquic.NewTransport(key, reuse, nil, gater, resources, libp2pquic.WithTLSIdentityOption(dateless))
	if err != nil {
		return nil, err
	}
	return up, p.swarm.AddTransport(overQUIC)
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
