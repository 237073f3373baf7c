package placement_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"kith/box"
	"kith/internal/placement"
)

// TestPlacement_BG04_bothSidesChooseAlike: writer and reader ask the same relays for
// a box, in whatever order and how often they were told of them.
func TestPlacement_BG04_bothSidesChooseAlike(t *testing.T) {
	rng := draw(t)
	all := relays(20)
	for i := range 50 {
		mine, theirs := slices.Clone(all), append(slices.Clone(all), all[:7]...)
		rng.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
		rng.Shuffle(len(theirs), func(i, j int) { theirs[i], theirs[j] = theirs[j], theirs[i] })
		w, r := newBench(t, mine), newBench(t, theirs)
		puts, gets := w.write(i), r.watch(i)
		if !sameRelays(relaysOf(puts), relaysOf(gets)) || !sameRelays(relaysOf(puts), near(i, all)[:4]) {
			t.Fatalf("box %d is written to %x and read at %x", i, relaysOf(puts), relaysOf(gets))
		}
	}
}

// TestPlacement_BG06_nearestOfHowevermany: of n relays the four nearest are asked for
// each cell, all if there are fewer, once, and their count is what is wanted.
func TestPlacement_BG06_nearestOfHowevermany(t *testing.T) {
	for n := range 12 {
		all := relays(n)
		b := newBench(t, append(slices.Clone(all), all...)) // each told twice
		asks := b.write(n)
		if want := min(n, placement.Replicas); !sameRelays(relaysOf(asks), near(n, all)[:want]) {
			t.Errorf("of %d relays %x are asked", n, relaysOf(asks))
		}
		if again := b.write(n); len(again) != 0 {
			t.Errorf("of %d relays: the same cell is asked for twice", n)
		}
		for i, a := range asks {
			if a.Op != placement.Put || a.Box != boxOf(n) || !bytes.Equal(a.Body, cellOf(n).Put) || a.Wait != 0 || a.Effort != 0 {
				t.Errorf("asked is %v", brief(a))
			}
			if more := b.answer(a, box.OK); len(more) > 0 {
				t.Errorf("of %d relays: %d more are asked", n, len(more))
			}
			if got, want := fmt.Sprint(b.told()), fmt.Sprint([]placement.Effect{placement.Stored{Of: group, Box: boxOf(n), On: i + 1, Wanted: len(asks)}}); got != want {
				t.Errorf("of %d relays: told %s, want %s", n, got, want)
			}
		}
	}
}

// TestPlacement_BG06_deadRelays: those after the fourth are asked while fewer than
// three hold the box or are being asked, and none after the eighth.
func TestPlacement_BG06_deadRelays(t *testing.T) {
	all := relays(12)
	order := near(1, all)
	for dead := range 10 {
		b := newBench(t, all)
		down := func(id box.RelayID) bool { return slices.Contains(order[:dead], id) }
		asks, asked, held := b.write(1), []box.RelayID{}, 0
		for len(asks) > 0 {
			a := asks[0]
			asked = append(asked, a.Relay)
			if down(a.Relay) {
				asks = append(asks[1:], b.fail(a)...)
			} else {
				asks = append(asks[1:], b.answer(a, box.OK)...)
				held++
			}
		}
		// One dead of four leaves three, which is enough; each more needs another.
		want := min(max(4, dead+3), placement.MaxRank)
		if dead == 1 {
			want = 4
		}
		if !sameRelays(asked, order[:want]) || held != max(want-dead, 0) {
			t.Errorf("%d dead: %d were asked, %d hold it; want %d", dead, len(asked), held, want)
		}
	}
}

