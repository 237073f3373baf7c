package p2p

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	basichost "github.com/libp2p/go-libp2p/p2p/host/basic"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	"github.com/multiformats/go-multiaddr"

	"kith/internal/wire"
)

// Config is what a Host is made of.
type Config struct {
	Key    ed25519.PrivateKey // the device's; peers know the host by it
	Listen []string           // multiaddrs; empty: every interface, TCP and QUIC
	Port   int                // preferred port when Listen is empty; 0: any
	MDNS   bool               // find and be found on the local network
	// Wide makes a host find and be found beyond the local network: by the DHT,
	// by relays, through NATs. Without it there are direct connections only.
	Wide      bool
	MapPorts  bool     // ask the router for ports (UPnP, NAT-PMP); with Wide
	Bootstrap []string // nodes to begin with: multiaddrs with /p2p/<peer> at their end; with Wide
	// Public makes a host that helps others and is nobody's device: a relay for
	// everybody within its limits, a node of the DHT. It can be reached, or is
	// of no use, and has no links: Recv gives nothing.
	Public bool
	Log    *slog.Logger // nil: silent
}

// Host is one device on the network.
type Host struct {
	host   *basichost.BasicHost
	parts  *parts
	self   wire.PeerID
	log    *slog.Logger
	lan    mdns.Service
	port   int
	wide   bool
	public bool
	punch  *holepunch.Service // with what follows nil unless wide
	dht    *dht.IpfsDHT
	relay  *relay.Relay // nil unless public

	bootstrap    []peer.AddrInfo
	emitCircuits event.Emitter
	reachable    atomic.Pointer[[]multiaddr.Multiaddr] // by others, unasked

	ctx    context.Context // ends with the host
	cancel context.CancelFunc
	work   sync.WaitGroup

	closing  sync.Once
	closeErr error

	events    chan queued
	strangers chan struct{} // one token per stranger's frame that waits
	serving   chan struct{} // one token per chunk buffer in use
	source    atomic.Pointer[wire.ChunkSource]
	known     atomic.Pointer[func(wire.PeerID) bool]

	relayMu    sync.Mutex // guards what follows
	relays     map[peer.ID]*kept
	toldOf     []multiaddr.Multiaddr
	firstRelay time.Time // when the first was connected

	mu      sync.Mutex // guards what follows
	links   map[peer.ID]*link
	dialled map[peer.ID]int // who is being dialled for a link
	changes []change
	changed chan struct{} // one token when there may be changes
}

// queued is an event that waits for Recv.
type queued struct {
	wire.LinkEvent
	stranger bool // holds one of the strangers' tokens, whoever the peer is by now
}

