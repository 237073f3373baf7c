package boxstore

import (
	"crypto/rand"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"

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

// groupCommit is bbolt alone: calls that come together in one transaction.
type groupCommit struct {
	db    *bbolt.DB
	mu    sync.Mutex
	queue []*call
	busy  bool
}
type call struct {
	fn   func(*bbolt.Bucket)
	done chan struct{}
	lead bool
}

func (g *groupCommit) do(fn func(*bbolt.Bucket)) {
	c := &call{fn: fn, done: make(chan struct{})}
	g.mu.Lock()
	g.queue = append(g.queue, c)
	lead := !g.busy
	g.busy = true
	g.mu.Unlock()
	if !lead {
		<-c.done
		if !c.lead {
			return
		}
	}
	g.mu.Lock()
	batch := g.queue
	g.queue = nil
	g.mu.Unlock()
	err := g.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("b"))
		for _, c := range batch {
			c.fn(b)
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
	for _, o := range batch {
		if o != c {
			close(o.done)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		g.busy = false
	} else {
		g.queue[0].lead = true
		close(g.queue[0].done)
	}
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

func BenchmarkTripleFloor(b *testing.B) {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "x"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("b")); return err })
	g := &groupCommit{db: db}
	b.ResetTimer()
	parallel(b, 64, func() {
		r := randomRecord(today)
		v := append(encode(r), make([]byte, tagSize)...)
		g.do(func(b *bbolt.Bucket) { b.Put(r.Box[:16], v) })
		db.View(func(tx *bbolt.Tx) error {
			if len(tx.Bucket([]byte("b")).Get(r.Box[:16])) != len(v) {
				panic("x")
			}
			return nil
		})
		g.do(func(b *bbolt.Bucket) { b.Put(r.Box[:16], v[:recordHead+28]) })
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "triples/s")
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

func BenchmarkTriple1(b *testing.B)  { benchTriple(b, 1) }
func BenchmarkTriple23(b *testing.B) { benchTriple(b, 23) }