// TestPlacement_BG06_untilForgotten: relays are asked again for what was not read, byte
// for byte the same: after 2 hours, 4 and then every 8, each ± 20 %, while enough of
// them hold it; from 2 hours on when they do not, or the other side misses it; and no
// more after it was forgotten.
func TestPlacement_BG06_untilForgotten(t *testing.T) {
	b := newBench(t, relays(6))
	near := near(1, relays(6))
	var asks []placement.Ask
	round := func(after time.Duration, s box.Status) {
		t.Helper()
		for _, a := range asks {
			if !bytes.Equal(a.Body, cellOf(1).Put) {
				t.Fatal("another request")
			}
			if more := b.answer(a, s); s != box.Full && len(more) > 0 {
				t.Fatalf("asked %v", brief(more...))
			}
		}
		since := b.now
		asks = b.until(after * 6 / 5)
		if d := b.now.Sub(since); d < after*4/5 || !sameRelays(relaysOf(asks), near[:4]) {
			t.Fatalf("%d relays after %v, want 4 after %v", len(asks), d, after)
		}
	}
	settled := func() {
		t.Helper()
		round(2*placement.RepairEvery, box.Exists)
		began := b.now
		for range 50 {
			round(placement.RepairRarely, box.Exists)
		}
		if mean := b.now.Sub(began) / 50; !within(mean, placement.RepairRarely*95/100, placement.RepairRarely*105/100) {
			t.Errorf("every %v on average", mean)
		}
	}
	asks = b.write(1)
	round(placement.RepairEvery, box.OK)
	settled()
	for range 3 { // two of six hold it, and nobody else is left
		for i := 0; i < len(asks); i++ {
			asks = append(asks, b.answer(asks[i], []box.Status{box.Exists, box.Full}[min(i/2, 1)])...)
		}
		asks = nil
		round(placement.RepairEvery, box.Exists)
	}
	settled()
	for _, a := range asks {
		b.answer(a, box.Exists)
	}
	asks = b.step(placement.Again{Boxes: []placement.Box{boxOf(1)}})
	round(placement.RepairEvery, box.OK)
	settled()
	for i, a := range asks { // one of them had lost it
		b.answer(a, []box.Status{box.OK, box.Exists}[min(i, 1)])
	}
	asks = nil
	round(placement.RepairEvery, box.Exists)
	b.step(placement.Forget{Boxes: []placement.Box{boxOf(1), boxOf(2)}})
	for _, a := range asks {
		if b.answer(a, box.OK); len(b.last) > 0 {
			t.Errorf("after it was forgotten: %v", b.last)
		}
	}
	if asks := b.pass(10 * time.Hour); len(asks) > 0 || !b.m.Wake().IsZero() {
		t.Errorf("a forgotten cell is asked for %d times", len(asks))
	}
}

// TestPlacement_BG06_repairAfterLoss: what a relay lost it is given again, and a
// relay that was dead gets what it missed.
func TestPlacement_BG06_repairAfterLoss(t *testing.T) {
	b := newBench(t, relays(4))
	asks := b.write(1)
	for _, a := range asks[1:] {
		b.answer(a, box.OK)
	}
	if b.fail(asks[0]); len(b.last) > 0 {
		t.Errorf("told %v", b.last)
	}
	again := b.until(2 * time.Second)
	if len(again) != 1 || again[0].Relay != asks[0].Relay {
		t.Fatalf("asked %x", relaysOf(again))
	}
	b.answer(again[0], box.OK)
	if got := b.told(); len(got) != 1 || got[0].(placement.Stored).On != 4 {
		t.Errorf("told %v", got)
	}
	// The other side misses it: all are asked at once.
	if asks := b.step(placement.Again{Boxes: []placement.Box{boxOf(1), boxOf(9)}}); !sameRelays(relaysOf(asks), relays(4)) {
		t.Errorf("asked %x", relaysOf(asks))
	}
}

// TestPlacement_BG06_fullAndRefused: a relay with no room, or that refuses, is left
// alone with this box until the next round, and others are asked.
func TestPlacement_BG06_fullAndRefused(t *testing.T) {
	for name, in := range map[string]placement.Answered{
		"refused": {Status: box.Refused}, "full for nothing": {Status: box.Full}, "full for more than is done": {Status: box.Full, Effort: placement.MaxEffort + 1},
	} {
		b := newBench(t, relays(5))
		asks := b.write(1)
		b.reply(asks[0], in)
		if more := b.reply(asks[1], in); len(more) != 1 || more[0].Relay != near(1, relays(5))[4] {
			t.Fatalf("%s: %x are asked instead", name, relaysOf(more))
		} else {
			b.answer(more[0], box.OK)
		}
		b.answer(asks[2], box.OK)
		b.answer(asks[3], box.OK)
		if early := b.pass(90 * time.Minute); len(early) > 0 {
			t.Errorf("%s: pressed %d times", name, len(early))
		}
		if more := b.write(2); len(more) != 4 {
			t.Errorf("%s: another box is asked of %d", name, len(more))
		}
		if later := b.pass(60 * time.Minute); !slices.Contains(relaysOf(later), asks[0].Relay) {
			t.Errorf("%s: not asked in the next round", name)
		}
	}
}

