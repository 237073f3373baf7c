package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
)

// Account is the secret half of an account: the 32-byte Ed25519 seed. Whoever has
// it is the account. It never prints its secret. The zero value is not usable. All
// methods but Erase only read, so they are safe for concurrent use.
type Account struct {
	_    [0]func() // not comparable: == on secrets is not constant time
	seed hidden[[keySize]byte]
}

// NewAccount makes an account from 32 fresh random bytes.
func NewAccount() *Account {
	seed := new([keySize]byte)
	rand.Read(seed[:])
	return &Account{seed: hide(seed)}
}

// accountFromSeed copies a seed of keySize bytes.
func accountFromSeed(seed []byte) *Account {
	return &Account{seed: hide(new([keySize]byte(seed)))}
}

// ID returns the account's public key.
func (a *Account) ID() AccountID {
	return AccountID(a.private().Public().(ed25519.PublicKey))
}

// Erase overwrites the seed. The account afterwards is another, worthless one.
func (a *Account) Erase() { clear(a.seed.reveal()[:]) }

func (a *Account) private() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(a.seed.reveal()[:]) }

// String returns a fixed text in place of the secret.
func (Account) String() string { return "identity.Account(secret)" }

// GoString returns a fixed text in place of the secret.
func (a Account) GoString() string { return a.String() }

// Format writes a fixed text in place of the secret, whatever the verb.
func (a Account) Format(f fmt.State, _ rune) { io.WriteString(f, a.String()) }

// signedMessage is what is signed: label, a zero byte, then the body. No label
// contains a zero byte, so no two labels can share a message (ID-07).
func signedMessage(label string, body []byte) []byte {
	return append(append([]byte(label), 0), body...)
}

func sign(key ed25519.PrivateKey, label string, body []byte) [signatureSize]byte {
	return [signatureSize]byte(ed25519.Sign(key, signedMessage(label, body)))
}

func verify(key [keySize]byte, label string, body []byte, signature [signatureSize]byte) bool {
	return ed25519.Verify(key[:], signedMessage(label, body), signature[:])
}
