package pqxdh_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kith/pqxdh"
)

// wycheproof reads a file of Project Wycheproof, or skips the test.
func wycheproof(t *testing.T, name string, v any) {
	t.Helper()
	dir := os.Getenv("KITH_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	b, err := os.ReadFile(filepath.Join(dir, "vectors", "wycheproof", name))
	if err != nil {
		t.Skipf("no Wycheproof vectors (set KITH_SHARED): %v", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// TestPQXDH_PQ02_wycheproof holds all public keys of Wycheproof's X25519 file
// against the parser: what is not reduced or leads to the zero secret is refused
// (PQ-02, PQ-07), all others are taken.
func TestPQXDH_PQ02_wycheproof(t *testing.T) {
	var file struct {
		TestGroups []struct {
			Tests []struct {
				ID             int `json:"tcId"`
				Flags          []string
				Public, Shared string
			}
		}
	}
	wycheproof(t, "x25519_test.json", &file)
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	alice, bob := newDevice(t), newDevice(t)
	in, _ := handshake(t, alice, bob, bob.prekeys(t, true), nil)
	refused, taken := 0, 0
	for _, g := range file.TestGroups {
		for _, tt := range g.Tests {
			b, err := hex.DecodeString(tt.Public)
			if err != nil {
				t.Fatal(err)
			}
			in.Ephemeral = [32]byte(b)
			slices.Reverse(b)
			bad := new(big.Int).SetBytes(b).Cmp(p) >= 0 || slices.Contains(tt.Flags, "ZeroSharedSecret") ||
				slices.Contains(tt.Flags, "LowOrderPublic")
			_, err = pqxdh.ParseInitial(encode(t, in))
			if bad != errors.Is(err, pqxdh.ErrMalformed) {
				t.Errorf("test %d %v: %v", tt.ID, tt.Flags, err)
			}
			if bad {
				refused++
			} else {
				taken++
			}
		}
	}
	if refused == 0 || taken == 0 {
		t.Errorf("refused %d, taken %d", refused, taken)
	}
	t.Logf("refused %d, taken %d", refused, taken)
}
