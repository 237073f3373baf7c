package pqxdh

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

const (
	labelTranscript = "kith v1 pqxdh transcript"
	labelSecrets    = "kith v1 pqxdh secrets X25519 SHA-256 ML-KEM-1024"

	secretsSize = 5 * keySize
)

// Secrets is what both sides hold afterwards. The first four seed a Double
// Ratchet with header encryption; HeaderA is the initiator's first header key
// (shared_hka), HeaderB the responder's next one (shared_nhkb), PQ seeds what
// runs beside the classical ratchet. Exporter is for the application. AD must
// accompany every message of the session as associated data; it is not secret.
type Secrets struct {
	_        [0]func() // not comparable: == on secrets is not constant time
	Root     [keySize]byte
	HeaderA  [keySize]byte
	HeaderB  [keySize]byte
	PQ       [keySize]byte
	Exporter [keySize]byte
	AD       []byte

	// PeerRatchet is the responder's signed prekey, the first ratchet key the
	// initiator answers. Nil on the responder's side.
	PeerRatchet *ecdh.PublicKey
	// SelfRatchet is the private half of the same key. Nil on the initiator's side.
	SelfRatchet *ecdh.PrivateKey
}

// Wipe zeroes the secrets and drops the keys. The runtime may have copied keys of
// crypto/ecdh elsewhere; they become garbage.
func (s *Secrets) Wipe() {
	clear(s.Root[:])
	clear(s.HeaderA[:])
	clear(s.HeaderB[:])
	clear(s.PQ[:])
	clear(s.Exporter[:])
	clear(s.AD)
	s.AD, s.PeerRatchet, s.SelfRatchet = nil, nil, nil
}

// handshake is everything both sides see. OneTime and psk are nil if unused.
type handshake struct {
	initial   *Initial
	responder Owner
	signed    *SignedPrekey
	oneTime   *OneTimePrekey
	kem       *KEMPrekey
}

// transcript hashes the handshake. The encoding is injective: every field has a
// fixed size, and the flags say which are there.
func (h *handshake) transcript() [sha256.Size]byte {
	var b cryptobyte.Builder
	addLabel(&b, labelTranscript)
	addPrologue(&b)
	b.AddUint8(h.initial.flags())
	addAddress(&b, &h.initial.Sender)
	addAddress(&b, &h.responder.Address)
	addCurveKey(&b, &h.initial.Identity)
	addCurveKey(&b, &h.responder.Identity)
	addCurveKey(&b, &h.initial.Ephemeral)
	signed := h.signed.record()
	signed.addBody(&b)
	if h.oneTime != nil {
		oneTime := h.oneTime.record()
		oneTime.addBody(&b)
	}
	kem := h.kem.record()
	kem.addBody(&b)
	addKEM(&b, &h.initial.Ciphertext)
	return sha256.Sum256(b.BytesOrPanic())
}

// derive turns the key material (discontinuity bytes, DH outputs, KEM secret
// and, if any, the invite's secret) into secrets, and erases it.
func (h *handshake) derive(material []byte) (*Secrets, error) {
	defer clear(material)
	th := h.transcript()
	out, err := hkdf.Key(sha256.New, material, make([]byte, sha256.Size), labelSecrets+string(th[:]), secretsSize)
	if err != nil {
		return nil, fmt.Errorf("pqxdh: %w", err)
	}
	defer clear(out)
	s := &Secrets{AD: h.ad(&th)}
	for i, k := range []*[keySize]byte{&s.Root, &s.HeaderA, &s.HeaderB, &s.PQ, &s.Exporter} {
		copy(k[:], out[i*keySize:])
	}
	return s, nil
}

// ad returns the associated data: PQXDH's two identity keys, and the transcript
// hash in place of the KEM key it contains.
func (h *handshake) ad(th *[sha256.Size]byte) []byte {
	var b cryptobyte.Builder
	addPrologue(&b)
	addCurveKey(&b, &h.initial.Identity)
	addCurveKey(&b, &h.responder.Identity)
	b.AddBytes(th[:])
	return b.BytesOrPanic()
}
