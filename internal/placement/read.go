package placement

import (
	"slices"
	"time"

	"kith/box"
)

// watch is a box that is looked for.
type watch struct {
	box   Box
	fresh []box.RelayID // to be asked at once
	rest  []box.RelayID // to be waited at, one after another
	wait  uint64        // the request that waits, 0 for none
	// Further down the ranking, to be waited at while none of the nearest answers.
	further []box.RelayID
	found   bool
	at      box.RelayID // where it was found
	// These said that they do not have it, since they were to be asked at once.
	missed map[box.RelayID]bool
	// What these showed was wrong; they are not asked for this box before.
	wrong map[box.RelayID]time.Time
	pause time.Duration // how long the last of them is not asked
}

func newWatch(b Box) *watch {
	return &watch{box: b, missed: map[box.RelayID]bool{}, wrong: map[box.RelayID]time.Time{}}
}

// askAgain has a relay asked that did not answer, when it is not left alone any more:
// it may be the only one that has the box. BG-08.
func (w *watch) askAgain(id box.RelayID) {
	if !w.missed[id] && !slices.Contains(w.fresh, id) {
		w.fresh = append(w.fresh, id)
	}
}

// free reports whether a relay can be asked for a box.
func (m *Machine) free(now time.Time, w *watch, id box.RelayID) bool {
	return !m.rests(now, id) && !w.wrong[id].After(now)
}

func (m *Machine) setWatch(now time.Time, in Watch) []Effect {
	if m.groups[in.Of] == nil && len(in.Boxes) == 0 {
		return nil
	}
	g := m.group(in.Of)
	if len(in.Boxes) == 0 {
		g.head, g.ahead = nil, nil
		return nil
	}
	if g.rarely != in.Rarely {
		g.rarely, g.looks = in.Rarely, 0
	}
	gap := false
	if g.head == nil || g.head.box != in.Boxes[0] {
		// Asked everywhere at once: at start, and when the box before was found, since
		// there may be more, and some relays may have missed it.
		g.head, g.looks = newWatch(in.Boxes[0]), 0
		m.look(g)
	} else if gap = g.ahead != nil && g.ahead.found && !slices.Contains(in.Boxes, g.ahead.box); gap {
		// The one after it was there: it may lie further down. BG-09.
		g.head.fresh = m.shuffled(ranked(g, g.head.box))
		clear(g.head.missed)
		if a := m.asked[g.head.wait]; a != nil {
			g.head.fresh = slices.DeleteFunc(g.head.fresh, func(id box.RelayID) bool { return id == a.Relay })
		}
	}
	switch {
	case len(in.Boxes) == 1:
		g.ahead = nil
	case g.ahead == nil || g.ahead.box != in.Boxes[1]:
		g.ahead = newWatch(in.Boxes[1])
		if gap {
			g.ahead.fresh = m.shuffled(nearest(g, g.ahead.box)) // and there may be more
		}
		if g.lookAt.IsZero() {
			g.lookAt = now.Add(m.between(time.Second, 10*time.Second))
		}
	}
	return m.seek(now, in.Of, g)
}

// nearest gives the relays where a box is waited for and deleted.
func nearest(g *group, b Box) []box.RelayID {
	near := ranked(g, b)
	return near[:min(len(near), Replicas)]
}

// look plans for the head to be looked for everywhere at once, and then waited
// for at one relay after another, in an order nobody can foresee.
func (m *Machine) look(g *group) {
	g.head.fresh, g.head.rest = m.shuffled(nearest(g, g.head.box)), nil
	clear(g.head.missed)
}

func (m *Machine) shuffled(ids []box.RelayID) []box.RelayID {
	m.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids
}

// seek asks what is due about the boxes that a group looks for. BG-08.
func (m *Machine) seek(now time.Time, of Group, g *group) []Effect {
	if len(g.relays) == 0 {
		return nil
	}
	var effects []Effect
	if w := g.head; w != nil && !w.found && w.wait == 0 && !g.rarely {
		// One of them waits as well as answers now.
		if id, wait, ok := m.choose(now, g, w); ok {
			w.fresh = slices.DeleteFunc(w.fresh, func(x box.RelayID) bool { return x == id })
			effects = append(effects, m.ask(&asked{Ask: Ask{Relay: id, Op: Get, Box: w.box, Wait: wait}, of: of, watch: w}))
			w.wait = m.tag
		}
	}
	for _, w := range []*watch{g.head, g.ahead} {
		if w == nil || w.found {
			continue
		}
		w.fresh = slices.DeleteFunc(w.fresh, func(id box.RelayID) bool {
			if !m.free(now, w, id) || m.laden(id) {
				return false
			}
			effects = append(effects, m.ask(&asked{Ask: Ask{Relay: id, Op: Get, Box: w.box}, of: of, watch: w}))
			return true
		})
	}
	return effects
}

