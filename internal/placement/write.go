package placement

import (
	"time"

	"kith/box"
)

type cell struct {
	Cell
	of     Group
	held   map[box.RelayID]bool // said so since the last repair
	most   int                  // of held, ever
	again  time.Time            // when all are asked anew
	over   bool                 // gone or taken: nothing more to do
	asked  map[box.RelayID]bool // a request is open
	effort map[box.RelayID]uint32
	no     map[box.RelayID]bool // would not take it since the last repair
}

func (m *Machine) write(now time.Time, in Write) []Effect {
	g := m.group(in.Of)
	var effects []Effect
	for _, c := range in.Cells {
		if m.cells[c.Box] != nil {
			continue
		}
		x := &cell{Cell: c, of: in.Of, held: map[box.RelayID]bool{}, asked: map[box.RelayID]bool{}, effort: map[box.RelayID]uint32{}, no: map[box.RelayID]bool{}, again: now.Add(m.spread(RepairEvery))}
		m.cells[c.Box] = x
		effects = append(effects, m.place(now, g, x)...)
	}
	return effects
}

func (m *Machine) again(now time.Time, in Again) []Effect {
	var effects []Effect
	for _, b := range in.Boxes {
		if c := m.cells[b]; c != nil {
			clear(c.held)
			effects = append(effects, m.place(now, m.group(c.of), c)...)
		}
	}
	return effects
}

// place asks the relays that are to hold a cell and have not said so: the first
// of the ranking, and while these do not suffice the next.
func (m *Machine) place(now time.Time, g *group, c *cell) []Effect {
	if c.over {
		return nil
	}
	var effects []Effect
	coming := 0
	for i, id := range ranked(g, c.Box) {
		if i >= Replicas && coming >= min(Enough, len(g.relays)) {
			break
		}
		if c.held[id] || c.asked[id] {
			coming++
			continue
		}
		r := m.relay(id)
		if c.no[id] || r.until.After(now) {
			continue
		}
		if r.open >= MaxAsked {
			m.held = true
			coming++
			continue
		}
		coming++
		effects = append(effects, m.ask(&asked{Ask: Ask{Relay: id, Op: Put, Box: c.Box, Body: c.Put, Effort: c.effort[id]}, of: c.of, cell: c}))
	}
	return effects
}

// put takes note of what a relay said to a cell.
func (m *Machine) put(now time.Time, a *asked, in Answered) []Effect {
	c, g := a.cell, m.group(a.of)
	if c.over {
		return nil
	}
	switch in.Status {
	case box.OK, box.Exists:
		c.held[a.Relay] = true
		wanted := min(Replicas, len(g.relays))
		if on := min(len(c.held), wanted); on > c.most {
			c.most = on
			return []Effect{Stored{Of: c.of, Box: c.Box, On: on, Wanted: wanted}}
		}
		return nil
	case box.Gone:
		c.over = true
		return []Effect{Gone{Of: c.of, Box: c.Box}}
	case box.Conflict:
		c.over = true
		return []Effect{Taken{Of: c.of, Box: c.Box}}
	case box.Full:
		if in.Effort > c.effort[a.Relay] && in.Effort <= MaxEffort {
			c.effort[a.Relay] = in.Effort
			return m.place(now, g, c)
		}
		fallthrough
	case box.Refused:
		// It has no room, or by its clock the cell expires too soon or too late: that
		// does not pass within minutes, and others may see it otherwise.
		c.no[a.Relay] = true
		return m.place(now, g, c)
	}
	m.punish(now, a.Relay)
	return m.place(now, g, c)
}
