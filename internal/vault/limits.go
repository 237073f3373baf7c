package vault

import "time"

// Bounds, docs/spec/vault.md section 3.
const (
	// KeySize is the length of the master key and of a wrapping key, in bytes.
	KeySize = 32
	// MaxPassphrase is the longest passphrase, in bytes.
	MaxPassphrase = 4096

	maxFile = 4096 // bytes of key.json

	// What new files cost: RFC 9106's second recommended option.
	argonPasses = 3
	argonMemory = 64 << 10 // KiB
	argonLanes  = 4

	// What stored files may cost. Less would be a weakened file, more an attempt to
	// exhaust this machine.
	minPasses, maxPasses = 2, 16
	minMemory, maxMemory = 19 << 10, 1 << 20 // KiB
	minLanes, maxLanes   = 1, 16

	// keychainTimeout bounds one operation on the keychain. It includes a person's
	// answer where the system asks for permission, so it is not shorter.
	keychainTimeout = 5 * time.Second
)
