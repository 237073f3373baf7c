package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/delivery"
	"kith/internal/engine"
	"kith/internal/placement"
	"kith/internal/store"
	"kith/internal/transfer"
	"kith/internal/wire"
)

// Run starts everything, works until ctx ends, and returns when every
// goroutine has ended and everything in hand is durable. A second call is not
// allowed. The error is nil after ctx ended, else what made work impossible.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		close(n.stopped)
		n.work.Wait()
		n.blobs.closeAll()
	}()
	if err := n.begin(ctx); err != nil {
		return err
	}
	close(n.begun)
	n.work.Go(func() { n.receive(ctx) })
	n.work.Go(func() { n.lookAwake(ctx) })
	if n.meetings.far != nil {
		n.work.Go(func() { n.meet(ctx) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var batch []any
		select {
		case <-ctx.Done():
			return nil
		case in := <-n.inputs:
			batch = n.fill(append(batch, in))
		case <-timer.C:
			batch = append(batch, tick{})
		}
		if err := n.turn(ctx, batch); err != nil {
			return err
		}
		timer.Reset(n.untilWake())
	}
}

// tick stands for the passing of time.
type tick struct{}

// fill takes what else waits, up to [MaxBatch].
func (n *Node) fill(batch []any) []any {
	for len(batch) < MaxBatch {
		select {
		case in := <-n.inputs:
			batch = append(batch, in)
		default:
			return batch
		}
	}
	return batch
}

// begin does what a start needs: blobs nobody refers to go, links to every
// contact are wanted, and what is missing is fetched again.
func (n *Node) begin(ctx context.Context) error {
	var contacts []chat.Contact
	var wants []engine.Want
	err := n.db.View(func(tx *store.Tx) (err error) {
		if contacts, err = tx.Contacts(); err != nil {
			return err
		}
		wants, err = tx.Wants()
		return err
	})
	if err != nil {
		return err
	}
	now := time.Now()
	for _, c := range contacts {
		switch {
		case c.Blocked:
			n.shun(ctx, now, c.Device)
		case c.State != chat.ContactRefused:
			n.keep(ctx, now, c.Device)
		}
	}
	if err := n.beginBoxes(ctx, now); err != nil {
		return err
	}
	n.want(ctx, now, wants)
	return n.beginDeposits(ctx, now)
}

// want has files fetched, from whoever sent them or what they left with relays.
func (n *Node) want(ctx context.Context, now time.Time, wants []engine.Want) {
	for _, w := range wants {
		from := wire.PeerOf(w.From)
		if n.isBlocked(from) {
			continue
		}
		n.doTransfer(ctx, n.transfer.Step(now, transfer.Want{Ref: w.Ref, From: transfer.Source{Peer: from}, Paused: w.Paused}))
		n.wantDeposit(ctx, now, depositOf{from, w.Ref.Root})
	}
}

// keep wants a link to a contact's device from now on.
func (n *Node) keep(ctx context.Context, now time.Time, d identity.DeviceID) {
	peer := wire.PeerOf(d)
	n.known.Store(peer, struct{}{})
	n.doDelivery(ctx, now, n.delivery.Step(now, delivery.Keep{Peer: peer}), nil)
}

// decided is one engine input of a turn: what it decided and what may happen
// once that is durable.
type decided struct {
	in   engine.Input
	then []delivery.Effect // an acknowledgement
	from *command
	up   *engine.Update
	seq  chat.Seq
	err  error
}

// turn handles a batch: machines without state on disk react at once, the
// engine decides inside one transaction, and effects follow the commit.
func (n *Node) turn(ctx context.Context, batch []any) error {
	now := time.Now()
	var steps []*decided
	for _, in := range batch {
		switch in := in.(type) {
		case command:
			steps = append(steps, &decided{in: in.in, from: &in})
		case wire.LinkEvent:
			n.link(ctx, now, in, &steps)
		case delivery.Input:
			n.doDelivery(ctx, now, n.delivery.Step(now, in), &steps)
		case placement.Input:
			n.doPlacement(ctx, n.boxes.placement.Step(now, in), &steps)
		case transfer.Input:
			n.step(ctx, now, in)
		case engine.Input:
			steps = append(steps, &decided{in: in})
		case woken:
			n.linkAnew()
		case tick:
			n.time(ctx, now, &steps)
		}
	}
	// Fetches that ended may have ended blobs, which the engine hears of.
	for _, in := range n.done {
		steps = append(steps, &decided{in: in})
	}
	for _, in := range n.later {
		steps = append(steps, &decided{in: in})
	}
	if len(steps) == 0 {
		return nil
	}
	if err := n.commit(ctx, now, steps); err != nil {
		return n.failed(err, steps)
	}
	n.done, n.later = n.done[:0], n.later[:0]
	n.setTrouble("")
	n.afterCommit(ctx, now, steps)
	return nil
}

// commit runs the engine over steps in one transaction. A step the engine
// refuses changes nothing and does not disturb the others.
func (n *Node) commit(ctx context.Context, now time.Time, steps []*decided) error {
	// The commit is not given up half way when the node is told to stop.
	ctx = context.WithoutCancel(ctx)
	return n.db.Update(ctx, func(tx *store.Tx) error {
		for _, d := range steps {
			d.up, d.err = n.engine.Step(tx, now, d.in)
			if d.err != nil {
				if refused(d.err) {
					continue
				}
				return d.err
			}
			var err error
			if d.seq, err = tx.Apply(d.up, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// refused reports an error of the input, not of this device.
func refused(err error) bool {
	var e *engine.Error
	return errors.Is(err, engine.ErrRefused) || errors.As(err, &e)
}

// failed answers a turn whose transaction failed: nothing happened, nothing
// is acknowledged, peers repeat. A full disk passes; anything else ends the
// node, since a store that cannot be trusted must not be worked on.
func (n *Node) failed(err error, steps []*decided) error {
	for _, d := range steps {
		if d.from != nil {
			d.from.result <- result{err: err}
		}
	}
	if errors.Is(err, store.ErrFull) {
		n.setTrouble(troubleFull)
		n.log.Warn("the disk is full")
		return nil
	}
	return fmt.Errorf("node: %w", err)
}

// troubleFull is what status says while the disk is full.
const troubleFull = "the disk is full: nothing can be received or sent until there is space"

func (n *Node) setTrouble(text string) {
	if n.Trouble() != text {
		n.trouble.Store(&text)
		n.tellStanding()
	}
}

// tellStanding tells watchers that something stands otherwise now.
func (n *Node) tellStanding() {
	if n.standing.hear(struct{}{}, time.Now(), true) {
		n.news.tell()
	}
}

// afterCommit lets out what the turn decided.
func (n *Node) afterCommit(ctx context.Context, now time.Time, steps []*decided) {
	var last chat.Seq
	for _, d := range steps {
		if d.from != nil {
			r := result{seq: d.seq, err: d.err}
			if d.up != nil && d.err == nil {
				r.reply = d.up.Reply
			}
			d.from.result <- r
		}
		if d.err != nil {
			if d.from == nil {
				n.log.Debug("an envelope was refused")
			}
			continue
		}
		last = max(last, d.seq)
		n.release(ctx, now, d)
	}
	if last > 0 {
		n.news.tell()
	}
	n.count()
}

// release lets out what one step decided, now that it is durable.
func (n *Node) release(ctx context.Context, now time.Time, d *decided) {
	if d.up.Ack {
		n.doDelivery(ctx, now, d.then, nil)
	}
	for _, e := range d.up.Events {
		switch e := e.(type) {
		case chat.ContactAdded:
			n.keep(ctx, now, e.Contact.Device)
		case chat.ContactMoved:
			n.keep(ctx, now, e.Device)
		case chat.ContactConfigured:
			n.configured(ctx, now, e)
		}
	}
	n.erase(ctx, now, d.up.Erase)
	for _, a := range d.up.Typing {
		n.hearTyping(a, now)
	}
	if len(d.up.Drop) > 0 {
		n.doDelivery(ctx, now, n.delivery.Step(now, delivery.Drop{IDs: d.up.Drop}), nil)
	}
	// What is for somebody who is blocked waits in the store.
	out := slices.DeleteFunc(slices.Clone(d.up.Outgoing), func(o wire.Outgoing) bool { return n.isBlocked(wire.PeerOf(o.To)) })
	if len(out) > 0 {
		n.doDelivery(ctx, now, n.delivery.Step(now, delivery.Queue{Envelopes: out}), nil)
	}
	n.releaseBoxes(ctx, now, d.up)
	if changesReach(d) {
		select {
		case n.meetings.kick <- struct{}{}:
		default:
		}
	}
	n.want(ctx, now, d.up.Wants)
	n.hold(ctx, now, d.up.Holds)
	n.changeDeposits(ctx, now, d.up.Deposits, false)
}

// link handles what happened on the network.
func (n *Node) link(ctx context.Context, now time.Time, e wire.LinkEvent, steps *[]*decided) {
	switch e.Kind {
	case wire.LinkFrame:
		n.doDelivery(ctx, now, n.delivery.Step(now, delivery.Frame{Peer: e.Peer, Bytes: e.Frame}), steps)
	case wire.LinkUp:
		if n.isBlocked(e.Peer) {
			n.work.Go(func() { n.net.Hangup(e.Peer) })
			return
		}
		n.up.Store(e.Peer, struct{}{})
		n.tellStanding()
		n.doDelivery(ctx, now, n.delivery.Step(now, delivery.Up{Peer: e.Peer}), steps)
		if !e.Relayed {
			n.doTransfer(ctx, n.transfer.Step(now, transfer.Up{Peer: e.Peer}))
		}
	case wire.LinkDirect:
		n.doTransfer(ctx, n.transfer.Step(now, transfer.Up{Peer: e.Peer}))
	case wire.LinkDown:
		n.up.Delete(e.Peer)
		n.tellStanding()
		n.dropSender(e.Peer)
		n.doDelivery(ctx, now, n.delivery.Step(now, delivery.Down{Peer: e.Peer}), steps)
		n.doTransfer(ctx, n.transfer.Step(now, transfer.Down{Peer: e.Peer}))
	case wire.LinkAddrs:
		n.learn(e)
	case wire.LinkFound:
		// Anybody nearby can claim this: good for an attempt, not for keeping.
		if n.isContact(e.Peer) {
			n.nearby.Store(e.Peer, e.Addrs)
			n.doDelivery(ctx, now, n.delivery.Step(now, delivery.Found{Peer: e.Peer}), steps)
		}
	}
}

// time lets the machines react to the passing of time.
func (n *Node) time(ctx context.Context, now time.Time, steps *[]*decided) {
	n.doDelivery(ctx, now, n.delivery.Step(now, delivery.Tick{}), steps)
	n.doTransfer(ctx, n.transfer.Step(now, transfer.Tick{}))
	n.doPlacement(ctx, n.boxes.placement.Step(now, placement.Tick{}), steps)
	if now.Sub(n.ticked) >= engine.TickEvery || !n.wake.IsZero() && !n.wake.After(now) {
		n.ticked, n.wake = now, time.Time{}
		*steps = append(*steps, &decided{in: engine.Tick{}})
	}
}

// untilWake is how long the loop may sleep.
func (n *Node) untilWake() time.Duration {
	now := time.Now()
	wake := n.ticked.Add(engine.TickEvery)
	for _, t := range []time.Time{n.delivery.Wake(), n.transfer.Wake(), n.boxes.placement.Wake(), n.wake} {
		if !t.IsZero() && t.Before(wake) {
			wake = t
		}
	}
	if len(n.later) > 0 {
		wake = now
	}
	if len(n.done) > 0 { // the disk was full: try again soon
		wake = now.Add(retryDisk)
	}
	return max(wake.Sub(now), time.Millisecond)
}
