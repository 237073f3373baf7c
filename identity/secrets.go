package identity

import (
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
)

const secretsVersion = 1

// Secrets is what a device must keep to remain itself. Keep its encoding sealed. It
// never prints a secret.
type Secrets struct {
	Account *Account // nil on a device that was not given the account's seed
	Device  *Device
}

// AppendBinary appends the encoding that ParseSecrets reads: 98 bytes, or 66 without
// an account. The caller erases it after use. It fails only if Device is nil.
func (s Secrets) AppendBinary(b []byte) ([]byte, error) {
	if s.Device == nil {
		return nil, fmt.Errorf("%w: secrets without a device", ErrMalformed)
	}
	b = append(b, secretsVersion)
	if s.Account == nil {
		b = append(b, 0)
	} else {
		b = append(b, keySize)
		b = append(b, s.Account.seed.reveal()[:]...)
	}
	b = append(b, s.Device.keys.reveal().signing.Seed()...)
	return append(b, s.Device.keys.reveal().identity.Bytes()...), nil
}

// ParseSecrets reads what AppendBinary wrote, copying the secrets. Errors:
// ErrMalformed, ErrVersion. Rule ID-16.
func ParseSecrets(b []byte) (Secrets, error) {
	in := cryptobyte.String(b)
	var version uint8
	var seed cryptobyte.String
	var signing, scalar [keySize]byte
	defer clear(signing[:])
	defer clear(scalar[:])
	if !in.ReadUint8(&version) {
		return Secrets{}, fmt.Errorf("%w: empty secrets", ErrMalformed)
	}
	if version != secretsVersion {
		return Secrets{}, fmt.Errorf("%w: secrets %d", ErrVersion, version)
	}
	if !in.ReadUint8LengthPrefixed(&seed) || (len(seed) != 0 && len(seed) != keySize) ||
		!in.CopyBytes(signing[:]) || !in.CopyBytes(scalar[:]) || !in.Empty() {
		return Secrets{}, fmt.Errorf("%w: secrets of a wrong size", ErrMalformed)
	}
	secrets := Secrets{Device: deviceFromSecrets(signing, scalar)}
	if len(seed) == keySize {
		secrets.Account = accountFromSeed(seed)
		if [keySize]byte(secrets.Account.ID()) == [keySize]byte(secrets.Device.ID()) {
			return Secrets{}, fmt.Errorf("%w: account key used as device key", ErrMalformed)
		}
	}
	return secrets, nil
}

// String returns a fixed text in place of the secrets.
func (Secrets) String() string { return "identity.Secrets(secret)" }

// GoString returns a fixed text in place of the secrets.
func (s Secrets) GoString() string { return s.String() }

// Format writes a fixed text in place of the secrets, whatever the verb.
func (s Secrets) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }
