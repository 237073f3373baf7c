package placement

import "time"

// Bounds of this package, each with a test at its edge.
const (
	// Replicas is how many relays hold each box, if there are so many.
	Replicas = 4
	// Enough is how many of them will do for now; below it relays further down the
	// ranking are asked, too.
	Enough = 3
	// MaxRank is how far down the ranking a box may lie.
	MaxRank = 2 * Replicas
	// RepairEvery is how often relays are asked again whether they still hold what
	// is not acknowledged, spread by a fifth either way. While [Enough] hold it each
	// time, and none had lost it, the time doubles up to RepairRarely.
	RepairEvery  = 2 * time.Hour
	RepairRarely = 12 * time.Hour
	// WaitLeast and WaitMost bound how long a relay is asked to wait for a box to
	// be written; the time is drawn anew for each request.
	WaitLeast = 50 * time.Minute
	WaitMost  = 60 * time.Minute
	// FurtherLeast and FurtherMost bound it for a relay further down, which is asked
	// while none of the nearest answers.
	FurtherLeast = 4 * time.Minute
	FurtherMost  = 6 * time.Minute
	// LookEvery is how often the box after the next is looked at, in case the next
	// was lost with its relays, and the next of a stream in which nothing more is
	// expected.
	LookEvery = 6 * time.Hour
	// LookRarely is how often a stream is looked at in which nothing more is expected,
	// after it was LooksOften times in vain.
	LookRarely = 18 * time.Hour
	LooksOften = 4
	// DeleteLeast and DeleteMost bound how long after it was read a box is deleted.
	DeleteLeast = 5 * time.Minute
	DeleteMost  = 60 * time.Minute
	// DeleteTries is how often a relay is asked to delete a box, until it answers.
	DeleteTries = 3
	// BackoffFirst and BackoffMost bound the wait before a relay that did not
	// answer is asked again; the wait doubles and is spread by a fifth either way.
	BackoffFirst = time.Second
	BackoffMost  = 5 * time.Minute
	// MaxEffort is the most work that is done for one request, in units of
	// docs/spec/box.md; a relay that wants more counts as one that does not answer.
	MaxEffort = 1 << 12
	// MaxAsked is how many requests may be open at one relay; those that wait for a
	// box to be written do not count.
	MaxAsked = 32
)
