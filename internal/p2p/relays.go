package p2p

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"kith/internal/wire"
)

// Ranks of relays: of more than there is room for the lowest are kept.
const (
	rankOwn       = iota // the person's choice
	rankBootstrap        // told at start
	rankContact          // a contact's device that others can reach
)

// kept is a relay that this host stays connected to.
type kept struct {
	info     peer.AddrInfo
	rank     int
	cancel   context.CancelFunc
	gone     chan struct{} // one token when the connection went
	reserved []multiaddr.Multiaddr
	failing  bool
	timed    bool          // it has told the time
	skew     time.Duration // its clock is so far ahead of ours
}

// UseRelays says which relays this host stays connected to, so that others
// reach it through them: those of its person, in place of those said before.
// A relay that cannot be reached is tried again later. Hints that are no
// addresses are passed over. Without Config.Wide nothing happens.
func (h *Host) UseRelays(relays []wire.RelayHint) {
	var infos []peer.AddrInfo
	for _, r := range relays {
		id, err := peerID(r.Peer)
		if err != nil || id == h.host.ID() {
			continue
		}
		if addrs := relayMultiaddrs(r.Addrs); len(addrs) > 0 {
			infos = append(infos, peer.AddrInfo{ID: id, Addrs: addrs})
		}
	}
	h.keep(rankOwn, infos, true)
}

// Through gives the addresses by which a peer is reached that has a place at one
// of these relays: hints for [Host.Dial].
func (h *Host) Through(relays []wire.RelayHint) (hints []string) {
	for _, r := range relays {
		if id, err := peerID(r.Peer); err == nil && h.wide {
			for _, a := range relayMultiaddrs(r.Addrs) {
				hints = append(hints, circuitAt(a, id).String())
			}
		}
	}
	return hints[:min(len(hints), wire.MaxAddrs)]
}

// Bootstraps are the addresses of a public host that is told of like this, as
// others may give them to Config.Bootstrap.
func Bootstraps(r wire.RelayHint) (all []string) {
	id, err := peerID(r.Peer)
	if err != nil {
		return nil
	}
	for _, a := range relayMultiaddrs(r.Addrs) {
		all = append(all, a.String()+"/p2p/"+id.String())
	}
	return all
}

// relayMultiaddrs are where a relay with these host:port is reached by libp2p:
// QUIC on the same UDP port, TCP on the port after it. TR-25.
func relayMultiaddrs(hostports []string) []multiaddr.Multiaddr {
	var texts []string
	for _, hp := range hostports[:min(len(hostports), wire.MaxAddrs)] {
		name, port, err := net.SplitHostPort(hp)
		n, bad := strconv.ParseUint(port, 10, 16)
		if err != nil || bad != nil || n == 0 {
			continue
		}
		prefix := "/dns/" + name
		if ip := net.ParseIP(name); ip != nil {
			prefix = "/ip6/" + name
			if ip.To4() != nil {
				prefix = "/ip4/" + name
			}
		}
		texts = append(texts, prefix+"/udp/"+port+"/quic-v1")
		if n < 65535 {
			texts = append(texts, prefix+"/tcp/"+strconv.FormatUint(n+1, 10))
		}
	}
	return parseAddrs(texts)
}

// keep begins to keep relays of one rank; with instead those of this rank that
// are not among them are let go. Own ones push out others when there is no room.
func (h *Host) keep(rank int, infos []peer.AddrInfo, instead bool) {
	if !h.wide || h.public {
		return
	}
	h.relayMu.Lock()
	defer h.relayMu.Unlock()
	if instead {
		for id, k := range h.relays {
			if k.rank == rank && !slices.ContainsFunc(infos, func(i peer.AddrInfo) bool { return i.ID == id }) {
				h.letGo(id, k)
			}
		}
	}
	for _, info := range infos {
		if k := h.relays[info.ID]; k != nil {
			k.rank = min(k.rank, rank)
			continue
		}
		if len(h.relays) >= MaxRelays && !h.makeRoom(rank) {
			continue
		}
		ctx, cancel := context.WithCancel(h.ctx)
		k := &kept{info: info, rank: rank, cancel: cancel, gone: make(chan struct{}, 1)}
		h.relays[info.ID] = k
		h.spawn(func() { h.tend(ctx, k) })
	}
}

