package box

// Bounds of this package, each with a test at its edge.
const (
	// CellSize is the size of every cell in bytes, Capacity how much of it a part
	// may use.
	CellSize = 4096
	Capacity = CellSize - nonceSize - tagSize - lengthSize
	// MaxParts is how many boxes one message may take: as many as the largest does that
	// devices exchange.
	MaxParts = 36
	// MaxMessage is the largest message in bytes.
	MaxMessage = MaxParts * (Capacity - partHeader)
	// Window is how far a reader looks beyond the first box it misses.
	Window = 32
	// MaxIndex is the number of boxes of a chain.
	MaxIndex = 1 << 32
	// FrameSize is the size of every request to a relay and of every answer.
	FrameSize = 6144
	// MaxWait is how long a relay may be asked to wait for a box to be written, in
	// seconds.
	MaxWait = 3600
	// MaxAddrs is how many addresses a relay may have, MaxAddr the longest in bytes.
	MaxAddrs = 4
	MaxAddr  = 128
	// ClockSlack is by how many days the clocks of writer and relay may differ.
	ClockSlack = 1
	// MaxEffort is the most work a relay may want, see docs/spec/box.md 6.
	MaxEffort = 1 << 16
)

const (
	nonceSize  = 24
	tagSize    = 16
	lengthSize = 2
	partHeader = 2
)
