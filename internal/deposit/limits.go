package deposit

import "kith/media"

// Bounds of this package, each with a test at its edge.
const (
	// MaxDirect is how many ids a deposit names itself; with more chunks it names
	// indexes, which list them.
	MaxDirect = 16
	// IndexIDs is how many ids an index lists, the last one of a deposit fewer.
	IndexIDs = 32000
	// MaxChunks is how many chunks a deposit may have.
	MaxChunks = MaxDirect * IndexIDs
	// MaxHours is how long relays are asked to keep a deposit.
	MaxHours = 7 * 24
	// Replicas is how many relays hold each part.
	Replicas = 2

	// unit and frame make the sizes of parts: a number of units and one frame.
	unit  = 64 << 10
	frame = 2 << 10
	// MaxPart is the size of the largest part.
	MaxPart = media.ChunkSegments*unit + frame
)
