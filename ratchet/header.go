package ratchet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

const (
	version     = 1
	suiteNative = 1 // no post-quantum ratchet: the SCKA field of a header is empty
)

// header is the composite header in the clear. It is also a place for the
// messages of a post-quantum ratchet (SCKA), which suite 1 leaves empty.
type header struct {
	key [keySize]byte // sender's ratchet key
	pn  uint32        // messages in the sender's previous chain
	n   uint32        // number of this message in its chain
}

func (h *header) encode() (b [headerSize]byte) {
	binary.BigEndian.PutUint16(b[:], suiteNative)
	copy(b[2:], h.key[:])
	binary.BigEndian.PutUint32(b[2+keySize:], h.pn)
	binary.BigEndian.PutUint32(b[6+keySize:], h.n)
	return b // the last two bytes are the length of the empty SCKA field
}

func (h *header) decode(b *[headerSize]byte) bool {
	copy(h.key[:], b[2:])
	h.pn = binary.BigEndian.Uint32(b[2+keySize:])
	h.n = binary.BigEndian.Uint32(b[6+keySize:])
	return *b == h.encode()
}

// prefix is the beginning of every message. It is authenticated with the header.
var prefix = [prefixSize - sealedHeaderSize]byte{version, sealedHeaderSize >> 8, sealedHeaderSize & 0xff}

// headerKeys returns the two keys of HENCRYPT for a header key.
func headerKeys(hk *[keySize]byte) (macKey, encKey [keySize]byte) {
	var out [2 * keySize]byte
	expand(out[:], hk, labelHeader)
	copy(macKey[:], out[:])
	copy(encKey[:], out[keySize:])
	clear(out[:])
	return macKey, encKey
}

// ctr encrypts or decrypts b in place with AES-256-CTR from counter iv.
func ctr(key *[keySize]byte, iv, b []byte) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("ratchet: 32 bytes refused as an AES key: " + err.Error())
	}
	cipher.NewCTR(block, iv).XORKeyStream(b, b)
}

// sealHeader is HENCRYPT: it appends version, length and encrypted header to
// dst. The tag over the header is the initial counter (SIV, RFC 5297), so no
// nonce has to be kept or drawn.
func sealHeader(dst []byte, hk *[keySize]byte, h *header) []byte {
	macKey, encKey := headerKeys(hk)
	plain := h.encode()
	tag := mac(&macKey, prefix[:], plain[:])
	dst = append(dst, prefix[:]...)
	dst = append(dst, tag[:sivSize]...)
	dst = append(dst, plain[:]...)
	ctr(&encKey, tag[:sivSize], dst[len(dst)-headerSize:])
	clear(macKey[:])
	clear(encKey[:])
	return dst
}

// openHeader is HDECRYPT: it reports whether the beginning of msg was sealed with
// the header key, and what it says. msg has at least Overhead bytes.
func openHeader(hk *[keySize]byte, msg []byte, h *header) bool {
	macKey, encKey := headerKeys(hk)
	defer clear(macKey[:])
	defer clear(encKey[:])
	var plain [headerSize]byte
	iv := msg[len(prefix) : len(prefix)+sivSize]
	copy(plain[:], msg[len(prefix)+sivSize:])
	ctr(&encKey, iv, plain[:])
	tag := mac(&macKey, msg[:len(prefix)], plain[:])
	return subtle.ConstantTimeCompare(tag[:sivSize], iv) == 1 && h.decode(&plain)
}
