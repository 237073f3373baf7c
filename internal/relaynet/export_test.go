package relaynet

import (
	"net"
	"net/netip"
)

// PrefixOf is the network an address is counted in.
func PrefixOf(addr string) string {
	return prefix(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))).String()
}

// ParseCapability reads a URL's path and query.
func ParseCapability(method, path, query string) (Capability, bool) {
	return parseCapability(method, path, query)
}
