package relay

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"kith/box"
)

// Asked is a request and the number of the link it came on.
type Asked struct {
	Link    uint64
	Request *box.Request
	Signed  bool // its signature was found good already
}

// Answer is a reply to a request of a link.
type Answer struct {
	Link  uint64
	Reply *box.Reply
}

// Machine is the relay machine; make one with [New].
type Machine struct {
	id    box.RelayID
	store Store
	day   uint32
	waits map[[32]byte][]wait
	links map[uint64]int // how many wait, by link
	total int
	wake  time.Time // of the next look at those who wait
}

// wait is a request for a box that is not written yet.
type wait struct {
	link, tag uint64
	until     time.Time
}

// New makes the machine of the relay with this id over its store.
func New(id box.RelayID, store Store) *Machine {
	return &Machine{id: id, store: store, waits: map[[32]byte][]wait{}, links: map[uint64]int{}}
}

// Effort is how much work a request must bring to be held when so much is kept.
// RL-04.
func Effort(u Usage) uint32 {
	if u.Cap <= 0 {
		return 0
	}
	tenths := u.Bytes * 10 / u.Cap
	if tenths < FreeTenths {
		return 0
	}
	return FirstEffort << min(tenths-FreeTenths, 16)
}

// batch is one step: what it has decided so far.
type batch struct {
	*Machine
	now     time.Time
	usage   Usage
	fresh   map[[32]byte]*Record // decided in this step
	order   [][32]byte           // of fresh
	removed map[[32]byte]bool
	changes []Change
	answers []Answer
	waiting []Asked // for boxes that are not written
}

// Step takes requests in their order and returns answers, to them and to ones that
// waited, which alias no request. An error is the store's: then nothing is answered and
// nothing was kept of this step.
func (m *Machine) Step(now time.Time, asked []Asked) ([]Answer, error) {
	if day := box.Day(now); day != m.day {
		if err := m.store.Expire(day); err != nil {
			return nil, err
		}
		m.day = day
	}
	b := &batch{Machine: m, now: now, usage: m.store.Usage(), fresh: map[[32]byte]*Record{}, removed: map[[32]byte]bool{}}
	for _, a := range asked {
		if err := b.request(&a); err != nil {
			return nil, err
		}
	}
	if len(b.changes) > 0 {
		if err := m.store.Apply(b.changes); err != nil {
			return nil, err
		}
	}
	b.wait()
	b.awaken()
	b.deadlines()
	return b.answers, nil
}

func (b *batch) answer(a *Asked, s box.Status) *box.Reply {
	r := &box.Reply{Status: s, Tag: a.Request.Tag, Day: b.day}
	b.answers = append(b.answers, Answer{a.Link, r})
	return r
}

func (b *batch) request(a *Asked) error {
	switch a.Request.Op {
	case box.OpPut:
		return b.put(a)
	case box.OpGet:
		return b.get(a)
	case box.OpDelete:
		return b.delete(a)
	case box.OpInfo:
		b.answer(a, box.OK).Effort = Effort(b.usage)
	}
	return nil
}

// decided returns what this step made of a box, nil if it let go of it.
func (b *batch) decided(address [32]byte) (r *Record, ok bool) {
	r = b.fresh[address]
	return r, r != nil || b.removed[address]
}

// look reads a box as it is after what this step decided.
func (b *batch) look(address [32]byte) (Record, bool, error) {
	r, ok := b.decided(address)
	switch {
	case !ok:
		return b.store.Get(address)
	case r == nil:
		return Record{}, false, nil
	}
	x := *r
	x.Cell = slices.Clone(r.Cell)
	return x, true, nil
}

// find is look for who does not need the cell.
func (b *batch) find(address [32]byte) (r Ref, cell, ok bool, err error) {
	x, ok := b.decided(address)
	switch {
	case !ok:
		return b.store.Find(address)
	case x == nil:
		return Ref{}, false, false, nil
	}
	return Ref{Box: x.Box, Expiry: x.Expiry, Effort: x.Effort}, x.Cell != nil, true, nil
}

