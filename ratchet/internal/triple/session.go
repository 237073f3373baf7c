package triple

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"kith/ratchet/internal/kdf"
	"kith/ratchet/internal/skipped"
	"kith/ratchet/internal/spqr"
)

// Secrets seed a session; see package ratchet.
type Secrets struct {
	_                    [0]func() // not comparable: == on secrets is not constant time
	Root                 kdf.Key
	HeaderA, HeaderB, PQ kdf.Key
}

// Wipe zeroes the secrets.
func (s *Secrets) Wipe() { *s = Secrets{} }

// chain is a sending or receiving chain: what its headers are recognised by,
// chain key, and the number of the next message (Ns or Nr).
type chain struct {
	header kdf.Key
	chain  kdf.Key
	n      uint32
}

func (c *chain) wipe() { *c = chain{} }

// step is KDF_CK (section 7.2): it returns the message key and replaces the
// chain key by its successor.
func (c *chain) step() (message kdf.Key) {
	message = kdf.MAC(&c.chain, []byte{1}, nil)
	c.chain = kdf.MAC(&c.chain, []byte{2}, nil)
	c.n++
	return message
}

// ratchetKey is our own ratchet key pair (DHs). dh is set while the session lives
// in memory; after parsing it is made when needed, for that costs as much as a
// Diffie-Hellman.
type ratchetKey struct {
	private kdf.Key
	public  kdf.Key
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
	k.public, k.dh = kdf.Key(dh.PublicKey().Bytes()), dh
}

// Session is one side of a conversation between two devices. The zero value and
// a wiped session refuse everything.
type Session struct {
	_ [0]func() // not comparable: == on secrets is not constant time

	suite Suite

	// Which of the keys below exist (typed options of the specification's None).
	// A sending chain exists if and only if both ratchet keys do.
	hasSelf, hasPeer, hasRecv bool

	root       kdf.Key    // RK
	nextSend   kdf.Key    // NHKs
	nextRecv   kdf.Key    // NHKr
	self       ratchetKey // DHs; erased by the receiving half-step
	peer       kdf.Key    // DHr
	send, recv chain
	pn         uint32 // PN

	opened   uint64        // messages opened
	received uint64        // receiving chains begun: the number of the current one
	closed   []Closed      // newest first
	skipped  skipped.Store // MKSKIPPED, by chain number
	pq       spqr.State
}

func (s *Session) hasSend() bool { return s.hasSelf && s.hasPeer }

// NewInitiator starts the session of the side that speaks first; peer is the
// other side's first ratchet key. The error is [ErrKey].
func NewInitiator(suite Suite, secrets *Secrets, peer *ecdh.PublicKey) (*Session, error) {
	if peer == nil || peer.Curve() != ecdh.X25519() {
		return nil, ErrKey
	}
	s := &Session{suite: suite, hasPeer: true, root: secrets.Root, pq: spqr.New(suite.SPQR(), &secrets.PQ, true),
		nextSend: secrets.HeaderA, nextRecv: secrets.HeaderB}
	copy(s.peer[:], peer.Bytes())
	if err := CheckKey(&s.peer); err != nil {
		return nil, err
	}
	return s, nil
}

// NewResponder starts the session of the side that is spoken to first; self is
// the private half of the key the initiator used as peer. The error is [ErrKey].
func NewResponder(suite Suite, secrets *Secrets, self *ecdh.PrivateKey) (*Session, error) {
	if self == nil || self.Curve() != ecdh.X25519() {
		return nil, ErrKey
	}
	s := &Session{suite: suite, hasSelf: true, root: secrets.Root, pq: spqr.New(suite.SPQR(), &secrets.PQ, false),
		nextSend: secrets.HeaderB, nextRecv: secrets.HeaderA}
	s.self.set(self)
	return s, nil
}

// Confirmed reports whether a message of the peer was opened.
func (s *Session) Confirmed() bool { return s.hasRecv }

// Skipped returns how many message keys are kept for messages still to come.
func (s *Session) Skipped() int { return len(s.skipped) }

// Epoch returns how many secrets the post-quantum ratchet has agreed on.
func (s *Session) Epoch() uint64 { return s.pq.Epoch() }

// SinceEpoch returns how many messages were sealed and opened since the last one.
func (s *Session) SinceEpoch() uint32 { return s.pq.SinceEpoch() }

