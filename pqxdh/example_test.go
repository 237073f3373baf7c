package pqxdh_test

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"time"

	"kith/pqxdh"
)

// Bob publishes a bundle; Alice agrees on secrets with him while he is away.
func Example() {
	now := time.Unix(1_700_000_000, 0)
	alice, _ := exampleDevice()
	bob, bobSigner := exampleDevice()

	// Bob, some time ago.
	end := now.Add(7 * 24 * time.Hour).Unix()
	signed, err := pqxdh.NewSignedPrekey(bobSigner, bob.Public(), 1, end)
	if err != nil {
		panic(err)
	}
	oneTime, err := pqxdh.NewOneTimePrekey(bobSigner, bob.Public(), 1, end)
	if err != nil {
		panic(err)
	}
	kem, err := pqxdh.NewKEMPrekey(bobSigner, bob.Public(), 1, end, false)
	if err != nil {
		panic(err)
	}
	bundle := pqxdh.NewBundle(bob.Public(), signed, oneTime, kem)

	// Alice, who knows that bundle.Owner and bundle.Identity are Bob's.
	initial, hers, err := pqxdh.Initiate(alice, bundle, nil, now)
	if err != nil {
		panic(err)
	}

	// Bob, back again, looks up the prekeys that the initial names.
	keys := pqxdh.Prekeys{Signed: signed, OneTime: oneTime, KEM: kem}
	his, err := pqxdh.Accept(bob, keys, initial, nil, now)
	if err != nil {
		panic(err)
	}
	fmt.Println(hers.Root == his.Root)
	// Output: true
}

func exampleDevice() (pqxdh.Identity, ed25519.PrivateKey) {
	public, signer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	dh, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	id := pqxdh.Identity{DH: dh}
	id.Device = [32]byte(public)
	return id, signer
}
