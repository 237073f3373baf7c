package ratchet

import (
	"time"

	"kith/ratchet/internal/braid"
	"kith/ratchet/internal/kdf"
	"kith/ratchet/internal/skipped"
	"kith/ratchet/internal/spqr"
	"kith/ratchet/internal/triple"
)

// Bounds of this package; each has a test at its edge.
const (
	// MaxSkip is how many message keys one step may skip within a chain. A message
	// that begins a new chain may skip so many at the end of the last one besides.
	MaxSkip = 1000
	// MaxSkipped is how many skipped message keys a session stores for each of the two
	// ratchets; beyond it the oldest are erased.
	MaxSkipped = 2000
	// MaxChains is how many receiving chains are known: the current one and those
	// before it that lack messages. Beyond it the oldest is erased.
	MaxChains = 5
	// SkippedMessages is how many messages may be opened before a skipped message
	// key is erased, counted from the one that skipped it.
	SkippedMessages = 1000
	// SkippedAge is how long a skipped message key is kept.
	SkippedAge = 30 * 24 * time.Hour
	// MaxPlaintext is the longest plaintext in bytes.
	MaxPlaintext = 160 << 10
	// MaxAD is the longest associated data in bytes.
	MaxAD = 4 << 10
	// MaxMessages is how many messages a chain may have.
	MaxMessages = triple.MaxMessages
	// QuantumAlarm is how many messages may be sealed and opened without a new
	// post-quantum secret before [Session.QuantumStale] reports it.
	QuantumAlarm = 500

	// Overhead is how many bytes a message is longer than its plaintext.
	Overhead = prefixSize + commitmentSize + tagSize
	// MaxMessage is the longest message in bytes.
	MaxMessage = MaxPlaintext + Overhead
)

// MaxState is the longest encoding of a session in bytes, with all keys skipped
// in both ratchets.
var MaxState = triple.MaxState(&limits, &quantum, MaxSkipped)

const (
	keySize        = kdf.Size
	commitmentSize = 16
	tagSize        = 16
	sivSize        = 16
	chunkSize      = 32
	chunksSize     = braid.MaxChunks * chunkSize

	// suite, ratchet key, PN, N; epoch, PQ N, PQ PN; type, first chunk, chunks
	headerSize       = 2 + keySize + 4 + 4 + 8 + 4 + 4 + 1 + 2 + chunksSize
	sealedHeaderSize = sivSize + headerSize
	prefixSize       = 1 + 2 + sealedHeaderSize // version, header length, header
)

var rules = skipped.Rules{Stored: MaxSkipped, Messages: SkippedMessages, Age: SkippedAge}

var limits = triple.Limits{MaxSkip: MaxSkip, Chains: MaxChains, Rules: rules}

var quantum = spqr.Profile{
	Braid: braid.Profile{
		Secret:        labelBraidSecret,
		Update:        labelBraidUpdate,
		HeaderMAC:     labelBraidHeader,
		CiphertextMAC: labelBraidCiphertext,
		Chunks:        braid.MaxChunks,
	},
	Start: labelQuantumStart,
	Add:   labelQuantumAdd,
	Next:  labelQuantumNext,
	// A message may skip in two chains of the Double Ratchet and one of this.
	MaxJump: 2 * MaxSkip,
	Closing: true,
	Rules:   rules,
}
