package identity

import (
	"bytes"
	"crypto/sha512"
	"fmt"
	"strings"
)

const (
	labelSafety      = "kith v1 identity safety-number"
	safetyIterations = 5200
	safetyGroups     = 12
	groupBytes       = 5
	groupModulus     = 100_000
)

// SafetyNumber is what two people compare to know that nobody sits between them:
// twelve groups of five decimal digits, the same on both sides. Comparable.
type SafetyNumber [safetyGroups]uint32

// NewSafetyNumber computes the number of a pair of accounts, in either order. It
// takes some milliseconds, on purpose: searching for an account with a similar number
// costs as much per attempt. Rule ID-17.
func NewSafetyNumber(a, b AccountID) SafetyNumber {
	if bytes.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	var n SafetyNumber
	fillSafetyHalf(n[:safetyGroups/2], a)
	fillSafetyHalf(n[safetyGroups/2:], b)
	return n
}

// fillSafetyHalf derives the six groups that stand for one account.
func fillSafetyHalf(groups []uint32, id AccountID) {
	state := signedMessage(labelSafety, id[:])
	var digest [sha512.Size]byte
	for range safetyIterations {
		digest = sha512.Sum512(append(state, id[:]...))
		state = append(state[:0], digest[:]...)
	}
	for i := range groups {
		var v uint64
		for _, b := range digest[i*groupBytes : (i+1)*groupBytes] {
			v = v<<8 | uint64(b)
		}
		groups[i] = uint32(v % groupModulus)
	}
}

// String returns the number for reading aloud: twelve groups of five digits,
// separated by single spaces.
func (n SafetyNumber) String() string {
	groups := make([]string, len(n))
	for i, g := range n {
		groups[i] = fmt.Sprintf("%05d", g)
	}
	return strings.Join(groups, " ")
}

// Digits returns the 60 digits without spaces.
func (n SafetyNumber) Digits() string { return strings.ReplaceAll(n.String(), " ", "") }
