package transfer_test

import (
	"testing"
	"time"

	"kith/internal/transfer"
	"kith/internal/wire"
	"kith/media"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	bob   = wire.PeerID{0xb}
	carol = wire.PeerID{0xc}
)

// blob is a ref of n chunks.
func blob(t testing.TB, id byte, n int64) media.Ref {
	t.Helper()
	ref := (&media.Pointer{Root: [32]byte{id}, Size: n*media.ChunkSegments*media.SegmentSize - media.SegmentSize}).Ref()
	if ref.Chunks() != uint64(n) {
		t.Fatalf("%d chunks, want %d", ref.Chunks(), n)
	}
	return ref
}

func device(p wire.PeerID) transfer.Source  { return transfer.Source{Peer: p} }
func deposit(p wire.PeerID) transfer.Source { return transfer.Source{Peer: p, Deposit: true} }

// world carries out effects at once and remembers what was fetched.
type world struct {
	t       testing.TB
	m       *transfer.Machine
	now     time.Time
	fetched map[wire.ChunkRef]int
	flying  []transfer.Fetch
	open    map[[32]byte]bool
	done    [][32]byte
	have    map[[32]byte][]uint64
	looking bool // somebody looks: the bounds are higher
}

func newWorld(t testing.TB) *world {
	return &world{t: t, m: transfer.New(), now: start, fetched: map[wire.ChunkRef]int{}, open: map[[32]byte]bool{}, have: map[[32]byte][]uint64{}}
}

func (w *world) step(in transfer.Input) {
	w.t.Helper()
	for _, e := range w.m.Step(w.now, in) {
		switch e := e.(type) {
		case transfer.Open:
			w.open[e.Ref.Root] = true
			w.step(transfer.Opened{Root: e.Ref.Root, Have: w.have[e.Ref.Root]})
		case transfer.Close:
			delete(w.open, e.Root)
		case transfer.Fetch:
			w.fetched[e.Chunk]++
			w.flying = append(w.flying, e)
		case transfer.Finish:
			delete(w.open, e.Root)
			w.step(transfer.Finished(e))
		case transfer.Done:
			w.done = append(w.done, e.Root)
		}
	}
	more := 0
	if w.looking {
		more = transfer.MaxUrgent
	}
	if len(w.flying) > transfer.MaxFetches+more {
		w.t.Fatalf("%d chunks on their way", len(w.flying))
	}
	if len(w.open) > transfer.MaxOpen+more {
		w.t.Fatalf("%d blobs open", len(w.open))
	}
}

// land ends the oldest fetch.
func (w *world) land() transfer.Fetch {
	w.t.Helper()
	if len(w.flying) == 0 {
		w.t.Fatal("nothing is on its way")
	}
	f := w.flying[0]
	w.flying = w.flying[1:]
	return f
}

func (w *world) store() { f := w.land(); w.step(transfer.Stored{Chunk: f.Chunk}) }

func (w *world) fail(fault transfer.Fault) {
	f := w.land()
	w.step(transfer.Failed{Chunk: f.Chunk, From: f.From, Fault: fault})
}

// drainTo stores chunks until so many were fetched.
func (w *world) drainTo(n int) {
	for len(w.fetched) < n {
		w.store()
	}
	for range transfer.MaxFetches {
		w.store()
	}
}

func (w *world) drain() {
	for len(w.flying) > 0 {
		w.store()
	}
}

func TestTransfer_TF04_everyChunkOnceInOrderOfWanting(t *testing.T) {
	w := newWorld(t)
	w.step(transfer.Up{Peer: bob})
	for id := byte(1); id <= 5; id++ {
		w.step(transfer.Want{Ref: blob(t, id, 7), From: device(bob)})
	}
	w.drain()
	if len(w.done) != 5 || w.done[0] != [32]byte{1} || len(w.fetched) != 35 {
		t.Fatalf("%d blobs, %d chunks", len(w.done), len(w.fetched))
	}
	for c, n := range w.fetched {
		if n != 1 {
			t.Errorf("chunk %d of %d fetched %d times", c.Index, c.Root[0], n)
		}
	}
	if w.m.Len() != 0 || !w.m.Wake().IsZero() {
		t.Error("something is still wanted")
	}
}

