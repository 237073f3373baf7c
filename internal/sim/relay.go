package sim

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"kith/box"
	"kith/internal/delivery"
	"kith/internal/engine"
	"kith/internal/placement"
	"kith/internal/wire"
)

// Relay is a relay of the world.
type Relay struct {
	world *World
	Is    box.Relay
	// Down relays answer nothing; Lying ones say that they hold what they throw away.
	// Keeping ones let nothing go when it has expired.
	Down, Lying, Keeping bool
	// Withheld boxes are held, and shown to nobody.
	Withheld   map[[32]byte]bool
	held       map[[32]byte]*record
	waits      map[[32]byte][]*asking
	alarm      time.Time // when it looks at those who wait
	swept      uint32    // the day of the last sweep
	Puts, Gets int
}

type record struct {
	body []byte // of the request that wrote it
	put  *box.Put
	gone *box.Delete
}

// asking is a request on its way to a relay, or an answer on its way back.
type asking struct {
	device *Device
	life   int
	relay  *Relay
	ask    placement.Ask
	n      int
	until  time.Time // of one that waits
	back   placement.Input
}

// AddRelay makes a relay.
func (w *World) AddRelay() *Relay {
	r := &Relay{world: w, held: map[[32]byte]*record{}, waits: map[[32]byte][]*asking{}}
	r.Is = box.Relay{Addrs: []string{fmt.Sprintf("192.0.2.1:%d", 1000+len(w.relays))}}
	r.Is.Key[0], r.Is.Key[1] = byte(len(w.relays)), byte(len(w.relays)>>8)
	w.relays[r.Is.ID()] = r
	return r
}

// Held returns how many boxes a relay holds, deleted ones not counted.
func (r *Relay) Held() int {
	n := 0
	for _, x := range r.held {
		if x.put != nil {
			n++
		}
	}
	return n
}

// Lose makes a relay forget everything, as a broken disk would.
func (r *Relay) Lose() { clear(r.held) }

// handle answers a request, at once or, for a box that is to be written, later.
func (r *Relay) handle(a *asking) {
	if r.Down {
		a.reply(placement.Failed{Tag: a.ask.Tag})
		return
	}
	day := box.Day(r.world.Now)
	if !r.Keeping && day != r.swept {
		r.Sweep()
		r.swept = day
	}
	x := r.held[a.ask.Box]
	switch a.ask.Op {
	case placement.Put:
		r.Puts++
		if x != nil && x.gone == nil && bytes.Equal(x.body, a.ask.Body) {
			a.answer(box.Exists, nil) // verified when it came first
			return
		}
		put, err := box.ParsePut(a.ask.Body)
		if err != nil || !put.Verify() || !box.AllowedExpiry(day, put.Expiry) {
			a.answer(box.Refused, nil)
			return
		}
		switch {
		case x != nil && x.gone != nil:
			a.answer(box.Gone, nil)
		case x != nil && bytes.Equal(x.put.Cell, put.Cell):
			a.answer(box.Exists, nil)
		case x != nil:
			a.answer(box.Conflict, nil)
		default:
			if !r.Lying {
				r.held[a.ask.Box] = &record{body: a.ask.Body, put: put}
				r.wakeUp(a.ask.Box)
			}
			a.answer(box.OK, nil)
		}
	case placement.Get:
		r.Gets++
		if r.Withheld[a.ask.Box] {
			x = nil
		}
		switch {
		case x != nil && x.gone != nil:
			a.answer(box.Gone, nil)
		case x != nil:
			a.answer(box.Found, x.put)
		case a.ask.Wait > 0:
			a.until = r.world.Now.Add(a.ask.Wait)
			r.waits[a.ask.Box] = append(r.waits[a.ask.Box], a)
			r.plan(a.until)
		default:
			a.answer(box.Miss, nil)
		}
	case placement.Del:
		if del, err := box.ParseDelete(a.ask.Body); err == nil && del.Verify() {
			r.held[a.ask.Box] = &record{gone: del}
			a.answer(box.OK, nil)
		}
	}
}

