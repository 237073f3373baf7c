package relaynet

import (
	"time"

	"kith/internal/relay"
)

// Machine decides what a relay answers; it is a [relay.Machine]. One goroutine
// calls it.
type Machine interface {
	// Step takes requests in the order in which they came and returns answers,
	// to them and to ones that were waiting. What an answer says is durable.
	// An error is the disk's. The frame a request aliases is valid until Step
	// returns.
	Step(now time.Time, asked []relay.Asked) ([]relay.Answer, error)
	// Gone says that nobody waits for a link's answers any more.
	Gone(link uint64)
	// Wake returns when Step wants to be called without a request; zero: not.
	Wake() time.Time
}

var _ Machine = (*relay.Machine)(nil)
