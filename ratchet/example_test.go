package ratchet_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"time"

	"kith/ratchet"
)

// Alice speaks first. A handshake gave both sides the same secrets, and Alice
// knows Bob's first ratchet key.
func Example() {
	bobKey, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	var secrets ratchet.Secrets
	for _, k := range [][]byte{secrets.Root[:], secrets.HeaderA[:], secrets.HeaderB[:], secrets.PQ[:]} {
		rand.Read(k)
	}
	ad := []byte("the handshake's associated data")

	alice, err := ratchet.NewInitiator(&secrets, bobKey.PublicKey())
	if err != nil {
		panic(err)
	}
	bob, err := ratchet.NewResponder(&secrets, bobKey)
	if err != nil {
		panic(err)
	}

	next, msg, err := alice.Seal([]byte("hello, bob"), ad)
	if err != nil {
		panic(err)
	}
	alice = next // after storing it durably; then msg may leave

	next, plaintext, err := bob.Open(msg, ad, time.Unix(1_700_000_000, 0))
	if err != nil {
		panic(err)
	}
	bob = next
	fmt.Printf("%s\n", plaintext)

	_, _, err = bob.Open(msg, ad, time.Unix(1_700_000_000, 0))
	fmt.Println(err)
	fmt.Println(alice.Confirmed(), bob.Confirmed())
	// Output:
	// hello, bob
	// ratchet: duplicate message
	// false true
}
