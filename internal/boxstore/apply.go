package boxstore

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"kith/internal/relay"
)

// waiting is one Apply in the queue.
type waiting struct {
	changes []relay.Change
	err     error
	done    chan struct{} // closed when err is final, or one word: lead
	lead    bool
}

// Apply makes changes durable: a power cut after it returned nil does not undo
// them. Calls that come while another commits are committed together, with one
// commit for each day they touch. [ErrCap]: nothing of this call was done. Any
// other error: nothing of it may be acknowledged, and some of it may be there.
// Changes of one call to one box are applied in order.
func (s *Store) Apply(changes []relay.Change) error {
	if len(changes) == 0 {
		return nil
	}
	w := &waiting{changes: changes, done: make(chan struct{})}
	s.queueMu.Lock()
	s.queue = append(s.queue, w)
	lead := !s.leading
	s.leading = true
	s.queueMu.Unlock()
	if !lead {
		<-w.done
		if !w.lead {
			return w.err
		}
	}
	s.queueMu.Lock()
	batch := s.queue
	s.queue = nil
	s.queueMu.Unlock()
	s.commit(batch)
	for _, o := range batch {
		if o != w {
			close(o.done)
		}
	}
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	if len(s.queue) == 0 {
		s.leading = false
	} else {
		next := s.queue[0] // it commits for those behind it
		next.lead = true
		close(next.done)
	}
	return w.err
}

// commit sorts a batch by day, seals, and commits all days at the same time.
func (s *Store) commit(batch []*waiting) {
	s.work.Lock()
	defer s.work.Unlock()
	parts := map[uint32][]relay.Change{}
	users := map[uint32][]*waiting{}
	usage := s.Usage()
	for _, w := range batch {
		n, err := s.growth(w.changes, usage.Bytes, usage.Cap)
		if err == nil && n > 0 && usage.Bytes+n > usage.Cap {
			err = ErrCap
		}
		if err != nil {
			w.err = diskError(err)
			continue
		}
		usage.Bytes += n
		for _, c := range w.changes {
			n := dayOfChange(&c)
			parts[n] = append(parts[n], c)
			if u := users[n]; len(u) == 0 || u[len(u)-1] != w {
				users[n] = append(u, w)
			}
		}
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	for n, changes := range parts {
		group.Go(func() {
			err := s.commitDay(n, changes)
			if err == nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, w := range users[n] {
				w.err = err
			}
		})
	}
	group.Wait()
	s.compactIfNeeded()
}

// dayOfChange is the day a change is about.
func dayOfChange(c *relay.Change) uint32 {
	if c.Put != nil {
		return c.Put.Expiry
	}
	return c.Remove.Expiry
}

// growth is by how much a call raises the usage. Near the cap it looks at what is
// there; else the most it can be will do.
func (s *Store) growth(changes []relay.Change, used, limit int64) (n int64, err error) {
	for _, c := range changes {
		n += cost(c.Put)
	}
	if used+n <= limit {
		return n, nil
	}
	n = 0
	type place struct {
		box [32]byte
		day uint32
	}
	now := map[place]int64{}
	for i := range changes {
		c := &changes[i]
		p := place{boxOf(c), dayOfChange(c)}
		before, known := now[p]
		if !known {
			if before, err = s.costOf(p.box, p.day); err != nil {
				return 0, err
			}
		}
		now[p] = cost(c.Put)
		n += now[p] - before
	}
	return n, nil
}

func boxOf(c *relay.Change) [32]byte {
	if c.Put != nil {
		return c.Put.Box
	}
	return c.Remove.Box
}

// cost is what a record counts; none counts nothing.
func cost(r *relay.Record) int64 {
	switch {
	case r == nil:
		return 0
	case r.Cell == nil:
		return relay.TombCost
	}
	return relay.CellCost
}

// costOf is what a day's record of a box counts now.
func (s *Store) costOf(box [32]byte, number uint32) (int64, error) {
	d, err := s.day(number, false)
	if err != nil || d == nil {
		return 0, err
	}
	r, ok, err := d.get(box)
	if err != nil || !ok {
		if errors.Is(err, errDamaged) {
			return 0, nil // found out again by whoever writes there
		}
		return 0, err
	}
	return cost(&r), nil
}

// commitDay commits changes to one day, which it makes when it is not there
// and finds again when it was set aside meanwhile.
func (s *Store) commitDay(number uint32, changes []relay.Change) error {
	for range 2 {
		d, err := s.day(number, slices.ContainsFunc(changes, func(c relay.Change) bool { return c.Put != nil }))
		if err != nil {
			return diskError(err)
		}
		if d == nil {
			return nil // nothing to remove
		}
		prepared := make([]sealed, len(changes))
		for i, c := range changes {
			prepared[i] = d.seal(c)
		}
		if err = d.commit(prepared); !errors.Is(err, errDamaged) {
			return diskError(err)
		}
		s.setAside(d)
	}
	return errUnavailable
}

// day returns the day in service, or makes it.
func (s *Store) day(number uint32, create bool) (*day, error) {
	days, err := s.snapshot()
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(days, func(d *day) bool { return d.number == number }); i >= 0 {
		return days[i], nil
	}
	if !create {
		return nil, nil
	}
	for generation := 0; ; generation++ {
		path := filepath.Join(s.dir, dirName(number, generation))
		if _, err := os.Lstat(path); err == nil {
			continue
		} else if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		d, err := createDay(path, number, s.options.open)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.days = append(slices.Clone(s.days), d)
		s.sort()
		s.mu.Unlock()
		return d, nil
	}
}
