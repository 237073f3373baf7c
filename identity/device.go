package identity

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
)

// Device is the secret half of a device: an Ed25519 key that signs and that the
// transport authenticates, and an X25519 key for key agreement. Two keys, so that
// neither is ever used for the other's purpose. It never prints its secrets.
// The zero value is not usable. Read-only, so safe for concurrent use.
type Device struct {
	_    [0]func() // not comparable: == on secrets is not constant time
	keys hidden[deviceKeys]
}

type deviceKeys struct {
	signing  ed25519.PrivateKey
	identity *ecdh.PrivateKey
}

// NewDevice makes a device with two fresh keys.
func NewDevice() *Device {
	var seed, scalar [keySize]byte
	rand.Read(seed[:])
	rand.Read(scalar[:])
	defer clear(seed[:])
	defer clear(scalar[:])
	return deviceFromSecrets(seed, scalar)
}

func deviceFromSecrets(seed, scalar [keySize]byte) *Device {
	identity, err := ecdh.X25519().NewPrivateKey(scalar[:])
	if err != nil {
		// The only reason for refusal is the length, which the type fixes.
		panic("identity: 32 bytes refused as an X25519 key: " + err.Error())
	}
	return &Device{keys: hide(&deviceKeys{ed25519.NewKeyFromSeed(seed[:]), identity})}
}

// ID returns the device's Ed25519 public key.
func (d *Device) ID() DeviceID {
	return DeviceID(d.keys.reveal().signing.Public().(ed25519.PublicKey))
}

// IdentityKey returns the device's X25519 public key.
func (d *Device) IdentityKey() IdentityKey {
	return IdentityKey(d.keys.reveal().identity.PublicKey().Bytes())
}

// SigningPrivate returns the Ed25519 private key (64 bytes: seed, then public key)
// for the transport and for signing prekeys. The slice is shared: do not change it.
// Sign nothing without a label of its own in front.
func (d *Device) SigningPrivate() ed25519.PrivateKey { return d.keys.reveal().signing }

// IdentityPrivate returns the X25519 private key for key agreement.
func (d *Device) IdentityPrivate() *ecdh.PrivateKey { return d.keys.reveal().identity }

// String returns a fixed text in place of the secrets.
func (Device) String() string { return "identity.Device(secret)" }

// GoString returns a fixed text in place of the secrets.
func (d Device) GoString() string { return d.String() }

// Format writes a fixed text in place of the secrets, whatever the verb.
func (d Device) Format(f fmt.State, _ rune) { io.WriteString(f, d.String()) }
