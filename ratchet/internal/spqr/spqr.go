package spqr

import (
	"encoding/binary"
	"errors"
	"math"

	"kith/ratchet/internal/braid"
	"kith/ratchet/internal/kdf"
	"kith/ratchet/internal/skipped"
)

// The outcomes of [State.Key] and [State.Send]. After any the state is spoilt.
var (
	// ErrPeer means a header no correct peer sends in this state.
	ErrPeer = errors.New("spqr: header refused")
	// ErrDuplicate means that the message's key is used or expired.
	ErrDuplicate = errors.New("spqr: key used up")
	// ErrTooFar means a header that skips more than allowed.
	ErrTooFar = errors.New("spqr: too far ahead")
	// ErrExhausted means that the sending chain is at its end.
	ErrExhausted = errors.New("spqr: sending chain exhausted")
)

// Profile is what two users of this package differ in.
type Profile struct {
	Braid braid.Profile
	// The labels of the derivations: first chains, chains of an epoch, chain step.
	Start, Add, Next string
	// MaxJump is how many keys a header may skip in an epoch's chain.
	MaxJump uint32
	// Closing says that headers carry the length of the epoch's chain before, so
	// that a chain is skipped to its end and erased when the next is used.
	Closing bool
	// Keyless says that number 0 in the first epoch stands for a message of a peer
	// who does not use this ratchet yet. Its key is zero.
	Keyless bool
	Rules   skipped.Rules
}

// Header is what one side tells the other with each message.
type Header struct {
	braid.Message
	N        uint32 // number of the message in its epoch's chain, from 1
	Previous uint32 // messages in the chain of the epoch before, if Closing
}

// maxEpochs is how many epochs have chains at most, in any profile.
const maxEpochs = 3

// MaxMessages is how many messages an epoch's chain may have.
const MaxMessages = math.MaxUint32

// chain is a sending or receiving chain: its next key and how many were taken.
type chain struct {
	next kdf.Key
	n    uint32
	open bool // not erased
}

// epoch has the chains of one epoch; number is the epoch's, from 0.
type epoch struct {
	number     uint64
	send, recv chain
}

// State is one side of the ratchet.
type State struct {
	initiator  bool
	root       kdf.Key
	count      int              // epochs
	epochs     [maxEpochs]epoch // oldest first, without gaps in number
	sending    uint64           // the epoch sent in last
	previous   uint32           // messages sent in the one before
	receiving  uint64           // the latest epoch received in
	skipped    skipped.Store
	braid      braid.State
	sinceEpoch uint32 // messages sent and opened since an epoch's secret was agreed
}

// New returns the state of one side; key is what the handshake gave both.
func New(p *Profile, key *kdf.Key, initiator bool) State {
	s := State{initiator: initiator, count: 1, braid: braid.New(&p.Braid, key, initiator)}
	var out [3 * kdf.Size]byte
	kdf.Derive(out[:], new(kdf.Key), key[:], p.Start)
	s.take(&s.epochs[0], &out)
	return s
}

// take makes root and chains of what was derived. A sends on the first chain.
func (s *State) take(e *epoch, out *[3 * kdf.Size]byte) {
	copy(s.root[:], out[:])
	a, b := &e.send, &e.recv
	if !s.initiator {
		a, b = b, a
	}
	*a = chain{next: kdf.Key(out[kdf.Size:]), open: true}
	*b = chain{next: kdf.Key(out[2*kdf.Size:]), open: true}
	clear(out[:])
}

// Epoch is how many epochs' secrets were agreed on.
func (s *State) Epoch() uint64 { return s.epochs[max(s.count, 1)-1].number }

// SinceEpoch is how many messages were sent and opened since the last of them.
func (s *State) SinceEpoch() uint32 { return s.sinceEpoch }

// Skipped is how many keys are kept for messages still to come.
func (s *State) Skipped() int { return len(s.skipped) }

// Clone copies the state; room is for how many more skipped keys.
func (s *State) Clone(room uint32) State {
	c := *s
	c.skipped = s.skipped.Clone(room)
	return c
}

// Wipe zeroes the state.
func (s *State) Wipe() {
	s.skipped.Wipe()
	*s = State{}
}

// find returns the chains of an epoch.
func (s *State) find(number uint64) *epoch {
	first := s.epochs[0].number
	if number < first || number-first >= uint64(s.count) {
		return nil
	}
	return &s.epochs[number-first]
}

// agreed adds the chains of a new epoch.
func (s *State) agreed(p *Profile, secret *braid.Secret) error {
	if secret == nil {
		return nil
	}
	defer clear(secret.Key[:])
	if secret.Epoch != s.Epoch()+1 {
		return ErrPeer
	}
	s.trim(p)
	if s.count == p.maxEpochs() {
		return ErrPeer
	}
	e := &s.epochs[s.count]
	*e = epoch{number: secret.Epoch}
	s.count++
	var out [3 * kdf.Size]byte
	kdf.Derive(out[:], &s.root, secret.Key[:], p.Add)
	s.take(e, &out)
	s.sinceEpoch = 0
	return nil
}

