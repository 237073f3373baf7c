package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
)

// EnvelopeVersion is the first byte of every envelope this package builds.
const EnvelopeVersion = 1

// EnvelopeKind is the second byte of an envelope.
type EnvelopeKind byte

// The envelope kinds of docs/spec/envelope.md section 3.
const (
	// KindRequest asks the maker of an invite for the prekey bundle behind it.
	KindRequest EnvelopeKind = 1
	// KindBundle answers a request: bundle and device list, sealed to the invite.
	KindBundle EnvelopeKind = 2
	// KindInitial opens a session: PQXDH's initial message and the first
	// session message, sealed to the invite.
	KindInitial EnvelopeKind = 3
	// KindSession is a message of a running session.
	KindSession EnvelopeKind = 4
	// KindRefusal answers a request or an initial that cannot be served, or a
	// session message that no session opens.
	KindRefusal EnvelopeKind = 5
	// KindRenew asks a contact's device for prekeys, to begin a session anew.
	KindRenew EnvelopeKind = 6
	// KindPrekeys answers it: a prekey bundle.
	KindPrekeys EnvelopeKind = 7
	// KindRenewal begins a session between contacts: PQXDH's initial message
	// and the first session message.
	KindRenewal EnvelopeKind = 8
)

// InviteID names a one-time invite: 16 bytes derived from its secret.
type InviteID [16]byte

// Reason says why an envelope was refused.
type Reason byte

// The reasons of docs/spec/envelope.md section 3.5.
const (
	ReasonUnknown Reason = 1 // no such invite, or forgotten long ago
	ReasonUsed    Reason = 2 // somebody used it before
	ReasonExpired Reason = 3 // past its time, by the inviter's clock
	// ReasonNoSession answers a session message that none of the sessions with
	// its sender can open. Invite is zero.
	ReasonNoSession Reason = 4
)

// Envelope is what the outside may see of a message. Which fields are set
// depends on Kind.
type Envelope struct {
	Kind   EnvelopeKind
	Invite InviteID // KindRequest, KindBundle, KindInitial, KindRefusal
	Reason Reason   // KindRefusal
	// Refused is the envelope a KindRefusal answers. Without it a refusal of
	// an old copy of a request could end what a later envelope completed.
	Refused EnvelopeID
	// Body is the ciphertext: sealed to the invite for KindBundle and
	// KindInitial, a ratchet message for KindSession, the request's id,
	// a generation and a bundle for KindPrekeys,
	// initial and first message for KindRenewal, 16 random bytes for KindRenew;
	// empty otherwise.
	Body []byte
}

// AppendBinary appends the encoding of e to b: version, kind, fields. It fails
// with [ErrMalformed] when e breaks a limit or has fields its kind lacks,
// which is the caller's fault. Spec: envelope.md 3.
func (e *Envelope) AppendBinary(b []byte) ([]byte, error) {
	start := len(b)
	b = append(b, EnvelopeVersion, byte(e.Kind))
	switch e.Kind {
	case KindRequest:
		b = append(b, e.Invite[:]...)
	case KindBundle, KindInitial:
		if len(e.Body) == 0 {
			return nil, ErrMalformed
		}
		b = append(append(b, e.Invite[:]...), e.Body...)
	case KindSession, KindRenew, KindPrekeys, KindRenewal:
		if !e.bodyFits() {
			return nil, ErrMalformed
		}
		b = append(b, e.Body...)
	case KindRefusal:
		if !e.reasonFits() {
			return nil, ErrMalformed
		}
		b = append(append(b, e.Invite[:]...), byte(e.Reason))
		b = append(b, e.Refused[:]...)
	default:
		return nil, ErrMalformed
	}
	if len(b)-start > MaxEnvelope {
		return nil, ErrMalformed
	}
	return b, nil
}

