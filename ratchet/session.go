package ratchet

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"slices"
	"time"
)

// Secrets seed a session; a handshake gives both sides the same. HeaderA is the
// initiator's first header key (shared_hka), HeaderB the responder's
// (shared_nhkb). PQ is the post-quantum key: the salt of every message key.
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

// chain is a sending or receiving chain: header key, chain key, and the number of
// the next message (Ns or Nr).
type chain struct {
	header [keySize]byte
	chain  [keySize]byte
	n      uint32
}

func (c *chain) wipe() { *c = chain{} }

// ratchetKey is our own ratchet key pair (DHs). dh is set while the session lives
// in memory; after parsing it is made when needed, for that costs as much as a
// Diffie-Hellman.
type ratchetKey struct {
	private [keySize]byte
	public  [keySize]byte
	dh      *ecdh.PrivateKey
}

func (k *ratchetKey) load() (*ecdh.PrivateKey, error) {
	if k.dh != nil {
		return k.dh, nil
	}
	return ecdh.X25519().NewPrivateKey(k.private[:])
}

func (k *ratchetKey) set(dh *ecdh.PrivateKey) {
	b := dh.Bytes()
	copy(k.private[:], b)
	clear(b)
	k.public, k.dh = [keySize]byte(dh.PublicKey().Bytes()), dh
}

// Session is one side of a conversation between two devices. The zero value and
// a wiped session refuse everything. Seal and Open do not change it.
type Session struct {
	_ [0]func() // not comparable: == on secrets is not constant time

	// Which of the keys below exist (typed options of the specification's None).
	// A sending chain exists if and only if both ratchet keys do.
	hasSelf, hasPeer, hasRecv bool

	root       [keySize]byte // RK
	pq         [keySize]byte
	nextSend   [keySize]byte // NHKs
	nextRecv   [keySize]byte // NHKr
	self       ratchetKey    // DHs; erased by the receiving half-step
	peer       [keySize]byte // DHr
	send, recv chain
	pn         uint32 // PN

	accepted uint64          // messages opened
	closed   [][keySize]byte // header keys of closed receiving chains, newest first
	skipped  []skippedKey    // MKSKIPPED, oldest first
}

func (s *Session) hasSend() bool { return s.hasSelf && s.hasPeer }

// NewInitiator starts the session of the side that speaks first. peer is the
// other side's first ratchet key (its signed prekey). Secrets are copied.
// The error is [ErrKey]: the peer's key is no proper X25519 key.
func NewInitiator(secrets *Secrets, peer *ecdh.PublicKey) (*Session, error) {
	if peer == nil || peer.Curve() != ecdh.X25519() {
		return nil, ErrKey
	}
	s := &Session{hasPeer: true, root: secrets.Root, pq: secrets.PQ,
		nextSend: secrets.HeaderA, nextRecv: secrets.HeaderB}
	copy(s.peer[:], peer.Bytes())
	if err := checkCurveKey(&s.peer); err != nil {
		return nil, err
	}
	return s, nil
}

// NewResponder starts the session of the side that is spoken to first. self is
// the private half of the key the initiator used as peer. Secrets are copied.
// It cannot seal before it opened a message. The error is [ErrKey].
func NewResponder(secrets *Secrets, self *ecdh.PrivateKey) (*Session, error) {
	if self == nil || self.Curve() != ecdh.X25519() {
		return nil, ErrKey
	}
	s := &Session{hasSelf: true, root: secrets.Root, pq: secrets.PQ,
		nextSend: secrets.HeaderB, nextRecv: secrets.HeaderA}
	s.self.set(self)
	return s, nil
}

// Confirmed reports whether a message of the peer was opened: it then provably
// holds the secrets, and an initiator need no longer repeat the handshake.
func (s *Session) Confirmed() bool { return s.hasRecv }

// Skipped returns how many message keys are kept for messages still to come.
func (s *Session) Skipped() int { return len(s.skipped) }

