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
	tokens float64 // frames it may send at once
	at     time.Time
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
		n = &network{tokens: float64(g.limits.Burst), at: g.now()}
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
	for key, n := range g.networks {
		if n.links == 0 {
			if g.refill(n); n.tokens >= float64(g.limits.Burst) {
				delete(g.networks, key)
			}
		}
	}
}

func (g *gate) refill(n *network) {
	now := g.now()
	n.tokens = min(n.tokens+max(now.Sub(n.at).Seconds(), 0)*g.limits.Rate, float64(g.limits.Burst))
	n.at = now
}

// spend takes a token for a frame and returns how long to wait before the next
// one is read. Tokens may be owed, so that links of a network wait in turn.
func (g *gate) spend(key uint64) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.networks[key]
	g.refill(n)
	n.tokens--
	if n.tokens >= 0 {
		return 0
	}
	return time.Duration(-n.tokens / g.limits.Rate * float64(time.Second))
}
