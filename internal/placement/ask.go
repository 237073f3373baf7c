package placement

import (
	"time"

	"kith/box"
)

// asked is a request that is open.
type asked struct {
	Ask
	of    Group
	cell  *cell
	watch *watch
	del   *deletion
}

// relay is what is known of one relay.
type relay struct {
	open    int // requests that do not wait
	backoff time.Duration
	until   time.Time // not asked before
}

func (m *Machine) ask(a *asked) Effect {
	m.tag++
	a.Tag = m.tag
	m.asked[a.Tag] = a
	if a.cell != nil {
		a.cell.asked[a.Relay] = true
	}
	if a.Wait == 0 {
		m.relay(a.Relay).open++
	}
	return a.Ask
}

func (m *Machine) take(tag uint64) *asked {
	a := m.asked[tag]
	if a != nil {
		delete(m.asked, tag)
		if a.cell != nil {
			delete(a.cell.asked, a.Relay)
		}
		if a.Wait == 0 {
			m.relay(a.Relay).open--
		}
	}
	return a
}

func (m *Machine) answered(now time.Time, in Answered) []Effect {
	a := m.take(in.Tag)
	if a == nil {
		return nil
	}
	r := m.relay(a.Relay)
	r.backoff, r.until = 0, time.Time{}
	var effects []Effect
	switch {
	case a.cell != nil:
		effects = m.put(now, a, in)
	case a.watch != nil:
		effects = m.got(now, a, in)
	}
	return append(effects, m.resume(now)...)
}

// resume asks what was not asked since a relay had enough to do.
func (m *Machine) resume(now time.Time) []Effect {
	if !m.held {
		return nil
	}
	m.held = false
	var effects []Effect
	for _, c := range m.sortedCells() {
		effects = append(effects, m.place(now, m.group(c.of), c)...)
	}
	return effects
}

func (m *Machine) failed(now time.Time, in Failed) []Effect {
	a := m.take(in.Tag)
	if a == nil {
		return nil
	}
	m.punish(now, a.Relay)
	g := m.group(a.of)
	var effects []Effect
	switch {
	case a.cell != nil:
		effects = m.place(now, g, a.cell)
	case a.watch != nil:
		if a.Wait > 0 {
			a.watch.waiting = false
		}
		if a.watch == g.head {
			effects = m.seek(now, a.of, g)
		}
	case a.del != nil:
		a.del.left = append(a.del.left, a.Relay)
	}
	return append(effects, m.resume(now)...)
}

// punish leaves a relay alone for a while.
func (m *Machine) punish(now time.Time, id box.RelayID) {
	r := m.relay(id)
	r.backoff = min(max(2*r.backoff, BackoffFirst), BackoffMost)
	r.until = now.Add(m.spread(r.backoff))
}
