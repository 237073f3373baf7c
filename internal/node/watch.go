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
		_, typed := n.writing.since(math.MaxUint64)
		_, moved := n.progress.since(math.MaxUint64)
		_, stood := n.standing.since(math.MaxUint64)
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
			var now []chat.Event
			now, typed, moved = n.signalled(typed, moved)
			if changed, count := n.standing.since(stood); len(changed) > 0 {
				now, stood = append(now, chat.StandingChanged{}), count
			}
			for _, e := range now {
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

// signalled returns what was heard since, and how often in all.
func (n *Node) signalled(typed, moved uint64) (events []chat.Event, nowTyped, nowMoved uint64) {
	who, nowTyped := n.writing.since(typed)
	for _, a := range who {
		events = append(events, chat.ContactTyping{Account: a})
	}
	what, nowMoved := n.progress.since(moved)
	for _, root := range what {
		events = append(events, chat.MediaMoving{Root: root})
	}
	return events, nowTyped, nowMoved
}

// count publishes what waits.
func (n *Node) count() {
	n.counts.Store(&Counts{Queued: n.delivery.Len(), MediaWaiting: n.transfer.Len(),
		Leaving: len(n.deposits.going) + n.boxes.placement.Unheld()})
}
