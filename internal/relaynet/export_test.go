package relaynet

import (
	"net"
	"net/netip"
)

// PrefixOf is the network an address is counted in.
func PrefixOf(addr string) string {
	return prefix(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))).String()
}

// Links is how many connections there are.
func (s *Server) Links() int {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	return s.gate.links
}

// Owes tells whether a network has moved more bytes than it may.
func (s *Server) Owes() bool {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	for _, n := range s.gate.networks {
		if n.bytes.left < 0 {
			return true
		}
	}
	return false
}

// ParseCapability reads a request's target.
func ParseCapability(method, uri string) (Capability, bool) {
	return parseCapability(method, uri)
}
