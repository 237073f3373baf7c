package p2p

import (
	"context"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// punchable are the addresses a peer behind another router aims at: this
// device's public ones, and what one peer at least has seen of it. That nobody
// can reach them unasked is why holes are punched.
func (p *parts) punchable() []multiaddr.Multiaddr {
	addrs := append(p.host.AllAddrs(), p.observed.Addrs(1)...)
	return slices.DeleteFunc(multiaddr.Unique(addrs), func(a multiaddr.Multiaddr) bool { return !manet.IsPublicAddr(a) })
}

// impatient is a host for punching holes. Before it punches, libp2p dials what
// it knows of the peer, with the time it has for a punch; mostly that is a
// router which drops everything.
type impatient struct{ host.Host }

// Connect implements host.Host.
func (h impatient) Connect(ctx context.Context, info peer.AddrInfo) error {
	if punching, _, _ := network.GetSimultaneousConnect(ctx); !punching {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, reverseTimeout)
		defer cancel()
	}
	return h.Host.Connect(ctx, info)
}

// canPunch reports whether the other side of a relayed connection can ask this
// one to punch a hole. libp2p offers that once somebody has told it a public
// address, and asks for it once for each connection.
func (h *Host) canPunch() bool {
	return slices.Contains(h.host.Mux().Protocols(), holepunch.Protocol)
}

// awaitPunch waits a little until a hole can be punched: for so long after the
// first relay could have told this device its address, and not for relays that
// are on its own network and cannot.
func (h *Host) awaitPunch(ctx context.Context) {
	tick := time.NewTicker(settleTick)
	defer tick.Stop()
	for !h.canPunch() && h.relayed() && time.Since(h.relayedSince()) < settleTimeout {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// straighten tries now and then to turn a link that goes through a relay into
// a direct one, for as long as it does. Only the side that was dialled can ask;
// libp2p itself has tried when the connection came.
func (h *Host) straighten(id peer.ID, l *link) {
	wait := time.NewTimer(punchFirst)
	defer wait.Stop()
	for pause := punchFirst; ; pause = min(2*pause, punchMost) {
		wait.Reset(pause)
		select {
		case <-wait.C:
		case <-l.ctx.Done():
			return
		}
		if h.isDirect(id) {
			return
		}
		if h.isKnown(l.peer) && h.canPunch() {
			if err := h.punch.DirectConnect(id); err != nil {
				h.log.Debug("no direct connection yet")
			}
		}
	}
}

// upgraded moves what this side sends to a direct connection that has come
// beside a relayed one, and lets go of the relay a little later.
func (h *Host) upgraded(id peer.ID, l *link) {
	l.sending.Lock()
	if l.out != nil && circuit(l.out.Conn().RemoteMultiaddr()) {
		// The peer reads what is under way to its end and closes; then
		// nothing overtakes it on the other way.
		l.out.CloseWrite()
		if l.out.SetReadDeadline(time.Now().Add(handoverTimeout)) == nil {
			l.out.Read(make([]byte, 1))
		}
		l.out.Reset()
		l.out = nil
	}
	l.sending.Unlock()
	select {
	case <-time.After(relayLinger):
	case <-l.ctx.Done():
		return
	}
	if !h.isDirect(id) {
		return
	}
	for _, c := range h.host.Network().ConnsToPeer(id) {
		if circuit(c.RemoteMultiaddr()) {
			c.Close()
		}
	}
}

// circuit reports whether an address leads through a relay.
func circuit(a multiaddr.Multiaddr) bool {
	_, err := a.ValueForProtocol(multiaddr.P_CIRCUIT)
	return err == nil
}

// isDirect reports whether a link needs no relay.
func (h *Host) isDirect(id peer.ID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.links[id]
	return l != nil && l.direct > 0
}
