package kdf

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

const (
	// Size is the length of a [Key] in bytes.
	Size = sha256.Size
	// MaxMAC is the longest input of [MAC] in bytes, over all parts.
	MaxMAC = 384
	// MaxInfo is the longest info of [Expand] in bytes.
	MaxInfo = 96
)

// Key is a secret of 32 bytes: a chain key, a root key, a message key.
type Key [Size]byte

// MAC returns HMAC-SHA256 of a || b under key. Together they have at most
// [MaxMAC] bytes; longer input is a bug of the caller and panics. See [LongMAC].
func MAC(key *Key, a, b []byte) Key {
	var inner [sha256.BlockSize + MaxMAC]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	for i, k := range key {
		inner[i], outer[i] = k^0x36, k^0x5c
	}
	for i := Size; i < sha256.BlockSize; i++ {
		inner[i], outer[i] = 0x36, 0x5c
	}
	input := inner[:sha256.BlockSize+len(a)+len(b)]
	copy(input[sha256.BlockSize:], a)
	copy(input[sha256.BlockSize+len(a):], b)
	digest := sha256.Sum256(input)
	copy(outer[sha256.BlockSize:], digest[:])
	digest = sha256.Sum256(outer[:])
	clear(input)
	clear(outer[:])
	return digest
}

// LongMAC returns HMAC-SHA256 of all parts, of any length, one after the other.
func LongMAC(key *Key, parts ...[]byte) (k Key) {
	h := hmac.New(sha256.New, key[:])
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(k[:0])
	return k
}

// Expand fills out with HKDF-Expand(prk, info || suffix), which together have at
// most [MaxInfo] bytes. out has at most 255*32.
func Expand(out []byte, prk *Key, info string, suffix []byte) {
	if len(info)+len(suffix) > MaxInfo {
		panic("kdf: info too long")
	}
	var block Key
	var input [Size + MaxInfo + 1]byte
	prev := 0 // the first block has no predecessor
	for i := byte(1); len(out) > 0; i++ {
		n := copy(input[:], block[:prev])
		n += copy(input[n:], info)
		n += copy(input[n:], suffix)
		input[n] = i
		block = MAC(prk, input[:n+1], nil)
		prev = Size
		out = out[copy(out, block[:]):]
	}
	clear(block[:])
	clear(input[:])
}

// Derive fills out with HKDF(salt, secret, info). A zero salt is HKDF's default.
// secret has at most [MaxMAC] bytes.
func Derive(out []byte, salt *Key, secret []byte, info string) {
	prk := MAC(salt, secret, nil)
	Expand(out, &prk, info, nil)
	clear(prk[:])
}

// DeriveAt is [Derive] with info || BE64(n).
func DeriveAt(out []byte, salt *Key, secret []byte, info string, n uint64) {
	var suffix [8]byte
	binary.BigEndian.PutUint64(suffix[:], n)
	prk := MAC(salt, secret, nil)
	Expand(out, &prk, info, suffix[:])
	clear(prk[:])
}