// ParseEnvelope decodes an envelope strictly: unknown versions and kinds,
// missing and trailing bytes are [ErrMalformed]. Body aliases b.
// Spec: envelope.md 3.
func ParseEnvelope(b []byte) (*Envelope, error) {
	if len(b) < 3 || len(b) > MaxEnvelope || b[0] != EnvelopeVersion {
		return nil, ErrMalformed
	}
	e := &Envelope{Kind: EnvelopeKind(b[1])}
	rest := b[2:]
	switch e.Kind {
	case KindSession, KindRenew, KindPrekeys, KindRenewal:
		if e.Body = rest; !e.bodyFits() {
			return nil, ErrMalformed
		}
		return e, nil
	}
	if len(rest) < len(e.Invite) {
		return nil, ErrMalformed
	}
	e.Invite, rest = InviteID(rest), rest[len(e.Invite):]
	switch e.Kind {
	case KindRequest:
		if len(rest) != 0 {
			return nil, ErrMalformed
		}
	case KindBundle, KindInitial:
		if len(rest) == 0 {
			return nil, ErrMalformed
		}
		e.Body = rest
	case KindRefusal:
		if len(rest) != 1+len(e.Refused) {
			return nil, ErrMalformed
		}
		e.Reason, e.Refused = Reason(rest[0]), EnvelopeID(rest[1:])
		if !e.reasonFits() {
			return nil, ErrMalformed
		}
	default:
		return nil, ErrMalformed
	}
	return e, nil
}

// RenewSize is the length of a KindRenew's body: random bytes, so that no two
// have the same id.
const RenewSize = 16

// bodyFits reports whether a body without invite has a length its kind can have.
func (e *Envelope) bodyFits() bool {
	return len(e.Body) > 0 && (e.Kind != KindRenew || len(e.Body) == RenewSize)
}

// reasonFits reports whether a refusal is about an invite, or about none.
func (e *Envelope) reasonFits() bool {
	if e.Reason == ReasonNoSession {
		return e.Invite == InviteID{}
	}
	return e.Reason >= ReasonUnknown && e.Reason <= ReasonExpired
}

// KindOf returns the kind of an encoded envelope, zero if it is too short.
func KindOf(b []byte) EnvelopeKind {
	if len(b) < 2 {
		return 0
	}
	return EnvelopeKind(b[1])
}

// SealToInvite encrypts plaintext under an invite's 32-byte seal key, bound to
// the envelope's kind and invite: a random 12-byte nonce, then AES-256-GCM
// ciphertext and tag. The key serves a handful of messages in its life, so a
// random nonce does not repeat. Spec: envelope.md 4.
func SealToInvite(key [32]byte, kind EnvelopeKind, id InviteID, plaintext []byte) []byte {
	aead := inviteAEAD(key)
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plaintext)+aead.Overhead())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, plaintext, inviteAD(kind, id))
}

// OpenFromInvite reverses [SealToInvite]. Any failure is [ErrMalformed]: the
// sender did not hold the invite, or the bytes were changed.
func OpenFromInvite(key [32]byte, kind EnvelopeKind, id InviteID, sealed []byte) ([]byte, error) {
	aead := inviteAEAD(key)
	if len(sealed) < aead.NonceSize() {
		return nil, ErrMalformed
	}
	pt, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], inviteAD(kind, id))
	if err != nil {
		return nil, ErrMalformed
	}
	return pt, nil
}

func inviteAEAD(key [32]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("wire: a 32-byte AES key was refused") // unreachable
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("wire: AES has a 16-byte block") // unreachable
	}
	return aead
}

const inviteLabel = "kith v1 envelope invite"

func inviteAD(kind EnvelopeKind, id InviteID) []byte {
	ad := append([]byte(inviteLabel), EnvelopeVersion, byte(kind))
	return append(ad, id[:]...)
}

// String returns the word used in the interface.
func (r Reason) String() string {
	switch r {
	case ReasonUnknown:
		return "unknown"
	case ReasonUsed:
		return "used"
	case ReasonExpired:
		return "expired"
	case ReasonNoSession:
		return "no session"
	}
	return ""
}
