package placement

import (
	"kith/box"
)

// Box is the address of a box.
type Box = [32]byte

// Group names the boxes of one stream or of one peer, which lie on the same
// relays. It is the caller's word and never leaves the device.
type Group string

// Input is something the machine reacts to.
type Input interface{ input() }

// Relays says on which relays the boxes of a group lie: those that both sides
// know. None is possible: then nothing is asked.
type Relays struct {
	Of   Group
	List []box.RelayID
}

// Write adds cells to be held by relays until they are forgotten.
type Write struct {
	Of    Group
	Cells []Cell
}

// Cell is what a box is to hold: what is asked of a relay, byte for byte the same
// each time.
type Cell struct {
	Box Box
	Put []byte
}

// Again says that the other side does not find these boxes: relays are asked at
// once whether they hold them.
type Again struct{ Boxes []Box }

// Forget ends the writing of cells.
type Forget struct{ Boxes []Box }

// Watch says which boxes of a group are looked for from now on: the next one
// first. It replaces what was said before.
type Watch struct {
	Of    Group
	Boxes []Box
	// Rarely says that nothing more is expected there: relays are not asked to wait,
	// but asked now and then.
	Rarely bool
}

// Delete asks for a box that was read to be deleted, later and bit by bit.
type Delete struct {
	Of  Group
	Box Box
	Del []byte // what is asked of a relay
}

// Answered is what a relay said to an [Ask].
type Answered struct {
	Tag    uint64
	Status box.Status
	Effort uint32 // wanted, with box.Full
	// With box.Found: what the relay holds. That whoever holds the box's keys put it
	// there, or deleted it with box.Gone, was checked.
	Expiry uint32
	Cell   []byte
}

// Wrong says that what was found in a box does not open: it is of no use, whether the
// relay or the writer is at fault. The box is looked for elsewhere, and there again
// later.
type Wrong struct {
	Of  Group
	Box Box
}

// Failed says that an [Ask] has no answer: the relay could not be reached, or
// broke off.
type Failed struct{ Tag uint64 }

// Tick says that the time of [Machine.Wake] has come.
type Tick struct{}

func (Relays) input()   {}
func (Write) input()    {}
func (Again) input()    {}
func (Forget) input()   {}
func (Watch) input()    {}
func (Delete) input()   {}
func (Answered) input() {}
func (Failed) input()   {}
func (Wrong) input()    {}
func (Tick) input()     {}
