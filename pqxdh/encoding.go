package pqxdh

import (
	"crypto/mlkem"

	"golang.org/x/crypto/cryptobyte"
)

const (
	version     = 1
	suiteNative = 1 // X25519, ML-KEM-1024, SHA-256

	// Tags keep the encodings of curve keys and KEM values disjoint, as PQXDH
	// revision 3 section 2.1 demands.
	tagCurve = 0x05
	tagMLKEM = 0x0a
)

func addPrologue(b *cryptobyte.Builder) {
	b.AddUint8(version)
	b.AddUint16(suiteNative)
}

func readPrologue(s *cryptobyte.String) bool {
	var v uint8
	var suite uint16
	return s.ReadUint8(&v) && s.ReadUint16(&suite) && v == version && suite == suiteNative
}

func addLabel(b *cryptobyte.Builder, label string) {
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(label)) })
}

func addAddress(b *cryptobyte.Builder, a *Address) {
	b.AddBytes(a.Account[:])
	b.AddBytes(a.Device[:])
}

func readAddress(s *cryptobyte.String, a *Address) bool {
	return s.CopyBytes(a.Account[:]) && s.CopyBytes(a.Device[:])
}

func addCurveKey(b *cryptobyte.Builder, k *[keySize]byte) {
	b.AddUint8(tagCurve)
	b.AddBytes(k[:])
}

func readCurveKey(s *cryptobyte.String, k *[keySize]byte) bool {
	var tag uint8
	return s.ReadUint8(&tag) && tag == tagCurve && s.CopyBytes(k[:]) && checkCurveKey(k) == nil
}

func addKEM(b *cryptobyte.Builder, v *[mlkem.EncapsulationKeySize1024]byte) {
	b.AddUint8(tagMLKEM)
	b.AddBytes(v[:])
}

// readKEM reads an encapsulation key or a ciphertext: both are 1568 bytes.
func readKEM(s *cryptobyte.String, v *[mlkem.EncapsulationKeySize1024]byte) bool {
	var tag uint8
	return s.ReadUint8(&tag) && tag == tagMLKEM && s.CopyBytes(v[:])
}

func validNotAfter(t int64) bool { return 0 < t && t <= MaxNotAfter }

func readNotAfter(s *cryptobyte.String, t *int64) bool {
	var u uint64
	if !s.ReadUint64(&u) || u > MaxNotAfter {
		return false
	}
	*t = int64(u)
	return validNotAfter(*t)
}