func TestTransfer_TF03_onlyWhatIsMissingIsFetched(t *testing.T) {
	w := newWorld(t)
	ref := blob(t, 1, 70)
	w.have[ref.Root] = []uint64{^uint64(0) &^ (1 << 5), ^uint64(0)} // bits beyond the end mean nothing
	w.step(transfer.Up{Peer: bob})
	w.step(transfer.Want{Ref: ref, From: device(bob)})
	w.drain()
	if len(w.fetched) != 1 || w.fetched[wire.ChunkRef{Root: ref.Root, Index: 5}] != 1 || len(w.done) != 1 {
		t.Errorf("fetched %v", w.fetched)
	}
	w.have[[32]byte{2}] = []uint64{0b111}
	w.step(transfer.Want{Ref: blob(t, 2, 3), From: device(bob)})
	if len(w.done) != 2 || len(w.fetched) != 1 {
		t.Error("a blob that was complete was fetched")
	}
}

func TestTransfer_TF02_sourcesShareTheLoad(t *testing.T) {
	w := newWorld(t)
	ref := blob(t, 1, 40)
	w.step(transfer.Up{Peer: bob})
	w.step(transfer.Up{Peer: carol})
	w.step(transfer.Want{Ref: ref, From: device(bob)})
	w.step(transfer.Want{Ref: ref, From: device(carol)})
	w.step(transfer.Want{Ref: ref, From: device(carol)})
	from := map[transfer.Source]int{}
	for len(w.flying) > 0 {
		from[w.flying[0].From]++
		w.store()
	}
	if from[device(bob)] < 10 || from[device(carol)] < 10 || len(w.done) != 1 {
		t.Errorf("%d of bob, %d of carol", from[device(bob)], from[device(carol)])
	}
}

func TestTransfer_TF11_depositsAreAskedWhenNoDeviceCanBe(t *testing.T) {
	w := newWorld(t)
	ref := blob(t, 1, 20)
	w.step(transfer.Want{Ref: ref, From: device(bob)})
	if len(w.flying) != 0 {
		t.Fatal("a device was asked that is not up")
	}
	w.step(transfer.Want{Ref: ref, From: deposit(bob)})
	if len(w.flying) != transfer.MaxFetches || w.flying[0].From != deposit(bob) {
		t.Fatalf("on their way: %v", w.flying)
	}
	w.step(transfer.Up{Peer: bob})
	w.drainTo(10)
	for _, f := range w.flying {
		if f.From != device(bob) {
			t.Errorf("chunk %d is asked of the deposit though the device is up", f.Chunk.Index)
		}
	}
	w.step(transfer.Down{Peer: bob})
	for len(w.flying) > 0 && w.flying[0].From == device(bob) {
		w.fail(transfer.Lost)
	}
	w.drain()
	if len(w.done) != 1 {
		t.Error("the deposit did not give the rest")
	}
}

func TestTransfer_TF11_lostDepositIsNotAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.step(transfer.Want{Ref: blob(t, 1, 2), From: deposit(bob)})
	w.fail(transfer.Absent)
	w.fail(transfer.Absent)
	w.step(transfer.Lose{Root: [32]byte{1}, From: deposit(bob)})
	w.now = w.now.Add(time.Hour)
	w.step(transfer.Tick{})
	if len(w.flying) != 0 || len(w.open) != 0 || !w.m.Wake().IsZero() {
		t.Errorf("%d on their way, %d open, wakes %v", len(w.flying), len(w.open), w.m.Wake())
	}
	w.step(transfer.Up{Peer: bob})
	w.step(transfer.Want{Ref: blob(t, 1, 2), From: device(bob)})
	w.drain()
	if len(w.done) != 1 {
		t.Error("not fetched from the device")
	}
}

