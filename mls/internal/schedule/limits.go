package schedule

const (
	// MaxForward is how many generations ahead of the next one a message may be.
	MaxForward = 1024
	// MaxSkippedSender bounds the message keys kept for one sender and kind of
	// message; beyond it the oldest go.
	MaxSkippedSender = 2000
	// MaxGeneration is where a ratchet ends.
	MaxGeneration = 1<<32 - 1
)
