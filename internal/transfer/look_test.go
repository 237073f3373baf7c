package transfer_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kith/internal/transfer"
	"kith/internal/wire"
	"kith/media"
)

func chunk(ref media.Ref, i uint64) wire.ChunkRef { return wire.ChunkRef{Root: ref.Root, Index: i} }

// look has somebody wait for a chunk.
func (w *world) look(ref media.Ref, i, ahead uint64) {
	w.t.Helper()
	w.looking = true
	w.step(transfer.Look{Chunk: chunk(ref, i), Ahead: ahead})
}

// TestTransfer_TF13_pausedRests: what is on its way lands, nothing else is asked for,
// the place is free for others, and resuming fetches what is missing once.
func TestTransfer_TF13_pausedRests(t *testing.T) {
	w := newWorld(t)
	w.step(transfer.Up{Peer: bob})
	a, b := blob(t, 1, 20), blob(t, 2, 3)
	w.step(transfer.Want{Ref: a, From: device(bob)})
	w.step(transfer.Pause{Root: a.Root})
	w.drain()
	if len(w.fetched) != transfer.MaxFetches || w.open[a.Root] {
		t.Fatalf("%d chunks of a paused blob were fetched; open: %v", len(w.fetched), w.open[a.Root])
	}
	if p, ok := w.m.Progress(a.Root); !ok || p.Have != transfer.MaxFetches || p.Active || !p.Paused {
		t.Errorf("progress %+v", p)
	}
	w.step(transfer.Want{Ref: b, From: device(bob)})
	w.drain()
	if len(w.done) != 1 || w.done[0] != b.Root {
		t.Errorf("done: %d", len(w.done))
	}
	w.have[a.Root] = []uint64{0b1111}
	w.step(transfer.Resume{Root: a.Root})
	w.drain()
	if len(w.done) != 2 {
		t.Error("a resumed blob is not complete")
	}
	for c, n := range w.fetched {
		if n != 1 {
			t.Errorf("chunk %d was fetched %d times", c.Index, n)
		}
	}
	// One that is paused from the beginning is not even opened.
	c := blob(t, 3, 2)
	w.step(transfer.Want{Ref: c, From: device(bob), Paused: true})
	if w.open[c.Root] || len(w.flying) > 0 {
		t.Error("a blob wanted as paused was opened")
	}
}

// TestTransfer_TF14_lookedGoesFirst: what somebody waits for is fetched before
// everything else, although the air is full.
func TestTransfer_TF14_lookedGoesFirst(t *testing.T) {
	w := newWorld(t)
	w.step(transfer.Up{Peer: bob})
	a, b := blob(t, 1, 50), blob(t, 2, 40)
	w.step(transfer.Want{Ref: a, From: device(bob)})
	w.step(transfer.Want{Ref: b, From: device(bob)})
	w.look(b, 30, 3)
	for i := range uint64(transfer.MaxUrgent) {
		if w.fetched[chunk(b, 30+i)] != 1 {
			t.Errorf("chunk %d was not asked for at once", 30+i)
		}
	}
	w.store() // one of a's lands: the next place is for who looks
	if w.fetched[chunk(b, 32)] != 1 {
		t.Error("a place that became free went elsewhere")
	}
	w.look(b, 7, 0) // a leap back
	w.store()
	if w.fetched[chunk(b, 7)] != 1 {
		t.Error("the newest look does not count")
	}
	w.drain()
	for c, n := range w.fetched {
		if n != 1 {
			t.Errorf("chunk %d was fetched %d times", c.Index, n)
		}
	}
	if len(w.done) != 2 || len(w.fetched) != 90 {
		t.Errorf("%d blobs, %d chunks", len(w.done), len(w.fetched))
	}
}

// TestTransfer_TF14_lookingAtAPausedBlob fetches what is looked at and no more, also
// when every place is taken by other blobs.
func TestTransfer_TF14_lookingAtAPausedBlob(t *testing.T) {
	w := newWorld(t)
	w.step(transfer.Up{Peer: bob})
	for i := range byte(transfer.MaxOpen) {
		w.step(transfer.Want{Ref: blob(t, 10+i, 60), From: device(bob)})
	}
	a := blob(t, 1, 30)
	w.step(transfer.Want{Ref: a, From: device(bob), Paused: true})
	w.look(a, 20, 2)
	w.drain()
	var of int
	for c := range w.fetched {
		if c.Root == a.Root {
			of++
		}
	}
	if of != 3 || w.fetched[chunk(a, 20)] != 1 || w.fetched[chunk(a, 22)] != 1 || w.open[a.Root] {
		t.Errorf("%d chunks of the paused blob; open: %v", of, w.open[a.Root])
	}
	if _, wanted := w.m.Progress(a.Root); !wanted || len(w.done) != transfer.MaxOpen {
		t.Errorf("wanted %v, done %d", wanted, len(w.done))
	}
}

