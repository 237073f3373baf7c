package box_test

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"flag"
	"math/rand/v2"
	"testing"
	"testing/cryptotest"
	"time"

	"kith/box"
)

var (
	update = flag.Bool("update", false, "write testdata/vectors anew")
	seed   = flag.Uint64("seed", 1, "of what tests of claims draw at random")
)

// fill is 32 bytes of one value.
func fill(b byte) (out [32]byte) {
	copy(out[:], bytes.Repeat([]byte{b}, 32))
	return out
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func marshal(t testing.TB, m encoding.BinaryMarshaler) []byte {
	t.Helper()
	b, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func frameOf(t testing.TB, f encoding.BinaryAppender) []byte {
	t.Helper()
	b, err := f.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pair is the two ends of a direction.
func pair(root byte) (*box.Chain, *box.Reader) {
	return box.NewChain(fill(root), fill(1), fill(2)), box.NewReader(fill(root), fill(1), fill(2))
}

const expiry = 20014

func seal(t testing.TB, c *box.Chain, part []byte) *box.Put {
	t.Helper()
	p, err := c.Seal(part, expiry)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// draw makes everything random come out the same for a seed, and says which.
func draw(t *testing.T) *rand.Rand {
	t.Helper()
	t.Logf("-seed %d", *seed)
	cryptotest.SetGlobalRandom(t, *seed)
	return rand.New(rand.NewPCG(*seed, 1))
}

// drawn is n bytes from a generator of its own.
func drawn(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// requests are one of each kind, and replies one of each status, to requests of
// the same box.
func requests(t testing.TB) map[string]*box.Request {
	c, r := pair(9)
	put := seal(t, c, []byte("a part"))
	del, err := r.Delete(put.Box)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*box.Request{
		"put":    {Op: box.OpPut, Tag: 7, Box: put.Box, Put: put, Work: box.Work{Nonce: [8]byte{1, 2}, Solution: [16]byte{3, 4}}},
		"get":    {Op: box.OpGet, Tag: 8, Box: put.Box, Wait: 3600},
		"delete": {Op: box.OpDelete, Tag: 9, Box: put.Box, Delete: del},
		"info":   {Op: box.OpInfo, Tag: 1<<64 - 1, Box: fill(0xee)},
	}
}

func replies(t testing.TB) map[box.Status]*box.Reply {
	q := requests(t)
	all := map[box.Status]*box.Reply{}
	for s := box.OK; s <= box.Busy; s++ {
		all[s] = &box.Reply{Status: s, Tag: 7, Day: 20000}
	}
	all[box.Full].Effort = 32
	all[box.Found].Expiry, all[box.Found].Sig, all[box.Found].Cell = expiry, q["put"].Put.Sig, q["put"].Put.Cell
	all[box.Gone].Sig = q["delete"].Delete.Sig
	return all
}

func at(text string) time.Time {
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return when
}

func hour(n int) time.Duration { return time.Duration(n) * time.Hour }

func sha(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}
