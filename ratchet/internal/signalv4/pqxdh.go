package signalv4

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

const infoPQXDH = "WhisperText_X25519_SHA-256_CRYSTALS-KYBER-1024"

// Bundle is what a responder publishes.
type Bundle struct {
	RegistrationID        uint32
	Identity              PublicKey
	HasPreKey             bool // whether there is a one-time prekey
	PreKeyID              uint32
	PreKey                PublicKey
	SignedPreKeyID        uint32
	SignedPreKey          PublicKey
	SignedPreKeySignature Signature
	KEMPreKeyID           uint32
	KEMPreKey             []byte // with its type
	KEMPreKeySignature    Signature
}

// Secrets is what a handshake gives to both sides, and what goes into the
// authentication of every message.
type Secrets struct {
	Root, Chain, PQ [keySize]byte
	Identities      [2]PublicKey // of the initiator and the responder
}

// Initiated is a handshake from its initiator's side.
type Initiated struct {
	Secrets
	PreKeyMessage // all but Message and RegistrationID
}

// Initiate begins a session with the owner of a bundle (PQXDH, section 3.3). The
// errors are ErrSignature and ErrKey: the bundle is bad.
func Initiate(self *KeyPair, b *Bundle) (*Initiated, error) {
	signed := b.SignedPreKey.Append(nil)
	if !VerifySignal(&b.Identity, signed, &b.SignedPreKeySignature) ||
		!VerifySignal(&b.Identity, b.KEMPreKey, &b.KEMPreKeySignature) {
		return nil, ErrSignature
	}
	base, err := NewKeyPair()
	if err != nil {
		return nil, err
	}
	ciphertext, shared, err := encapsulate(b.KEMPreKey)
	if err != nil {
		return nil, err
	}
	var a agreement
	defer a.wipe()
	a.start()
	a.add(&self.Private, &b.SignedPreKey)
	a.add(&base.Private, &b.Identity)
	a.add(&base.Private, &b.SignedPreKey)
	if b.HasPreKey {
		a.add(&base.Private, &b.PreKey)
	}
	clear(base.Private[:])
	secrets, err := a.finish(&shared)
	if err != nil {
		return nil, err
	}
	secrets.Identities = [2]PublicKey{self.Public, b.Identity}
	return &Initiated{secrets, PreKeyMessage{
		PreKeyID: b.PreKeyID, HasPreKey: b.HasPreKey,
		BaseKey: base.Public, IdentityKey: self.Public,
		SignedPreKeyID: b.SignedPreKeyID,
		KEMPreKeyID:    b.KEMPreKeyID, KEMCiphertext: ciphertext,
	}}, nil
}

// PreKeys are the keys of a responder that a message names.
type PreKeys struct {
	Identity KeyPair
	Signed   KeyPair
	OneTime  *KeyPair // nil if the message names none
	KEM      *KEMKeyPair
}

// Accept finds the secrets of the session that a message begins (PQXDH, section
// 3.4). That they are right shows only when the message inside opens: nothing is
// to be erased before. The errors are ErrFormat and ErrKey.
func Accept(keys *PreKeys, m *PreKeyMessage) (*Secrets, error) {
	if m.HasPreKey != (keys.OneTime != nil) {
		return nil, ErrFormat
	}
	if !m.BaseKey.canonical() || !m.BaseKey.torsionFree() {
		return nil, ErrKey
	}
	shared, err := keys.KEM.decapsulate(m.KEMCiphertext)
	if err != nil {
		return nil, err
	}
	var a agreement
	defer a.wipe()
	a.start()
	a.add(&keys.Signed.Private, &m.IdentityKey)
	a.add(&keys.Identity.Private, &m.BaseKey)
	a.add(&keys.Signed.Private, &m.BaseKey)
	if keys.OneTime != nil {
		a.add(&keys.OneTime.Private, &m.BaseKey)
	}
	secrets, err := a.finish(&shared)
	if err != nil {
		return nil, err
	}
	secrets.Identities = [2]PublicKey{m.IdentityKey, keys.Identity.Public}
	return &secrets, nil
}

// agreement collects the input of the key derivation: 32 bytes of 0xff, the three
// or four agreements, the secret of the KEM.
type agreement struct {
	input [6 * keySize]byte
	n     int
	err   error
}

func (a *agreement) start() {
	a.n = copy(a.input[:], bytes.Repeat([]byte{0xff}, keySize))
}

func (a *agreement) add(private *[keySize]byte, public *PublicKey) {
	z, err := scalarMult(private, public)
	if err != nil {
		a.err = err
	}
	a.n += copy(a.input[a.n:], z[:])
	clear(z[:])
}

func (a *agreement) finish(shared *[keySize]byte) (s Secrets, err error) {
	if a.err != nil {
		return s, a.err
	}
	a.n += copy(a.input[a.n:], shared[:])
	clear(shared[:])
	out, err := hkdf.Key(sha256.New, a.input[:a.n], nil, infoPQXDH, 3*keySize)
	if err != nil {
		return s, fmt.Errorf("signalv4: derive secrets: %w", err)
	}
	copy(s.Root[:], out)
	copy(s.Chain[:], out[keySize:])
	copy(s.PQ[:], out[2*keySize:])
	clear(out)
	return s, nil
}

func (a *agreement) wipe() { clear(a.input[:]) }

// Wipe erases the secrets.
func (s *Secrets) Wipe() {
	clear(s.Root[:])
	clear(s.Chain[:])
	clear(s.PQ[:])
}
