package placement

import (
	"time"

	"kith/box"
)

// Effect is something the caller does for the machine.
type Effect interface{ effect() }

// Op is what is asked of a relay.
type Op uint8

// The operations.
const (
	Put Op = 1
	Get Op = 2
	Del Op = 3
)

// Ask asks one thing of one relay; [Answered] or [Failed] with its tag answers it.
type Ask struct {
	Tag    uint64
	Of     Group
	Relay  box.RelayID
	Op     Op
	Box    Box
	Body   []byte        // Put and Del: as given
	Wait   time.Duration // Get: how long the relay waits for the box to be written
	Effort uint32        // Put: the work to be done for it, 0 for none
}

// Stored says that On of the Wanted relays have said that they hold a box. On
// only grows.
type Stored struct {
	Of         Group
	Box        Box
	On, Wanted int
}

// Gone says that the other side had a box of ours deleted: it was fetched.
type Gone struct {
	Of  Group
	Box Box
}

// Taken says that a box of ours holds something else at a relay. If it is not what was
// in it before it was sealed anew, what was to be in it must go elsewhere, and the
// caller says [Forget].
type Taken struct {
	Of     Group
	Box    Box
	Expiry uint32
	Cell   []byte
}

// Found is what a watched box holds, unopened; the caller watches others when it
// has seen to it.
type Found struct {
	Of     Group
	Box    Box
	Expiry uint32
	Cell   []byte
}

// Skip says that a watched box was read and deleted before.
type Skip struct {
	Of  Group
	Box Box
}

func (Ask) effect()    {}
func (Stored) effect() {}
func (Gone) effect()   {}
func (Taken) effect()  {}
func (Found) effect()  {}
func (Skip) effect()   {}
