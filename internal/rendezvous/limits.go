package rendezvous

import "time"

// Bounds of this package, each with a test at its edge.
const (
	// Size is the bytes of every record.
	Size = 1024
	// MaxAddrs is how many addresses a record may hold.
	MaxAddrs = 16
	// MaxAddr is the bytes an address may have.
	MaxAddr = 255
	// MaxText is the bytes that all addresses of a record may have, with one
	// more for each.
	MaxText = plainSize - 1
	// Drift is how many days a record's may lie from that of whoever keeps it.
	Drift = 1
	// Life is how long a record is kept at most: until the day after the next
	// begins there is somebody who looks for it.
	Life = 48 * time.Hour
)

const (
	headSize  = 1 + 4 + 8
	nonceSize = 12
	tagSize   = 16
	sigSize   = 64
	plainSize = Size - headSize - nonceSize - tagSize - sigSize
)
