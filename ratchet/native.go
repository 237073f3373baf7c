package ratchet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"

	"kith/ratchet/internal/kdf"
	"kith/ratchet/internal/spqr"
	"kith/ratchet/internal/triple"
)

const (
	version     = 1
	suiteNative = 1
	nonceSize   = 12
)

// The labels of all derivations of this package and those it configures.
const (
	labelRoot            = "kith v1 ratchet root"
	labelHeader          = "kith v1 ratchet header"
	labelMessage         = "kith v1 ratchet message"
	labelQuantumStart    = "kith v1 ratchet quantum start"
	labelQuantumAdd      = "kith v1 ratchet quantum epoch"
	labelQuantumNext     = "kith v1 ratchet quantum chain"
	labelBraidSecret     = "kith v1 ratchet braid secret"
	labelBraidUpdate     = "kith v1 ratchet braid authenticator"
	labelBraidHeader     = "kith v1 ratchet braid header"
	labelBraidCiphertext = "kith v1 ratchet braid ciphertext"
)

// native is suite 1, the product's: encrypted headers of constant length, eight
// chunks in each, AES-256-GCM with a commitment to the key.
type native struct{}

func (native) ID() uint16             { return suiteNative }
func (native) Limits() *triple.Limits { return &limits }
func (native) SPQR() *spqr.Profile    { return &quantum }

// Root is KDF_RK_HE.
func (native) Root(root, dh *kdf.Key) (chain, nextHeader kdf.Key) {
	var out [3 * kdf.Size]byte
	kdf.Derive(out[:], root, dh[:], labelRoot)
	copy(root[:], out[:])
	copy(chain[:], out[kdf.Size:])
	copy(nextHeader[:], out[2*kdf.Size:])
	clear(out[:])
	return chain, nextHeader
}

func (native) HeaderKey(announced, _ *kdf.Key) kdf.Key { return *announced }

func (native) Fits(plaintext, ad int) bool { return plaintext <= MaxPlaintext && ad <= MaxAD }

// Locate tries the header keys, likeliest first. Which one fits shows in the
// time it takes, and thus whether a message is late; nothing else does.
func (native) Locate(msg []byte, chains *triple.Chains, h *triple.Header) (triple.Place, bool) {
	if len(msg) < Overhead || len(msg) > MaxMessage || [len(prefix)]byte(msg) != prefix {
		return 0, false
	}
	if chains.Current != nil && openHeader(chains.Current, msg, h) {
		return triple.Current, true
	}
	if chains.Next != nil && openHeader(chains.Next, msg, h) {
		return triple.Next, true
	}
	for i := range chains.Closed {
		if openHeader(&chains.Closed[i].Header, msg, h) {
			return triple.Place(i + 1), true
		}
	}
	return 0, false
}

func (native) Seal(header *kdf.Key, h *triple.Header, ec, pq *kdf.Key, plaintext, ad []byte) []byte {
	msg := sealHeader(make([]byte, 0, Overhead+len(plaintext)), header, h)
	k := expandMessage(pq, ec)
	defer clear(k[:])
	msg = append(msg, k.commitment()...)
	return k.gcm().Seal(msg, k[keySize:keySize+nonceSize], plaintext, bodyAD(ad, msg))
}

func (native) Open(msg []byte, _ *triple.Header, ec, pq *kdf.Key, ad []byte) ([]byte, bool) {
	k := expandMessage(pq, ec)
	defer clear(k[:])
	head, body := msg[:prefixSize+commitmentSize], msg[prefixSize+commitmentSize:]
	if subtle.ConstantTimeCompare(k.commitment(), head[prefixSize:]) != 1 {
		return nil, false
	}
	plaintext, err := k.gcm().Open(nil, k[keySize:keySize+nonceSize], body, bodyAD(ad, head))
	return plaintext, err == nil
}

// bodyKeys is what one message key expands to: AES-256-GCM key, nonce, and the
// commitment that pins the key, for GCM alone does not.
type bodyKeys [keySize + nonceSize + commitmentSize]byte

// expandMessage is KDF_HYBRID of section 7.2: HKDF with the post-quantum key as
// salt and the classical message key as input.
func expandMessage(pq, ec *kdf.Key) (k bodyKeys) {
	kdf.Derive(k[:], pq, ec[:], labelMessage)
	return k
}

func (k *bodyKeys) commitment() []byte { return k[keySize+nonceSize:] }

func (k *bodyKeys) gcm() cipher.AEAD {
	gcm, err := cipher.NewGCM(newAES(k[:keySize]))
	if err != nil {
		panic("ratchet: AES refused for GCM: " + err.Error())
	}
	return gcm
}

func newAES(key []byte) cipher.Block {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("ratchet: 32 bytes refused as an AES key: " + err.Error())
	}
	return block
}

// bodyAD is CONCAT of the specification: the length of ad makes it injective.
// head is all of the message before the ciphertext.
func bodyAD(ad, head []byte) []byte {
	b := make([]byte, 0, 4+len(ad)+len(head))
	b = binary.BigEndian.AppendUint32(b, uint32(len(ad)))
	b = append(b, ad...)
	return append(b, head...)
}
