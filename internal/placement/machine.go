package placement

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"kith/box"
)

// Machine is the placement machine; make one with [New].
type Machine struct {
	rng     *rand.Rand
	groups  map[Group]*group
	cells   map[Box]*cell
	order   []*cell // the same, in the order of their boxes
	deletes []*deletion
	asked   map[uint64]*asked
	relays  map[box.RelayID]*relay
	tag     uint64
	now     time.Time // of the last step
	held    bool      // something was not asked since a relay had enough to do
}

// group is what is known of the boxes of a peer.
type group struct {
	relays []box.RelayID
	head   *watch
	ahead  *watch // the box after the next, looked at now and then
	lookAt time.Time
	// Nothing more is expected: no relay waits for the next, it or the one after it
	// is looked at now and then.
	rarely bool
	looks  int // since it is so, or something was found
}

// New makes a machine that knows of nothing. The seed spreads times and choices
// only; it protects nothing.
func New(seed uint64) *Machine {
	return &Machine{
		rng: rand.New(rand.NewPCG(seed, 1)), groups: map[Group]*group{}, cells: map[Box]*cell{},
		asked: map[uint64]*asked{}, relays: map[box.RelayID]*relay{},
	}
}

// Step reacts to one input and returns what is to be done, in order. It never
// fails.
func (m *Machine) Step(now time.Time, in Input) []Effect {
	m.now = now
	switch in := in.(type) {
	case Relays:
		return m.setRelays(now, in)
	case Write:
		return m.write(now, in)
	case Again:
		return m.again(now, in)
	case Forget:
		m.forget(in)
		return nil
	case Watch:
		return m.setWatch(now, in)
	case Delete:
		m.deletes = append(m.deletes, &deletion{Delete: in, at: now.Add(m.between(DeleteLeast, DeleteMost))})
		return nil
	case Answered:
		return m.answered(now, in)
	case Failed:
		return m.failed(now, in)
	case Wrong:
		return m.wrongly(now, in)
	case Tick:
		return m.tick(now)
	}
	return nil
}

func (m *Machine) group(g Group) *group {
	x := m.groups[g]
	if x == nil {
		x = &group{}
		m.groups[g] = x
	}
	return x
}

func (m *Machine) relay(id box.RelayID) *relay {
	r := m.relays[id]
	if r == nil {
		r = &relay{}
		m.relays[id] = r
	}
	return r
}

// ranked gives the relays of a group that a box may lie on, the first choice
// first.
func ranked(g *group, b Box) []box.RelayID {
	order := box.Rank(b, g.relays)
	out := make([]box.RelayID, 0, min(len(order), MaxRank))
	for _, i := range order[:min(len(order), MaxRank)] {
		out = append(out, g.relays[i])
	}
	return out
}

func (m *Machine) setRelays(now time.Time, in Relays) []Effect {
	g := m.group(in.Of)
	list := slices.Clone(in.List)
	slices.SortFunc(list, func(a, b box.RelayID) int { return slices.Compare(a[:], b[:]) })
	list = slices.Compact(list)
	if slices.Equal(list, g.relays) {
		return nil
	}
	g.relays = list
	var effects []Effect
	for _, c := range m.order {
		if c.of == in.Of {
			c.near = ranked(g, c.Box)
			effects = append(effects, m.place(now, c)...)
		}
	}
	if g.ahead != nil {
		g.ahead.fresh = nil
	}
	if g.head != nil {
		// A relay that is none of these waits in vain.
		if a := m.asked[g.head.wait]; a != nil && !slices.Contains(list, a.Relay) {
			g.head.wait = 0
		}
		m.look(g)
		effects = append(effects, m.seek(now, in.Of, g)...)
	}
	return effects
}

func (m *Machine) tick(now time.Time) []Effect {
	var effects []Effect
	for _, c := range m.order {
		effects = append(effects, m.round(now, c)...)
	}
	for _, of := range m.sortedGroups() {
		g := m.groups[of]
		effects = append(effects, m.seek(now, of, g)...)
		effects = append(effects, m.lookAhead(now, of, g)...)
	}
	return append(effects, m.erase(now)...)
}

// sortedGroups gives the groups in a fixed order, so that a replay of the same inputs
// gives the same effects.
func (m *Machine) sortedGroups() []Group {
	all := make([]Group, 0, len(m.groups))
	for g := range m.groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b Group) int { return cmp.Compare(a, b) })
	return all
}

// spread gives a time within a fifth of d either way.
func (m *Machine) spread(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*m.rng.Float64()))
}

func (m *Machine) between(least, most time.Duration) time.Duration {
	return least + time.Duration(m.rng.Int64N(int64(most-least)))
}

// Wake returns when the machine next wants a [Tick]; zero when never.
func (m *Machine) Wake() time.Time {
	var wake time.Time
	earliest := func(t time.Time) {
		if !t.IsZero() && (wake.IsZero() || t.Before(wake)) {
			wake = t
		}
	}
	for _, c := range m.order {
		earliest(c.again)
	}
	blocked := len(m.cells) > 0
	for _, g := range m.groups {
		if g.ahead != nil && len(g.relays) > 0 {
			earliest(g.lookAt)
		}
		for _, w := range []*watch{g.head, g.ahead} {
			if w == nil || w.found || len(w.fresh) == 0 && (w == g.ahead || w.wait != 0 || g.rarely) {
				continue
			}
			blocked = true
			for _, t := range w.wrong {
				if t.After(m.now) {
					earliest(t)
				}
			}
		}
	}
	for _, d := range m.deletes {
		earliest(d.at)
	}
	if blocked {
		for _, r := range m.relays {
			for _, t := range []time.Time{r.all.until, r.puts.until} {
				if t.After(m.now) {
					earliest(t)
				}
			}
		}
	}
	return wake
}
