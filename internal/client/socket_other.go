//go:build !unix

package client

// trusted does nothing here: a user's directories are closed to others by the
// system's own rules.
func trusted(string) error { return nil }
