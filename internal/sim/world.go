package sim

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"kith/box"
	"kith/identity"
	"kith/internal/chat"
	"kith/internal/delivery"
	"kith/internal/engine"
	"kith/internal/placement"
	"kith/internal/wire"
)

// Faults is how badly the network and the devices behave: chances from 0 to 1
// per event.
type Faults struct {
	Loss, Repeat float64
	// CrashBefore ends a device after a decision and before its commit,
	// CrashAfter after the commit and before anything leaves.
	CrashBefore, CrashAfter float64
	MaxDelay                time.Duration
}

// World is devices, a network and a clock.
type World struct {
	Now     time.Time
	Faults  Faults
	rng     *rand.Rand
	devices []*Device
	byPeer  map[wire.PeerID]*Device
	agenda  agenda
	touched []*Device               // may want to be woken at another time
	cuts    map[[2]wire.PeerID]int  // how often links of a pair went down
	dark    map[[2]wire.PeerID]bool // pairs that cannot reach each other
	relays  map[box.RelayID]*Relay
	Steps   int
}

// flight is something on its way.
type flight struct {
	at       time.Time
	n        int // order of sending, for equal times
	from, to wire.PeerID
	kind     wire.LinkKind
	frame    []byte
	asked    *asking // instead: something between a device and a relay
	cuts     int     // of the link it is on: what is on a link that went down is lost
	wakes    *Device // instead: this device is woken
	relay    *Relay  // instead: this relay is
}

// agenda is what is to happen, the next first.
type agenda []flight

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].n < a[j].n
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(flight)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// Device is one device: the real machines over a store in memory.
type Device struct {
	world    *World
	Name     string
	Self     engine.Self
	mem      *memory
	engine   engine.Machine
	delivery *delivery.Machine
	boxes    *placement.Machine
	boxesOf  map[wire.EnvelopeID][][32]byte
	wake     time.Time // when the engine wants a tick
	alarm    time.Time // when it is on the agenda next
	touched  bool      // it is in the world's list
	life     int       // counts starts: answers to an earlier life are lost
	Off      bool      // switched off
	skew     time.Duration
	links    map[wire.PeerID]bool
	Crashes  int
	refused  int
}

// New makes an empty world.
func New(seed uint64) *World {
	return &World{
		Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), rng: rand.New(rand.NewPCG(seed, 1)),
		byPeer: map[wire.PeerID]*Device{}, cuts: map[[2]wire.PeerID]int{},
		dark: map[[2]wire.PeerID]bool{}, relays: map[box.RelayID]*Relay{},
	}
}

// AddDevice makes an account with its device. Skew is how wrong its clock is.
func (w *World) AddDevice(name string, skew time.Duration) (*Device, error) {
	return w.AddDeviceOf(identity.NewAccount(), name, skew)
}

// AddDeviceOf makes a device of an account that may have had another, as a
// restore from the 24 words does.
func (w *World) AddDeviceOf(account *identity.Account, name string, skew time.Duration) (*Device, error) {
	d := &Device{world: w, Name: name, mem: newMemory(), skew: skew}
	first, err := engine.Create(account, name, d.now())
	if err != nil {
		return nil, err
	}
	if _, err := d.mem.apply(first, d.now()); err != nil {
		return nil, err
	}
	if d.Self, err = engine.LoadSelf(d.mem); err != nil {
		return nil, err
	}
	w.devices = append(w.devices, d)
	w.byPeer[d.peer()] = d
	d.start()
	return d, nil
}

func (d *Device) now() time.Time    { return d.world.Now.Add(d.skew) }
func (d *Device) peer() wire.PeerID { return wire.PeerOf(d.Self.Device.ID()) }

func (w *World) device(p wire.PeerID) *Device { return w.byPeer[p] }

// start begins a device's life with what its store holds.
func (d *Device) start() {
	d.touch()
	d.links = map[wire.PeerID]bool{}
	d.startBoxes()
	d.delivery = delivery.New(slices.Clone(d.mem.outbox), d.world.rng.Uint64())
	contacts, _ := d.mem.Contacts()
	for _, c := range contacts {
		if c.State != chat.ContactRefused {
			d.do(d.delivery.Step(d.now(), delivery.Keep{Peer: wire.PeerOf(c.Device)}))
		}
	}
}

// crash ends a device at once and starts it again: memory is gone, links are
// down on both sides, the store stays.
func (d *Device) crash() {
	d.Crashes++
	for p := range d.links {
		d.world.unlink(d.peer(), p)
	}
	d.start()
}

func (w *World) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

func (w *World) delay() time.Duration {
	return time.Millisecond + time.Duration(w.rng.Int64N(int64(w.Faults.MaxDelay)+1))
}

func pair(a, b wire.PeerID) [2]wire.PeerID {
	if slices.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	return [2]wire.PeerID{a, b}
}

