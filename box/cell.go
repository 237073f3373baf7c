package box

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"
)

// What is signed, docs/spec/box.md 5.
const (
	labelPut    = "put/1"
	labelDelete = "del/1"
)

// sealCell seals a part into a cell. The nonce is random, since a crash between
// sealing and keeping would otherwise use one twice. BX-05.
func sealCell(k *keys, expiry uint32, part []byte) ([]byte, error) {
	if len(part) > Capacity {
		return nil, ErrLimit
	}
	aead, err := chacha20poly1305.NewX(k.key[:])
	if err != nil {
		return nil, err // never: the key has its size
	}
	plain := make([]byte, lengthSize+Capacity)
	defer clear(plain)
	binary.BigEndian.PutUint16(plain, uint16(len(part)))
	copy(plain[lengthSize:], part)
	cell := make([]byte, nonceSize, CellSize)
	rand.Read(cell)
	return aead.Seal(cell, cell, plain, cellAD(k.Box, expiry)), nil
}

func cellAD(b [32]byte, expiry uint32) []byte {
	return binary.BigEndian.AppendUint32(append(make([]byte, 0, 36), b[:]...), expiry)
}

// openCell is the reverse of sealCell; all that can be wrong is [ErrOpen].
func openCell(k *keys, expiry uint32, cell []byte) ([]byte, error) {
	if len(cell) != CellSize {
		return nil, ErrOpen
	}
	aead, err := chacha20poly1305.NewX(k.key[:])
	if err != nil {
		return nil, err // never
	}
	plain, err := aead.Open(nil, cell[:nonceSize], cell[nonceSize:], cellAD(k.Box, expiry))
	if err != nil {
		return nil, ErrOpen
	}
	n := int(binary.BigEndian.Uint16(plain))
	if n > Capacity || !zeros(plain[lengthSize+n:]) {
		clear(plain)
		return nil, ErrOpen
	}
	return plain[lengthSize : lengthSize+n], nil
}

// zeros reports whether there is nothing but zeros, in a time that tells only how
// many bytes there are.
func zeros(b []byte) bool {
	var sum byte
	for _, x := range b {
		sum |= x
	}
	return sum == 0
}

func putText(b [32]byte, expiry uint32, cell []byte) []byte {
	sum := sha256.Sum256(cell)
	text := append([]byte(labelPut), b[:]...)
	text = binary.BigEndian.AppendUint32(text, expiry)
	return append(text, sum[:]...)
}

func deleteText(b [32]byte) []byte { return append([]byte(labelDelete), b[:]...) }

// VerifyPut reports whether whoever holds a box's keys wrote this cell, of
// [CellSize] bytes, with this expiry. Needs no keys, and is safe for concurrent use.
// Source: docs/spec/box.md, BX-07.
func VerifyPut(b [32]byte, expiry uint32, cell []byte, sig *[64]byte) bool {
	return len(cell) == CellSize && verify(&b, putText(b, expiry, cell), sig)
}

// VerifyDelete reports whether whoever holds a box's keys deleted it. Needs no keys,
// and is safe for concurrent use. Source: docs/spec/box.md, BX-08.
func VerifyDelete(b [32]byte, sig *[64]byte) bool { return verify(&b, deleteText(b), sig) }
