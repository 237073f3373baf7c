package relaynet

import (
	"net"
	"time"

	"kith/box"
	"kith/internal/boxstore"
)

// Limits are a server's bounds. The zero value of a field stands for the
// default beside it, docs/spec/relaynet.md section 3.
type Limits struct {
	Links       int // at the same time; 1024
	LinksPrefix int // of them from one IPv4 /24 or IPv6 /48; 32
	Pending     int // requests of one link without an answer; 256
	Batch       int // requests in one step of the machine; 256

	Burst int     // frames and HTTP requests a network may send at once; 1024
	Rate  float64 // of them a second after that; 8

	BlobBurst int     // bytes of blobs a network may move at once; 256 MiB
	BlobRate  float64 // of them a second after that; 1 MiB

	Handshake time.Duration // for all of it; 10 s
	Frame     time.Duration // for the rest of a frame that has begun; 20 s
	Write     time.Duration // for an answer to be taken; 20 s
	Idle      time.Duration // without anything asked; 2 min
	Blob      time.Duration // for an HTTP request to come whole, and its answer to go; 2 min
}

// orDefault fills in what is zero.
func (l Limits) orDefault() Limits {
	number := func(n *int, d int) {
		if *n <= 0 {
			*n = d
		}
	}
	span := func(t *time.Duration, d time.Duration) {
		if *t <= 0 {
			*t = d
		}
	}
	number(&l.Links, 1024)
	number(&l.LinksPrefix, 32)
	number(&l.Pending, 256)
	number(&l.Batch, 256)
	number(&l.Burst, 1024)
	if l.Rate <= 0 {
		l.Rate = 8
	}
	number(&l.BlobBurst, 256<<20)
	if l.BlobRate <= 0 {
		l.BlobRate = 1 << 20
	}
	span(&l.Handshake, 10*time.Second)
	span(&l.Frame, 20*time.Second)
	span(&l.Write, 20*time.Second)
	span(&l.Idle, 2*time.Minute)
	span(&l.Blob, 2*time.Minute)
	return l
}

const (
	maxBacklog  = 16384                // answers of all links together that wait to be written
	maxGather   = 2 * time.Millisecond // a step waits for others to join
	fairBacklog = 16                   // of one link, which are let be even then
)

// probing has the kernel ask over a link on which nothing was said for a while
// whether the other end still is. Links that wait for boxes are quiet for up to an
// hour; Go's own 15 seconds would cost as much traffic as the boxes.
var probing = net.KeepAliveConfig{Enable: true, Idle: probeIdle, Interval: 30 * time.Second, Count: 4}

const probeIdle = 4 * time.Minute // home routers mostly forget a connection after 5 and more

// Bounds of blobs.
const (
	// MaxBlob is the largest blob, in bytes: a sealed chunk of a file.
	MaxBlob = boxstore.MaxBlob
	// MaxBlobHours is how far ahead a blob may expire: a week, to the end of its
	// last day.
	MaxBlobHours = 8 * 24
	// MaxBlobEffort is how much work [Client.Upload] does.
	MaxBlobEffort = 1024

	blobPart   = 66 << 10        // bytes of which each part wants work
	blobHeader = 8 << 10         // bytes of a request's or an answer's head
	blobGrace  = 5 * time.Second // for what is going on when the server closes
	blobStall  = time.Minute     // a client waits for the next bytes
	maxCounted = 1 << 16         // capabilities of which uses are counted
)

// Bounds of a client.
const (
	// MaxPending is how many requests may wait for one relay's answer.
	MaxPending = 128
	// MaxRelays is how many relays may be linked at once.
	MaxRelays = 64

	dialTimeout  = 20 * time.Second // to one address, TLS included
	dialNext     = time.Second      // before another address is tried beside it
	writeTimeout = 20 * time.Second // for a frame to be taken
	frameTimeout = 20 * time.Second // for the rest of an answer that has begun
	answerSlack  = 30 * time.Second // beyond what a request lets the relay wait
	idleTimeout  = time.Minute      // without anything asked
	maxTries     = 3                // links used for one request, if each breaks
	minBackoff   = time.Second      // after the first failure to reach a relay
	maxBackoff   = 2 * time.Minute
)

// RecordSize is what every frame is on the wire: header, frame, type, tag.
const RecordSize = 5 + box.FrameSize + 1 + 16