// Cut and Join make two devices unreachable for each other, and reachable again.
func (w *World) Cut(a, b *Device) {
	w.dark[pair(a.peer(), b.peer())] = true
	w.unlink(a.peer(), b.peer())
}

// Join: see [World.Cut].
func (w *World) Join(a, b *Device) { delete(w.dark, pair(a.peer(), b.peer())) }

// unlink takes a link down; what was on it is lost.
func (w *World) unlink(a, b wire.PeerID) {
	w.cuts[pair(a, b)]++
	for _, ends := range [][2]wire.PeerID{{a, b}, {b, a}} {
		if d := w.device(ends[0]); d.links[ends[1]] {
			delete(d.links, ends[1])
			d.do(d.delivery.Step(d.now(), delivery.Down{Peer: ends[1]}))
		}
	}
}

// Do gives a command to a device's engine and carries out what follows.
func (d *Device) Do(in engine.Input) (any, error) {
	up, err := d.engine.Step(d.mem, d.now(), in)
	if err != nil {
		return nil, err
	}
	if err := d.commit(up, nil); err != nil {
		return nil, err
	}
	return up.Reply, nil
}

// commit writes an update and lets out what it decided, unless a crash comes
// between.
func (d *Device) commit(up *engine.Update, then []delivery.Effect) error {
	d.touch()
	if _, err := d.mem.apply(up, d.now()); err != nil {
		return err
	}
	if d.world.chance(d.world.Faults.CrashAfter) {
		d.crash()
		return nil
	}
	if up.Ack {
		d.do(then)
	}
	for _, e := range up.Events {
		switch e := e.(type) {
		case chat.ContactAdded:
			d.do(d.delivery.Step(d.now(), delivery.Keep{Peer: wire.PeerOf(e.Contact.Device)}))
		case chat.ContactMoved:
			d.do(d.delivery.Step(d.now(), delivery.Keep{Peer: wire.PeerOf(e.Device)}))
		}
	}
	if len(up.Drop) > 0 {
		d.do(d.delivery.Step(d.now(), delivery.Drop{IDs: up.Drop}))
	}
	if len(up.Outgoing) > 0 {
		d.do(d.delivery.Step(d.now(), delivery.Queue{Envelopes: up.Outgoing}))
	}
	d.releaseBoxes(up)
	return nil
}

// errCrash ends the handling of an input whose device died in the middle.
var errCrash = errors.New("sim: crash")

// input gives an input of the network to the engine.
func (d *Device) input(in engine.Input, then []delivery.Effect) error {
	up, err := d.engine.Step(d.mem, d.now(), in)
	if errors.Is(err, engine.ErrRefused) {
		d.refused++
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.Name, err)
	}
	if d.world.chance(d.world.Faults.CrashBefore) {
		d.crash()
		return errCrash
	}
	before := d.Crashes
	if err := d.commit(up, then); err != nil {
		return err
	}
	if d.Crashes != before {
		return errCrash
	}
	return nil
}

// do carries out effects of delivery. Errors of the engine are kept by the
// world until the next step reports them.
func (d *Device) do(effects []delivery.Effect) {
	d.touch()
	for _, e := range effects {
		var err error
		switch e := e.(type) {
		case delivery.Dial:
			d.dial(e.Peer)
		case delivery.Send:
			d.send(e)
		case delivery.Deliver:
			err = d.input(engine.Received{From: e.From.Device(), Envelope: e.Envelope}, []delivery.Effect{e.Then})
		case delivery.Box:
			err = d.input(engine.BoxUp{ID: e.ID}, nil)
		case delivery.Acked:
			err = d.input(engine.Acked{From: e.From.Device(), ID: e.ID}, nil)
		}
		if errors.Is(err, errCrash) {
			return
		}
		if err != nil {
			panic(err) // a local error has no place in a simulation: the test fails with its stack
		}
	}
}

func (d *Device) dial(p wire.PeerID) {
	w := d.world
	other := w.device(p)
	if other == nil || other.Off || d.Off || w.dark[pair(d.peer(), p)] || w.chance(w.Faults.Loss) {
		w.fly(flight{from: p, to: d.peer()}) // the dial ends without a link
		return
	}
	if d.links[p] {
		return
	}
	d.links[p], other.links[d.peer()] = true, true
	d.do(d.delivery.Step(d.now(), delivery.Up{Peer: p}))
	if d.links[p] {
		other.do(other.delivery.Step(other.now(), delivery.Up{Peer: d.peer()}))
	}
}

