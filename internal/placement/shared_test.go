package placement_test

import (
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kith/box"
	"kith/internal/placement"
)

var seed = flag.Uint64("seed", 1, "of what tests draw at random")

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

const group = placement.Group("g")

func relays(n int) (ids []box.RelayID) {
	for i := range n {
		ids = append(ids, sha256.Sum256([]byte{'r', byte(i)}))
	}
	return ids
}

func boxOf(i int) placement.Box {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte{'b'}, uint64(i)))
}

// putOf is the request for a box, with the form of one but no signature.
func putOf(i int) *box.Put {
	cell := make([]byte, box.CellSize)
	binary.BigEndian.PutUint64(cell, uint64(i))
	return &box.Put{Box: boxOf(i), Expiry: 20000, Cell: cell}
}

func cellOf(i int) placement.Cell {
	b, err := putOf(i).MarshalBinary()
	if err != nil {
		panic(err)
	}
	return placement.Cell{Box: boxOf(i), Put: b}
}

// near gives the relays of a box, nearest first.
func near(i int, of []box.RelayID) (ids []box.RelayID) {
	for _, k := range box.Rank(boxOf(i), of) {
		ids = append(ids, of[k])
	}
	return ids
}

// bench is one machine, its clock and what it asked.
type bench struct {
	t    *testing.T
	m    *placement.Machine
	now  time.Time
	open map[uint64]placement.Ask
	last []placement.Effect // of the last step
}

func newBench(t *testing.T, list []box.RelayID) *bench {
	t.Helper()
	b := &bench{t: t, m: placement.New(*seed), now: noon, open: map[uint64]placement.Ask{}}
	b.step(placement.Relays{Of: group, List: list})
	return b
}

// step gives an input and returns what is asked because of it.
func (b *bench) step(in placement.Input) (asks []placement.Ask) {
	b.t.Helper()
	b.last = b.m.Step(b.now, in)
	for _, e := range b.last {
		if a, ok := e.(placement.Ask); ok {
			if _, twice := b.open[a.Tag]; twice || a.Tag == 0 {
				b.t.Fatalf("tag %d again", a.Tag)
			}
			b.open[a.Tag] = a
			asks = append(asks, a)
		}
	}
	return asks
}

func (b *bench) write(i int) []placement.Ask {
	b.t.Helper()
	return b.step(placement.Write{Of: group, Cells: []placement.Cell{cellOf(i)}})
}

func (b *bench) watch(boxes ...int) []placement.Ask {
	b.t.Helper()
	in := placement.Watch{Of: group}
	for _, i := range boxes {
		in.Boxes = append(in.Boxes, boxOf(i))
	}
	return b.step(in)
}

// answer answers a request.
func (b *bench) answer(a placement.Ask, s box.Status) []placement.Ask {
	b.t.Helper()
	return b.reply(a, placement.Answered{Status: s})
}

func (b *bench) reply(a placement.Ask, in placement.Answered) []placement.Ask {
	b.t.Helper()
	in.Tag = a.Tag
	delete(b.open, a.Tag)
	return b.step(in)
}

func (b *bench) fail(a placement.Ask) []placement.Ask {
	b.t.Helper()
	delete(b.open, a.Tag)
	return b.step(placement.Failed{Tag: a.Tag})
}

// told returns the effects of the last step that ask nothing.
func (b *bench) told() (all []placement.Effect) {
	for _, e := range b.last {
		if _, ok := e.(placement.Ask); !ok {
			all = append(all, e)
		}
	}
	return all
}

// sleep goes to the machine's next waking, which is to be in the future and not later
// than most from now, and wakes it.
func (b *bench) sleep(most time.Duration) []placement.Ask {
	b.t.Helper()
	wake := b.m.Wake()
	if wake.IsZero() || wake.Sub(b.now) > most {
		b.t.Fatalf("wakes after %v, want at most %v", wake.Sub(b.now), most)
	}
	if wake.After(b.now) {
		b.now = wake
	}
	return b.step(placement.Tick{})
}

// until sleeps until something is asked.
func (b *bench) until(most time.Duration) []placement.Ask {
	b.t.Helper()
	end := b.now.Add(most)
	for {
		if asks := b.sleep(end.Sub(b.now)); len(asks) > 0 {
			return asks
		}
	}
}

// pass lets time pass, and returns what was asked meanwhile.
func (b *bench) pass(d time.Duration) (asks []placement.Ask) {
	b.t.Helper()
	end := b.now.Add(d)
	for n := 0; ; n++ {
		wake := b.m.Wake()
		if wake.IsZero() || wake.After(end) {
			b.now = end
			return asks
		}
		if wake.After(b.now) {
			n, b.now = 0, wake
		}
		if n > 3 {
			b.t.Fatalf("wakes again and again at %v", b.now.Sub(noon))
		}
		asks = append(asks, b.step(placement.Tick{})...)
	}
}

func relaysOf(asks []placement.Ask) (ids []box.RelayID) {
	for _, a := range asks {
		ids = append(ids, a.Relay)
	}
	return ids
}

// sameRelays reports whether two lists have the same relays, each once, in any order.
func sameRelays(a, b []box.RelayID) bool {
	sorted := func(x []box.RelayID) []box.RelayID {
		return slices.SortedFunc(slices.Values(x), func(p, q box.RelayID) int { return slices.Compare(p[:], q[:]) })
	}
	return slices.Equal(sorted(a), sorted(b)) && len(slices.Compact(sorted(a))) == len(a)
}

func within(d, least, most time.Duration) bool { return d >= least && d <= most }

func draw(t *testing.T) *rand.Rand {
	t.Helper()
	t.Logf("-seed %d", *seed)
	return rand.New(rand.NewPCG(*seed, 7))
}

// brief is what is asked, for errors.
func brief(asks ...placement.Ask) (all []string) {
	for _, a := range asks {
		all = append(all, fmt.Sprintf("%d: op %d of box %x at relay %x, wait %v, effort %d, %d bytes", a.Tag, a.Op, a.Box[:4], a.Relay[:4], a.Wait, a.Effort, len(a.Body)))
	}
	return all
}