// New starts a host. It listens when New returns. Errors are of the addresses
// asked for, or local.
func New(ctx context.Context, cfg Config) (*Host, error) {
	key, err := crypto.UnmarshalEd25519PrivateKey(cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("p2p: %w", err)
	}
	h := &Host{
		self: wire.PeerID(cfg.Key.Public().(ed25519.PublicKey)), log: cfg.Log,
		events: make(chan queued, MaxEvents), strangers: make(chan struct{}, MaxStrangerEvents),
		serving: make(chan struct{}, MaxServingTotal),
		links:   map[peer.ID]*link{}, dialled: map[peer.ID]int{}, changed: make(chan struct{}, 1),
		relays: map[peer.ID]*kept{}, wide: cfg.Wide || cfg.Public, public: cfg.Public,
	}
	cfg.Wide = h.wide
	if h.bootstrap, err = parseBootstrap(cfg.Bootstrap); err != nil {
		return nil, err
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.ctx, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if h.parts, err = newParts(key, h, cfg); err != nil {
		h.cancel()
		return nil, fmt.Errorf("p2p: %w", err)
	}
	h.host, h.punch = h.parts.host, h.parts.punch
	if err := h.begin(cfg); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

func (h *Host) begin(cfg Config) error {
	if !h.public {
		if err := h.beginLinks(); err != nil {
			return err
		}
	}
	addrs, err := listenAddrs(cfg.Listen, cfg.Port)
	if err != nil {
		return err
	}
	if err := h.listen(addrs, len(cfg.Listen) > 0); err != nil {
		return err
	}
	if h.wide {
		if err := h.beginWide(); err != nil {
			return fmt.Errorf("p2p: %w", err)
		}
	}
	if cfg.MDNS {
		h.lan = mdns.NewMdnsService(h.host, serviceLAN, (*neighbours)(h))
		if err := h.lan.Start(); err != nil {
			// A machine without multicast still has everything else.
			h.log.Warn("neighbours cannot be looked for: no multicast here")
			h.lan = nil
		}
	}
	return nil
}

// beginLinks begins what a device has and a public host has not.
func (h *Host) beginLinks() error {
	h.work.Go(h.settle)
	h.host.SetStreamHandler(protoFrame, h.receiveFrames)
	h.host.SetStreamHandler(protoChunk, h.serveChunks)
	h.host.Network().Notify(&network.NotifyBundle{
		ConnectedF: h.connected,
		DisconnectedF: func(n network.Network, c network.Conn) {
			h.disconnected(n, c)
			h.relayGone(c.RemotePeer())
		},
	})
	identified, err := h.host.EventBus().Subscribe([]any{new(event.EvtPeerIdentificationCompleted), new(event.EvtPeerProtocolsUpdated)})
	if err != nil {
		return fmt.Errorf("p2p: %w", err)
	}
	h.work.Go(func() { h.learn(identified) })
	return nil
}

// beginWide begins what reaches beyond the local network.
func (h *Host) beginWide() (err error) {
	bus := h.host.EventBus()
	if h.emitCircuits, err = bus.Emitter(new(event.EvtAutoRelayAddrsUpdated), eventbus.Stateful); err != nil {
		return err
	}
	if err := h.startDHT(); err != nil {
		return err
	}
	if h.public {
		h.relay, err = h.serveCircuits()
		for _, info := range h.bootstrap {
			h.work.Go(func() { h.join(info) })
		}
		return err
	}
	found, err := bus.Subscribe(new(event.EvtHostReachableAddrsChanged))
	if err != nil {
		return err
	}
	tell, err := bus.Emitter(new(event.EvtLocalReachabilityChanged), eventbus.Stateful)
	if err != nil {
		return errors.Join(err, found.Close())
	}
	h.work.Go(func() { h.watchReach(found, tell) })
	h.keep(rankBootstrap, h.bootstrap, false)
	return nil
}

// join connects a public host to another until that has worked once; from then
// on the DHT finds its way.
func (h *Host) join(info peer.AddrInfo) {
	for wait := reserveFirst; h.ctx.Err() == nil; wait = min(2*wait, reserveMost) {
		ctx, cancel := context.WithTimeout(h.ctx, openTimeout)
		h.clearBackoff(info.ID)
		err := h.host.Connect(ctx, info)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-time.After(wait):
		case <-h.ctx.Done():
		}
	}
}

func (h *Host) clearBackoff(id peer.ID) { h.parts.swarm.Backoff().Clear(id) }

// listen listens on every address; asked ones must all work, of the others one
// is enough (a machine may lack IPv6).
func (h *Host) listen(addrs []multiaddr.Multiaddr, all bool) error {
	var failed []error
	for _, a := range addrs {
		if err := h.host.Network().Listen(a); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", a, err))
		}
	}
	if len(failed) == len(addrs) || all && len(failed) > 0 {
		return errors.Join(failed...)
	}
	for _, a := range h.host.Network().ListenAddresses() {
		if text, err := a.ValueForProtocol(multiaddr.P_TCP); err == nil {
			h.port, _ = strconv.Atoi(text) // libp2p's own text
			break
		}
	}
	return nil
}

// Close ends every link and goroutine of the host. Further calls give the
// first one's error.
func (h *Host) Close() error {
	h.closing.Do(func() { h.closeErr = h.shut() })
	return h.closeErr
}

func (h *Host) shut() error {
	h.cancel()
	var errs []error
	if h.lan != nil {
		errs = append(errs, h.lan.Close())
	}
	if h.relay != nil {
		errs = append(errs, h.relay.Close())
	}
	if h.dht != nil {
		errs = append(errs, h.dht.Close())
	}
	if h.emitCircuits != nil {
		defer h.emitCircuits.Close()
	}
	errs = append(errs, h.parts.close())
	h.work.Wait()
	return errors.Join(errs...)
}

// Self returns this device's peer ID.
func (h *Host) Self() wire.PeerID { return h.self }

// Port returns the TCP port listened on, zero when there is none.
func (h *Host) Port() int { return h.port }

