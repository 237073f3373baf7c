package relaynet

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
)

// Capability lets its bearer do one thing with one blob. Whoever has the blob's
// key mints it, without asking the relay. Source: docs/spec/relaynet.md, RN-25.
type Capability struct {
	Method string   // GET, HEAD or DELETE
	ID     [32]byte // of the blob
	Hour   uint32   // the last one it is good for, hours since 1970
	Uses   uint32   // how often; 0: as often as one likes
	MAC    [16]byte
}

const labelCapability = "cap/1"

// Mint makes a capability for a blob with this key.
func Mint(key [32]byte, method string, id [32]byte, hour, uses uint32) Capability {
	c := Capability{Method: method, ID: id, Hour: hour, Uses: uses}
	c.MAC = c.mac(key)
	return c
}

func (c *Capability) mac(key [32]byte) [16]byte {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte(labelCapability))
	h.Write([]byte(c.Method))
	h.Write(c.ID[:])
	var b [8]byte
	binary.BigEndian.PutUint32(b[:], c.Hour)
	binary.BigEndian.PutUint32(b[4:], c.Uses)
	h.Write(b[:])
	return [16]byte(h.Sum(nil)[:16])
}

// minted reports whether a capability was minted under a key, in constant time.
func (c *Capability) minted(key [32]byte) bool {
	want := c.mac(key)
	return subtle.ConstantTimeCompare(c.MAC[:], want[:]) == 1
}

// Path is the capability as the path and query of a URL.
func (c Capability) Path() string {
	return blobPath(c.ID) + "?e=" + strconv.FormatUint(uint64(c.Hour), 10) + "&n=" + strconv.FormatUint(uint64(c.Uses), 10) +
		"&c=" + hex.EncodeToString(c.MAC[:])
}

const blobPrefix = "/b/"

func blobPath(id [32]byte) string { return blobPrefix + hex.EncodeToString(id[:]) }

// parseBlobPath reads the one form of a blob's path.
func parseBlobPath(path string) (id [32]byte, ok bool) {
	text, ok := strings.CutPrefix(path, blobPrefix)
	b, err := hex.DecodeString(text)
	if !ok || err != nil || len(b) != len(id) || hex.EncodeToString(b) != text {
		return id, false
	}
	return [32]byte(b), true
}

// parseCapability reads what Path made, and only that.
func parseCapability(method, uri string) (c Capability, ok bool) {
	path, query, _ := strings.Cut(uri, "?")
	c.Method = method
	if c.ID, ok = parseBlobPath(path); !ok {
		return c, false
	}
	e, rest, _ := strings.Cut(query, "&")
	n, mac, _ := strings.Cut(rest, "&")
	var ok1, ok2 bool
	c.Hour, ok1 = parseNumber(e, "e=")
	c.Uses, ok2 = parseNumber(n, "n=")
	b, err := hex.DecodeString(strings.TrimPrefix(mac, "c="))
	if !ok1 || !ok2 || err != nil || len(b) != len(c.MAC) {
		return c, false
	}
	c.MAC = [16]byte(b)
	return c, c.Path() == uri
}

func parseNumber(text, name string) (uint32, bool) {
	digits, ok := strings.CutPrefix(text, name)
	v, err := strconv.ParseUint(digits, 10, 32)
	return uint32(v), ok && err == nil && strconv.FormatUint(v, 10) == digits
}
