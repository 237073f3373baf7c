package suite

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"hash"

	"github.com/cloudflare/circl/sign/ed448"
)

var errSigner = errors.New("mls: signing key is not one of the cipher suite")

// scheme is a signature scheme. Public keys are as RFC 9420 section 5.1.1 has them.
type scheme interface {
	generate() (crypto.Signer, error)
	private(b []byte) (crypto.Signer, error)
	public(k crypto.PublicKey) ([]byte, bool)
	sign(k crypto.Signer, message []byte) ([]byte, error)
	verify(pub, message, signature []byte) bool
	checkPublic(pub []byte) bool
}

// GenerateSigner returns a fresh signing key.
func (s *Suite) GenerateSigner() (crypto.Signer, error) { return s.signer.generate() }

// NewSigner reads a private signing key in the form of the test vectors: the
// seed for EdDSA, the number for ECDSA.
func (s *Suite) NewSigner(b []byte) (crypto.Signer, error) { return s.signer.private(b) }

// SignatureKey returns the encoded public half of a signing key.
func (s *Suite) SignatureKey(k crypto.Signer) ([]byte, error) {
	if k == nil {
		return nil, errSigner
	}
	return s.EncodePublicKey(k.Public())
}

// EncodePublicKey encodes the public key of a signature.
func (s *Suite) EncodePublicKey(k crypto.PublicKey) ([]byte, error) {
	pub, ok := s.signer.public(k)
	if !ok {
		return nil, errSigner
	}
	return pub, nil
}

// CheckSignatureKey reports whether pub is an encoded public key of the suite.
func (s *Suite) CheckSignatureKey(pub []byte) bool { return s.signer.checkPublic(pub) }

// Sign is SignWithLabel of section 5.1.2.
func (s *Suite) Sign(k crypto.Signer, label string, content []byte) ([]byte, error) {
	return s.signer.sign(k, labelled(label, content))
}

// Verify is VerifyWithLabel of section 5.1.2.
func (s *Suite) Verify(pub []byte, label string, content, signature []byte) bool {
	return s.signer.verify(pub, labelled(label, content), signature)
}

type ed25519Scheme struct{}

func (ed25519Scheme) generate() (crypto.Signer, error) {
	_, k, err := ed25519.GenerateKey(nil)
	return k, err
}

func (ed25519Scheme) private(b []byte) (crypto.Signer, error) {
	if len(b) != ed25519.SeedSize {
		return nil, errSigner
	}
	return ed25519.NewKeyFromSeed(b), nil
}

func (ed25519Scheme) public(k crypto.PublicKey) ([]byte, bool) {
	pub, ok := k.(ed25519.PublicKey)
	return pub, ok && len(pub) == ed25519.PublicKeySize
}

func (ed25519Scheme) sign(k crypto.Signer, message []byte) ([]byte, error) {
	return k.Sign(rand.Reader, message, crypto.Hash(0))
}

func (ed25519Scheme) checkPublic(pub []byte) bool { return len(pub) == ed25519.PublicKeySize }

func (e ed25519Scheme) verify(pub, message, signature []byte) bool {
	return e.checkPublic(pub) && ed25519.Verify(pub, message, signature)
}

type ecdsaScheme struct {
	curve elliptic.Curve
	hash  func() hash.Hash
}

func (e ecdsaScheme) generate() (crypto.Signer, error) {
	return ecdsa.GenerateKey(e.curve, rand.Reader)
}

func (e ecdsaScheme) private(b []byte) (crypto.Signer, error) {
	size := (e.curve.Params().BitSize + 7) / 8
	if len(b) > size {
		return nil, errSigner
	}
	padded := make([]byte, size)
	copy(padded[size-len(b):], b)
	k, err := ecdsa.ParseRawPrivateKey(e.curve, padded)
	if err != nil {
		return nil, errSigner
	}
	return k, nil
}

func (e ecdsaScheme) public(k crypto.PublicKey) ([]byte, bool) {
	pub, ok := k.(*ecdsa.PublicKey)
	if !ok || pub.Curve != e.curve {
		return nil, false
	}
	b, err := pub.Bytes()
	return b, err == nil
}

func (e ecdsaScheme) digest(message []byte) []byte {
	h := e.hash()
	h.Write(message)
	return h.Sum(nil)
}

func (e ecdsaScheme) sign(k crypto.Signer, message []byte) ([]byte, error) {
	hashes := map[int]crypto.Hash{32: crypto.SHA256, 48: crypto.SHA384, 64: crypto.SHA512}
	digest := e.digest(message)
	return k.Sign(rand.Reader, digest, hashes[len(digest)])
}

func (e ecdsaScheme) checkPublic(pub []byte) bool {
	_, err := ecdsa.ParseUncompressedPublicKey(e.curve, pub)
	return err == nil
}

func (e ecdsaScheme) verify(pub, message, signature []byte) bool {
	k, err := ecdsa.ParseUncompressedPublicKey(e.curve, pub)
	return err == nil && ecdsa.VerifyASN1(k, e.digest(message), signature)
}

type ed448Scheme struct{}

func (ed448Scheme) generate() (crypto.Signer, error) {
	_, k, err := ed448.GenerateKey(rand.Reader)
	return k, err
}

func (ed448Scheme) private(b []byte) (crypto.Signer, error) {
	if len(b) != ed448.SeedSize {
		return nil, errSigner
	}
	return ed448.NewKeyFromSeed(b), nil
}

func (ed448Scheme) public(k crypto.PublicKey) ([]byte, bool) {
	pub, ok := k.(ed448.PublicKey)
	return pub, ok && len(pub) == ed448.PublicKeySize
}

func (ed448Scheme) sign(k crypto.Signer, message []byte) ([]byte, error) {
	return k.Sign(rand.Reader, message, crypto.Hash(0))
}

func (ed448Scheme) checkPublic(pub []byte) bool { return len(pub) == ed448.PublicKeySize }

func (e ed448Scheme) verify(pub, message, signature []byte) bool {
	return e.checkPublic(pub) && len(signature) == ed448.SignatureSize && ed448.Verify(pub, message, signature, "")
}
