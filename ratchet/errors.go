package ratchet

import "kith/ratchet/internal/triple"

var (
	// ErrOpen means a message that does not belong here, now, as it is: forged,
	// damaged, for another session, too old. It tells no more, on purpose.
	ErrOpen = triple.ErrOpen
	// ErrDuplicate means a genuine header whose message key is used up or expired.
	// The body was not looked at. Ignore the message.
	ErrDuplicate = triple.ErrDuplicate
	// ErrTooFar means a genuine header that skips more than [MaxSkip] messages. It
	// may open after some of them came.
	ErrTooFar = triple.ErrTooFar
	// ErrNotReady means that a responder cannot seal before it opened a message.
	ErrNotReady = triple.ErrNotReady
	// ErrExhausted means that a chain has reached [MaxMessages]. It goes on after
	// a message of the peer, that of the post-quantum ratchet after its next epoch.
	ErrExhausted = triple.ErrExhausted
	// ErrTooLong means a plaintext beyond [MaxPlaintext] or associated data beyond
	// [MaxAD]. The caller's fault.
	ErrTooLong = triple.ErrTooLong
	// ErrState means bytes that are not a session's encoding, or a session that was
	// wiped. A local fault: a damaged store or a bug.
	ErrState = triple.ErrState
	// ErrKey means a peer's ratchet key that is not a proper X25519 key.
	ErrKey = triple.ErrKey
)
