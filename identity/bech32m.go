package identity

import (
	"fmt"
	"strings"
)

// Bech32m, BIP350: a text form with a checksum that finds any four wrong characters.

const (
	bech32Alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	bech32mResidue = 0x2bc830a3
	bech32Checksum = 6
)

// encodeBech32m writes prefix, separator, data in groups of five bits and checksum.
func encodeBech32m(prefix string, data []byte) string {
	groups := fiveBitGroups(data)
	residue := bech32Polymod(prefix, append(groups, make([]byte, bech32Checksum)...)) ^ bech32mResidue
	for i := range bech32Checksum {
		groups = append(groups, byte(residue>>(5*(bech32Checksum-1-i)))&31)
	}
	var text strings.Builder
	text.WriteString(prefix + "1")
	for _, g := range groups {
		text.WriteByte(bech32Alphabet[g])
	}
	return text.String()
}

// decodeBech32m reads a text of exactly size data bytes behind prefix; one case
// throughout, no excess bits. prefix is lower case.
func decodeBech32m(prefix, text string, size int) ([]byte, error) {
	want := len(prefix) + 1 + (size*8+4)/5 + bech32Checksum
	if len(text) != want {
		return nil, fmt.Errorf("%w: %d characters, not %d", ErrMalformed, len(text), want)
	}
	lower := asciiLower(text)
	if text != lower && text != asciiUpper(text) {
		return nil, fmt.Errorf("%w: upper and lower case are mixed", ErrMalformed)
	}
	rest, ok := strings.CutPrefix(lower, prefix+"1")
	if !ok {
		return nil, fmt.Errorf("%w: does not begin with %s1", ErrMalformed, prefix)
	}
	groups := make([]byte, len(rest))
	for i := range len(rest) {
		g := strings.IndexByte(bech32Alphabet, rest[i])
		if g < 0 {
			return nil, fmt.Errorf("%w: character %d is not allowed", ErrMalformed, len(prefix)+2+i)
		}
		groups[i] = byte(g)
	}
	if bech32Polymod(prefix, groups) != bech32mResidue {
		return nil, fmt.Errorf("%w: checksum does not match, a character is wrong", ErrMalformed)
	}
	return joinGroups(groups[:len(groups)-bech32Checksum], size)
}

// bech32Polymod is the checksum's remainder over the expanded prefix and the groups.
func bech32Polymod(prefix string, groups []byte) uint32 {
	chk := uint32(1)
	for i := range len(prefix) {
		chk = bech32Step(chk, prefix[i]>>5)
	}
	chk = bech32Step(chk, 0)
	for i := range len(prefix) {
		chk = bech32Step(chk, prefix[i]&31)
	}
	for _, g := range groups {
		chk = bech32Step(chk, g)
	}
	return chk
}

func bech32Step(chk uint32, group byte) uint32 {
	top := chk >> 25
	chk = (chk&0x1ffffff)<<5 ^ uint32(group)
	for i, g := range [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
		if top>>i&1 == 1 {
			chk ^= g
		}
	}
	return chk
}

func fiveBitGroups(data []byte) []byte {
	var groups []byte
	var acc uint32
	var bits int
	for _, b := range data {
		acc = acc<<8 | uint32(b)
		for bits += 8; bits >= 5; bits -= 5 {
			groups = append(groups, byte(acc>>(bits-5))&31)
		}
	}
	if bits > 0 {
		groups = append(groups, byte(acc<<(5-bits))&31)
	}
	return groups
}

func joinGroups(groups []byte, size int) ([]byte, error) {
	data := make([]byte, 0, size)
	var acc uint32
	var bits int
	for _, g := range groups {
		acc = acc<<5 | uint32(g)
		if bits += 5; bits >= 8 {
			bits -= 8
			data = append(data, byte(acc>>bits))
		}
	}
	if bits >= 5 || len(data) != size || acc&(1<<bits-1) != 0 {
		return nil, fmt.Errorf("%w: padding is not zero", ErrMalformed)
	}
	return data, nil
}

// asciiLower and asciiUpper leave every other letter alone, unlike package strings:
// the Kelvin sign must not become a k.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func asciiUpper(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - ('a' - 'A')
		}
		return r
	}, s)
}
