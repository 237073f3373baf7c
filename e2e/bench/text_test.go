package bench

import (
	"fmt"
	"path/filepath"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/store"
	"kith/internal/wire"
)

// Targets for text.
const (
	textRounds = 10  // pings, commits and messages take turns
	textFactor = 3.0 // of a ping and two commits
)

// text measures how long a message takes from the command to being durable at
// the other side and acknowledged, beside what no messenger of this kind can
// do without: one round trip and a commit on either disk.
func (b *bed) text() {
	link := b.bareLink()
	defer link.close()
	line, err := link.echo(b.ctx)
	b.must(err, "opening an echo")
	ledger := b.newLedger()
	defer ledger.db.Close()
	p := b.pair(false)
	defer p.end()
	sender, receiver := p.alice.watchNews(), p.bob.watchNews()
	defer sender.close()
	defer receiver.close()

	var pings, commits, there, acked figures[time.Duration]
	p.say(0, sender, receiver) // warms up
	for i := range *messages {
		if i%(max(*messages/textRounds, 1)) == 0 {
			for range max(*messages/textRounds, 1) {
				d, err := line.ping()
				b.must(err, "pinging")
				pings = append(pings, d)
				commits = append(commits, ledger.commit())
			}
		}
		t, a := p.say(i+1, sender, receiver)
		there, acked = append(there, t), append(acked, a)
	}
	floor := pings.median() + 2*commits.median()
	ratio := float64(acked.median()) / float64(floor)
	b.rows = append(b.rows,
		row{"text, command to delivered event, p50", ms(acked.median()),
			fmt.Sprintf("ping %s + 2 commits of %s", ms(pings.median()), ms(commits.median())), times(ratio),
			fmt.Sprintf("<= %.0f x", textFactor), judge(ratio <= textFactor)},
		row{"text, command to delivered event, p99", ms(acked.quantile(0.99)), "", times(float64(acked.quantile(0.99)) / float64(floor)), "", none},
		row{"text, command to event at the receiver, p50", ms(there.median()), "", times(float64(there.median()) / float64(floor)), "", none},
		row{"text, command to event at the receiver, p99", ms(there.quantile(0.99)), "", times(float64(there.quantile(0.99)) / float64(floor)), "", none},
	)
}

// say sends a text and returns when the receiver's log had it and when the
// sender's log had it delivered, from before the API was called.
func (p *pair) say(i int, sender, receiver *watcher) (there, acked time.Duration) {
	b := p.alice.b
	began := time.Now()
	r, err := p.alice.Send(b.ctx, connect.NewRequest(&apiv1.SendRequest{Contact: "Bob", Text: textOf(i)}))
	b.must(err, "sending a text")
	id := r.Msg.GetId()
	at := sender.await(func(e *apiv1.WatchResponse) bool {
		return message(e).GetId() == id && message(e).GetState() == "delivered"
	})
	seen := receiver.await(func(e *apiv1.WatchResponse) bool { return message(e).GetId() == id })
	return seen.Sub(began), at.Sub(began)
}

func textOf(i int) string {
	return fmt.Sprintf("Message %d, about as long as what people write to one another.", i)
}

// ledger is a store of its own for measuring what a commit takes.
type ledger struct {
	b  *bed
	db *store.DB
	n  uint64
}

func (b *bed) newLedger() *ledger {
	dir := filepath.Join(b.dir, "ledger")
	var master [32]byte
	first, err := engine.Create(identity.NewAccount(), "Floor", time.Now())
	b.must(err, "founding a store")
	b.must(store.Create(dir, master, first, time.Now()), "founding a store")
	db, err := store.Open(dir, master)
	b.must(err, "opening a store")
	return &ledger{b: b, db: db}
}

// commit writes one message event durably.
func (l *ledger) commit() time.Duration {
	l.n++
	other := identity.AccountID{7}
	m := chat.Message{ID: wire.MessageID{byte(l.n >> 8), byte(l.n)}, Conversation: chat.With(other), From: other,
		Lamport: l.n, SentAt: time.Now(), Text: textOf(int(l.n)), State: chat.Delivered}
	began := time.Now()
	err := l.db.Update(l.b.ctx, func(tx *store.Tx) error {
		_, err := tx.Apply(&engine.Update{Events: []chat.Event{chat.MessageAdded{Message: m}}}, began)
		return err
	})
	took := time.Since(began)
	l.b.must(err, "committing")
	return took
}
