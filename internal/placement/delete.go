package placement

import (
	"slices"
	"time"

	"kith/box"
)

type deletion struct {
	Delete
	at    time.Time
	tries int
	left  []box.RelayID // nil until the time has come
}

// erase asks for the deletion of what was read, wherever it may lie.
func (m *Machine) erase(now time.Time) []Effect {
	var effects []Effect
	m.deletes = slices.DeleteFunc(m.deletes, func(d *deletion) bool {
		if d.at.After(now) {
			return false
		}
		if d.left == nil {
			near := ranked(m.group(d.Of), d.Box)
			d.left = near[:min(len(near), Replicas)]
		}
		for _, id := range d.left {
			if !m.relay(id).until.After(now) {
				effects = append(effects, m.ask(&asked{Ask: Ask{Relay: id, Op: Del, Box: d.Box, Body: d.Del}, of: d.Of, del: d}))
			}
		}
		// What could not be asked or did not answer is tried once more; then it expires.
		d.left, d.tries = []box.RelayID{}, d.tries+1
		d.at = now.Add(m.between(DeleteLeast, DeleteMost))
		return d.tries > 2
	})
	return effects
}
