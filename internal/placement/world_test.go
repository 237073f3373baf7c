package placement_test

import (
	"bytes"
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kith/box"
	"kith/internal/placement"
)

// A world of a writer, a reader and relays, in virtual time: the machines, and models
// of what is around them.

type event struct {
	at time.Time
	n  int
	do func()
}

type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return cmp.Or(a[i].at.Compare(a[j].at), cmp.Compare(a[i].n, a[j].n)) < 0
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(event)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// model is a relay. A lie, if there is one, answers in its place.
type model struct {
	id    box.RelayID
	held  map[placement.Box][]byte // the stored put; nil if it was deleted
	waits map[placement.Box][]func()
	down  bool
	lie   func(r *model, a placement.Ask) (placement.Answered, bool)
}

// end is one end of the stream: a machine and the device around it.
type end struct {
	w     *world
	m     *placement.Machine
	off   bool
	wake  time.Time
	asked int
}

type world struct {
	t       *testing.T
	rng     *rand.Rand
	now     time.Time
	events  agenda
	n       int
	relays  map[box.RelayID]*model
	ids     []box.RelayID
	writer  end
	reader  end
	sent    int
	boxed   map[int]int // what the writer was told, by box
	read    map[int]int // how often a box was delivered
	gone    map[int]bool
	taken   []int
	next    map[placement.Box]int
	missing []int // not read, in order
	lies    int   // answers that were lies
}

func newWorld(t *testing.T, n int) *world {
	w := &world{t: t, rng: draw(t), now: noon, relays: map[box.RelayID]*model{}, ids: relays(n),
		boxed: map[int]int{}, read: map[int]int{}, gone: map[int]bool{}, next: map[placement.Box]int{}}
	for _, id := range w.ids {
		w.relays[id] = &model{id: id, held: map[placement.Box][]byte{}, waits: map[placement.Box][]func(){}}
	}
	w.writer, w.reader = end{w: w, m: placement.New(w.rng.Uint64())}, end{w: w, m: placement.New(w.rng.Uint64())}
	return w
}

func (w *world) after(d time.Duration, do func()) {
	w.n++
	heap.Push(&w.events, event{w.now.Add(d), w.n, do})
}

