package identity_test

import (
	"fmt"
	"log"
	"time"

	"kith/identity"
)

// Alice creates an account with one device and invites Bob, who reads her link and,
// once he knows her device list, compares the safety number with her.
func Example() {
	alice, bob := identity.NewAccount(), identity.NewAccount()
	now := time.Now()

	device := identity.NewDevice()
	request, err := device.Request(alice.ID(), identity.Terms{Created: uint64(now.Unix())})
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := alice.Certify(request)
	if err != nil {
		log.Fatal(err)
	}
	list, err := alice.SignList(nil, uint64(now.Unix()), []*identity.Certificate{certificate})
	if err != nil {
		log.Fatal(err)
	}
	expires := uint64(now.Add(72 * time.Hour).Unix())
	invite, err := identity.NewInvite(alice.ID(), device.ID(), identity.BundleHash{}, expires, "Alice", nil)
	if err != nil {
		log.Fatal(err)
	}
	link := invite.Link()
	listBytes, _ := list.AppendBinary(nil)

	// On Bob's side.
	received, err := identity.ParseInvite(link)
	if err != nil {
		log.Fatal(err)
	}
	devices, err := identity.ParseDeviceList(listBytes)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(received.Name, devices.Account == received.Account, devices.Certificate(received.Device) != nil)
	fmt.Println(identity.NewSafetyNumber(bob.ID(), received.Account) == identity.NewSafetyNumber(alice.ID(), bob.ID()))
	// Output:
	// Alice true true
	// true
}