// wakeUp answers those who wait for a box.
func (r *Relay) wakeUp(b [32]byte) {
	for _, a := range r.waits[b] {
		a.answer(box.Found, r.held[b].put)
	}
	delete(r.waits, b)
}

// plan has the relay look at those who wait, at a time.
func (r *Relay) plan(at time.Time) {
	if r.alarm.IsZero() || at.Before(r.alarm) {
		r.alarm = at
		r.world.plan(at, flight{relay: r})
	}
}

// expire answers those who have waited long enough, and lets expired cells go.
func (r *Relay) expire() {
	var late []*asking
	for b, all := range r.waits {
		left := slices.DeleteFunc(all, func(a *asking) bool {
			if !a.until.After(r.world.Now) {
				late = append(late, a)
				return true
			}
			return false
		})
		if len(left) == 0 {
			delete(r.waits, b)
			continue
		}
		r.waits[b] = left
		for _, a := range left {
			r.plan(a.until)
		}
	}
	slices.SortFunc(late, func(x, y *asking) int { return cmp.Compare(x.n, y.n) })
	for _, a := range late {
		a.answer(box.Miss, nil)
	}
	if day := box.Day(r.world.Now); !r.Keeping && day != r.swept {
		r.Sweep()
		r.swept = day
	}
}

// Sweep lets expired cells go.
func (r *Relay) Sweep() {
	for b, x := range r.held {
		if x.put != nil && x.put.Expiry < box.Day(r.world.Now) {
			delete(r.held, b)
		}
	}
}

func (a *asking) answer(s box.Status, put *box.Put) {
	in := placement.Answered{Tag: a.ask.Tag, Status: s}
	if put != nil {
		in.Expiry, in.Cell = put.Expiry, put.Cell
	}
	a.reply(in)
}

func (a *asking) reply(in placement.Input) {
	a.back = in
	a.device.world.fly(flight{asked: a})
}

// land lets a request arrive at its relay, or an answer at its device.
func (a *asking) land() {
	switch {
	case a.back == nil:
		a.relay.handle(a)
	case a.device.life == a.life && !a.device.Off:
		a.device.place(a.back)
	}
}

// startBoxes begins the placement of boxes with what the store holds.
func (d *Device) startBoxes() {
	d.life++
	d.wake = d.now()
	d.boxes, d.boxesOf = placement.New(d.world.rng.Uint64()), map[wire.EnvelopeID][][32]byte{}
	changes, err := engine.BoxesNow(d.mem, d.now())
	if err != nil {
		panic(err)
	}
	d.changeBoxes(changes)
	d.writeCells(d.mem.someCells(func(engine.Cell) bool { return true }))
}

func (d *Device) changeBoxes(changes []engine.BoxChange) {
	for _, c := range changes {
		switch c := c.(type) {
		case engine.BoxRelays:
			x := placement.Relays{Of: placement.Group(c.Group)}
			for _, r := range c.Relays {
				x.List = append(x.List, r.ID())
			}
			d.place(x)
		case engine.WatchBoxes:
			d.place(placement.Watch{Of: placement.Group(c.Group), Boxes: c.Boxes, Rarely: c.Rarely})
		case engine.DeleteBox:
			d.place(placement.Delete{Of: placement.Group(c.Group), Box: c.Box, Del: c.Del})
		case engine.WrongBox:
			d.place(placement.Wrong{Of: placement.Group(c.Group), Box: c.Box})
		case engine.AskAgain:
			d.place(placement.Again{Boxes: c.Boxes})
		}
	}
}

func (d *Device) writeCells(cells []engine.Cell) {
	for _, c := range cells {
		if c.Held == engine.Fetched {
			d.place(placement.Forget{Boxes: [][32]byte{c.Box}})
		} else {
			d.boxesOf[c.Envelope] = append(d.boxesOf[c.Envelope], c.Box)
			d.place(placement.Write{Of: placement.Group(c.Group), Cells: []placement.Cell{{Box: c.Box, Put: c.Put}}})
		}
	}
}

