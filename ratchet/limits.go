package ratchet

import "time"

// Bounds of this package; each has a test at its edge.
const (
	// MaxSkip is how many message keys one step may skip within a chain. A message
	// that begins a new chain may skip so many at the end of the last one besides.
	MaxSkip = 1000
	// MaxSkipped is how many skipped message keys a session stores; beyond it the
	// oldest are erased.
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
	MaxMessages = 1<<32 - 1

	// Overhead is how many bytes a message is longer than its plaintext.
	Overhead = prefixSize + commitmentSize + tagSize
	// MaxMessage is the longest message in bytes.
	MaxMessage = MaxPlaintext + Overhead
	// MaxState is the longest encoding of a session in bytes, with all keys skipped.
	MaxState = stateSize + MaxSkipped*skippedSize
)

const (
	keySize        = 32
	commitmentSize = 16
	tagSize        = 16
	sivSize        = 16

	headerSize       = 2 + keySize + 4 + 4 + 2 // suite, ratchet key, PN, N, empty SCKA
	sealedHeaderSize = sivSize + headerSize
	prefixSize       = 1 + 2 + sealedHeaderSize // version, header length, header

	maxClosed   = MaxChains - 1
	skippedSize = 1 + 4 + 8 + 8 + keySize
	stateSize   = 1 + 2 + 1 + 4*keySize + 2*keySize + keySize + 2*(2*keySize+4) + 4 + 8 + 1 + maxClosed*keySize + 2
)
