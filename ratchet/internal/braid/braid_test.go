package braid_test

import (
	"bytes"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/cryptobyte"

	"kith/ratchet/internal/braid"
	"kith/ratchet/internal/kdf"
)

var seed = flag.Uint64("seed", 0, "replay the simulation with this seed")

func dice(t testing.TB) *rand.Rand {
	n := *seed
	if n == 0 {
		n = rand.Uint64()
	}
	t.Logf("replay with -seed %d", n)
	return rand.New(rand.NewPCG(n, 1))
}

func profile(chunks int) *braid.Profile {
	return &braid.Profile{Secret: "s", Update: "u", HeaderMAC: "h", CiphertextMAC: "c", Chunks: chunks}
}

// side is one party and the secrets it came to know.
type side struct {
	state   braid.State
	secrets map[uint64]kdf.Key
	last    uint64
}

func newSides(p *braid.Profile) [2]*side {
	key := kdf.Key{1, 2, 3}
	return [2]*side{
		{state: braid.New(p, &key, true), secrets: map[uint64]kdf.Key{}},
		{state: braid.New(p, &key, false), secrets: map[uint64]kdf.Key{}},
	}
}

// learn takes note of a secret; epochs come one after the other.
func (s *side) learn(t testing.TB, secret *braid.Secret) {
	t.Helper()
	if secret == nil {
		return
	}
	if secret.Epoch != s.last+1 {
		t.Fatalf("secret of epoch %d after that of %d", secret.Epoch, s.last)
	}
	s.last = secret.Epoch
	s.secrets[secret.Epoch] = secret.Key
}

func (s *side) send(t testing.TB, p *braid.Profile) *braid.Message {
	t.Helper()
	m, secret, err := s.state.Send(p)
	if err != nil {
		t.Fatal(err)
	}
	s.learn(t, secret)
	restore(t, &s.state)
	return &m
}

// receive hands a message over, and sees that a refused one could be undone.
func (s *side) receive(t testing.TB, p *braid.Profile, m *braid.Message) {
	t.Helper()
	next := s.state
	secret, err := next.Receive(p, m)
	if err != nil {
		t.Fatal(err)
	}
	s.state = next
	s.learn(t, secret)
	restore(t, &s.state)
}

func encode(t testing.TB, s *braid.State) []byte {
	t.Helper()
	var b cryptobyte.Builder
	s.Add(&b)
	out := b.BytesOrPanic()
	if len(out) > braid.MaxState {
		t.Fatalf("a state of %d bytes", len(out))
	}
	return out
}

// restore stores the state and loads it again.
func restore(t testing.TB, s *braid.State) {
	t.Helper()
	b := encode(t, s)
	var again braid.State
	if r := cryptobyte.String(b); !again.Read(&r) || !r.Empty() {
		t.Fatal("own state does not load")
	}
	if !bytes.Equal(b, encode(t, &again)) {
		t.Fatal("what was loaded encodes differently")
	}
	*s = again
}

func agree(t testing.TB, sides [2]*side) {
	t.Helper()
	for epoch, key := range sides[0].secrets {
		if theirs, ok := sides[1].secrets[epoch]; ok && theirs != key {
			t.Fatalf("epoch %d has two secrets", epoch)
		}
	}
	if d := int(sides[0].last) - int(sides[1].last); d < -1 || d > 1 {
		t.Fatalf("sides know %d and %d epochs", sides[0].last, sides[1].last)
	}
}

// TestRatchet_R27_epochInSevenRoundTrips: with one chunk in a message an epoch
// takes 45 round trips or so, with eight seven.
func TestRatchet_R27_epochInSevenRoundTrips(t *testing.T) {
	for chunks, limit := range map[int]float64{1: 48, 2: 25, 8: 8} {
		p := profile(chunks)
		sides := newSides(p)
		const epochs = 6
		trips := 0
		for ; sides[0].last < epochs || sides[1].last < epochs; trips++ {
			if trips > 1000 {
				t.Fatal("no progress")
			}
			sides[1].receive(t, p, sides[0].send(t, p))
			sides[0].receive(t, p, sides[1].send(t, p))
		}
		agree(t, sides)
		each := float64(trips) / epochs
		t.Logf("%d chunks in a message: %.1f round trips an epoch", chunks, each)
		if each > limit {
			t.Errorf("more than %v", limit)
		}
	}
}

