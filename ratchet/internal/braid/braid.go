package braid

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"math"
	"slices"

	"kith/ratchet/internal/erasure"
	"kith/ratchet/internal/kdf"
	"kith/ratchet/internal/mlkem768"
)

// ErrPeer means a message that no correct peer sends in this state: its MAC or
// its key does not fit, or it is of an epoch to come. The state is then spoilt;
// go on with the one before.
var ErrPeer = errors.New("braid: message refused")

const (
	macSize = kdf.Size

	headerSize = mlkem768.HeaderSize + macSize      // hdr || MAC
	ct2Size    = mlkem768.Ciphertext2Size + macSize // ct2 || MAC

	// MaxChunks is how many chunks a message carries at most.
	MaxChunks = 8
	// Numbers is how many chunk numbers are in use: far more than are needed, and
	// few enough that chunks are quick to make.
	Numbers = 1024
	// needed is how many chunks the longest of the four pieces is cut into.
	needed = mlkem768.VectorSize / erasure.ChunkSize
)

// Type says what a message carries besides its epoch. The numbers are those of
// the Braid's encoding.
type Type uint8

// The types of a [Message].
const (
	None     Type = 0 // nothing
	Hdr      Type = 1 // the header of an encapsulation key, with MAC
	Ek       Type = 2 // its vector
	EkCt1Ack Type = 3 // the same, and ct1 has arrived
	Ct1Ack   Type = 4 // nothing, and ct1 has arrived
	Ct1      Type = 5 // the first part of a ciphertext
	Ct2      Type = 6 // the second, with MAC
)

// size is the length in bytes of what a message of this type brings in chunks.
func (t Type) size() int {
	switch t {
	case Hdr:
		return headerSize
	case Ek, EkCt1Ack:
		return mlkem768.VectorSize
	case Ct1:
		return mlkem768.Ciphertext1Size
	case Ct2:
		return ct2Size
	}
	return 0
}

// Carries returns how many chunks a message of this type carries if it may carry
// at most limit.
func (t Type) Carries(limit int) int { return min(limit, t.size()/erasure.ChunkSize) }

// Valid reports whether t is a type there is.
func (t Type) Valid() bool { return t <= Ct2 }

// Message is what one side tells the other with each message of the session.
// Chunk i of Count lies at Chunks[32*i:]; the first has number First, and after
// Numbers-1 comes 0.
type Message struct {
	Epoch  uint64
	Type   Type
	First  uint16
	Count  int
	Chunks [MaxChunks * erasure.ChunkSize]byte
}

// Secret is the key of an epoch, which both sides come to know.
type Secret struct {
	Epoch uint64
	Key   kdf.Key
}

// Profile is what two users of the Braid differ in.
type Profile struct {
	// The labels of the derivations: epoch secret, authenticator update, and the
	// two MACs.
	Secret, Update, HeaderMAC, CiphertextMAC string
	// Chunks is how many chunks go into a message, at most [MaxChunks].
	Chunks int
}

// State is one side. It is a plain value: a copy of it and the original live on
// independently, since what its slices point to is never written again.
type State struct {
	phase phase
	epoch uint64
	auth  authenticator

	// The side that makes a key pair holds its seed; the other the header of
	// that key and the randomness of its encapsulation.
	seed   [mlkem768.SeedSize]byte
	header [mlkem768.HeaderSize]byte
	m      [mlkem768.MessageSize]byte

	out    []byte // what goes out in chunks
	next   uint16 // number of the next chunk of out
	in     []byte // chunks that came in: number and data of each
	vector []byte // of our key, while its header goes out
	ct1    []byte // whole
	ct2    []byte // with its MAC, while ct1 goes out
}

// New returns the state of one side at epoch 1. The initiator makes the first
// key pair. key is what both share; it authenticates the first epoch.
func New(p *Profile, key *kdf.Key, initiator bool) State {
	s := State{epoch: 1, phase: noHeaderReceived}
	if initiator {
		s.phase = keysUnsampled
	}
	s.auth.update(p, 1, key)
	return s
}

// Epoch is the one the state is in, from 1.
func (s *State) Epoch() uint64 { return s.epoch }

// Send returns the next message and, when the state has just agreed on one, the
// secret of its epoch. The error is of the system's randomness or a bug.
// Spec: ML-KEM Braid revision 1, section 3.
func (s *State) Send(p *Profile) (m Message, secret *Secret, err error) {
	m.Epoch = s.epoch
	switch s.phase {
	case keysUnsampled:
		if err := s.generate(p); err != nil {
			return m, nil, err
		}
	case headerReceived:
		secret = s.encapsulate(p)
	}
	m.Type = s.phase.sends()
	m.Count = m.Type.Carries(p.Chunks)
	m.First = s.next
	for i := range m.Count {
		erasure.AppendChunk(m.Chunks[:i*erasure.ChunkSize], s.out, s.next)
		s.next = after(s.next)
	}
	return m, secret, nil
}

// generate makes this epoch's key pair.
func (s *State) generate(p *Profile) error {
	rand.Read(s.seed[:])
	header, vector, err := mlkem768.KeyFromSeed(&s.seed)
	if err != nil {
		return err
	}
	mac := s.auth.header(p, s.epoch, header[:])
	s.vector = vector
	s.send(slices.Concat(header[:], mac[:]))
	s.phase = keysSampled
	return nil
}

// encapsulate makes the first part of the ciphertext. Its secret is known from
// here on, before the key's vector is.
func (s *State) encapsulate(p *Profile) *Secret {
	rand.Read(s.m[:])
	ct1, shared := mlkem768.Encapsulate1(&s.header, &s.m)
	secret := s.agree(p, &shared)
	s.send(ct1[:])
	s.phase = ct1Sampled
	return secret
}

