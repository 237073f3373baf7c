package pqxdh

import (
	"crypto/ecdh"
	"crypto/ed25519"
)

// Address names a device of an account.
type Address struct {
	Account [keySize]byte // Ed25519 public key of the account
	Device  [keySize]byte // Ed25519 public key of the device: signs its prekeys
}

// Owner is the public side of a device: its address and the X25519 identity key
// that the account certified for it.
type Owner struct {
	Address
	Identity [keySize]byte
}

// Identity is a device's own side. DH is its X25519 identity key; the device's
// Ed25519 key is only needed to sign prekeys.
type Identity struct {
	Address
	DH *ecdh.PrivateKey
}

// Public returns what others may know. DH must be set.
func (i Identity) Public() Owner {
	return Owner{i.Address, publicBytes(i.DH)}
}

// checkPeers refuses a handshake of a device with itself: the same device, or
// another one that shows our own identity key back to us.
func checkPeers(a, b Owner) error {
	if a.Device == b.Device || a.Identity == b.Identity {
		return ErrRefused
	}
	return nil
}

// signs reports whether the private key is that of the owner's device.
func (o Owner) signs(k ed25519.PrivateKey) bool {
	return len(k) == ed25519.PrivateKeySize && [keySize]byte(k[keySize:]) == o.Device
}
