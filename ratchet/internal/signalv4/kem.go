package signalv4

import (
	"bytes"
	"crypto/rand"

	"github.com/cloudflare/circl/kem/kyber/kyber1024"
)

// KEMKeyPair is a key pair of Kyber-1024 as of round 3, as its seed.
type KEMKeyPair struct {
	Seed   [KEMSeedSize]byte
	Public [KEMPublicSize]byte // with its type
}

// NewKEMKeyPair draws a key pair.
func NewKEMKeyPair() *KEMKeyPair {
	var seed [KEMSeedSize]byte
	rand.Read(seed[:])
	return KEMKeyPairFromSeed(&seed)
}

// KEMKeyPairFromSeed makes the key pair of a seed.
func KEMKeyPairFromSeed(seed *[KEMSeedSize]byte) *KEMKeyPair {
	k := &KEMKeyPair{Seed: *seed}
	public, _ := kyber1024.NewKeyFromSeed(seed[:])
	k.Public[0] = typeKyber1024
	public.Pack(k.Public[1:])
	return k
}

// decapsulate returns the shared secret. A forged ciphertext gives another one.
func (k *KEMKeyPair) decapsulate(ciphertext []byte) (shared [kyber1024.SharedKeySize]byte, err error) {
	if len(ciphertext) != KEMCiphertextSize || ciphertext[0] != typeKyber1024 {
		return shared, ErrFormat
	}
	_, private := kyber1024.NewKeyFromSeed(k.Seed[:])
	private.DecapsulateTo(shared[:], ciphertext[1:])
	return shared, nil
}

// encapsulate takes an encoded public key. It refuses other types and keys whose
// coefficients are not reduced, with ErrKey.
func encapsulate(public []byte) (ciphertext []byte, shared [kyber1024.SharedKeySize]byte, err error) {
	if len(public) != KEMPublicSize || public[0] != typeKyber1024 {
		return nil, shared, ErrKey
	}
	var k kyber1024.PublicKey
	k.Unpack(public[1:])
	var again [kyber1024.PublicKeySize]byte
	k.Pack(again[:])
	if !bytes.Equal(again[:], public[1:]) {
		return nil, shared, ErrKey
	}
	var seed [kyber1024.EncapsulationSeedSize]byte
	rand.Read(seed[:])
	ciphertext = make([]byte, KEMCiphertextSize)
	ciphertext[0] = typeKyber1024
	k.EncapsulateTo(ciphertext[1:], shared[:], seed[:])
	clear(seed[:])
	return ciphertext, shared, nil
}
