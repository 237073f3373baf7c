package p2p

import (
	"time"

	"kith/internal/wire"
)

// Bounds of this package, each with a test at its edge.
const (
	// MaxEvents is how many events may wait for Recv; beyond it contacts'
	// streams are not read on.
	MaxEvents = 256
	// MaxStrangerEvents is how many of them may be strangers' frames; beyond
	// it strangers' frames are dropped.
	MaxStrangerEvents = 32
	// MaxStrangers is how many peers that are no contacts may be connected.
	MaxStrangers = 64
	// MaxChunk is the largest chunk in bytes that is served or fetched.
	MaxChunk = 2 << 20
	// MaxProof is the longest proof in hashes that is served or fetched.
	MaxProof = 64
	// MaxServing is how many chunk streams one peer may have open here.
	MaxServing = 8
	// MaxServingTotal is how many chunks are read and written at one time; so
	// many buffers of MaxChunk there are at most.
	MaxServingTotal = 16
	// MaxFrameStreams is how many frame streams one peer may have open here: the
	// one read from, and those that replace it.
	MaxFrameStreams = 2
	// MaxGuests is how many peers may be connected to a public host.
	MaxGuests = 4096
	// MaxRelays is how many relays a host stays connected to.
	MaxRelays = 4
	// MaxReserved is at how many of them it reserves a place, so that others
	// reach it through them.
	MaxReserved = 2
	// MaxRecords is how many records a host keeps for others in the DHT, and
	// MaxGuestRecords a public one.
	MaxRecords, MaxGuestRecords = 4096, 65536
	// MaxBootstrap is how many addresses of other nodes it is told to begin with.
	MaxBootstrap = 32
	// MaxIdleStreams is how many idle fetch streams are kept per peer.
	MaxIdleStreams = 8
)

// Times of this package.
const (
	frameTimeout  = 60 * time.Second // for the rest of a frame that has begun
	chunkTimeout  = 60 * time.Second // to write or read one chunk
	idleTimeout   = 60 * time.Second // after which a chunk stream is closed
	openTimeout   = 10 * time.Second // to open a stream
	absentTimeout = 5 * time.Second  // to write that there is no chunk
	otherDelay    = 250 * time.Millisecond
	circuitDelay  = 500 * time.Millisecond // so much later than direct addresses a relay is tried
	trimGrace     = time.Minute            // a new connection is not ended before

	punchTimeout    = 2 * time.Second        // for one of three tries to punch a hole
	reverseTimeout  = 700 * time.Millisecond // for the dial before them
	settleTimeout   = 3 * time.Second        // for others to tell this device its address
	settleTick      = 50 * time.Millisecond
	punchFirst      = 2 * time.Second // before holes are tried again, doubling
	punchMost       = 10 * time.Minute
	relayGrace      = time.Second // hope for a direct connection, before a relayed one is used
	handoverTimeout = 5 * time.Second
	relayLinger     = 5 * time.Second // a relayed connection outlives the direct one's coming
	strangerCircuit = 2 * time.Minute // a stranger's relayed connection, if he stays one

	reserveFirst = time.Second // before a relay is tried again, doubling
	reserveMost  = 5 * time.Minute
	reserveTTL   = time.Hour       // a place lasts, unless it is reserved again
	reserveEarly = 5 * time.Minute // a place is reserved again before it expires
	refreshDHT   = time.Hour       // the table of nodes is looked after
	probeEvery   = time.Minute     // a relay's connection is looked after, at least
)

// Connections beyond the first are trimmed down to the second, contacts' last.
const (
	highConns, lowConns   = 192, 128
	highGuests, lowGuests = MaxGuests - 256, MaxGuests - 768
	guestsPerIP           = 64
	guestRate             = 2 // new connections a second from one address, beyond guestsPerIP at once
)

// tagContact protects contacts' connections from trimming, tagRelay those of
// this device's relays.
const (
	tagContact = "kith contact"
	tagRelay   = "kith relay"
)

// What a circuit through this host may carry each way, and for how long; and
// how many.
const (
	guestCircuit   = 4 << 20 // bytes, of a public host
	guestTime      = time.Hour
	guestReserved  = 2048
	guestPerIP     = 16
	guestPerASN    = 512
	friendCircuit  = 1 << 20 // bytes, of any other that can be reached; contacts only
	friendTime     = 30 * time.Minute
	friendReserved = 32
	circuitsEach   = 16 // for one peer
)

const (
	protoFrame = "/kith/frame/1"
	protoChunk = "/kith/chunk/1"
	serviceLAN = "_kith._udp"

	maxFrame = wire.MaxFrame
)
