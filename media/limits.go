package media

// Sizes and bounds of this package; each bound has a test at its edge.
const (
	// SegmentSize is how many bytes of plaintext one segment seals; the last
	// may be shorter.
	SegmentSize = 64 << 10
	// Overhead is how many bytes a sealed segment is longer than its plaintext.
	Overhead = 16
	// ChunkSegments is how many segments make a chunk, the unit of transfer.
	ChunkSegments = 16
	// ChunkSize is the size of every chunk but the last, in bytes.
	ChunkSize = ChunkSegments * (SegmentSize + Overhead)
	// MaxSize is the largest file in bytes: 64 TiB.
	MaxSize = 1 << 46
	// MaxProof is the longest inclusion proof, in hashes: that of a chunk of
	// the largest file.
	MaxProof = 26
	// MinPadded is the smallest padded length of a file in bytes.
	MinPadded = 1 << 10
	// maxEmptyReads is how often in a row a source may give nothing.
	maxEmptyReads = 100
	// PointerSize is the size of an encoded pointer in bytes.
	PointerSize = 1 + 32 + 32 + 32 + 8
)
