package boxstore

import (
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"

	"kith/box"
	"kith/internal/relay"
)

const today = 20000

func randomRecord(expiry uint32) *relay.Record {
	r := &relay.Record{Expiry: expiry, Effort: 50, Cell: make([]byte, box.CellSize)}
	rand.Read(r.Box[:])
	rand.Read(r.Sig[:])
	rand.Read(r.Cell)
	return r
}

func parallel(b *testing.B, n int, fn func()) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				fn()
			}
		})
	}
	group.Wait()
}

func benchTriple(b *testing.B, days uint32) {
	s, err := Open(b.TempDir(), today, Options{Cap: 1 << 33})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for d := range days {
		if err := s.Apply([]relay.Change{{Put: randomRecord(today + d)}}); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	parallel(b, 64, func() {
		r := randomRecord(today + min(14, days-1))
		if _, ok, err := s.Get(r.Box); ok || err != nil {
			panic("x")
		}
		if err := s.Apply([]relay.Change{{Put: r}}); err != nil {
			panic(err)
		}
		g, ok, err := s.Get(r.Box)
		if !ok || err != nil || len(g.Cell) != box.CellSize {
			panic("x")
		}
		g, ok, err = s.Get(r.Box)
		if !ok || err != nil {
			panic("x")
		}
		g.Cell = nil
		if err := s.Apply([]relay.Change{{Put: &g}}); err != nil {
			panic(err)
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "triples/s")
}

// BenchmarkTriple is a put, a get and a deletion with the look-ups of a relay, by 64
// callers, in a store of one day and in one of all days.
func BenchmarkTriple(b *testing.B) {
	b.Run("1 day", func(b *testing.B) { benchTriple(b, 1) })
	b.Run("23 days", func(b *testing.B) { benchTriple(b, 23) })
}
