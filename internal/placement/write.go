package placement

import (
	"bytes"
	"slices"
	"time"

	"kith/box"
)

// cell is what a box of ours is to hold.
type cell struct {
	Cell
	of     Group
	near   []box.RelayID // where it may lie, nearest first
	copies map[box.RelayID]*copyAt
	most   int           // relays of near that said they hold it, ever
	again  time.Time     // when all are asked anew
	pause  time.Duration // before that, longer where all stays as it is
	over   bool          // gone, taken or forgotten: nothing more to do
}

// copyAt is what is known of a cell at one relay.
type copyAt struct {
	asked  bool   // a request is open
	held   bool   // it said so since the last round
	before bool   // it said so ever
	no     bool   // it would not take it since the last round
	effort uint32 // it wants
}

func (c *cell) copy(id box.RelayID) *copyAt {
	x := c.copies[id]
	if x == nil {
		x = &copyAt{}
		c.copies[id] = x
	}
	return x
}

func (m *Machine) write(now time.Time, in Write) []Effect {
	g := m.group(in.Of)
	var effects []Effect
	for _, c := range in.Cells {
		if old := m.cells[c.Box]; old != nil {
			if !bytes.Equal(old.Put, c.Put) {
				old.anew(c)
				old.again = now.Add(m.spread(RepairEvery))
				effects = append(effects, m.place(now, old)...)
			}
			continue
		}
		x := &cell{Cell: c, of: in.Of, near: ranked(g, c.Box), copies: map[box.RelayID]*copyAt{}, pause: RepairEvery, again: now.Add(m.spread(RepairEvery))}
		m.cells[c.Box] = x
		i, _ := m.find(c.Box)
		m.order = slices.Insert(m.order, i, x)
		effects = append(effects, m.place(now, x)...)
	}
	return effects
}

// anew takes what a box is to hold instead of what it held, which has expired
// everywhere. Answers that come to requests of before count for nothing.
func (c *cell) anew(x Cell) {
	c.Put, c.copies, c.most, c.pause = x.Put, map[box.RelayID]*copyAt{}, 0, RepairEvery
}

func (m *Machine) again(now time.Time, in Again) []Effect {
	var effects []Effect
	for _, b := range in.Boxes {
		if c := m.cells[b]; c != nil {
			for _, x := range c.copies {
				x.held = false
			}
			m.often(now, c)
			effects = append(effects, m.place(now, c)...)
		}
	}
	return effects
}

func (m *Machine) forget(in Forget) {
	for _, b := range in.Boxes {
		if c := m.cells[b]; c != nil {
			c.over = true
			delete(m.cells, b)
			i, _ := m.find(b)
			m.order = slices.Delete(m.order, i, i+1)
		}
	}
}

// find returns the place of a box among the cells.
func (m *Machine) find(b Box) (int, bool) {
	return slices.BinarySearchFunc(m.order, b, func(c *cell, b Box) int { return bytes.Compare(c.Box[:], b[:]) })
}

// round asks all relays of a cell anew when its time has come, and those that are
// missing.
func (m *Machine) round(now time.Time, c *cell) []Effect {
	if !c.again.After(now) {
		c.pause = min(2*c.pause, RepairRarely)
		for _, x := range c.copies {
			x.held, x.no = false, false
		}
		c.again = now.Add(m.spread(c.pause))
	}
	return m.place(now, c)
}

// place asks the relays that are to hold a cell and have not said so: the first
// of the ranking, and while these do not suffice the next. BG-06.
func (m *Machine) place(now time.Time, c *cell) []Effect {
	if c.over {
		return nil
	}
	var effects []Effect
	coming := 0
	for i, id := range c.near {
		if i >= Replicas && coming >= Enough {
			break
		}
		x := c.copy(id)
		switch {
		case x.held || x.asked:
			coming++
		case x.no || m.takesNone(now, id):
		case m.laden(id):
			coming++
		default:
			coming++
			effects = append(effects, m.ask(&asked{Ask: Ask{Relay: id, Op: Put, Box: c.Box, Body: c.Put, Effort: x.effort}, of: c.of, cell: c}))
		}
	}
	if coming < min(Enough, len(c.near)) {
		m.often(now, c)
	}
	return effects
}

// often has relays asked again soon about a cell that is in danger.
func (m *Machine) often(now time.Time, c *cell) {
	if c.pause == RepairEvery {
		return
	}
	c.pause = RepairEvery
	if soon := now.Add(m.spread(c.pause)); soon.Before(c.again) {
		c.again = soon
	}
}

// put takes note of what a relay said to a cell.
func (m *Machine) put(now time.Time, a *asked, in Answered) []Effect {
	c, x := a.cell, a.cell.copy(a.Relay)
	if c.over {
		return nil
	}
	if !bytes.Equal(a.Body, c.Put) {
		return m.place(now, c)
	}
	switch in.Status {
	case box.OK, box.Exists:
		if in.Status == box.OK && x.before {
			m.forgot(now, a.Relay)
		}
		return m.holds(c, a.Relay)
	case box.Gone:
		c.over = true
		return []Effect{Gone{Of: c.of, Box: c.Box}}
	case box.Conflict:
		// Anybody can say so: it is to show what it holds. BG-07.
		return []Effect{m.ask(&asked{Ask: Ask{Relay: a.Relay, Op: Get, Box: c.Box}, of: c.of, cell: c})}
	case box.Full:
		// Each time twice as much at least, or a relay could have us work for ever.
		if in.Effort >= max(1, 2*x.effort) && in.Effort <= MaxEffort {
			x.effort = in.Effort
			return m.place(now, c)
		}
	}
	// It has no room, or by its clock the cell expires too soon or too late: that
	// does not pass within minutes, and others may see it otherwise.
	x.no = true
	return m.place(now, c)
}

// shown takes note of what a relay holds that would not take a cell because of it.
// What is there was put there by whoever has the box's keys, or else it was no answer.
func (m *Machine) shown(now time.Time, a *asked, in Answered) []Effect {
	c := a.cell
	if c.over {
		return nil
	}
	switch in.Status {
	case box.Gone:
		c.over = true
		return []Effect{Gone{Of: c.of, Box: c.Box}}
	case box.Found:
		ours, err := box.ParsePut(c.Put)
		if err == nil && ours.Expiry == in.Expiry && bytes.Equal(ours.Cell, in.Cell) {
			return m.holds(c, a.Relay)
		}
		// Whether it is to be written elsewhere is the caller's to say, who can open it.
		c.copy(a.Relay).no = true
		return append([]Effect{Taken{Of: c.of, Box: c.Box, Expiry: in.Expiry, Cell: in.Cell}}, m.place(now, c)...)
	}
	c.copy(a.Relay).no = true
	return m.place(now, c)
}

// holds takes note that a relay holds a cell. Those where the other side does not
// look do not count.
func (m *Machine) holds(c *cell, id box.RelayID) []Effect {
	c.copy(id).held, c.copy(id).before = true, true
	on, wanted := 0, min(Replicas, len(c.near))
	for _, id := range c.near {
		if c.copy(id).held {
			on++
		}
	}
	if on = min(on, wanted); on <= c.most {
		return nil
	}
	c.most = on
	return []Effect{Stored{Of: c.of, Box: c.Box, On: on, Wanted: wanted}}
}

// forgot takes note that a relay lost what it held: it is asked about the rest soon.
func (m *Machine) forgot(now time.Time, id box.RelayID) {
	for _, c := range m.order {
		if x := c.copies[id]; x != nil && x.before {
			m.often(now, c)
		}
	}
}
