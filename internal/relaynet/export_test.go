package relaynet

import (
	"net"
	"net/netip"
)

// PrefixOf is the network an address is counted in.
func PrefixOf(addr string) string {
	return prefix(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))).String()
}

// ParseCapability reads a request's target.
func ParseCapability(method, uri string) (Capability, bool) {
	return parseCapability(method, uri)
}
