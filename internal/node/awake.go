package node

import (
	"context"
	"time"

	"kith/internal/wire"
)

// A machine that sleeps keeps its links, and the other ends let go of them: when it
// wakes they look as if they were up, and what waits on them waits until the kernel has
// asked in vain for minutes. So it is noticed that it slept, and links are made anew.

const (
	// lookEvery is how often the loop looks whether the machine slept.
	lookEvery = 20 * time.Second
	// sleptLeast is how long a sleep has to be; other ends bear with a shorter one.
	sleptLeast = 30 * time.Second
)

// slept reports whether the machine slept meanwhile: by the clock on the wall more time
// passed than it was running. A wall clock that was set far ahead looks the same, and
// making links anew does no harm.
func slept(byTheWall, running time.Duration) bool { return byTheWall-running >= sleptLeast }

// woken says to the loop that the machine slept.
type woken struct{}

// lookAwake tells the loop when the machine slept.
func (n *Node) lookAwake(ctx context.Context) {
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	last := time.Now()
	for {
		select {
		case <-every.C:
			now := time.Now()
			// Without its monotonic reading a time is what the wall says.
			if slept(now.Round(0).Sub(last.Round(0)), now.Sub(last)) {
				n.post(ctx, woken{})
			}
			last = now
		case <-ctx.Done():
			return
		}
	}
}

// linkAnew has all links made anew.
func (n *Node) linkAnew() {
	if n.boxes.relays != nil {
		n.boxes.relays.Refresh()
	}
	n.up.Range(func(peer, _ any) bool {
		n.work.Go(func() { n.net.Hangup(peer.(wire.PeerID)) })
		return true
	})
}
