package placement_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"kith/box"
	"kith/internal/placement"
)

// waiting tells apart the request that waits, of which there is at most one, and
// others.
func waiting(t *testing.T, asks []placement.Ask) (wait *placement.Ask, at []placement.Ask) {
	t.Helper()
	for _, a := range asks {
		switch {
		case a.Op != placement.Get || a.Body != nil || a.Effort != 0:
			t.Fatalf("asked %v", brief(a))
		case a.Wait == 0:
			at = append(at, a)
		case wait != nil:
			t.Fatal("two wait for one box")
		default:
			wait = &a
		}
	}
	return wait, at
}

// TestPlacement_BG08_allAtOnceThenInTurn: at first all four nearest are asked, one of
// them to wait; then one waits after the other, in an order nobody foresees.
func TestPlacement_BG08_allAtOnceThenInTurn(t *testing.T) {
	all := relays(9)
	b := newBench(t, all)
	asks := b.watch(1)
	wait, others := waiting(t, asks)
	if wait == nil || len(others) != 3 || !sameRelays(relaysOf(asks), near(1, all)[:4]) {
		t.Fatalf("asked %v", brief(asks...))
	}
	for _, a := range others {
		if more := b.answer(a, box.Miss); len(more) > 0 {
			t.Error("asked again at once")
		}
	}
	orders := map[string]bool{}
	for range 20 {
		var turn []box.RelayID
		for range 4 {
			if !within(wait.Wait, placement.WaitLeast, placement.WaitMost) {
				t.Fatalf("waits %v", wait.Wait)
			}
			turn = append(turn, wait.Relay)
			if asks := b.pass(wait.Wait); len(asks) > 0 {
				t.Fatalf("asked %v meanwhile", brief(asks...))
			}
			wait, others = waiting(t, b.answer(*wait, box.Miss))
			if wait == nil || len(others) > 0 {
				t.Fatal("no one waits, or others are asked")
			}
		}
		if !sameRelays(turn, near(1, all)[:4]) {
			t.Errorf("a turn was at %x", turn)
		}
		orders[fmt.Sprint(turn)] = true
	}
	if len(orders) < 8 {
		t.Errorf("only %d orders in 20 turns", len(orders))
	}
}

// TestPlacement_BG08_furtherDown: while none of the four nearest answers, those after
// them are asked to wait for minutes, one after the other, up to the eighth; when one of
// the nearest can be asked again it is.
func TestPlacement_BG08_furtherDown(t *testing.T) {
	all := relays(12)
	b := newBench(t, all)
	order := near(1, all)
	asks := b.watch(1)
	for range 3 {
		for len(asks) > 0 && slices.Contains(order[:4], asks[0].Relay) {
			asks = append(asks[1:], b.fail(asks[0])...)
		}
	}
	for i := range 8 {
		if len(asks) != 1 || asks[0].Relay != order[4+i%4] || !within(asks[0].Wait, placement.FurtherLeast, placement.FurtherMost) {
			t.Fatalf("asked %v", brief(asks...))
		}
		further := asks[0]
		for over := b.now.Add(further.Wait); b.now.Before(over); {
			for _, a := range b.pass(min(time.Second, over.Sub(b.now))) {
				if !slices.Contains(order[:4], a.Relay) {
					t.Fatalf("asked %v", brief(a))
				}
				if more := b.fail(a); len(more) > 0 {
					t.Fatalf("asked %v", brief(more...))
				}
			}
		}
		asks = b.answer(further, box.Miss)
	}
	further := asks[0]
	back := b.until(placement.BackoffMost * 5 / 4)
	if !slices.Contains(order[:4], back[0].Relay) {
		t.Fatalf("asked %v", brief(back...))
	}
	if b.answer(back[0], box.Miss); len(b.last) > 0 {
		t.Errorf("asked at once though one waits: %v", b.last)
	}
	if wait, _ := waiting(t, b.answer(further, box.Miss)); wait == nil || !slices.Contains(order[:4], wait.Relay) || wait.Wait < placement.WaitLeast {
		t.Errorf("waits at %v", wait)
	}
}

