package pqxdh_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"testing"
	"time"

	"kith/pqxdh"
)

var noon = time.Unix(1_700_000_000, 0)

// device is a party of the tests: its identity and its signing key.
type device struct {
	pqxdh.Identity
	signer ed25519.PrivateKey
}

func newDevice(t testing.TB) device {
	t.Helper()
	public, signer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dh, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d := device{pqxdh.Identity{DH: dh}, signer}
	d.Device = [32]byte(public)
	rand.Read(d.Account[:])
	return d
}

// prekeys makes a set that expires in an hour, with one-time keys or without.
func (d device) prekeys(t testing.TB, oneTime bool) pqxdh.Prekeys {
	t.Helper()
	end := noon.Add(time.Hour).Unix()
	var keys pqxdh.Prekeys
	var err error
	if keys.Signed, err = pqxdh.NewSignedPrekey(d.signer, d.Public(), 7, end); err != nil {
		t.Fatal(err)
	}
	if keys.KEM, err = pqxdh.NewKEMPrekey(d.signer, d.Public(), 8, end, !oneTime); err != nil {
		t.Fatal(err)
	}
	if oneTime {
		if keys.OneTime, err = pqxdh.NewOneTimePrekey(d.signer, d.Public(), 9, end); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

func (d device) bundle(keys pqxdh.Prekeys) *pqxdh.Bundle {
	return pqxdh.NewBundle(d.Public(), keys.Signed, keys.OneTime, keys.KEM)
}

// equal compares everything both sides must agree on.
func equal(a, b *pqxdh.Secrets) bool {
	return a.Root == b.Root && a.HeaderA == b.HeaderA && a.HeaderB == b.HeaderB &&
		a.PQ == b.PQ && a.Exporter == b.Exporter && bytes.Equal(a.AD, b.AD)
}

func TestAgreement(t *testing.T) {
	alice, bob := newDevice(t), newDevice(t)
	for _, oneTime := range []bool{false, true} {
		for _, psk := range [][]byte{nil, bytes.Repeat([]byte{1}, 32)} {
			keys := bob.prekeys(t, oneTime)
			initial, sa, err := pqxdh.Initiate(alice.Identity, bob.bundle(keys), psk, noon)
			if err != nil {
				t.Fatal(err)
			}
			sb, err := pqxdh.Accept(bob.Identity, keys, initial, psk, noon)
			if err != nil {
				t.Fatal(err)
			}
			if !equal(sa, sb) {
				t.Errorf("one-time %v, psk %v: secrets differ", oneTime, psk != nil)
			}
		}
	}
}
