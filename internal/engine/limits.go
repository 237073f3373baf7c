package engine

import (
	"time"

	"kith/box"
)

// Bounds of this package, each with a test at its edge.
const (
	// MaxSessions is how many sessions are kept per device: one in use and
	// four that late messages may still need (Sesame keeps old ones too).
	MaxSessions = 5
	// MaxUnanswered is how long the side that began a session seals in it without
	// having opened anything in it (Sesame's MAXSEND).
	MaxUnanswered = 30 * 24 * time.Hour
	// MaxGenerationStep is how far above the highest generation known here a
	// new session's may be. Honest ones climb by [MaxRenewals] a day, and nobody
	// can use generations up.
	MaxGenerationStep = 1 << 20
	// Settling is how long after beginning a session a refusal is not believed: what
	// was sealed in it may have overtaken the envelope that begins it.
	Settling = 30 * time.Second
	// MaxArchived is how long a session that is not in use is kept after it last
	// opened something (MAXRECV): as long as its peer may use it, and as long
	// again for what is on its way.
	MaxArchived = 2 * MaxUnanswered
	// MaxRenewals bounds, for each device and day, how many bundles it is given,
	// how many sessions it may begin with us, and we with it.
	MaxRenewals = 8
	// PrekeyPool is how many pairs of one-time prekeys are held for contacts;
	// when fewer than PrekeyLow are left more are made.
	PrekeyPool = 100
	PrekeyLow  = 50
	// OneTimeLife is how long a one-time prekey is valid from its making.
	OneTimeLife = 31 * 24 * time.Hour
	// MaxStreamBoxes and MaxStreamAge are when a new stream of boxes is begun.
	MaxStreamBoxes = 1000
	MaxStreamAge   = 7 * 24 * time.Hour
	// MaxStreams is how many streams of a device are watched. StreamGrace is how long
	// relays are asked to wait in one after a later one was told of, StreamRest how long
	// it is looked at after a later one was first used: until all that lies there has
	// expired, whatever the clocks.
	MaxStreams  = 16
	StreamGrace = 24 * time.Hour
	StreamRest  = (box.DefaultLife + 3) * 24 * time.Hour
	// MaxParts is how many parts of envelopes that are not complete are kept for
	// each stream: those of two, since no more than a window lies behind what is missing.
	MaxParts = 2 * box.MaxParts
	// MaxAnswers is how many answers that nobody acknowledges go into boxes for a
	// device and day.
	MaxAnswers = 64
	// MaxTaken is how many boxes of ours for a device and day that hold something else
	// are given up for others.
	MaxTaken = 64
	// MaxWrong is how often a box may be found with something that does not open
	// before it is passed over.
	MaxWrong = 8
	// AskAgainEvery is how often relays are asked again for what a device says is
	// missing.
	AskAgainEvery = 2 * time.Minute
	// AnswerLeast and AnswerMost bound how long an envelope that came by boxes waits
	// for its acknowledgement to leave, unless something else is said before.
	AnswerLeast = time.Minute
	AnswerMost  = 30 * time.Minute
	// MaxUnsaid is how many envelopes of a device that came by boxes wait to be
	// acknowledged; what is beyond it comes again when its boxes have expired.
	MaxUnsaid = 2 * MaxStreamBoxes
	// MaxDeposits is how many files are left with relays for a device, and by one for
	// this device.
	MaxDeposits = 256
	// DepositHours is how long relays are asked to keep a file.
	DepositHours = 7 * 24
	// MaxAgain is how often a file is left anew that expired unheard of.
	MaxAgain = 4
	// MaxInviteRelays is how many relays an invite names.
	MaxInviteRelays = 4
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
	// MaxEarly is how many edits and reactions of a contact wait for messages that
	// are not here.
	MaxEarly = 256
	// MaxLetGo is how many envelopes for a device are let go, because what they carry
	// was deleted or replaced, without it being known that the other side has come
	// past them: half of what a session can skip.
	MaxLetGo = 500
	// TypingEvery is how often a contact is told at most that the person is writing,
	// TypingShown how long that may be shown.
	TypingEvery = 3 * time.Second
	TypingShown = 10 * time.Second
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
