package placement_test

import (
	"testing"
	"time"

	"kith/box"
	"kith/internal/placement"
)

// The other limits are at their edges in the tests of the rules they belong to.

// TestLimits_asked: 32 requests are open at a relay, and the others come when one of
// them is answered; those that wait do not count.
func TestLimits_asked(t *testing.T) {
	b := newBench(t, relays(1))
	wait := b.watch(1000)
	var asks []placement.Ask
	for i := range 3 * placement.MaxAsked {
		asks = append(asks, b.write(i)...)
	}
	if len(asks) != placement.MaxAsked || len(wait) != 1 {
		t.Fatalf("%d requests are open", len(asks))
	}
	for n := 0; len(asks) > 0; n++ {
		more := b.answer(asks[0], box.OK)
		if want := min(1, max(2*placement.MaxAsked-n, 0)); len(more) != want {
			t.Fatalf("after %d answers %d more are asked", n+1, len(more))
		}
		asks = append(asks[1:], more...)
	}
	if b.m.Unheld() != 0 {
		t.Errorf("%d are not held", b.m.Unheld())
	}
}

// TestLimits_looksAreAskedLater: so do questions for boxes that do not wait.
func TestLimits_looksAreAskedLater(t *testing.T) {
	b := newBench(t, relays(2))
	var asks []placement.Ask
	for i := range placement.MaxAsked {
		asks = append(asks, b.write(i)...)
	}
	if wait, others := waiting(t, b.watch(1000)); wait == nil || len(others) > 0 {
		t.Fatalf("%d more are open", len(others))
	}
	looked := 0
	for _, a := range asks {
		for _, more := range b.answer(a, box.OK) {
			if looked++; more.Op != placement.Get || more.Box != boxOf(1000) || more.Relay != a.Relay {
				t.Errorf("asked %v", brief(more))
			}
		}
	}
	if looked != 1 {
		t.Errorf("looked at %d relays", looked)
	}
}

// TestLimits_oneAfterSilence: a relay that did not answer is asked one thing until it
// does.
func TestLimits_oneAfterSilence(t *testing.T) {
	b := newBench(t, relays(1))
	var asks []placement.Ask
	for i := range 10 {
		asks = append(asks, b.write(i)...)
	}
	for _, a := range asks {
		b.fail(a)
	}
	for range 5 {
		asks = b.until(6 * time.Minute)
		if len(asks) != 1 {
			t.Fatalf("%d asked", len(asks))
		}
		b.fail(asks[0])
	}
	asks = b.until(6 * time.Minute)
	if more := b.answer(asks[0], box.OK); len(more) != 9 {
		t.Errorf("%d asked when it answers", len(more))
	}
}

// TestLimits_deletionsAreAskedLater: deletions beyond what may be open come later.
func TestLimits_deletionsAreAskedLater(t *testing.T) {
	b := newBench(t, relays(1))
	const n = placement.MaxAsked + 20
	for i := range n {
		b.step(placement.Delete{Of: group, Box: boxOf(i), Del: []byte{1}})
	}
	open, done := []placement.Ask{}, 0
	for end := b.now.Add(5 * time.Hour); b.now.Before(end) && !b.m.Wake().IsZero(); {
		open = append(open, b.sleep(placement.DeleteMost)...)
		if len(open) > placement.MaxAsked {
			t.Fatalf("%d are open", len(open))
		}
		if len(open) == placement.MaxAsked || b.now.Sub(noon) > placement.DeleteMost {
			for _, a := range open {
				b.answer(a, box.OK)
				done++
			}
			open = nil
		}
	}
	if done != n {
		t.Errorf("%d of %d were deleted", done, n)
	}
}

func TestLimits_values(t *testing.T) {
	if placement.Replicas != 4 || placement.Enough != 3 || placement.MaxRank != 8 || placement.RepairEvery != 2*time.Hour || placement.RepairRarely != 8*time.Hour || placement.LookRarely != 12*time.Hour || placement.LooksOften != 4 || placement.FurtherLeast != 4*time.Minute || placement.FurtherMost != 6*time.Minute ||
		placement.WaitLeast != 45*time.Minute || placement.WaitMost != time.Hour || placement.WaitMost > box.MaxWait*time.Second ||
		placement.LookEvery != 6*time.Hour || placement.DeleteLeast != 5*time.Minute || placement.DeleteMost != time.Hour ||
		placement.DeleteTries != 3 || placement.BackoffFirst != time.Second || placement.BackoffMost != 5*time.Minute ||
		placement.MaxEffort != 4096 || placement.MaxEffort > box.MaxEffort || placement.MaxAsked != 32 {
		t.Error("limits are not those of docs/spec/boxing.md")
	}
}
