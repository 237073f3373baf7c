package relay

// Record is what a relay keeps of a box, and all it keeps.
type Record struct {
	Box    [32]byte
	Expiry uint32   // days since 1970; gone when that day is over
	Effort uint32   // that was done for it
	Sig    [64]byte // of the cell; of the deletion for a tombstone
	Cell   []byte   // box.CellSize bytes; nil for a tombstone
}

// Ref names a record.
type Ref struct {
	Box    [32]byte
	Expiry uint32
	Effort uint32
}

// Change is a record to be kept, in place of one of the same box and expiry, or one to
// be forgotten.
type Change struct {
	Put    *Record
	Remove *Ref
}

// Usage is how much is kept.
type Usage struct {
	Records, Tombs int
	Bytes, Cap     int64
}

// Store keeps records. The machine alone changes it, and whoever opened it closes it;
// errors are the disk's.
type Store interface {
	// Get returns what is kept of a box, a tombstone too.
	Get(box [32]byte) (r Record, ok bool, err error)
	// Find is Get for who does not need the cell, but whether there is one.
	Find(box [32]byte) (r Ref, cell, ok bool, err error)
	// Lowest visits cells in the order in which they are let go when there is no
	// room: of the day that ends next those of the least effort first. It ends when
	// visit says so.
	Lowest(visit func(Ref) bool) error
	// Apply makes changes durable, all or none. It keeps nothing of what it was given.
	Apply(changes []Change) error
	// Expire lets go of everything that expired before a day, for good.
	Expire(today uint32) error
	Usage() Usage
}
