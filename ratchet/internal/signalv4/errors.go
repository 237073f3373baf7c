package signalv4

import "errors"

var (
	// ErrFormat: bytes that are not what their place demands. The peer's fault.
	ErrFormat = errors.New("signalv4: malformed")
	// ErrKey: a public key that is not one, or one whose shared secret is known
	// to everybody. The peer's fault.
	ErrKey = errors.New("signalv4: bad public key")
	// ErrSignature: a prekey that its identity has not signed. The peer's fault.
	ErrSignature = errors.New("signalv4: bad signature")
)
