package relaynet

import (
	"net"
	"time"

	"kith/box"
)

// Limits are a server's bounds. The zero value of a field stands for the
// default beside it, docs/spec/relaynet.md section 3.
type Limits struct {
	Links       int // at the same time; 1024
	LinksPrefix int // of them from one IPv4 /24 or IPv6 /48; 32
	Pending     int // requests of one link without an answer; 256
	Batch       int // requests in one step of the machine; 256

	Burst int     // frames a network may send at once; 1024
	Rate  float64 // frames a second it may send after that; 8

	Handshake time.Duration // for all of it; 10 s
	Frame     time.Duration // for the rest of a frame that has begun; 20 s
	Write     time.Duration // for an answer to be taken; 20 s
	Idle      time.Duration // without anything asked; 2 min
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
	span(&l.Handshake, 10*time.Second)
	span(&l.Frame, 20*time.Second)
	span(&l.Write, 20*time.Second)
	span(&l.Idle, 2*time.Minute)
	return l
}

const (
	maxBacklog  = 16384 // answers of all links together that wait to be written
	fairBacklog = 16    // of one link, which are let be even then
)

// probing has the kernel ask over a link on which nothing was said for a while
// whether the other end still is. Links that wait for boxes are quiet for up to an
// hour; Go's own 15 seconds would cost as much traffic as the boxes.
var probing = net.KeepAliveConfig{Enable: true, Idle: probeIdle, Interval: 30 * time.Second, Count: 4}

const probeIdle = 4 * time.Minute // home routers mostly forget a connection after 5 and more

// Bounds of a client.
const (
	// MaxPending is how many requests may wait for one relay's answer.
	MaxPending = 128
	// MaxRelays is how many relays may be linked at once.
	MaxRelays = 64

	dialTimeout  = 20 * time.Second // to one address, TLS included
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
