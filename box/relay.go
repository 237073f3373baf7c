package box

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// RelayID names a relay: SHA-256 of its Ed25519 public key.
type RelayID [32]byte

// Relay is a relay as it is told of: its key and where it is reached.
type Relay struct {
	Key   [32]byte // Ed25519 public key, which its certificate has
	Addrs []string // host:port, 1 to MaxAddrs
}

// ID returns the relay's name.
func (r Relay) ID() RelayID { return sha256.Sum256(r.Key[:]) }

// scheme begins a relay's link.
const scheme = "kith-relay://"

var base = base32.StdEncoding.WithPadding(base32.NoPadding)

// String returns the relay's link, which [ParseRelay] reads.
func (r Relay) String() string {
	return scheme + strings.ToLower(base.EncodeToString(r.Key[:])) + "@" + strings.Join(r.Addrs, ",")
}

// IsRelay reports whether a text means to be a relay's link.
func IsRelay(text string) bool { return strings.HasPrefix(text, scheme) }

// ParseRelay reads a relay's link: kith-relay://, the key as 52 lower-case letters
// and digits of base 32, @, and addresses as [ValidAddr] has them with commas between.
// Each link has one form. It fails with [ErrMalformed]. Source: docs/spec/box.md, BX-12.
func ParseRelay(link string) (Relay, error) {
	rest, ok := strings.CutPrefix(link, scheme)
	key, addrs, found := strings.Cut(rest, "@")
	if !ok || !found {
		return Relay{}, ErrMalformed
	}
	b, err := base.DecodeString(strings.ToUpper(key))
	if err != nil || len(b) != ed25519.PublicKeySize {
		return Relay{}, ErrMalformed
	}
	r := Relay{Key: [32]byte(b), Addrs: strings.SplitN(addrs, ",", MaxAddrs+1)}
	if len(r.Addrs) > MaxAddrs || r.String() != link {
		return Relay{}, ErrMalformed // String tells apart what base 32 and ToUpper make alike
	}
	for i, a := range r.Addrs {
		if !ValidAddr(a) || slices.Contains(r.Addrs[:i], a) {
			return Relay{}, ErrMalformed
		}
	}
	return r, nil
}

// ValidAddr reports whether a text is host:port as a relay's link may have it, at most
// [MaxAddr] bytes: a port from 1 to 65535 without leading zeros, and an IPv4 address,
// an IPv6 address in brackets, each as package net/netip writes it, or a name. A name
// is of labels of 1 to 63 lower-case letters, digits and, inside, hyphens, with dots
// between; the last begins with a letter, since what ends in a number is an IPv4
// address to many programs. Source: docs/spec/box.md, BX-12.
func ValidAddr(a string) bool {
	i := strings.LastIndexByte(a, ':')
	if i < 1 || len(a) > MaxAddr {
		return false
	}
	host, port := a[:i], a[i+1:]
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return false
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		ip, err := netip.ParseAddr(inner)
		return ok && err == nil && ip.Is6() && !ip.Is4In6() && ip.Zone() == "" && ip.String() == inner
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Is4()
	}
	return validName(host)
}

func validName(host string) bool {
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.ContainsFunc(l, notInName) {
			return false
		}
	}
	return labels[len(labels)-1][0] >= 'a'
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
}
