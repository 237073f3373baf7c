package spqr_test

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"kith/ratchet/internal/braid"
	"kith/ratchet/internal/kdf"
	"kith/ratchet/internal/skipped"
	"kith/ratchet/internal/spqr"
)

func profile(closing bool) *spqr.Profile {
	return &spqr.Profile{
		Braid: braid.Profile{Secret: "s", Update: "u", HeaderMAC: "h", CiphertextMAC: "c", Chunks: 8},
		Start: "start", Add: "add", Next: "next", MaxJump: 20, Closing: closing,
		Rules: skipped.Rules{Stored: 30, Messages: 500, Age: time.Hour},
	}
}

// side is one party; opened counts what it opened.
type side struct {
	p      *spqr.Profile
	state  spqr.State
	opened uint64
}

func pair(p *spqr.Profile) (a, b *side) {
	key := kdf.Key{1, 2, 3}
	return &side{p: p, state: spqr.New(p, &key, true)}, &side{p: p, state: spqr.New(p, &key, false)}
}

type sent struct {
	h   spqr.Header
	key kdf.Key
}

func (s *side) send(t testing.TB) sent {
	t.Helper()
	next := s.state.Clone(0)
	h, key, err := next.Send(s.p)
	if err != nil {
		t.Fatal(err)
	}
	s.state = next
	s.restore(t)
	return sent{h, key}
}

// open takes a message and wants its key, or an error that changes nothing.
func (s *side) open(t testing.TB, m sent, want error) {
	t.Helper()
	before := s.encode(t)
	room, err := s.state.Jump(s.p, &m.h)
	next := s.state.Clone(room)
	var key kdf.Key
	if err == nil {
		key, err = next.Key(s.p, &m.h, s.opened+1, 1000)
	}
	if err == nil {
		err = next.Opened(s.p, &m.h)
	}
	if !errors.Is(err, want) {
		t.Fatalf("epoch %d, message %d: %v, want %v", m.h.Epoch, m.h.N, err, want)
	}
	if !bytes.Equal(before, s.encode(t)) {
		t.Fatal("the clone was not independent")
	}
	if err != nil {
		return
	}
	if key != m.key {
		t.Fatal("the two sides have different keys")
	}
	s.state = next
	s.opened++
	s.state.Prune(s.p, s.opened, 1000)
	s.restore(t)
}

func (s *side) encode(t testing.TB) []byte {
	t.Helper()
	var b cryptobyte.Builder
	s.state.Add(&b)
	return b.BytesOrPanic()
}

func (s *side) restore(t testing.TB) {
	t.Helper()
	b := s.encode(t)
	if limit := s.p.MaxState() + s.state.Skipped()*skipped.Size; len(b) > limit {
		t.Fatalf("%d bytes, more than %d", len(b), limit)
	}
	var again spqr.State
	r := cryptobyte.String(b)
	if !again.Read(s.p, &r) || !r.Empty() || !again.Valid(s.p, s.opened) {
		t.Fatal("own state does not load")
	}
	s.state = again
}

// trips exchanges messages until both know so many more epochs.
func trips(t testing.TB, a, b *side, epochs uint64) {
	t.Helper()
	for goal := a.state.Epoch() + epochs; a.state.Epoch() < goal || b.state.Epoch() < goal; {
		b.open(t, a.send(t), nil)
		a.open(t, b.send(t), nil)
	}
}

func TestRatchet_R30_bothProfiles(t *testing.T) {
	for _, closing := range []bool{true, false} {
		a, b := pair(profile(closing))
		trips(t, a, b, 8)
		if a.state.Skipped()+b.state.Skipped() != 0 {
			t.Error("keys were skipped though nothing was lost")
		}
	}
}

// Without closing, an epoch's chain serves one epoch longer, and what comes later
// than that is lost; with closing nothing is.
func TestRatchet_R30_lateMessages(t *testing.T) {
	for _, closing := range []bool{true, false} {
		for _, epochs := range []uint64{0, 1, 3} {
			a, b := pair(profile(closing))
			trips(t, a, b, 1)
			late := []sent{a.send(t), a.send(t)}
			trips(t, a, b, epochs)
			b.open(t, a.send(t), nil)
			want := error(nil)
			if !closing && epochs > 2 {
				want = spqr.ErrDuplicate
			}
			b.open(t, late[1], want)
			b.open(t, late[0], want)
			if want == nil {
				b.open(t, late[0], spqr.ErrDuplicate)
				b.open(t, late[1], spqr.ErrDuplicate)
			}
		}
	}
}

func TestRatchet_R07_quantumJump(t *testing.T) {
	for _, closing := range []bool{true, false} {
		p := profile(closing)
		a, b := pair(p)
		for range p.MaxJump {
			a.send(t)
		}
		m := a.send(t)
		beyond := a.send(t)
		b.open(t, beyond, spqr.ErrTooFar)
		if n := testing.AllocsPerRun(10, func() { b.state.Jump(p, &beyond.h) }); n != 0 {
			t.Errorf("refusing allocates %v times", n)
		}
		b.open(t, m, nil)
		if b.state.Skipped() != int(p.MaxJump) {
			t.Errorf("%d keys skipped", b.state.Skipped())
		}
		b.open(t, beyond, nil)
	}
}

func TestRatchet_R28_impossibleHeaders(t *testing.T) {
	for _, closing := range []bool{true, false} {
		a, b := pair(profile(closing))
		trips(t, a, b, 2)
		m := a.send(t)
		for name, edit := range map[string]func(*spqr.Header){
			"no epoch":         func(h *spqr.Header) { h.Epoch = 0 },
			"no number":        func(h *spqr.Header) { h.N = 0 },
			"an epoch to come": func(h *spqr.Header) { h.Epoch += 2 },
			"the last epoch":   func(h *spqr.Header) { h.Epoch = math.MaxUint64 },
		} {
			t.Run(name, func(t *testing.T) {
				bad := m
				edit(&bad.h)
				b.open(t, bad, spqr.ErrPeer)
			})
		}
		b.open(t, m, nil)
	}
}

func FuzzState(f *testing.F) {
	p := profile(true)
	a, b := pair(p)
	for range 20 {
		a.send(f)
		b.open(f, a.send(f), nil)
		a.open(f, b.send(f), nil)
		f.Add(a.encode(f), a.opened)
		f.Add(b.encode(f), b.opened)
	}
	m := a.send(f)
	f.Fuzz(func(t *testing.T, in []byte, opened uint64) {
		var s spqr.State
		r := cryptobyte.String(in)
		if !s.Read(p, &r) || !s.Valid(p, opened) {
			return
		}
		x := &side{p: p, state: s, opened: opened}
		if !bytes.Equal(x.encode(t), in[:len(in)-len(r)]) {
			t.Fatal("what was read encodes differently")
		}
		next := s.Clone(0)
		next.Send(p)
		if room, err := s.Jump(p, &m.h); err == nil {
			next := s.Clone(room)
			if _, err := next.Key(p, &m.h, opened, 0); err == nil {
				next.Opened(p, &m.h)
			}
		}
	})
}
