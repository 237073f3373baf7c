package signalv4

import (
	"crypto/ecdh"
	"fmt"
	"time"

	"kith/ratchet/internal/kdf"
	"kith/ratchet/internal/triple"
)

// Kind says how a message is wrapped; the numbers are libsignal's.
type Kind uint8

// The kinds of messages.
const (
	KindMessage Kind = 2
	KindPreKey  Kind = 3
)

// Session is one side of a conversation. Its methods do not change it, but return
// the one to go on with.
type Session struct {
	ratchet *triple.Session
	suite   *Suite
	pending *PreKeyMessage // what messages are wrapped in until an answer comes
	base    PublicKey      // of the handshake
}

// Options are what both sides must agree on beside the handshake.
type Options struct {
	Negotiable, WithoutPQ bool // see Suite
	// Registration is our registration id, sent in the first messages.
	Registration uint32
}

// NewInitiator starts the session of a handshake's initiator.
func NewInitiator(i *Initiated, o Options, signedPreKey *PublicKey) (*Session, error) {
	peer, err := ecdh.X25519().NewPublicKey(signedPreKey[:])
	if err != nil {
		return nil, ErrKey
	}
	s := &Session{suite: &Suite{Self: i.Identities[0], Peer: i.Identities[1], Negotiable: o.Negotiable, WithoutPQ: o.WithoutPQ}, base: i.BaseKey}
	pending := i.PreKeyMessage
	pending.RegistrationID = o.Registration
	s.pending = &pending
	if s.ratchet, err = triple.NewInitiator(s.suite, i.engine(), peer); err != nil {
		return nil, fmt.Errorf("signalv4: initiator: %w", err)
	}
	return s, nil
}

// NewResponder starts the session of the other side, which opens the message
// inside the first thing.
func NewResponder(secrets *Secrets, o Options, signed *KeyPair, base PublicKey) (*Session, error) {
	self, err := ecdh.X25519().NewPrivateKey(signed.Private[:])
	if err != nil {
		return nil, ErrKey
	}
	s := &Session{suite: &Suite{Self: secrets.Identities[1], Peer: secrets.Identities[0], Negotiable: o.Negotiable, WithoutPQ: o.WithoutPQ}, base: base}
	if s.ratchet, err = triple.NewResponder(s.suite, secrets.engine(), self); err != nil {
		return nil, fmt.Errorf("signalv4: responder: %w", err)
	}
	return s, nil
}

// engine gives the secrets to the engine. The chain key that libsignal's responder
// could send with before it has received is never used.
func (s *Secrets) engine() *triple.Secrets {
	return &triple.Secrets{Root: kdf.Key(s.Root), PQ: kdf.Key(s.PQ)}
}

// BaseKey is the initiator's ephemeral key, by which responders know a handshake.
func (s *Session) BaseKey() PublicKey { return s.base }

// Peer is the other side's identity.
func (s *Session) Peer() PublicKey { return s.suite.Peer }

// Epoch returns how many secrets the post-quantum ratchet has agreed on.
func (s *Session) Epoch() uint64 { return s.ratchet.Epoch() }

// Seal encrypts a message. The addresses, of us and the peer, go into first
// messages only, and may be nil.
func (s *Session) Seal(plaintext, addresses []byte) (next *Session, kind Kind, msg []byte, err error) {
	if s.pending == nil {
		addresses = nil
	}
	c := *s
	c.ratchet, msg, err = s.ratchet.Seal(plaintext, addresses)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("signalv4: seal: %w", err)
	}
	if c.pending == nil {
		return &c, KindMessage, msg, nil
	}
	whole := *c.pending
	whole.Message = msg
	return &c, KindPreKey, whole.Append(nil), nil
}

// Open decrypts a SignalMessage; addresses are those of the peer and us. The
// errors are those of package triple.
func (s *Session) Open(msg, addresses []byte, now time.Time) (next *Session, plaintext []byte, err error) {
	c := *s
	c.ratchet, plaintext, err = s.ratchet.Open(msg, addresses, now)
	if err != nil {
		return nil, nil, fmt.Errorf("signalv4: open: %w", err)
	}
	c.pending = nil
	return &c, plaintext, nil
}

// State returns all of the session as bytes, to be compared.
func (s *Session) State() []byte {
	b, err := s.ratchet.MarshalBinary()
	if err != nil {
		panic("signalv4: " + err.Error()) // sessions are never wiped here
	}
	if s.pending != nil {
		b = s.pending.Append(b)
	}
	return b
}

// Restored returns the session after storing and reading its state, which is the
// same session.
func (s *Session) Restored() (*Session, error) {
	b, err := s.ratchet.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("signalv4: store: %w", err)
	}
	c := *s
	if c.ratchet, err = triple.Parse(s.suite, b); err != nil {
		return nil, fmt.Errorf("signalv4: restore: %w", err)
	}
	return &c, nil
}
