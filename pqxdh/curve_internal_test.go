package pqxdh

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"slices"
	"testing"
)

// The zero secret is refused even where no check of the key came before: for the
// listed points, and for their unreduced and top-bit twins.
func TestPQXDH_PQ07_zeroSecretIsRefused(t *testing.T) {
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range lowOrder {
		twin := u
		twin[31] |= 0x80
		for _, key := range [][keySize]byte{u, twin} {
			material := discontinuity()
			if got, err := agree(material, k, &key); !errors.Is(err, ErrRefused) || got != nil {
				t.Errorf("%x: %v", key, err)
			}
			if got, err := runSteps([]step{{k, &[keySize]byte{9}}, {k, &key}}); !errors.Is(err, ErrRefused) || got != nil {
				t.Errorf("%x as second step: %v", key, err)
			}
		}
		if checkCurveKey(&twin) == nil || canonical(&twin) {
			t.Errorf("%x is taken", twin)
		}
	}
}

// Growing the KDF input must not leave a copy of it behind.
func TestPQXDH_PQ16_materialIsNotCopied(t *testing.T) {
	m := discontinuity()
	full := append(m, slices.Repeat([]byte{1}, maxMaterial-len(m))...)
	if &full[0] != &m[0] {
		t.Error("the largest KDF input does not fit its buffer")
	}
}
