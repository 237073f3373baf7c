package p2p

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"kith/internal/wire"
)

// Reach says how this host is reached, as far as it knows now.
type Reach struct {
	Wide      bool        // it looks beyond the local network at all
	LAN       bool        // it is told of neighbours
	Beyond    bool        // there is a connection beyond the local network
	UDP       bool        // and one over QUIC
	Reachable []string    // own addresses that others have reached unasked
	Seen      []string    // what others see of its UDP port
	Observers int         // how many have told it
	Mapped    []string    // ports the router gave
	Punch     bool        // holes can be punched as far as this side knows
	Relays    []RelayLink // own, told at start, and contacts'
	Nodes     int         // of the DHT that are known
	Direct    int         // contacts linked to directly
	Relayed   int         // and through a relay
}

// RelayLink is a relay that the host stays connected to.
type RelayLink struct {
	Peer                wire.PeerID
	Connected, Reserved bool
	// Skew is how far its clock is ahead of this machine's, when Timed.
	Timed bool
	Skew  time.Duration
}

// Mapping says what routers make of a UDP port, which decides whether holes can
// be punched.
type Mapping string

// Kinds of mapping, RFC 4787 section 4.1.
const (
	MappingNone    Mapping = "none"        // no translation: a public address
	MappingSame    Mapping = "independent" // one port for all destinations: holes can be punched
	MappingVaries  Mapping = "dependent"   // a port for each destination: they cannot, unless the other side is open
	MappingUnknown Mapping = "unknown"     // fewer than two others have told
)

// Mapping judges by what others see.
func (r Reach) Mapping() Mapping {
	switch {
	case len(r.Reachable) > 0:
		return MappingNone
	case r.Observers >= 2 && len(r.Seen) >= 2:
		return MappingVaries
	case r.Observers >= 2:
		return MappingSame
	}
	return MappingUnknown
}

// Reach tells how the host is reached now.
func (h *Host) Reach() Reach {
	r := Reach{Wide: h.wide, LAN: h.lan != nil}
	h.mu.Lock()
	for _, l := range h.links {
		switch {
		case !h.isKnown(l.peer):
		case l.direct > 0:
			r.Direct++
		default:
			r.Relayed++
		}
	}
	h.mu.Unlock()
	observers := map[string]bool{}
	for _, c := range h.host.Network().Conns() {
		a := c.RemoteMultiaddr()
		if circuit(a) || !manet.IsPublicAddr(a) {
			continue
		}
		r.Beyond = true
		if _, err := a.ValueForProtocol(multiaddr.P_QUIC_V1); err != nil {
			continue
		}
		r.UDP = true
		if ip, err := manet.ToIP(a); err == nil {
			observers[ip.String()] = true
		}
	}
	if !h.wide {
		return r
	}
	r.Observers = len(observers)
	if a := h.reachable.Load(); a != nil {
		r.Reachable = textAddrs(*a)
	}
	seen := slices.DeleteFunc(h.parts.observed.Addrs(1), func(a multiaddr.Multiaddr) bool {
		_, err := a.ValueForProtocol(multiaddr.P_UDP)
		return err != nil || !manet.IsPublicAddr(a)
	})
	r.Seen = textAddrs(multiaddr.Unique(seen))
	if h.parts.mapper != nil {
		for _, a := range h.host.Network().ListenAddresses() {
			if m := h.parts.mapper.GetMapping(a); m != nil {
				r.Mapped = append(r.Mapped, m.String())
			}
		}
	}
	r.Punch = h.canPunch()
	r.Nodes = h.dht.RoutingTable().Size()
	h.relayMu.Lock()
	defer h.relayMu.Unlock()
	for id, k := range h.relays {
		p, _ := wireID(id)
		r.Relays = append(r.Relays, RelayLink{Peer: p, Connected: h.host.Network().Connectedness(id) == network.Connected, Reserved: len(k.reserved) > 0,
			Timed: k.timed, Skew: k.skew})
	}
	slices.SortFunc(r.Relays, func(a, b RelayLink) int { return slices.Compare(a.Peer[:], b.Peer[:]) })
	return r
}
