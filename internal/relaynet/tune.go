package relaynet

import (
	"runtime"
	"runtime/debug"
)

// TuneProcess sets up a process that is a relay and nothing else. What a relay keeps
// on the heap is little, so that collecting at the usual pace would be most of
// the time; and who waits for the disk holds a processor for a while, so that
// there are more of these than cores.
func TuneProcess() {
	const heap, waiting = 400, 2
	debug.SetGCPercent(heap)
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + waiting)
}