// TestTransfer_TF14_bounds: chunks that do not exist, more than may be urgent, blobs
// nobody wants.
func TestTransfer_TF14_bounds(t *testing.T) {
	w := newWorld(t)
	w.step(transfer.Up{Peer: bob})
	a := blob(t, 1, 100)
	w.step(transfer.Want{Ref: a, From: device(bob), Paused: true})
	for _, i := range []uint64{100, 1 << 40, 1<<64 - 1} {
		w.look(a, i, 1<<64-1)
	}
	if len(w.fetched) != 0 {
		t.Fatal("a chunk that is not there was asked for")
	}
	w.look(a, 3, 1<<64-1)
	w.drain()
	if len(w.fetched) != transfer.MaxLooked {
		t.Errorf("%d chunks, want %d", len(w.fetched), transfer.MaxLooked)
	}
	for i := range uint64(2 * transfer.MaxLooked) { // nobody has anything now
		w.m.Step(w.now, transfer.Look{Chunk: chunk(a, 40+i)})
	}
	w.look(blob(t, 9, 5), 0, 3)
	if effects := w.m.Step(w.now, transfer.Opened{Root: [32]byte{9}}); len(effects) != 1 || effects[0] != (transfer.Close{Root: [32]byte{9}}) {
		t.Errorf("opening what is wanted no more: %v", effects)
	}
}

// TestTransfer_TF14_anyOrder: whatever is paused, looked at, lost and given up in
// between, every chunk of what is wanted comes, none twice, and no bound is broken.
func TestTransfer_TF14_anyOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t)
	w.looking = true
	w.step(transfer.Up{Peer: bob})
	w.step(transfer.Up{Peer: carol})
	refs := []media.Ref{blob(t, 1, 40), blob(t, 2, 25), blob(t, 3, 9), blob(t, 4, 1)}
	stored := map[wire.ChunkRef]bool{}
	land := func() {
		if len(w.flying) == 0 {
			return
		}
		f := w.land()
		if r.IntN(5) == 0 {
			w.step(transfer.Failed{Chunk: f.Chunk, From: f.From, Fault: transfer.Fault(1 + r.IntN(2))})
			return
		}
		if stored[f.Chunk] {
			t.Fatalf("chunk %d came twice", f.Chunk.Index)
		}
		stored[f.Chunk] = true
		have := w.have[f.Chunk.Root]
		if have == nil {
			have = []uint64{0}
		}
		have[0] |= 1 << f.Chunk.Index
		w.have[f.Chunk.Root] = have
		w.step(transfer.Stored{Chunk: f.Chunk})
	}
	for range 2000 {
		ref := refs[r.IntN(len(refs))]
		switch r.IntN(8) {
		case 0:
			if done(w, ref) {
				continue
			}
			w.step(transfer.Want{Ref: ref, From: device([]wire.PeerID{bob, carol}[r.IntN(2)]), Paused: r.IntN(2) == 0})
		case 1:
			w.step(transfer.Pause{Root: ref.Root})
		case 2:
			w.step(transfer.Resume{Root: ref.Root})
		case 3:
			w.look(ref, r.Uint64N(45), r.Uint64N(4))
		case 4:
			w.now = w.now.Add(time.Duration(r.IntN(5000)) * time.Millisecond)
			w.step(transfer.Tick{})
		default:
			land()
		}
		if len(w.done) == len(refs) {
			break
		}
	}
	for range 10_000 {
		if len(w.done) == len(refs) {
			break
		}
		for _, ref := range refs {
			if !done(w, ref) {
				w.step(transfer.Want{Ref: ref, From: device(bob)})
				w.step(transfer.Resume{Root: ref.Root})
			}
		}
		w.now = w.now.Add(transfer.BackoffMost)
		w.step(transfer.Tick{})
		land()
	}
	for _, ref := range refs {
		if !done(w, ref) {
			t.Errorf("the blob of %d chunks is not complete", ref.Chunks())
		}
		for i := range ref.Chunks() {
			if !stored[chunk(ref, i)] {
				t.Errorf("chunk %d of %d never came", i, ref.Chunks())
			}
		}
	}
}

func done(w *world, ref media.Ref) bool {
	return slices.Contains(w.done, ref.Root)
}