// choose picks the relay that is to wait for a box, and for how long: one of the
// nearest that was not the last, or while none of them answers one further down, where
// the writer goes then, too.
func (m *Machine) choose(now time.Time, g *group, w *watch) (id box.RelayID, wait time.Duration, ok bool) {
	take := func(from *[]box.RelayID) (id box.RelayID, ok bool) {
		i := slices.IndexFunc(*from, func(id box.RelayID) bool { return m.free(now, w, id) })
		if i < 0 {
			return id, false
		}
		id = (*from)[i]
		*from = slices.Delete(*from, i, i+1)
		return id, true
	}
	if id, ok = take(&w.rest); ok {
		return id, m.between(WaitLeast, WaitMost), true
	}
	near := nearest(g, w.box)
	w.rest = m.shuffled(slices.Clone(near)) // another turn
	if id, ok = take(&w.rest); ok {
		return id, m.between(WaitLeast, WaitMost), true
	}
	if slices.ContainsFunc(near, func(id box.RelayID) bool { return !m.rests(now, id) }) {
		return id, 0, false
	}
	if len(w.further) == 0 {
		w.further = ranked(g, w.box)[len(near):]
	}
	id, ok = take(&w.further)
	return id, m.between(FurtherLeast, FurtherMost), ok
}

// lookAhead looks at the box after the next at one relay, and where no relay waits for
// it at the next three times of four. BG-09.
func (m *Machine) lookAhead(now time.Time, of Group, g *group) []Effect {
	if g.lookAt.IsZero() || g.lookAt.After(now) {
		return nil
	}
	w, pause := g.ahead, LookEvery
	if g.rarely {
		if w == nil || g.looks%4 != 3 {
			w = g.head
		}
		if g.looks++; g.looks > LooksOften {
			pause = LookRarely
		}
	}
	g.lookAt = now.Add(m.spread(pause))
	if w == nil || w.found {
		return nil
	}
	near := slices.DeleteFunc(nearest(g, w.box), func(id box.RelayID) bool { return !m.free(now, w, id) || m.laden(id) })
	if len(near) == 0 {
		return nil
	}
	return []Effect{m.ask(&asked{Ask: Ask{Relay: near[m.rng.IntN(len(near))], Op: Get, Box: w.box}, of: of, watch: w})}
}

// got takes note of what a relay said to a question for a box.
func (m *Machine) got(now time.Time, a *asked, in Answered) []Effect {
	g, w := m.group(a.of), a.watch
	if w != g.head && w != g.ahead || w.found {
		return nil // found elsewhere meanwhile
	}
	switch in.Status {
	case box.Found:
		w.found, w.at = true, a.Relay
		return []Effect{Found{Of: a.of, Box: w.box, Expiry: in.Expiry, Cell: in.Cell}}
	case box.Gone:
		w.found, w.at = true, a.Relay
		return []Effect{Skip{Of: a.of, Box: w.box}}
	case box.Miss:
		w.missed[a.Relay] = true
	}
	return m.seek(now, a.of, g)
}

// wrongly does without a relay for a box that it showed something wrong for. Its other
// boxes are not concerned: whoever writes to a box can make every relay look so.
func (m *Machine) wrongly(now time.Time, in Wrong) []Effect {
	g := m.group(in.Of)
	for _, w := range []*watch{g.head, g.ahead} {
		if w == nil || w.box != in.Box || !w.found {
			continue
		}
		w.found = false
		w.pause = min(max(2*w.pause, BackoffMost), LookEvery)
		w.wrong[w.at] = now.Add(m.spread(w.pause))
		w.fresh = slices.DeleteFunc(ranked(g, w.box), func(id box.RelayID) bool { return w.wrong[id].After(now) })
	}
	return m.seek(now, in.Of, g)
}
