package kdf_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"kith/ratchet/internal/kdf"
)

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestRatchet_R25_macEqualsStandard(t *testing.T) {
	key := kdf.Key(random(kdf.Size))
	data := random(kdf.MaxMAC)
	for n := range kdf.MaxMAC + 1 {
		h := hmac.New(sha256.New, key[:])
		h.Write(data[:n])
		if got := kdf.MAC(&key, data[:n/3], data[n/3:n]); !bytes.Equal(got[:], h.Sum(nil)) {
			t.Fatalf("%d bytes: HMAC differs", n)
		}
		if got := kdf.LongMAC(&key, data[:n/2], nil, data[n/2:n]); !bytes.Equal(got[:], h.Sum(nil)) {
			t.Fatalf("%d bytes: long HMAC differs", n)
		}
	}
}

// Longer input than MAC holds is a bug here, and must not be cut.
func TestRatchet_R25_macInputIsNotCut(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	kdf.MAC(new(kdf.Key), random(kdf.MaxMAC), []byte{1})
}

func TestRatchet_R25_expandEqualsStandard(t *testing.T) {
	prk := kdf.Key(random(kdf.Size))
	for _, info := range []string{"", "kith", string(random(kdf.MaxInfo - 8))} {
		for n := range 200 {
			got, suffix := make([]byte, n), random(8)
			kdf.Expand(got, &prk, info, suffix)
			want, err := hkdf.Expand(sha256.New, prk[:], info+string(suffix), n)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%d bytes under %q differ", n, info)
			}
		}
	}
}

func TestRatchet_R25_deriveEqualsStandard(t *testing.T) {
	salt, secret := kdf.Key(random(kdf.Size)), random(64)
	want, err := hkdf.Key(sha256.New, secret, salt[:], "info", 96)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 96)
	if kdf.Derive(got, &salt, secret, "info"); !bytes.Equal(got, want) {
		t.Error("Derive differs")
	}
	const n = 1<<63 + 5
	want, err = hkdf.Key(sha256.New, secret, salt[:], "info"+string(binary.BigEndian.AppendUint64(nil, n)), 96)
	if err != nil {
		t.Fatal(err)
	}
	if kdf.DeriveAt(got, &salt, secret, "info", n); !bytes.Equal(got, want) {
		t.Error("DeriveAt differs")
	}
	want, err = hkdf.Key(sha256.New, secret, nil, "info", 96)
	if err != nil {
		t.Fatal(err)
	}
	if kdf.Derive(got, new(kdf.Key), secret, "info"); !bytes.Equal(got, want) {
		t.Error("a zero salt is not the default")
	}
}