// TestPlacement_BG08_found: what is found is told once, and the next box is asked for
// everywhere, though a relay still waits for the one before.
func TestPlacement_BG08_found(t *testing.T) {
	b := newBench(t, relays(4))
	wait, others := waiting(t, b.watch(1, 2))
	b.reply(others[0], placement.Answered{Status: box.Found, Expiry: 7, Cell: []byte("cell")})
	want := placement.Found{Of: group, Box: boxOf(1), Expiry: 7, Cell: []byte("cell")}
	if got := b.told(); len(got) != 1 || fmt.Sprint(got[0]) != fmt.Sprint(want) {
		t.Fatalf("told %v", got)
	}
	for _, a := range others[1:] {
		if b.answer(a, box.Found); len(b.last) > 0 {
			t.Errorf("found again: %v", b.last)
		}
	}
	next := b.watch(2, 3)
	if w, o := waiting(t, next); w == nil || len(o) != 3 || next[0].Box != boxOf(2) {
		t.Errorf("asked %v", brief(next...))
	}
	if b.answer(*wait, box.Found); len(b.last) > 0 {
		t.Errorf("the one before is found again: %v", b.last)
	}
	if b.watch(2, 3); len(b.last) > 0 {
		t.Errorf("asked twice for the same: %v", b.last)
	}
}

// TestPlacement_BG08_gone: a box that was deleted was read before; and nothing is
// asked for a group that watches no more.
func TestPlacement_BG08_gone(t *testing.T) {
	b := newBench(t, relays(4))
	asks := b.watch(1, 2)
	if b.answer(asks[0], box.Gone); len(b.told()) != 1 || b.told()[0] != (placement.Skip{Of: group, Box: boxOf(1)}) {
		t.Errorf("told %v", b.told())
	}
	asks = append(asks[1:], b.watch(2, 3)...)
	b.watch()
	for _, a := range asks {
		if b.answer(a, box.Found); len(b.last) > 0 {
			t.Errorf("told %v", b.last)
		}
	}
	if asks := b.pass(30 * time.Hour); len(asks) > 0 || !b.m.Wake().IsZero() {
		t.Errorf("%d asked", len(asks))
	}
}

// TestPlacement_BG08_wrong: what does not open is looked for at all others, up to the
// eighth, and the relay keeps its place in everything else.
func TestPlacement_BG08_wrong(t *testing.T) {
	all := relays(10)
	b := newBench(t, all)
	wait, others := waiting(t, b.watch(1))
	b.answer(others[0], box.Found)
	asks := b.step(placement.Wrong{Of: group, Box: boxOf(1)})
	want := slices.DeleteFunc(near(1, all)[:8], func(id box.RelayID) bool { return id == others[0].Relay })
	if w, o := waiting(t, asks); w != nil || !sameRelays(relaysOf(o), want) {
		t.Errorf("asked %x", relaysOf(asks))
	}
	b.step(placement.Relays{Of: "other", List: []box.RelayID{others[0].Relay}})
	if asks := b.step(placement.Watch{Of: "other", Boxes: []placement.Box{boxOf(5)}}); len(asks) != 1 {
		t.Error("a writer's fault keeps a relay from others' boxes")
	}
	// One of the others has it.
	b.answer(asks[3], box.Found)
	if len(b.told()) != 1 {
		t.Errorf("told %v", b.told())
	}
	// Nothing of a box that is not watched, or not found.
	for _, in := range []placement.Wrong{{Of: group, Box: boxOf(9)}, {Of: "nobody", Box: boxOf(1)}} {
		if b.step(in); len(b.last) > 0 {
			t.Errorf("%v: %v", in, b.last)
		}
	}
	_ = wait
}

// TestPlacement_BG08_wrongEverywhere: a writer who puts what does not open into a box
// has each relay asked less and less, up to every 6 hours.
func TestPlacement_BG08_wrongEverywhere(t *testing.T) {
	b := newBench(t, relays(4))
	asks, n, late := b.watch(1), 0, 0
	for end := b.now.Add(7 * 24 * time.Hour); b.now.Before(end); {
		for len(asks) > 0 {
			n++
			if b.now.After(noon.Add(6 * 24 * time.Hour)) {
				late++
			}
			a := asks[0]
			asks = append(asks[1:], b.answer(a, box.Found)...)
			if len(b.told()) > 0 {
				asks = append(asks, b.step(placement.Wrong{Of: group, Box: boxOf(1)})...)
			}
		}
		asks = b.until(8 * time.Hour)
	}
	if n > 4*(7+7*4*2) || late > 4*2*6 || late == 0 {
		t.Errorf("asked %d times in a week, %d on its last day", n, late)
	}
}

