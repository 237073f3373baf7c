package pqxdh

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/rand"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// PrivateSignedPrekey is a [SignedPrekey] with its private half. Read-only after
// creation.
type PrivateSignedPrekey struct {
	_      [0]func() // not comparable: == on secrets is not constant time
	Public SignedPrekey
	dh     *ecdh.PrivateKey
}

// PrivateOneTimePrekey is a [OneTimePrekey] with its private half. Read-only
// after creation. Delete it once a message to it has opened.
type PrivateOneTimePrekey struct {
	_      [0]func()
	Public OneTimePrekey
	dh     *ecdh.PrivateKey
}

// PrivateKEMPrekey is a [KEMPrekey] with its private half. Read-only after
// creation. If it is one-time, delete it once a message to it has opened.
type PrivateKEMPrekey struct {
	_      [0]func()
	Public KEMPrekey
	dk     *mlkem.DecapsulationKey1024
}

var errSigner = errors.New("pqxdh: the signing key is not the owner's device key")
var errNotAfter = errors.New("pqxdh: expiry out of range")

// NewSignedPrekey makes and signs a prekey. signer must be the Ed25519 key of
// owner.Device; notAfter is in Unix seconds, 1 to [MaxNotAfter]. The caller keeps
// id unique among the owner's signed prekeys. All errors are the caller's fault.
func NewSignedPrekey(signer ed25519.PrivateKey, owner Owner, id uint32, notAfter int64) (*PrivateSignedPrekey, error) {
	dh, err := newCurvePrekey(signer, owner, notAfter)
	if err != nil {
		return nil, err
	}
	p := &PrivateSignedPrekey{dh: dh}
	p.Public = SignedPrekey{ID: id, NotAfter: notAfter, Key: publicBytes(dh)}
	r := p.Public.record()
	copy(p.Public.Signature[:], ed25519.Sign(signer, r.signed(&owner)))
	return p, nil
}

// NewOneTimePrekey makes and signs a prekey; arguments as in [NewSignedPrekey].
func NewOneTimePrekey(signer ed25519.PrivateKey, owner Owner, id uint32, notAfter int64) (*PrivateOneTimePrekey, error) {
	dh, err := newCurvePrekey(signer, owner, notAfter)
	if err != nil {
		return nil, err
	}
	p := &PrivateOneTimePrekey{dh: dh}
	p.Public = OneTimePrekey{ID: id, NotAfter: notAfter, Key: publicBytes(dh)}
	r := p.Public.record()
	copy(p.Public.Signature[:], ed25519.Sign(signer, r.signed(&owner)))
	return p, nil
}

func newCurvePrekey(signer ed25519.PrivateKey, owner Owner, notAfter int64) (*ecdh.PrivateKey, error) {
	if err := checkSigner(signer, owner, notAfter); err != nil {
		return nil, err
	}
	return ecdh.X25519().GenerateKey(rand.Reader)
}

func checkSigner(signer ed25519.PrivateKey, owner Owner, notAfter int64) error {
	if !owner.signs(signer) {
		return errSigner
	}
	if !validNotAfter(notAfter) {
		return errNotAfter
	}
	return nil
}

// NewKEMPrekey makes and signs an ML-KEM-1024 prekey, one-time unless lastResort;
// other arguments as in [NewSignedPrekey].
func NewKEMPrekey(signer ed25519.PrivateKey, owner Owner, id uint32, notAfter int64, lastResort bool) (*PrivateKEMPrekey, error) {
	if err := checkSigner(signer, owner, notAfter); err != nil {
		return nil, err
	}
	dk, err := mlkem.GenerateKey1024()
	if err != nil {
		return nil, fmt.Errorf("pqxdh: ML-KEM key: %w", err)
	}
	p := &PrivateKEMPrekey{dk: dk}
	p.Public = KEMPrekey{ID: id, NotAfter: notAfter, OneTime: !lastResort}
	copy(p.Public.Key[:], dk.EncapsulationKey().Bytes())
	r := p.Public.record()
	copy(p.Public.Signature[:], ed25519.Sign(signer, r.signed(&owner)))
	return p, nil
}

