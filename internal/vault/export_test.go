package vault

import "time"

// CreatePatiently is Create with another bound on the keychain's patience.
func CreatePatiently(dir string, o Options, patience time.Duration) ([KeySize]byte, error) {
	return create(dir, o, keychain{patience})
}
