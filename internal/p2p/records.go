package p2p

import (
	"context"
	"errors"
	"sync"

	datastore "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"

	"kith/internal/rendezvous"
)

// errFull refuses a record when there is no room for one more.
var errFull = errors.New("p2p: no room for records")

// shelf keeps other devices' records in memory, and no more than its room: a
// place costs whoever makes one nothing.
type shelf struct {
	datastore.Batching
	room int

	mu sync.Mutex // guards which
	// which records lie there; the embedded one has no count.
	which map[datastore.Key]struct{}
}

func newShelf(room int) *shelf {
	return &shelf{Batching: datastore.NewMapDatastore(), room: room, which: map[datastore.Key]struct{}{}}
}

// maxKept is a record with what the DHT writes around it.
const maxKept = rendezvous.Size + 256

// Put implements datastore.Write.
func (s *shelf) Put(ctx context.Context, k datastore.Key, v []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.which[k]; !there && len(s.which) >= s.room || len(v) > maxKept {
		return errFull
	}
	if err := s.Batching.Put(ctx, k, v); err != nil {
		return err
	}
	s.which[k] = struct{}{}
	return nil
}

// Delete implements datastore.Write.
func (s *shelf) Delete(ctx context.Context, k datastore.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.which, k)
	return s.Batching.Delete(ctx, k)
}

// Get implements datastore.Read.
func (s *shelf) Get(ctx context.Context, k datastore.Key) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Batching.Get(ctx, k)
}

// Has implements datastore.Read.
func (s *shelf) Has(ctx context.Context, k datastore.Key) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Batching.Has(ctx, k)
}

// GetSize implements datastore.Read.
func (s *shelf) GetSize(ctx context.Context, k datastore.Key) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Batching.GetSize(ctx, k)
}

// Query implements datastore.Read: the answer is a copy.
func (s *shelf) Query(ctx context.Context, q query.Query) (query.Results, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Batching.Query(ctx, q)
}

// Batch implements datastore.Batching.
func (s *shelf) Batch(context.Context) (datastore.Batch, error) {
	return datastore.NewBasicBatch(s), nil
}
