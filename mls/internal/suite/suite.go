package suite

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"

	"kith/mls/internal/wire"
)

// Suite is one cipher suite. All of them are constants.
type Suite struct {
	ID         uint16
	Name       string
	Nh, Nk, Nn int // sizes of a hash, of an AEAD key and of its nonce

	hash   func() hash.Hash
	aead   func(key []byte) (cipher.AEAD, error)
	kem    kem
	signer scheme
}

// XWing is the private-use code point of the hybrid suite.
const XWing = 0xf001

const (
	kdfSHA256, kdfSHA384, kdfSHA512 = 1, 2, 3
	aeadAES128, aeadAES256, aeadCha = 1, 2, 3
)

var suites = [...]*Suite{
	curveSuite(1, "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519", ecdh.X25519(), kemX25519, kdfSHA256, aeadAES128, ed25519Scheme{}),
	curveSuite(2, "MLS_128_DHKEMP256_AES128GCM_SHA256_P256", ecdh.P256(), kemP256, kdfSHA256, aeadAES128, ecdsaScheme{elliptic.P256(), sha256.New}),
	curveSuite(3, "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519", ecdh.X25519(), kemX25519, kdfSHA256, aeadCha, ed25519Scheme{}),
	x448Suite(4, "MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448", aeadAES256),
	curveSuite(5, "MLS_256_DHKEMP521_AES256GCM_SHA512_P521", ecdh.P521(), kemP521, kdfSHA512, aeadAES256, ecdsaScheme{elliptic.P521(), sha512.New}),
	x448Suite(6, "MLS_256_DHKEMX448_CHACHA20POLY1305_SHA512_Ed448", aeadCha),
	curveSuite(7, "MLS_256_DHKEMP384_AES256GCM_SHA384_P384", ecdh.P384(), kemP384, kdfSHA384, aeadAES256, ecdsaScheme{elliptic.P384(), sha512.New384}),
	xwingSuite(),
}

// symmetric returns a suite without its asymmetric parts, and HPKE's schedule.
func symmetric(id uint16, name string, kem, kdf, aead uint16) (*Suite, *schedule) {
	s := &Suite{ID: id, Name: name, Nn: 12}
	switch kdf {
	case kdfSHA256:
		s.Nh, s.hash = sha256.Size, sha256.New
	case kdfSHA384:
		s.Nh, s.hash = sha512.Size384, sha512.New384
	case kdfSHA512:
		s.Nh, s.hash = sha512.Size, sha512.New
	}
	switch aead {
	case aeadAES128:
		s.Nk, s.aead = 16, gcm
	case aeadAES256:
		s.Nk, s.aead = 32, gcm
	case aeadCha:
		s.Nk, s.aead = chacha20poly1305.KeySize, chacha20poly1305.New
	}
	return s, &schedule{kem: kem, kdf: kdf, aeadID: aead, hash: s.hash, aead: s.aead, keySize: s.Nk}
}

// standard returns HPKE of the standard library with these algorithms, all of
// which it has.
func standard(kem hpke.KEM, c *schedule) *standardKEM {
	kdf, err := hpke.NewKDF(c.kdf)
	if err != nil {
		panic("mls: " + err.Error())
	}
	aead, err := hpke.NewAEAD(c.aeadID)
	if err != nil {
		panic("mls: " + err.Error())
	}
	return &standardKEM{kem: kem, kdf: kdf, aead: aead, schedule: c}
}

func curveSuite(id uint16, name string, curve ecdh.Curve, kem, kdf, aead uint16, signer scheme) *Suite {
	s, c := symmetric(id, name, kem, kdf, aead)
	k := standard(hpke.DHKEM(curve), c)
	k.encapsulate = curveEncapsulation(curve, s.hash, kem) // the KEM's hash is the suite's
	s.kem, s.signer = k, signer
	return s
}

func x448Suite(id uint16, name string, aead uint16) *Suite {
	s, c := symmetric(id, name, x448ID, kdfSHA512, aead)
	s.kem, s.signer = &x448KEM{c}, ed448Scheme{}
	return s
}