func TestTransfer_TF06_whatAFailureMeans(t *testing.T) {
	for fault, rest := range map[transfer.Fault]time.Duration{
		transfer.Lost: transfer.BackoffFirst, transfer.Absent: transfer.BackoffFirst,
		transfer.Forged: transfer.BackoffMost, transfer.Local: transfer.BackoffFirst,
	} {
		w := newWorld(t)
		w.step(transfer.Up{Peer: bob})
		w.step(transfer.Want{Ref: blob(t, 1, 1), From: device(bob)})
		w.fail(fault)
		if len(w.flying) != 0 {
			t.Errorf("fault %d: asked again at once", fault)
		}
		if wake := w.m.Wake(); !wake.Equal(start.Add(rest)) {
			t.Errorf("fault %d: rests %v, want %v", fault, wake.Sub(start), rest)
		}
		w.now = start.Add(rest)
		w.step(transfer.Tick{})
		w.drain()
		if len(w.done) != 1 {
			t.Errorf("fault %d: not fetched after its rest", fault)
		}
	}
	// A link that comes back ends the rest.
	w := newWorld(t)
	w.step(transfer.Up{Peer: bob})
	w.step(transfer.Want{Ref: blob(t, 1, 1), From: device(bob)})
	w.fail(transfer.Lost)
	w.step(transfer.Down{Peer: bob})
	w.step(transfer.Up{Peer: bob})
	w.drain()
	if len(w.done) != 1 {
		t.Error("a source that came back is not asked")
	}
}

func TestTransfer_TF07_blobsWithoutASourceKeepNobodyWaiting(t *testing.T) {
	w := newWorld(t)
	w.step(transfer.Up{Peer: bob})
	w.step(transfer.Up{Peer: carol})
	for id := byte(1); id <= transfer.MaxOpen; id++ {
		w.step(transfer.Want{Ref: blob(t, id, 9), From: device(bob)})
	}
	w.step(transfer.Want{Ref: blob(t, 77, 3), From: device(carol)})
	w.step(transfer.Down{Peer: bob})
	for len(w.flying) > 0 {
		if w.flying[0].From == device(bob) {
			w.fail(transfer.Lost)
		} else {
			w.store()
		}
	}
	if len(w.done) != 1 || w.done[0] != [32]byte{77} {
		t.Fatalf("done: %v", w.done)
	}
	w.now = w.now.Add(time.Hour)
	w.step(transfer.Up{Peer: bob})
	w.drain()
	if len(w.done) != 1+transfer.MaxOpen {
		t.Errorf("%d done after the source came back", len(w.done))
	}
}

func TestTransfer_TF08_diskThatFailsIsTriedLater(t *testing.T) {
	m := transfer.New()
	m.Step(start, transfer.Up{Peer: bob})
	ref := blob(t, 1, 1)
	if e := m.Step(start, transfer.Want{Ref: ref, From: device(bob)}); len(e) != 1 || e[0] != (transfer.Open{Ref: ref}) {
		t.Fatalf("%v", e)
	}
	if e := m.Step(start, transfer.Broken{Root: ref.Root}); len(e) != 0 {
		t.Fatalf("tried again at once: %v", e)
	}
	now := m.Wake()
	if !now.Equal(start.Add(transfer.BackoffFirst)) {
		t.Errorf("rests %v", now.Sub(start))
	}
	if e := m.Step(now, transfer.Tick{}); len(e) != 1 || e[0] != (transfer.Open{Ref: ref}) {
		t.Errorf("%v", e)
	}
}

// FuzzActions lets bytes choose what happens; bounds hold, a stored chunk is
// never asked for again, and no wake lies in the past after a tick.
func FuzzActions(f *testing.F) {
	f.Add([]byte{0, 8, 16, 1, 1, 2, 3, 4, 5, 6})
	f.Fuzz(func(t *testing.T, actions []byte) {
		w := newWorld(t)
		stored := map[wire.ChunkRef]bool{}
		peers := []wire.PeerID{bob, carol}
		for _, a := range actions[:min(len(actions), 300)] {
			p := peers[a>>7]
			switch a % 8 {
			case 0:
				w.step(transfer.Want{Ref: blob(t, 1+a>>4&3, int64(1+a>>4&7)), From: device(p)})
			case 1:
				w.step(transfer.Up{Peer: p})
			case 2:
				w.step(transfer.Down{Peer: p})
			case 3:
				if len(w.flying) > 0 {
					w.fail(transfer.Fault(1 + a>>4&3))
				}
			case 4:
				w.now = w.now.Add(time.Duration(a) * time.Second)
				w.step(transfer.Tick{})
				if wake := w.m.Wake(); !wake.IsZero() && !wake.After(w.now) {
					t.Fatalf("wakes at %v after a tick at %v", wake, w.now)
				}
			default:
				if len(w.flying) == 0 {
					continue
				}
				c := w.flying[0].Chunk
				if stored[c] {
					t.Fatal("a stored chunk was asked for again")
				}
				stored[c] = true
				have := append(w.have[c.Root], make([]uint64, 1)...)[:1]
				have[0] |= 1 << c.Index
				w.have[c.Root] = have
				w.store()
				if _, wanted := w.m.Progress(c.Root); !wanted { // done: a later want is a new blob
					delete(w.have, c.Root)
					for s := range stored {
						if s.Root == c.Root {
							delete(stored, s)
						}
					}
				}
			}
		}
	})
}