// put holds a cell if the box is empty. What costs least to check is checked first:
// the day, then the work, then the signature. RL-01 to RL-05.
func (b *batch) put(a *Asked) error {
	p, w := a.Request.Put, &a.Request.Work
	if !box.AllowedExpiry(b.day, p.Expiry) {
		b.answer(a, box.Refused)
		return nil
	}
	wanted := Effort(b.usage)
	if !b.worked(w, p.Box, wanted) {
		b.answer(a, box.Full).Effort = wanted
		return nil
	}
	if !a.Signed && !p.Verify() {
		b.answer(a, box.Refused)
		return nil
	}
	old, there, err := b.look(p.Box)
	if err != nil {
		return err
	}
	switch {
	case there && old.Cell == nil:
		b.answer(a, box.Gone).Sig = old.Sig
	case there && old.Expiry == p.Expiry && bytes.Equal(old.Cell, p.Cell):
		b.answer(a, box.Exists)
	case there:
		b.answer(a, box.Conflict)
	default:
		effort, ok, err := b.bid(w, p.Box, wanted)
		if err != nil {
			return err
		}
		if !ok {
			b.answer(a, box.Full).Effort = effort
			return nil
		}
		b.keep(&Record{Box: p.Box, Expiry: p.Expiry, Effort: effort, Sig: p.Sig, Cell: p.Cell})
		b.usage.Bytes += CellCost
		b.answer(a, box.OK)
	}
	return nil
}

// worked reports whether the work for a box is done, on this relay's day or on one
// that a clock may have that is a little off.
func (b *batch) worked(w *box.Work, address [32]byte, wanted uint32) bool {
	if wanted == 0 {
		return true
	}
	for day := b.day - box.ClockSlack; day <= b.day+box.ClockSlack; day++ {
		if box.VerifyWork(w, b.id, day, address, wanted) {
			return true
		}
	}
	return false
}

// bid finds room for a cell, counting as much of its work as that takes: a relay full
// of what brought the most that is ever wanted would else be closed until it expires.
// If there is none, effort is what would do. RL-05.
func (b *batch) bid(w *box.Work, address [32]byte, wanted uint32) (effort uint32, ok bool, err error) {
	price, err := b.room(wanted)
	if err != nil || price <= wanted {
		return wanted, err == nil, err
	}
	if price > box.MaxEffort || !b.worked(w, address, price) {
		return price, false, nil
	}
	again, err := b.room(price)
	return max(price, again), err == nil && again <= price, err
}

// room lets go of cells that brought far less effort, those of the next day to end
// first, until another has room, and returns effort. If that is not enough, it lets go
// of nothing and returns what would be.
func (b *batch) room(effort uint32) (price uint32, err error) {
	if b.usage.Bytes+CellCost <= b.usage.Cap {
		return effort, nil
	}
	price = max(EvictStep*effort, FirstEffort)
	var out []Ref
	free := b.usage.Cap - b.usage.Bytes
	err = b.store.Lowest(func(r Ref) bool {
		if _, ok := b.decided(r.Box); ok {
			return true
		}
		if r.Effort*EvictStep > effort {
			price = max(price, r.Effort*EvictStep)
			return false
		}
		out = append(out, r)
		free += CellCost
		return free < CellCost && len(out) < MaxEvicted
	})
	if err != nil || free < CellCost {
		return price, err
	}
	for _, r := range out {
		b.changes = append(b.changes, Change{Remove: &r})
		b.removed[r.Box] = true
		b.usage.Bytes -= CellCost
	}
	return effort, nil
}

func (b *batch) keep(r *Record) {
	b.changes = append(b.changes, Change{Put: r})
	if b.fresh[r.Box] == nil {
		b.order = append(b.order, r.Box)
	}
	b.fresh[r.Box] = r
	delete(b.removed, r.Box)
}

// get answers what a box holds, now or when it is written. RL-06.
func (b *batch) get(a *Asked) error {
	q := a.Request
	r, there, err := b.look(q.Box)
	switch {
	case err != nil:
		return err
	case there:
		b.found(a.Link, q.Tag, &r)
	case q.Wait == 0:
		b.answer(a, box.Miss)
	default:
		b.waiting = append(b.waiting, *a)
	}
	return nil
}

