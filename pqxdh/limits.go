package pqxdh

import (
	"crypto/mlkem"
	"time"
)

// Bounds and sizes of this package; each has a test at its edge.
const (
	// PSKSize is the size in bytes of an invite's secret, if one takes part.
	PSKSize = 32
	// MaxNotAfter is the last expiry a prekey may state, in Unix seconds: the end
	// of the year 9999. The first is 1.
	MaxNotAfter = 253402300799
	// AcceptGrace is how long after its expiry a prekey is still accepted by its
	// owner, for messages that were on their way. Initiators get no grace.
	AcceptGrace = 30 * 24 * time.Hour

	// BundleSize is the size in bytes of a bundle without one-time prekey.
	BundleSize = prologueSize + addressSize + ecSize + ecPrekeySize + 1 + kemPrekeySize
	// MaxBundle is the size in bytes of a bundle with one-time prekey.
	MaxBundle = BundleSize + ecPrekeySize
	// InitialSize is the size in bytes of an initial without one-time prekey.
	InitialSize = prologueSize + 1 + addressSize + 2*ecSize + 2*4 + ctSize
	// MaxInitial is the size in bytes of an initial with one-time prekey.
	MaxInitial = InitialSize + 4
)

const (
	keySize       = 32
	signatureSize = 64
	addressSize   = 2 * keySize
	prologueSize  = 1 + 2                              // version, suite
	ecSize        = 1 + keySize                        // tag, u-coordinate
	kemSize       = 1 + mlkem.EncapsulationKeySize1024 // tag, encapsulation key
	ctSize        = 1 + mlkem.CiphertextSize1024       // tag, ciphertext
	ecPrekeySize  = 1 + 4 + 8 + ecSize + signatureSize
	kemPrekeySize = 1 + 4 + 8 + kemSize + signatureSize
)
