package relay_test

import (
	"testing"
	"time"

	"kith/box"
	"kith/internal/relay"
)

// work does work of an effort for a box.
func (b *bench) work(p *box.Put, effort uint32) box.Work {
	b.t.Helper()
	w, ok := box.Solve(box.RelayID{7}, box.Day(b.now), p.Box, effort, func() bool { return false })
	if !ok {
		b.t.Fatalf("no work of effort %d", effort)
	}
	return w
}

// insist puts a cell with the work the relay asks for, no more than twice as an honest
// client does, and reports whether it is held and what it cost.
func (b *bench) insist(p *box.Put, budget uint32) (effort uint32, held bool) {
	b.t.Helper()
	q := putOf(p)
	for range 3 {
		r := b.one(q)
		if r.Status == box.OK {
			return effort, true
		}
		if r.Status != box.Full || r.Effort > budget {
			return effort, false
		}
		effort = r.Effort
		q.Work = b.work(p, effort)
	}
	return effort, false
}

// TestRelay_RL05_moreThanIsEverWanted: a relay that is full of what brought the most
// that is wanted at the cap is open to who brings twice as much, and says so.
func TestRelay_RL05_moreThanIsEverWanted(t *testing.T) {
	b := newBench(t)
	top := relay.Effort(relay.Usage{Bytes: 1, Cap: 1})
	first := b.put("first")
	b.store.cap = 2 * relay.CellCost
	for _, p := range []*box.Put{first, b.put("second")} {
		if err := b.store.Apply([]relay.Change{{Put: &relay.Record{Box: p.Box, Expiry: p.Expiry, Effort: top, Sig: p.Sig, Cell: p.Cell}}}); err != nil {
			t.Fatal(err)
		}
	}
	p := b.put("pushes")
	if r := b.want(putOf(p), box.Full); r.Effort != top {
		t.Fatalf("wants %d at first, not %d", r.Effort, top)
	}
	q := putOf(p)
	for q.Work = b.work(p, top); box.VerifyWork(&q.Work, box.RelayID{7}, box.Day(b.now), p.Box, 2*top); { // by luck
		q.Work = b.work(p, top)
	}
	if r := b.want(q, box.Full); r.Effort != 2*top {
		t.Fatalf("wants %d then, not %d", r.Effort, 2*top)
	}
	q.Work = b.work(p, 2*top)
	b.want(q, box.OK)
	if u := b.store.Usage(); u.Records != 2 || u.Bytes > u.Cap {
		t.Errorf("%+v", u)
	}
	if r, _, _ := b.store.Get(p.Box); r.Effort != 2*top {
		t.Errorf("it is held for an effort of %d", r.Effort)
	}
	b.want(getOf(p.Box, 0), box.Found)
}

// TestRelay_T12_flood: for an hour somebody spends one core on filling a relay; both the
// relay and what a core does are 2500 times less here. Honest writers get in with what the
// relay asks for; it never holds more than its cap.
func TestRelay_T12_flood(t *testing.T) {
	const (
		cells  = 47  // 512 MiB of cells, by 2500
		core   = 344 // effort a core does in an hour, at 4.2 ms each, by 2500
		honest = 16
	)
	b := newBench(t)
	b.store.cap = cells * relay.CellCost
	spent, filled, in := uint32(0), 0, 0
	for i := range honest {
		// His part of the hour: he puts as long as he can pay.
		for limit := uint32(core * (i + 1) / honest); spent <= limit; filled++ {
			effort, ok := b.insist(b.put("flood"), core)
			spent += effort
			if effort == 0 && filled > cells*(i+1)/honest || !ok { // what is free comes as fast as the line lets it
				break
			}
			if u := b.store.Usage(); u.Bytes > u.Cap {
				t.Fatalf("above the cap: %+v", u)
			}
		}
		b.now = b.now.Add(time.Hour / honest)
		effort, ok := b.insist(b.put("honest"), box.MaxEffort)
		if ok {
			in++
		}
		if effort > 64 {
			t.Errorf("an honest writer had to do work of %d", effort)
		}
	}
	u := b.store.Usage()
	if in != honest || u.Bytes > u.Cap {
		t.Errorf("%d of %d honest puts, %+v", in, honest, u)
	}
	if relay.Effort(u) < 16 {
		t.Errorf("it was no flood: effort %d at the end", relay.Effort(u))
	}
	t.Logf("%d puts of the flood, at an effort of %d; the relay is %d %% full", filled, spent, 100*u.Bytes/u.Cap)
}

// TestRelay_RL03_expiry: a cell can be read on the day of its expiry, and no longer; the
// machine has the store let go of the day when the next begins, whatever is asked.
func TestRelay_RL03_expiry(t *testing.T) {
	b := newBench(t)
	p := b.put("for a while")
	b.want(putOf(p), box.OK)
	deleted := b.put("deleted")
	b.want(putOf(deleted), box.OK)
	last := time.Unix(int64(p.Expiry)*24*60*60, 0).UTC() // its last day begins
	b.now = last.Add(24*time.Hour - time.Second)
	b.want(getOf(p.Box, 0), box.Found)
	b.now = last.Add(24 * time.Hour)
	if len(b.store.held) != 2 {
		t.Fatalf("%d records", len(b.store.held))
	}
	b.step() // nothing is asked
	if len(b.store.held) != 0 {
		t.Error("it is still there on the next day")
	}
	b.want(getOf(p.Box, 0), box.Miss)
	b.want(putOf(p), box.Refused) // again: it has expired
}
