package boxstore

import "time"

// Bounds of this package, docs/spec/boxstore.md section 3.
const (
	// CellBytes is what a record with a cell takes of a file, at least, its share
	// of half-full pages and of the indexes included. The machine counts
	// [relay.CellCost] for it, and a tombstone in proportion.
	CellBytes = 6144
	// MaxBlob is the largest blob, in bytes: the largest part of a deposit
	// (docs/spec/deposit.md).
	MaxBlob = 16*64<<10 + 2<<10
	// MinBytes is the smallest cap that a store may be given.
	MinBytes = 1 << 20
)

const (
	markSize    = 16
	nonceSize   = 12
	tagSize     = 16
	keyFileSize = 4096 // a block of its own on every file system in use
	orderSize   = 1 + 4 + markSize
	totalsSize  = 8 + 8 + markSize

	blobSegment = 16 << 10 // bytes of a blob sealed together, and held in memory while it comes
	leastBlob   = 64 << 10 // what a blob counts at least

	openAtOnce = 8 // days

	// compactShare: a day's file is written anew when the files together are
	// above the cap and this part of it, in percent, is free.
	compactShare = 20
	// compactStep is how many bytes a compaction holds in memory.
	compactStep = 4 << 20
	// lockTimeout is how long another process may hold a day's file.
	lockTimeout = time.Second
	// closeTimeout is how long a file that bbolt panicked over may take to close.
	closeTimeout = time.Second
)

// Names inside the store's directory and inside a day's.
const (
	keyName     = "key"
	fileName    = "boxes"
	newFileName = "boxes.new"
	asideName   = "aside"
	prefixNew   = "new-"
)
