package suite

import (
	"crypto/hpke"
	"errors"
	"slices"
)

// errKEM is every failure of a KEM: which one is nobody's business.
var errKEM = errors.New("suite: invalid key or ciphertext")

const exportLabel = "MLS 1.0 external init secret"

// kem is HPKE in base mode with all its algorithms chosen. Keys are as HPKE
// serialises them.
type kem interface {
	generate() (*PrivateKey, error)
	derive(ikm []byte) (*PrivateKey, error)
	private(b []byte) (*PrivateKey, error)
	checkPublic(pub []byte) error
	seal(pub, info, plaintext []byte) (output, ciphertext []byte, err error)
	sealer(info []byte) (Sealer, error)
	open(k *PrivateKey, output, info, ciphertext []byte) ([]byte, error)
	exportTo(pub []byte, n int) (output, secret []byte, err error)
	exportFrom(k *PrivateKey, output []byte, n int) ([]byte, error)
}

// PrivateKey is an HPKE private key of one suite. It is never changed.
type PrivateKey struct {
	bytes, public []byte
	standard      hpke.PrivateKey // nil for X448
}

// Bytes returns the key as HPKE serialises it, nil of nil. The caller must not
// change it.
func (k *PrivateKey) Bytes() []byte {
	if k == nil {
		return nil
	}
	return k.bytes
}

// Public returns the public key. The caller must not change it.
func (k *PrivateKey) Public() []byte { return k.public }

// Clone returns a copy of the key that Wipe of k does not erase; nil of nil.
func (k *PrivateKey) Clone() *PrivateKey {
	if k == nil {
		return nil
	}
	return &PrivateKey{slices.Clone(k.bytes), k.public, k.standard}
}

// Wipe erases the bytes of the key. What the standard library holds of it is left
// to the garbage collector.
func (k *PrivateKey) Wipe() {
	if k != nil {
		clear(k.bytes)
		k.standard = nil
	}
}

// GenerateKey returns a fresh HPKE key pair.
func (s *Suite) GenerateKey() (*PrivateKey, error) { return s.kem.generate() }

// DeriveKeyPair is the function of RFC 9180.
func (s *Suite) DeriveKeyPair(secret []byte) (*PrivateKey, error) { return s.kem.derive(secret) }

// NewPrivateKey reads a serialised private key.
func (s *Suite) NewPrivateKey(b []byte) (*PrivateKey, error) { return s.kem.private(b) }

// CheckPublicKey reports whether pub is an encoded HPKE public key of the suite.
func (s *Suite) CheckPublicKey(pub []byte) bool { return s.kem.checkPublic(pub) == nil }

// EncryptWithLabel is the function of section 5.1.3.
func (s *Suite) EncryptWithLabel(pub []byte, label string, context, plaintext []byte) (output, ciphertext []byte, err error) {
	return s.kem.seal(pub, labelled(label, context), plaintext)
}

// Sealer is EncryptWithLabel with label and context chosen.
type Sealer func(pub, plaintext []byte) (output, ciphertext []byte, err error)

// Sealer returns EncryptWithLabel for many plaintexts with one context.
func (s *Suite) Sealer(label string, context []byte) (Sealer, error) {
	return s.kem.sealer(labelled(label, context))
}

// DecryptWithLabel is the function of section 5.1.3.
func (s *Suite) DecryptWithLabel(k *PrivateKey, label string, context, output, ciphertext []byte) ([]byte, error) {
	return s.kem.open(k, output, labelled(label, context), ciphertext)
}

// ExternalInit makes an init secret for the holders of an external key
// (section 8.3) and the KEM output that tells it to them.
func (s *Suite) ExternalInit(pub []byte) (output, secret []byte, err error) {
	return s.kem.exportTo(pub, s.Nh)
}

// ReceiveExternalInit returns the init secret of a KEM output.
func (s *Suite) ReceiveExternalInit(k *PrivateKey, output []byte) ([]byte, error) {
	return s.kem.exportFrom(k, output, s.Nh)
}

// standardKEM is HPKE of the standard library.
type standardKEM struct {
	kem  hpke.KEM
	kdf  hpke.KDF
	aead hpke.AEAD
	// encapsulate is what kem does to a public key, with the shared secret to be had;
	// schedule goes on from there as hpke does.
	encapsulate func(pub []byte) (output, shared []byte, err error)
	schedule    *schedule
}

func (s *standardKEM) sealer(info []byte) (Sealer, error) {
	return s.schedule.sealer(info, s.encapsulate)
}