// TestPlacement_BG06_work: a full relay gets the work it wants, and cannot have us
// work for ever.
func TestPlacement_BG06_work(t *testing.T) {
	b := newBench(t, relays(1))
	asks := b.write(1)
	rounds, done := 0, uint32(0)
	for effort := uint32(1); len(asks) == 1; rounds++ {
		if asks[0].Effort > placement.MaxEffort {
			t.Fatalf("effort %d is done", asks[0].Effort)
		}
		done += asks[0].Effort
		asks = b.reply(asks[0], placement.Answered{Status: box.Full, Effort: effort})
		effort *= 2
	}
	if rounds != 14 || done != 2*placement.MaxEffort-1 {
		t.Errorf("%d times, effort %d in all", rounds, done)
	}
	creep := newBench(t, relays(1))
	asks = creep.reply(creep.write(1)[0], placement.Answered{Status: box.Full, Effort: 100})
	if len(asks) != 1 || asks[0].Effort != 100 {
		t.Fatalf("asked %v", brief(asks...))
	}
	if asks = creep.reply(asks[0], placement.Answered{Status: box.Full, Effort: 199}); len(asks) > 0 {
		t.Error("a relay that creeps up gets its work")
	}
	// What was wanted is remembered for the next round.
	if asks := creep.until(3 * time.Hour); len(asks) != 1 || asks[0].Effort != 100 {
		t.Errorf("asked %v", brief(asks...))
	} else if creep.answer(asks[0], box.OK); len(creep.told()) != 1 {
		t.Errorf("told %v", creep.told())
	}
}

// TestPlacement_BG06_backoff: a relay that does not answer, is busy or answers what is
// no answer is left alone 1 s, doubling to 5 minutes, ± 20 %; an answer ends that.
func TestPlacement_BG06_backoff(t *testing.T) {
	silence := map[string]func(*bench, placement.Ask) []placement.Ask{
		"no answer":  (*bench).fail,
		"busy":       func(b *bench, a placement.Ask) []placement.Ask { return b.answer(a, box.Busy) },
		"found":      func(b *bench, a placement.Ask) []placement.Ask { return b.answer(a, box.Found) },
		"miss":       func(b *bench, a placement.Ask) []placement.Ask { return b.answer(a, box.Miss) },
		"no status":  func(b *bench, a placement.Ask) []placement.Ask { return b.answer(a, 0) },
		"status 200": func(b *bench, a placement.Ask) []placement.Ask { return b.answer(a, 200) },
	}
	for name, silent := range silence {
		b := newBench(t, relays(1))
		asks := b.write(1)
		for want, n := time.Second, 0; n < 15; want, n = min(2*want, 5*time.Minute), n+1 {
			if len(asks) != 1 {
				t.Fatalf("%s: %d asked", name, len(asks))
			}
			if more := silent(b, asks[0]); len(more) > 0 {
				t.Fatalf("%s: asked again at once", name)
			}
			since := b.now
			asks = b.until(6 * time.Minute)
			if d := b.now.Sub(since); !within(d, want*8/10, want*12/10) {
				t.Errorf("%s: the %dth time left alone %v, want %v", name, n+1, d, want)
			}
		}
		b.answer(asks[0], box.OK)
		asks = b.until(3 * time.Hour)
		silent(b, asks[0])
		since := b.now
		if b.until(time.Minute); b.now.Sub(since) > 2*time.Second {
			t.Errorf("%s: an answer does not end it", name)
		}
	}
}

