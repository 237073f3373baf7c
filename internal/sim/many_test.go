package sim

import (
	"flag"
	"fmt"
	"testing"
	"testing/cryptotest"
	"time"
)

var (
	flagPairs  = flag.Int("sim.pairs", 6, "how many pairs of people talk by boxes alone")
	flagRelays = flag.Int("sim.relays", 30, "over how many relays")
	flagDays   = flag.Int("sim.days", 4, "for how many days")
)

// TestSim_boxes_manyPairs: pairs who never have a link talk by boxes for days, with
// clocks up to 22 hours apart, lost requests, devices that are off most of the
// time, and three relays in ten going away each day, some of them with all they held.
// Everything arrives once and in order; at the end, when all has expired, relays hold
// nothing. With -sim.pairs 1000 -sim.relays 300 -sim.days 14 it gives the figures of
// docs/benchmarks.md.
func TestSim_boxes_manyPairs(t *testing.T) {
	seed := *flagSeed + 1
	cryptotest.SetGlobalRandom(t, seed)
	w := New(seed)
	var relays []*Relay
	for range *flagRelays {
		relays = append(relays, w.AddRelay())
	}
	type couple struct {
		ends [2]*Device
		sent [2]int
	}
	var pairs []*couple
	for i := range *flagPairs {
		c := &couple{}
		for j := range 2 {
			skew := time.Duration(w.rng.Int64N(int64(22*time.Hour))) - 11*time.Hour
			c.ends[j] = must(t)(w.AddDevice(fmt.Sprintf("%c%d", "ab"[j], i), skew))
		}
		meet(t, w, c.ends[0], c.ends[1])
		for _, d := range c.ends {
			for range 4 {
				// The same one twice is refused, which is as good.
				_ = d.UseRelays(relays[w.rng.IntN(len(relays))])
			}
		}
		w.Advance(10 * time.Second)
		w.Cut(c.ends[0], c.ends[1])
		pairs = append(pairs, c)
	}
	w.Faults = Faults{Loss: 0.02, MaxDelay: 200 * time.Millisecond}
	began := w.Now
	lost := 0
	for hour := range *flagDays * 24 {
		if hour%24 == 0 {
			for _, r := range relays {
				r.Down = false
			}
			for range 3 * len(relays) / 10 {
				r := relays[w.rng.IntN(len(relays))]
				r.Down = true
				if w.rng.IntN(10) == 0 {
					r.Lose()
					lost++
				}
			}
		}
		for _, c := range pairs {
			for j, d := range c.ends {
				if w.rng.IntN(3) == 0 {
					d.Switch(d.Off)
				}
				if !d.Off && w.rng.IntN(12) == 0 {
					say(t, d, c.ends[1-j], fmt.Sprintf("%s %d", d.Name, c.sent[j]))
					c.sent[j]++
				}
			}
		}
		w.Advance(time.Hour)
	}
	for _, r := range relays {
		r.Down = false
	}
	for _, c := range pairs {
		for _, d := range c.ends {
			if d.Off {
				d.Switch(true)
			}
		}
	}
	w.Faults = Faults{MaxDelay: 200 * time.Millisecond}
	w.Advance(24 * time.Hour)
	said, arrived := 0, 0
	for _, c := range pairs {
		said += c.sent[0] + c.sent[1]
		for j, d := range c.ends {
			for _, m := range d.Timeline(c.ends[1-j]) {
				if m.From != d.Self.Account {
					arrived++
				}
			}
		}
	}
	t.Logf("seed %d: %d messages said in %d days by %d pairs over %d relays (%d of them lost all they held): %d arrived; %d steps, %v of it passed",
		seed, said, *flagDays, *flagPairs, *flagRelays, lost, arrived, w.Steps, w.Now.Sub(began))
	if arrived != said {
		t.Errorf("%d of %d messages arrived", arrived, said)
	}
	w.Advance(2 * 24 * time.Hour) // what is left to be acknowledged
	for _, c := range pairs {
		check(t, c.ends[0], c.ends[1], c.sent[0], c.sent[1])
		if t.Failed() {
			return
		}
	}
	for _, c := range pairs {
		for _, d := range c.ends {
			d.Switch(false)
		}
	}
	held := 0
	for _, r := range relays {
		held += r.Held()
	}
	w.Now = w.Now.Add(17 * 24 * time.Hour) // the longest life of what was written, and clocks that are fast
	left := 0
	for _, r := range relays {
		r.Sweep()
		left += r.Held()
	}
	t.Logf("relays held %d boxes at the end, %d when all had expired", held, left)
	if left != 0 {
		t.Errorf("%d boxes are left", left)
	}
}
