package identity

import (
	"strings"
	"testing"
)

// The valid and invalid strings of BIP350, for the checksum alone: the exported API
// knows one prefix and one length.
func TestIdentity_ID01_bip350Checksums(t *testing.T) {
	for text, want := range map[string]bool{
		"A1LQFN3A": true,
		"a1lqfn3a": true,
		"an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6": true,
		"abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx":                                              true,
		"11llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllludsr8": true,
		"split1checkupstagehandshakeupstreamerranterredcaperredlc445v":                               true,
		"?1v759aa": true,
		"A12UEL5L": false, // bech32, not bech32m
		"M1VUXWEZ": false,
		"abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryz": false,
	} {
		lower := asciiLower(text)
		split := strings.LastIndexByte(lower, '1')
		var groups []byte
		for _, c := range []byte(lower[split+1:]) {
			groups = append(groups, byte(strings.IndexByte(bech32Alphabet, c)))
		}
		if got := bech32Polymod(lower[:split], groups) == bech32mResidue; got != want {
			t.Errorf("%s: valid %v, want %v", text, got, want)
		}
	}
}

// abcdef1l7aum… carries the 32 values from 31 down to 0, which is 20 bytes.
func TestIdentity_ID01_bip350Data(t *testing.T) {
	const text = "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx"
	data, err := decodeBech32m("abcdef", text, 20)
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range fiveBitGroups(data) {
		if int(g) != 31-i {
			t.Fatalf("group %d is %d", i, g)
		}
	}
	if got := encodeBech32m("abcdef", data); got != text {
		t.Fatalf("encoded as %s", got)
	}
}

// 32 bytes leave four bits in the last group; set ones would be a second spelling.
func TestIdentity_ID01_paddingMustBeZero(t *testing.T) {
	account := NewAccount()
	id := account.ID()
	for padding := range byte(16) {
		groups := fiveBitGroups(id[:])
		groups[len(groups)-1] |= padding
		residue := bech32Polymod(accountPrefix, append(groups, make([]byte, bech32Checksum)...)) ^ bech32mResidue
		text := []byte(accountPrefix + "1")
		for _, g := range groups {
			text = append(text, bech32Alphabet[g])
		}
		for i := range bech32Checksum {
			text = append(text, bech32Alphabet[residue>>(5*(bech32Checksum-1-i))&31])
		}
		if _, err := ParseAccountID(string(text)); (err == nil) != (padding == 0) {
			t.Errorf("padding %04b: %v", padding, err)
		}
	}
}
