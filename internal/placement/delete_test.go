package placement_test

import (
	"testing"
	"time"

	"kith/box"
	"kith/internal/placement"
)

// TestPlacement_BG12_deletions: a box that was read is deleted at its four nearest
// relays, 5 to 60 minutes later, each box for itself.
func TestPlacement_BG12_deletions(t *testing.T) {
	all := relays(9)
	b := newBench(t, all)
	for i := range 30 {
		if asks := b.step(placement.Delete{Of: group, Box: boxOf(i), Del: []byte{byte(i)}}); len(asks) > 0 {
			t.Fatal("deleted at once")
		}
	}
	times := map[time.Duration]bool{}
	for range 30 {
		asks := b.sleep(placement.DeleteMost)
		times[b.now.Sub(noon)] = true
		i := int(asks[0].Body[0])
		if !within(b.now.Sub(noon), placement.DeleteLeast, placement.DeleteMost) || !sameRelays(relaysOf(asks), near(i, all)[:4]) {
			t.Errorf("box %d is deleted after %v at %x", i, b.now.Sub(noon), relaysOf(asks))
		}
		for k, a := range asks {
			if a.Op != placement.Del || a.Box != boxOf(i) || len(a.Body) != 1 {
				t.Errorf("asked %v", brief(a))
			}
			b.answer(a, []box.Status{box.OK, box.Refused}[k/3])
		}
	}
	if len(times) != 30 {
		t.Errorf("%d deletions at %d times", 30, len(times))
	}
	if !b.m.Wake().IsZero() {
		t.Error("wakes for what is done")
	}
}

// TestPlacement_BG12_relaysThatDoNotAnswer are asked three times, and no more.
func TestPlacement_BG12_relaysThatDoNotAnswer(t *testing.T) {
	b := newBench(t, relays(4))
	b.step(placement.Delete{Of: group, Box: boxOf(1), Del: []byte{1}})
	dead, rounds := near(1, relays(4))[0], 0
	for !b.m.Wake().IsZero() {
		since := b.now
		asks := b.sleep(placement.DeleteMost)
		if !within(b.now.Sub(since), placement.DeleteLeast, placement.DeleteMost) || len(asks) != []int{4, 1, 1}[rounds] {
			t.Fatalf("round %d: %d asked after %v", rounds, len(asks), b.now.Sub(since))
		}
		for _, a := range asks {
			if a.Relay == dead {
				b.reply(a, placement.Answered{Status: box.Busy})
			} else {
				b.answer(a, box.OK)
			}
		}
		rounds++
	}
	if rounds != placement.DeleteTries {
		t.Errorf("%d times", rounds)
	}
	// One that is left alone when its time comes is asked later.
	c := newBench(t, relays(1))
	c.step(placement.Delete{Of: group, Box: boxOf(1), Del: []byte{1}})
	open := c.write(2)
	c.now = c.m.Wake()
	c.fail(open[0])
	if asks := c.step(placement.Tick{}); len(asks) > 0 {
		t.Errorf("asked while left alone: %v", brief(asks...))
	}
	if asks := c.pass(2 * time.Second); len(asks) != 1 || asks[0].Op != placement.Put {
		t.Errorf("asked %v", brief(asks...))
	} else {
		c.answer(asks[0], box.OK)
		c.step(placement.Forget{Boxes: []placement.Box{boxOf(2)}})
	}
	if asks := c.pass(placement.DeleteMost); len(asks) != 1 || asks[0].Op != placement.Del {
		t.Errorf("asked %v", brief(asks...))
	}
	// A relay that is none any more is not asked.
	d := newBench(t, relays(1))
	d.step(placement.Delete{Of: group, Box: boxOf(1), Del: []byte{1}})
	d.step(placement.Relays{Of: group})
	if asks := d.pass(5 * time.Hour); len(asks) > 0 {
		t.Errorf("asked %v", brief(asks...))
	}
	e := newBench(t, relays(2))
	e.step(placement.Delete{Of: group, Box: boxOf(1), Del: []byte{1}})
	for _, a := range e.sleep(placement.DeleteMost) {
		e.fail(a)
	}
	e.step(placement.Relays{Of: group, List: relays(2)[1:]})
	if asks := e.pass(5 * time.Hour); len(asks) != 1 || asks[0].Relay != relays(2)[1] {
		t.Errorf("asked %x", relaysOf(asks))
	}
}
