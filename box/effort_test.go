package box_test

import (
	"testing"

	"kith/box"
)

func never() bool { return false }

// TestBox_BX09_work: what was solved is accepted for its effort, relay, day and box, and
// for no other.
func TestBox_BX09_work(t *testing.T) {
	relay, b := box.RelayID{1}, [32]byte{2}
	w, ok := box.Solve(relay, 20000, b, 4, never)
	if !ok || !box.VerifyWork(&w, relay, 20000, b, 4) || !box.VerifyWork(&w, relay, 20000, b, 1) {
		t.Fatal("no solution, or one that does not verify")
	}
	for name, good := range map[string]bool{
		"another relay": box.VerifyWork(&w, box.RelayID{9}, 20000, b, 1),
		"another day":   box.VerifyWork(&w, relay, 20001, b, 1),
		"another box":   box.VerifyWork(&w, relay, 20000, [32]byte{9}, 1),
		"none":          box.VerifyWork(&box.Work{}, relay, 20000, b, 1),
		"far more":      box.VerifyWork(&w, relay, 20000, b, 1<<31),
	} {
		if good {
			t.Errorf("%s: accepted", name)
		}
	}
	for i := range w.Solution {
		bad := w
		bad.Solution[i] ^= 1
		if box.VerifyWork(&bad, relay, 20000, b, 1) {
			t.Errorf("byte %d of the solution does not count", i)
		}
	}
	// The same words in another order are no other solution.
	swapped := w
	copy(swapped.Solution[:8], w.Solution[8:])
	copy(swapped.Solution[8:], w.Solution[:8])
	if box.VerifyWork(&swapped, relay, 20000, b, 1) {
		t.Error("two forms of one solution")
	}
	if _, ok := box.Solve(relay, 1, b, box.MaxEffort+1, never); ok {
		t.Error("more than the most was done")
	}
	if _, ok := box.Solve(relay, 1, b, box.MaxEffort, func() bool { return true }); ok {
		t.Error("went on when told to stop")
	}
}

func BenchmarkSolve(b *testing.B) {
	for b.Loop() {
		box.Solve(box.RelayID{1}, 1, [32]byte{2}, 1, never)
	}
}

func BenchmarkVerifyWork(b *testing.B) {
	w, _ := box.Solve(box.RelayID{1}, 1, [32]byte{2}, 1, never)
	for b.Loop() {
		box.VerifyWork(&w, box.RelayID{1}, 1, [32]byte{2}, 1)
	}
}