func wrap(k hpke.PrivateKey, err error) (*PrivateKey, error) {
	if err != nil {
		return nil, errKEM
	}
	b, err := k.Bytes()
	if err != nil {
		return nil, errKEM
	}
	return &PrivateKey{b, k.PublicKey().Bytes(), k}, nil
}

func (s *standardKEM) generate() (*PrivateKey, error)         { return wrap(s.kem.GenerateKey()) }
func (s *standardKEM) derive(ikm []byte) (*PrivateKey, error) { return wrap(s.kem.DeriveKeyPair(ikm)) }

// numberSizes are the sizes of the private keys that are numbers, by KEM.
var numberSizes = map[uint16]int{kemP256: 32, kemP384: 48, kemP521: 66}

// private takes a number without its leading zeros, too, as some write it.
func (s *standardKEM) private(b []byte) (*PrivateKey, error) {
	if size := numberSizes[s.kem.ID()]; len(b) < size {
		b = append(make([]byte, size-len(b)), b...)
	}
	return wrap(s.kem.NewPrivateKey(b))
}

func (s *standardKEM) usable(k *PrivateKey) bool { return k != nil && k.standard != nil }

// Points of order 8 on the curve and its twist; with 0, 1 and p-1 in every
// encoding below 2^255 these are the keys whose exchange gives zero.
var lowOrder = [...]string{
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\xe0\xeb\x7a\x7c\x3b\x41\xb8\xae\x16\x56\xe3\xfa\xf1\x9f\xc4\x6a\xda\x09\x8d\xeb\x9c\x32\xb1\xfd\x86\x62\x05\x16\x5f\x49\xb8\x00",
	"\x5f\x9c\x95\xbc\xa3\x50\x8c\x24\xb1\xd0\xb1\x55\x9c\x83\xef\x5b\x04\x44\x5c\xc4\x58\x1c\x8e\x86\xd8\x22\x4e\xdd\xd0\x9f\x11\x57",
	"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	"\xed\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	"\xee\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
}

const (
	kemP256   = 0x0010
	kemP384   = 0x0011
	kemP521   = 0x0012
	kemX25519 = 0x0020
	kemXWing  = 0x647a
)

// checkPublic refuses low-order X25519 points, too: nobody can encrypt to them, so
// a leaf that had one would end all commits.
func (s *standardKEM) checkPublic(pub []byte) error {
	if _, err := s.kem.NewPublicKey(pub); err != nil {
		return errKEM
	}
	if id := s.kem.ID(); id != kemX25519 && id != kemXWing {
		return nil
	}
	point := [32]byte(pub[len(pub)-32:])
	point[31] &= 0x7f
	if slices.Contains(lowOrder[:], string(point[:])) {
		return errKEM
	}
	return nil
}

func (s *standardKEM) seal(pub, info, plaintext []byte) (output, ciphertext []byte, err error) {
	key, err := s.kem.NewPublicKey(pub)
	if err != nil {
		return nil, nil, errKEM
	}
	output, sender, err := hpke.NewSender(key, s.kdf, s.aead, info)
	if err != nil {
		return nil, nil, errKEM
	}
	ciphertext, err = sender.Seal(nil, plaintext)
	return output, ciphertext, err
}

func (s *standardKEM) open(k *PrivateKey, output, info, ciphertext []byte) ([]byte, error) {
	if !s.usable(k) {
		return nil, errKEM
	}
	recipient, err := hpke.NewRecipient(output, k.standard, s.kdf, s.aead, info)
	if err != nil {
		return nil, errKEM
	}
	plaintext, err := recipient.Open(nil, ciphertext)
	if err != nil {
		return nil, errKEM
	}
	return plaintext, nil
}

func (s *standardKEM) exportTo(pub []byte, n int) (output, secret []byte, err error) {
	key, err := s.kem.NewPublicKey(pub)
	if err != nil {
		return nil, nil, errKEM
	}
	output, sender, err := hpke.NewSender(key, s.kdf, s.aead, nil)
	if err != nil {
		return nil, nil, errKEM
	}
	secret, err = sender.Export(exportLabel, n)
	return output, secret, err
}

func (s *standardKEM) exportFrom(k *PrivateKey, output []byte, n int) ([]byte, error) {
	if !s.usable(k) {
		return nil, errKEM
	}
	recipient, err := hpke.NewRecipient(output, k.standard, s.kdf, s.aead, nil)
	if err != nil {
		return nil, errKEM
	}
	return recipient.Export(exportLabel, n)
}
