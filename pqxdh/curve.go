package pqxdh

import (
	"crypto/ecdh"
	"encoding/hex"
	"slices"
)

// lowOrder holds the canonical u-coordinates of the points of order 1, 2, 4 and
// 8 on Curve25519 and its twist. A shared secret with one of them is all zeros.
var lowOrder = [...][keySize]byte{
	{},
	{1},
	unhex32("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
	unhex32("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
	unhex32("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
}

func unhex32(s string) [keySize]byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic("pqxdh: bad constant: " + err.Error())
	}
	return [keySize]byte(b)
}

// checkCurveKey refuses what crypto/ecdh would let pass: u-coordinates that are
// not reduced (a second name for the same key) and the points of low order.
func checkCurveKey(u *[keySize]byte) error {
	if !canonical(u) || slices.Contains(lowOrder[:], *u) {
		return ErrRefused
	}
	return nil
}

// smallOrder holds the y-coordinates of the points of edwards25519 of order 1, 2, 4
// and 8.
var smallOrder = [...][keySize]byte{
	{},
	{1},
	unhex32("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
	unhex32("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
	unhex32("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
}

// checkDeviceKey refuses the Ed25519 keys under which signatures can be made
// without a private key, and second names for any (identity.md, ID-05, but for
// keys that are no points: under those nothing verifies).
func checkDeviceKey(device *[keySize]byte) error {
	y := *device
	y[keySize-1] &= 0x7f
	if !canonical(&y) || slices.Contains(smallOrder[:], y) {
		return ErrRefused
	}
	return nil
}

// canonical reports whether u, little-endian, is below p = 2^255-19.
func canonical(u *[keySize]byte) bool {
	if u[31] != 0x7f {
		return u[31] < 0x7f
	}
	for _, b := range u[1:31] {
		if b != 0xff {
			return true
		}
	}
	return u[0] < 0xed
}

// agree appends the X25519 shared secret to dst. crypto/ecdh refuses the
// all-zero secret in constant time.
func agree(dst []byte, private *ecdh.PrivateKey, public *[keySize]byte) ([]byte, error) {
	p, err := ecdh.X25519().NewPublicKey(public[:])
	if err != nil {
		return nil, ErrRefused
	}
	z, err := private.ECDH(p)
	if err != nil {
		return nil, ErrRefused
	}
	dst = append(dst, z...)
	clear(z)
	return dst, nil
}

// publicBytes returns the u-coordinate of a private key's public half.
func publicBytes(k *ecdh.PrivateKey) [keySize]byte {
	return [keySize]byte(k.PublicKey().Bytes())
}

func isX25519(k *ecdh.PrivateKey) bool {
	return k != nil && k.Curve() == ecdh.X25519()
}
