package ratchet

import (
	"crypto/ecdh"
	"time"

	"kith/ratchet/internal/triple"
)

// Secrets seed a session; a handshake gives both sides the same. HeaderA is the
// initiator's first header key (shared_hka), HeaderB the responder's
// (shared_nhkb). PQ seeds the post-quantum ratchet.
// All must be independent of each other and used for one session only.
type Secrets struct {
	_       [0]func() // not comparable: == on secrets is not constant time
	Root    [keySize]byte
	HeaderA [keySize]byte
	HeaderB [keySize]byte
	PQ      [keySize]byte
}

// Wipe zeroes the secrets.
func (s *Secrets) Wipe() { *s = Secrets{} }

func (s *Secrets) seeds() *triple.Secrets {
	return &triple.Secrets{Root: s.Root, HeaderA: s.HeaderA, HeaderB: s.HeaderB, PQ: s.PQ}
}

// Session is one side of a conversation between two devices. The zero value and
// a wiped session refuse everything. Seal and Open do not change it.
type Session struct {
	_ [0]func() // not comparable: == on secrets is not constant time
	s *triple.Session
}

// engine is never nil; that of the zero value refuses everything.
func (s *Session) engine() *triple.Session {
	if s.s == nil {
		return &triple.Session{}
	}
	return s.s
}

func wrap(s *triple.Session, err error) (*Session, error) {
	if err != nil {
		return nil, err
	}
	return &Session{s: s}, nil
}

// NewInitiator starts the session of the side that speaks first. peer is the
// other side's first ratchet key (its signed prekey). Secrets are copied.
// The error is [ErrKey]: the peer's key is no proper X25519 key.
func NewInitiator(secrets *Secrets, peer *ecdh.PublicKey) (*Session, error) {
	seeds := secrets.seeds()
	defer seeds.Wipe()
	return wrap(triple.NewInitiator(native{}, seeds, peer))
}

// NewResponder starts the session of the side that is spoken to first. self is
// the private half of the key the initiator used as peer. Secrets are copied.
// It cannot seal before it opened a message. The error is [ErrKey].
func NewResponder(secrets *Secrets, self *ecdh.PrivateKey) (*Session, error) {
	seeds := secrets.seeds()
	defer seeds.Wipe()
	return wrap(triple.NewResponder(native{}, seeds, self))
}

// Confirmed reports whether a message of the peer was opened: it then provably
// holds the secrets, and an initiator need no longer repeat the handshake.
func (s *Session) Confirmed() bool { return s.engine().Confirmed() }

// Skipped returns how many message keys are kept for messages still to come.
func (s *Session) Skipped() int { return s.engine().Skipped() }

// QuantumEpoch returns how many post-quantum secrets the two sides have agreed
// on since the handshake. Each heals a theft of state also against quantum computers.
func (s *Session) QuantumEpoch() uint64 { return s.engine().Epoch() }

// QuantumStale reports that [QuantumAlarm] messages or more were sealed and opened
// since the last post-quantum secret: the peer does not answer, or suppresses it.
func (s *Session) QuantumStale() bool { return s.engine().SinceEpoch() >= QuantumAlarm }

// Seal encrypts a message of at most [MaxPlaintext] bytes under associated data
// of at most [MaxAD], and returns the session to go on with. Store next before
// msg becomes visible to anybody. Errors: [ErrNotReady], [ErrExhausted], [ErrTooLong].
// Spec: Double Ratchet revision 4 sections 4.4, 5 and 8.5.
func (s *Session) Seal(plaintext, ad []byte) (next *Session, msg []byte, err error) {
	n, msg, err := s.engine().Seal(plaintext, ad)
	if err != nil {
		return nil, nil, err
	}
	return &Session{s: n}, msg, nil
}

// Open decrypts a message and returns the session to go on with. now dates
// skipped keys and expires old ones. ad must be what the sender gave to Seal.
// On any error ([ErrOpen], [ErrDuplicate], [ErrTooFar]) there is no next session.
// Spec: Double Ratchet revision 4 sections 4.5, 5 and 8.5.
func (s *Session) Open(msg, ad []byte, now time.Time) (next *Session, plaintext []byte, err error) {
	n, plaintext, err := s.engine().Open(msg, ad, now)
	if err != nil {
		return nil, nil, err
	}
	return &Session{s: n}, plaintext, nil
}

// CanOpen reports whether the message's header belongs to this session: a cheap
// way to choose among several. It says nothing about the body, and it is true for
// duplicates of chains still known.
func (s *Session) CanOpen(msg []byte) bool { return s.engine().CanOpen(msg) }

// Expire erases skipped message keys older than [SkippedAge], for sessions that
// rest. It returns nil if there are none, so nothing to store.
func (s *Session) Expire(now time.Time) *Session {
	if next := s.engine().Expire(now); next != nil {
		return &Session{s: next}
	}
	return nil
}

// Wipe zeroes the session. Sessions derived from it are not affected. The runtime
// may have kept copies of private keys inside the standard library's cryptography;
// they become garbage.
func (s *Session) Wipe() { s.engine().Wipe() }

// MarshalBinary returns the session for storage: secret bytes, at most [MaxState]
// and a few thousand if no keys are skipped. The encoding is canonical. The error
// is [ErrState]: the session was wiped.
func (s *Session) MarshalBinary() ([]byte, error) { return s.engine().MarshalBinary() }

// ParseSession reads exactly what [Session.MarshalBinary] writes; anything else
// is [ErrState].
func ParseSession(p []byte) (*Session, error) {
	if len(p) > MaxState {
		return nil, ErrState
	}
	return wrap(triple.Parse(native{}, p))
}
