package sim

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"google.golang.org/protobuf/proto"

	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
	"kith/pqxdh"
	"kith/ratchet"
)

// met is a calm world in which two people are contacts and have talked.
func met(t *testing.T) (w *World, alice, bob *Device) {
	t.Helper()
	w, all := people(t, "alice", "bob")
	alice, bob = all[0], all[1]
	meet(t, w, alice, bob)
	for _, d := range all {
		do(t, d, engine.Tick{})
	}
	say(t, alice, bob, "before")
	say(t, bob, alice, "before too")
	w.Advance(time.Minute)
	check(t, alice, bob, 1, 1)
	return w, alice, bob
}

func do(t *testing.T, d *Device, in engine.Input) {
	t.Helper()
	if _, err := d.Do(in); err != nil {
		t.Fatal(err)
	}
}

func say(t *testing.T, from, to *Device, text string) {
	t.Helper()
	if _, err := from.Send(to, text); err != nil {
		t.Fatal(err)
	}
}

// sessionsOf reads a device's sessions with another.
func sessionsOf(t *testing.T, d, with *Device) *statepb.Sessions {
	t.Helper()
	row := &statepb.Sessions{}
	if err := proto.Unmarshal(d.mem.state[sessionsRow(with)], row); err != nil {
		t.Fatal(err)
	}
	return row
}

func sessionsRow(with *Device) engine.StateKey {
	id := with.Self.Device.ID()
	return engine.StateKey("sessions/" + hex.EncodeToString(id[:]))
}

func putSessions(t *testing.T, d, with *Device, row *statepb.Sessions) {
	t.Helper()
	b, err := proto.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	d.mem.state[sessionsRow(with)] = b
	d.crash()
}

// lose makes a device lose its sessions with another, as damage would.
func lose(d, with *Device) {
	delete(d.mem.state, sessionsRow(with))
	d.crash()
}

// agreed wants both to seal in the same session.
func agreed(t *testing.T, a, b *Device) {
	t.Helper()
	x, y := sessionsOf(t, a, b), sessionsOf(t, b, a)
	if len(x.GetSessions()) == 0 || len(y.GetSessions()) == 0 {
		t.Fatal("no session")
	}
	if p, q := x.GetSessions()[x.GetActive()].GetName(), y.GetSessions()[y.GetActive()].GetName(); !bytes.Equal(p, q) {
		t.Errorf("the two seal in different sessions: %x and %x", p[:4], q[:4])
	}
	if len(x.GetSessions()) > engine.MaxSessions || len(y.GetSessions()) > engine.MaxSessions {
		t.Errorf("%d and %d sessions", len(x.GetSessions()), len(y.GetSessions()))
	}
}

// told wants the conversation to show so many new sessions.
func told(t *testing.T, d, with *Device, n int) {
	t.Helper()
	if got := d.Notices(with); len(got) != n {
		t.Errorf("%s sees %d notices of a new session, want %d", d.Name, len(got), n)
	}
}

// TestContact_FC24_lostSessions: one side loses its sessions; what is under way
// and what follows arrives once and in order, both see that the session was made
// anew, and the mark of verification stays.
func TestContact_FC24_lostSessions(t *testing.T) {
	for _, tt := range []struct {
		name  string
		loser func(alice, bob *Device) (*Device, *Device)
	}{
		{"receiver", func(alice, bob *Device) (*Device, *Device) { return bob, alice }},
		{"sender", func(alice, bob *Device) (*Device, *Device) { return alice, bob }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, alice, bob := met(t)
			do(t, alice, engine.Verify{Account: bob.Self.Account, Mark: true})
			w.Cut(alice, bob)
			say(t, alice, bob, "under way")
			lose(tt.loser(alice, bob))
			say(t, alice, bob, "after the loss")
			w.Join(alice, bob)
			w.Advance(10 * time.Minute)
			say(t, bob, alice, "answer")
			w.Advance(time.Minute)
			check(t, alice, bob, 3, 2)
			agreed(t, alice, bob)
			told(t, alice, bob, 1)
			told(t, bob, alice, 1)
			if !contact(t, alice, bob).Verified {
				t.Error("the mark of verification went")
			}
		})
	}
}

