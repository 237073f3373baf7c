package ratchet_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"kith/ratchet"
)

// parse loads a state made by hand.
func parse(t testing.TB, x *refState) *ratchet.Session {
	t.Helper()
	s, err := ratchet.ParseSession(x.encode())
	if err != nil {
		t.Fatalf("state made by hand: %v", err)
	}
	return s
}

// sealN seals n messages, each saying its number.
func sealN(t testing.TB, s **ratchet.Session, n int) [][]byte {
	t.Helper()
	msgs := make([][]byte, n)
	for i := range msgs {
		msgs[i] = seal(t, s, fmt.Sprint(i))
	}
	return msgs
}

func TestRatchet_R07_skipLimitWithinChain(t *testing.T) {
	alice, bob := newPair(t)
	msgs := sealN(t, &alice, 2+ratchet.MaxSkip+1)
	open(t, &bob, msgs[0], "0")
	refuse(t, bob, msgs[len(msgs)-1], ratchet.ErrTooFar) // skips MaxSkip+1
	edge := len(msgs) - 2
	open(t, &bob, msgs[edge], fmt.Sprint(edge))
	if bob.Skipped() != ratchet.MaxSkip {
		t.Fatalf("%d skipped keys, want %d", bob.Skipped(), ratchet.MaxSkip)
	}
	open(t, &bob, msgs[edge+1], fmt.Sprint(edge+1)) // no longer too far
	open(t, &bob, msgs[1], "1")
}

func TestRatchet_R07_skipLimitAtChainStart(t *testing.T) {
	alice, bob := newPair(t)
	msgs := sealN(t, &alice, ratchet.MaxSkip+2)
	refuse(t, bob, msgs[ratchet.MaxSkip+1], ratchet.ErrTooFar)
	open(t, &bob, msgs[ratchet.MaxSkip], fmt.Sprint(ratchet.MaxSkip))
}

func TestRatchet_R07_skipLimitAtChainEnd(t *testing.T) {
	for _, extra := range []int{0, 1} {
		alice, bob := newPair(t)
		msgs := sealN(t, &alice, 1+ratchet.MaxSkip+extra)
		open(t, &bob, msgs[0], "0")
		open(t, &alice, seal(t, &bob, "reply"), "reply")
		msg := seal(t, &alice, "new chain")
		if extra == 0 {
			open(t, &bob, msg, "new chain")
			open(t, &bob, msgs[ratchet.MaxSkip], fmt.Sprint(ratchet.MaxSkip))
		} else {
			refuse(t, bob, msg, ratchet.ErrTooFar)
		}
	}
}

// A jump beyond the limit must not cost what it claims.
func TestRatchet_R07_farJumpIsRefusedAtOnce(t *testing.T) {
	alice, bob := newPair(t)
	open(t, &bob, seal(t, &alice, "first"), "first")
	x := parseState(t, alice)
	for _, n := range []uint32{2 + ratchet.MaxSkip, 1 << 20, math.MaxUint32 - 1, math.MaxUint32} {
		f := x.forgeNext(1)
		f.header.n = n
		msg := f.seal()
		refuse(t, bob, msg, ratchet.ErrTooFar)
		if allocs := testing.AllocsPerRun(10, func() { bob.Open(msg, ad, noon) }); allocs > 4 {
			t.Errorf("a jump to %d allocates %v times", n, allocs)
		}
	}
	open(t, &alice, seal(t, &bob, "reply"), "reply")
	private := bytes.Repeat([]byte{7}, 32)
	for _, pn := range []uint32{2 + ratchet.MaxSkip, math.MaxUint32} {
		f := parseState(t, alice).forgeChain(private, 0)
		f.header.pn = pn
		refuse(t, bob, f.seal(), ratchet.ErrTooFar)
	}
}

