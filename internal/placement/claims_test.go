package placement_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kith/box"
	"kith/internal/placement"
)

var messages = flag.Int("messages", 100, "that are written in the test of churn")

// churn is 14 days: messages are written in the first 9 of them, the reader is away
// for the first 10, and every two hours three relays in ten go away for two hours, of
// which one in ten comes back empty; once all do. Of the relays each side does not know
// one in ten.
func churn(t *testing.T, writerStays bool) (*world, error) {
	const n = 40
	w := newWorld(t, n)
	knows := func() (list []box.RelayID) {
		for _, i := range w.rng.Perm(n)[:n*9/10] {
			list = append(list, w.ids[i])
		}
		return list
	}
	w.know(knows(), knows())
	w.reader.off = true
	for i := range *messages {
		w.after(time.Duration(i)*9*24*time.Hour/time.Duration(*messages), w.say)
	}
	for hour := 0; hour < 14*24; hour += 2 {
		w.after(time.Duration(hour)*time.Hour, func() {
			for _, id := range w.ids {
				w.relays[id].down = false
			}
			for _, i := range w.rng.Perm(n)[:n*3/10] {
				r := w.relays[w.ids[i]]
				if r.down = true; w.rng.IntN(10) == 0 {
					clear(r.held)
				}
			}
		})
	}
	w.after(9*24*time.Hour+time.Hour, func() {
		w.writer.off = !writerStays
		for _, r := range w.relays {
			clear(r.held)
		}
	})
	w.after(10*24*time.Hour, func() {
		w.reader.off = false
		w.look()
		w.reader.step(placement.Tick{})
	})
	w.advance(14 * 24 * time.Hour)
	return w, w.undelivered()
}

// TestPlacement_T10_churn: everything arrives once, though relays come and go, and
// the two sides do not know quite the same ones. Control: a writer that goes away
// instead of asking again.
func TestPlacement_T10_churn(t *testing.T) {
	w, err := churn(t, true)
	t.Logf("%d boxes in 14 days, %d delivered, writer asked %d times, reader %d", w.sent, len(w.read), w.writer.asked, w.reader.asked)
	if err != nil {
		t.Error(err)
	}
	if len(w.taken) > 0 {
		t.Errorf("boxes %v are taken", w.taken)
	}
	if _, err = churn(t, false); err == nil {
		t.Error("control not noticed")
	}
	t.Logf("control: %v", err)
}

// TestPlacement_T10_lyingRelays: two of the four relays do one of the things that a
// relay can do; all arrives once, and no state is said that is not so. Control: if all
// four throw away what they take, nothing arrives, and it is noticed here.
func TestPlacement_T10_lyingRelays(t *testing.T) {
	say := func(s box.Status) func(*model, placement.Ask) (placement.Answered, bool) {
		return func(*model, placement.Ask) (placement.Answered, bool) { return placement.Answered{Status: s}, true }
	}
	puts := func(s box.Status) func(*model, placement.Ask) (placement.Answered, bool) {
		return func(_ *model, a placement.Ask) (placement.Answered, bool) {
			return placement.Answered{Status: s}, a.Op == placement.Put
		}
	}
	lies := map[string]func(*model, placement.Ask) (placement.Answered, bool){
		"throws away what it takes": puts(box.OK),
		"says it had it":            puts(box.Exists),
		"says it has another":       puts(box.Conflict),
		"refuses":                   puts(box.Refused),
		"is full":                   puts(box.Full),
		"wants ever more": func(_ *model, a placement.Ask) (placement.Answered, bool) {
			return placement.Answered{Status: box.Full, Effort: a.Effort + 1}, a.Op == placement.Put
		},
		"is always busy": say(box.Busy),
		"always misses":  say(box.Miss),
		"says OK":        say(box.OK),
		"makes no sense": say(77),
		"shows what does not open": func(_ *model, a placement.Ask) (placement.Answered, bool) {
			return placement.Answered{Status: box.Found, Expiry: 20000, Cell: putOf(1000).Cell}, a.Op == placement.Get && a.Wait > 0
		},
		"shows another box": func(r *model, a placement.Ask) (placement.Answered, bool) {
			for b, stored := range r.held {
				if p, err := box.ParsePut(stored); err == nil && b != a.Box && a.Op == placement.Get {
					return placement.Answered{Status: box.Found, Expiry: p.Expiry, Cell: p.Cell}, true
				}
			}
			return placement.Answered{}, false
		},
		"does not delete": func(_ *model, a placement.Ask) (placement.Answered, bool) {
			return placement.Answered{Status: box.OK}, a.Op == placement.Del
		},
	}
	run := func(t *testing.T, lie func(*model, placement.Ask) (placement.Answered, bool), liars int) (*world, error) {
		w := newWorld(t, 4)
		for _, id := range w.ids[:liars] {
			w.relays[id].lie = lie
		}
		w.know(w.ids, w.ids)
		w.look()
		for i := range 40 {
			w.after(time.Duration(i*w.rng.IntN(60))*time.Minute, w.say)
		}
		w.advance(9 * 24 * time.Hour)
		return w, w.undelivered()
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			w, err := run(t, lie, 2)
			if err != nil || w.lies == 0 {
				t.Errorf("%v after %d lies", err, w.lies)
			}
			if len(w.taken) > 0 {
				t.Errorf("boxes %v are said to be taken", w.taken)
			}
			for i := range w.gone {
				if w.read[i] == 0 {
					t.Errorf("box %d is said to be fetched", i)
				}
			}
			for i, on := range w.boxed {
				hold := 0
				for _, id := range w.ids {
					if _, there := w.relays[id].held[boxOf(i)]; there {
						hold++
					}
				}
				if thrown := slices.Contains([]string{"throws away what it takes", "says it had it", "says OK"}, name); on > hold && !(thrown && on <= hold+2) {
					t.Errorf("box %d is said to be held by %d, %d hold it", i, on, hold)
				}
			}
			// A day of one stream and 40 boxes, most of it spent on liars.
			if asked := w.reader.asked + w.writer.asked; asked > 9*1200 {
				t.Errorf("%d requests in nine days", asked)
			}
		})
	}
	if _, err := run(t, lies["throws away what it takes"], 4); err == nil {
		t.Error("control not noticed")
	}
}

