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
)

const (
	protoFrame = "/kith/frame/1"
	protoChunk = "/kith/chunk/1"
	serviceLAN = "_kith._udp"

	maxFrame = wire.MaxFrame
)
