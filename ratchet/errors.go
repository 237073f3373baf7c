package ratchet

import "errors"

var (
	// ErrOpen means a message that does not belong here, now, as it is: forged,
	// damaged, for another session, too old. It tells no more, on purpose.
	ErrOpen = errors.New("ratchet: message does not open")
	// ErrDuplicate means a genuine header whose message key is used up or expired.
	// The body was not looked at. Ignore the message.
	ErrDuplicate = errors.New("ratchet: duplicate message")
	// ErrTooFar means a genuine header that skips more than [MaxSkip] messages. It
	// may open after some of them came.
	ErrTooFar = errors.New("ratchet: message too far ahead")
	// ErrNotReady means that a responder cannot seal before it opened a message.
	ErrNotReady = errors.New("ratchet: nothing received yet")
	// ErrExhausted means that a chain has reached [MaxMessages]. It goes on after
	// a message of the peer.
	ErrExhausted = errors.New("ratchet: sending chain exhausted")
	// ErrTooLong means a plaintext beyond [MaxPlaintext] or associated data beyond
	// [MaxAD]. The caller's fault.
	ErrTooLong = errors.New("ratchet: plaintext or associated data too long")
	// ErrState means bytes that are not a session's encoding, or a session that was
	// wiped. A local fault: a damaged store or a bug.
	ErrState = errors.New("ratchet: invalid session state")
	// ErrKey means a peer's ratchet key that is not a proper X25519 key.
	ErrKey = errors.New("ratchet: invalid ratchet key")
)
