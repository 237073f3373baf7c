// Package transfer gets the chunks of media from whoever has them. It decides
// which chunk to ask of whom and when to try again; fetching, verifying and
// writing belong to the caller, which tells the machine what became of it.
//
// [Machine.Step] takes inputs and returns effects; the machine has no
// goroutine, clock or disk. What is still missing of a blob is read from the
// blob's own assembly at start ([Opened]), so nothing finished is fetched
// twice. Not safe for concurrent use. Rules: docs/spec/transfer.md.
package transfer

import (
	"math/bits"
	"slices"
	"time"

	"kith/internal/wire"
	"kith/media"
)

// Bounds of this package, each with a test at its edge.
const (
	// MaxFetches is how many chunks may be on their way at once, whatever the
	// number of blobs: it bounds memory and what a crash repeats.
	MaxFetches = 4
	// MaxOpen is how many blobs are assembled at once; others wait their turn.
	MaxOpen = 2
	// MaxUrgent is how many more chunks may be on their way, and how many more blobs
	// assembled, of those that somebody looks at.
	MaxUrgent = 2
	// MaxLooked is how many chunks of a blob may be urgent; the oldest gives way.
	MaxLooked = 16
	// BackoffFirst and BackoffMost bound the wait before a source that failed,
	// or a blob whose disk failed, is tried again.
	BackoffFirst = 2 * time.Second
	BackoffMost  = 10 * time.Minute
)

// Input is something the machine reacts to.
type Input interface{ input() }

// Source is who has a blob: a device, or the deposit that it left with relays.
type Source struct {
	Peer    wire.PeerID
	Deposit bool
}

// Want asks for a blob that From has.
type Want struct {
	Ref    media.Ref
	From   Source
	Paused bool // see [Pause]; it counts when the blob was not wanted before
}

// Pause lets a blob rest: only chunks that somebody looks at are fetched. Resume
// ends that.
type Pause struct{ Root [32]byte }

// Resume: see [Pause].
type Resume struct{ Root [32]byte }

// Look says that somebody waits for a chunk, and soon for the Ahead chunks behind
// it: they go before all others, also of a blob that is paused or has to wait its
// turn.
type Look struct {
	Chunk wire.ChunkRef
	Ahead uint64
}

// Lose says that a source has a blob no more.
type Lose struct {
	Root [32]byte
	From Source
}

// Opened answers [Open]: Have is a bitmap of the chunks already on disk and
// verified, chunk i in bit i%64 of word i/64.
type Opened struct {
	Root [32]byte
	Have []uint64
}

// Stored answers [Fetch]: the chunk is verified and on disk.
type Stored struct{ Chunk wire.ChunkRef }

// Fault says why a fetch failed, and so what to try next.
type Fault uint8

const (
	// Lost means that the link failed: wait for the peer to come up again.
	Lost Fault = 1
	// Absent means that the source does not have the chunk now.
	Absent Fault = 2
	// Forged means that the source sent bytes that do not belong there.
	Forged Fault = 3
	// Local means that this device's disk failed.
	Local Fault = 4
)

// Failed answers [Fetch].
type Failed struct {
	Chunk wire.ChunkRef
	From  Source
	Fault Fault
}

// Finished answers [Finish]: the whole blob is durable.
type Finished struct{ Root [32]byte }

// Broken answers [Open] or [Finish]: the disk failed; start again later.
type Broken struct{ Root [32]byte }

// Forget gives a blob up: no message refers to it any more.
type Forget struct{ Root [32]byte }

// Up and Down say that a device can or can no longer be asked; deposits always can.
type Up struct{ Peer wire.PeerID }

// Down: see [Up].
type Down struct{ Peer wire.PeerID }

// Tick says that the time of [Machine.Wake] has come.
type Tick struct{}

func (Want) input()     {}
func (Pause) input()    {}
func (Resume) input()   {}
func (Look) input()     {}
func (Lose) input()     {}
func (Forget) input()   {}
func (Opened) input()   {}
func (Stored) input()   {}
func (Failed) input()   {}
func (Finished) input() {}
func (Broken) input()   {}
func (Up) input()       {}
func (Down) input()     {}
func (Tick) input()     {}

// Effect is something the caller does for the machine.
type Effect interface{ effect() }

// Open asks to open a blob's assembly and verify what is there.
type Open struct{ Ref media.Ref }

// Fetch asks to fetch, verify and write one chunk.
type Fetch struct {
	Chunk wire.ChunkRef
	From  Source
}

