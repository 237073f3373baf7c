package box

import "errors"

var (
	// ErrOpen reports a cell that does not open: another box, another expiry, or
	// changed bytes. It says no more on purpose, and nothing was changed.
	ErrOpen = errors.New("box: does not open")
	// ErrMalformed reports bytes that break the format: whoever wrote them is at
	// fault.
	ErrMalformed = errors.New("box: malformed")
	// ErrLimit reports an argument beyond a limit of this package: the caller's fault.
	ErrLimit = errors.New("box: beyond a limit")
)