// trim forgets the epochs whose chains have served.
func (s *State) trim(p *Profile) {
	drop := 0
	for i := range s.count - 1 {
		e := &s.epochs[i]
		if e.send.open || p.Closing && e.recv.open || !p.Closing && e.number+1 >= s.sending {
			break
		}
		drop++
	}
	if drop == 0 {
		return
	}
	copy(s.epochs[:], s.epochs[drop:s.count])
	clear(s.epochs[s.count-drop : s.count])
	s.count -= drop
	if !p.Closing { // a closing profile stored what may still come
		first := s.epochs[0].number
		s.skipped.Drop(func(k *skipped.Key) bool { return k.Chain < first })
	}
}

// Send returns the header of the next message and its key.
// Spec: Double Ratchet revision 4, section 5.
func (s *State) Send(p *Profile) (h Header, key kdf.Key, err error) {
	m, secret, err := s.braid.Send(&p.Braid)
	if err != nil {
		return h, key, err
	}
	// The epoch sent in before goes first: a peer in a hurry can make a new one known
	// while we have sent nothing in the last, and there is room for two.
	if number := m.Epoch - 1; number != s.sending {
		s.previous = s.find(s.sending).send.n
		s.find(s.sending).send = chain{}
		s.sending = number
		s.trim(p)
	}
	if s.sinceEpoch < math.MaxUint32 {
		s.sinceEpoch++
	}
	if err := s.agreed(p, secret); err != nil {
		return h, key, err
	}
	c := &s.find(s.sending).send
	if c.n == MaxMessages {
		return h, key, ErrExhausted
	}
	key = c.step(p)
	return Header{Message: m, N: c.n, Previous: s.previous}, key, nil
}

// step is the chain step: it moves the chain on and returns its key.
func (c *chain) step(p *Profile) (key kdf.Key) {
	c.n++
	var out [2 * kdf.Size]byte
	info := [4 + maxLabel]byte{}
	binary.BigEndian.PutUint32(info[:], c.n)
	n := 4 + copy(info[4:], p.Next)
	prk := kdf.MAC(new(kdf.Key), c.next[:], nil)
	kdf.Expand(out[:], &prk, "", info[:n])
	copy(c.next[:], out[:])
	copy(key[:], out[kdf.Size:])
	clear(prk[:])
	clear(out[:])
	return key
}

// maxLabel is the longest Next of a profile.
const maxLabel = 48

// Jump returns how many keys a header would skip, an upper bound for the room of
// [State.Clone], or ErrTooFar, from the numbers alone.
func (s *State) Jump(p *Profile, h *Header) (uint32, error) {
	if p.Keyless && h.Epoch == 1 && h.N == 0 {
		return 0, nil
	}
	if h.Epoch == 0 || h.N == 0 {
		return 0, ErrPeer
	}
	number := h.Epoch - 1
	e := s.find(number)
	if e == nil || !e.recv.open || h.N <= e.recv.n {
		if number > s.Epoch() {
			return 0, ErrPeer
		}
		return 0, nil
	}
	jump := h.N - e.recv.n - 1
	if jump > p.MaxJump {
		return 0, ErrTooFar
	}
	if !p.Closing || number <= s.receiving {
		return jump, nil
	}
	old := s.find(s.receiving)
	if number-s.receiving != 1 || old == nil || h.Previous < old.recv.n {
		return 0, ErrPeer
	}
	if h.Previous-old.recv.n > p.MaxJump {
		return 0, ErrTooFar
	}
	return jump + h.Previous - old.recv.n, nil
}

// Key returns the key of the message with this header; skipped keys are stored
// as skipped by message number opened at now (Unix seconds). The state must
// have been cloned with the room that Jump told.
func (s *State) Key(p *Profile, h *Header, opened uint64, now int64) (key kdf.Key, err error) {
	if _, err := s.Jump(p, h); err != nil {
		return key, err
	}
	if h.N == 0 { // Keyless
		return key, nil
	}
	number := h.Epoch - 1
	e := s.find(number)
	if e == nil || !e.recv.open || h.N <= e.recv.n {
		i := s.skipped.Find(&p.Rules, number, h.N, now)
		if i < 0 {
			return key, ErrDuplicate
		}
		return s.skipped.Take(i), nil
	}
	if number > s.receiving {
		if p.Closing {
			old := s.find(s.receiving)
			s.skipTo(p, old, h.Previous, opened, now)
			old.recv = chain{}
		}
		s.receiving = number
	}
	s.skipTo(p, e, h.N-1, opened, now)
	key = e.recv.step(p)
	if p.Closing {
		s.trim(p)
	}
	return key, nil
}

// skipTo stores the keys of an epoch's receiving chain up to number n.
func (s *State) skipTo(p *Profile, e *epoch, n uint32, opened uint64, now int64) {
	for e.recv.n < n {
		key := e.recv.step(p)
		s.skipped = append(s.skipped, skipped.Key{Chain: e.number, N: e.recv.n, Opened: opened, At: now, Secret: key})
	}
}

// Opened takes in what the header of an authentic message brought.
func (s *State) Opened(p *Profile, h *Header) error {
	secret, err := s.braid.Receive(&p.Braid, &h.Message)
	if err != nil {
		return ErrPeer
	}
	if s.sinceEpoch < math.MaxUint32 {
		s.sinceEpoch++
	}
	return s.agreed(p, secret)
}

// Prune erases skipped keys by the profile's rules.
func (s *State) Prune(p *Profile, opened uint64, now int64) { s.skipped.Prune(&p.Rules, opened, now) }

// Expired reports whether a skipped key is too old.
func (s *State) Expired(p *Profile, now int64) bool { return s.skipped.Expired(&p.Rules, now) }
