package sim

import (
	"flag"
	"fmt"
	"testing"
	"testing/cryptotest"
	"time"

	"kith/internal/chat"
	"kith/internal/engine"
)

var (
	flagSeed   = flag.Uint64("sim.seed", 0, "run only the world of this seed")
	flagWorlds = flag.Uint64("sim.worlds", 16, "how many random worlds to run; make test runs 60")
)

// worlds runs so many worlds, or the one whose seed is asked for.
func worlds(t *testing.T, n uint64, run func(t *testing.T, seed uint64)) {
	first, last := uint64(1), n
	if *flagSeed != 0 {
		first, last = *flagSeed, *flagSeed
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, seed)
			run(t, seed)
		})
	}
}

// TestSim_twoPeople_randomWorlds runs two devices through loss, repetition,
// reordering, partitions and crashes at every commit point, and checks at the
// end that every message was delivered exactly once, in the same order on both
// sides, that states are true, and that projections equal a rebuild.
func TestSim_twoPeople_randomWorlds(t *testing.T) {
	worlds(t, *flagWorlds, runTwo)
}

func runTwo(t *testing.T, seed uint64) {
	w := New(seed)
	defer func() {
		if t.Failed() {
			t.Logf("seed %d: run again with -sim.seed=%d", seed, seed)
		}
	}()
	w.Faults = Faults{Loss: 0.2 * w.rng.Float64(), Repeat: 0.2, CrashBefore: 0.05, CrashAfter: 0.05, MaxDelay: 400 * time.Millisecond}
	skews := []time.Duration{0, 365 * 24 * time.Hour, -365 * 24 * time.Hour}
	alice := must(t)(w.AddDevice("alice", 0))
	bob := must(t)(w.AddDevice("bob", 0))
	meet(t, w, alice, bob)
	bob.skew = skews[w.rng.IntN(len(skews))] // from now on his clock is a year off, or not

	sent := map[*Device]int{}
	partitioned := false
	for range 150 {
		switch n := w.rng.IntN(20); {
		case n < 12:
			from, to := alice, bob
			if w.rng.IntN(2) == 0 {
				from, to = bob, alice
			}
			if _, err := from.Send(to, fmt.Sprintf("%s %d", from.Name, sent[from])); err != nil {
				t.Fatal(err)
			}
			sent[from]++
		case n == 12:
			w.Cut(alice, bob)
			partitioned = true
		case n == 13:
			w.Join(alice, bob)
			partitioned = false
		case n == 14:
			[]*Device{alice, bob}[w.rng.IntN(2)].crash()
		case n == 15:
			if _, err := alice.Do(engine.MarkRead{Conversation: chat.With(bob.Self.Account)}); err != nil {
				t.Fatal(err)
			}
		case n == 16:
			if _, err := bob.Do(engine.Tick{}); err != nil {
				t.Fatal(err)
			}
		default:
			w.Advance(time.Duration(w.rng.Int64N(int64(30 * time.Second))))
		}
	}
	if partitioned {
		w.Join(alice, bob)
	}
	w.Faults = Faults{MaxDelay: 50 * time.Millisecond}
	w.Advance(2 * time.Hour)
	check(t, alice, bob, sent[alice], sent[bob])
}

func must(t *testing.T) func(*Device, error) *Device {
	return func(d *Device, err error) *Device {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
}

// meet makes two devices contacts in a world as bad as it is.
func meet(t *testing.T, w *World, alice, bob *Device) {
	t.Helper()
	inv, err := alice.Invite(24 * time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Do(engine.Add{Invite: inv}); err != nil {
		t.Fatal(err)
	}
	for range 2000 {
		if established(alice, bob) && established(bob, alice) {
			return
		}
		w.Advance(5 * time.Second)
	}
	t.Fatalf("not contacts after %v\nalice %s\nbob %s", w.Now, alice.describe(), bob.describe())
}

func established(a, b *Device) bool {
	c, ok, _ := a.mem.Contact(b.Self.Account)
	return ok && c.State == chat.ContactEstablished
}

func check(t *testing.T, alice, bob *Device, fromAlice, fromBob int) {
	t.Helper()
	a, b := alice.Timeline(bob), bob.Timeline(alice)
	if len(a) != fromAlice+fromBob || len(b) != len(a) {
		t.Fatalf("%d and %d messages, want %d (crashes %d, %d)\nalice %s\nbob %s", len(a), len(b), fromAlice+fromBob,
			alice.Crashes, bob.Crashes, alice.describe(), bob.describe())
	}
	for i := range a {
		if a[i].ID != b[i].ID || a[i].Text != b[i].Text || a[i].From != b[i].From {
			t.Fatalf("message %d: %q on one side, %q on the other", i, a[i].Text, b[i].Text)
		}
		if a[i].State < chat.Delivered || b[i].State < chat.Delivered {
			t.Fatalf("message %d %q: %v and %v after everything was said", i, a[i].Text, a[i].State, b[i].State)
		}
	}
	for _, d := range []*Device{alice, bob} {
		if len(d.mem.outbox) != 0 {
			t.Errorf("%s: %d envelopes left in the outbox", d.Name, len(d.mem.outbox))
		}
		if err := d.CheckProjections(); err != nil {
			t.Error(err)
		}
	}
}