// Addrs returns where this device can be reached now, as multiaddrs without a
// peer, loopback last, at most [wire.MaxAddrs].
func (h *Host) Addrs() []string {
	addrs, err := h.host.Network().InterfaceListenAddresses()
	if err != nil {
		addrs = h.host.Network().ListenAddresses()
	}
	addrs = slices.DeleteFunc(append(addrs, h.host.Addrs()...), func(a multiaddr.Multiaddr) bool {
		return len(a) == 1 // the listener that waits behind relays calls itself /p2p-circuit
	})
	return textAddrs(addrs)
}

// Serve says who answers when peers fetch, and which peers are contacts. Until
// it is called everybody is a stranger and nothing is served.
func (h *Host) Serve(source wire.ChunkSource, known func(wire.PeerID) bool) {
	h.source.Store(&source)
	h.known.Store(&known)
}

func (h *Host) isKnown(p wire.PeerID) bool {
	known := h.known.Load()
	return known != nil && (*known)(p)
}

// Dial connects to exactly this peer: whoever answers must prove its key. It
// returns nil when a link is up already. Of the ways that are known direct ones
// are tried first, those through relays soon after. Hints that are no addresses
// are passed over. The error is the network's or the peer's.
func (h *Host) Dial(ctx context.Context, to wire.PeerID, hints []string) error {
	id, err := peerID(to)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.dialled[id]++
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.dialled[id]--; h.dialled[id] == 0 {
			delete(h.dialled, id)
		}
	}()
	if h.adopt(id) {
		return nil
	}
	h.clearBackoff(id) // our callers wait between attempts themselves
	addrs := parseAddrs(hints)
	if !h.wide {
		h.host.Peerstore().AddAddrs(id, addrs, peerstore.TempAddrTTL)
		_, err = h.host.Network().DialPeer(network.WithForceDirectDial(ctx, "kith"), id)
		return err
	}
	if h.isKnown(to) {
		h.learned(addrs)
	}
	addrs = append(addrs, h.through(id)...)
	h.host.Peerstore().AddAddrs(id, addrs, peerstore.TempAddrTTL)
	if slices.ContainsFunc(addrs, circuit) {
		h.awaitPunch(ctx)
	}
	_, err = h.host.Network().DialPeer(ctx, id)
	return err
}

// Hangup ends every connection with a peer, which may come again.
func (h *Host) Hangup(p wire.PeerID) {
	if id, err := peerID(p); err == nil {
		// A connection that does not close in order is closed all the same.
		_ = h.host.Network().ClosePeer(id)
	}
}

