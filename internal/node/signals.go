package node

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// How often watchers are told at most that one contact writes, and how far one file
// is.
const (
	typingEvery   = time.Second
	progressEvery = 250 * time.Millisecond
)

// signals are what watchers are told between events and what is in no log: who
// writes, how far a file is. Of one thing they are told at most as often as every
// says, however often it is heard; what was missed between is not told later.
type signals[K comparable] struct {
	every time.Duration
	mu    sync.Mutex // guards what follows
	count uint64     // numbers what was heard
	last  map[K]signal
}

type signal struct {
	n  uint64
	at time.Time
}

// hear notes a signal and reports whether it is news; the last one of something
// always is.
func (s *signals[K]) hear(k K, now time.Time, last bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if since := now.Sub(s.last[k].at); !last && since >= 0 && since < s.every {
		return false
	}
	if s.last == nil {
		s.last = map[K]signal{}
	}
	s.count++
	s.last[k] = signal{s.count, now}
	return true
}

// forget lets go of what will not be heard of again.
func (s *signals[K]) forget(k K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.last, k)
}

// since returns what was heard after the n-th time, in order, and how often in all.
func (s *signals[K]) since(n uint64) (heard []K, count uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, x := range s.last {
		if x.n > n {
			heard = append(heard, k)
		}
	}
	slices.SortFunc(heard, func(a, b K) int { return cmp.Compare(s.last[a].n, s.last[b].n) })
	return heard, s.count
}
