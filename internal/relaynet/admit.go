package relaynet

import (
	"hash/maphash"
	"net"
	"net/netip"
	"sync"
	"time"
)

// gate counts links and frames by the network they come from. It knows networks
// by a keyed hash that lives as long as the process, and forgets each as soon as
// it could begin anew anyway. Safe for concurrent use.
type gate struct {
	limits Limits
	now    func() time.Time
	seed   maphash.Seed

	mu       sync.Mutex // guards what follows
	links    int
	networks map[uint64]*network
}

// network is what one IPv4 /24 or IPv6 /48 has.
type network struct {
	links  int
	frames bucket
	bytes  bucket // of blobs
}

// bucket is filled at a rate up to a burst. It may be owed: then whoever comes
// next waits.
type bucket struct {
	left, burst, rate float64
	at                time.Time
}

func (b *bucket) refill(now time.Time) {
	b.left = min(b.left+max(now.Sub(b.at).Seconds(), 0)*b.rate, b.burst)
	b.at = now
}

// spend takes n and returns how long it is until nothing is owed.
func (b *bucket) spend(now time.Time, n float64) time.Duration {
	b.refill(now)
	b.left -= n
	if b.left >= 0 {
		return 0
	}
	return time.Duration(-b.left / b.rate * float64(time.Second))
}

func newGate(l Limits, now func() time.Time) *gate {
	return &gate{limits: l, now: now, seed: maphash.MakeSeed(), networks: map[uint64]*network{}}
}

// prefix is the network of an address. What is not an IP address is one network.
func prefix(a net.Addr) netip.Prefix {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip := ap.Addr().Unmap()
	bits := 48
	if ip.Is4() {
		bits = 24
	}
	p, _ := ip.WithZone("").Prefix(bits)
	return p
}

func (g *gate) key(a net.Addr) uint64 {
	return maphash.Comparable(g.seed, prefix(a))
}

// enter admits a link, or says that there are too many.
func (g *gate) enter(key uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.networks[key]
	if g.links >= g.limits.Links || n != nil && n.links >= g.limits.LinksPrefix {
		return false
	}
	if n == nil {
		g.forget()
		now, frames, bytes := g.now(), float64(g.limits.Burst), float64(g.limits.BlobBurst)
		n = &network{frames: bucket{frames, frames, g.limits.Rate, now}, bytes: bucket{bytes, bytes, g.limits.BlobRate, now}}
		g.networks[key] = n
	}
	n.links++
	g.links++
	return true
}

// leave takes back an enter.
func (g *gate) leave(key uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.links--
	g.networks[key].links--
	g.forget()
}

// forget drops networks without links that have all their tokens again. There
// are at most as many others as could send in the time that takes.
func (g *gate) forget() {
	now := g.now()
	for key, n := range g.networks {
		if n.links == 0 {
			n.frames.refill(now)
			n.bytes.refill(now)
			if n.frames.left >= n.frames.burst && n.bytes.left >= n.bytes.burst {
				delete(g.networks, key)
			}
		}
	}
}

// spend takes a token for a frame and returns how long to wait before the next
// one is read. Tokens may be owed, so that links of a network wait in turn. The
// caller has a link of the network, as for spendBytes.
func (g *gate) spend(key uint64) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.networks[key].frames.spend(g.now(), 1)
}

// spendBytes takes tokens for bytes of a blob.
func (g *gate) spendBytes(key uint64, n int64) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.networks[key].bytes.spend(g.now(), float64(n))
}
