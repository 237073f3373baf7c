package placement_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kith/box"
	"kith/internal/placement"
)

// chaos is a machine that anybody may do anything to, and what must hold then.
type chaos struct {
	t       testing.TB
	m       *placement.Machine
	now     time.Time
	open    map[uint64]placement.Ask
	tags    []uint64 // of open, in order
	busy    map[box.RelayID]int
	lists   map[placement.Group][]box.RelayID
	said    map[placement.Box]map[box.RelayID]bool // who said that it holds a box
	on      map[placement.Box]int
	gone    map[placement.Box]bool // a relay showed so
	other   map[placement.Box]bool // a relay showed another cell
	watched map[placement.Box]bool
}

func newChaos(t testing.TB) *chaos {
	return &chaos{t: t, m: placement.New(1), now: noon, open: map[uint64]placement.Ask{}, busy: map[box.RelayID]int{},
		lists: map[placement.Group][]box.RelayID{}, said: map[placement.Box]map[box.RelayID]bool{}, on: map[placement.Box]int{},
		gone: map[placement.Box]bool{}, other: map[placement.Box]bool{}, watched: map[placement.Box]bool{}}
}

func (c *chaos) step(in placement.Input) {
	effects := c.m.Step(c.now, in)
	if len(effects) > 10_000 {
		c.t.Fatalf("%d effects of one input", len(effects))
	}
	for _, e := range effects {
		switch e := e.(type) {
		case placement.Ask:
			c.asked(e)
		case placement.Stored:
			if e.On <= c.on[e.Box] || e.On > e.Wanted || e.On > len(c.said[e.Box]) || e.Wanted > placement.Replicas {
				c.t.Fatalf("stored on %d of %d after %d, %d said so", e.On, e.Wanted, c.on[e.Box], len(c.said[e.Box]))
			}
			c.on[e.Box] = e.On
		case placement.Gone:
			if !c.gone[e.Box] {
				c.t.Fatal("gone, and nobody said so")
			}
		case placement.Taken:
			if !c.other[e.Box] {
				c.t.Fatal("taken, and nobody showed it")
			}
		case placement.Found:
			if !c.watched[e.Box] {
				c.t.Fatal("found what is not looked for")
			}
		case placement.Skip:
			if !c.watched[e.Box] || !c.gone[e.Box] {
				c.t.Fatal("skipped, and nobody said so")
			}
		}
	}
}

func (c *chaos) asked(a placement.Ask) {
	if _, twice := c.open[a.Tag]; twice {
		c.t.Fatal("a tag twice")
	}
	c.open[a.Tag] = a
	c.tags = append(c.tags, a.Tag)
	known := false
	for _, list := range c.lists {
		known = known || slices.Contains(list, a.Relay)
	}
	if !known {
		c.t.Fatal("asked a relay of nobody's list")
	}
	switch a.Op {
	case placement.Put:
		if !bytes.Equal(a.Body[:32], a.Box[:]) || len(a.Body) != len(cellOf(0).Put) || a.Wait != 0 || a.Effort > placement.MaxEffort {
			c.t.Fatalf("a put of %d bytes, effort %d", len(a.Body), a.Effort)
		}
	case placement.Get:
		if a.Body != nil || a.Wait != 0 && (a.Wait < placement.WaitLeast || a.Wait >= placement.WaitMost) && (a.Wait < placement.FurtherLeast || a.Wait >= placement.FurtherMost) {
			c.t.Fatalf("a get with %d bytes that waits %v", len(a.Body), a.Wait)
		}
	}
	if a.Wait == 0 {
		if c.busy[a.Relay]++; c.busy[a.Relay] > placement.MaxAsked+1 { // a conflict may be looked into
			c.t.Fatalf("%d requests are open at a relay", c.busy[a.Relay])
		}
	}
}

// close ends a request, and notes what its answer shows.
func (c *chaos) close(i int, in placement.Answered) {
	a := c.open[c.tags[i]]
	c.tags = slices.Delete(c.tags, i, i+1)
	delete(c.open, a.Tag)
	if a.Wait == 0 {
		c.busy[a.Relay]--
	}
	holds := a.Op == placement.Put && (in.Status == box.OK || in.Status == box.Exists)
	if a.Op == placement.Get && in.Status == box.Found {
		mine := in.Expiry == 20000 && slices.ContainsFunc(numbers, func(i int) bool { return boxOf(i) == a.Box && bytes.Equal(in.Cell, putOf(i).Cell) })
		holds, c.other[a.Box] = mine, c.other[a.Box] || !mine
	}
	if holds {
		if c.said[a.Box] == nil {
			c.said[a.Box] = map[box.RelayID]bool{}
		}
		c.said[a.Box][a.Relay] = true
	}
	if in.Status == box.Gone {
		c.gone[a.Box] = true
	}
	in.Tag = a.Tag
	c.step(in)
}