// wait lets requests wait, now that what was decided is durable.
func (b *batch) wait() {
	for _, a := range b.waiting {
		if b.total >= MaxWaits || b.links[a.Link] >= MaxLinkWaits {
			b.answer(&a, box.Busy)
			continue
		}
		until := b.now.Add(time.Duration(a.Request.Wait) * time.Second)
		b.waits[a.Request.Box] = append(b.waits[a.Request.Box], wait{a.Link, a.Request.Tag, until})
		b.links[a.Link]++
		b.total++
		if b.Machine.wake.IsZero() || until.Before(b.Machine.wake) {
			b.Machine.wake = until
		}
	}
}

// found answers what a record says.
func (b *batch) found(link, tag uint64, r *Record) {
	b.answers = append(b.answers, Answer{link, Found(b.day, tag, r)})
}

// Found is the answer that a record is to a question for its box.
func Found(day uint32, tag uint64, r *Record) *box.Reply {
	if r.Cell == nil {
		return &box.Reply{Status: box.Gone, Tag: tag, Day: day, Sig: r.Sig}
	}
	return &box.Reply{Status: box.Found, Tag: tag, Day: day, Expiry: r.Expiry, Sig: r.Sig, Cell: r.Cell}
}

// delete puts a tombstone in place of a cell, so that no copy of it can come back. It
// says OK whether or not there was one. RL-07.
func (b *batch) delete(a *Asked) error {
	d := a.Request.Delete
	if !a.Signed && !d.Verify() {
		b.answer(a, box.Refused)
		return nil
	}
	r, cell, _, err := b.find(d.Box)
	if err != nil {
		return err
	}
	if cell {
		b.keep(&Record{Box: d.Box, Expiry: r.Expiry, Effort: r.Effort, Sig: d.Sig})
		b.usage.Bytes += TombCost - CellCost
	}
	b.answer(a, box.OK)
	return nil
}

// awaken answers those who wait for boxes that were written in this step.
func (b *batch) awaken() {
	for _, address := range b.order {
		r := *b.fresh[address]
		if len(b.waits[address]) > 0 {
			r.Cell = slices.Clone(r.Cell)
		}
		for _, w := range b.waits[address] {
			b.found(w.link, w.tag, &r)
			b.over(w.link)
		}
		delete(b.waits, address)
	}
}

// over takes note that a request of a link does not wait any more.
func (m *Machine) over(link uint64) {
	m.total--
	if m.links[link]--; m.links[link] <= 0 {
		delete(m.links, link)
	}
}

// deadlines answers those who have waited long enough.
func (b *batch) deadlines() {
	if b.wake.IsZero() || b.now.Before(b.wake) {
		return
	}
	b.Machine.wake = time.Time{}
	var late []Answer
	for address, all := range b.waits {
		left := slices.DeleteFunc(all, func(w wait) bool {
			if w.until.After(b.now) {
				if b.Machine.wake.IsZero() || w.until.Before(b.Machine.wake) {
					b.Machine.wake = w.until
				}
				return false
			}
			late = append(late, Answer{w.link, &box.Reply{Status: box.Miss, Tag: w.tag, Day: b.day}})
			b.over(w.link)
			return true
		})
		if len(left) == 0 {
			delete(b.waits, address)
		} else {
			b.waits[address] = left
		}
	}
	if next := b.now.Add(TickLeast); !b.Machine.wake.IsZero() && b.Machine.wake.Before(next) {
		b.Machine.wake = next
	}
	slices.SortFunc(late, func(x, y Answer) int {
		return cmp.Or(cmp.Compare(x.Link, y.Link), cmp.Compare(x.Reply.Tag, y.Reply.Tag))
	})
	b.answers = append(b.answers, late...)
}

// Gone says that a link ended: what waits on it does not any more.
func (m *Machine) Gone(link uint64) {
	if m.links[link] == 0 {
		return
	}
	for address, all := range m.waits {
		left := slices.DeleteFunc(all, func(w wait) bool { return w.link == link })
		m.total -= len(all) - len(left)
		if len(left) == 0 {
			delete(m.waits, address)
		} else {
			m.waits[address] = left
		}
	}
	delete(m.links, link)
}

// Wake returns when Step wants to be called without a request: for those who wait, or
// when the day ends. It is zero before the first step.
func (m *Machine) Wake() time.Time {
	if m.day == 0 {
		return time.Time{}
	}
	tomorrow := time.Unix((int64(m.day)+1)*24*3600, 0)
	if m.wake.IsZero() || tomorrow.Before(m.wake) {
		return tomorrow
	}
	return m.wake
}
