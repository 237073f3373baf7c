package node

import (
	"context"
	"slices"
	"sync"
	"time"

	"kith/box"
	"kith/internal/engine"
	"kith/internal/placement"
	"kith/internal/store"
	"kith/internal/wire"
)

// Relays is what the loop needs of relays: *relaynet.Client, or simulated ones. It
// is safe for concurrent use.
type Relays interface {
	// Do asks a relay one thing and returns its answer, checked as far as it can be
	// without keys: it is about the box that was asked for, and its signature holds.
	// An error is the network's or the relay's; the loop tries again later.
	Do(ctx context.Context, r box.Relay, q *box.Request) (*box.Reply, error)
	// Refresh makes every link anew; what waits for an answer ends with an error.
	Refresh()
}

// relayTimeout bounds one request, beyond the time the relay is asked to wait.
const relayTimeout = 30 * time.Second

// boxes is what the loop knows of boxes on relays.
type boxes struct {
	placement *placement.Machine
	relays    Relays // nil: boxes are not used
	book      book
	of        map[wire.EnvelopeID][][32]byte
	working   chan struct{} // held by who solves a puzzle
	answers   sync.Map      // box.RelayID -> bool, whether it answered when last asked
}

// beginBoxes tells the placement machine what the store holds.
func (n *Node) beginBoxes(ctx context.Context, now time.Time) error {
	var changes []engine.BoxChange
	var cells []engine.Cell
	err := n.db.View(func(tx *store.Tx) (err error) {
		if changes, err = engine.BoxesNow(tx, now); err != nil {
			return err
		}
		cells, err = tx.Cells()
		return err
	})
	if err != nil {
		return err
	}
	n.changeBoxes(ctx, now, changes)
	n.writeCells(ctx, now, cells)
	return nil
}

// changeBoxes passes on what the engine decided about boxes.
func (n *Node) changeBoxes(ctx context.Context, now time.Time, changes []engine.BoxChange) {
	for _, c := range changes {
		var in placement.Input
		switch c := c.(type) {
		case engine.BoxRelays:
			x := placement.Relays{Of: placement.Group(c.Group)}
			n.boxes.book.put(x.Of, c.Relays)
			for _, r := range c.Relays {
				x.List = append(x.List, r.ID())
			}
			in = x
		case engine.WatchBoxes:
			in = placement.Watch{Of: placement.Group(c.Group), Boxes: c.Boxes, Rarely: c.Rarely}
		case engine.DeleteBox:
			in = placement.Delete{Of: placement.Group(c.Group), Box: c.Box, Del: c.Del}
		case engine.WrongBox:
			in = placement.Wrong{Of: placement.Group(c.Group), Box: c.Box}
		case engine.AskAgain:
			in = placement.Again{Boxes: c.Boxes}
		}
		n.doPlacement(ctx, n.boxes.placement.Step(now, in), nil)
	}
}

// writeCells has relays hold cells.
func (n *Node) writeCells(ctx context.Context, now time.Time, cells []engine.Cell) {
	for _, c := range cells {
		if c.Held == engine.Fetched {
			n.boxes.placement.Step(now, placement.Forget{Boxes: [][32]byte{c.Box}})
			continue
		}
		if !slices.Contains(n.boxes.of[c.Envelope], c.Box) {
			n.boxes.of[c.Envelope] = append(n.boxes.of[c.Envelope], c.Box)
		}
		in := placement.Write{Of: placement.Group(c.Group), Cells: []placement.Cell{{Box: c.Box, Put: c.Put}}}
		n.doPlacement(ctx, n.boxes.placement.Step(now, in), nil)
	}
}

// forgetCells lets go of the boxes of envelopes.
func (n *Node) forgetCells(now time.Time, ids []wire.EnvelopeID) {
	for _, id := range ids {
		if all := n.boxes.of[id]; len(all) > 0 {
			n.boxes.placement.Step(now, placement.Forget{Boxes: all})
			delete(n.boxes.of, id)
		}
	}
}