// makeRoom lets go of a relay of a higher rank, one that fails before others.
// The caller holds relayMu.
func (h *Host) makeRoom(rank int) bool {
	var out peer.ID
	for id, k := range h.relays {
		if k.rank > rank && (out == "" || k.failing) {
			out = id
		}
	}
	if out == "" {
		return false
	}
	h.letGo(out, h.relays[out])
	return true
}

// letGo ends the keeping of a relay; the caller holds relayMu.
func (h *Host) letGo(id peer.ID, k *kept) {
	k.cancel()
	delete(h.relays, id)
	h.host.ConnManager().Unprotect(id, tagRelay)
}

// tend keeps the connection to one relay, and a place there.
func (h *Host) tend(ctx context.Context, k *kept) {
	wait := reserveFirst
	for ctx.Err() == nil {
		next, err := h.reserve(ctx, k)
		h.relayMu.Lock()
		k.failing = err != nil
		forget := err != nil && k.rank == rankContact && h.relays[k.info.ID] == k
		if forget {
			h.letGo(k.info.ID, k)
		}
		h.relayMu.Unlock()
		if err != nil {
			h.log.Debug("a relay cannot be used now")
			next, wait = wait, min(2*wait, reserveMost)
		} else {
			wait = reserveFirst
		}
		h.tellCircuits()
		timer := time.NewTimer(next)
		select {
		case <-timer.C:
		case <-k.gone:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
		}
	}
	h.tellCircuits()
}

var errNoCircuit = errors.New("p2p: the relay gives no place")