// TestRatchet_R27_anyChunksWill: whatever is lost, repeated or comes late, epochs go on
// and both sides agree.
func TestRatchet_R27_anyChunksWill(t *testing.T) {
	rng := dice(t)
	for _, chunks := range []int{1, 3, 8} {
		p := profile(chunks)
		sides := newSides(p)
		var flying [2][]*braid.Message
		for range 12000 / chunks {
			from := rng.IntN(2)
			to := 1 - from
			flying[to] = append(flying[to], sides[from].send(t, p))
			for i := 0; i < len(flying[from]); {
				switch rng.IntN(4) {
				case 0: // lost
				case 1: // later
					i++
					continue
				case 2: // twice
					sides[from].receive(t, p, flying[from][i])
					fallthrough
				case 3:
					sides[from].receive(t, p, flying[from][i])
				}
				flying[from] = append(flying[from][:i:i], flying[from][i+1:]...)
			}
			agree(t, sides)
		}
		if sides[0].last < 6 {
			t.Errorf("%d chunks: only %d epochs", chunks, sides[0].last)
		}
	}
}

// until plays until a message of a type is sent, and returns it with both sides
// as they were before it arrives.
func until(t *testing.T, p *braid.Profile, want func(*braid.Message) bool) (sides [2]*side, to int, m *braid.Message) {
	t.Helper()
	sides = newSides(p)
	for i := range 4000 {
		from := i % 2
		m := sides[from].send(t, p)
		if want(m) {
			return sides, 1 - from, m
		}
		sides[1-from].receive(t, p, m)
	}
	t.Fatal("never sent")
	return
}

// TestRatchet_R28_forgedChunks: what is completed by a wrong chunk is refused by
// whoever completes it, at once where a MAC or hash covers it, and for ct1 when
// the MAC over the whole ciphertext comes. The genuine message then goes on.
func TestRatchet_R28_forgedChunks(t *testing.T) {
	p := profile(8)
	for _, tt := range []struct {
		kind braid.Type
		at   int // the byte that is forged
	}{
		{braid.Hdr, 5}, {braid.Hdr, 40}, {braid.Hdr, 70}, // rho, hash, MAC
		{braid.Ek, 100}, {braid.EkCt1Ack, 0},
		{braid.Ct1, 7}, {braid.Ct2, 0}, {braid.Ct2, 127}, {braid.Ct2, 128}, {braid.Ct2, 159}, // ciphertext, MAC
	} {
		sides, to, m := until(t, p, func(m *braid.Message) bool { return m.Type == tt.kind })
		bad := *m
		bad.Chunks[tt.at] ^= 1
		before := encode(t, &sides[to].state)
		victim := sides[to].state
		for i := 0; ; i++ {
			next := victim
			_, err := next.Receive(p, &bad)
			if errors.Is(err, braid.ErrPeer) {
				break
			}
			if err != nil || i > 40 || next.Epoch() > m.Epoch {
				t.Fatalf("type %d, byte %d: not refused: %v", tt.kind, tt.at, err)
			}
			if tt.kind == braid.Hdr || tt.kind == braid.Ct2 {
				t.Fatalf("type %d, byte %d: not refused at once", tt.kind, tt.at)
			}
			victim = next // the rest comes as it should
			reply, _, err := victim.Send(p)
			if err != nil {
				t.Fatal(err)
			}
			sides[1-to].receive(t, p, &reply)
			bad = *sides[1-to].send(t, p)
		}
		if !bytes.Equal(before, encode(t, &sides[to].state)) {
			t.Error("a copy was not independent")
		}
		sides[to].receive(t, p, m)
	}
}

// TestRatchet_R28_epochIsMonotone: older epochs change nothing, newer ones are
// refused but for the one that follows.
func TestRatchet_R28_epochIsMonotone(t *testing.T) {
	p := profile(8)
	sides, to, m := until(t, p, func(m *braid.Message) bool { return m.Epoch == 3 && m.Type == braid.Ct1 })
	s := &sides[to].state
	before := encode(t, s)
	for _, epoch := range []uint64{0, 1, 2} {
		old := *m
		old.Epoch = epoch
		if secret, err := s.Receive(p, &old); err != nil || secret != nil || !bytes.Equal(before, encode(t, s)) {
			t.Errorf("epoch %d: %v", epoch, err)
		}
	}
	for _, epoch := range []uint64{4, 5, math.MaxUint64} {
		next := *s
		ahead := *m
		ahead.Epoch = epoch
		if _, err := next.Receive(p, &ahead); !errors.Is(err, braid.ErrPeer) {
			t.Errorf("epoch %d: %v", epoch, err)
		}
	}
	// The side that sends ct2 waits for the next epoch, and only for that.
	sides, to, m = until(t, p, func(m *braid.Message) bool { return m.Epoch == 2 && m.Type == braid.None })
	if sides[to].state.Epoch() != 1 {
		t.Fatal("the test is not where it should be")
	}
	for _, epoch := range []uint64{3, math.MaxUint64} {
		next := sides[to].state
		ahead := *m
		ahead.Epoch = epoch
		if _, err := next.Receive(p, &ahead); !errors.Is(err, braid.ErrPeer) {
			t.Errorf("epoch %d for a side that waits for 2: %v", epoch, err)
		}
	}
	sides[to].receive(t, p, m)
	if sides[to].state.Epoch() != 2 {
		t.Error("the next epoch did not begin")
	}
}

