package mls

import (
	"math"
	"time"

	"kith/mls/internal/schedule"
	"kith/mls/internal/tree"
	"kith/mls/internal/wire"
)

const (
	// MaxMessage bounds an encoded message, in bytes.
	MaxMessage = wire.MaxMessage
	// MaxMembers bounds the leaves of a group, blank ones included.
	MaxMembers = tree.MaxLeaves
	// MaxForward is how many messages of one sender may be missing before one that
	// opens.
	MaxForward = schedule.MaxForward
	// MaxSkipped bounds the message keys kept for late messages, per sender and kind.
	MaxSkipped = schedule.MaxSkippedSender
	// MaxProposals bounds the proposals that wait for a commit.
	MaxProposals = 4096
	// MaxGroupID bounds a group id, in bytes.
	MaxGroupID = 255
	// MaxExport bounds what Export returns, in hashes of the suite.
	MaxExport = 255
	// MaxPastEpochs bounds the past epochs whose resumption keys a group keeps.
	MaxPastEpochs = 64
	// MaxPadding bounds the padding of one message, in bytes.
	MaxPadding = 1 << 20
	// MaxPSKs bounds the pre-shared keys of one commit.
	MaxPSKs = 1<<16 - 1
	// MaxSealed bounds the application messages one member seals in one epoch. The
	// sizes of messages in mind, it keeps AES-GCM within its bounds for one key:
	// every message has its own, so this is for all of them together.
	MaxSealed = 1 << 24
	// DefaultMaxLifetime is the longest lifetime of a key package that is accepted,
	// unless the Client says otherwise.
	DefaultMaxLifetime = 400 * 24 * time.Hour
	// AnyLifetime as a Client's MaxLifetime accepts all lifetimes.
	AnyLifetime time.Duration = math.MaxInt64
)
