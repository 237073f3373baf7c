package pqxdh_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"encoding/hex"
	"errors"
	"math/big"
	"slices"
	"testing"

	"kith/internal/vectors"
	"kith/pqxdh"
)

func fromHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPQXDH_PQ02_wycheproof holds all public keys of Wycheproof's X25519 file
// against the parser: what is not reduced or leads to the zero secret is refused
// (PQ-02, PQ-07), all others are taken.
func TestPQXDH_PQ02_wycheproof(t *testing.T) {
	type test struct {
		ID             int `json:"tcId"`
		Flags          []string
		Public, Shared string
	}
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	alice, bob := newDevice(t), newDevice(t)
	in, _ := handshake(t, alice, bob, bob.prekeys(t, true), nil)
	refused, taken := 0, 0
	vectors.Wycheproof(t, "x25519_test.json", func(_ struct{}, tt test) {
		b := fromHex(t, tt.Public)
		in.Ephemeral = [32]byte(b)
		slices.Reverse(b)
		bad := new(big.Int).SetBytes(b).Cmp(p) >= 0 || slices.Contains(tt.Flags, "ZeroSharedSecret") ||
			slices.Contains(tt.Flags, "LowOrderPublic")
		_, err := pqxdh.ParseInitial(encode(t, in))
		if bad != errors.Is(err, pqxdh.ErrMalformed) {
			t.Errorf("test %d %v: %v", tt.ID, tt.Flags, err)
		}
		if bad {
			refused++
		} else {
			taken++
		}
	})
	if refused == 0 || taken == 0 {
		t.Errorf("refused %d, taken %d", refused, taken)
	}
	t.Logf("refused %d, taken %d", refused, taken)
}

// TestPQXDH_PQ07_wycheproof: the agreement itself, and the zero secret refused.
func TestPQXDH_PQ07_wycheproof(t *testing.T) {
	type test struct {
		ID                      int `json:"tcId"`
		Flags                   []string
		Public, Private, Shared string
	}
	vectors.Wycheproof(t, "x25519_test.json", func(_ struct{}, tt test) {
		private, err := ecdh.X25519().NewPrivateKey(fromHex(t, tt.Private))
		if err != nil {
			t.Fatal(err)
		}
		public, err := ecdh.X25519().NewPublicKey(fromHex(t, tt.Public))
		if err != nil {
			t.Fatal(err)
		}
		z, err := private.ECDH(public)
		if zero := slices.Contains(tt.Flags, "ZeroSharedSecret"); zero != (err != nil) {
			t.Errorf("test %d %v: %v", tt.ID, tt.Flags, err)
		} else if !zero && !bytes.Equal(z, fromHex(t, tt.Shared)) {
			t.Errorf("test %d: the secret differs", tt.ID)
		}
	})
}

// TestPQXDH_PQ04_wycheproof: signatures that must not verify.
func TestPQXDH_PQ04_wycheproof(t *testing.T) {
	type group struct{ PublicKey struct{ PK string } }
	type test struct {
		ID               int `json:"tcId"`
		Msg, Sig, Result string
	}
	results := map[string]int{}
	vectors.Wycheproof(t, "ed25519_test.json", func(g group, tt test) {
		ok := ed25519.Verify(fromHex(t, g.PublicKey.PK), fromHex(t, tt.Msg), fromHex(t, tt.Sig))
		if ok != (tt.Result == "valid") {
			t.Errorf("test %d: %s", tt.ID, tt.Result)
		}
		results[tt.Result]++
	})
	t.Log(results)
}

// TestPQXDH_PQ05_wycheproof: ML-KEM-1024 as the handshake uses it. Encapsulation keys
// of a wrong length or with coefficients beyond q are refused, ciphertexts of
// a wrong length too, and what is forged decapsulates to the implicit secret.
func TestPQXDH_PQ05_wycheproof(t *testing.T) {
	type test struct {
		ID                        int `json:"tcId"`
		M, EK, C, K, Seed, Result string
	}
	results := map[string]int{}
	vectors.Wycheproof(t, "mlkem_1024_encaps_test.json", func(_ struct{}, tt test) {
		results[tt.Result]++
		ek, err := mlkem.NewEncapsulationKey1024(fromHex(t, tt.EK))
		if err != nil {
			if tt.Result == "valid" {
				t.Errorf("test %d: %v", tt.ID, err)
			}
			return
		}
		k, c, err := mlkemtest.Encapsulate1024(ek, fromHex(t, tt.M))
		if same := err == nil && bytes.Equal(k, fromHex(t, tt.K)) && bytes.Equal(c, fromHex(t, tt.C)); same != (tt.Result == "valid") {
			t.Errorf("test %d: %s, %v", tt.ID, tt.Result, err)
		}
	})
	vectors.Wycheproof(t, "mlkem_1024_test.json", func(_ struct{}, tt test) {
		results[tt.Result]++
		dk, err := mlkem.NewDecapsulationKey1024(fromHex(t, tt.Seed))
		if err != nil {
			if tt.Result == "valid" {
				t.Errorf("test %d: %v", tt.ID, err)
			}
			return
		}
		k, err := dk.Decapsulate(fromHex(t, tt.C))
		if ok := err == nil && bytes.Equal(k, fromHex(t, tt.K)); ok != (tt.Result == "valid") {
			t.Errorf("test %d: %s, %v", tt.ID, tt.Result, err)
		}
	})
	vectors.Wycheproof(t, "mlkem_1024_keygen_seed_test.json", func(_ struct{}, tt test) {
		results[tt.Result]++
		dk, err := mlkem.NewDecapsulationKey1024(fromHex(t, tt.Seed))
		if ok := err == nil && bytes.Equal(dk.EncapsulationKey().Bytes(), fromHex(t, tt.EK)); ok != (tt.Result == "valid") {
			t.Errorf("test %d: %s, %v", tt.ID, tt.Result, err)
		}
	})
	t.Log(results)
}
