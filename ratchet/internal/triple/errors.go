package triple

import "errors"

// The errors of a [Session]; package ratchet says more about each.
var (
	// ErrOpen means a message that does not belong here, now, as it is.
	ErrOpen = errors.New("ratchet: message does not open")
	// ErrDuplicate means a genuine header whose message key is used up or expired.
	ErrDuplicate = errors.New("ratchet: duplicate message")
	// ErrTooFar means a genuine header that skips more messages than allowed.
	ErrTooFar = errors.New("ratchet: message too far ahead")
	// ErrNotReady means that a responder cannot seal before it opened a message.
	ErrNotReady = errors.New("ratchet: nothing received yet")
	// ErrExhausted means that a chain has reached its end.
	ErrExhausted = errors.New("ratchet: sending chain exhausted")
	// ErrTooLong means a plaintext or associated data beyond their limits.
	ErrTooLong = errors.New("ratchet: plaintext or associated data too long")
	// ErrState means bytes that are not a session's encoding, or a wiped session.
	ErrState = errors.New("ratchet: invalid session state")
	// ErrKey means a peer's ratchet key that is not a proper X25519 key.
	ErrKey = errors.New("ratchet: invalid ratchet key")
)