func (d *Device) send(e delivery.Send) {
	w := d.world
	if !d.links[e.Peer] || w.chance(w.Faults.Loss) {
		return
	}
	for range 1 + b2i(w.chance(w.Faults.Repeat)) {
		w.fly(flight{from: d.peer(), to: e.Peer, kind: wire.LinkFrame, frame: e.Frame})
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (w *World) fly(f flight) {
	f.cuts = w.cuts[pair(f.from, f.to)]
	w.plan(w.Now.Add(w.delay()), f)
}

// plan puts something on the agenda.
func (w *World) plan(at time.Time, f flight) {
	f.at, f.n = at, w.Steps
	w.Steps++
	heap.Push(&w.agenda, f)
}

// touch notes that a device may want to be woken at another time.
func (d *Device) touch() {
	if !d.touched {
		d.touched = true
		d.world.touched = append(d.world.touched, d)
	}
}

// settle brings the agenda up to date with when devices want to be woken.
func (w *World) settle() {
	for _, d := range w.touched {
		d.touched = false
		at := d.wakes()
		if !at.IsZero() {
			at = later(w.Now, at.Add(-d.skew))
		}
		if d.alarm = at; !at.IsZero() {
			w.plan(at, flight{wakes: d})
		}
	}
	w.touched = w.touched[:0]
}

// next returns when something happens next.
func (w *World) next() (at time.Time, ok bool) {
	w.settle()
	for len(w.agenda) > 0 {
		f := w.agenda[0]
		if f.wakes != nil && (f.wakes.Off || !f.wakes.alarm.Equal(f.at)) || f.relay != nil && !f.relay.alarm.Equal(f.at) {
			heap.Pop(&w.agenda) // planned for another time since
			continue
		}
		return f.at, true
	}
	return at, false
}

// Step moves time to the next happening and lets it happen. It reports false
// when nothing will ever happen again.
func (w *World) Step() bool {
	w.Steps++
	if _, ok := w.next(); !ok {
		return false
	}
	f := heap.Pop(&w.agenda).(flight)
	w.Now = later(w.Now, f.at)
	switch {
	case f.wakes != nil:
		f.wakes.alarm = time.Time{}
		f.wakes.tick()
	case f.relay != nil:
		f.relay.alarm = time.Time{}
		f.relay.expire()
	default:
		w.land(f)
	}
	return true
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (w *World) land(f flight) {
	if f.asked != nil {
		f.asked.land()
		return
	}
	d := w.device(f.to)
	if f.kind == wire.LinkFrame {
		if d.links[f.from] && f.cuts == w.cuts[pair(f.from, f.to)] {
			d.do(d.delivery.Step(d.now(), delivery.Frame{Peer: f.from, Bytes: f.frame}))
		}
		return
	}
	d.do(d.delivery.Step(d.now(), delivery.DialEnded{Peer: f.from}))
}

// Advance lets everything happen that happens within span.
func (w *World) Advance(span time.Duration) {
	end := w.Now.Add(span)
	for w.Now.Before(end) && w.pending(end) && w.Step() {
	}
	w.Now = later(w.Now, end)
}

// pending reports whether something happens before end.
func (w *World) pending(end time.Time) bool {
	at, ok := w.next()
	return ok && at.Before(end)
}

// Invite makes an invite of d.
func (d *Device) Invite(life time.Duration) (*identity.Invite, error) {
	r, err := d.Do(engine.Invite{Life: life, Addrs: []string{"/sim/" + d.Name}})
	if err != nil {
		return nil, err
	}
	return r.(engine.Invited).Invite, nil
}

// Send says something to another device's account.
func (d *Device) Send(to *Device, text string) (wire.MessageID, error) {
	r, err := d.Do(engine.Send{To: to.Self.Account, Text: text})
	if err != nil {
		return wire.MessageID{}, err
	}
	return r.(engine.Sent).ID, nil
}

// Timeline returns what was said in d's conversation with another device's account.
func (d *Device) Timeline(with *Device) []chat.Message {
	return slices.DeleteFunc(d.mem.timeline(chat.With(with.Self.Account)), func(m chat.Message) bool { return m.Notice != 0 })
}

// Notices returns what d's conversation shows that nobody said.
func (d *Device) Notices(with *Device) []chat.Notice {
	var all []chat.Notice
	for _, m := range d.mem.timeline(chat.With(with.Self.Account)) {
		if m.Notice != 0 {
			all = append(all, m.Notice)
		}
	}
	return all
}

// CheckProjections folds the log again and compares: rebuilt projections must
// equal incremental ones.
func (d *Device) CheckProjections() error {
	again := newProjection()
	for _, l := range d.mem.log {
		if err := chat.Apply(&again, l); err != nil {
			return err
		}
	}
	again.blanked, again.unlogged = nil, nil
	if !reflect.DeepEqual(again, d.mem.projection) {
		return fmt.Errorf("%s: the rebuilt projections differ from the incremental ones", d.Name)
	}
	return nil
}

// describe says how a device stands, for failures.
func (d *Device) describe() string {
	return fmt.Sprintf("links %d, refused %d, outbox %d, waiting %d, wakes %v", len(d.links), d.refused, len(d.mem.outbox),
		d.delivery.Len(), d.delivery.Wake().Sub(d.now()))
}