func (d *Device) releaseBoxes(up *engine.Update) {
	d.forget(up.DropCells)
	d.changeBoxes(up.Boxes)
	d.writeCells(up.Cells)
	if !up.Wake.IsZero() && (d.wake.IsZero() || up.Wake.Before(d.wake)) {
		d.wake = up.Wake
	}
}

// place gives an input to the placement machine and carries out what follows.
func (d *Device) place(in placement.Input) {
	d.touch()
	life := d.life
	for _, e := range d.boxes.Step(d.now(), in) {
		if d.life != life {
			return // died of what came before
		}
		var to engine.Input
		switch e := e.(type) {
		case placement.Ask:
			d.askRelay(e)
			continue
		case placement.Stored:
			to = engine.BoxStored{Box: e.Box, On: e.On, Wanted: e.Wanted}
		case placement.Gone:
			to = engine.BoxGone{Box: e.Box}
		case placement.Taken:
			to = engine.BoxTaken{Box: e.Box, Expiry: e.Expiry, Cell: e.Cell}
		case placement.Found:
			to = engine.BoxFound{Group: engine.BoxGroup(e.Of), Box: e.Box, Expiry: e.Expiry, Cell: e.Cell}
		case placement.Skip:
			to = engine.BoxSkipped{Group: engine.BoxGroup(e.Of), Box: e.Box}
		}
		if err := d.input(to, nil); err != nil && err != errCrash {
			panic(err)
		}
	}
}

func (d *Device) askRelay(e placement.Ask) {
	w := d.world
	a := &asking{device: d, life: d.life, relay: w.relays[e.Relay], ask: e, n: w.Steps}
	if a.relay == nil || d.Off || w.chance(w.Faults.Loss) {
		a.back = placement.Failed{Tag: e.Tag}
	}
	w.fly(flight{asked: a})
}

// wakes says when a device wants to be woken next; a device that is off never.
func (d *Device) wakes() (at time.Time) {
	if d.Off {
		return at
	}
	for _, t := range []time.Time{d.delivery.Wake(), d.boxes.Wake(), d.wake} {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	return at
}

func (d *Device) tick() {
	d.do(d.delivery.Step(d.now(), delivery.Tick{}))
	d.place(placement.Tick{})
	if !d.wake.IsZero() && !d.wake.After(d.now()) {
		d.wake = d.now().Add(engine.TickEvery)
		if err := d.input(engine.Tick{}, nil); err != nil && err != errCrash {
			panic(err)
		}
	}
}

// Switch turns a device off, or on again.
func (d *Device) Switch(on bool) {
	d.Off = !on
	if !on {
		for p := range d.links {
			d.world.unlink(d.peer(), p)
		}
		return
	}
	d.crash()
	d.Crashes--
}

// UseRelays lets a device use relays.
func (d *Device) UseRelays(relays ...*Relay) error {
	for _, r := range relays {
		if _, err := d.Do(engine.AddRelay{Relay: r.Is}); err != nil {
			return err
		}
	}
	return nil
}

// forget lets go of the boxes of envelopes that have done their work.
func (d *Device) forget(ids []wire.EnvelopeID) {
	for _, id := range ids {
		d.place(placement.Forget{Boxes: d.boxesOf[id]})
		delete(d.boxesOf, id)
	}
}

// watched gives the boxes that a device looks for, those of the latest stream first.
func (d *Device) watched() (all [][32]byte) {
	changes, err := engine.BoxesNow(d.mem, d.now())
	if err != nil {
		panic(err)
	}
	for _, c := range changes {
		if w, ok := c.(engine.WatchBoxes); ok {
			all = append(all, w.Boxes...)
		}
	}
	return all
}
