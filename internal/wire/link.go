package wire

import (
	"context"
	"errors"
)

// LinkKind says what happened on the network.
type LinkKind uint8

const (
	// LinkFrame: a frame arrived; LinkEvent.Frame holds it.
	LinkFrame LinkKind = 1
	// LinkUp: the first connection with a peer came up.
	LinkUp LinkKind = 2
	// LinkDown: the last connection with a peer went.
	LinkDown LinkKind = 3
	// LinkFound: a peer was seen nearby, or left word of where it is;
	// LinkEvent.Addrs says where.
	LinkFound LinkKind = 4
	// LinkAddrs: a connected peer told where it listens, in LinkEvent.Addrs.
	LinkAddrs LinkKind = 5
	// LinkDirect: a link that went through a relay does so no more.
	LinkDirect LinkKind = 6
)

// LinkEvent is something that happened between this device and a peer. Peer is
// authenticated but for LinkFound, which anybody nearby can claim.
type LinkEvent struct {
	Kind  LinkKind
	Peer  PeerID
	Frame []byte
	Addrs []string
	// Relayed says of LinkUp that the link goes through a relay: it carries
	// frames and no chunks.
	Relayed bool
}

// RelayHint is a relay as it is told of: its key, and host:port of it.
type RelayHint struct {
	Peer  PeerID
	Addrs []string
}

// ErrAbsent reports that the peer asked does not have, or does not give, a
// chunk.
var ErrAbsent = errors.New("wire: no such chunk here")

// ChunkSource gives chunks to peers: the chunk's ciphertext, which may use
// buf, and its proof of inclusion. It returns [ErrAbsent] for what it does not
// have or does not give to that peer. It must be safe for concurrent use.
type ChunkSource func(ctx context.Context, peer PeerID, ref ChunkRef, buf []byte) (chunk []byte, proof [][32]byte, err error)