// TestPlacement_BG06_anAnswerEndsIt: who answers one thing is asked others, though it
// did not answer another.
func TestPlacement_BG06_anAnswerEndsIt(t *testing.T) {
	b := newBench(t, relays(1))
	first, second := b.write(1), b.write(2)
	b.fail(first[0])
	if asks := b.write(3); len(asks) > 0 {
		t.Error("asked while it is left alone")
	}
	if asks := b.answer(second[0], box.OK); len(asks) != 2 || asks[0].Box == asks[1].Box {
		t.Errorf("%d asked of what was held back", len(asks))
	}
	if asks := b.write(4); len(asks) != 1 {
		t.Error("left alone though it answers")
	}
}

// TestPlacement_BG06_jitter: times are spread over all of ± 20 %.
func TestPlacement_BG06_jitter(t *testing.T) {
	var early, late int
	for i := range 200 {
		m := placement.New(uint64(i))
		m.Step(noon, placement.Write{Of: group, Cells: []placement.Cell{cellOf(i)}})
		switch d := m.Wake().Sub(noon); {
		case !within(d, 96*time.Minute, 144*time.Minute):
			t.Fatalf("again after %v", d)
		case d < 102*time.Minute:
			early++
		case d > 138*time.Minute:
			late++
		}
	}
	if early < 10 || late < 10 { // an eighth each
		t.Errorf("%d early and %d late of 200", early, late)
	}
}

// TestPlacement_BG07_conflict: a relay that says conflict has to show it.
func TestPlacement_BG07_conflict(t *testing.T) {
	mine, other := putOf(1), putOf(2)
	for name, test := range map[string]struct {
		shows placement.Answered
		told  string
		over  bool
	}{
		"another cell":   {placement.Answered{Status: box.Found, Expiry: mine.Expiry, Cell: other.Cell}, "Taken", false},
		"another expiry": {placement.Answered{Status: box.Found, Expiry: mine.Expiry + 1, Cell: mine.Cell}, "Taken", false},
		"deleted":        {placement.Answered{Status: box.Gone}, "Gone", true},
		"the very cell":  {placement.Answered{Status: box.Found, Expiry: mine.Expiry, Cell: mine.Cell}, "Stored", false},
		"nothing":        {placement.Answered{Status: box.Miss}, "", false},
		"no answer":      {placement.Answered{Status: box.Busy}, "", false},
	} {
		b := newBench(t, relays(4))
		asks := b.write(1)
		show := b.answer(asks[0], box.Conflict)
		if len(b.told()) > 0 {
			t.Fatalf("%s: believed without being shown: %v", name, b.told())
		}
		if len(show) != 1 || show[0].Op != placement.Get || show[0].Wait != 0 || show[0].Relay != asks[0].Relay || show[0].Box != boxOf(1) {
			t.Fatalf("%s: asked %v", name, brief(show...))
		}
		b.reply(show[0], test.shows)
		if got := fmt.Sprintf("%T", append(b.told(), nil)[0]); got != "placement."+test.told && (test.told != "" || got != "<nil>") {
			t.Errorf("%s: told %v", name, b.told())
		}
		for _, a := range asks[1:] {
			if b.answer(a, box.OK); (len(b.told()) == 0) != test.over {
				t.Errorf("%s: then told %v", name, b.told())
			}
		}
		if asks := b.pass(3 * time.Hour); (len(asks) == 0) != test.over {
			t.Errorf("%s: %d asked afterwards", name, len(asks))
		}
	}
}

// TestPlacement_BG07_conflictForEver: a relay that says conflict whatever it is asked
// is asked twice a round.
func TestPlacement_BG07_conflictForEver(t *testing.T) {
	b := newBench(t, relays(1))
	asks, n := b.write(1), 0
	for end := b.now.Add(20 * time.Hour); b.now.Before(end); asks = b.until(3 * time.Hour) {
		for len(asks) > 0 {
			n++
			if asks[0].Op == placement.Put {
				asks = b.answer(asks[0], box.Conflict)
			} else {
				asks = b.answer(asks[0], box.Miss)
			}
		}
		if len(b.told()) > 0 {
			t.Fatalf("told %v", b.told())
		}
	}
	if n > 26 {
		t.Errorf("asked %d times in 20 hours", n)
	}
}

