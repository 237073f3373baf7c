package identity

import (
	"crypto/ecdh"
	"fmt"
	"math/big"
	"slices"
)

// IdentityKey is the X25519 public key of a device, 32 bytes as in RFC 7748. Values
// from this package's parsers are canonical and generate more than the small
// subgroup; check others with [IdentityKey.Check].
type IdentityKey [keySize]byte

// PublicKey returns the key for crypto/ecdh.
func (k IdentityKey) PublicKey() *ecdh.PublicKey {
	pub, err := ecdh.X25519().NewPublicKey(k[:])
	if err != nil {
		// The only reason for refusal is the length, which the type fixes.
		panic("identity: 32 bytes refused as an X25519 key: " + err.Error())
	}
	return pub
}

// Check reports ErrMalformed for a non-canonical key (top bit set, or not below
// 2^255-19) and for the five canonical keys of low order. Rule ID-06.
func (k IdentityKey) Check() error {
	if !canonicalCoordinate(k) {
		return fmt.Errorf("%w: X25519 key is not canonical", ErrMalformed)
	}
	if slices.Contains(lowOrderX25519, k) {
		return fmt.Errorf("%w: X25519 key of low order", ErrMalformed)
	}
	return nil
}

// checkEd25519 accepts the encodings of curve points that are canonical and not of
// small order (ID-05). crypto/ed25519 decodes leniently, so a second spelling of
// one key would otherwise be a second account.
func checkEd25519(key [keySize]byte) error {
	y := key
	y[keySize-1] &= 0x7f
	switch {
	case !canonicalCoordinate(y):
		return fmt.Errorf("%w: Ed25519 key is not canonical", ErrMalformed)
	case slices.Contains(smallOrderEd25519, y):
		return fmt.Errorf("%w: Ed25519 key of small order", ErrMalformed)
	case !onEdwardsCurve(y):
		return fmt.Errorf("%w: Ed25519 key is not a point of the curve", ErrMalformed)
	}
	return nil
}

var (
	fieldPrime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	edwardsD   = func() *big.Int {
		d := new(big.Int).ModInverse(big.NewInt(121666), fieldPrime)
		d.Mul(d, big.NewInt(-121665))
		return d.Mod(d, fieldPrime)
	}()
)

// canonicalCoordinate reports whether the little-endian number is below 2^255-19.
func canonicalCoordinate(k [keySize]byte) bool {
	return littleEndian(k).Cmp(fieldPrime) < 0
}

// onEdwardsCurve reports whether a point with this y exists: x² = (y²-1)/(dy²+1)
// must have a root (RFC 8032 section 5.1.3). The keys are public, so big.Int's
// timing tells nothing.
func onEdwardsCurve(y [keySize]byte) bool {
	y2 := littleEndian(y)
	y2.Mul(y2, y2).Mod(y2, fieldPrime)
	u := new(big.Int).Sub(y2, big.NewInt(1))
	v := y2.Mul(y2, edwardsD)
	v.Add(v, big.NewInt(1))
	u.Mul(u, v).Mod(u, fieldPrime)
	return big.Jacobi(u, fieldPrime) >= 0
}

func littleEndian(k [keySize]byte) *big.Int {
	slices.Reverse(k[:])
	return new(big.Int).SetBytes(k[:])
}

// fromBigEndian writes a number given in hexadecimal as 32 little-endian bytes.
func fromBigEndian(hex string) (k [keySize]byte) {
	n, _ := new(big.Int).SetString(hex, 16)
	n.FillBytes(k[:])
	slices.Reverse(k[:])
	return k
}

// The y coordinates of the eight points whose order divides 8 (RFC 7748 curve
// edwards25519): identity, order 2, order 4 (both signs), order 8 (two, both signs).
var smallOrderEd25519 = [][keySize]byte{
	fromBigEndian("1"),
	fromBigEndian("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec"),
	fromBigEndian("0"),
	fromBigEndian("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826"),
	fromBigEndian("7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7"),
}

// The u coordinates of low order on Curve25519 and its twist.
var lowOrderX25519 = []IdentityKey{
	fromBigEndian("0"),
	fromBigEndian("1"),
	fromBigEndian("00b8495f16056286fdb1329ceb8d09da6ac49ff1fae35616aeb8413b7c7aebe0"),
	fromBigEndian("57119fd0dd4e22d8868e1c58c45c44045bef839c55b1d0b1248c50a3bc959c5f"),
	fromBigEndian("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec"),
}
