package placement

import (
	"slices"
	"time"

	"kith/box"
)

// asked is a request that is open.
type asked struct {
	Ask
	of    Group
	cell  *cell // a put, or a get of what a relay says is there instead
	watch *watch
	del   *deletion
	at    time.Time
}

// hasty reports whether a relay did not wait for a box as it was asked to.
func (a *asked) hasty(now time.Time, s box.Status) bool {
	return s == box.Miss && now.Before(a.at.Add(a.Wait/2))
}

// relay is what is known of one relay.
type relay struct {
	open int // requests that do not wait
	all  pause
	puts pause // of what it is to hold, when its disk takes nothing: what it holds it still gives
}

// pause is how long a relay is left alone, and longer the next time.
type pause struct {
	length time.Duration
	until  time.Time
}

func (p *pause) lengthen(m *Machine, now time.Time) {
	p.length = min(max(2*p.length, BackoffFirst), BackoffMost)
	p.until = now.Add(m.spread(p.length))
}

// end ends the pause. What was not asked because of it is asked now.
func (p *pause) end(m *Machine) {
	if p.length > 0 {
		*p = pause{}
		m.held = true
	}
}

func (m *Machine) ask(a *asked) Effect {
	m.tag++
	a.Tag, a.Of, a.at = m.tag, a.of, m.now
	m.asked[a.Tag] = a
	if a.cell != nil {
		a.cell.copy(a.Relay).asked = true
	}
	if a.del != nil {
		a.del.open++
	}
	if a.Wait == 0 {
		m.relay(a.Relay).open++
	}
	return a.Ask
}

// take ends a request. Its relay has answered once, and cannot again.
func (m *Machine) take(tag uint64) *asked {
	a := m.asked[tag]
	if a == nil {
		return nil
	}
	delete(m.asked, tag)
	if a.cell != nil {
		a.cell.copy(a.Relay).asked = false
	}
	if a.watch != nil && a.watch.wait == tag {
		a.watch.wait = 0
	}
	if a.del != nil {
		a.del.open--
	}
	if a.Wait == 0 {
		m.relay(a.Relay).open--
	}
	return a
}

// fits reports whether a status is an answer to an operation. A relay that is busy
// does not answer, and one that says anything else lies.
func fits(op Op, s box.Status) bool {
	switch op {
	case Put:
		return s == box.OK || s == box.Exists || s == box.Conflict || s == box.Full || s == box.Gone || s == box.Refused
	case Get:
		return s == box.Found || s == box.Gone || s == box.Miss
	}
	return s == box.OK || s == box.Refused
}

func (m *Machine) answered(now time.Time, in Answered) []Effect {
	a := m.take(in.Tag)
	switch {
	case a == nil:
		return nil
	case a.Op == Put && in.Status == box.Busy:
		m.relay(a.Relay).puts.lengthen(m, now)
		return append(m.place(now, a.cell), m.resume(now)...)
	case !fits(a.Op, in.Status) || a.hasty(now, in.Status):
		if a.watch != nil && in.Status == box.Miss {
			a.watch.missed[a.Relay] = true
		}
		return m.unanswered(now, a)
	}
	r := m.relay(a.Relay)
	r.all.end(m)
	if a.Op == Put {
		r.puts.end(m)
	}
	var effects []Effect
	switch {
	case a.cell != nil && a.Op == Put:
		effects = m.put(now, a, in)
	case a.cell != nil:
		effects = m.shown(now, a, in)
	case a.watch != nil:
		effects = m.got(now, a, in)
	case a.del != nil:
		m.erased(a.del)
	}
	return append(effects, m.resume(now)...)
}

func (m *Machine) failed(now time.Time, in Failed) []Effect {
	if a := m.take(in.Tag); a != nil {
		return m.unanswered(now, a)
	}
	return nil
}

// unanswered leaves a relay alone for a while, and looks for others that do instead.
func (m *Machine) unanswered(now time.Time, a *asked) []Effect {
	m.punish(now, a.Relay)
	g := m.group(a.of)
	var effects []Effect
	switch {
	case a.cell != nil:
		effects = m.place(now, a.cell)
	case a.watch != nil:
		if slices.Contains(g.relays, a.Relay) {
			a.watch.askAgain(a.Relay)
		}
		effects = m.seek(now, a.of, g)
	case a.del != nil:
		a.del.left = append(a.del.left, a.Relay)
	}
	return append(effects, m.resume(now)...)
}

// punish leaves a relay alone for a while. What was asked before it was left alone, and
// fails with what was asked then, says nothing new.
func (m *Machine) punish(now time.Time, id box.RelayID) {
	if !m.rests(now, id) {
		m.relay(id).all.lengthen(m, now)
	}
}

// rests reports whether a relay is left alone.
func (m *Machine) rests(now time.Time, id box.RelayID) bool { return m.relay(id).all.until.After(now) }

// takesNone reports whether a relay is not asked to hold anything.
func (m *Machine) takesNone(now time.Time, id box.RelayID) bool {
	return m.rests(now, id) || m.relay(id).puts.until.After(now)
}

// laden reports whether as much is open at a relay as may be: one request if it did not
// answer the one before. What is not asked because of it is asked when something was
// answered.
func (m *Machine) laden(id box.RelayID) bool {
	r, most := m.relay(id), MaxAsked
	if r.all.length > 0 {
		most = 1
	}
	if r.open < most {
		return false
	}
	m.held = true
	return true
}

// resume asks what was not asked since a relay had enough to do.
func (m *Machine) resume(now time.Time) []Effect {
	if !m.held {
		return nil
	}
	m.held = false
	var effects []Effect
	for _, c := range m.order {
		effects = append(effects, m.place(now, c)...)
	}
	for _, of := range m.sortedGroups() {
		effects = append(effects, m.seek(now, of, m.groups[of])...)
	}
	return effects
}
