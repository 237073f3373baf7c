package p2p

import (
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// serveCircuits lets others meet through this host. Circuits are sealed from
// end to end; this host learns who, when and how much.
func (h *Host) serveCircuits() (*relay.Relay, error) {
	limits := relay.Resources{
		Limit:          &relay.RelayLimit{Duration: friendTime, Data: friendCircuit},
		ReservationTTL: reserveTTL, MaxReservations: friendReserved, MaxCircuits: circuitsEach, BufferSize: 4 << 10,
		MaxReservationsPerIP: friendReserved, MaxReservationsPerASN: friendReserved,
	}
	var acl relay.ACLFilter = contactsOnly{h}
	if h.public {
		limits.Limit = &relay.RelayLimit{Duration: guestTime, Data: guestCircuit}
		limits.MaxReservations, limits.MaxReservationsPerIP, limits.MaxReservationsPerASN = guestReserved, guestPerIP, guestPerASN
		acl = everybody{}
	}
	return relay.New(h.host, relay.WithResources(limits), relay.WithACL(acl),
		relay.WithReservationAddressFilter(func(multiaddr.Multiaddr) bool { return false })) // whoever asks knows where we are
}

// contactsOnly relays for contacts alone: they reserve, and anybody they can be
// reached by may come. TR-24.
type contactsOnly struct{ h *Host }

// AllowReserve implements relay.ACLFilter.
func (c contactsOnly) AllowReserve(p peer.ID, _ multiaddr.Multiaddr) bool {
	id, ok := wireID(p)
	return ok && c.h.isKnown(id)
}

// AllowConnect implements relay.ACLFilter.
func (c contactsOnly) AllowConnect(_ peer.ID, _ multiaddr.Multiaddr, dest peer.ID) bool {
	id, ok := wireID(dest)
	return ok && c.h.isKnown(id)
}

type everybody struct{}

// AllowReserve implements relay.ACLFilter.
func (everybody) AllowReserve(peer.ID, multiaddr.Multiaddr) bool { return true }

// AllowConnect implements relay.ACLFilter.
func (everybody) AllowConnect(peer.ID, multiaddr.Multiaddr, peer.ID) bool { return true }

// watchReach follows what others say of this device's addresses: when one can
// be reached, it relays for contacts and answers in the DHT.
func (h *Host) watchReach(found event.Subscription, tell event.Emitter) {
	defer found.Close()
	defer tell.Close()
	var service *relay.Relay
	defer func() {
		if service != nil {
			service.Close()
		}
	}()
	for {
		var reachable []multiaddr.Multiaddr
		select {
		case <-h.ctx.Done():
			return
		case e, ok := <-found.Out():
			if !ok {
				return
			}
			for _, a := range e.(event.EvtHostReachableAddrsChanged).Reachable {
				if manet.IsPublicAddr(a) {
					reachable = append(reachable, a)
				}
			}
		}
		h.reachable.Store(&reachable)
		is := network.ReachabilityPrivate
		if len(reachable) > 0 {
			is = network.ReachabilityPublic
		}
		if err := tell.Emit(event.EvtLocalReachabilityChanged{Reachability: is}); err != nil {
			return
		}
		switch {
		case len(reachable) > 0 && service == nil:
			var err error
			if service, err = h.serveCircuits(); err != nil {
				h.log.Warn("contacts cannot be relayed for")
			}
		case len(reachable) == 0 && service != nil:
			service.Close()
			service = nil
		}
	}
}

// isReachable reports whether others have reached this device unasked.
func (h *Host) isReachable() bool {
	a := h.reachable.Load()
	return a != nil && len(*a) > 0
}
