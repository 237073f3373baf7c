package kdf_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"kith/internal/vectors"
	"kith/ratchet/internal/kdf"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// padded is a key or salt as HMAC pads it; ours are 32 bytes long.
func padded(t *testing.T, s string) (k kdf.Key, ok bool) {
	b := unhex(t, s)
	return k, len(b) <= copy(k[:], b)
}

func TestRatchet_R25_wycheproofHMAC(t *testing.T) {
	type group struct{ TagSize int }
	type test struct {
		ID                    int `json:"tcId"`
		Key, Msg, Tag, Result string
	}
	tried := 0
	vectors.Wycheproof(t, "hmac_sha256_test.json", func(g group, tt test) {
		key, ok := padded(t, tt.Key)
		if !ok {
			return // longer keys do not occur
		}
		tried++
		msg, tag := unhex(t, tt.Msg), unhex(t, tt.Tag)
		got := kdf.LongMAC(&key, msg)
		if bytes.Equal(got[:g.TagSize/8], tag) != (tt.Result == "valid") {
			t.Errorf("test %d: %s", tt.ID, tt.Result)
		}
		if len(msg) <= kdf.MaxMAC && kdf.MAC(&key, msg, nil) != got {
			t.Errorf("test %d: MAC differs", tt.ID)
		}
	})
	t.Logf("%d tests", tried)
}

func TestRatchet_R25_wycheproofHKDF(t *testing.T) {
	type test struct {
		ID                           int `json:"tcId"`
		IKM, Salt, Info, OKM, Result string
		Size                         int
	}
	tried := 0
	vectors.Wycheproof(t, "hkdf_sha256_test.json", func(_ struct{}, tt test) {
		salt, ok := padded(t, tt.Salt)
		info := unhex(t, tt.Info)
		if !ok || tt.Result != "valid" || len(info) > kdf.MaxInfo {
			return // lengths that do not occur: ours are constants
		}
		tried++
		got := make([]byte, tt.Size)
		if kdf.Derive(got, &salt, unhex(t, tt.IKM), string(info)); !bytes.Equal(got, unhex(t, tt.OKM)) {
			t.Errorf("test %d differs", tt.ID)
		}
	})
	t.Logf("%d tests", tried)
}
