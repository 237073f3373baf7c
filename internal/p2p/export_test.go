package p2p

import (
	"context"
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peerstore"

	"kith/internal/wire"
)

// RawStream opens a stream that a test misuses.
func (h *Host) RawStream(t testing.TB, to wire.PeerID, proto string) network.Stream {
	t.Helper()
	id, err := peerID(to)
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.open(t.Context(), id, proto)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// RawHandler answers a protocol as no kith would.
func (h *Host) RawHandler(proto string, on func(network.Stream)) {
	h.host.SetStreamHandler(protocolID(proto), on)
}

// Streams counts the streams open with a peer.
func (h *Host) Streams(p wire.PeerID) (n int) {
	id, err := peerID(p)
	if err != nil {
		return -1
	}
	for _, c := range h.host.Network().ConnsToPeer(id) {
		for _, s := range c.GetStreams() {
			if s.Protocol() == protoChunk {
				n++
			}
		}
	}
	return n
}

// DialBeside makes a direct connection whatever there is already, as a hole that
// was punched does.
func (h *Host) DialBeside(ctx context.Context, to wire.PeerID, hints []string) error {
	id, err := peerID(to)
	if err != nil {
		return err
	}
	h.host.Peerstore().AddAddrs(id, parseAddrs(hints), peerstore.TempAddrTTL)
	_, err = h.host.Network().DialPeer(network.WithForceDirectDial(ctx, "test"), id)
	return err
}

// Key returns the host's private key.
func (h *Host) Key() ed25519.PrivateKey {
	raw, err := h.host.Peerstore().PrivKey(h.host.ID()).Raw()
	if err != nil {
		panic(err)
	}
	return raw
}

// NewShelf is where records are kept for others.
var NewShelf = newShelf

// MaxKept is how large a kept record may be.
const MaxKept = maxKept

// RelayMultiaddrs are where a relay is looked for.
func RelayMultiaddrs(hostports ...string) []string { return textAddrs(relayMultiaddrs(hostports)) }

// Rank says after what delay each address is tried.
func Rank(addrs ...string) map[string]time.Duration {
	delays := map[string]time.Duration{}
	for _, d := range rank(parseAddrs(addrs)) {
		delays[d.Addr.String()] = d.Delay
	}
	return delays
}

// Relays reports for whom a host that is not public would relay.
func (h *Host) Relays(p wire.PeerID) (reserve, connectTo bool) {
	id, err := peerID(p)
	if err != nil {
		panic(err)
	}
	return contactsOnly{h}.AllowReserve(id, nil), contactsOnly{h}.AllowConnect("", nil, id)
}