// releaseBoxes lets out what one step decided about boxes, now that it is durable.
func (n *Node) releaseBoxes(ctx context.Context, now time.Time, up *engine.Update) {
	n.forgetCells(now, up.DropCells)
	n.changeBoxes(ctx, now, up.Boxes)
	n.writeCells(ctx, now, up.Cells)
	if !up.Wake.IsZero() && (n.wake.IsZero() || up.Wake.Before(n.wake)) {
		n.wake = up.Wake
	}
}

// doPlacement carries out effects of the placement machine. What the engine is to
// hear goes into steps, or to the next turn if there are none.
func (n *Node) doPlacement(ctx context.Context, effects []placement.Effect, steps *[]*decided) {
	tell := func(in engine.Input) {
		if steps != nil {
			*steps = append(*steps, &decided{in: in})
			return
		}
		n.later = append(n.later, in)
	}
	for _, e := range effects {
		switch e := e.(type) {
		case placement.Ask:
			r := n.boxes.book.find(e.Of, e.Relay)
			n.work.Go(func() { n.askRelay(ctx, r, e) })
		case placement.Stored:
			tell(engine.BoxStored{Box: e.Box, On: e.On, Wanted: e.Wanted})
		case placement.Gone:
			tell(engine.BoxGone{Box: e.Box})
		case placement.Taken:
			tell(engine.BoxTaken{Box: e.Box, Expiry: e.Expiry, Cell: e.Cell})
		case placement.Found:
			tell(engine.BoxFound{Group: engine.BoxGroup(e.Of), Box: e.Box, Expiry: e.Expiry, Cell: e.Cell})
		case placement.Skip:
			tell(engine.BoxSkipped{Group: engine.BoxGroup(e.Of), Box: e.Box})
		}
	}
}

// askRelay makes one request and posts what came of it.
func (n *Node) askRelay(ctx context.Context, r box.Relay, a placement.Ask) {
	in := placement.Input(placement.Failed{Tag: a.Tag})
	defer func() { n.post(ctx, in) }()
	q, err := request(a)
	if err != nil || n.boxes.relays == nil {
		return
	}
	// Others may be waiting for work to be done, too: that is not the relay's fault.
	if a.Effort > 0 && !n.boxes.work(ctx, r.ID(), q, a.Effort) {
		return
	}
	within, cancel := context.WithTimeout(ctx, a.Wait+relayTimeout)
	defer cancel()
	reply, err := n.boxes.relays.Do(within, r, q)
	if before, asked := n.boxes.answers.Swap(r.ID(), err == nil); !asked || before != (err == nil) {
		n.tellStanding()
	}
	if err == nil {
		in = placement.Answered{Tag: a.Tag, Status: reply.Status, Effort: reply.Effort, Expiry: reply.Expiry, Cell: reply.Cell}
	}
}

// work does the work a relay wants for a request, one at a time: it keeps a core
// busy.
func (b *boxes) work(ctx context.Context, id box.RelayID, q *box.Request, effort uint32) (ok bool) {
	select {
	case b.working <- struct{}{}:
		defer func() { <-b.working }()
	case <-ctx.Done():
		return false
	}
	q.Work, ok = box.Solve(id, box.Day(time.Now()), q.Box, effort, func() bool { return ctx.Err() != nil })
	return ok
}

// request is what a relay is asked.
func request(a placement.Ask) (*box.Request, error) {
	r := &box.Request{Box: a.Box}
	var err error
	switch a.Op {
	case placement.Put:
		r.Op = box.OpPut
		r.Put, err = box.ParsePut(a.Body)
	case placement.Get:
		r.Op, r.Wait = box.OpGet, uint16(a.Wait/time.Second)
	case placement.Del:
		r.Op = box.OpDelete
		r.Delete, err = box.ParseDelete(a.Body)
	}
	return r, err
}

// Relays returns the relays of this device. The error is local.
func (n *Node) Relays() (relays []box.Relay, err error) {
	err = n.db.View(func(tx *store.Tx) error {
		relays, err = engine.RelaysOf(tx)
		return err
	})
	return relays, err
}

// RelayAnswers reports whether a relay was asked since the node started, and
// whether it answered the last time.
func (n *Node) RelayAnswers(id box.RelayID) (answered, asked bool) {
	v, asked := n.boxes.answers.Load(id)
	answered, _ = v.(bool)
	return answered, asked
}