// adopt makes a link of connections that there are already, made for the DHT
// or before anybody wanted one. It reports whether there is a link.
func (h *Host) adopt(id peer.ID) bool {
	if h.link(id) != nil {
		return true
	}
	conns := h.host.Network().ConnsToPeer(id)
	for _, c := range conns {
		h.attach(c, true)
	}
	if len(conns) == 0 {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spawn(func() { h.reintroduced(conns[0]) })
	return true
}

// reintroduced takes what a peer said of itself before it was of interest.
func (h *Host) reintroduced(c network.Conn) {
	select {
	case <-h.host.IDService().IdentifyWait(c):
	case <-h.ctx.Done():
		return
	}
	id := c.RemotePeer()
	protocols, err := h.host.Peerstore().GetProtocols(id)
	if err == nil {
		h.introduced(id, protocols, h.host.Peerstore().Addrs(id))
	}
}

// Recv waits for the next event. It returns ctx's error, or an error once the
// host is closed.
func (h *Host) Recv(ctx context.Context) (wire.LinkEvent, error) {
	select {
	case e := <-h.events:
		if e.stranger {
			<-h.strangers
		}
		return e.LinkEvent, nil
	case <-ctx.Done():
		return wire.LinkEvent{}, ctx.Err()
	case <-h.ctx.Done():
		return wire.LinkEvent{}, errClosed
	}
}

var errClosed = errors.New("p2p: closed")

// post queues an event and waits for room.
func (h *Host) post(e wire.LinkEvent) {
	select {
	case h.events <- queued{LinkEvent: e}:
	case <-h.ctx.Done():
	}
}

// peerID gives libp2p's name for a device.
func peerID(p wire.PeerID) (peer.ID, error) {
	key, err := crypto.UnmarshalEd25519PublicKey(p[:])
	if err != nil {
		return "", fmt.Errorf("p2p: %w", err)
	}
	return peer.IDFromPublicKey(key)
}

// wireID gives the device behind libp2p's name; ok is false for keys that are
// not Ed25519, which no kith has.
func wireID(id peer.ID) (p wire.PeerID, ok bool) {
	key, err := id.ExtractPublicKey()
	if err != nil || key.Type() != crypto.Ed25519 {
		return p, false
	}
	raw, err := key.Raw()
	if err != nil || len(raw) != len(p) {
		return p, false
	}
	return wire.PeerID(raw), true
}

// learn tells the node where connected peers listen.
func (h *Host) learn(identified event.Subscription) {
	defer identified.Close()
	for {
		select {
		case <-h.ctx.Done():
			return
		case e, ok := <-identified.Out():
			if !ok {
				return
			}
			done, ok := e.(event.EvtPeerIdentificationCompleted)
			if !ok {
				h.relearn(e.(event.EvtPeerProtocolsUpdated))
				continue
			}
			h.introduced(done.Peer, done.Protocols, done.ListenAddrs)
		}
	}
}

// introduced takes what a connected peer said of itself, if it is a contact.
func (h *Host) introduced(id peer.ID, protocols []protocol.ID, listens []multiaddr.Multiaddr) {
	p, ok := wireID(id)
	l := h.link(id)
	if !ok || l == nil || !h.isKnown(p) || len(listens) == 0 {
		return
	}
	h.offered(id, protocols, listens)
	tell := func() {
		select {
		case <-l.up: // first
			h.post(wire.LinkEvent{Kind: wire.LinkAddrs, Peer: p, Addrs: textAddrs(listens)})
		case <-l.ctx.Done():
		}
	}
	h.mu.Lock()
	waits := l.hope != nil && !l.known // for a direct connection
	if waits {
		h.spawn(tell) // so that nobody else's introduction waits as well
	}
	h.mu.Unlock()
	if !waits {
		tell()
	}
}

// relearn takes note of a contact that relays from now on.
func (h *Host) relearn(e event.EvtPeerProtocolsUpdated) {
	if p, ok := wireID(e.Peer); ok && h.isKnown(p) {
		h.offered(e.Peer, e.Added, h.host.Peerstore().Addrs(e.Peer))
	}
}

// neighbours tells the node who was seen on the local network.
type neighbours Host

// HandlePeerFound implements mdns.Notifee.
func (n *neighbours) HandlePeerFound(info peer.AddrInfo) {
	h := (*Host)(n)
	if p, ok := wireID(info.ID); ok && h.isKnown(p) {
		h.post(wire.LinkEvent{Kind: wire.LinkFound, Peer: p, Addrs: textAddrs(info.Addrs)})
	}
}

// gate keeps the number of strangers down.
type gate struct{ h *Host }

// InterceptPeerDial implements connmgr.ConnectionGater: the node dials nobody
// it does not want.
func (g gate) InterceptPeerDial(peer.ID) bool { return true }

// InterceptAddrDial implements connmgr.ConnectionGater.
func (g gate) InterceptAddrDial(peer.ID, multiaddr.Multiaddr) bool { return true }

// InterceptAccept implements connmgr.ConnectionGater.
func (g gate) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured implements connmgr.ConnectionGater: a peer that is no
// contact may connect while there is room for strangers.
func (g gate) InterceptSecured(d network.Direction, id peer.ID, _ network.ConnMultiaddrs) bool {
	p, ok := wireID(id)
	if !ok {
		return false
	}
	most := MaxStrangers
	if g.h.public {
		most = MaxGuests
	}
	return d == network.DirOutbound || g.h.isKnown(p) || g.h.strangerCount() < most
}

// InterceptUpgraded implements connmgr.ConnectionGater.
func (g gate) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }

// strangerCount counts peers that came by themselves and are no contacts.
func (h *Host) strangerCount() int {
	strangers := map[peer.ID]bool{}
	for _, c := range h.host.Network().Conns() {
		if c.Stat().Direction != network.DirInbound {
			continue
		}
		if p, ok := wireID(c.RemotePeer()); ok && !h.isKnown(p) {
			strangers[c.RemotePeer()] = true
		}
	}
	return len(strangers)
}
