package placement

import (
	"slices"
	"time"

	"kith/box"
)

// deletion is a box that was read and is to be deleted.
type deletion struct {
	Delete
	at    time.Time
	tries int
	left  []box.RelayID // to be asked
	open  int           // asked and not answered
}

// erase asks for the deletion of what was read, wherever it may lie. Relays that
// could not be asked or did not answer are tried again, [DeleteTries] times in all;
// then the box expires. BG-12.
func (m *Machine) erase(now time.Time) []Effect {
	var effects []Effect
	m.deletes = slices.DeleteFunc(m.deletes, func(d *deletion) bool {
		if d.at.After(now) {
			return false
		}
		g := m.group(d.Of)
		if d.tries == 0 {
			d.left = nearest(g, d.Box)
		}
		d.left = slices.DeleteFunc(d.left, func(id box.RelayID) bool {
			if !slices.Contains(g.relays, id) {
				return true // it is ours or theirs no more
			}
			if m.rests(now, id) || m.laden(id) {
				return false
			}
			effects = append(effects, m.ask(&asked{Ask: Ask{Relay: id, Op: Del, Box: d.Box, Body: d.Del}, of: d.Of, del: d}))
			return true
		})
		d.tries++
		d.at = now.Add(m.between(DeleteLeast, DeleteMost))
		return d.tries >= DeleteTries || d.done()
	})
	return effects
}

func (d *deletion) done() bool { return len(d.left) == 0 && d.open == 0 }

// erased lets go of a deletion that all have answered.
func (m *Machine) erased(d *deletion) {
	if d.done() {
		m.deletes = slices.DeleteFunc(m.deletes, func(x *deletion) bool { return x == d })
	}
}
