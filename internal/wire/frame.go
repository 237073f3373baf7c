package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"kith/identity"
)

// PeerID is the raw Ed25519 public key, 32 bytes, which the transport
// authenticated at the other end of a link. A device's key is its peer ID.
type PeerID [32]byte

// PeerOf returns the peer ID under which device d is met on a link.
func PeerOf(d identity.DeviceID) PeerID { return PeerID(d) }

// Device returns the device whose key the transport authenticated.
func (p PeerID) Device() identity.DeviceID { return identity.DeviceID(p) }

// EnvelopeID names an envelope by its bytes: SHA-256 of the whole envelope.
// Both ends compute it, so it does not travel with the envelope.
type EnvelopeID [32]byte

// String returns the first eight bytes in hex, enough for a log line.
func (id EnvelopeID) String() string { return hex.EncodeToString(id[:8]) }

// IDOf returns the id of an encoded envelope.
func IDOf(envelope []byte) EnvelopeID { return sha256.Sum256(envelope) }

// ChunkRef names one chunk of a blob: the blob's root and the chunk's index
// from zero.
type ChunkRef struct {
	Root  [32]byte
	Index uint64
}

// Outgoing is an envelope on its way to one device.
type Outgoing struct {
	To   identity.DeviceID
	ID   EnvelopeID
	Body []byte // the encoded envelope
	// Message is the message this envelope carries, zero if it carries none;
	// its acknowledgement makes that message delivered.
	Message [16]byte
	// Ephemeral envelopes answer a stranger: they are sent once on the link
	// that asked, never stored and never repeated, so a stranger cannot fill
	// the outbox.
	Ephemeral bool
}

// ErrMalformed reports bytes that no correct peer sends: the peer's fault.
// It carries no detail on purpose; what was wrong helps only an attacker.
var ErrMalformed = errors.New("wire: malformed")

// FrameKind tells what a frame carries.
type FrameKind byte

// The frame kinds of docs/spec/envelope.md section 2.
const (
	FrameEnvelope FrameKind = 1
	FrameAck      FrameKind = 2
)

// Frame is one unit on a link between two devices.
type Frame struct {
	Kind     FrameKind
	Envelope []byte       // FrameEnvelope: the encoded envelope
	Acks     []EnvelopeID // FrameAck: 1 to MaxAcks ids, committed by the sender of the frame
}

// AppendBinary appends the encoding of f to b. It fails with [ErrMalformed]
// when f breaks a limit, which is the caller's fault. Spec: envelope.md 2.
func (f *Frame) AppendBinary(b []byte) ([]byte, error) {
	switch f.Kind {
	case FrameEnvelope:
		if len(f.Envelope) == 0 || len(f.Envelope) > MaxEnvelope {
			return nil, ErrMalformed
		}
		b = append(b, byte(FrameEnvelope))
		return append(b, f.Envelope...), nil
	case FrameAck:
		if len(f.Acks) == 0 || len(f.Acks) > MaxAcks {
			return nil, ErrMalformed
		}
		b = append(b, byte(FrameAck))
		for _, id := range f.Acks {
			b = append(b, id[:]...)
		}
		return b, nil
	}
	return nil, ErrMalformed
}

// ParseFrame decodes one frame. The envelope aliases b. It fails with
// [ErrMalformed] on anything a correct peer does not send. Spec: envelope.md 2.
func ParseFrame(b []byte) (*Frame, error) {
	if len(b) < 2 || len(b) > MaxFrame {
		return nil, ErrMalformed
	}
	body := b[1:]
	switch FrameKind(b[0]) {
	case FrameEnvelope:
		if len(body) > MaxEnvelope {
			return nil, ErrMalformed
		}
		return &Frame{Kind: FrameEnvelope, Envelope: body}, nil
	case FrameAck:
		if len(body)%len(EnvelopeID{}) != 0 || len(body)/len(EnvelopeID{}) > MaxAcks {
			return nil, ErrMalformed
		}
		f := &Frame{Kind: FrameAck}
		for ; len(body) > 0; body = body[len(EnvelopeID{}):] {
			f.Acks = append(f.Acks, EnvelopeID(body[:len(EnvelopeID{})]))
		}
		return f, nil
	}
	return nil, ErrMalformed
}
