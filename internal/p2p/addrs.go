package p2p

import (
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"kith/internal/wire"
)

// rank says in which order a peer's addresses are tried. On this machine and
// on the local network TCP first: bulk over it costs a third of the CPU of
// QUIC. Elsewhere QUIC first: it gets through NATs better. The other kind
// follows a little later, and after both what leads through relays.
func rank(addrs []multiaddr.Multiaddr) []network.AddrDelay {
	ranked := make([]network.AddrDelay, 0, len(addrs))
	direct := slices.ContainsFunc(addrs, func(a multiaddr.Multiaddr) bool { return !circuit(a) })
	for _, a := range addrs {
		if circuit(a) {
			d := network.AddrDelay{Addr: a}
			if direct {
				d.Delay = circuitDelay
			}
			ranked = append(ranked, d)
			continue
		}
		near := manet.IsPrivateAddr(a) || manet.IsIPLoopback(a)
		d := network.AddrDelay{Addr: a}
		if near != overTCP(a) {
			d.Delay = otherDelay
		}
		ranked = append(ranked, d)
	}
	slices.SortStableFunc(ranked, func(a, b network.AddrDelay) int { return int(a.Delay - b.Delay) })
	return ranked
}

func overTCP(a multiaddr.Multiaddr) bool {
	_, err := a.ValueForProtocol(multiaddr.P_TCP)
	return err == nil
}

// parseAddrs reads multiaddrs that a peer or the store gave, without the ones
// that are none.
func parseAddrs(texts []string) []multiaddr.Multiaddr {
	var addrs []multiaddr.Multiaddr
	for _, t := range texts {
		if len(t) > wire.MaxAddr || len(addrs) >= wire.MaxAddrs {
			continue
		}
		if a, err := multiaddr.NewMultiaddr(t); err == nil {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// textAddrs gives at most [wire.MaxAddrs] addresses as text, loopback last.
func textAddrs(addrs []multiaddr.Multiaddr) []string {
	addrs = slices.Clone(addrs)
	slices.SortStableFunc(addrs, func(a, b multiaddr.Multiaddr) int {
		return boolInt(manet.IsIPLoopback(a)) - boolInt(manet.IsIPLoopback(b))
	})
	var texts []string
	for _, a := range addrs {
		if t := a.String(); len(t) <= wire.MaxAddr && len(texts) < wire.MaxAddrs && !slices.Contains(texts, t) {
			texts = append(texts, t)
		}
	}
	return texts
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// listenAddrs are the addresses to listen on: those asked for, else every
// interface over TCP and QUIC on one port, the preferred one when it is free.
func listenAddrs(asked []string, port int) ([]multiaddr.Multiaddr, error) {
	if len(asked) > 0 {
		var addrs []multiaddr.Multiaddr
		for _, t := range asked {
			a, err := multiaddr.NewMultiaddr(t)
			if err != nil {
				return nil, fmt.Errorf("p2p: %q is not a multiaddr: %w", t, err)
			}
			addrs = append(addrs, a)
		}
		return addrs, nil
	}
	port = freePort(port)
	var addrs []multiaddr.Multiaddr
	for _, f := range []string{"/ip4/0.0.0.0/tcp/%d", "/ip4/0.0.0.0/udp/%d/quic-v1", "/ip6/::/tcp/%d", "/ip6/::/udp/%d/quic-v1"} {
		addrs = append(addrs, multiaddr.StringCast(fmt.Sprintf(f, port)))
	}
	return addrs, nil
}

// freePort returns a port on which both TCP and UDP can be listened on: the
// preferred one, else any, else zero.
func freePort(preferred int) int {
	for _, try := range []int{preferred, 0, 0, 0} {
		if try < 0 || try > 65535 {
			continue
		}
		l, err := net.Listen("tcp", ":"+strconv.Itoa(try))
		if err != nil {
			continue
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		u, err := net.ListenPacket("udp", ":"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		u.Close()
		return port
	}
	return 0
}