// Seal encrypts a message and returns the session to go on with.
// Spec: Double Ratchet revision 4 sections 4.4, 5 and 8.5.
func (s *Session) Seal(plaintext, ad []byte) (next *Session, msg []byte, err error) {
	switch {
	case !s.hasPeer:
		return nil, nil, ErrNotReady
	case !s.suite.Fits(len(plaintext), len(ad)):
		return nil, nil, ErrTooLong
	case s.hasSend() && s.send.n >= MaxMessages:
		return nil, nil, ErrExhausted
	}
	next = s.clone(0, 0)
	if !next.hasSend() {
		if err := next.sendStep(); err != nil {
			next.Wipe()
			return nil, nil, err
		}
	}
	m := &message{h: Header{Key: next.self.public, PN: next.pn, N: next.send.n}}
	defer m.wipe()
	if m.h.PQ, m.pq, err = next.pq.Send(next.suite.SPQR()); err != nil {
		next.Wipe()
		return nil, nil, sealError(err)
	}
	m.ec = next.send.step()
	return next, next.suite.Seal(&next.send.header, &m.h, &m.ec, &m.pq, plaintext, ad), nil
}

// message is what is known of a message while it is sealed or opened. What a
// suite gets pointers to lives on the heap; this way in one piece.
type message struct {
	h      Header
	ec, pq kdf.Key
	chains Chains
}

func (m *message) wipe() {
	clear(m.ec[:])
	clear(m.pq[:])
}

func sealError(err error) error {
	if errors.Is(err, spqr.ErrExhausted) {
		return ErrExhausted
	}
	return fmt.Errorf("ratchet: post-quantum ratchet: %w", err)
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
	s.send.header, s.send.n = s.suite.HeaderKey(&s.nextSend, &s.self.public), 0
	s.send.chain, s.nextSend = s.suite.Root(&s.root, &z)
	return nil
}

// Open decrypts a message and returns the session to go on with.
// Spec: Double Ratchet revision 4 sections 4.5, 5 and 8.5.
func (s *Session) Open(msg, ad []byte, now time.Time) (next *Session, plaintext []byte, err error) {
	var m message
	place, ok := s.locate(msg, &m)
	if !ok || !s.suite.Fits(0, len(ad)) || s.opened == math.MaxUint64 {
		return nil, nil, ErrOpen
	}
	room, err := s.pq.Jump(s.suite.SPQR(), &m.h.PQ)
	if err != nil {
		return nil, nil, openError(err)
	}
	defer m.wipe()
	switch place {
	case Current:
		next, err = s.openCurrent(&m.h, &m.ec, room, now.Unix())
	case Next:
		next, err = s.openNext(&m.h, &m.ec, room, now.Unix())
	default:
		next, err = s.openSkipped(s.closed[place-1].Number, m.h.N, &m.ec, room, now.Unix())
	}
	if err != nil {
		return nil, nil, err
	}
	if plaintext, err = next.finish(msg, ad, &m, now.Unix()); err != nil {
		next.Wipe()
		return nil, nil, err
	}
	return next, plaintext, nil
}

// finish takes the post-quantum key, opens the body, and only then believes what
// the header brought for the ratchet after this one.
func (s *Session) finish(msg, ad []byte, m *message, now int64) (plaintext []byte, err error) {
	profile := s.suite.SPQR()
	if m.pq, err = s.pq.Key(profile, &m.h.PQ, s.opened+1, now); err != nil {
		return nil, openError(err)
	}
	plaintext, ok := s.suite.Open(msg, &m.h, &m.ec, &m.pq, ad)
	if !ok {
		return nil, ErrOpen
	}
	if err := s.pq.Opened(profile, &m.h.PQ); err != nil {
		clear(plaintext)
		return nil, ErrOpen
	}
	s.opened++
	s.prune(now)
	return plaintext, nil
}

func openError(err error) error {
	switch {
	case errors.Is(err, spqr.ErrDuplicate):
		return ErrDuplicate
	case errors.Is(err, spqr.ErrTooFar):
		return ErrTooFar
	}
	return ErrOpen
}

// CanOpen reports whether the message's header belongs to this session.
func (s *Session) CanOpen(msg []byte) bool {
	_, ok := s.locate(msg, new(message))
	return ok
}

// locate finds the chain of a message.
func (s *Session) locate(msg []byte, m *message) (Place, bool) {
	m.chains.Closed = s.closed
	if s.hasRecv {
		m.chains.Current = &s.recv.header
	}
	// Without a ratchet key of ours nobody can have answered it. This is also where
	// "no key" could be mistaken for a key: a new chain needs hasSelf, whatever
	// the header says.
	if s.hasSelf {
		m.chains.Next = &s.nextRecv
	}
	if s.suite == nil {
		return 0, false
	}
	place, ok := s.suite.Locate(msg, &m.chains, &m.h)
	return place, ok && (place != Current || m.h.Key == s.peer)
}

// openCurrent finds the message key in the current receiving chain.
func (s *Session) openCurrent(h *Header, key *kdf.Key, room uint32, now int64) (*Session, error) {
	if h.N < s.recv.n {
		return s.openSkipped(s.received, h.N, key, room, now)
	}
	if h.N-s.recv.n > s.suite.Limits().MaxSkip || h.N >= MaxMessages {
		return nil, ErrTooFar
	}
	next := s.clone(h.N-s.recv.n, room)
	next.take(h.N, key, now)
	return next, nil
}

