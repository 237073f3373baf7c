package pqxdh

import "errors"

var (
	// ErrMalformed means bytes that are not a valid encoding. The sender's fault.
	ErrMalformed = errors.New("pqxdh: malformed")
	// ErrRefused means a bundle or initial whose cryptography does not hold: a
	// signature, a key, a role, a missing or surplus invite secret. It tells no
	// more, on purpose. The sender's fault.
	ErrRefused = errors.New("pqxdh: refused")
	// ErrExpired means a prekey beyond its time, in something otherwise authentic.
	// Nobody's fault: ask for a newer bundle.
	ErrExpired = errors.New("pqxdh: prekey expired")
	// ErrWrongPrekey means that the private prekeys given to [Accept] are not
	// those the initial names. The caller's fault.
	ErrWrongPrekey = errors.New("pqxdh: not the prekeys the initial names")
)