// agree turns a shared key into the epoch's secret and moves the authenticator on.
func (s *State) agree(p *Profile, shared *[mlkem768.SharedSize]byte) *Secret {
	secret := &Secret{Epoch: s.epoch}
	kdf.DeriveAt(secret.Key[:], new(kdf.Key), shared[:], p.Secret, s.epoch)
	clear(shared[:])
	s.auth.update(p, s.epoch, &secret.Key)
	return secret
}

// send makes b what goes out in chunks from now on.
func (s *State) send(b []byte) { s.out, s.next = b, 0 }

// Receive takes a message of the peer, which must be authentic. It returns the
// secret of an epoch when the message completed it. On [ErrPeer] the state must not be used any
// more. A message of an older epoch, or of a type that does not matter now, changes nothing.
func (s *State) Receive(p *Profile, m *Message) (*Secret, error) {
	switch {
	case m.Epoch < s.epoch:
		return nil, nil
	case m.Epoch > s.epoch:
		if s.phase != ct2Sampled || m.Epoch-s.epoch != 1 {
			return nil, ErrPeer
		}
		s.begin(keysUnsampled)
		return nil, nil
	}
	switch s.phase {
	case keysSampled, headerSent:
		s.receiveCt1(m)
	case ct1Received, ekSentCt1Received:
		return s.receiveCt2(p, m)
	case noHeaderReceived:
		return nil, s.receiveHeader(p, m)
	case ct1Sampled, ct1Acknowledged, ekReceivedCt1Sampled:
		return nil, s.receiveEk(p, m)
	}
	return nil, nil
}

// begin starts the next epoch.
func (s *State) begin(first phase) {
	*s = State{phase: first, epoch: s.epoch + 1, auth: s.auth}
}

func (s *State) receiveHeader(p *Profile, m *Message) error {
	b := s.collect(m, Hdr, Hdr)
	if b == nil {
		return nil
	}
	mac := s.auth.header(p, s.epoch, b[:mlkem768.HeaderSize])
	if subtle.ConstantTimeCompare(mac[:], b[mlkem768.HeaderSize:]) != 1 {
		return ErrPeer
	}
	s.header, s.phase = [mlkem768.HeaderSize]byte(b), headerReceived
	return nil
}

func (s *State) receiveCt1(m *Message) {
	if m.Type != Ct1 {
		return
	}
	if s.phase == keysSampled { // the peer has the header
		s.send(s.vector)
		s.vector, s.phase = nil, headerSent
	}
	if b := s.collect(m, Ct1, Ct1); b != nil {
		s.ct1, s.phase = b, ct1Received
	}
}

// receiveCt2 ends the epoch on the side that made the key pair.
func (s *State) receiveCt2(p *Profile, m *Message) (*Secret, error) {
	if m.Type != Ct2 || s.epoch == math.MaxUint64 {
		return nil, nil
	}
	if s.phase == ct1Received { // the peer has the vector
		s.send(nil)
		s.phase = ekSentCt1Received
	}
	b := s.collect(m, Ct2, Ct2)
	if b == nil {
		return nil, nil
	}
	ct2, theirs := b[:mlkem768.Ciphertext2Size], b[mlkem768.Ciphertext2Size:]
	shared, err := mlkem768.Decapsulate(&s.seed, s.ct1, ct2)
	if err != nil {
		return nil, ErrPeer
	}
	secret := s.agree(p, &shared)
	mac := s.auth.ciphertext(p, s.epoch, s.ct1, ct2)
	if subtle.ConstantTimeCompare(mac[:], theirs) != 1 {
		clear(secret.Key[:])
		return nil, ErrPeer
	}
	s.begin(noHeaderReceived)
	return secret, nil
}

// receiveEk takes the vector of the peer's key and his word that ct1 has arrived,
// in whatever order they come.
func (s *State) receiveEk(p *Profile, m *Message) error {
	if s.phase != ekReceivedCt1Sampled {
		if b := s.collect(m, Ek, EkCt1Ack); b != nil {
			if err := s.complete(p, b); err != nil {
				return err
			}
		}
	}
	if m.Type == EkCt1Ack || m.Type == Ct1Ack {
		switch s.phase {
		case ct1Sampled:
			s.ct1, s.phase = s.out, ct1Acknowledged
			s.send(nil)
		case ekReceivedCt1Sampled:
			s.send(s.ct2)
			s.ct2, s.phase = nil, ct2Sampled
		}
	}
	return nil
}

// complete makes the second part of the ciphertext as soon as the peer's key is
// whole, so that the randomness need not be kept.
func (s *State) complete(p *Profile, vector []byte) error {
	ct2, err := mlkem768.Encapsulate2(&s.header, &s.m, vector)
	if err != nil {
		return ErrPeer
	}
	ct1 := s.ct1
	if s.phase == ct1Sampled {
		ct1 = s.out
	}
	mac := s.auth.ciphertext(p, s.epoch, ct1, ct2[:])
	whole := slices.Concat(ct2[:], mac[:])
	clear(s.m[:])
	s.header = [mlkem768.HeaderSize]byte{}
	if s.phase == ct1Acknowledged {
		s.ct1, s.phase = nil, ct2Sampled
		s.send(whole)
		return nil
	}
	s.ct2, s.phase = whole, ekReceivedCt1Sampled
	return nil
}

// Wipe zeroes what is secret. Encapsulation keys and ciphertexts are not.
func (s *State) Wipe() { *s = State{} }
