package engine

import "time"

// Bounds of this package, each with a test at its edge.
const (
	// MaxSessions is how many sessions are kept per device: one in use and
	// four that late messages may still need (Sesame keeps old ones too).
	MaxSessions = 5
	// MinInviteLife and MaxInviteLife bound how long an invite may be taken up.
	MinInviteLife = time.Second
	MaxInviteLife = 30 * 24 * time.Hour
	// InitialGrace is how long after its expiry an invite still accepts the
	// initial message of somebody who fetched its bundle in time.
	InitialGrace = 24 * time.Hour
	// MaxInvites is how many unused invites may exist at once.
	MaxInvites = 256
	// InviteMemory is how long after its end an invite's id is remembered, so
	// that a late user hears "used" rather than "unknown".
	InviteMemory = 30 * 24 * time.Hour
	// SignedPrekeyLife is how long a signed prekey goes into new invites;
	// SignedPrekeyValid is how long it is valid from its making, which covers
	// the longest invite and the grace after it.
	SignedPrekeyLife  = 7 * 24 * time.Hour
	SignedPrekeyValid = SignedPrekeyLife + MaxInviteLife + InitialGrace
	// MaxWaiting is how many messages may wait for a first session.
	MaxWaiting = 1000
	// MaxLamportJump is how far ahead of everything seen a message may claim
	// to be; beyond it the claim is cut down, so that nobody can push a
	// conversation to the end of the numbers.
	MaxLamportJump = 1 << 32
	// SeenMemory is how long the ids of opened envelopes are remembered. An
	// older replay fails in the session instead, which keeps no such date.
	SeenMemory = 90 * 24 * time.Hour
	// TickEvery is how often the machine wants a [Tick].
	TickEvery = time.Hour
)
