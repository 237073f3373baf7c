package braid

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"

	"kith/ratchet/internal/erasure"
	"kith/ratchet/internal/kdf"
	"kith/ratchet/internal/mlkem768"
)

// MaxState is the longest encoding of a state in bytes: that of the side that
// sends ct1 and lacks one chunk of the key's vector.
const MaxState = 1 + 8 + 2*kdf.Size + mlkem768.HeaderSize + mlkem768.MessageSize +
	mlkem768.Ciphertext1Size + 2 + 1 + (needed-1)*storedChunk

// fields are the parts a state has besides phase, epoch and authenticator, in
// the order of its encoding. A part of length 0 is not there.
type fields struct {
	seed, header, m, vector, out, next, ct1, ct2, in bool
}

var has = [phases]fields{
	keysSampled:          {seed: true, vector: true, out: true, next: true},
	headerSent:           {seed: true, out: true, next: true, in: true},
	ct1Received:          {seed: true, out: true, next: true, ct1: true},
	ekSentCt1Received:    {seed: true, ct1: true, in: true},
	noHeaderReceived:     {in: true},
	headerReceived:       {header: true},
	ct1Sampled:           {header: true, m: true, out: true, next: true, in: true},
	ekReceivedCt1Sampled: {out: true, next: true, ct2: true},
	ct1Acknowledged:      {header: true, m: true, ct1: true, in: true},
	ct2Sampled:           {out: true, next: true},
}

// outSize is the length of what a phase sends in chunks.
func (p phase) outSize() int { return p.sends().size() }

// Add appends the encoding of the state to b: secret bytes.
func (s *State) Add(b *cryptobyte.Builder) {
	f := has[s.phase]
	b.AddUint8(uint8(s.phase))
	b.AddUint64(s.epoch)
	b.AddBytes(s.auth.root[:])
	b.AddBytes(s.auth.mac[:])
	if f.seed {
		b.AddBytes(s.seed[:])
	}
	if f.header {
		b.AddBytes(s.header[:])
	}
	if f.m {
		b.AddBytes(s.m[:])
	}
	for _, part := range [...][]byte{s.vector, s.out, s.ct1, s.ct2} {
		b.AddBytes(part)
	}
	if f.next {
		b.AddUint16(s.next)
	}
	if f.in {
		b.AddUint8(uint8(len(s.in) / storedChunk))
		b.AddBytes(s.in)
	}
}

// Read reads what Add wrote and nothing else. The parts are copied.
func (s *State) Read(r *cryptobyte.String) bool {
	var p uint8
	if !r.ReadUint8(&p) || p >= phases || !r.ReadUint64(&s.epoch) || s.epoch == 0 ||
		!r.CopyBytes(s.auth.root[:]) || !r.CopyBytes(s.auth.mac[:]) {
		return false
	}
	s.phase = phase(p)
	f := has[s.phase]
	return (!f.seed || r.CopyBytes(s.seed[:])) &&
		(!f.header || r.CopyBytes(s.header[:])) &&
		(!f.m || r.CopyBytes(s.m[:])) &&
		(!f.vector || readPart(r, &s.vector, mlkem768.VectorSize)) &&
		(!f.out || readPart(r, &s.out, s.phase.outSize())) &&
		(!f.ct1 || readPart(r, &s.ct1, mlkem768.Ciphertext1Size)) &&
		(!f.ct2 || readPart(r, &s.ct2, ct2Size)) &&
		(!f.next || r.ReadUint16(&s.next) && s.next < Numbers) &&
		(!f.in || s.readIn(r))
}

func readPart(r *cryptobyte.String, part *[]byte, size int) bool {
	var b []byte
	if !r.ReadBytes(&b, size) {
		return false
	}
	*part = bytes.Clone(b)
	return true
}

// readIn reads chunks, fewer than are needed and no two of one number.
func (s *State) readIn(r *cryptobyte.String) bool {
	var n uint8
	if !r.ReadUint8(&n) || n > 0 && int(n) >= s.phase.collects().size()/erasure.ChunkSize {
		return false
	}
	if n > 0 && !readPart(r, &s.in, int(n)*storedChunk) {
		return false
	}
	for in := s.in; len(in) > storedChunk; in = in[storedChunk:] {
		if stored(in[storedChunk:], binary.BigEndian.Uint16(in)) {
			return false
		}
	}
	return true
}

// Sent reports whether the state is one that sending in this epoch leads to.
func (s *State) Sent() bool {
	return s.phase != keysUnsampled && s.phase != noHeaderReceived && s.phase != headerReceived
}

// Follows reports whether the state is one in which the secrets of epochs up to
// last, and no others, were agreed on.
func (s *State) Follows(last uint64) bool {
	switch s.phase {
	case ct1Sampled, ekReceivedCt1Sampled, ct1Acknowledged, ct2Sampled:
		return s.epoch == last
	}
	return s.epoch-1 == last
}
