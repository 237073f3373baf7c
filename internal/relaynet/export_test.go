package relaynet

import (
	"net"
	"net/netip"
)

// PrefixOf is the network an address is counted in.
func PrefixOf(addr string) string {
	return prefix(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))).String()
}
