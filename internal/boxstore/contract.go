package boxstore

// Record is what a relay keeps of a box.
type Record struct {
	Box    [32]byte
	Expiry uint32
	Effort uint32
	Sig    [64]byte
	Cell   []byte // nil: the box was deleted, and Sig says so
}

// Ref names a record.
type Ref struct {
	Box    [32]byte
	Expiry uint32
	Effort uint32
}

// Change is a record to be kept or one to be forgotten.
type Change struct {
	Put    *Record
	Remove *Ref
}

// Usage is how much is kept.
type Usage struct {
	Records, Tombs int
	Bytes, Cap     int64
}