// TestPlacement_T15_noSilentDowngrade: when nobody answers nothing is said to be held,
// what is to be held remains to be seen, nobody is asked but the relays of the list,
// and it is made good as soon as one answers. Control: the same with answers.
func TestPlacement_T15_noSilentDowngrade(t *testing.T) {
	blocked := func(answers bool) (asked []box.RelayID, told int, unheld int, b *bench) {
		b = newBench(t, relays(9))
		b.step(placement.Relays{Of: "other", List: relays(20)[15:]})
		asks := b.watch(50, 51)
		for i := range 10 {
			asks = append(asks, b.write(i)...)
		}
		for end := b.now.Add(24 * time.Hour); b.now.Before(end); asks = b.until(7 * time.Minute) {
			for ; len(asks) > 0; asks = asks[1:] {
				asked = append(asked, asks[0].Relay)
				if answers && asks[0].Op == placement.Put {
					asks = append(asks, b.answer(asks[0], box.OK)...)
				} else {
					asks = append(asks, b.fail(asks[0])...)
				}
				told += len(b.told())
			}
		}
		return asked, told, b.m.Unheld(), b
	}
	asked, told, unheld, b := blocked(false)
	if told != 0 || unheld != 10 {
		t.Errorf("told %d things, %d boxes are not held", told, unheld)
	}
	for _, id := range asked {
		if !slices.Contains(relays(9), id) {
			t.Fatalf("asked somebody else: %x", id)
		}
	}
	t.Logf("%d requests without an answer in a day", len(asked))
	held := 0
	for asks := b.pass(7 * time.Minute); held < 40; asks = append(asks, b.pass(7*time.Minute)...) {
		for ; len(asks) > 0; asks = asks[1:] {
			if asks[0].Op == placement.Put {
				asks = append(asks, b.answer(asks[0], box.OK)...)
				held += len(b.told())
			} else {
				asks = append(asks, b.fail(asks[0])...)
			}
		}
	}
	if b.m.Unheld() != 0 {
		t.Errorf("%d boxes are not held", b.m.Unheld())
	}
	if _, told, unheld, _ := blocked(true); told != 40 || unheld != 0 {
		t.Errorf("control: told %d things, %d boxes are not held", told, unheld)
	}
}

// TestPlacement_steps: the same inputs have the same effects, so that a run can be
// repeated.
func TestPlacement_steps(t *testing.T) {
	run := func() string {
		var log strings.Builder
		b := newBench(t, relays(7))
		asks := b.watch(1, 2)
		for i := 10; i < 40; i++ {
			asks = append(asks, b.write(i)...)
		}
		for n := range 2000 {
			if len(asks) == 0 {
				asks = b.sleep(8 * time.Hour)
				continue
			}
			a := asks[0]
			asks = asks[1:]
			switch n % 5 {
			case 0:
				asks = append(asks, b.fail(a)...)
			case 1:
				asks = append(asks, b.answer(a, box.Busy)...)
			default:
				asks = append(asks, b.answer(a, []box.Status{0: box.OK, placement.Put: box.OK, placement.Get: box.Miss, placement.Del: box.OK}[a.Op])...)
			}
			log.WriteString(fmt.Sprintln(b.now, len(b.last), relaysOf(asks)))
		}
		return log.String()
	}
	if first, again := run(), run(); first != again {
		t.Error("the same inputs have other effects")
	}
}
