package node

import (
	"context"
	"iter"
	"math"
	"sync"
	"time"

	"kith/internal/chat"
	"kith/internal/store"
)

// watchPage is how many events a watcher reads at a time.
const watchPage = 256

// news wakes watchers when the log has grown.
type news struct {
	mu   sync.Mutex // guards next
	next chan struct{}
}

func newNews() *news { return &news{next: make(chan struct{})} }

// tell wakes every watcher.
func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.next)
	n.next = make(chan struct{})
}

// wait returns a channel that closes at the next news.
func (n *news) wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.next
}

// Watch gives every event after the given sequence, in order, as it is
// committed, until ctx ends, the node ends or the store fails. A watcher that
// lost its connection goes on with the last sequence it has seen; nothing is
// missed or repeated. A slow watcher delays nobody. Between them it gives
// [chat.ContactTyping], [chat.MediaMoving] and [chat.StandingChanged], with the sequence of the event
// before, for what is not in the log; of these some may be missed.
func (n *Node) Watch(ctx context.Context, after chat.Seq) iter.Seq2[chat.Logged, error] {
	return func(yield func(chat.Logged, error) bool) {
		heard := told{math.MaxUint64, math.MaxUint64, math.MaxUint64}
		n.signalled(&heard) // what was before does not count
		for {
			next := n.news.wait() // before reading, so that nothing falls between
			var page []chat.Logged
			err := n.db.View(func(tx *store.Tx) (err error) {
				page, err = tx.Log(after, watchPage)
				return err
			})
			if err != nil {
				yield(chat.Logged{}, err)
				return
			}
			for _, l := range page {
				if !yield(l, nil) {
					return
				}
				after = l.Seq
			}
			if len(page) == watchPage {
				continue
			}
			for _, e := range n.signalled(&heard) {
				if !yield(chat.Logged{Seq: after, At: time.Now(), Event: e}, nil) {
					return
				}
			}
			select {
			case <-next:
			case <-n.stopped:
				yield(chat.Logged{}, ErrStopped)
				return
			case <-ctx.Done():
				yield(chat.Logged{}, ctx.Err())
				return
			}
		}
	}
}

// told is how many signals of each kind a watcher was told of.
type told struct{ writing, progress, standing uint64 }

// signalled returns what was heard since, and takes note of it.
func (n *Node) signalled(t *told) (events []chat.Event) {
	who, writing := n.writing.since(t.writing)
	for _, a := range who {
		events = append(events, chat.ContactTyping{Account: a})
	}
	what, progress := n.progress.since(t.progress)
	for _, root := range what {
		events = append(events, chat.MediaMoving{Root: root})
	}
	changed, standing := n.standing.since(t.standing)
	if len(changed) > 0 {
		events = append(events, chat.StandingChanged{})
	}
	*t = told{writing, progress, standing}
	return events
}

// count publishes what waits.
func (n *Node) count() {
	n.counts.Store(&Counts{Queued: n.delivery.Len(), MediaWaiting: n.transfer.Len(),
		Leaving: len(n.deposits.going) + n.boxes.placement.Unheld()})
}
