package box

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
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
// and digits of base 32, @, and addresses of the form host:port with commas between.
// Each link has one form. It fails with [ErrMalformed]. Source: docs/spec/box.md, BX-12.
func ParseRelay(link string) (Relay, error) {
	rest, ok := strings.CutPrefix(link, scheme)
	key, addrs, found := strings.Cut(rest, "@")
	if !ok || !found || key != strings.ToLower(key) {
		return Relay{}, ErrMalformed
	}
	b, err := base.DecodeString(strings.ToUpper(key))
	if err != nil || len(b) != ed25519.PublicKeySize {
		return Relay{}, ErrMalformed
	}
	r := Relay{Key: [32]byte(b), Addrs: strings.Split(addrs, ",")}
	if len(r.Addrs) > MaxAddrs || r.String() != link {
		return Relay{}, ErrMalformed
	}
	for i, a := range r.Addrs {
		if !ValidAddr(a) || slices.Contains(r.Addrs[:i], a) {
			return Relay{}, ErrMalformed
		}
	}
	return r, nil
}

// ValidAddr reports whether a text is host:port as a relay's link may have it: an IP
// address in its one form, in brackets if it has colons, or a name of lower-case
// letters, digits, dots and hyphens; and a port from 1 to 65535.
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
		return ok && err == nil && ip.Is6() && ip.Zone() == "" && ip.String() == inner
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Is4() && ip.String() == host
	}
	for _, c := range []byte(host) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return host[0] != '.' && host[0] != '-'
}

const labelPlace = "place/1"

// Rank orders relays by how near a box is to them, nearest first, as indexes into
// relays: by the least SHA-256 of the box and the relay's id (rendezvous hashing). Both
// ends compute it from the relays they both know. Source: docs/spec/box.md, BX-13.
func Rank(b [32]byte, relays []RelayID) []int {
	type scored struct {
		i     int
		score [32]byte
	}
	all := make([]scored, len(relays))
	for i, id := range relays {
		h := sha256.New()
		h.Write([]byte(labelPlace))
		h.Write(b[:])
		h.Write(id[:])
		all[i].i = i
		h.Sum(all[i].score[:0])
	}
	slices.SortFunc(all, func(x, y scored) int {
		return cmp.Or(bytes.Compare(x.score[:], y.score[:]), cmp.Compare(x.i, y.i))
	})
	order := make([]int, len(all))
	for i, x := range all {
		order[i] = x.i
	}
	return order
}

// Lives are the days for which a relay may be asked to hold a cell.
var lives = [...]uint32{1, 3, 7, 14, 21}

// DefaultLife is the life of a cell in days unless there is a reason for another.
const DefaultLife = 14

// LifeFor returns the shortest life, in days, that is not less than d, or the longest.
func LifeFor(d time.Duration) uint32 {
	for _, l := range lives {
		if d <= time.Duration(l)*24*time.Hour {
			return l
		}
	}
	return lives[len(lives)-1]
}

// Day returns the day of a time: days since 1970.
func Day(t time.Time) uint32 { return uint32(max(t.Unix(), 0) / (24 * 3600)) }

// ExpiryDay returns the last day of a cell that is to live so many days from now,
// rounded up.
func ExpiryDay(now time.Time, life uint32) uint32 { return Day(now) + life }

// AllowedExpiry reports whether a relay whose day it is may hold a cell until a day:
// it is not over, and not further away than the longest life and [ClockSlack]. Any day
// between is allowed, since a relay may get a cell when it is days old. BX-06.
func AllowedExpiry(today, expiry uint32) bool {
	return expiry >= today && expiry-today <= lives[len(lives)-1]+ClockSlack
}