// Seal encrypts a message of at most [MaxPlaintext] bytes under associated data
// of at most [MaxAD], and returns the session to go on with. Store next before
// msg becomes visible to anybody. Errors: [ErrNotReady], [ErrExhausted], [ErrTooLong].
// Spec: Double Ratchet revision 4 sections 4.4 and 8.5.
func (s *Session) Seal(plaintext, ad []byte) (next *Session, msg []byte, err error) {
	if len(plaintext) > MaxPlaintext || len(ad) > MaxAD {
		return nil, nil, ErrTooLong
	}
	if !s.hasPeer {
		return nil, nil, ErrNotReady
	}
	if s.hasSend() && s.send.n >= MaxMessages {
		return nil, nil, ErrExhausted
	}
	next = s.clone(0)
	if !next.hasSend() {
		if err := next.sendStep(); err != nil {
			next.Wipe()
			return nil, nil, err
		}
	}
	key := chainStep(&next.send.chain)
	defer clear(key[:])
	h := header{key: next.self.public, pn: next.pn, n: next.send.n}
	next.send.n++
	msg = sealHeader(make([]byte, 0, Overhead+len(plaintext)), &next.send.header, &h)
	return next, sealBody(msg, &next.pq, &key, plaintext, ad), nil
}

// sendStep is the sending half of DHRatchetHE, deferred until there is something
// to send: a fresh ratchet key and a new sending chain under the next header key.
func (s *Session) sendStep() error {
	dh, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("ratchet: ratchet key: %w", err)
	}
	z, err := agree(dh, &s.peer)
	if err != nil {
		return err
	}
	defer clear(z[:])
	s.self.set(dh)
	s.hasSelf = true
	s.send.header, s.send.n = s.nextSend, 0
	s.send.chain, s.nextSend = rootStep(&s.root, &z)
	return nil
}

// Open decrypts a message and returns the session to go on with. now dates
// skipped keys and expires old ones. ad must be what the sender gave to Seal.
// On any error ([ErrOpen], [ErrDuplicate], [ErrTooFar]) there is no next session.
// Spec: Double Ratchet revision 4 sections 4.5 and 8.5.
func (s *Session) Open(msg, ad []byte, now time.Time) (next *Session, plaintext []byte, err error) {
	if !wellFormed(msg) || len(ad) > MaxAD {
		return nil, nil, ErrOpen
	}
	var h header
	place, ok := s.findHeader(msg, &h)
	if !ok {
		return nil, nil, ErrOpen
	}
	var key [keySize]byte
	defer clear(key[:])
	switch place {
	case inCurrent:
		next, err = s.openCurrent(&h, &key, now.Unix())
	case inNext:
		next, err = s.openNext(&h, &key, now.Unix())
	default:
		next, err = s.openSkipped(uint8(place), h.n, &key, now.Unix())
	}
	if err != nil {
		return nil, nil, err
	}
	plaintext, err = openBody(msg, &next.pq, &key, ad)
	if err != nil {
		next.Wipe()
		return nil, nil, err
	}
	next.accepted++
	next.prune(now.Unix())
	return next, plaintext, nil
}

// CanOpen reports whether the message's header belongs to this session: a cheap
// way to choose among several. It says nothing about the body, and it is true for
// duplicates of chains still known.
func (s *Session) CanOpen(msg []byte) bool {
	var h header
	if !wellFormed(msg) {
		return false
	}
	_, ok := s.findHeader(msg, &h)
	return ok
}

func wellFormed(msg []byte) bool {
	return len(msg) >= Overhead && len(msg) <= MaxMessage && [len(prefix)]byte(msg) == prefix
}

// place is where a header belongs: in the current receiving chain, in the next
// one, or in closed chain number place-1.
type place int

const (
	inCurrent place = 0
	inNext    place = -1
)

// findHeader tries the header keys, likeliest first. Which one fits shows in the
// time it takes, and thus whether a message is late; nothing else does.
func (s *Session) findHeader(msg []byte, h *header) (place, bool) {
	if s.hasRecv && openHeader(&s.recv.header, msg, h) {
		return inCurrent, h.key == s.peer
	}
	// Without a ratchet key of ours nobody can have answered it. This is also where
	// "no key" could be mistaken for a key: a new chain needs hasSelf, whatever
	// the header says.
	if s.hasSelf && openHeader(&s.nextRecv, msg, h) {
		return inNext, true
	}
	for i := range s.closed {
		if openHeader(&s.closed[i], msg, h) {
			return place(i + 1), true
		}
	}
	return 0, false
}