// Chunk numbers begin again after the last.
func TestRatchet_R27_chunkNumbersWrap(t *testing.T) {
	p := profile(8)
	sides := newSides(p)
	var m *braid.Message
	for m == nil || m.First <= braid.Numbers-3 { // 3 chunks in each
		m = sides[0].send(t, p)
	}
	sides[1].receive(t, p, m)
	if reply := sides[1].send(t, p); reply.Type != braid.Ct1 {
		t.Errorf("chunks %d and following were not enough: the answer is of type %d", m.First, reply.Type)
	}
}

// In the last epoch there is nothing wrong but that it does not end.
func TestRatchet_R28_lastEpoch(t *testing.T) {
	p := profile(8)
	sides := newSides(p)
	for _, s := range sides {
		b := encode(t, &s.state)
		for i := range 8 {
			b[1+i] = 0xff
		}
		r := cryptobyte.String(b)
		if !s.state.Read(&r) {
			t.Fatal("the last epoch does not load")
		}
		s.last = math.MaxUint64 - 1
	}
	for range 40 {
		sides[1].receive(t, p, sides[0].send(t, p))
		sides[0].receive(t, p, sides[1].send(t, p))
	}
	if sides[1].last != math.MaxUint64 || sides[0].last != math.MaxUint64-1 || sides[0].state.Epoch() != math.MaxUint64 {
		t.Errorf("the sides know %d and %d epochs", sides[0].last, sides[1].last)
	}
	for _, epoch := range []uint64{0, math.MaxUint64 - 1} {
		m := braid.Message{Epoch: epoch, Type: braid.Ct2, Count: 5}
		sides[0].receive(t, p, &m)
		sides[1].receive(t, p, &m)
	}
}

// A type that does not matter in a state changes nothing.
func TestRatchet_R28_wrongTypeIsIgnored(t *testing.T) {
	p := profile(1)
	for _, kind := range []braid.Type{braid.None, braid.Hdr, braid.Ek, braid.EkCt1Ack, braid.Ct1Ack, braid.Ct1, braid.Ct2} {
		sides, to, m := until(t, p, func(m *braid.Message) bool { return m.Type == kind && m.Epoch == 2 })
		_ = m
		for other := braid.None; other <= braid.Ct2; other++ {
			next := sides[to].state
			forged := braid.Message{Epoch: next.Epoch(), Type: other, Count: other.Carries(8)}
			if _, err := next.Receive(p, &forged); err != nil && !errors.Is(err, braid.ErrPeer) {
				t.Fatal(err)
			}
			restoreOrRefused(t, &next)
		}
	}
}

func restoreOrRefused(t *testing.T, s *braid.State) {
	t.Helper()
	encode(t, s)
}

func FuzzState(f *testing.F) {
	p := profile(8)
	sides := newSides(p)
	for range 20 {
		sides[1].receive(f, p, sides[0].send(f, p))
		sides[0].receive(f, p, sides[1].send(f, p))
		f.Add(encode(f, &sides[0].state))
		f.Add(encode(f, &sides[1].state))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s braid.State
		r := cryptobyte.String(b)
		if !s.Read(&r) {
			return
		}
		if !bytes.Equal(encode(t, &s), b[:len(b)-len(r)]) {
			t.Fatal("what was read encodes differently")
		}
		m, _, err := s.Send(p)
		if err != nil {
			t.Fatal(err)
		}
		m.Type = braid.Type(len(b) % 7)
		m.Count = m.Type.Carries(p.Chunks)
		if _, err := s.Receive(p, &m); err == nil {
			restore(t, &s)
		}
	})
}

func BenchmarkEpoch(b *testing.B) {
	p := profile(8)
	sides := newSides(p)
	for i := 0; b.Loop(); i++ {
		m, _, err := sides[i%2].state.Send(p)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := sides[1-i%2].state.Receive(p, &m); err != nil {
			b.Fatal(err)
		}
	}
}
