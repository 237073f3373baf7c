package ratchet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

const nonceSize = 12

// bodyKeys is what one message key expands to: AES-256-GCM key, nonce, and the
// commitment that pins the key, for GCM alone does not.
type bodyKeys [keySize + nonceSize + commitmentSize]byte

// expandMessage is KDF_HYBRID of section 7.2: HKDF with the post-quantum key as
// salt and the classical message key as input.
func expandMessage(pq, message *[keySize]byte) (k bodyKeys) {
	prk := mac(pq, message[:], nil)
	expand(k[:], &prk, labelMessage)
	clear(prk[:])
	return k
}

func (k *bodyKeys) commitment() []byte { return k[keySize+nonceSize:] }

func (k *bodyKeys) gcm() cipher.AEAD {
	block, err := aes.NewCipher(k[:keySize])
	if err != nil {
		panic("ratchet: 32 bytes refused as an AES key: " + err.Error())
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic("ratchet: AES refused for GCM: " + err.Error())
	}
	return gcm
}

// bodyAD is CONCAT of the specification: the length of ad makes it injective.
// prefix is all of the message before the ciphertext.
func bodyAD(ad, prefix []byte) []byte {
	b := make([]byte, 0, 4+len(ad)+len(prefix))
	b = binary.BigEndian.AppendUint32(b, uint32(len(ad)))
	b = append(b, ad...)
	return append(b, prefix...)
}

// sealBody appends commitment and ciphertext to msg, which holds the prefix.
func sealBody(msg []byte, pq, message *[keySize]byte, plaintext, ad []byte) []byte {
	k := expandMessage(pq, message)
	defer clear(k[:])
	msg = append(msg, k.commitment()...)
	return k.gcm().Seal(msg, k[keySize:keySize+nonceSize], plaintext, bodyAD(ad, msg))
}

// openBody reverses sealBody. msg has at least Overhead bytes.
func openBody(msg []byte, pq, message *[keySize]byte, ad []byte) ([]byte, error) {
	k := expandMessage(pq, message)
	defer clear(k[:])
	prefix, body := msg[:prefixSize+commitmentSize], msg[prefixSize+commitmentSize:]
	if subtle.ConstantTimeCompare(k.commitment(), prefix[prefixSize:]) != 1 {
		return nil, ErrOpen
	}
	plaintext, err := k.gcm().Open(nil, k[keySize:keySize+nonceSize], body, bodyAD(ad, prefix))
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}