// TestPlacement_BG14_boxedIsNotSaidTooMuch: relays count that said they hold it, where
// the other side looks, once; it never goes back; lies of other kinds do not count.
func TestPlacement_BG14_boxedIsNotSaidTooMuch(t *testing.T) {
	all := relays(4)
	b := newBench(t, all)
	asks := b.write(1)
	stored := func() int {
		for _, e := range b.told() {
			if s, ok := e.(placement.Stored); ok {
				return s.On
			}
		}
		return 0
	}
	for _, s := range []box.Status{box.Found, box.Miss, box.Busy, box.Refused} {
		b := newBench(t, all)
		for _, a := range b.write(1) {
			if b.answer(a, s); len(b.told()) > 0 || b.m.Unheld() != 1 {
				t.Errorf("status %d: told %v", s, b.told())
			}
		}
	}
	if b.answer(asks[0], box.OK); stored() != 1 {
		t.Error("the first does not count")
	}
	if b.reply(asks[0], placement.Answered{Status: box.OK}); len(b.last) > 0 {
		t.Error("a second answer counts")
	}
	if b.step(placement.Answered{Tag: 999, Status: box.OK}); len(b.last) > 0 {
		t.Error("an answer to nothing counts")
	}
	// Two relays leave the list, with an answer on its way, and others come.
	list := append(relays(8)[4:], asks[2].Relay, asks[3].Relay)
	more := b.step(placement.Relays{Of: group, List: list})
	if b.answer(asks[1], box.OK); len(b.told()) > 0 {
		t.Errorf("a relay that is none any more counts: %v", b.told())
	}
	if b.answer(asks[2], box.OK); len(b.told()) > 0 {
		t.Errorf("one of the new, after one of the old: %v", b.told())
	}
	if b.answer(asks[3], box.Exists); stored() != 2 {
		t.Errorf("two of the new: %v", b.told())
	}
	if b.step(placement.Again{Boxes: []placement.Box{boxOf(1)}}); len(b.told()) > 0 {
		t.Errorf("told %v", b.told())
	}
	for _, a := range more {
		b.answer(a, box.OK)
		if n := stored(); n != 0 && n < 3 {
			t.Errorf("went back to %d", n)
		}
	}
}

// TestPlacement_BG14_gone: when a box was deleted the other side had it: nothing is
// asked any more.
func TestPlacement_BG14_gone(t *testing.T) {
	b := newBench(t, relays(4))
	asks := b.write(1)
	if b.answer(asks[0], box.Gone); len(b.told()) != 1 || b.told()[0] != (placement.Gone{Of: group, Box: boxOf(1)}) {
		t.Errorf("told %v", b.told())
	}
	for _, a := range asks[1:] {
		if b.answer(a, box.Gone); len(b.last) > 0 {
			t.Errorf("told %v", b.last)
		}
	}
	if asks := b.pass(10 * time.Hour); len(asks) > 0 || b.m.Unheld() != 0 {
		t.Errorf("%d asked", len(asks))
	}
}

// TestPlacement_BG06_writtenAnew: another cell in a box of ours takes the place of the
// one before at all relays, and what is answered about that one counts for nothing.
func TestPlacement_BG06_writtenAnew(t *testing.T) {
	all := relays(4)
	b := newBench(t, all)
	old := b.write(1)
	for _, a := range old[1:] {
		b.answer(a, box.OK)
	}
	b.told()
	fresh := cellOf(1)
	fresh.Put = append(bytes.Clone(fresh.Put), 1)
	asks := b.step(placement.Write{Of: group, Cells: []placement.Cell{fresh}})
	if !sameRelays(relaysOf(asks), near(1, all)) || !bytes.Equal(asks[0].Body, fresh.Put) {
		t.Fatalf("asked is %x", relaysOf(asks))
	}
	b.answer(old[0], box.OK)
	if told := b.told(); len(told) != 0 {
		t.Errorf("told %v of the one before", told)
	}
	b.answer(asks[0], box.OK)
	if got, want := fmt.Sprint(b.told()), fmt.Sprint([]placement.Effect{placement.Stored{Of: group, Box: boxOf(1), On: 1, Wanted: 4}}); got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}