// TestContact_FC18_bothBeginAtOnce: both lose their sessions and write; whatever
// crosses, they end up in one session.
func TestContact_FC18_bothBeginAtOnce(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			w, alice, bob := met(t)
			cryptotest.SetGlobalRandom(t, seed)
			w.Cut(alice, bob)
			lose(alice, bob)
			lose(bob, alice)
			say(t, alice, bob, "from alice")
			say(t, bob, alice, "from bob")
			w.Join(alice, bob)
			w.Faults.MaxDelay = time.Duration(seed) * 50 * time.Millisecond
			w.Advance(10 * time.Minute)
			for i := range 3 {
				say(t, alice, bob, fmt.Sprint("a", i))
				say(t, bob, alice, fmt.Sprint("b", i))
				w.Advance(time.Minute)
			}
			check(t, alice, bob, 5, 5)
			agreed(t, alice, bob)
			told(t, alice, bob, len(bob.Notices(alice)))
		})
	}
}

// begins carries a request for prekeys over a link that is cut, and the answer, so
// that a device begins a session of which the other has not heard.
func begins(t *testing.T, d, with *Device) {
	t.Helper()
	up, err := with.engine.Step(with.mem, with.now(), engine.Received{From: d.Self.Device.ID(), Envelope: waiting(d, wire.KindRenew)[0]})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := with.mem.apply(up, with.now()); err != nil {
		t.Fatal(err)
	}
	do(t, d, engine.Received{From: with.Self.Device.ID(), Envelope: up.Outgoing[0].Body})
	if len(waiting(d, wire.KindRenewal)) != 1 {
		t.Fatal("no session was begun")
	}
}

// TestContact_FC18_bothBeginApart: each side has begun a session before the link
// breaks, and they hear of the other's whenever it is mended: days later, one
// after the other, with one of them lost meanwhile. They end up in one session.
func TestContact_FC18_bothBeginApart(t *testing.T) {
	for _, apart := range []time.Duration{time.Minute, 2 * time.Hour, 40 * 24 * time.Hour} {
		for seed := range max(4, *flagWorlds/5) {
			t.Run(fmt.Sprint(apart, "/seed=", seed), func(t *testing.T) {
				w, alice, bob := met(t)
				cryptotest.SetGlobalRandom(t, seed)
				w.Cut(alice, bob)
				lose(alice, bob)
				lose(bob, alice)
				say(t, alice, bob, "from alice")
				say(t, bob, alice, "from bob")
				begins(t, alice, bob)
				begins(t, bob, alice)
				w.Advance(apart)
				if seed%4 == 3 {
					lose(bob, alice)
				}
				w.Join(alice, bob)
				w.Advance(10 * time.Minute)
				for i := range 3 {
					say(t, alice, bob, fmt.Sprint("a", i))
					w.Advance(time.Minute)
					say(t, bob, alice, fmt.Sprint("b", i))
					w.Advance(time.Minute)
				}
				check(t, alice, bob, 5, 5)
				agreed(t, alice, bob)
			})
		}
	}
}

// TestContact_FC18_generationsCannotBeUsedUp: neither an answer nor a session that
// leaps too far ahead is taken, so that a contact cannot make it impossible to
// begin another.
func TestContact_FC18_generationsCannotBeUsedUp(t *testing.T) {
	claim := func(t *testing.T, d, with *Device, generation uint64) {
		row := sessionsOf(t, d, with)
		row.Sessions[0].Generation = generation
		putSessions(t, d, with, row)
	}
	for _, tt := range []struct {
		step  uint64
		taken bool
	}{{engine.MaxGenerationStep - 1, true}, {engine.MaxGenerationStep, false}, {1<<64 - 2, false}} {
		t.Run(fmt.Sprint("answer/", tt.step), func(t *testing.T) {
			w, alice, bob := met(t)
			w.Cut(alice, bob)
			claim(t, bob, alice, tt.step)
			lose(alice, bob)
			say(t, alice, bob, "x")
			w.Join(alice, bob)
			w.Advance(time.Minute)
			if begun := len(alice.Notices(bob)) == 1; begun != tt.taken {
				t.Errorf("begun: %v", begun)
			}
		})
		t.Run(fmt.Sprint("session/", tt.step), func(t *testing.T) {
			w, alice, bob := met(t)
			if g := sessionsOf(t, alice, bob).GetSessions()[0].GetGeneration(); g != 1 {
				t.Fatalf("the first session is of generation %d", g)
			}
			w.Cut(alice, bob)
			claim(t, bob, alice, tt.step)
			lose(alice, bob)
			say(t, bob, alice, "x")
			w.Join(alice, bob)
			w.Advance(time.Minute)
			if begun := len(alice.Notices(bob)) == 1; begun != tt.taken {
				t.Errorf("begun: %v", begun)
			}
		})
	}
}

