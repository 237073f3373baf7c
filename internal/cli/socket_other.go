//go:build !unix

package cli

// trusted does nothing here: a user's directories are closed to others by the
// system's own rules.
func trusted(string) error { return nil }
