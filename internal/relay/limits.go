package relay

import "time"

// Bounds of this package, each with a test at its edge.
const (
	// MaxWaits is how many requests may wait for boxes to be written, MaxLinkWaits
	// how many of one link.
	MaxWaits     = 1 << 16
	MaxLinkWaits = 512
	// CellCost and TombCost are what a record counts against the cap, in bytes: what
	// it takes on the disk, about.
	CellCost = 4608
	TombCost = 256
	// FreeTenths is how many tenths of the cap may be used before work is wanted;
	// each tenth beyond doubles it, from FirstEffort.
	FreeTenths  = 5
	FirstEffort = 1
	// MaxEvicted is how many cells one request may push out.
	MaxEvicted = 4
	// EvictStep is how much more effort than a cell a request must bring to push it
	// out: twice as much.
	EvictStep = 2
	// TickLeast is the least time between two wakings for those who wait.
	TickLeast = time.Second
)