func TestRatchet_R09_storedKeysAreCapped(t *testing.T) {
	alice, bob := newPair(t)
	first := sealN(t, &alice, ratchet.MaxSkip+1)
	open(t, &bob, first[ratchet.MaxSkip], fmt.Sprint(ratchet.MaxSkip))
	second := sealN(t, &alice, ratchet.MaxSkip+1)
	open(t, &bob, second[ratchet.MaxSkip], fmt.Sprint(ratchet.MaxSkip))
	if bob.Skipped() != ratchet.MaxSkipped {
		t.Fatalf("%d skipped keys, want %d", bob.Skipped(), ratchet.MaxSkipped)
	}
	restore(t, &bob)
	if n := len(state(t, bob)); n > ratchet.MaxState {
		t.Fatalf("state of %d bytes", n)
	}
	third := sealN(t, &alice, 4)
	open(t, &bob, third[3], "3") // three more: the three oldest go
	if bob.Skipped() != ratchet.MaxSkipped {
		t.Fatalf("%d skipped keys, want %d", bob.Skipped(), ratchet.MaxSkipped)
	}
	refuse(t, bob, first[2], ratchet.ErrDuplicate)
	open(t, &bob, first[3], "3")
	open(t, &bob, third[0], "0")
}

// Over twelve chains the first message of each is late; those of the five newest
// chains still open: the current one and four closed ones.
func TestRatchet_R10_fiveChains(t *testing.T) {
	alice, bob := newPair(t)
	var late [][]byte
	for range 12 {
		late = append(late, seal(t, &alice, "late"))
		open(t, &bob, seal(t, &alice, "on time"), "on time")
		open(t, &alice, seal(t, &bob, "reply"), "reply")
		restore(t, &bob)
	}
	for i, msg := range late {
		if i < len(late)-ratchet.MaxChains {
			if bob.CanOpen(msg) {
				t.Errorf("the header key of chain %d is still there", i)
			}
			refuse(t, bob, msg, ratchet.ErrOpen)
			continue
		}
		open(t, &bob, msg, "late")
		restore(t, &bob)
	}
	if x := parseState(t, bob); len(x.closed) != 0 || len(x.skipped) != 0 {
		t.Errorf("%d closed chains and %d skipped keys remain", len(x.closed), len(x.skipped))
	}
}

func TestRatchet_R11_skippedKeysExpireByCount(t *testing.T) {
	for _, extra := range []int{0, 1} {
		alice, bob := newPair(t)
		late := seal(t, &alice, "late")
		open(t, &bob, seal(t, &alice, "skips it"), "skips it")
		for range ratchet.SkippedMessages - 1 + extra {
			open(t, &bob, seal(t, &alice, "more"), "more")
		}
		if extra == 0 {
			open(t, &bob, late, "late") // the 1000th message after the one that skipped it
		} else {
			if bob.Skipped() != 0 {
				t.Error("an expired key is still stored")
			}
			refuse(t, bob, late, ratchet.ErrDuplicate)
		}
	}
}

func TestRatchet_R11_skippedKeysExpireByAge(t *testing.T) {
	alice, bob := newPair(t)
	late := seal(t, &alice, "late")
	open(t, &bob, seal(t, &alice, "skips it"), "skips it")
	msg := seal(t, &alice, "later")

	edge := noon.Add(ratchet.SkippedAge)
	if _, _, err := bob.Open(late, ad, edge); err != nil {
		t.Errorf("at the edge: %v", err)
	}
	if bob.Expire(edge) != nil {
		t.Error("Expire found something to do at the edge")
	}
	beyond := edge.Add(time.Second)
	if _, _, err := bob.Open(late, ad, beyond); !errors.Is(err, ratchet.ErrDuplicate) {
		t.Errorf("beyond: got %v", err)
	}
	if next, _, err := bob.Open(msg, ad, beyond); err != nil || next.Skipped() != 0 {
		t.Errorf("the next message leaves the expired key: %v", err)
	}
	before := state(t, bob)
	next := bob.Expire(beyond)
	if next == nil || next.Skipped() != 0 || bob.Skipped() != 1 || !bytes.Equal(before, state(t, bob)) {
		t.Error("Expire did not remove the key from the next session, or changed this one")
	}
	open(t, &next, msg, "later")
}

// A key stored while the clock was ahead does not live longer once it is right.
func TestRatchet_R11_clockSetBack(t *testing.T) {
	alice, bob := newPair(t)
	late := seal(t, &alice, "late")
	ahead := noon.Add(10 * 365 * 24 * time.Hour)
	bob, _, err := bob.Open(seal(t, &alice, "skips it"), ad, ahead)
	if err != nil {
		t.Fatal(err)
	}
	open(t, &bob, seal(t, &alice, "clock is right"), "clock is right")
	if _, _, err := bob.Open(late, ad, noon.Add(ratchet.SkippedAge+time.Second)); !errors.Is(err, ratchet.ErrDuplicate) {
		t.Errorf("got %v", err)
	}
}

