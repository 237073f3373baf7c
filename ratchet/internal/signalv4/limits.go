package signalv4

import "github.com/cloudflare/circl/kem/kyber/kyber1024"

// Sizes in bytes.
const (
	keySize       = 32
	ecTypedSize   = 1 + keySize
	signatureSize = 64
	macSize       = 8
	addressSize   = 18 // kind, UUID, device
	addressesSize = 2 * addressSize

	// KEMPublicSize is the size of an encoded KEM public key, with its type.
	KEMPublicSize = 1 + kyber1024.PublicKeySize
	// KEMCiphertextSize is the size of an encoded KEM ciphertext, with its type.
	KEMCiphertextSize = 1 + kyber1024.CiphertextSize
	// KEMSeedSize is the size of what a KEM key pair is made of.
	KEMSeedSize = kyber1024.KeySeedSize

	// MaxMessageSize bounds what the parsers read.
	MaxMessageSize = 1 << 20
)

const (
	typeX25519    = 0x05
	typeKyber1024 = 0x08 // round 3, not ML-KEM-1024, whose type is 0x0a
	// Version is the first byte of messages: session version 4, format version 4.
	Version = 0x44
)