// TestPlacement_BG08_hasty: a relay that says at once that nothing came, instead of
// waiting, is left alone like one that does not answer.
func TestPlacement_BG08_hasty(t *testing.T) {
	for _, s := range []box.Status{box.Miss, box.Busy, box.OK, box.Exists, 0, 77} {
		b := newBench(t, relays(1))
		asks, n := b.watch(1), 0
		for end := b.now.Add(10 * time.Hour); b.now.Before(end); asks = b.until(7 * time.Minute) {
			for len(asks) > 0 {
				n++
				if asks = append(asks[1:], b.answer(asks[0], s)...); n > 1000 {
					t.Fatalf("status %d: asked again and again", s)
				}
			}
		}
		if n > 10*60/4+12 || n < 10*60/6 {
			t.Errorf("status %d: asked %d times in 10 hours", s, n)
		}
	}
	// Late in its time it may: its clock is another, and it may have to restart.
	honest := newBench(t, relays(1))
	wait, _ := waiting(t, honest.watch(1))
	honest.pass(wait.Wait * 3 / 4)
	if asks := honest.answer(*wait, box.Miss); len(asks) != 1 {
		t.Errorf("%d asked", len(asks))
	}
}

// TestPlacement_BG08_deadRelays: who does not answer is left alone, another one waits,
// and those that could not be asked at first are asked later.
func TestPlacement_BG08_deadRelays(t *testing.T) {
	b := newBench(t, relays(4))
	wait, others := waiting(t, b.watch(1))
	dead := wait.Relay
	next, _ := waiting(t, b.fail(*wait))
	if next == nil || next.Relay == dead {
		t.Fatal("nobody waits in its place")
	}
	for _, a := range others {
		b.answer(a, box.Miss)
	}
	// Two boxes later: the dead one is still left alone, and is asked when it is not.
	b.step(placement.Watch{Of: group, Boxes: []placement.Box{boxOf(2)}})
	if slices.Contains(relaysOf(openOf(b, 2)), dead) {
		t.Error("asked while left alone")
	}
	b.pass(2 * time.Second)
	if !slices.Contains(relaysOf(openOf(b, 2)), dead) {
		t.Error("not asked when it is not left alone any more")
	}
	// All dead: all are tried again.
	c := newBench(t, relays(4))
	for asks := c.watch(1); len(asks) > 0; asks = asks[1:] {
		asks = append(asks, c.fail(asks[0])...)
	}
	if asks := c.until(2 * time.Second); len(asks) == 0 {
		t.Error("nobody is asked")
	}
}

// TestPlacement_BG08_untilAnswered: who did not answer when all were asked is asked again
// when it is not left alone any more, and not only when it is its turn to wait an hour
// later: it may be the only one that has the box.
func TestPlacement_BG08_untilAnswered(t *testing.T) {
	b := newBench(t, relays(4))
	wait, others := waiting(t, b.watch(1))
	waits := 1
	for _, a := range others[1:] {
		b.answer(a, box.Miss)
	}
	again := append(b.fail(others[0]), b.pass(2*time.Second)...)
	if w, look := waiting(t, again); w != nil || len(look) != 1 || look[0].Relay != others[0].Relay {
		t.Fatalf("asked %v", brief(again...))
	}
	// Not even busy is an answer; miss is one.
	again = append(b.answer(again[0], box.Busy), b.pass(3*time.Second)...)
	if w, look := waiting(t, again); w != nil || len(look) != 1 || look[0].Relay != others[0].Relay {
		t.Fatalf("asked %v", brief(again...))
	}
	if more := append(b.answer(again[0], box.Miss), b.pass(30*time.Minute)...); len(more) > 0 {
		t.Fatalf("asked %v", brief(more...))
	}
	// Nor did the one that was to wait say what it has; once it did, it is asked for
	// no more than to wait.
	for first := wait.Relay; ; waits++ {
		next := b.fail(*wait)
		next = append(next, b.pass(2*time.Second)...)
		w, look := waiting(t, next)
		if w == nil || waits == 1 && (len(look) != 1 || look[0].Relay != first) || waits > 1 && len(look) > 0 {
			t.Fatalf("when the wait for number %d ended asked %v", waits, brief(next...))
		}
		for _, a := range look {
			b.answer(a, box.Miss)
		}
		if wait = w; waits > 1 && w.Relay == first {
			break
		}
	}
}

func openOf(b *bench, i int) (asks []placement.Ask) {
	for _, a := range b.open {
		if a.Box == boxOf(i) {
			asks = append(asks, a)
		}
	}
	return asks
}