// Close asks to close a blob's assembly: nobody can be asked for what is
// missing, and others wait for the place. What is there stays; a later [Open]
// goes on with it.
type Close struct{ Root [32]byte }

// Finish asks to make a complete blob durable under its final name.
type Finish struct{ Root [32]byte }

// Done says that a blob is here: the engine is told. From are the devices whose
// blob it is.
type Done struct {
	Root [32]byte
	From []wire.PeerID
}

func (Open) effect()   {}
func (Fetch) effect()  {}
func (Close) effect()  {}
func (Finish) effect() {}
func (Done) effect()   {}

// Machine is the transfer machine; make one with [New].
type Machine struct {
	blobs   map[[32]byte]*blob
	order   [][32]byte // of arrival: the first wanted is the first fetched
	up      map[wire.PeerID]bool
	flights int // of all blobs
	urgent  int // of these, for somebody who looks
}

type stage uint8

const (
	waiting stage = iota
	opening
	fetching
	finishing
)

type blob struct {
	ref     media.Ref
	stage   stage
	sources []*source
	have    []uint64
	missing uint64            // chunks not on disk
	next    uint64            // where the search for a missing chunk goes on
	flying  map[uint64]flight // chunks on their way
	paused  bool
	looked  []uint64  // chunks somebody waits for, the most urgent first; at most [MaxLooked]
	retryAt time.Time // after a disk failure
	backoff time.Duration
}

// flight is a chunk on its way.
type flight struct {
	from   Source
	urgent bool // beyond MaxFetches
}

type source struct {
	Source
	notTill time.Time // after a failure
	backoff time.Duration
}

// New returns a machine that wants nothing yet.
func New() *Machine {
	return &Machine{blobs: map[[32]byte]*blob{}, up: map[wire.PeerID]bool{}}
}

// Len returns how many blobs are wanted.
func (m *Machine) Len() int { return len(m.blobs) }

// Progress is how far a blob has come.
type Progress struct {
	Chunks, Have uint64
	Active       bool // chunks are on their way now
	Paused       bool
}

// Progress reports on a blob; ok is false when the machine does not want it.
func (m *Machine) Progress(root [32]byte) (p Progress, ok bool) {
	b, ok := m.blobs[root]
	if !ok {
		return Progress{}, false
	}
	p.Chunks = b.ref.Chunks()
	if b.have != nil {
		p.Have = p.Chunks - b.missing
	}
	p.Active, p.Paused = len(b.flying) > 0 || b.stage == finishing, b.paused
	return p, true
}

// Step reacts to one input and returns what is to be done, in order.
func (m *Machine) Step(now time.Time, in Input) []Effect {
	var effects []Effect
	switch in := in.(type) {
	case Want:
		m.want(in)
	case Pause:
		m.pause(in.Root, true)
	case Resume:
		m.pause(in.Root, false)
	case Look:
		m.look(in)
	case Lose:
		if b, ok := m.blobs[in.Root]; ok {
			b.sources = slices.DeleteFunc(b.sources, func(s *source) bool { return s.Source == in.From })
		}
	case Forget:
		if b, ok := m.blobs[in.Root]; ok {
			for i := range b.flying {
				m.land(b, i)
			}
			m.remove(in.Root)
			effects = append(effects, Close(in))
		}
	case Opened:
		if _, wanted := m.blobs[in.Root]; !wanted {
			return append(effects, Close{Root: in.Root}) // given up meanwhile
		}
		m.opened(in)
	case Stored:
		m.stored(in.Chunk)
	case Failed:
		m.failed(now, in)
	case Finished:
		if b := m.blobs[in.Root]; b != nil {
			effects = append(effects, Done{Root: in.Root, From: b.devices()})
			m.remove(in.Root)
		}
	case Broken:
		if b, ok := m.blobs[in.Root]; ok {
			b.stage = waiting
			b.backoff = later(b.backoff)
			b.retryAt = now.Add(b.backoff)
		}
	case Up:
		m.up[in.Peer] = true
		for _, b := range m.blobs {
			for _, s := range b.sources {
				if s.Peer == in.Peer && !s.Deposit {
					s.notTill, s.backoff = time.Time{}, 0
				}
			}
		}
	case Down:
		delete(m.up, in.Peer)
	}
	return append(effects, m.schedule(now)...)
}

