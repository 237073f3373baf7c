package signalv4

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
)

// PublicKey is a key of Curve25519: its u-coordinate, reduced.
type PublicKey [keySize]byte

// KeyPair is a key pair of Curve25519. Private is clamped.
type KeyPair struct {
	Private [keySize]byte
	Public  PublicKey
}

// NewKeyPair draws a key pair.
func NewKeyPair() (KeyPair, error) {
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return KeyPair{}, fmt.Errorf("signalv4: new key pair: %w", err)
	}
	return KeyPairFromPrivate([keySize]byte(k.Bytes()))
}

// KeyPairFromPrivate makes a key pair of 32 bytes, which it clamps.
func KeyPairFromPrivate(private [keySize]byte) (KeyPair, error) {
	private[0] &= 248
	private[31] = private[31]&127 | 64
	k, err := ecdh.X25519().NewPrivateKey(private[:])
	if err != nil {
		return KeyPair{}, fmt.Errorf("signalv4: private key: %w", err)
	}
	return KeyPair{Private: private, Public: PublicKey(k.PublicKey().Bytes())}, nil
}

// ParsePublicKey reads the 33 bytes of an encoded key: the type and the
// u-coordinate. It refuses other types, coordinates that are not reduced and the
// points of low order, with ErrKey.
func ParsePublicKey(b []byte) (k PublicKey, err error) {
	if len(b) != ecTypedSize || b[0] != typeX25519 {
		return k, ErrKey
	}
	copy(k[:], b[1:])
	if !k.canonical() || k.lowOrder() {
		return PublicKey{}, ErrKey
	}
	return k, nil
}

// Append appends the encoded key.
func (k PublicKey) Append(b []byte) []byte {
	return append(append(b, typeX25519), k[:]...)
}

// canonical reports whether k is below p = 2^255-19.
func (k *PublicKey) canonical() bool {
	e, err := new(field.Element).SetBytes(k[:])
	return err == nil && PublicKey(e.Bytes()) == *k
}

// lowOrder reports whether k is one of the five reduced coordinates of points of
// order 1, 2, 4 and 8 on the curve and its twist: their product with 8 is zero.
func (k *PublicKey) lowOrder() bool {
	eight := [keySize]byte{8}
	_, err := scalarMult(&eight, k)
	return err != nil
}

// scalarMult is X25519, which clamps. It fails if the result is zero.
func scalarMult(private *[keySize]byte, public *PublicKey) (z [keySize]byte, err error) {
	k, err := ecdh.X25519().NewPrivateKey(private[:])
	if err != nil {
		return z, ErrKey
	}
	p, err := ecdh.X25519().NewPublicKey(public[:])
	if err != nil {
		return z, ErrKey
	}
	shared, err := k.ECDH(p)
	if err != nil {
		return z, ErrKey
	}
	copy(z[:], shared)
	clear(shared)
	return z, nil
}

// torsionFree reports whether k is on the curve, and in the group of prime order
// which all honest keys are in.
func (k *PublicKey) torsionFree() bool {
	p, err := k.edwards(0)
	if err != nil {
		return false
	}
	one, err := new(edwards25519.Scalar).SetCanonicalBytes(append([]byte{1}, make([]byte, 31)...))
	if err != nil {
		return false
	}
	minusOne := new(edwards25519.Scalar).Negate(one)
	sum := new(edwards25519.Point).ScalarMult(minusOne, p)
	return sum.Add(sum, p).Equal(edwards25519.NewIdentityPoint()) == 1
}

// edwards returns the point of Ed25519 with this sign, 0 or 0x80, that k is the
// u-coordinate of (XEdDSA, section 2.3). It fails if k is not on the curve.
func (k *PublicKey) edwards(sign byte) (*edwards25519.Point, error) {
	u, err := new(field.Element).SetBytes(k[:])
	if err != nil {
		return nil, ErrKey
	}
	one := new(field.Element).One()
	y := new(field.Element).Invert(new(field.Element).Add(u, one))
	y.Multiply(y, new(field.Element).Subtract(u, one))
	b := y.Bytes()
	b[31] |= sign
	p, err := new(edwards25519.Point).SetBytes(b)
	if err != nil {
		return nil, ErrKey
	}
	return p, nil
}
