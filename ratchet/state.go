package ratchet

import "golang.org/x/crypto/cryptobyte"

// The flags of a session's encoding.
const (
	stateSelf = 1 << 0
	statePeer = 1 << 1
	stateRecv = 1 << 2
	allStates = stateSelf | statePeer | stateRecv
)

// MarshalBinary returns the session for storage: secret bytes, at most [MaxState]
// and a few hundred if no keys are skipped. The encoding is canonical. The error
// is [ErrState]: the session was wiped.
func (s *Session) MarshalBinary() ([]byte, error) {
	if !s.alive() {
		return nil, ErrState
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, stateSize+len(s.skipped)*skippedSize))
	b.AddUint8(version)
	b.AddUint16(suiteNative)
	b.AddUint8(s.flags())
	for _, k := range []*[keySize]byte{&s.root, &s.pq, &s.nextSend, &s.nextRecv} {
		b.AddBytes(k[:])
	}
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
	b.AddUint64(s.accepted)
	b.AddUint8(uint8(len(s.closed)))
	for i := range s.closed {
		b.AddBytes(s.closed[i][:])
	}
	b.AddUint16(uint16(len(s.skipped)))
	for i := range s.skipped {
		s.skipped[i].add(b)
	}
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

func (k *skippedKey) add(b *cryptobyte.Builder) {
	b.AddUint8(k.chain)
	b.AddUint32(k.n)
	b.AddUint64(k.accepted)
	b.AddUint64(uint64(k.at))
	b.AddBytes(k.key[:])
}

// ParseSession reads exactly what [Session.MarshalBinary] writes; anything else
// is [ErrState].
func ParseSession(p []byte) (*Session, error) {
	if len(p) > MaxState {
		return nil, ErrState
	}
	r := cryptobyte.String(p)
	s := new(Session)
	if !s.readKeys(&r) || !s.readSkipped(&r) || !r.Empty() || !s.valid() {
		s.Wipe()
		return nil, ErrState
	}
	return s, nil
}

func (s *Session) readKeys(r *cryptobyte.String) bool {
	var v, flags uint8
	var suite uint16
	if !r.ReadUint8(&v) || v != version || !r.ReadUint16(&suite) || suite != suiteNative ||
		!r.ReadUint8(&flags) || flags&^allStates != 0 {
		return false
	}
	s.hasSelf, s.hasPeer, s.hasRecv = flags&stateSelf != 0, flags&statePeer != 0, flags&stateRecv != 0
	for _, k := range []*[keySize]byte{&s.root, &s.pq, &s.nextSend, &s.nextRecv} {
		if !r.CopyBytes(k[:]) {
			return false
		}
	}
	return (!s.hasSelf || r.CopyBytes(s.self.private[:]) && r.CopyBytes(s.self.public[:])) &&
		(!s.hasPeer || r.CopyBytes(s.peer[:])) &&
		(!s.hasSend() || s.send.read(r)) &&
		(!s.hasRecv || s.recv.read(r)) &&
		r.ReadUint32(&s.pn) && r.ReadUint64(&s.accepted)
}

func (c *chain) read(r *cryptobyte.String) bool {
	return r.CopyBytes(c.header[:]) && r.CopyBytes(c.chain[:]) && r.ReadUint32(&c.n)
}

func (s *Session) readSkipped(r *cryptobyte.String) bool {
	var closed uint8
	var skipped uint16
	if !r.ReadUint8(&closed) || closed > maxClosed {
		return false
	}
	if closed > 0 {
		s.closed = make([][keySize]byte, closed)
	}
	for i := range s.closed {
		if !r.CopyBytes(s.closed[i][:]) {
			return false
		}
	}
	if !r.ReadUint16(&skipped) || skipped > MaxSkipped || len(*r) != int(skipped)*skippedSize {
		return false
	}
	if skipped > 0 {
		s.skipped = make([]skippedKey, skipped)
	}
	for i := range s.skipped {
		if !s.skipped[i].read(r) {
			return false
		}
	}
	return true
}

func (k *skippedKey) read(r *cryptobyte.String) bool {
	var at uint64
	ok := r.ReadUint8(&k.chain) && r.ReadUint32(&k.n) && r.ReadUint64(&k.accepted) &&
		r.ReadUint64(&at) && r.CopyBytes(k.key[:])
	k.at = int64(at)
	return ok
}

// valid reports whether the session is one that can come about.
func (s *Session) valid() bool {
	return s.alive() &&
		(!s.hasPeer || checkCurveKey(&s.peer) == nil) &&
		(!s.hasSelf || checkCurveKey(&s.self.public) == nil) &&
		(!s.hasSend() || s.send.n > 0) &&
		s.hasRecv == (s.recv.n > 0) && s.hasRecv == (s.accepted > 0) &&
		(s.hasRecv || s.pn == 0 && len(s.closed) == 0 && len(s.skipped) == 0) &&
		s.validSkipped()
}

// alive reports whether the session has the keys to go on at all.
func (s *Session) alive() bool {
	return (s.hasSelf || s.hasPeer) && (s.hasPeer || !s.hasRecv)
}

// validSkipped checks that skipped keys are ordered by age and, within a chain,
// by number, that each has a chain it can belong to, and each closed chain a key.
func (s *Session) validSkipped() bool {
	var above [MaxChains]uint64 // the least number the next key of a chain may have
	var last uint64
	for i := range s.skipped {
		k := &s.skipped[i]
		if int(k.chain) > len(s.closed) || uint64(k.n) < above[k.chain] ||
			k.accepted < last || k.accepted > s.accepted || k.chain == 0 && k.n >= s.recv.n {
			return false
		}
		above[k.chain], last = uint64(k.n)+1, k.accepted
	}
	for i := range s.closed {
		if above[i+1] == 0 {
			return false
		}
	}
	return true
}
