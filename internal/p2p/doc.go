// Package p2p is all of libp2p, behind what package node calls a Network:
// links between devices, each authenticated to the device's own Ed25519 key,
// frames in order, chunks on request, neighbours by mDNS.
//
// Make a [Host] with [New]; it listens at once. Nobody is connected to by
// itself: the node asks for every [Host.Dial] and learns of links from
// [Host.Recv]. Transports are TCP and QUIC, both TLS 1.3 with the post-quantum
// key exchange X25519MLKEM768; Noise is not offered. There is no relay, hole
// punching or DHT yet.
//
// It promises that frames of one peer arrive in order while its link stays up,
// and that no frame arrives before [wire.LinkUp] or after [wire.LinkDown]. It
// does not promise that a frame that was sent arrives; acknowledgements are the
// node's. A stranger can connect and send a little; strangers' excess is
// dropped before it can delay a contact's frames. Formats, limits and rules:
// docs/spec/transport.md. All methods are safe for concurrent use.
package p2p