// reserve connects to a relay and, while few places are reserved, reserves one
// there. It says after which time to come again.
func (h *Host) reserve(ctx context.Context, k *kept) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	h.relayMu.Lock()
	k.reserved = nil
	h.relayMu.Unlock()
	h.clearBackoff(k.info.ID)
	if err := h.host.Connect(ctx, k.info); err != nil {
		return 0, err
	}
	h.relayMu.Lock()
	if h.firstRelay.IsZero() {
		h.firstRelay = time.Now()
	}
	h.relayMu.Unlock()
	h.host.ConnManager().Protect(k.info.ID, tagRelay)
	if !h.wantsPlace(k) {
		return probeEvery, nil
	}
	for _, c := range h.host.Network().ConnsToPeer(k.info.ID) {
		select {
		case <-h.host.IDService().IdentifyWait(c): // it may have been connected for the DHT just now
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	has, err := h.host.Peerstore().SupportsProtocols(k.info.ID, proto.ProtoIDv2Hop)
	if err != nil || len(has) == 0 {
		return probeEvery, nil // good for knowing one's address, and for the DHT
	}
	// Whoever asks has the addresses it came by; those the relay tells of are
	// as good as the relay.
	r, err := client.Reserve(ctx, h.host, peer.AddrInfo{ID: k.info.ID})
	if err != nil {
		if e, ok := errors.AsType[client.ReservationError](err); ok && strings.HasPrefix(e.Reason, "received reservation with expiration date in the past") {
			h.relayMu.Lock()
			k.timed, k.skew = true, -reserveTTL
			h.relayMu.Unlock()
		}
		return 0, errNoCircuit
	}
	var at []multiaddr.Multiaddr
	for _, a := range k.info.Addrs {
		at = append(at, circuitAt(a, k.info.ID))
	}
	h.relayMu.Lock()
	k.reserved = at
	k.timed, k.skew = true, time.Until(r.Expiration)-reserveTTL
	h.relayMu.Unlock()
	return max(time.Until(r.Expiration)-reserveEarly, probeEvery), nil
}

// wantsPlace reports whether a place at this relay is of use: others cannot
// reach this device directly, and few places are reserved.
func (h *Host) wantsPlace(k *kept) bool {
	if h.isReachable() {
		return false
	}
	h.relayMu.Lock()
	defer h.relayMu.Unlock()
	n := 0
	for _, other := range h.relays {
		if other != k && len(other.reserved) > 0 && other.rank <= k.rank {
			n++
		}
	}
	return n < MaxReserved
}

// circuitAt is the address behind a relay that has address a.
func circuitAt(a multiaddr.Multiaddr, relay peer.ID) multiaddr.Multiaddr {
	c, err := multiaddr.NewMultiaddr("/p2p/" + relay.String() + "/p2p-circuit")
	if err != nil {
		return a // never: a peer ID is text
	}
	return a.Encapsulate(c)
}

// circuits are the addresses by which this device is reached through relays.
func (h *Host) circuits() (all []multiaddr.Multiaddr) {
	h.relayMu.Lock()
	defer h.relayMu.Unlock()
	for _, k := range h.relays {
		all = append(all, k.reserved...)
	}
	slices.SortFunc(all, multiaddr.Multiaddr.Compare)
	return all
}

// tellCircuits makes libp2p tell connected peers of the circuits.
func (h *Host) tellCircuits() {
	if h.ctx.Err() != nil {
		return
	}
	now := h.circuits()
	h.relayMu.Lock()
	same := slices.EqualFunc(now, h.toldOf, multiaddr.Multiaddr.Equal)
	h.toldOf = now
	h.relayMu.Unlock()
	if same {
		return
	}
	if err := h.emitCircuits.Emit(event.EvtAutoRelayAddrsUpdated{RelayAddrs: now}); err != nil {
		h.log.Debug("addresses through relays could not be told")
	}
}

// relayGone notes that a connection to a relay went.
func (h *Host) relayGone(id peer.ID) {
	h.relayMu.Lock()
	defer h.relayMu.Unlock()
	if k := h.relays[id]; k != nil && h.host.Network().Connectedness(id) != network.Connected {
		select {
		case k.gone <- struct{}{}:
		default:
		}
	}
}

// relayed reports whether a relay is connected, which tells this device how it
// is seen.
func (h *Host) relayed() bool {
	h.relayMu.Lock()
	defer h.relayMu.Unlock()
	for id := range h.relays {
		if h.host.Network().Connectedness(id) == network.Connected {
			return true
		}
	}
	return false
}

// relayedSince is when the first relay was connected.
func (h *Host) relayedSince() time.Time {
	h.relayMu.Lock()
	defer h.relayMu.Unlock()
	return h.firstRelay
}

// through are the addresses by which a peer may be reached through the relays
// that this device is connected to: contacts often share one.
func (h *Host) through(id peer.ID) (addrs []multiaddr.Multiaddr) {
	h.relayMu.Lock()
	defer h.relayMu.Unlock()
	for relay, k := range h.relays {
		if relay != id && h.host.Network().Connectedness(relay) == network.Connected {
			addrs = append(addrs, circuitAt(k.info.Addrs[0], relay))
		}
	}
	return addrs
}

// offered takes a contact's device that relays, and that others can reach.
func (h *Host) offered(id peer.ID, protocols []string, listens []multiaddr.Multiaddr) {
	if !slices.Contains(protocols, string(proto.ProtoIDv2Hop)) {
		return
	}
	public := slices.DeleteFunc(slices.Clone(listens), func(a multiaddr.Multiaddr) bool { return circuit(a) || !manet.IsPublicAddr(a) })
	if len(public) > 0 {
		h.keep(rankContact, []peer.AddrInfo{{ID: id, Addrs: public[:min(len(public), wire.MaxAddrs)]}}, false)
	}
}