// TestContact_FC24_rolledBack: a device goes back to an older copy of its sessions.
// Keys that were used are not used again for long: the first message that does
// not open makes a new session, and both see it.
func TestContact_FC24_rolledBack(t *testing.T) {
	for _, rounds := range []int{0, 1, 5} {
		w, alice, bob := met(t)
		old := bytes.Clone(bob.mem.state[sessionsRow(alice)])
		say(t, bob, alice, "sealed with keys that come back")
		for i := range rounds {
			say(t, alice, bob, fmt.Sprint("ping ", i))
			w.Advance(time.Minute)
			say(t, bob, alice, fmt.Sprint("pong ", i))
			w.Advance(time.Minute)
		}
		bob.mem.state[sessionsRow(alice)] = old
		bob.crash()
		say(t, bob, alice, "from the past")
		w.Advance(10 * time.Minute)
		say(t, alice, bob, "to the past")
		w.Advance(10 * time.Minute)
		check(t, alice, bob, 2+rounds, 3+rounds)
		agreed(t, alice, bob)
		if len(alice.Notices(bob)) == 0 || len(bob.Notices(alice)) == 0 {
			t.Errorf("after %d rounds: nobody was told", rounds)
		}
	}
}

// TestContact_FC23_clone: a copy of a device's state, used by somebody else, cannot
// lead the peer back to the old session once a newer one has been answered.
func TestContact_FC23_clone(t *testing.T) {
	w, alice, bob := met(t)
	stolen := maps.Clone(bob.mem.state)
	lose(bob, alice) // alice begins anew, bob answers; alice keeps the old one for late messages
	say(t, alice, bob, "anew")
	w.Advance(5 * time.Minute)
	say(t, bob, alice, "answered")
	w.Advance(5 * time.Minute)
	agreed(t, alice, bob)
	now := sessionsOf(t, alice, bob)

	clone := newMemory()
	maps.Copy(clone.state, stolen)
	clone.projection = bob.mem.projection
	var m engine.Machine
	up, err := m.Step(clone, bob.now(), engine.Send{To: alice.Self.Account, Text: "from the clone"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Do(engine.Received{From: bob.Self.Device.ID(), Envelope: up.Outgoing[0].Body}); err != nil && !errors.Is(err, engine.ErrRefused) {
		t.Fatal(err)
	}
	if len(now.GetSessions()) < 2 {
		t.Fatal("the old session is gone: the test shows nothing")
	}
	if got := texts(alice, bob); !strings.Contains(strings.Join(got, "\n"), "from the clone") {
		t.Fatalf("the clone's message did not open in the old session: %q", got)
	}
	if after := sessionsOf(t, alice, bob); after.GetActive() != 0 || !bytes.Equal(after.GetSessions()[0].GetName(), now.GetSessions()[0].GetName()) {
		t.Error("the clone led back to the old session")
	}
}

// A clone and its original that both go on are noticed: what one of them sends no
// longer opens, and the session is made anew.
func TestContact_FC24_cloneIsNoticed(t *testing.T) {
	w, alice, bob := met(t)
	clone := newMemory()
	maps.Copy(clone.state, bob.mem.state)
	clone.projection = newProjection()
	for _, l := range bob.mem.log {
		if err := chat.Apply(&clone.projection, l); err != nil {
			t.Fatal(err)
		}
	}
	var m engine.Machine
	up, err := m.Step(clone, bob.now(), engine.Send{To: alice.Self.Account, Text: "from the clone"})
	if err != nil {
		t.Fatal(err)
	}
	do(t, alice, engine.Received{From: bob.Self.Device.ID(), Envelope: up.Outgoing[0].Body})
	say(t, bob, alice, "from the original")
	w.Advance(10 * time.Minute)
	if len(alice.Notices(bob)) == 0 || len(bob.Notices(alice)) == 0 {
		t.Error("nobody was told")
	}
	if got := texts(alice, bob); !strings.Contains(strings.Join(got, "\n"), "from the original") {
		t.Errorf("the original was shut out: %q", got)
	}
}

// waiting returns the envelopes of a kind that wait at a device.
func waiting(d *Device, kind wire.EnvelopeKind) (all [][]byte) {
	for _, o := range d.mem.outbox {
		if wire.EnvelopeKind(o.Body[1]) == kind {
			all = append(all, o.Body)
		}
	}
	return all
}

// empty takes all one-time prekeys out of a device's pool.
func empty(d *Device) {
	for k := range d.mem.state {
		if strings.HasPrefix(string(k), "onetime/") {
			delete(d.mem.state, k)
		}
	}
}

// TestContact_FC26_lastResort: without one-time prekeys a session begins all the
// same; both know that it is reduced until somebody answers.
func TestContact_FC26_lastResort(t *testing.T) {
	w, alice, bob := met(t)
	if n, err := engine.OneTimePrekeys(bob.mem); err != nil || n != engine.PrekeyPool {
		t.Fatalf("%d pairs in the pool, %v", n, err)
	}
	empty(bob)
	if n, err := engine.OneTimePrekeys(bob.mem); err != nil || n != 0 {
		t.Fatalf("%d pairs in the pool, %v", n, err)
	}
	w.Cut(alice, bob)
	lose(alice, bob)
	say(t, alice, bob, "x")
	w.Join(alice, bob)
	for range 1000 {
		if contact(t, alice, bob).Reduced || !w.Step() {
			break
		}
	}
	if !contact(t, alice, bob).Reduced || !sessionsOf(t, alice, bob).GetSessions()[0].GetReduced() {
		t.Fatal("alice does not know that the session is reduced")
	}
	for range 1000 {
		if contact(t, bob, alice).Reduced || !w.Step() {
			break
		}
	}
	if !contact(t, bob, alice).Reduced {
		t.Fatal("bob is not told that the session is reduced")
	}
	w.Advance(10 * time.Minute)
	check(t, alice, bob, 2, 1)
	if contact(t, alice, bob).Reduced || contact(t, bob, alice).Reduced {
		t.Error("reduced after an answer")
	}
	do(t, bob, engine.Tick{})
	if n, err := engine.OneTimePrekeys(bob.mem); err != nil || n != engine.PrekeyPool {
		t.Errorf("%d pairs in the pool after a while, %v", n, err)
	}
}

// TestContact_FC26_poolIsFilled: fewer than half the pairs left, and there are as many
// as before; exactly half will do.
func TestContact_FC26_poolIsFilled(t *testing.T) {
	_, _, bob := met(t)
	for _, tt := range []struct{ left, want int }{
		{engine.PrekeyLow, engine.PrekeyLow}, {engine.PrekeyLow - 1, engine.PrekeyPool}, {0, engine.PrekeyPool},
	} {
		n := 0
		for k := range bob.mem.state {
			if strings.HasPrefix(string(k), "onetime/") {
				if n++; n > tt.left {
					delete(bob.mem.state, k)
				}
			}
		}
		do(t, bob, engine.Tick{})
		if n, err := engine.OneTimePrekeys(bob.mem); err != nil || n != tt.want {
			t.Errorf("of %d pairs came %d, %v", tt.left, n, err)
		}
	}
}

// TestContact_FC29_standsStill: both people see that the post-quantum ratchet stands
// still while one of them only listens, and that it turns again.
func TestContact_FC29_standsStill(t *testing.T) {
	w, alice, bob := met(t)
	for i := 0; !contact(t, alice, bob).Stale; i++ {
		if i > ratchet.QuantumAlarm {
			t.Fatal("nobody tells alice")
		}
		say(t, alice, bob, "anybody there?")
	}
	if n := len(waiting(alice, wire.KindSession)); n > ratchet.QuantumAlarm || n < ratchet.QuantumAlarm-20 {
		t.Errorf("alice is told after %d messages", n)
	}
	w.Advance(time.Hour)
	if !contact(t, bob, alice).Stale {
		t.Error("nobody tells bob")
	}
	for range 15 { // the rest of an epoch and a whole one
		say(t, bob, alice, "yes")
		w.Advance(time.Minute)
		say(t, alice, bob, "good")
		w.Advance(time.Minute)
	}
	if contact(t, alice, bob).Stale || contact(t, bob, alice).Stale {
		t.Error("stale after fifteen answers")
	}
}

// TestContact_FC27_replayedInitial: an initial begins one session only, even when
// that session is long gone and no one-time prekey was in it.
func TestContact_FC27_replayedInitial(t *testing.T) {
	for _, oneTime := range []bool{true, false} {
		w, alice, bob := met(t)
		if !oneTime {
			empty(bob)
		}
		lose(alice, bob)
		say(t, alice, bob, "x")
		for len(waiting(alice, wire.KindRenewal)) == 0 && w.Step() {
		}
		initial := waiting(alice, wire.KindRenewal)[0]
		w.Advance(10 * time.Minute)
		check(t, alice, bob, 2, 1)

		lose(bob, alice)
		clear(bob.mem.seen) // forgotten after 90 days, too
		received := engine.Received{From: alice.Self.Device.ID(), Envelope: initial}
		if _, err := bob.Do(received); !errors.Is(err, engine.ErrRefused) {
			t.Errorf("one-time %v: replayed: %v", oneTime, err)
		}
		// The control: without that memory a last resort would take it.
		for k := range bob.mem.state {
			if strings.HasPrefix(string(k), "accepted/") {
				delete(bob.mem.state, k)
			}
		}
		if _, err := bob.Do(received); oneTime == (err == nil) {
			t.Errorf("one-time %v: without memory: %v", oneTime, err)
		}
	}
}

// TestContact_FC25_floods: whoever asks again and again gets no more than so many
// prekeys in a day, and a repeated request costs none.
func TestContact_FC25_floods(t *testing.T) {
	w, alice, bob := met(t)
	ask := func(n byte) error {
		body, err := (&wire.Envelope{Kind: wire.KindRenew, Body: bytes.Repeat([]byte{n}, wire.RenewSize)}).AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = bob.Do(engine.Received{From: alice.Self.Device.ID(), Envelope: body})
		return err
	}
	for n := range byte(engine.MaxRenewals) {
		for range 3 {
			if err := ask(n); err != nil {
				t.Fatalf("request %d: %v", n, err)
			}
		}
	}
	if n, _ := engine.OneTimePrekeys(bob.mem); n != engine.PrekeyPool-engine.MaxRenewals {
		t.Errorf("%d pairs left", n)
	}
	if err := ask(200); !errors.Is(err, engine.ErrRefused) {
		t.Errorf("beyond the limit: %v", err)
	}
	w.Advance(24 * time.Hour)
	if err := ask(201); err != nil {
		t.Errorf("the next day: %v", err)
	}
}

// Refusals are believed from the device an envelope waits for, and about that
// envelope only.
func TestContact_FC24_forgedRefusals(t *testing.T) {
	w, alice, bob := met(t)
	carol := must(t)(w.AddDevice("carol", 0))
	meet(t, w, alice, carol)
	w.Advance(time.Minute)
	w.Cut(alice, bob)
	say(t, alice, bob, "waits")
	id := alice.mem.outbox[0].ID
	refuse := func(from *Device, id wire.EnvelopeID) error {
		body, err := (&wire.Envelope{Kind: wire.KindRefusal, Reason: wire.ReasonNoSession, Refused: id}).AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = alice.Do(engine.Received{From: from.Self.Device.ID(), Envelope: body})
		return err
	}
	before := bytes.Clone(alice.mem.state[sessionsRow(bob)])
	for name, err := range map[string]error{
		"from somebody else":        refuse(carol, id),
		"about no envelope of ours": refuse(bob, wire.EnvelopeID{1}),
	} {
		if !errors.Is(err, engine.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !bytes.Equal(before, alice.mem.state[sessionsRow(bob)]) || len(waiting(alice, wire.KindRenew)) != 0 {
		t.Error("a forged refusal had an effect")
	}
	for range 3 { // asked for once
		if err := refuse(bob, id); err != nil {
			if !errors.Is(err, engine.ErrRefused) {
				t.Fatal(err)
			}
		}
	}
	if n := len(waiting(alice, wire.KindRenew)); n != 1 {
		t.Errorf("%d requests for prekeys", n)
	}
	w.Join(alice, bob)
	w.Advance(10 * time.Minute)
	check(t, alice, bob, 2, 1)
	agreed(t, alice, bob)
}

// A contact that refuses everything makes us begin so many sessions a day, not more.
func TestContact_FC25_endlessRefusals(t *testing.T) {
	w, alice, bob := met(t)
	for i := range 3 * engine.MaxRenewals {
		lose(bob, alice)
		say(t, alice, bob, fmt.Sprint("lost again ", i))
		w.Advance(5 * time.Minute)
	}
	if n := len(alice.Notices(bob)); n > engine.MaxRenewals+engine.MaxRenewals {
		t.Errorf("%d sessions in two hours", n)
	}
	w.Advance(25 * time.Hour)
	check(t, alice, bob, 1+3*engine.MaxRenewals, 1)
}

// TestContact_FC28_unanswered: what nobody answers for 30 days is begun anew.
func TestContact_FC28_unanswered(t *testing.T) {
	for _, over := range []bool{false, true} {
		w, alice, bob := met(t)
		w.Cut(alice, bob)
		row := sessionsOf(t, alice, bob)
		x := row.GetSessions()[0]
		x.Initiator, x.OpenedS, x.MadeS = true, 0, alice.now().Unix()
		putSessions(t, alice, bob, row)
		w.Now = w.Now.Add(engine.MaxUnanswered)
		if over {
			w.Now = w.Now.Add(time.Second)
		}
		do(t, alice, engine.Tick{})
		if asked := len(waiting(alice, wire.KindRenew)) == 1; asked != over {
			t.Errorf("beyond the limit %v: asked for prekeys %v", over, asked)
		}
	}
}

// TestContact_FC28_archivedSessionsGo: a session that is not in use goes 60 days
// after it last opened anything; the one in use stays.
func TestContact_FC28_archivedSessionsGo(t *testing.T) {
	for _, over := range []bool{false, true} {
		w, alice, bob := met(t)
		lose(bob, alice)
		say(t, alice, bob, "x")
		w.Advance(10 * time.Minute)
		row := sessionsOf(t, alice, bob)
		if len(row.GetSessions()) != 2 || row.GetActive() != 0 {
			t.Fatalf("%d sessions", len(row.GetSessions()))
		}
		old := row.GetSessions()[1]
		w.Now = time.Unix(max(old.GetOpenedS(), old.GetMadeS()), 0).Add(engine.MaxArchived)
		if over {
			w.Now = w.Now.Add(time.Second)
		}
		do(t, alice, engine.Tick{})
		if left := len(sessionsOf(t, alice, bob).GetSessions()); left != 2-b2i(over) {
			t.Errorf("beyond the limit %v: %d sessions", over, left)
		}
	}
}

// TestContact_FC18_sessionsAreBounded: however often sessions are made anew, five are kept.
func TestContact_FC18_sessionsAreBounded(t *testing.T) {
	w, alice, bob := met(t)
	for i := range engine.MaxSessions + 1 {
		lose(bob, alice)
		say(t, alice, bob, fmt.Sprint(i))
		w.Advance(10 * time.Minute)
	}
	if n := len(sessionsOf(t, alice, bob).GetSessions()); n != engine.MaxSessions {
		t.Errorf("%d sessions", n)
	}
	check(t, alice, bob, 2+engine.MaxSessions, 1)
}

// Sessions of before the post-quantum ratchet are gone; nobody notices more than
// that new ones were made.
func TestContact_FC24_sessionsOfAnOlderVersion(t *testing.T) {
	w, alice, bob := met(t)
	for _, pair := range [][2]*Device{{alice, bob}, {bob, alice}} {
		row := sessionsOf(t, pair[0], pair[1])
		for _, x := range row.GetSessions() {
			x.Ratchet[0] = 1
		}
		putSessions(t, pair[0], pair[1], row)
	}
	say(t, bob, alice, "after the update")
	w.Advance(10 * time.Minute)
	say(t, alice, bob, "so it is")
	w.Advance(10 * time.Minute)
	check(t, alice, bob, 2, 2)
	agreed(t, alice, bob)
}

// TestContact_FC26_rotation: the prekeys that serve many are made anew every week
// and erased when no initial can use them any more, also if nobody asks.
func TestContact_FC26_rotation(t *testing.T) {
	w, alice, _ := met(t)
	lasting := func() *statepb.Prekeys {
		row := &statepb.Prekeys{}
		if err := proto.Unmarshal(alice.mem.state["prekeys"], row); err != nil {
			t.Fatal(err)
		}
		return row
	}
	first := lasting().GetSigned()[0].GetPrivate()
	for range int((engine.SignedPrekeyValid + pqxdh.AcceptGrace) / (24 * time.Hour)) {
		do(t, alice, engine.Tick{})
		w.Now = w.Now.Add(24 * time.Hour)
	}
	row := lasting()
	if !bytes.Equal(row.GetSigned()[len(row.GetSigned())-1].GetPrivate(), first) {
		t.Error("erased before its time")
	}
	w.Now = w.Now.Add(24 * time.Hour)
	do(t, alice, engine.Tick{})
	row = lasting()
	if bytes.Equal(row.GetSigned()[len(row.GetSigned())-1].GetPrivate(), first) || len(row.GetSigned()) != len(row.GetLastResort()) {
		t.Error("not erased after its time")
	}
	if n := len(row.GetSigned()); n < 9 || n > 11 {
		t.Errorf("%d signed prekeys in ten weeks", n)
	}
}

// TestSim_lostSessions_randomWorlds: two people talk while their sessions get lost
// and are set back, over a bad network. At the end everything was delivered once,
// in one order, and both seal in one session.
func TestSim_lostSessions_randomWorlds(t *testing.T) {
	worlds(t, *flagWorlds, runLosses)
}

func runLosses(t *testing.T, seed uint64) {
	w := New(seed)
	w.Faults = Faults{Loss: 0.1 * w.rng.Float64(), Repeat: 0.1, CrashBefore: 0.02, CrashAfter: 0.02, MaxDelay: 400 * time.Millisecond}
	alice, bob := must(t)(w.AddDevice("alice", 0)), must(t)(w.AddDevice("bob", 0))
	meet(t, w, alice, bob)
	devices := [2]*Device{alice, bob}
	copies := [2][]byte{}
	var sent [2]int
	for range 80 {
		i := w.rng.IntN(2)
		d, other := devices[i], devices[1-i]
		switch n := w.rng.IntN(20); {
		case n < 9:
			say(t, d, other, fmt.Sprintf("%s %d", d.Name, sent[i]))
			sent[i]++
		case n == 9:
			lose(d, other)
		case n == 10:
			copies[i] = bytes.Clone(d.mem.state[sessionsRow(other)])
		case n == 11 && copies[i] != nil:
			d.mem.state[sessionsRow(other)] = copies[i]
			d.crash()
		case n == 12:
			w.Cut(alice, bob)
		case n == 13:
			w.Join(alice, bob)
		case n == 14:
			w.Advance(time.Duration(w.rng.Int64N(int64(3 * 24 * time.Hour))))
		default:
			w.Advance(time.Duration(w.rng.Int64N(int64(5 * time.Minute))))
		}
	}
	w.Join(alice, bob)
	w.Faults = Faults{MaxDelay: 50 * time.Millisecond}
	// What a device may begin in a day is bounded, so the last may have to wait.
	w.Advance(50 * time.Hour)
	for _, d := range devices {
		do(t, d, engine.Tick{})
	}
	w.Advance(time.Hour)
	say(t, alice, bob, "last")
	w.Advance(time.Hour)
	say(t, bob, alice, "last")
	w.Advance(time.Hour)
	check(t, alice, bob, sent[0]+1, sent[1]+1)
	agreed(t, alice, bob)
}
