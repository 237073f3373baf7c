package spqr

import (
	"math"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"kith/ratchet/internal/braid"
	"kith/ratchet/internal/kdf"
	"kith/ratchet/internal/skipped"
)

// MaxState returns the longest encoding of a state without skipped keys, in bytes.
func (p *Profile) MaxState() int {
	return 1 + kdf.Size + 1 + 8 + p.maxEpochs()*(1+2*(kdf.Size+4)) + 8 + 4 + 8 + 4 + braid.MaxState + 2
}

// maxEpochs is how many epochs have chains at most: one that both still use and
// the next, and without Closing also the one before.
func (p *Profile) maxEpochs() int {
	if p.Closing {
		return maxEpochs - 1
	}
	return maxEpochs
}

const (
	flagSend = 1
	flagRecv = 2
)

// Add appends the encoding of the state to b: secret bytes.
func (s *State) Add(b *cryptobyte.Builder) {
	role := uint8(0)
	if s.initiator {
		role = 1
	}
	b.AddUint8(role)
	b.AddBytes(s.root[:])
	b.AddUint8(uint8(s.count))
	b.AddUint64(s.epochs[0].number)
	for i := range s.count {
		e := &s.epochs[i]
		var flags uint8
		if e.send.open {
			flags |= flagSend
		}
		if e.recv.open {
			flags |= flagRecv
		}
		b.AddUint8(flags)
		e.send.add(b)
		e.recv.add(b)
	}
	b.AddUint64(s.sending)
	b.AddUint32(s.previous)
	b.AddUint64(s.receiving)
	b.AddUint32(s.sinceEpoch)
	s.braid.Add(b)
	s.skipped.Add(b)
}

func (c *chain) add(b *cryptobyte.Builder) {
	if c.open {
		b.AddBytes(c.next[:])
		b.AddUint32(c.n)
	}
}

// Read reads what Add wrote, and nothing else.
func (s *State) Read(p *Profile, r *cryptobyte.String) bool {
	var role, count uint8
	if !r.ReadUint8(&role) || role > 1 || !r.CopyBytes(s.root[:]) ||
		!r.ReadUint8(&count) || count == 0 || int(count) > p.maxEpochs() || !r.ReadUint64(&s.epochs[0].number) {
		return false
	}
	s.initiator, s.count = role == 1, int(count)
	for i := range s.count {
		if !s.epochs[i].read(r) {
			return false
		}
		s.epochs[i].number = s.epochs[0].number + uint64(i)
	}
	return r.ReadUint64(&s.sending) && r.ReadUint32(&s.previous) && r.ReadUint64(&s.receiving) &&
		r.ReadUint32(&s.sinceEpoch) && s.braid.Read(r) && s.skipped.Read(&p.Rules, r)
}

func (e *epoch) read(r *cryptobyte.String) bool {
	var flags uint8
	if !r.ReadUint8(&flags) || flags&^(flagSend|flagRecv) != 0 {
		return false
	}
	e.send.open, e.recv.open = flags&flagSend != 0, flags&flagRecv != 0
	return (!e.send.open || e.send.read(r)) && (!e.recv.open || e.recv.read(r))
}

func (c *chain) read(r *cryptobyte.String) bool {
	return r.CopyBytes(c.next[:]) && r.ReadUint32(&c.n)
}

// Valid reports whether the state is one that can come about when opened
// messages were opened.
func (s *State) Valid(p *Profile, opened uint64) bool {
	last := s.Epoch()
	if last < s.epochs[0].number || !s.braid.Follows(last) { // numbers wrapped, or another epoch's
		return false
	}
	for i := range s.count {
		e := &s.epochs[i]
		if e.send.open != (e.number >= s.sending) || e.number > s.receiving && !e.recv.open ||
			p.Closing && e.recv.open != (e.number >= s.receiving) {
			return false
		}
	}
	sending, receiving := s.find(s.sending), s.find(s.receiving)
	if sending == nil || receiving == nil || s.braid.Epoch()-1 < s.sending || s.braid.Epoch()-s.sending > 2 ||
		s.braid.Sent() && s.braid.Epoch()-s.sending != 1 || slices.ContainsFunc(s.skipped, func(k skipped.Key) bool { return k.N == 0 }) {
		return false
	}
	return s.skipped.Ordered(opened, func(number uint64) (uint64, bool) {
		if number > s.receiving {
			return 0, false
		}
		if e := s.find(number); e != nil && e.recv.open {
			return uint64(e.recv.n) + 1, true
		}
		return math.MaxUint32 + 1, p.Closing
	})
}