// MarshalBinary returns the prekey for storage: secret bytes.
func (p *PrivateSignedPrekey) MarshalBinary() ([]byte, error) {
	return marshalPrivate(p.Public.record(), p.dh.Bytes())
}

// MarshalBinary returns the prekey for storage: secret bytes.
func (p *PrivateOneTimePrekey) MarshalBinary() ([]byte, error) {
	return marshalPrivate(p.Public.record(), p.dh.Bytes())
}

// MarshalBinary returns the prekey for storage: secret bytes. The key is kept as
// its 64-byte seed (FIPS 203).
func (p *PrivateKEMPrekey) MarshalBinary() ([]byte, error) {
	return marshalPrivate(p.Public.record(), p.dk.Bytes())
}

func marshalPrivate(p prekey, secret []byte) ([]byte, error) {
	defer clear(secret)
	var b cryptobyte.Builder
	addPrologue(&b)
	b.AddUint8(uint8(p.kind))
	b.AddUint32(p.id)
	b.AddUint64(uint64(p.notAfter))
	b.AddBytes(secret)
	b.AddBytes(p.signature)
	return b.Bytes()
}

// ParsePrivateSignedPrekey reads what [PrivateSignedPrekey.MarshalBinary] wrote.
// Errors are [ErrMalformed]. The signature is not checked: the bytes are the
// owner's own.
func ParsePrivateSignedPrekey(b []byte) (*PrivateSignedPrekey, error) {
	p := new(PrivateSignedPrekey)
	var err error
	p.dh, err = parsePrivateCurve(b, kindSigned, &p.Public.ID, &p.Public.NotAfter, &p.Public.Signature)
	if err != nil {
		return nil, err
	}
	p.Public.Key = publicBytes(p.dh)
	return p, nil
}

// ParsePrivateOneTimePrekey reads what [PrivateOneTimePrekey.MarshalBinary]
// wrote, like [ParsePrivateSignedPrekey].
func ParsePrivateOneTimePrekey(b []byte) (*PrivateOneTimePrekey, error) {
	p := new(PrivateOneTimePrekey)
	var err error
	p.dh, err = parsePrivateCurve(b, kindOneTime, &p.Public.ID, &p.Public.NotAfter, &p.Public.Signature)
	if err != nil {
		return nil, err
	}
	p.Public.Key = publicBytes(p.dh)
	return p, nil
}

func parsePrivateCurve(b []byte, want kind, id *uint32, notAfter *int64, sig *[signatureSize]byte) (*ecdh.PrivateKey, error) {
	s := cryptobyte.String(b)
	var k kind
	var secret [keySize]byte
	defer clear(secret[:])
	if !readPrologue(&s) || !readPrekeyHead(&s, &k, id, notAfter) || k != want ||
		!s.CopyBytes(secret[:]) || !s.CopyBytes(sig[:]) || !s.Empty() {
		return nil, ErrMalformed
	}
	dh, err := ecdh.X25519().NewPrivateKey(secret[:])
	if err != nil {
		return nil, ErrMalformed
	}
	return dh, nil
}

// ParsePrivateKEMPrekey reads what [PrivateKEMPrekey.MarshalBinary] wrote, like
// [ParsePrivateSignedPrekey].
func ParsePrivateKEMPrekey(b []byte) (*PrivateKEMPrekey, error) {
	s := cryptobyte.String(b)
	p := new(PrivateKEMPrekey)
	var k kind
	var seed [mlkem.SeedSize]byte
	defer clear(seed[:])
	if !readPrologue(&s) || !readPrekeyHead(&s, &k, &p.Public.ID, &p.Public.NotAfter) ||
		k != kindOneTimeKEM && k != kindLastResort ||
		!s.CopyBytes(seed[:]) || !s.CopyBytes(p.Public.Signature[:]) || !s.Empty() {
		return nil, ErrMalformed
	}
	dk, err := mlkem.NewDecapsulationKey1024(seed[:])
	if err != nil {
		return nil, ErrMalformed
	}
	p.dk, p.Public.OneTime = dk, k == kindOneTimeKEM
	copy(p.Public.Key[:], dk.EncapsulationKey().Bytes())
	return p, nil
}