func (w *world) advance(d time.Duration) {
	end := w.now.Add(d)
	for len(w.events) > 0 && !w.events[0].at.After(end) {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

// know tells both ends on which relays the stream lies.
func (w *world) know(writer, reader []box.RelayID) {
	w.writer.step(placement.Relays{Of: group, List: writer})
	w.reader.step(placement.Relays{Of: group, List: reader})
}

// say has the writer leave the next box.
func (w *world) say() {
	i := w.sent
	w.sent++
	w.next[boxOf(i)] = i
	w.missing = append(w.missing, i)
	w.writer.step(placement.Write{Of: group, Cells: []placement.Cell{cellOf(i)}})
}

// look has the reader look for what it misses, as the engine would.
func (w *world) look() {
	boxes := []placement.Box{}
	for i := 0; len(boxes) < 2; i++ {
		if w.read[i] == 0 {
			boxes = append(boxes, boxOf(i))
		}
	}
	w.reader.step(placement.Watch{Of: group, Boxes: boxes})
}

func (e *end) step(in placement.Input) {
	if e.off {
		return
	}
	for _, f := range e.m.Step(e.w.now, in) {
		e.do(f)
	}
	if wake := e.m.Wake(); !wake.IsZero() && !wake.Equal(e.wake) {
		e.wake = wake
		e.w.after(max(wake.Sub(e.w.now), 0), func() {
			if e.wake.Equal(wake) && !e.off {
				e.wake = time.Time{}
				e.step(placement.Tick{})
			}
		})
	}
}

func (e *end) do(f placement.Effect) {
	w := e.w
	switch f := f.(type) {
	case placement.Ask:
		e.asked++
		w.after(20*time.Millisecond, func() { w.relays[f.Relay].handle(w, e, f) })
	case placement.Stored:
		i := w.next[f.Box]
		if f.On <= w.boxed[i] || f.On > f.Wanted {
			w.t.Fatalf("box %d: on %d of %d after %d", i, f.On, f.Wanted, w.boxed[i])
		}
		w.boxed[i] = f.On
	case placement.Gone:
		w.gone[w.next[f.Box]] = true
	case placement.Taken:
		w.taken = append(w.taken, w.next[f.Box])
	case placement.Skip:
		w.t.Fatalf("a box was read that was not: %d", w.next[f.Box])
	case placement.Found:
		i, known := w.next[f.Box]
		if !known || !bytes.Equal(f.Cell, putOf(i).Cell) {
			w.after(0, func() { e.step(placement.Wrong{Of: f.Of, Box: f.Box}) })
			return
		}
		w.after(0, func() { w.deliver(i) })
	}
}

// deliver is what the engine does with a box that opens: it is done with, deleted
// later, acknowledged later, and what was passed over is asked for again.
func (w *world) deliver(i int) {
	w.read[i]++
	w.missing = slices.DeleteFunc(w.missing, func(x int) bool { return x == i })
	w.reader.step(placement.Delete{Of: group, Box: boxOf(i), Del: []byte{1}})
	w.look()
	gap := []placement.Box{}
	for _, x := range w.missing {
		if x < i {
			gap = append(gap, boxOf(x))
		}
	}
	w.after(time.Duration(1+w.rng.IntN(30))*time.Minute, func() {
		w.writer.step(placement.Forget{Boxes: []placement.Box{boxOf(i)}})
		w.writer.step(placement.Again{Boxes: gap})
	})
}

// handle is a relay that is asked something.
func (r *model) handle(w *world, e *end, a placement.Ask) {
	answer := func(in placement.Answered) {
		in.Tag = a.Tag
		w.after(20*time.Millisecond, func() { e.step(in) })
	}
	if r.down {
		w.after(time.Second, func() { e.step(placement.Failed{Tag: a.Tag}) })
		return
	}
	if r.lie != nil {
		if in, lies := r.lie(r, a); lies {
			w.lies++
			answer(in)
			return
		}
	}
	stored, there := r.held[a.Box]
	show := func() {
		p, err := box.ParsePut(r.held[a.Box])
		if err != nil {
			answer(placement.Answered{Status: box.Gone})
			return
		}
		answer(placement.Answered{Status: box.Found, Expiry: p.Expiry, Cell: p.Cell})
	}
	switch {
	case a.Op == placement.Del:
		if there {
			r.held[a.Box] = nil
		}
		answer(placement.Answered{Status: box.OK})
	case a.Op == placement.Get && there:
		show()
	case a.Op == placement.Get && a.Wait > 0:
		over := false
		r.waits[a.Box] = append(r.waits[a.Box], func() {
			if !over && !r.down {
				over = true
				show()
			}
		})
		w.after(a.Wait, func() {
			if !over {
				over = true
				answer(placement.Answered{Status: box.Miss})
			}
		})
	case a.Op == placement.Get:
		answer(placement.Answered{Status: box.Miss})
	case there && stored == nil:
		answer(placement.Answered{Status: box.Gone})
	case there && !bytes.Equal(stored, a.Body):
		answer(placement.Answered{Status: box.Conflict})
	case there:
		answer(placement.Answered{Status: box.Exists})
	default:
		r.held[a.Box] = a.Body
		answer(placement.Answered{Status: box.OK})
		for _, wake := range r.waits[a.Box] {
			wake()
		}
		delete(r.waits, a.Box)
	}
}

// undelivered says what is wrong with what arrived, if anything is.
func (w *world) undelivered() error {
	for i, n := range w.read {
		if n != 1 {
			return fmt.Errorf("box %d was delivered %d times", i, n)
		}
	}
	if len(w.read) != w.sent {
		return fmt.Errorf("%d of %d boxes were delivered, %v are missing", len(w.read), w.sent, w.missing[:min(len(w.missing), 9)])
	}
	return nil
}