// TestPlacement_BG08_otherRelays: when the list changes the new ones are asked, and a
// relay that is none any more does not keep others from waiting.
func TestPlacement_BG08_otherRelays(t *testing.T) {
	b := newBench(t, relays(2))
	old, gone := waiting(t, b.watch(1))
	news := relays(8)[4:]
	asks := b.step(placement.Relays{Of: group, List: news})
	wait, others := waiting(t, asks)
	if wait == nil || len(others) != 3 || !sameRelays(relaysOf(asks), news) {
		t.Fatalf("asked %v", brief(asks...))
	}
	// What the old one says late is heard, and makes nobody wait twice.
	if more := b.answer(*old, box.Miss); len(more) > 0 {
		t.Errorf("asked %v", brief(more...))
	}
	if more := append(b.fail(gone[0]), b.pass(time.Minute)...); len(more) > 0 {
		t.Errorf("asked %v", brief(more...))
	}
	if asks := b.step(placement.Relays{Of: group, List: append(slices.Clone(news), news...)}); len(asks) > 0 {
		t.Error("the same list asks again")
	}
	if b.step(placement.Relays{Of: group}); len(b.last) > 0 {
		t.Errorf("no relays: %v", b.last)
	}
	if asks := b.pass(20 * time.Hour); len(asks) > 0 {
		t.Errorf("no relays, and %d asked", len(asks))
	}
}

// TestPlacement_BG09_lookAhead: the box after the next is looked at soon and then every
// 6 hours ± 20 %, at one of its four nearest.
func TestPlacement_BG09_lookAhead(t *testing.T) {
	b := newBench(t, relays(8))
	b.watch(1, 2)
	seen := map[box.RelayID]int{}
	for since, n := b.now, 0; n < 40; since, n = b.now, n+1 {
		asks := b.until(8 * time.Hour)
		if d := b.now.Sub(since); n == 0 && !within(d, time.Second, 10*time.Second) || n > 0 && !within(d, 288*time.Minute, 432*time.Minute) {
			t.Errorf("looked at after %v", d)
		}
		if len(asks) != 1 || asks[0].Box != boxOf(2) || asks[0].Wait != 0 || !slices.Contains(near(2, relays(8))[:4], asks[0].Relay) {
			t.Fatalf("asked %v", brief(asks...))
		}
		seen[asks[0].Relay]++
		b.answer(asks[0], box.Miss)
	}
	if len(seen) != 4 {
		t.Errorf("looked at %d relays", len(seen))
	}
}

// TestPlacement_BG09_gap: when the box after the next is there, the next is asked for
// at all eight, and the one after at its four: there may be more.
func TestPlacement_BG09_gap(t *testing.T) {
	all := relays(12)
	b := newBench(t, all)
	wait, others := waiting(t, b.watch(1, 2))
	for _, a := range others {
		b.answer(a, box.Miss)
	}
	look := b.until(10 * time.Second)
	b.answer(look[0], box.Found)
	if len(b.told()) != 1 || b.told()[0].(placement.Found).Box != boxOf(2) {
		t.Fatalf("told %v", b.told())
	}
	asks := b.watch(1, 3)
	var first, after []placement.Ask
	for _, a := range asks {
		if a.Wait != 0 {
			t.Error("another waits")
		}
		if a.Box == boxOf(1) {
			first = append(first, a)
		} else {
			after = append(after, a)
		}
	}
	want := slices.DeleteFunc(near(1, all)[:8], func(id box.RelayID) bool { return id == wait.Relay })
	if !sameRelays(relaysOf(first), want) || !sameRelays(relaysOf(after), near(3, all)[:4]) || after[0].Box != boxOf(3) {
		t.Errorf("asked for the one passed over: %d, for the one after: %d", len(first), len(after))
	}
	for _, a := range append(first, after...) {
		if more := b.answer(a, box.Miss); len(more) > 0 {
			t.Error("asked again at once")
		}
	}
	if asks := b.pass(4 * time.Hour); len(asks) > 0 {
		t.Errorf("then %d are asked", len(asks))
	}
	// Nor does what lies behind it before it was seen to, or other boxes.
	d := newBench(t, all)
	for _, a := range d.watch(1, 2) {
		if a.Wait == 0 {
			d.answer(a, box.Miss)
		}
	}
	d.answer(d.until(10 * time.Second)[0], box.Found)
	if asks := append(d.watch(1, 2), d.pass(30*time.Hour)...); len(asks) > 0 {
		t.Errorf("%d asked", len(asks))
	}
	if asks := d.watch(1); len(asks) != 7 {
		t.Errorf("%d asked where a gap is the end", len(asks))
	}
	e := newBench(t, all)
	e.watch(1, 2)
	if asks := e.watch(1, 3); len(asks) > 0 {
		t.Errorf("%d asked for other boxes", len(asks))
	}
	e.watch(1)
	if asks := e.pass(30 * time.Hour); len(asks) > 0 {
		t.Errorf("looked at %v", brief(asks...))
	}
	// What does not open is no gap.
	c := newBench(t, all)
	c.watch(1, 2)
	c.answer(c.until(10 * time.Second)[0], box.Found)
	c.step(placement.Wrong{Of: group, Box: boxOf(2)})
	if asks := c.watch(1, 2); len(asks) > 0 {
		t.Errorf("%d asked", len(asks))
	}
}

