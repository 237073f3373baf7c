package triple

import (
	"crypto/ecdh"
	"encoding/hex"
	"slices"

	"kith/ratchet/internal/kdf"
)

// lowOrder holds the canonical u-coordinates of the points of order 1, 2, 4 and
// 8 on Curve25519 and its twist. A shared secret with one of them is all zeros.
var lowOrder = [...]kdf.Key{
	{},
	{1},
	unhex32("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
	unhex32("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
	unhex32("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
}

func unhex32(s string) kdf.Key {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic("ratchet: bad constant: " + err.Error())
	}
	return kdf.Key(b)
}

// CheckKey refuses with [ErrKey] what crypto/ecdh would let pass: u-coordinates that are
// not reduced (a second name for the same key) and the points of low order.
func CheckKey(u *kdf.Key) error {
	if !canonical(u) || slices.Contains(lowOrder[:], *u) {
		return ErrKey
	}
	return nil
}

// canonical reports whether u, little-endian, is below p = 2^255-19.
func canonical(u *kdf.Key) bool {
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

// agree returns the X25519 shared secret. crypto/ecdh refuses the all-zero secret
// in constant time.
func agree(private *ecdh.PrivateKey, public *kdf.Key) (z kdf.Key, err error) {
	p, err := ecdh.X25519().NewPublicKey(public[:])
	if err != nil {
		return z, ErrKey
	}
	b, err := private.ECDH(p)
	if err != nil {
		return z, ErrKey
	}
	copy(z[:], b)
	clear(b)
	return z, nil
}