// TestTransfer_TF12_forgottenBlobsMakeRoom: a blob that is given up is closed, what was
// on its way for it counts no more, and what comes of it changes nothing.
func TestTransfer_TF12_forgottenBlobsMakeRoom(t *testing.T) {
	w := newWorld(t)
	w.step(transfer.Up{Peer: bob})
	ref := blob(t, 1, 2*transfer.MaxFetches)
	w.step(transfer.Want{Ref: ref, From: device(bob)})
	if len(w.flying) != transfer.MaxFetches {
		t.Fatalf("%d fetches", len(w.flying))
	}
	late := w.flying
	w.flying = nil
	w.step(transfer.Forget{Root: ref.Root})
	w.step(transfer.Forget{Root: ref.Root})
	if w.open[ref.Root] || w.m.Len() != 0 {
		t.Error("it is open still")
	}
	w.step(transfer.Want{Ref: blob(t, 2, 2*transfer.MaxFetches), From: device(bob)})
	if len(w.flying) != transfer.MaxFetches {
		t.Errorf("%d fetches of the next", len(w.flying))
	}
	w.step(transfer.Stored{Chunk: late[0].Chunk})
	w.step(transfer.Failed{Chunk: late[1].Chunk, From: late[1].From, Fault: transfer.Lost})
	w.step(transfer.Finished{Root: ref.Root})
	if len(w.flying) != transfer.MaxFetches || len(w.done) != 0 {
		t.Errorf("%d fetches, %d done", len(w.flying), len(w.done))
	}
}

// TestTransfer_TF06_oneFailureOfManyChunks: chunks that are on their way together and
// fail together are one failure of their source; and a source that gave something
// since is no worse than one that never failed. A deposit has no link that comes up
// and ends its rest: it would rest for minutes because relays were off for seconds.
func TestTransfer_TF06_oneFailureOfManyChunks(t *testing.T) {
	for _, from := range []transfer.Source{deposit(bob), device(bob)} {
		w := newWorld(t)
		w.step(transfer.Up{Peer: bob})
		w.step(transfer.Want{Ref: blob(t, 1, 20), From: from})
		for round := range 5 {
			for len(w.flying) > 0 {
				w.fail(transfer.Absent)
			}
			if wake := w.m.Wake(); wake.Sub(w.now) != transfer.BackoffFirst {
				t.Fatalf("%v, round %d: rests for %v", from, round, wake.Sub(w.now))
			}
			w.now = w.m.Wake()
			w.step(transfer.Tick{})
			if len(w.flying) == 0 {
				t.Fatalf("%v, round %d: not asked again", from, round)
			}
			w.store()
		}
		// Without anything between, each rest is twice as long, to the most.
		for rest := transfer.BackoffFirst; ; rest = min(2*rest, transfer.BackoffMost) {
			for len(w.flying) > 0 {
				w.fail(transfer.Lost)
			}
			if wake := w.m.Wake(); wake.Sub(w.now) != rest {
				t.Fatalf("%v: rests for %v, not %v", from, wake.Sub(w.now), rest)
			}
			if w.now = w.m.Wake(); rest == transfer.BackoffMost {
				break
			}
			w.step(transfer.Tick{})
		}
	}
}