func (m *Machine) want(in Want) {
	b, ok := m.blobs[in.Ref.Root]
	if !ok {
		b = &blob{ref: in.Ref, flying: map[uint64]flight{}, paused: in.Paused}
		m.blobs[in.Ref.Root] = b
		m.order = append(m.order, in.Ref.Root)
	}
	if !slices.ContainsFunc(b.sources, func(s *source) bool { return s.Source == in.From }) {
		b.sources = append(b.sources, &source{Source: in.From})
	}
}

func (m *Machine) pause(root [32]byte, paused bool) {
	if b, ok := m.blobs[root]; ok {
		b.paused = paused
	}
}

// look puts chunks before all others of their blob.
func (m *Machine) look(in Look) {
	b, ok := m.blobs[in.Chunk.Root]
	if !ok {
		return
	}
	var fresh []uint64
	for i := in.Chunk.Index; i <= in.Chunk.Index+min(in.Ahead, MaxLooked-1) && i < b.ref.Chunks(); i++ {
		fresh = append(fresh, i)
	}
	for _, i := range b.looked {
		if len(fresh) < MaxLooked && !slices.Contains(fresh, i) {
			fresh = append(fresh, i)
		}
	}
	b.looked = fresh
	b.forgetLooked()
}

// forgetLooked lets go of urgent chunks that are here.
func (b *blob) forgetLooked() {
	if b.stage == fetching {
		b.looked = slices.DeleteFunc(b.looked, b.has)
	}
}

func (b *blob) has(i uint64) bool { return b.have[i/64]&(1<<(i%64)) != 0 }

func (m *Machine) opened(in Opened) {
	b, ok := m.blobs[in.Root]
	if !ok || b.stage != opening {
		return
	}
	n := b.ref.Chunks()
	b.have = make([]uint64, (n+63)/64)
	copy(b.have, in.Have)
	if tail := n % 64; tail != 0 {
		b.have[len(b.have)-1] &= 1<<tail - 1
	}
	b.missing = n
	for _, w := range b.have {
		b.missing -= uint64(bits.OnesCount64(w))
	}
	b.stage, b.next = fetching, 0
	b.forgetLooked()
}

func (m *Machine) stored(c wire.ChunkRef) {
	b, ok := m.blobs[c.Root]
	if !ok {
		return
	}
	from := b.flying[c.Index].from
	if !m.land(b, c.Index) {
		return
	}
	for _, s := range b.sources {
		if s.Source == from {
			s.backoff = 0
		}
	}
	if !b.has(c.Index) {
		b.have[c.Index/64] |= 1 << (c.Index % 64)
		b.missing--
	}
	b.backoff = 0
	b.forgetLooked()
}

func (m *Machine) failed(now time.Time, in Failed) {
	b, ok := m.blobs[in.Chunk.Root]
	if !ok || !m.land(b, in.Chunk.Index) {
		return
	}
	b.next = 0
	if in.Fault == Local {
		b.backoff = later(b.backoff)
		b.retryAt = now.Add(b.backoff)
		return
	}
	for _, s := range b.sources {
		// One that rests already failed with others that were asked for with this.
		if s.Source != in.From || s.notTill.After(now) && in.Fault != Forged {
			continue
		}
		s.backoff = later(s.backoff)
		if in.Fault == Forged {
			s.backoff = BackoffMost
		}
		s.notTill = now.Add(s.backoff)
	}
}

// land takes a chunk out of the air.
func (m *Machine) land(b *blob, index uint64) bool {
	f, ok := b.flying[index]
	if !ok {
		return false
	}
	delete(b.flying, index)
	m.flights--
	if f.urgent {
		m.urgent--
	}
	return true
}

func (m *Machine) remove(root [32]byte) {
	delete(m.blobs, root)
	m.order = slices.DeleteFunc(m.order, func(r [32]byte) bool { return r == root })
}

// devices gives the devices whose blob it is, each once.
func (b *blob) devices() (all []wire.PeerID) {
	for _, s := range b.sources {
		if !slices.Contains(all, s.Peer) {
			all = append(all, s.Peer)
		}
	}
	return all
}

// wanted reports whether more of a blob is to be fetched now.
func (b *blob) wanted() bool { return !b.paused || len(b.looked) > 0 }

