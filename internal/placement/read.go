package placement

import (
	"slices"
	"time"

	"kith/box"
)

type watch struct {
	box     Box
	fresh   []box.RelayID // to be asked at once
	rest    []box.RelayID // to be waited at, one after another
	waiting bool
	found   bool
	at      box.RelayID // where it was found
}

func (m *Machine) setWatch(now time.Time, in Watch) []Effect {
	g := m.group(in.Of)
	if len(in.Boxes) == 0 {
		g.head, g.ahead = nil, nil
		return nil
	}
	if g.head == nil || g.head.box != in.Boxes[0] {
		// Asked everywhere at once: at start, and when the box before was found, since
		// there may be more, and some relays may have missed it.
		g.head = &watch{box: in.Boxes[0]}
		m.look(g)
	}
	g.rarely = in.Rarely
	if len(in.Boxes) > 1 && (g.ahead == nil || g.ahead.box != in.Boxes[1]) {
		g.ahead = &watch{box: in.Boxes[1]}
		if g.lookAt.IsZero() {
			g.lookAt = now.Add(m.between(time.Second, 10*time.Second))
		}
	}
	return m.seek(now, in.Of, g)
}

// look plans for the head to be looked for everywhere at once, and then waited
// for at one relay after another, in an order nobody can foresee.
func (m *Machine) look(g *group) {
	all := ranked(g, g.head.box)
	near := slices.Clone(all[:min(len(all), Replicas)])
	m.rng.Shuffle(len(near), func(i, j int) { near[i], near[j] = near[j], near[i] })
	g.head.fresh, g.head.rest = near, nil
}

// seek asks what is due about the head of a group.
func (m *Machine) seek(now time.Time, of Group, g *group) []Effect {
	w := g.head
	if w == nil || w.found || len(g.relays) == 0 {
		return nil
	}
	var effects []Effect
	// One of them waits as well as answers now.
	if !w.waiting && !g.rarely {
		if len(w.rest) == 0 {
			w.rest = slices.Clone(ranked(g, w.box)[:min(len(g.relays), Replicas)])
			m.rng.Shuffle(len(w.rest), func(i, j int) { w.rest[i], w.rest[j] = w.rest[j], w.rest[i] })
		}
		if i := slices.IndexFunc(w.rest, func(id box.RelayID) bool { return !m.relay(id).until.After(now) }); i >= 0 {
			id := w.rest[i]
			w.rest = slices.Delete(w.rest, i, i+1)
			w.fresh = slices.DeleteFunc(w.fresh, func(x box.RelayID) bool { return x == id })
			w.waiting = true
			effects = append(effects, m.ask(&asked{Ask: Ask{Relay: id, Op: Get, Box: w.box, Wait: m.between(WaitLeast, WaitMost)}, of: of, watch: w}))
		}
	}
	for _, id := range w.fresh {
		if r := m.relay(id); !r.until.After(now) && r.open < MaxAsked {
			effects = append(effects, m.ask(&asked{Ask: Ask{Relay: id, Op: Get, Box: w.box}, of: of, watch: w}))
		}
	}
	w.fresh = nil
	return effects
}

// lookAhead looks at the box after the next at one relay, or at the next where no
// relay waits for it.
func (m *Machine) lookAhead(now time.Time, of Group, g *group) []Effect {
	if g.lookAt.IsZero() || g.lookAt.After(now) {
		return nil
	}
	g.lookAt = now.Add(m.spread(LookEvery))
	w := g.ahead
	if g.rarely {
		w = g.head
	}
	if w == nil || w.found || len(g.relays) == 0 {
		return nil
	}
	near := ranked(g, w.box)
	id := near[m.rng.IntN(min(len(near), Replicas))]
	if m.relay(id).until.After(now) {
		return nil
	}
	return []Effect{m.ask(&asked{Ask: Ask{Relay: id, Op: Get, Box: w.box}, of: of, watch: w})}
}

// got takes note of what a relay said to a question for a box.
func (m *Machine) got(now time.Time, a *asked, in Answered) []Effect {
	g, w := m.group(a.of), a.watch
	if a.Wait > 0 {
		w.waiting = false
	}
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
	default:
		m.punish(now, a.Relay)
	}
	if w == g.head {
		return m.seek(now, a.of, g)
	}
	return nil
}

func (m *Machine) wrong(now time.Time, in Wrong) []Effect {
	g := m.group(in.Of)
	for _, w := range []*watch{g.head, g.ahead} {
		if w == nil || w.box != in.Box || !w.found {
			continue
		}
		w.found = false
		r := m.relay(w.at)
		r.backoff, r.until = BackoffMost, now.Add(m.spread(BackoffMost))
		if w == g.head {
			near := ranked(g, w.box)
			w.fresh = slices.DeleteFunc(near, func(id box.RelayID) bool { return id == w.at })
			return m.seek(now, in.Of, g)
		}
	}
	return nil
}
