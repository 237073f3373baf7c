package box

import (
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
)

// Chain is the writer's end of one direction: it writes to each box once. Make one
// with [NewChain]. Not safe for concurrent use.
type Chain struct {
	ck   [32]byte
	next uint64
}

// NewChain begins the chain that a writer and a reader, each named by its 32-byte
// Ed25519 public key, share by a root of 32 secret bytes. The caller erases its copy
// of the root. Source: docs/spec/box.md, BX-01.
func NewChain(root, writer, reader [32]byte) *Chain {
	return &Chain{ck: first(&root, &writer, &reader)}
}

// Index returns how many boxes the chain has given, 0 to [MaxIndex].
func (c *Chain) Index() uint64 { return c.next }

// give gives the keys of the next box and erases what led to them. It fails with
// ErrLimit at the end of the chain.
func (c *Chain) give() (keys, error) {
	if c.next >= MaxIndex {
		return keys{}, ErrLimit
	}
	k, err := step(&c.ck, c.next)
	if err == nil {
		c.next++
	}
	return k, err
}

// Seal puts a part of at most [Capacity] bytes into the next box of the chain, to be
// there until the end of a day (days since 1970), and returns what is asked of each
// relay. What it returns, and the chain as it is then, must be kept before the first
// relay is asked: asked again it must be byte for byte the same. The box's keys are
// erased. It fails with [ErrLimit] for a longer part and at the end of the chain, and
// changes nothing then. Source: docs/spec/box.md, BX-03, BX-05 and BX-07.
func (c *Chain) Seal(part []byte, expiry uint32) (*Put, error) {
	p, w, err := c.SealKeeping(part, expiry)
	if err != nil {
		return nil, err
	}
	w.keys.erase()
	return p, nil
}

const (
	chainVersion = 1
	chainSize    = 1 + 8 + 32
)

// MarshalBinary encodes the chain for storage, 41 secret bytes, as docs/spec/box.md 8
// says. It does not fail.
func (c *Chain) MarshalBinary() ([]byte, error) {
	w := cryptobyte.NewFixedBuilder(make([]byte, 0, chainSize))
	w.AddUint8(chainVersion)
	w.AddUint64(c.next)
	w.AddBytes(c.ck[:])
	return w.Bytes()
}

// ParseChain reads what [Chain.MarshalBinary] made, and nothing else: it fails with
// [ErrMalformed].
func ParseChain(b []byte) (*Chain, error) {
	s := cryptobyte.String(b)
	var version uint8
	c := &Chain{}
	if !s.ReadUint8(&version) || version != chainVersion || !s.ReadUint64(&c.next) || !s.CopyBytes(c.ck[:]) || !s.Empty() || c.next > MaxIndex {
		return nil, ErrMalformed
	}
	return c, nil
}

// String returns a fixed text in place of the secrets.
func (Chain) String() string { return "box.Chain(secret)" }

// GoString returns a fixed text in place of the secrets.
func (c Chain) GoString() string { return c.String() }

// Format writes a fixed text in place of the secrets, whatever the verb.
func (c Chain) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }
