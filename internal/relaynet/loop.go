package relaynet

import (
	"fmt"
	"sync/atomic"
	"time"

	"kith/box"
	"kith/internal/relay"
)

// far is when the machine is woken that does not want to be.
const far = 24 * time.Hour

// run is the loop: it owns the machine. Requests that came while a step was at
// work, and waited for the disk, go into the next one together.
func (s *Server) run() {
	links := map[uint64]*link{}
	totals := newTotals(s.options.Now(), s.options.Log, s.options.Full)
	timer := time.NewTimer(far)
	defer timer.Stop()
	var batch []*pending
	var pace pace
	// Whatever ended while the relay was off ends now.
	s.step(s.options.Now(), nil, links, totals)
	for {
		batch = batch[:0]
		now := s.options.Now()
		wake := far
		if at := s.options.Machine.Wake(); !at.IsZero() {
			wake = max(at.Sub(now), 0)
		}
		timer.Reset(min(wake, totals.next.Sub(now)))
		select {
		case p := <-s.asked:
			batch = append(batch, p)
		case <-timer.C:
		case <-s.stopped.Done():
			return
		}
		batch = s.more(batch, &pace)
		now = s.options.Now()
		begun := time.Now()
		s.step(now, batch, links, totals)
		pace.count, pace.took = len(batch), time.Since(begun)
		totals.tell(now, &s.looked)
	}
}

// pace is how the last step went: how many requests, and how long.
type pace struct {
	count int
	took  time.Duration
}

// more adds what waits already. A step costs the disk about the same for few as for
// many, and who was answered in the last one soon asks again: so that not a large
// and a small one take turns, it waits a while until there are half as many as in
// this one and the last together. Who asks alone waits for nobody.
func (s *Server) more(batch []*pending, last *pace) []*pending {
	if len(batch) == 0 {
		return batch
	}
	batch = s.waiting(batch)
	want := min((len(batch)+last.count)/2, s.limits.Batch)
	if len(batch) >= want {
		return batch
	}
	late := time.NewTimer(min(last.took/2, maxGather))
	defer late.Stop()
	for len(batch) < want {
		select {
		case p := <-s.asked:
			batch = append(batch, p)
		case <-late.C:
			return batch
		}
	}
	return s.waiting(batch)
}

func (s *Server) waiting(batch []*pending) []*pending {
	for len(batch) < s.limits.Batch {
		select {
		case p := <-s.asked:
			batch = append(batch, p)
		default:
			return batch
		}
	}
	return batch
}

// step lets the machine decide, hands out the answers, and then forgets links
// that are over.
func (s *Server) step(now time.Time, batch []*pending, links map[uint64]*link, totals *totals) {
	var asked []relay.Asked
	for _, p := range batch {
		if p.frame != nil {
			links[p.link.id] = p.link
			asked = append(asked, p.asked)
			totals.count(p.asked.Request.Op)
		}
	}
	answers, err := s.options.Machine.Step(now, asked)
	if err != nil {
		answers = nil
		for _, a := range asked {
			answers = append(answers, relay.Answer{Link: a.Link, Reply: &box.Reply{Status: box.Busy, Tag: a.Request.Tag, Day: box.Day(now)}})
		}
	}
	for _, a := range answers {
		if l := links[a.Link]; l != nil {
			s.answer(l, a.Reply)
		}
	}
	for _, p := range batch {
		if p.frame == nil {
			delete(links, p.link.id)
			s.backlog.Add(-int64(len(p.link.answers))) // nobody writes them any more
			s.options.Machine.Gone(p.link.id)
		} else {
			p.release()
		}
	}
}

// totals are what is told about an hour: how many of each operation, rounded so
// that nobody is in them.
type totals struct {
	next time.Time
	ops  map[box.Op]int
	log  func(string)
	full func() int // nil: only hours in which there was something are told
}

const rounding = 1000

func newTotals(now time.Time, log func(string), full func() int) *totals {
	return &totals{next: now.Add(time.Hour), ops: map[box.Op]int{}, log: log, full: full}
}

func (t *totals) count(op box.Op) { t.ops[op]++ }

// tell logs when the hour is over, and only if there is something left of it.
func (t *totals) tell(now time.Time, looked *atomic.Int64) {
	if now.Before(t.next) {
		return
	}
	t.ops[box.OpGet] += int(looked.Swap(0))
	round := func(op box.Op) int { return (t.ops[op] + rounding/2) / rounding * rounding }
	if puts, gets, deletes := round(box.OpPut), round(box.OpGet), round(box.OpDelete); puts+gets+deletes > 0 || t.full != nil {
		line := fmt.Sprintf("in the last hour about %d boxes put, %d asked for, %d deleted", puts, gets, deletes)
		if t.full != nil {
			line += fmt.Sprintf("; %d %% full", t.full())
		}
		t.log(line)
	}
	clear(t.ops)
	t.next = now.Add(time.Hour)
}