var numbers = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}

// play lets bytes choose what happens.
func (c *chaos) play(script []byte) {
	groups := []placement.Group{"a", "b"}
	for len(script) >= 3 {
		do, x, y := script[0], script[1], script[2]
		script = script[3:]
		of, i := groups[x&1], int(x>>1)%10
		switch do % 16 {
		case 0:
			list := relays(20)[y%16:][:x%5+1+y%4]
			if x > 250 {
				list = nil
			}
			c.lists[of] = append(c.lists[of], list...) // answers may be on their way to the old ones
			c.step(placement.Relays{Of: of, List: list})
		case 1:
			c.step(placement.Write{Of: of, Cells: []placement.Cell{cellOf(i), cellOf((i + 1) % 10)}})
		case 2:
			c.step(placement.Again{Boxes: []placement.Box{boxOf(i), boxOf(int(y))}})
		case 3:
			for b := range c.on {
				if b == boxOf(i) {
					delete(c.on, b)
				}
			}
			delete(c.said, boxOf(i))
			c.step(placement.Forget{Boxes: []placement.Box{boxOf(i)}})
		case 4:
			in := placement.Watch{Of: of, Rarely: y > 200}
			for k := range int(y) % 4 {
				in.Boxes = append(in.Boxes, boxOf((i+k)%10))
				c.watched[boxOf((i+k)%10)] = true
			}
			c.step(in)
		case 5:
			c.step(placement.Delete{Of: of, Box: boxOf(i), Del: []byte{1}})
		case 6:
			c.step(placement.Wrong{Of: of, Box: boxOf(i)})
		case 7, 8:
			c.tick(time.Duration(x) * time.Duration(y) * time.Second)
		case 9:
			if _, open := c.open[uint64(y)]; !open {
				c.step(placement.Answered{Tag: uint64(y), Status: box.Status(x % 12)}) // to nothing
				c.step(placement.Failed{Tag: uint64(y)})
			}
		case 10:
			if len(c.tags) > 0 {
				k := int(x) % len(c.tags)
				a := c.open[c.tags[k]]
				c.tags = slices.Delete(c.tags, k, k+1)
				delete(c.open, a.Tag)
				if a.Wait == 0 {
					c.busy[a.Relay]--
				}
				c.step(placement.Failed{Tag: a.Tag})
			}
		default:
			if len(c.tags) > 0 {
				in := placement.Answered{Status: box.Status(y % 12), Effort: uint32(x) * uint32(y), Expiry: 20000, Cell: putOf(int(y>>4) % 10).Cell}
				c.close(int(x)%len(c.tags), in)
			}
		}
	}
}

// tick lets time pass: the machine wakes only in the future, once it was woken.
func (c *chaos) tick(d time.Duration) {
	end := c.now.Add(d)
	for n := 0; ; n++ {
		wake := c.m.Wake()
		if wake.IsZero() || wake.After(end) {
			break
		}
		if wake.After(c.now) {
			c.now, n = wake, 0
		}
		if n > 2 {
			c.t.Fatal("woken, and wants to be woken at once")
		}
		c.step(placement.Tick{})
	}
	c.now = end
}

// FuzzActions lets bytes choose what happens: inputs, answers that fit and do not,
// failures, time. No panic; nothing is said that nobody said; bounds hold.
func FuzzActions(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		f.Add(append([]byte{0, 4, 2, 0, 5, 2, 1, 0, 0, 4, 1, 2}, drawnBytes(rng, 90)...))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 1500 {
			return
		}
		newChaos(t).play(script)
	})
}

func drawnBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// TestPlacement_chaos: some hundred such scripts each time.
func TestPlacement_chaos(t *testing.T) {
	rng := draw(t)
	for range 300 {
		newChaos(t).play(append([]byte{0, 4, 2, 0, 5, 2, 1, 0, 0, 4, 1, 2}, drawnBytes(rng, 1500)...))
	}
}