func TestRatchet_R20_sizes(t *testing.T) {
	alice, bob := newPair(t)
	for _, n := range []int{0, 1, ratchet.MaxPlaintext} {
		next, msg, err := alice.Seal(make([]byte, n), ad)
		if err != nil || len(msg) != n+ratchet.Overhead {
			t.Fatalf("%d bytes: message of %d bytes, %v", n, len(msg), err)
		}
		alice = next
		open(t, &bob, msg, string(make([]byte, n)))
	}
	if _, _, err := alice.Seal(make([]byte, ratchet.MaxPlaintext+1), ad); !errors.Is(err, ratchet.ErrTooLong) {
		t.Errorf("plaintext beyond the limit: %v", err)
	}
	if _, _, err := alice.Seal(nil, make([]byte, ratchet.MaxAD+1)); !errors.Is(err, ratchet.ErrTooLong) {
		t.Errorf("associated data beyond the limit: %v", err)
	}
	if _, msg, err := alice.Seal(nil, make([]byte, ratchet.MaxAD)); err != nil {
		t.Error(err)
	} else if _, _, err := bob.Open(msg, make([]byte, ratchet.MaxAD), noon); err != nil {
		t.Error(err)
	} else if _, _, err := bob.Open(msg, make([]byte, ratchet.MaxAD+1), noon); !errors.Is(err, ratchet.ErrOpen) {
		t.Error(err)
	}
	x := parseState(t, alice)
	f := x.forgeNext(3)
	long := refSealBody(refSealHeader(1, f.hk, f.header.encode()), f.pq, f.message, nil, make([]byte, ratchet.MaxAD+1))
	if _, _, err := bob.Open(long, make([]byte, ratchet.MaxAD+1), noon); !errors.Is(err, ratchet.ErrOpen) {
		t.Errorf("associated data beyond the limit: %v", err)
	}
	f.plaintext = make([]byte, ratchet.MaxPlaintext+1)
	refuse(t, bob, f.seal(), ratchet.ErrOpen)
}

func TestRatchet_R20_counterLimit(t *testing.T) {
	alice, bob := newPair(t)
	open(t, &bob, seal(t, &alice, "first"), "first")
	a, b := parseState(t, alice), parseState(t, bob)
	a.send.n, b.recv.n = ratchet.MaxMessages-1, ratchet.MaxMessages-1
	alice, bob = parse(t, a), parse(t, b)

	open(t, &bob, seal(t, &alice, "last"), "last")
	if _, _, err := alice.Seal(nil, ad); !errors.Is(err, ratchet.ErrExhausted) {
		t.Fatalf("beyond the last message: %v", err)
	}
	f := parseState(t, alice).forgeNext(0)
	f.header.n, f.message = math.MaxUint32, make([]byte, 32)
	refuse(t, bob, f.seal(), ratchet.ErrTooFar)
	restore(t, &alice)
	restore(t, &bob)
	open(t, &alice, seal(t, &bob, "reply"), "reply")
	msg := seal(t, &alice, "a new chain goes on")
	if pn := refOpenHeader(t, parseState(t, alice).send.header, msg).pn; pn != ratchet.MaxMessages {
		t.Errorf("PN is %d", pn)
	}
	open(t, &bob, msg, "a new chain goes on")
}