// TestPlacement_BG09_gapAndOtherRelays: a relay that was to be asked, and is none any
// more, is not.
func TestPlacement_BG09_gapAndOtherRelays(t *testing.T) {
	all := relays(4)
	b := newBench(t, all)
	asks := b.watch(1, 2)
	look := b.until(10 * time.Second)
	var out box.RelayID
	for _, a := range asks {
		if a.Relay != look[0].Relay && a.Wait == 0 {
			out = a.Relay
			b.fail(a)
			break
		}
	}
	b.answer(look[0], box.Found)
	if slices.Contains(relaysOf(b.watch(1, 3)), out) {
		t.Fatal("asked while left alone")
	}
	b.step(placement.Relays{Of: group, List: slices.DeleteFunc(all, func(id box.RelayID) bool { return id == out })})
	if slices.Contains(relaysOf(b.pass(30*time.Hour)), out) {
		t.Error("asked though it is none any more")
	}
}

// TestPlacement_BG09_rarely: where nothing more is expected no relay waits, and the
// next box is looked at as well as the one after it, in the end twice a day.
func TestPlacement_BG09_rarely(t *testing.T) {
	b := newBench(t, relays(6))
	asks := b.step(placement.Watch{Of: group, Boxes: []placement.Box{boxOf(1), boxOf(2)}, Rarely: true})
	if wait, others := waiting(t, asks); wait != nil || len(others) != 4 {
		t.Fatalf("asked %v", brief(asks...))
	}
	for _, a := range asks {
		b.answer(a, box.Miss)
	}
	n := map[placement.Box]int{}
	look := func(within time.Duration) {
		t.Helper()
		for range placement.LooksOften {
			asks := b.until(within)
			if len(asks) != 1 || asks[0].Wait != 0 {
				t.Fatalf("asked %v", brief(asks...))
			}
			n[asks[0].Box]++
			b.answer(asks[0], box.Miss)
		}
	}
	look(placement.LookEvery * 5 / 4)
	if n[boxOf(1)] != 3 || n[boxOf(2)] != 1 {
		t.Errorf("looked at %v", n)
	}
	began := b.now
	for range 5 {
		look(placement.LookRarely * 5 / 4)
	}
	if took := b.now.Sub(began); took < 20*placement.LookRarely*4/5 {
		t.Errorf("looked at 20 times in %v", took)
	}
	if n[boxOf(1)] != 18 || n[boxOf(2)] != 6 {
		t.Errorf("looked at %v", n)
	}
	if wait, _ := waiting(t, b.watch(1, 2)); wait == nil {
		t.Error("nobody waits where something is expected again")
	}
}

// TestPlacement_BG08_theOneThatAnswersWaits: while three of the four nearest do not
// answer the fourth is asked to wait again and again, without a pause.
func TestPlacement_BG08_theOneThatAnswersWaits(t *testing.T) {
	all := relays(4)
	b := newBench(t, all)
	up := all[2]
	asks := b.watch(1)
	var wait *placement.Ask
	for end := b.now.Add(12 * time.Hour); b.now.Before(end); {
		for len(asks) > 0 {
			a := asks[0]
			switch {
			case a.Relay != up:
				asks = append(asks[1:], b.fail(a)...)
			case a.Wait == 0:
				asks = append(asks[1:], b.answer(a, box.Miss)...)
			default:
				asks, wait = asks[1:], &a
			}
		}
		if wait == nil {
			t.Fatalf("after %v nobody waits", b.now.Sub(end.Add(-12*time.Hour)))
		}
		over := b.now.Add(wait.Wait)
		for b.now.Before(over) {
			for _, a := range b.pass(min(time.Second, over.Sub(b.now))) {
				for more := b.fail(a); len(more) > 0; more = more[1:] {
					more = append(more, b.fail(more[0])...)
				}
			}
		}
		asks, wait = b.answer(*wait, box.Miss), nil
	}
}