// openSkipped takes a stored message key out of a chain, current or closed.
func (s *Session) openSkipped(chain uint64, n uint32, key *kdf.Key, room uint32, now int64) (*Session, error) {
	i := s.skipped.Find(&s.suite.Limits().Rules, chain, n, now)
	if i < 0 {
		return nil, ErrDuplicate
	}
	next := s.clone(0, room)
	*key = next.skipped.Take(i)
	return next, nil
}

// openNext closes the current receiving chain at PN and takes the receiving half
// of DHRatchetHE. Our ratchet key has then served and is erased; the sending half
// waits for Seal.
func (s *Session) openNext(h *Header, key *kdf.Key, room uint32, now int64) (*Session, error) {
	if h.PN < s.recv.n || h.Key == s.self.public || s.hasPeer && h.Key == s.peer || CheckKey(&h.Key) != nil {
		return nil, ErrOpen
	}
	if !s.hasRecv && h.PN != 0 || s.received == math.MaxUint64 {
		return nil, ErrOpen
	}
	if limit := s.suite.Limits().MaxSkip; h.PN-s.recv.n > limit || h.N > limit {
		return nil, ErrTooFar
	}
	next := s.clone(h.PN-s.recv.n+h.N, room)
	if s.hasRecv {
		next.skipTo(h.PN, now)
		next.closeChain()
	}
	if err := next.receiveStep(h); err != nil {
		next.Wipe()
		return nil, ErrOpen
	}
	next.take(h.N, key, now)
	return next, nil
}

func (s *Session) receiveStep(h *Header) error {
	dh, err := s.self.load()
	if err != nil {
		return err
	}
	z, err := agree(dh, &h.Key)
	if err != nil {
		return err
	}
	defer clear(z[:])
	s.pn = s.send.n
	s.self, s.hasSelf = ratchetKey{}, false
	s.send.wipe()
	s.peer, s.hasPeer = h.Key, true
	s.recv.header, s.hasRecv = s.suite.HeaderKey(&s.nextRecv, &h.Key), true
	s.received++
	s.recv.chain, s.nextRecv = s.suite.Root(&s.root, &z)
	return nil
}

// take moves the current receiving chain past message n and returns its key.
func (s *Session) take(n uint32, key *kdf.Key, now int64) {
	s.skipTo(n, now)
	*key = s.recv.step()
}

// skipTo stores the keys of the current receiving chain up to, not including,
// message n. The caller has checked the distance and made room.
func (s *Session) skipTo(n uint32, now int64) {
	for s.recv.n < n {
		k := skipped.Key{Chain: s.received, N: s.recv.n, Opened: s.opened + 1, At: now}
		k.Secret = s.recv.step()
		s.skipped = append(s.skipped, k)
	}
}

// closeChain ends the current receiving chain: its chain key is erased, its
// header key is kept only while keys skipped in it are.
func (s *Session) closeChain() {
	if s.skipped.Has(s.received) {
		s.closed = slices.Insert(s.closed, 0, Closed{s.received, s.recv.header})
	}
	s.recv.wipe()
}

// prune erases skipped keys that are used up, too old or too many, and then the
// header keys of closed chains without any.
func (s *Session) prune(now int64) {
	l := s.suite.Limits()
	if len(s.closed) >= l.Chains {
		oldest := s.closed[l.Chains-2].Number
		s.skipped.Drop(func(k *skipped.Key) bool { return k.Chain < oldest })
	}
	s.skipped.Prune(&l.Rules, s.opened, now)
	for i := len(s.closed) - 1; i >= 0; i-- {
		if !s.skipped.Has(s.closed[i].Number) {
			s.closed[i].Header = kdf.Key{}
			s.closed = slices.Delete(s.closed, i, i+1)
		}
	}
	s.pq.Prune(s.suite.SPQR(), s.opened, now)
}

// Expire erases skipped message keys that are too old, for sessions that rest.
// It returns nil if there are none.
func (s *Session) Expire(now time.Time) *Session {
	if s.suite == nil || !s.skipped.Expired(&s.suite.Limits().Rules, now.Unix()) && !s.pq.Expired(s.suite.SPQR(), now.Unix()) {
		return nil
	}
	next := s.clone(0, 0)
	next.prune(now.Unix())
	return next
}

// clone copies everything, so that wiping either leaves the other whole. The
// rooms are for more skipped keys of either ratchet: growing later would leave a copy behind.
func (s *Session) clone(room, pqRoom uint32) *Session {
	c := *s
	c.closed = slices.Clone(s.closed)
	c.skipped = s.skipped.Clone(room)
	c.pq = s.pq.Clone(pqRoom)
	return &c
}

// Wipe zeroes the session. Sessions derived from it are not affected.
func (s *Session) Wipe() {
	clear(s.closed[:cap(s.closed)])
	s.skipped.Wipe()
	s.pq.Wipe()
	*s = Session{}
}