func TestRatchet_R01_stateSize(t *testing.T) {
	alice, bob := newPair(t)
	largest := 0
	for range 3 {
		open(t, &bob, seal(t, &alice, "x"), "x")
		open(t, &alice, seal(t, &bob, "x"), "x")
		largest = max(largest, len(state(t, alice)), len(state(t, bob)))
	}
	if largest > 8<<10 {
		t.Errorf("a state without skipped keys has %d bytes", largest)
	}
	full := parseState(t, bob)
	full.recv.n = 1 << 20
	full.received = 9
	for i := range uint64(4) {
		full.closed = append(full.closed, refClosed{8 - i, bytes.Repeat([]byte{uint8(i)}, 32)})
	}
	// An epoch both still use and the next, while all but one chunk have come.
	chain := &refPQChain{make([]byte, 32), 1 << 20}
	full.pq.epochs = []refEpoch{{chain, chain}, {chain, chain}}
	full.pq.first, full.pq.sending, full.pq.receiving = 4, 4, 4
	full.pq.braid = append([]byte{7, 0, 0, 0, 0, 0, 0, 0, 5}, make([]byte, 64+64+32+960+2)...)
	full.pq.braid = append(full.pq.braid, 35)
	for i := range byte(35) {
		full.pq.braid = append(append(full.pq.braid, 0, i), make([]byte, 32)...)
	}
	for i := range uint32(ratchet.MaxSkipped) {
		full.skipped = append(full.skipped, refSkipped{chain: 5 + uint64(i%5), n: i, key: make([]byte, 32)})
		full.pq.skipped = append(full.pq.skipped, refSkipped{chain: 3, n: i + 1, key: make([]byte, 32)})
	}
	if n := len(state(t, parse(t, full))); n != ratchet.MaxState {
		t.Errorf("the largest state has %d bytes, MaxState is %d", n, ratchet.MaxState)
	}
	full.pq.skipped = append(full.pq.skipped, refSkipped{n: ratchet.MaxSkipped, key: make([]byte, 32)})
	if _, err := ratchet.ParseSession(full.encode()); !errors.Is(err, ratchet.ErrState) {
		t.Errorf("a state beyond MaxState: %v", err)
	}
}

