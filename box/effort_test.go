package box_test

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"kith/box"
)

func never() bool { return false }

var puzzle = struct {
	relay box.RelayID
	day   uint32
	box   [32]byte
}{box.RelayID{1}, 20000, [32]byte{2}}

func solve(t testing.TB, effort uint32) box.Work {
	t.Helper()
	w, ok := box.Solve(puzzle.relay, puzzle.day, puzzle.box, effort, never)
	if !ok {
		t.Fatal("no solution")
	}
	return w
}

func verifies(w box.Work, effort uint32) bool {
	return box.VerifyWork(&w, puzzle.relay, puzzle.day, puzzle.box, effort)
}

// TestBox_BX09_work: what was solved is accepted for its effort, relay, day and box, and
// for no other.
func TestBox_BX09_work(t *testing.T) {
	draw(t)
	w := solve(t, 4)
	if !verifies(w, 4) || !verifies(w, 1) || !verifies(w, 0) {
		t.Fatal("a solution that does not verify")
	}
	if !box.VerifyWork(&box.Work{}, puzzle.relay, puzzle.day, puzzle.box, 0) {
		t.Error("no effort needs work")
	}
	for name, good := range map[string]bool{
		"another relay": box.VerifyWork(&w, box.RelayID{9}, puzzle.day, puzzle.box, 1),
		"another day":   box.VerifyWork(&w, puzzle.relay, puzzle.day+1, puzzle.box, 1),
		"another box":   box.VerifyWork(&w, puzzle.relay, puzzle.day, [32]byte{9}, 1),
		"none":          verifies(box.Work{}, 1),
		"far more":      verifies(w, 1<<31),
	} {
		if good {
			t.Errorf("%s: accepted", name)
		}
	}
	for i := range 8 * (len(w.Solution) + len(w.Nonce)) {
		bad := w
		if i < 128 {
			bad.Solution[i/8] ^= 1 << (i % 8)
		} else {
			bad.Nonce[i/8-16] ^= 1 << (i % 8)
		}
		if verifies(bad, 1) {
			t.Errorf("bit %d does not count", i)
		}
	}
}

// TestBox_BX09_oneFormOfASolution: the same words in another order are no solution, nor
// is any word twice.
func TestBox_BX09_oneFormOfASolution(t *testing.T) {
	draw(t)
	w := solve(t, 1)
	for _, size := range []int{2, 4, 8} {
		for i := 0; i < 16; i += 2 * size {
			bad := w
			copy(bad.Solution[i:], w.Solution[i+size:i+2*size])
			copy(bad.Solution[i+size:], w.Solution[i:i+size])
			if verifies(bad, 1) {
				t.Errorf("halves of %d bytes from %d swapped: accepted", size, i)
			}
		}
	}
	twice := w // all sums are zero if each word comes twice
	copy(twice.Solution[2:], w.Solution[:2])
	copy(twice.Solution[4:], twice.Solution[:4])
	copy(twice.Solution[8:], twice.Solution[:8])
	if verifies(twice, 1) {
		t.Error("words that cancel themselves: accepted")
	}
}

// TestBox_BX09_asTheReference: verdicts are the reference's, up to the very effort a
// solution has.
func TestBox_BX09_asTheReference(t *testing.T) {
	rng := draw(t)
	for range 4 {
		w := solve(t, 2)
		c := append([]byte("pow/1"), puzzle.relay[:]...)
		c = binary.BigEndian.AppendUint32(c, puzzle.day)
		c = append(append(c, puzzle.box[:]...), w.Nonce[:]...)
		sum := sha256.Sum256(append(c, w.Solution[:]...))
		most := (1<<32 - 1) / max(binary.BigEndian.Uint32(sum[:]), 1)
		for _, e := range []uint32{1, 2, most - 1, most, most + 1, most + 2, 1<<32 - 1} {
			if got := verifies(w, e); got != refWork(&w, puzzle.relay, puzzle.day, puzzle.box, e) || got != (e <= most) {
				t.Errorf("effort %d of at most %d: %v", e, most, got)
			}
		}
		for range 50 {
			bad := box.Work{Nonce: w.Nonce, Solution: [16]byte(drawn(rng, 16))}
			if verifies(bad, 1) || refWork(&bad, puzzle.relay, puzzle.day, puzzle.box, 1) {
				t.Error("random bytes are a solution")
			}
		}
	}
}

// TestBox_BX09_solvingIsBounded: not more than the most, and not against who asked.
func TestBox_BX09_solvingIsBounded(t *testing.T) {
	if w, ok := box.Solve(puzzle.relay, 1, puzzle.box, box.MaxEffort+1, never); ok || w != (box.Work{}) {
		t.Error("more than the most was done")
	}
	asked := 0
	if _, ok := box.Solve(puzzle.relay, 1, puzzle.box, box.MaxEffort, func() bool { asked++; return asked > 2 }); ok || asked != 3 {
		t.Errorf("asked %d times whether to stop", asked)
	}
	if w, ok := box.Solve(puzzle.relay, 1, puzzle.box, 0, func() bool { return true }); !ok || w != (box.Work{}) {
		t.Error("no effort is work")
	}
}

func BenchmarkSolve(b *testing.B) {
	for b.Loop() {
		solve(b, 1)
	}
}

func BenchmarkVerifyWork(b *testing.B) {
	w := solve(b, 1)
	for b.Loop() {
		verifies(w, 1)
	}
}