// TestPlacement_BG06_aRelayThatForgot: when one box is seen to be lost at a relay, the
// others that lie there are asked about within two hours, too, though their time is far.
func TestPlacement_BG06_aRelayThatForgot(t *testing.T) {
	all := relays(4)
	b := newBench(t, all)
	for i := range 10 {
		for _, a := range b.write(i) {
			b.answer(a, box.OK)
		}
	}
	for end := b.now.Add(48 * time.Hour); b.now.Before(end); {
		for _, a := range b.sleep(placement.RepairRarely * 6 / 5) {
			b.answer(a, box.Exists)
		}
	}
	asks := b.until(placement.RepairRarely * 6 / 5)
	for i, a := range asks {
		b.answer(a, []box.Status{box.OK, box.Exists}[min(i, 1)])
	}
	asked := map[placement.Box]bool{}
	for _, a := range b.pass(placement.RepairEvery * 6 / 5) {
		asked[a.Box] = true
	}
	if len(asked) != 10 {
		t.Errorf("%d of 10 boxes were asked about", len(asked))
	}
}

// TestPlacement_BG06_diskTakesNothing: a relay that is busy for what it is to hold is
// left alone with that, for longer each time, and goes on being asked for what it holds.
func TestPlacement_BG06_diskTakesNothing(t *testing.T) {
	all := relays(1)
	b := newBench(t, all)
	wait, _ := waiting(t, b.watch(5))
	if wait == nil {
		t.Fatal("nobody waits")
	}
	asks := b.write(1)
	for pause := placement.BackoffFirst; pause <= placement.BackoffMost; pause *= 2 {
		if len(asks) != 1 || asks[0].Op != placement.Put {
			t.Fatalf("asked %v", brief(asks...))
		}
		if more := b.answer(asks[0], box.Busy); len(more) > 0 {
			t.Fatalf("asked at once: %v", brief(more...))
		}
		if more := b.write(100 + int(pause/time.Second)); len(more) > 0 {
			t.Fatalf("asked to hold another: %v", brief(more...))
		}
		b.step(placement.Forget{Boxes: []placement.Box{boxOf(100 + int(pause/time.Second))}})
		since := b.now
		asks = b.until(pause * 6 / 5)
		if d := b.now.Sub(since); d < pause*4/5 {
			t.Fatalf("asked again after %v, want %v", d, pause)
		}
	}
	b.reply(*wait, placement.Answered{Status: box.Found, Expiry: 7, Cell: []byte("cell")})
	if next, _ := waiting(t, b.watch(6)); next == nil {
		t.Error("it is not asked for what it may hold")
	}
	if b.answer(asks[0], box.OK); fmt.Sprint(b.told()) != fmt.Sprint([]placement.Effect{placement.Stored{Of: group, Box: boxOf(1), On: 1, Wanted: 1}}) {
		t.Errorf("told %v", b.told())
	}
	if more := b.write(2); len(more) != 1 {
		t.Error("it is not asked to hold more, though it takes it again")
	}
}

// TestPlacement_BG06_failTogether: many requests that are open at a relay when it goes
// away count as one that was not answered.
func TestPlacement_BG06_failTogether(t *testing.T) {
	b := newBench(t, relays(1))
	asks := b.watch(50, 51)
	for i := range 20 {
		asks = append(asks, b.write(i)...)
	}
	if len(asks) < 21 {
		t.Fatalf("only %d are open", len(asks))
	}
	for _, a := range asks {
		b.fail(a)
	}
	since := b.now
	again := b.until(placement.BackoffFirst * 6 / 5)
	if len(again) != 2 || b.now.Sub(since) < placement.BackoffFirst*4/5 { // one that waits, and one
		t.Fatalf("%d asked after %v", len(again), b.now.Sub(since))
	}
}
