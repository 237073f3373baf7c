package erasure

const (
	// ChunkSize is the size of a chunk in bytes: one symbol of each polynomial.
	ChunkSize = 32
	// MaxChunks bounds the length of a message: in the braid the longest is 36
	// chunks, the vector of an ML-KEM-768 key.
	MaxChunks = 40
)

const (
	lanes     = 4                 // symbols in a word
	maxGroups = MaxChunks / lanes // words that hold one symbol for each chunk
)