// schedule opens blobs and fills the air: what somebody looks at, then the first
// wanted first.
func (m *Machine) schedule(now time.Time) []Effect {
	var effects []Effect
	open := 0
	for _, root := range m.order {
		b := m.blobs[root]
		b.wake(now)
		if b.stage == fetching && b.missing > 0 && len(b.flying) == 0 && (!b.wanted() || m.source(b, now) == nil) {
			b.stage = waiting
			effects = append(effects, Close{Root: root})
		}
		if b.stage != waiting {
			open++
		}
	}
	for _, root := range m.order {
		if b := m.blobs[root]; b.stage == fetching && !b.retryAt.After(now) {
			effects = append(effects, m.fetchLooked(b, now)...)
		}
	}
	for _, root := range m.order {
		b := m.blobs[root]
		room := MaxOpen
		if len(b.looked) > 0 {
			room += MaxUrgent
		}
		switch {
		case b.retryAt.After(now):
		case b.stage == waiting && open < room && b.wanted() && m.source(b, now) != nil:
			open++
			b.stage = opening
			effects = append(effects, Open{Ref: b.ref})
		case b.stage == fetching && b.missing == 0 && len(b.flying) == 0:
			b.stage = finishing
			effects = append(effects, Finish{Root: root})
		case b.stage == fetching:
			effects = append(effects, m.fetch(b, now)...)
		}
	}
	return effects
}

// wake forgets waits that are over, so that [Machine.Wake] names none of them.
func (b *blob) wake(now time.Time) {
	if !b.retryAt.After(now) {
		b.retryAt = time.Time{}
	}
	for _, s := range b.sources {
		if !s.notTill.After(now) {
			s.notTill = time.Time{}
		}
	}
}

func (m *Machine) fetch(b *blob, now time.Time) []Effect {
	var effects []Effect
	for m.flights-m.urgent < MaxFetches && !b.paused {
		s := m.source(b, now)
		if s == nil {
			break
		}
		i, ok := b.take()
		if !ok {
			break
		}
		effects = append(effects, m.launch(b, i, s.Source, false))
	}
	return effects
}

// fetchLooked fetches what somebody waits for, beyond the bound if need be.
func (m *Machine) fetchLooked(b *blob, now time.Time) []Effect {
	var effects []Effect
	for _, i := range b.looked {
		s := m.source(b, now)
		full := m.flights-m.urgent >= MaxFetches
		if s == nil || full && m.urgent >= MaxUrgent {
			break
		}
		if _, flying := b.flying[i]; flying {
			continue
		}
		effects = append(effects, m.launch(b, i, s.Source, full))
	}
	return effects
}

func (m *Machine) launch(b *blob, i uint64, from Source, urgent bool) Effect {
	b.flying[i] = flight{from, urgent}
	m.flights++
	if urgent {
		m.urgent++
	}
	return Fetch{Chunk: wire.ChunkRef{Root: b.ref.Root, Index: i}, From: from}
}

// source picks the source that can be asked now and has the fewest chunks of
// this blob on their way; a deposit only when no device can be asked.
func (m *Machine) source(b *blob, now time.Time) *source {
	var best *source
	load := 0
	for _, s := range b.sources {
		if !m.canAsk(s) || s.notTill.After(now) {
			continue
		}
		n := 0
		for _, f := range b.flying {
			if f.from == s.Source {
				n++
			}
		}
		if best == nil || best.Deposit && !s.Deposit || best.Deposit == s.Deposit && n < load {
			best, load = s, n
		}
	}
	return best
}

func (m *Machine) canAsk(s *source) bool { return s.Deposit || m.up[s.Peer] }

// take finds the next chunk that is neither here nor on its way.
func (b *blob) take() (uint64, bool) {
	n := b.ref.Chunks()
	for i := b.next; i < n; i++ {
		if b.has(i) {
			continue
		}
		if _, flying := b.flying[i]; !flying {
			b.next = i + 1
			return i, true
		}
	}
	b.next = n
	return 0, false
}

func later(d time.Duration) time.Duration { return min(max(2*d, BackoffFirst), BackoffMost) }

// Wake returns when the machine next wants a [Tick]; zero when never.
func (m *Machine) Wake() time.Time {
	var wake time.Time
	earliest := func(t time.Time) {
		if !t.IsZero() && (wake.IsZero() || t.Before(wake)) {
			wake = t
		}
	}
	for _, b := range m.blobs {
		earliest(b.retryAt)
		if b.stage == finishing || b.stage == opening {
			continue
		}
		for _, s := range b.sources {
			if m.canAsk(s) {
				earliest(s.notTill)
			}
		}
	}
	return wake
}
