package ratchet

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"

	"kith/ratchet/internal/braid"
	"kith/ratchet/internal/kdf"
	"kith/ratchet/internal/triple"
)

// prefix is the beginning of every message. It is authenticated with the header.
var prefix = [prefixSize - sealedHeaderSize]byte{version, sealedHeaderSize >> 8, sealedHeaderSize & 0xff}

// encodeHeader writes the composite header in the clear. Its length does not
// tell what the post-quantum ratchet has to say: what is not there is zero.
func encodeHeader(b *[headerSize]byte, h *triple.Header) {
	w := b[:0]
	w = binary.BigEndian.AppendUint16(w, suiteNative)
	w = append(w, h.Key[:]...)
	w = binary.BigEndian.AppendUint32(w, h.PN)
	w = binary.BigEndian.AppendUint32(w, h.N)
	w = binary.BigEndian.AppendUint64(w, h.PQ.Epoch)
	w = binary.BigEndian.AppendUint32(w, h.PQ.N)
	w = binary.BigEndian.AppendUint32(w, h.PQ.Previous)
	w = append(w, uint8(h.PQ.Type))
	w = binary.BigEndian.AppendUint16(w, h.PQ.First)
	n := len(w) + copy(b[len(w):], h.PQ.Chunks[:h.PQ.Count*chunkSize])
	clear(b[n:])
}

// decodeHeader reads what encodeHeader writes and nothing else.
func decodeHeader(b *[headerSize]byte, h *triple.Header) bool {
	r := b[:]
	if binary.BigEndian.Uint16(r) != suiteNative {
		return false
	}
	r = r[2+copy(h.Key[:], r[2:]):]
	h.PN = binary.BigEndian.Uint32(r)
	h.N = binary.BigEndian.Uint32(r[4:])
	h.PQ.Epoch = binary.BigEndian.Uint64(r[8:])
	h.PQ.N = binary.BigEndian.Uint32(r[16:])
	h.PQ.Previous = binary.BigEndian.Uint32(r[20:])
	h.PQ.Type = braid.Type(r[24])
	h.PQ.First = binary.BigEndian.Uint16(r[25:])
	h.PQ.Count = h.PQ.Type.Carries(braid.MaxChunks)
	copy(h.PQ.Chunks[:], r[27:])
	var zero [chunksSize]byte
	rest := h.PQ.Chunks[h.PQ.Count*chunkSize:]
	return h.PQ.Type.Valid() && (h.PQ.Count > 0 || h.PQ.First == 0) &&
		subtle.ConstantTimeCompare(rest, zero[:len(rest)]) == 1
}

// headerKeys are the two keys of HENCRYPT.
type headerKeys struct{ mac, enc kdf.Key }

func expandHeader(hk *kdf.Key) (k headerKeys) {
	var out [2 * keySize]byte
	kdf.Expand(out[:], hk, labelHeader, nil)
	copy(k.mac[:], out[:])
	copy(k.enc[:], out[keySize:])
	clear(out[:])
	return k
}

// sealHeader is HENCRYPT: it appends version, length and encrypted header to
// dst. The tag over the header is the initial counter (SIV, RFC 5297), so no
// nonce has to be kept or drawn.
func sealHeader(dst []byte, hk *kdf.Key, h *triple.Header) []byte {
	keys := expandHeader(hk)
	defer clear(keys.mac[:])
	defer clear(keys.enc[:])
	dst = append(dst, prefix[:]...)
	dst = dst[:prefixSize]
	tag, plain := dst[len(prefix):len(prefix)+sivSize], dst[len(prefix)+sivSize:]
	encodeHeader((*[headerSize]byte)(plain), h)
	sum := kdf.MAC(&keys.mac, prefix[:], plain)
	copy(tag, sum[:])
	cipher.NewCTR(newAES(keys.enc[:]), tag).XORKeyStream(plain, plain)
	return dst
}

// openHeader is HDECRYPT: it reports whether the beginning of msg was sealed with
// the header key, and what it says. msg has at least Overhead bytes.
func openHeader(hk *kdf.Key, msg []byte, h *triple.Header) bool {
	keys := expandHeader(hk)
	defer clear(keys.mac[:])
	defer clear(keys.enc[:])
	var plain [headerSize]byte
	tag := msg[len(prefix) : len(prefix)+sivSize]
	cipher.NewCTR(newAES(keys.enc[:]), tag).XORKeyStream(plain[:], msg[len(prefix)+sivSize:prefixSize])
	sum := kdf.MAC(&keys.mac, msg[:len(prefix)], plain[:])
	return subtle.ConstantTimeCompare(sum[:sivSize], tag) == 1 && decodeHeader(&plain, h)
}