func xwingSuite() *Suite {
	s, c := symmetric(XWing, "MLS_256_XWING_AES256GCM_SHA384_Ed25519", kemXWing, kdfSHA384, aeadAES256)
	k := standard(hpke.MLKEM768X25519(), c)
	k.encapsulate = xwingEncapsulation
	s.kem, s.signer = k, ed25519Scheme{}
	return s
}

// ByID returns the suite of this code point.
func ByID(id uint16) (*Suite, bool) {
	for _, s := range suites {
		if s.ID == id {
			return s, true
		}
	}
	return nil, false
}

// All returns every suite, in the order of their code points.
func All() []*Suite { return suites[:] }

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Hash returns the hash of the parts, one behind another.
func (s *Suite) Hash(parts ...[]byte) []byte {
	h := s.hash()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// RefHash returns the hash reference of section 5.2.
func (s *Suite) RefHash(label string, value []byte) []byte {
	b := wire.AppendOpaque(make([]byte, 0, len(label)+len(value)+8), label)
	return s.Hash(wire.AppendOpaque(b, value))
}

// KeyPackageRef returns the reference of an encoded key package.
func (s *Suite) KeyPackageRef(keyPackage []byte) []byte {
	return s.RefHash("MLS 1.0 KeyPackage Reference", keyPackage)
}

// ProposalRef returns the reference of an encoded AuthenticatedContent.
func (s *Suite) ProposalRef(content []byte) []byte {
	return s.RefHash("MLS 1.0 Proposal Reference", content)
}

// MAC returns the suite's MAC of the message.
func (s *Suite) MAC(key, message []byte) []byte {
	h := hmac.New(s.hash, key)
	h.Write(message)
	return h.Sum(nil)
}

// VerifyMAC compares in constant time.
func (s *Suite) VerifyMAC(key, message, tag []byte) bool {
	return hmac.Equal(s.MAC(key, message), tag)
}

// Extract is KDF.Extract.
func (s *Suite) Extract(salt, secret []byte) []byte {
	out, err := hkdf.Extract(s.hash, secret, salt)
	if err != nil {
		panic("mls: extract: " + err.Error()) // only in a FIPS mode that forbids it
	}
	return out
}

// ExpandWithLabel is the function of section 8; n is at most 255 hashes.
func (s *Suite) ExpandWithLabel(secret []byte, label string, context []byte, n int) []byte {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, 32+len(label)+len(context)), uint16(n))
	b = wire.AppendLength(b, len("MLS 1.0 ")+len(label))
	b = append(append(b, "MLS 1.0 "...), label...)
	b = wire.AppendOpaque(b, context)
	out, err := hkdf.Expand(s.hash, secret, string(b), n)
	if err != nil {
		panic("mls: expand: " + err.Error()) // callers keep n within limits
	}
	return out
}

// DeriveSecret is the function of section 8.
func (s *Suite) DeriveSecret(secret []byte, label string) []byte {
	return s.ExpandWithLabel(secret, label, nil, s.Nh)
}

// DeriveTreeSecret is the function of section 9.1.
func (s *Suite) DeriveTreeSecret(secret []byte, label string, generation uint32, n int) []byte {
	var context [4]byte
	binary.BigEndian.PutUint32(context[:], generation)
	return s.ExpandWithLabel(secret, label, context[:], n)
}

// Seal encrypts with the suite's AEAD. Key and nonce have the suite's sizes.
func (s *Suite) Seal(key, nonce, plaintext, aad []byte) []byte {
	a, err := s.aead(key)
	if err != nil {
		panic("mls: seal: " + err.Error()) // keys come from ExpandWithLabel
	}
	return a.Seal(nil, nonce, plaintext, aad)
}

// Open is the reverse of Seal.
func (s *Suite) Open(key, nonce, ciphertext, aad []byte) ([]byte, bool) {
	a, err := s.aead(key)
	if err != nil {
		panic("mls: open: " + err.Error())
	}
	plaintext, err := a.Open(nil, nonce, ciphertext, aad)
	return plaintext, err == nil
}

func labelled(label string, content []byte) []byte {
	b := make([]byte, 0, len(label)+len(content)+16)
	b = wire.AppendLength(b, len("MLS 1.0 ")+len(label))
	b = append(append(b, "MLS 1.0 "...), label...)
	return wire.AppendOpaque(b, content)
}
