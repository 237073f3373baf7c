package qr

// Bounds on pictures and codes.
const (
	// MaxFile is the largest picture Decode reads, in bytes.
	MaxFile = 20 << 20
	// MaxPixels is the largest picture Decode decodes, in pixels.
	MaxPixels = 40_000_000

	// maxCandidates bounds the finder patterns considered in one attempt: the search
	// compares every three of them, so a picture tiled with patterns would never end.
	// A photograph of a code shows three and a handful of chance resemblances.
	maxCandidates = 300
)
