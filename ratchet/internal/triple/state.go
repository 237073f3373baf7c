package triple

import (
	"math"

	"golang.org/x/crypto/cryptobyte"

	"kith/ratchet/internal/kdf"
	"kith/ratchet/internal/skipped"
	"kith/ratchet/internal/spqr"
)

const stateVersion = 2

// The flags of a session's encoding.
const (
	stateSelf = 1 << 0
	statePeer = 1 << 1
	stateRecv = 1 << 2
	allStates = stateSelf | statePeer | stateRecv
)

const closedSize = 8 + kdf.Size

// MaxState is the longest encoding in bytes of a session under these limits if
// so many keys are skipped in each of the two ratchets.
func MaxState(l *Limits, p *spqr.Profile, stored int) int {
	const fixed = 1 + 2 + 1 + 3*kdf.Size + 2*kdf.Size + kdf.Size + 2*(2*kdf.Size+4) + 4 + 8 + 8 + 1 + 2
	return fixed + (l.Chains-1)*closedSize + p.MaxState() + 2*stored*skipped.Size
}

// MarshalBinary returns the session for storage: secret bytes. The encoding is
// canonical. The error is [ErrState]: the session was wiped.
func (s *Session) MarshalBinary() ([]byte, error) {
	if !s.alive() {
		return nil, ErrState
	}
	size := MaxState(s.suite.Limits(), s.suite.SPQR(), 0) + (len(s.skipped)+s.pq.Skipped())*skipped.Size
	b := cryptobyte.NewBuilder(make([]byte, 0, size))
	b.AddUint8(stateVersion)
	b.AddUint16(s.suite.ID())
	b.AddUint8(s.flags())
	b.AddBytes(s.root[:])
	b.AddBytes(s.nextSend[:])
	b.AddBytes(s.nextRecv[:])
	if s.hasSelf {
		b.AddBytes(s.self.private[:])
		b.AddBytes(s.self.public[:])
	}
	if s.hasPeer {
		b.AddBytes(s.peer[:])
	}
	if s.hasSend() {
		s.send.add(b)
	}
	if s.hasRecv {
		s.recv.add(b)
	}
	b.AddUint32(s.pn)
	b.AddUint64(s.opened)
	b.AddUint64(s.received)
	b.AddUint8(uint8(len(s.closed)))
	for i := range s.closed {
		b.AddUint64(s.closed[i].Number)
		b.AddBytes(s.closed[i].Header[:])
	}
	s.skipped.Add(b)
	s.pq.Add(b)
	return b.Bytes()
}

func (s *Session) flags() (f uint8) {
	if s.hasSelf {
		f |= stateSelf
	}
	if s.hasPeer {
		f |= statePeer
	}
	if s.hasRecv {
		f |= stateRecv
	}
	return f
}

func (c *chain) add(b *cryptobyte.Builder) {
	b.AddBytes(c.header[:])
	b.AddBytes(c.chain[:])
	b.AddUint32(c.n)
}

func (c *chain) read(r *cryptobyte.String) bool {
	return r.CopyBytes(c.header[:]) && r.CopyBytes(c.chain[:]) && r.ReadUint32(&c.n)
}

// Parse reads exactly what [Session.MarshalBinary] writes; anything else is
// [ErrState].
func Parse(suite Suite, p []byte) (*Session, error) {
	r := cryptobyte.String(p)
	s := &Session{suite: suite}
	if !s.readKeys(&r) || !s.readChains(&r) || !s.pq.Read(suite.SPQR(), &r) || !r.Empty() || !s.valid() {
		s.Wipe()
		return nil, ErrState
	}
	return s, nil
}

func (s *Session) readKeys(r *cryptobyte.String) bool {
	var v, flags uint8
	var suite uint16
	if !r.ReadUint8(&v) || v != stateVersion || !r.ReadUint16(&suite) || suite != s.suite.ID() ||
		!r.ReadUint8(&flags) || flags&^allStates != 0 {
		return false
	}
	s.hasSelf, s.hasPeer, s.hasRecv = flags&stateSelf != 0, flags&statePeer != 0, flags&stateRecv != 0
	return r.CopyBytes(s.root[:]) && r.CopyBytes(s.nextSend[:]) && r.CopyBytes(s.nextRecv[:]) &&
		(!s.hasSelf || r.CopyBytes(s.self.private[:]) && r.CopyBytes(s.self.public[:])) &&
		(!s.hasPeer || r.CopyBytes(s.peer[:])) &&
		(!s.hasSend() || s.send.read(r)) &&
		(!s.hasRecv || s.recv.read(r)) &&
		r.ReadUint32(&s.pn)
}

func (s *Session) readChains(r *cryptobyte.String) bool {
	var closed uint8
	if !r.ReadUint64(&s.opened) || !r.ReadUint64(&s.received) ||
		!r.ReadUint8(&closed) || int(closed) >= s.suite.Limits().Chains {
		return false
	}
	if closed > 0 {
		s.closed = make([]Closed, closed)
	}
	for i := range s.closed {
		if !r.ReadUint64(&s.closed[i].Number) || !r.CopyBytes(s.closed[i].Header[:]) {
			return false
		}
	}
	return s.skipped.Read(&s.suite.Limits().Rules, r)
}

// valid reports whether the session is one that can come about.
func (s *Session) valid() bool {
	return s.alive() &&
		(!s.hasPeer || CheckKey(&s.peer) == nil) &&
		(!s.hasSelf || CheckKey(&s.self.public) == nil) &&
		(!s.hasSend() || s.send.n > 0) &&
		s.hasRecv == (s.recv.n > 0) && s.hasRecv == (s.opened > 0) && s.hasRecv == (s.received > 0) &&
		(s.hasRecv || s.pn == 0 && len(s.closed) == 0 && len(s.skipped) == 0) &&
		s.validClosed() && s.pq.Valid(s.suite.SPQR(), s.opened)
}

// alive reports whether the session has the keys to go on at all.
func (s *Session) alive() bool {
	return s.suite != nil && (s.hasSelf || s.hasPeer) && (s.hasPeer || !s.hasRecv)
}

// validClosed checks that closed chains are in order and each has a key that is
// skipped, and that each skipped key has a chain it can belong to.
func (s *Session) validClosed() bool {
	before := s.received
	for _, c := range s.closed {
		if c.Number == 0 || c.Number >= before || !s.skipped.Has(c.Number) {
			return false
		}
		before = c.Number
	}
	return s.skipped.Ordered(s.opened, func(number uint64) (uint64, bool) {
		if number == s.received {
			return uint64(s.recv.n), true
		}
		for _, c := range s.closed {
			if c.Number == number {
				return math.MaxUint32, true
			}
		}
		return 0, false
	})
}
