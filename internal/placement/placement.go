package placement

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"kith/box"
)

// Box is the address of a box.
type Box = [32]byte

// Group names the boxes of one stream or of one peer, which lie on the same
// relays. It is the caller's word and never leaves the device.
type Group string

// Input is something the machine reacts to.
type Input interface{ input() }

// Relays says on which relays the boxes of a group lie: those that both sides
// know. None is possible: then nothing is asked.
type Relays struct {
	Of   Group
	List []box.RelayID
}

// Write adds cells to be held by relays until they are forgotten.
type Write struct {
	Of    Group
	Cells []Cell
}

// Cell is what a box is to hold: what is asked of a relay, byte for byte the same
// each time.
type Cell struct {
	Box Box
	Put []byte
}

// Again says that the other side does not find these boxes: relays are asked at
// once whether they hold them.
type Again struct{ Boxes []Box }

// Forget ends the writing of cells.
type Forget struct{ Boxes []Box }

// Watch says which boxes of a group are looked for from now on: the next one
// first. It replaces what was said before.
type Watch struct {
	Of    Group
	Boxes []Box
	// Rarely says that nothing more is expected there: relays are not asked to wait,
	// but asked now and then.
	Rarely bool
}

// Delete asks for a box that was read to be deleted, later and bit by bit.
type Delete struct {
	Of  Group
	Box Box
	Del []byte // what is asked of a relay
}

// Answered is what a relay said to an [Ask].
type Answered struct {
	Tag    uint64
	Status box.Status
	Effort uint32 // wanted, with box.Full
	// With box.Found: what the relay holds, its signature checked.
	Expiry uint32
	Cell   []byte
}

// Wrong says that what was found in a box is not what its writer put there: the
// relay lies. The box is looked for elsewhere, and there again later.
type Wrong struct {
	Of  Group
	Box Box
}

// Failed says that an [Ask] has no answer: the relay could not be reached, or
// broke off.
type Failed struct{ Tag uint64 }

// Tick says that the time of [Machine.Wake] has come.
type Tick struct{}

func (Relays) input()   {}
func (Write) input()    {}
func (Again) input()    {}
func (Forget) input()   {}
func (Watch) input()    {}
func (Delete) input()   {}
func (Answered) input() {}
func (Failed) input()   {}
func (Wrong) input()    {}
func (Tick) input()     {}

// Effect is something the caller does for the machine.
type Effect interface{ effect() }

// Op is what is asked of a relay.
type Op uint8

// The operations.
const (
	Put Op = 1
	Get Op = 2
	Del Op = 3
)

// Ask asks one thing of one relay; [Answered] or [Failed] with its tag answers it.
type Ask struct {
	Tag    uint64
	Relay  box.RelayID
	Op     Op
	Box    Box
	Body   []byte        // Put and Del: as given
	Wait   time.Duration // Get: how long the relay waits for the box to be written
	Effort uint32        // Put: the work to be done for it, 0 for none
}

// Stored says that On of the Wanted relays have said that they hold a box. On
// only grows.
type Stored struct {
	Of         Group
	Box        Box
	On, Wanted int
}

// Gone says that the other side had a box of ours deleted: it was fetched.
type Gone struct {
	Of  Group
	Box Box
}

// Taken says that a box of ours holds something else, so that what was to be in
// it must go elsewhere.
type Taken struct {
	Of  Group
	Box Box
}

// Found is what a watched box holds, unopened; the caller watches others when it
// has seen to it.
type Found struct {
	Of     Group
	Box    Box
	Expiry uint32
	Cell   []byte
}

// Skip says that a watched box was read and deleted before.
type Skip struct {
	Of  Group
	Box Box
}

func (Ask) effect()    {}
func (Stored) effect() {}
func (Gone) effect()   {}
func (Taken) effect()  {}
func (Found) effect()  {}
func (Skip) effect()   {}

// Machine is the placement machine; make one with [New].
type Machine struct {
	rng     *rand.Rand
	groups  map[Group]*group
	cells   map[Box]*cell
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
	rarely bool // the next is looked at now and then, too, and no relay waits for it
}

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

type watch struct {
	box     Box
	fresh   []box.RelayID // to be asked at once
	rest    []box.RelayID // to be waited at, one after another
	waiting bool
	found   bool
	at      box.RelayID // where it was found
}

type deletion struct {
	Delete
	at    time.Time
	tries int
	left  []box.RelayID // nil until the time has come
}

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
		for _, b := range in.Boxes {
			if c := m.cells[b]; c != nil {
				c.over = true
				delete(m.cells, b)
			}
		}
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
		return m.wrong(now, in)
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
	for _, c := range m.sortedCells() {
		if c.of == in.Of {
			effects = append(effects, m.place(now, g, c)...)
		}
	}
	if g.head != nil {
		m.look(g)
		effects = append(effects, m.seek(now, in.Of, g)...)
	}
	return effects
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

func (m *Machine) tick(now time.Time) []Effect {
	var effects []Effect
	for _, c := range m.sortedCells() {
		if !c.again.After(now) {
			clear(c.held)
			clear(c.no)
			c.again = now.Add(m.spread(RepairEvery))
		}
		effects = append(effects, m.place(now, m.group(c.of), c)...)
	}
	for _, of := range m.sortedGroups() {
		g := m.groups[of]
		effects = append(effects, m.seek(now, of, g)...)
		effects = append(effects, m.lookAhead(now, of, g)...)
	}
	return append(effects, m.erase(now)...)
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

// sortedCells gives the cells in a fixed order, so that a replay of the same
// inputs gives the same effects.
func (m *Machine) sortedCells() []*cell {
	all := make([]*cell, 0, len(m.cells))
	for _, c := range m.cells {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *cell) int { return slices.Compare(a.Box[:], b.Box[:]) })
	return all
}

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
	for _, c := range m.cells {
		earliest(c.again)
	}
	blocked := len(m.cells) > 0
	for _, g := range m.groups {
		if g.ahead != nil && len(g.relays) > 0 {
			earliest(g.lookAt)
		}
		blocked = blocked || g.head != nil && !g.head.found && !g.head.waiting && !g.rarely
	}
	for _, d := range m.deletes {
		earliest(d.at)
	}
	if blocked {
		for _, r := range m.relays {
			if r.until.After(m.now) {
				earliest(r.until)
			}
		}
	}
	return wake
}