// openCurrent finds the message key in the current receiving chain.
func (s *Session) openCurrent(h *header, key *[keySize]byte, now int64) (*Session, error) {
	if h.n < s.recv.n {
		return s.openSkipped(uint8(inCurrent), h.n, key, now)
	}
	if h.n-s.recv.n > MaxSkip || h.n >= MaxMessages {
		return nil, ErrTooFar
	}
	next := s.clone(h.n - s.recv.n)
	next.take(h.n, key, now)
	return next, nil
}

// openSkipped takes a stored message key out of a chain, current or closed.
func (s *Session) openSkipped(chain uint8, n uint32, key *[keySize]byte, now int64) (*Session, error) {
	i := s.findSkipped(chain, n, now)
	if i < 0 {
		return nil, ErrDuplicate
	}
	*key = s.skipped[i].key
	next := s.clone(0)
	clear(next.skipped[i].key[:])
	next.skipped = slices.Delete(next.skipped, i, i+1)
	return next, nil
}

// openNext closes the current receiving chain at PN and takes the receiving half
// of DHRatchetHE. Our ratchet key has then served and is erased; the sending half
// waits for Seal.
func (s *Session) openNext(h *header, key *[keySize]byte, now int64) (*Session, error) {
	if h.pn < s.recv.n || h.key == s.self.public || s.hasPeer && h.key == s.peer || checkCurveKey(&h.key) != nil {
		return nil, ErrOpen
	}
	if !s.hasRecv && h.pn != 0 {
		return nil, ErrOpen
	}
	if h.pn-s.recv.n > MaxSkip || h.n > MaxSkip {
		return nil, ErrTooFar
	}
	next := s.clone(h.pn - s.recv.n + h.n)
	if s.hasRecv {
		next.skipTo(h.pn, now)
		next.closeChain()
	}
	if err := next.receiveStep(h); err != nil {
		next.Wipe()
		return nil, ErrOpen
	}
	next.take(h.n, key, now)
	return next, nil
}

func (s *Session) receiveStep(h *header) error {
	dh, err := s.self.load()
	if err != nil {
		return err
	}
	z, err := agree(dh, &h.key)
	if err != nil {
		return err
	}
	defer clear(z[:])
	s.pn = s.send.n
	s.self, s.hasSelf = ratchetKey{}, false
	s.send.wipe()
	s.peer, s.hasPeer = h.key, true
	s.recv.header, s.hasRecv = s.nextRecv, true
	s.recv.chain, s.nextRecv = rootStep(&s.root, &z)
	return nil
}

// take moves the current receiving chain past message n and returns its key.
func (s *Session) take(n uint32, key *[keySize]byte, now int64) {
	s.skipTo(n, now)
	*key = chainStep(&s.recv.chain)
	s.recv.n++
}

// Expire erases skipped message keys older than [SkippedAge], for sessions that
// rest. It returns nil if there are none, so nothing to store.
func (s *Session) Expire(now time.Time) *Session {
	if !slices.ContainsFunc(s.skipped, func(k skippedKey) bool { return k.expiredAt(now.Unix()) }) {
		return nil
	}
	next := s.clone(0)
	next.prune(now.Unix())
	return next
}

// clone copies everything, so that wiping either leaves the other whole. room is
// for how many more skipped keys: growing later would leave a copy behind.
func (s *Session) clone(room uint32) *Session {
	c := *s
	c.closed = slices.Clone(s.closed)
	c.skipped = nil
	if n := len(s.skipped) + int(room); n > 0 {
		c.skipped = append(make([]skippedKey, 0, n), s.skipped...)
	}
	return &c
}

// Wipe zeroes the session. Sessions derived from it are not affected. The runtime
// may have kept copies of X25519 private keys inside crypto/ecdh; they become
// garbage.
func (s *Session) Wipe() {
	clear(s.closed[:cap(s.closed)])
	clear(s.skipped[:cap(s.skipped)])
	*s = Session{}
}
