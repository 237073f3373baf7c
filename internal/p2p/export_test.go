package p2p

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/network"

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
