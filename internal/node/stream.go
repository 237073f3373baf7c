package node

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"kith/internal/transfer"
	"kith/internal/wire"
	"kith/media"
)

// lookAhead is how many chunks behind the one that is read are fetched before
// others of the file.
const lookAhead = 3

// errErased ends reading a file that was deleted or cancelled meanwhile.
var errErased = errors.New("node: the file is not wanted any more")

// StreamMedia opens an attachment whose chunks may still be coming in. Reading what
// is not here waits for it, before all other chunks, until ctx ends or the file is
// wanted no more. Close it after use.
func (n *Node) StreamMedia(ctx context.Context, p *media.Pointer) (*MediaFile, error) {
	ref := p.Ref()
	for range 2 { // it may be finished between the two looks
		if f, err := n.OpenMedia(p); !errors.Is(err, wire.ErrAbsent) {
			return f, err
		}
		part, err := n.db.OpenPart(ref)
		if errors.Is(err, wire.ErrAbsent) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s := &stream{ctx: ctx, node: n, ref: ref, part: part, here: n.arrivals.follow(ref)}
		r, err := media.NewReader(s, p)
		if err != nil {
			s.Close()
			return nil, err
		}
		return &MediaFile{Reader: r, under: s}, nil
	}
	return nil, wire.ErrAbsent
}

// stream is a blob whose chunks are coming in, as an io.ReaderAt that waits for
// them. The file it has open stays the same when the blob gets its final name.
type stream struct {
	ctx  context.Context
	node *Node
	ref  media.Ref
	part *os.File
	here *arrival
	past uint64 // the chunk after the one that was asked for last, 0 for none
}

// ReadAt waits until every byte asked for is here and reads it.
func (s *stream) ReadAt(b []byte, at int64) (int, error) {
	if at < 0 || at >= s.ref.Length {
		return 0, io.EOF
	}
	end := min(at+int64(len(b)), s.ref.Length)
	for c := uint64(at / media.ChunkSize); c <= uint64((end-1)/media.ChunkSize); c++ {
		if err := s.wait(c); err != nil {
			return 0, err
		}
	}
	return s.part.ReadAt(b, at)
}

func (s *stream) wait(chunk uint64) error {
	for {
		state, changed := s.here.look(chunk, lookAhead)
		if s.past != chunk+1 && state != allHere {
			s.past = chunk + 1
			s.node.post(s.ctx, transfer.Look{Chunk: wire.ChunkRef{Root: s.ref.Root, Index: chunk}, Ahead: lookAhead})
		}
		switch state {
		case allHere, oneHere:
			return nil
		case ended:
			// Complete, or gone: the next opening tells.
			if s.node.db.HasBlob(s.ref.Root) {
				return nil
			}
			return errErased
		}
		select {
		case <-changed:
		case <-s.node.stopped:
			return ErrStopped
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
}

// Close ends the waiting for chunks.
func (s *stream) Close() error {
	s.node.arrivals.leave(s.ref.Root, s.here)
	return s.part.Close()
}

// arrivals tells readers which chunks of which blobs are here.
type arrivals struct {
	mu  sync.Mutex // guards all, and what is in it
	all map[[32]byte]*arrival
}

// arrival is what is here of one blob.
type arrival struct {
	mu      *sync.Mutex
	have    []uint64
	known   bool // have is of an assembly that was opened
	ended   bool
	changed chan struct{} // closes at the next change
	readers int
}

func newArrivals() *arrivals { return &arrivals{all: map[[32]byte]*arrival{}} }

// of returns the arrival of a blob. The lock is held.
func (a *arrivals) of(ref media.Ref) *arrival {
	one, ok := a.all[ref.Root]
	if !ok {
		one = &arrival{mu: &a.mu, have: make([]uint64, (ref.Chunks()+63)/64), changed: make(chan struct{})}
		a.all[ref.Root] = one
	}
	return one
}

// follow begins to read a blob.
func (a *arrivals) follow(ref media.Ref) *arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := a.of(ref)
	one.readers++
	return one
}

// leave ends one reading of a blob. What was followed may have ended since, and
// another stand in its place.
func (a *arrivals) leave(root [32]byte, one *arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if one.readers--; one.readers == 0 && !one.known && a.all[root] == one {
		delete(a.all, root)
	}
}

// opened says which chunks an assembly has.
func (a *arrivals) opened(ref media.Ref, have []uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := a.of(ref)
	copy(one.have, have)
	one.known = true
	one.tell()
}

// arrived says that a chunk was written.
func (a *arrivals) arrived(c wire.ChunkRef) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if one, ok := a.all[c.Root]; ok && c.Index/64 < uint64(len(one.have)) {
		one.have[c.Index/64] |= 1 << (c.Index % 64)
		one.tell()
	}
}

// end says that a blob is complete or gone.
func (a *arrivals) end(root [32]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if one, ok := a.all[root]; ok {
		one.ended = true
		one.tell()
		delete(a.all, root)
	}
}

// tell wakes readers. The lock is held.
func (one *arrival) tell() {
	close(one.changed)
	one.changed = make(chan struct{})
}

// What a reader finds.
type here uint8

const (
	notHere here = iota
	oneHere      // the chunk, but not all of those behind it
	allHere
	ended
)

// look reports whether a chunk is here, and those ahead of it, and returns what
// closes when that changes.
func (one *arrival) look(chunk, ahead uint64) (here, <-chan struct{}) {
	one.mu.Lock()
	defer one.mu.Unlock()
	has := func(i uint64) bool { return i/64 >= uint64(len(one.have)) || one.have[i/64]&(1<<(i%64)) != 0 }
	switch {
	case one.ended:
		return ended, one.changed
	case !has(chunk):
		return notHere, one.changed
	}
	for i := chunk + 1; i <= chunk+ahead; i++ {
		if !has(i) {
			return oneHere, one.changed
		}
	}
	return allHere, one.changed
}
