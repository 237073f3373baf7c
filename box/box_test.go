package box_test

import (
	"encoding/hex"
	"testing"

	"kith/box"
)

func fill(b byte) (out [32]byte) {
	for i := range out {
		out[i] = b
	}
	return out
}

// TestBox_BX02_publishedVector: the chain of the published vector.
func TestBox_BX02_publishedVector(t *testing.T) {
	c := box.NewChain(fill(0), fill(1), fill(2))
	for i, want := range []string{"e752401190f8ea5cc8ced054232b8a39776fa3496a2ccd60153bd669fe4fbc8e", "bd240a8bb5546d60c305fc63fb0893078ecdd6776f8b37da69d2adb864f59fa1"} {
		k, err := c.Next()
		if err != nil || k.Index != uint64(i) || hex.EncodeToString(k.Box[:]) != want {
			t.Errorf("box %d is %x, %v", i, k.Box, err)
		}
	}
}