// TestRatchet_R01_impossibleStates: bytes that no session writes do not load.
func TestRatchet_R01_impossibleStates(t *testing.T) {
	alice, bob := newPair(t)
	late := seal(t, &alice, "late")
	open(t, &bob, seal(t, &alice, "x"), "x")
	open(t, &alice, seal(t, &bob, "x"), "x")
	seal(t, &alice, "late too")
	open(t, &bob, seal(t, &alice, "x"), "x")
	seal(t, &bob, "x")
	good := func() *refState { return parseState(t, bob) }
	parse(t, good())
	if x := good(); len(x.closed) != 1 || len(x.skipped) != 2 || x.send == nil || x.recv == nil {
		t.Fatal("the test's state is not what it should be")
	}

	flip := func(at int, v byte) []byte { b := good().encode(); b[at] ^= v; return b }
	lowOrder := make([]byte, 32)
	tests := map[string][]byte{
		"empty":                   {},
		"version":                 flip(0, 2),
		"suite":                   flip(2, 2),
		"unknown flag":            flip(3, 8),
		"truncated":               good().encode()[:len(good().encode())-1],
		"trailing byte":           append(good().encode(), 0),
		"no keys":                 edit(good(), func(x *refState) { x.private, x.peer, x.send, x.recv = nil, nil, nil, nil }),
		"receiving without peer":  edit(good(), func(x *refState) { x.peer, x.send = nil, nil }),
		"low-order peer":          edit(good(), func(x *refState) { x.peer = lowOrder }),
		"low-order self":          edit(good(), func(x *refState) { x.public = lowOrder }),
		"nothing sent":            edit(good(), func(x *refState) { x.send.n = 0 }),
		"nothing received":        edit(good(), func(x *refState) { x.recv.n = 0 }),
		"nothing accepted":        edit(good(), func(x *refState) { x.opened = 0 }),
		"PN before receiving":     edit(good(), func(x *refState) { x.recv, x.opened, x.received, x.closed, x.skipped, x.pn = nil, 0, 0, nil, nil, 1 }),
		"skipped before any":      edit(good(), func(x *refState) { x.recv, x.opened, x.received, x.closed = nil, 0, 0, nil }),
		"closed without keys":     edit(good(), func(x *refState) { x.skipped = x.skipped[1:] }),
		"unknown chain":           edit(good(), func(x *refState) { x.skipped[0].chain = 7 }),
		"key from the future":     edit(good(), func(x *refState) { x.skipped[1].n = x.recv.n }),
		"twice":                   edit(good(), func(x *refState) { x.skipped = append(x.skipped, x.skipped[1]) }),
		"older after newer":       edit(good(), func(x *refState) { x.skipped[0], x.skipped[1] = x.skipped[1], x.skipped[0] }),
		"counted in the future":   edit(good(), func(x *refState) { x.skipped[1].opened = x.opened + 1 }),
		"too many closed":         edit(good(), func(x *refState) { x.closed = append(x.closed, x.closed[0], x.closed[0], x.closed[0], x.closed[0]) }),
		"skipped count too small": edit(good(), func(x *refState) {})[:len(good().encode())-53],
	}
	for name, b := range tests {
		if s, err := ratchet.ParseSession(b); !errors.Is(err, ratchet.ErrState) || s != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_ = late
}

// TestRatchet_R01_impossibleQuantumStates: the same of the post-quantum ratchet.
func TestRatchet_R01_impossibleQuantumStates(t *testing.T) {
	alice, bob := newPair(t)
	pingPong(t, &alice, &bob, 1)
	seal(t, &alice, "late")
	pingPong(t, &alice, &bob, 1)
	for len(parseState(t, bob).pq.epochs) < 2 || bob.QuantumEpoch() == 2 {
		seal(t, &alice, "late too")
		open(t, &bob, seal(t, &alice, "x"), "x")
		open(t, &alice, seal(t, &bob, "x"), "x")
	}
	seal(t, &alice, "late too")
	open(t, &bob, seal(t, &alice, "x"), "x")
	good := func() *refState { return parseState(t, bob) }
	parse(t, good())
	if x := good().pq; x.sending != x.first || x.receiving != x.first || x.skipped[0].chain == x.receiving || x.skipped[len(x.skipped)-1].chain != x.receiving ||
		x.epochs[0].recv.n == 0 || x.braid[0] < 7 || x.braid[0] > 10 {
		t.Fatal("the test's state is not what it should be")
	}
	setEpoch := func(x *refState, epoch uint64) {
		x.pq.braidEpoch = epoch
		binary.BigEndian.PutUint64(x.pq.braid[1:], epoch)
	}
	for name, change := range map[string]func(*refState){
		"role":                     func(x *refState) { x.pq.role = 2 },
		"no epoch":                 func(x *refState) { x.pq.epochs = nil },
		"three epochs":             func(x *refState) { x.pq.epochs = append(x.pq.epochs, x.pq.epochs[1]); setEpoch(x, x.pq.braidEpoch+1) },
		"not the braid's epoch":    func(x *refState) { setEpoch(x, x.pq.braidEpoch+1) },
		"epochs wrap":              func(x *refState) { x.pq.first = math.MaxUint64; setEpoch(x, 0) },
		"braid of epoch 0":         func(x *refState) { setEpoch(x, 0) },
		"sent before":              func(x *refState) { x.pq.epochs[0].send = nil },
		"sends no more":            func(x *refState) { x.pq.epochs[1].send = nil },
		"received before":          func(x *refState) { x.pq.epochs[0].recv = nil },
		"receives no more":         func(x *refState) { x.pq.epochs[1].recv = nil },
		"sends in an epoch gone":   func(x *refState) { x.pq.sending-- },
		"sends in one to come":     func(x *refState) { x.pq.sending += 2 },
		"sends, chain left":        func(x *refState) { x.pq.sending++ },
		"receives in one gone":     func(x *refState) { x.pq.receiving-- },
		"receives in one to come":  func(x *refState) { x.pq.receiving += 2 },
		"receives, chain left":     func(x *refState) { x.pq.receiving++ },
		"key of an epoch to come":  func(x *refState) { x.pq.skipped[len(x.pq.skipped)-1].chain++ },
		"key of a message to come": func(x *refState) { x.pq.skipped[len(x.pq.skipped)-1].n = x.pq.recvChain().n + 1 },
		"key of message 0":         func(x *refState) { x.pq.skipped[0].n = 0 },
		"key twice":                func(x *refState) { x.pq.skipped = append(x.pq.skipped, x.pq.skipped[len(x.pq.skipped)-1]) },
		"older after newer":        func(x *refState) { x.pq.skipped[0], x.pq.skipped[1] = x.pq.skipped[1], x.pq.skipped[0] },
		"counted in the future":    func(x *refState) { x.pq.skipped[len(x.pq.skipped)-1].opened = x.opened + 1 },
		"unknown phase":            func(x *refState) { x.pq.braid[0] = 11 },
		"next beyond the last":     func(x *refState) { binary.BigEndian.PutUint16(nextOf(x), 1024) },
		// Whoever is in phases 1 to 4 or 7 to 10 has sealed in this epoch.
		"phase without sending": func(x *refState) {
			x.pq.first, x.pq.sending = x.pq.first-1, x.pq.sending-1
			x.pq.epochs = []refEpoch{{send: x.pq.epochs[0].send}, {x.pq.epochs[0].send, x.pq.epochs[0].recv}}
			x.pq.braid = append([]byte{4}, x.pq.braid[1:73]...)
			x.pq.braid = append(x.pq.braid, make([]byte, 64+960+1)...)
		},
	} {
		if s, err := ratchet.ParseSession(edit(good(), change)); !errors.Is(err, ratchet.ErrState) || s != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
	x := good()
	binary.BigEndian.PutUint16(nextOf(x), 1023)
	parse(t, x)
}

// nextOf is where a braid's state has the number of the next chunk.
func nextOf(x *refState) []byte {
	n := 1 + 8 + 64 + braidSize[x.pq.braid[0]]
	return x.pq.braid[n-2 : n]
}

// TestRatchet_R20_countsAtTheirEnd: what counts messages opened and chains begun
// does not run over, which would make a session that cannot be loaded.
func TestRatchet_R20_countsAtTheirEnd(t *testing.T) {
	alice, bob := newPair(t)
	open(t, &bob, seal(t, &alice, "x"), "x")
	open(t, &alice, seal(t, &bob, "x"), "x")
	first, second := seal(t, &alice, "the last"), seal(t, &alice, "one more")
	for name, change := range map[string]func(*refState, uint64){
		"opened":   func(x *refState, n uint64) { x.opened = n },
		"received": func(x *refState, n uint64) { x.received = n },
	} {
		x := parseState(t, bob)
		change(x, math.MaxUint64-1)
		s := parse(t, x)
		open(t, &s, first, "the last")
		restore(t, &s)
		if name == "opened" {
			refuse(t, s, second, ratchet.ErrOpen)
		} else {
			open(t, &s, second, "one more") // the same chain
		}
		change(x, math.MaxUint64)
		refuse(t, parse(t, x), first, ratchet.ErrOpen)
	}
}

// A clock may show anything; a key's age is computed all the same.
func TestRatchet_R11_absurdClocks(t *testing.T) {
	alice, bob := newPair(t)
	late := seal(t, &alice, "late")
	msg := seal(t, &alice, "x")
	for _, tt := range []struct {
		stored, now int64
		old         bool
	}{
		{math.MinInt64, math.MinInt64, false}, {math.MinInt64, math.MaxInt64, true}, {math.MinInt64, 0, true},
		{-2, math.MaxInt64 - 1, true}, {0, math.MinInt64, false}, {math.MaxInt64, math.MinInt64, false}, {math.MaxInt64, math.MaxInt64, false},
	} {
		s, _, err := bob.Open(msg, ad, time.Unix(tt.stored, 0))
		if err != nil {
			t.Fatal(err)
		}
		want := error(nil)
		if tt.old {
			want = ratchet.ErrDuplicate
		}
		if _, _, err := s.Open(late, ad, time.Unix(tt.now, 0)); !errors.Is(err, want) {
			t.Errorf("stored at %d, asked for at %d: %v", tt.stored, tt.now, err)
		}
	}
}

func edit(x *refState, f func(*refState)) []byte {
	f(x)
	return x.encode()
}

func TestRatchet_R02_malformedMessages(t *testing.T) {
	alice, bob := newPair(t)
	msg := seal(t, &alice, "text")
	if v := binary.BigEndian.Uint16(msg[1:]); msg[0] != 1 || v != 333 {
		t.Fatalf("message begins with version %d, header length %d", msg[0], v)
	}
	for n := range len(msg) {
		refuse(t, bob, msg[:n], ratchet.ErrOpen)
		if n < ratchet.Overhead && bob.CanOpen(msg[:n]) {
			t.Errorf("CanOpen accepts %d bytes", n)
		}
	}
	for _, tail := range [][]byte{{0}, {0xff}, msg, make([]byte, ratchet.MaxMessage)} {
		refuse(t, bob, append(bytes.Clone(msg), tail...), ratchet.ErrOpen)
	}
	refuse(t, bob, nil, ratchet.ErrOpen)
	open(t, &bob, msg, "text")
}
