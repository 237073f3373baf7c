package ratchet_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"encoding/hex"
	"errors"
	"math/big"
	"slices"
	"testing"

	"kith/internal/vectors"
	"kith/ratchet"
)

// TestRatchet_R03_wycheproof offers all public keys of Wycheproof's X25519 file as
// ratchet keys: what is not reduced or leads to the zero secret is refused, all
// others are taken.
func TestRatchet_R03_wycheproof(t *testing.T) {
	type test struct {
		ID             int `json:"tcId"`
		Flags          []string
		Public, Shared string
	}
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	refused, taken := 0, 0
	vectors.Wycheproof(t, "x25519_test.json", func(_ struct{}, tt test) {
		b := fromHex(t, tt.Public)
		key, err := ecdh.X25519().NewPublicKey(b)
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(b)
		bad := new(big.Int).SetBytes(b).Cmp(p) >= 0 || slices.Contains(tt.Flags, "ZeroSharedSecret") ||
			slices.Contains(tt.Flags, "LowOrderPublic")
		_, err = ratchet.NewInitiator(&ratchet.Secrets{}, key)
		if bad != errors.Is(err, ratchet.ErrKey) {
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

// TestRatchet_R15_wycheproof holds the AEAD that messages are sealed with, at the
// sizes they use, against Wycheproof's file.
func TestRatchet_R15_wycheproof(t *testing.T) {
	type group struct{ KeySize, IvSize, TagSize int }
	type test struct {
		ID                                 int `json:"tcId"`
		Key, IV, AAD, Msg, CT, Tag, Result string
	}
	valid, invalid := 0, 0
	vectors.Wycheproof(t, "aes_gcm_test.json", func(g group, tt test) {
		if g.KeySize != 256 || g.IvSize != 96 || g.TagSize != 128 {
			return
		}
		block, err := aes.NewCipher(fromHex(t, tt.Key))
		if err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := gcm.Open(nil, fromHex(t, tt.IV), fromHex(t, tt.CT+tt.Tag), fromHex(t, tt.AAD))
		switch {
		case tt.Result == "valid" && (err != nil || !bytes.Equal(plain, fromHex(t, tt.Msg))):
			t.Errorf("test %d: %v", tt.ID, err)
		case tt.Result == "valid":
			valid++
		case err == nil:
			t.Errorf("test %d: a forgery opens", tt.ID)
		default:
			invalid++
		}
	})
	if valid == 0 || invalid == 0 {
		t.Errorf("%d valid, %d invalid", valid, invalid)
	}
	t.Logf("%d valid, %d invalid", valid, invalid)
}

func fromHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
