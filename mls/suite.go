package mls

import (
	"crypto"
	"fmt"

	"kith/mls/internal/suite"
)

// Suite is a cipher suite by its code point.
type Suite uint16

// The cipher suites of RFC 9420, and one of our own.
const (
	X25519AES128   Suite = 1 // with SHA-256 and Ed25519; the one every client has
	P256AES128     Suite = 2 // with SHA-256 and ECDSA
	X25519ChaCha20 Suite = 3 // with SHA-256 and Ed25519
	X448AES256     Suite = 4 // with SHA-512 and Ed448
	P521AES256     Suite = 5 // with SHA-512 and ECDSA
	X448ChaCha20   Suite = 6 // with SHA-512 and Ed448
	P384AES256     Suite = 7 // with SHA-384 and ECDSA
	// XWingAES256 encrypts to X25519 and ML-KEM-768 at once, against whoever records
	// today for a quantum computer of tomorrow. With SHA-384 and Ed25519. The code
	// point is for private use until there is a registered one.
	XWingAES256 Suite = suite.XWing
)

// Suites returns all suites this package has.
func Suites() []Suite {
	var out []Suite
	for _, s := range suite.All() {
		out = append(out, Suite(s.ID))
	}
	return out
}

// String returns the name of the suite as the IANA registry writes it.
func (s Suite) String() string {
	if impl, ok := suite.ByID(uint16(s)); ok {
		return impl.Name
	}
	return fmt.Sprintf("Suite(%d)", uint16(s))
}

// GenerateSigner returns a fresh signing key of the suite: an ed25519.PrivateKey,
// an *ecdsa.PrivateKey, or an Ed448 key.
func (s Suite) GenerateSigner() (crypto.Signer, error) {
	impl, err := s.impl()
	if err != nil {
		return nil, err
	}
	return impl.GenerateSigner()
}

// HashSize returns the size of the suite's hash in bytes, 0 for an unknown suite.
func (s Suite) HashSize() int {
	if impl, ok := suite.ByID(uint16(s)); ok {
		return impl.Nh
	}
	return 0
}

func (s Suite) impl() (*suite.Suite, error) {
	impl, ok := suite.ByID(uint16(s))
	if !ok {
		return nil, errArgument("unknown cipher suite")
	}
	return impl, nil
}
