package ratchet

import "crypto/sha256"

// The labels of all derivations of this package.
const (
	labelRoot    = "kith v1 ratchet root"
	labelHeader  = "kith v1 ratchet header"
	labelMessage = "kith v1 ratchet message"

	maxLabel = 32
)

// HMAC-SHA256 and HKDF-SHA256 (RFC 2104, RFC 5869) are spelled out over
// sha256.Sum256, for inputs of bounded size: that way keys and pads live on the
// stack and are erased, and a message costs no allocation per derivation. Tests
// compare them with crypto/hmac and crypto/hkdf.

// maxMAC is the longest input of mac.
const maxMAC = 128

// mac returns HMAC-SHA256(key, a || b); a and b have at most maxMAC bytes together.
func mac(key *[keySize]byte, a, b []byte) [keySize]byte {
	var inner [sha256.BlockSize + maxMAC]byte
	var outer [sha256.BlockSize + sha256.Size]byte
	for i := range sha256.BlockSize {
		var k byte
		if i < keySize {
			k = key[i]
		}
		inner[i], outer[i] = k^0x36, k^0x5c
	}
	n := sha256.BlockSize
	n += copy(inner[n:], a)
	n += copy(inner[n:], b)
	digest := sha256.Sum256(inner[:n])
	copy(outer[sha256.BlockSize:], digest[:])
	digest = sha256.Sum256(outer[:])
	clear(inner[:])
	clear(outer[:])
	return digest
}

// expand fills out with HKDF-Expand(prk, label).
func expand(out []byte, prk *[keySize]byte, label string) {
	var block [keySize]byte
	var input [keySize + maxLabel + 1]byte
	prev := 0 // the first block has no predecessor
	for i := byte(1); len(out) > 0; i++ {
		n := copy(input[:], block[:prev])
		n += copy(input[n:], label)
		input[n] = i
		block = mac(prk, input[:n+1], nil)
		prev = keySize
		out = out[copy(out, block[:]):]
	}
	clear(block[:])
	clear(input[:])
}

// chainStep is KDF_CK (section 7.2): it returns the message key and replaces the
// chain key by its successor.
func chainStep(chain *[keySize]byte) (message [keySize]byte) {
	message = mac(chain, []byte{1}, nil)
	*chain = mac(chain, []byte{2}, nil)
	return message
}

// rootStep is KDF_RK_HE (section 7.2): it replaces the root key and returns a
// chain key and the header key after the next.
func rootStep(root, dh *[keySize]byte) (chain, nextHeader [keySize]byte) {
	prk := mac(root, dh[:], nil)
	var out [3 * keySize]byte
	expand(out[:], &prk, labelRoot)
	copy(root[:], out[:])
	copy(chain[:], out[keySize:])
	copy(nextHeader[:], out[2*keySize:])
	clear(prk[:])
	clear(out[:])
	return chain, nextHeader
}
