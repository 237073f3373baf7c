package identity

import (
	"encoding/hex"
	"fmt"
)

// accountPrefix is the human-readable part of an account's address.
const accountPrefix = "kith"

// AccountID is an account's Ed25519 public key and with it its address. The zero
// value is no account. Comparable; safe to copy.
type AccountID [keySize]byte

// String returns the address, 63 characters beginning with "kith1" (bech32m).
func (id AccountID) String() string { return encodeBech32m(accountPrefix, id[:]) }

// ParseAccountID reads an address as String writes it, or all in upper case. It
// returns ErrMalformed for anything else: mixed case, a wrong checksum, excess
// characters, or 32 bytes that are no acceptable Ed25519 key. Rules ID-01, ID-05.
func ParseAccountID(s string) (AccountID, error) {
	b, err := decodeBech32m(accountPrefix, s, keySize)
	if err != nil {
		return AccountID{}, fmt.Errorf("account address: %w", err)
	}
	return AccountIDFromBytes(b)
}

// AccountIDFromBytes takes an account's 32-byte public key from elsewhere. It
// returns ErrMalformed for another length or an unacceptable key (ID-05).
func AccountIDFromBytes(b []byte) (AccountID, error) {
	id, err := ed25519FromBytes(b)
	if err != nil {
		return AccountID{}, fmt.Errorf("account: %w", err)
	}
	return id, nil
}

// DeviceID is a device's Ed25519 public key; the transport authenticates the same
// key. The zero value is no device. Comparable; safe to copy.
type DeviceID [keySize]byte

// String returns 64 lower-case hexadecimal digits.
func (id DeviceID) String() string { return hex.EncodeToString(id[:]) }

// ParseDeviceID reads what String writes, lower case only. It returns ErrMalformed
// for anything else.
func ParseDeviceID(s string) (DeviceID, error) {
	b, err := hex.DecodeString(s)
	if err != nil || s != asciiLower(s) {
		return DeviceID{}, fmt.Errorf("%w: device id is not 64 lower-case hexadecimal digits", ErrMalformed)
	}
	return DeviceIDFromBytes(b)
}

// DeviceIDFromBytes takes a device's 32-byte public key from elsewhere. It returns
// ErrMalformed for another length or an unacceptable key (ID-05).
func DeviceIDFromBytes(b []byte) (DeviceID, error) {
	id, err := ed25519FromBytes(b)
	if err != nil {
		return DeviceID{}, fmt.Errorf("device: %w", err)
	}
	return id, nil
}

func ed25519FromBytes(b []byte) (key [keySize]byte, err error) {
	if len(b) != keySize {
		return key, fmt.Errorf("%w: key of %d bytes, not %d", ErrMalformed, len(b), keySize)
	}
	key = [keySize]byte(b)
	if err := checkEd25519(key); err != nil {
		return [keySize]byte{}, err
	}
	return key, nil
}
