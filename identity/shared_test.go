package identity_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"kith/identity"
)

const noon = 1_900_000_000 // Unix seconds: the tests' present

// person is an account and a device with secrets derived from a name, and the raw
// keys with which a test signs what the API refuses to.
type person struct {
	identity.Secrets
	account, device ed25519.PrivateKey
}

func newPerson(t testing.TB, name string) person {
	t.Helper()
	seed := sha256.Sum256([]byte(name + " account"))
	signing := sha256.Sum256([]byte(name + " device"))
	scalar := sha256.Sum256([]byte(name + " identity key"))
	b := append([]byte{1, 32}, seed[:]...)
	b = append(append(b, signing[:]...), scalar[:]...)
	secrets, err := identity.ParseSecrets(b)
	if err != nil {
		t.Fatal(err)
	}
	return person{secrets, ed25519.NewKeyFromSeed(seed[:]), ed25519.NewKeyFromSeed(signing[:])}
}

func (p person) certificate(t testing.TB) *identity.Certificate {
	t.Helper()
	return p.certify(t, p)
}

// certify has p's account certify the device of another person.
func (p person) certify(t testing.TB, other person) *identity.Certificate {
	t.Helper()
	r, err := other.Device.Request(p.Account.ID(), identity.Terms{Capabilities: 5, Created: noon - 10, Expires: noon + 10})
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.Account.Certify(r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (p person) list(t testing.TB, previous *identity.DeviceList, issued uint64, certificates ...*identity.Certificate) *identity.DeviceList {
	t.Helper()
	l, err := p.Account.SignList(previous, issued, certificates)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// signed signs body the way the specification says.
func signed(key ed25519.PrivateKey, label string, body []byte) []byte {
	return ed25519.Sign(key, append(append([]byte(label), 0), body...))
}

type appender interface {
	AppendBinary([]byte) ([]byte, error)
}

func encode(t testing.TB, v appender) []byte {
	t.Helper()
	b, err := v.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
