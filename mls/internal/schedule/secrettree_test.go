package schedule

import (
	"bytes"
	"errors"
	"testing"

	"kith/mls/internal/rule"
	"kith/mls/internal/suite"
	"kith/mls/internal/wire"
)

func newTree(leaves uint32) *SecretTree {
	s, _ := suite.ByID(1)
	return NewSecretTree(s, leaves, bytes.Repeat([]byte{7}, 32))
}

func TestSecretTree_keysAreUsedOnce(t *testing.T) {
	st := newTree(8)
	take := func(g uint32) error {
		step, err := st.Take(5, Application, g)
		if err == nil {
			st.Apply(step)
		}
		return err
	}
	for _, g := range []uint32{3, 0, 4, 2} {
		if err := take(g); err != nil {
			t.Fatal(err)
		}
		if err := take(g); !errors.Is(err, &rule.Error{Rule: rule.GenerationUsed}) {
			t.Fatalf("generation %d again: %v", g, err)
		}
	}
	before := st.Append(nil)
	if _, err := st.Take(5, Application, 9); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Take(2, Handshake, 1); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, st.Append(nil)) {
		t.Error("a step that was not applied changed the tree")
	}
}

// TestSecretTree_oldestSkippedKeysGo at the edge of MaxSkippedSender.
func TestSecretTree_oldestSkippedKeysGo(t *testing.T) {
	st := newTree(1)
	next := uint32(0)
	jump := func(n uint32) {
		step, err := st.Take(0, Application, next+n)
		if err != nil {
			t.Fatal(err)
		}
		st.Apply(step)
		next += n + 1
	}
	jump(MaxForward)
	jump(MaxSkippedSender - MaxForward)
	if _, err := st.Take(0, Application, 0); err != nil {
		t.Errorf("the oldest of %d keys is gone: %v", MaxSkippedSender, err)
	}
	jump(1)
	if _, err := st.Take(0, Application, 0); err == nil {
		t.Error("a key beyond the limit is there")
	}
	if _, err := st.Take(0, Application, 1); err != nil {
		t.Errorf("the second oldest is gone: %v", err)
	}
	r := wire.NewReader(st.Append(nil))
	again := ReadSecretTree(st.suite, r)
	if err := r.Done(); err != nil || !bytes.Equal(again.Append(nil), st.Append(nil)) {
		t.Errorf("it does not survive being stored: %v", err)
	}
}

// TestSecretTree_ratchetEnds at the last generation there is.
func TestSecretTree_ratchetEnds(t *testing.T) {
	st := newTree(1)
	step, err := st.Take(0, Handshake, 0)
	if err != nil {
		t.Fatal(err)
	}
	st.Apply(step)
	st.ratchets[0][Handshake].next = MaxGeneration
	if step, err = st.Take(0, Handshake, MaxGeneration); err != nil {
		t.Fatal(err)
	}
	st.Apply(step)
	for _, g := range []uint32{0, 5, MaxGeneration} {
		if _, err := st.Take(0, Handshake, g); !errors.Is(err, &rule.Error{Rule: rule.GenerationUsed}) {
			t.Errorf("generation %d behind the end: %v", g, err)
		}
	}
	if _, err := st.Take(0, Handshake, st.Next(0, Handshake)); err == nil {
		t.Error("a ratchet goes on behind its end")
	}
}

func TestSecretTree_wipeLeavesNothing(t *testing.T) {
	st := newTree(4)
	step, err := st.Take(1, Application, 2)
	if err != nil {
		t.Fatal(err)
	}
	st.Apply(step)
	secret, skipped := st.ratchets[1][Application].secret, st.ratchets[1][Application].skipped[0].Key
	st.Wipe()
	if !bytes.Equal(secret, make([]byte, 32)) || !bytes.Equal(skipped, make([]byte, 16)) || len(st.nodes)+len(st.ratchets) != 0 {
		t.Error("something is left")
	}
	if _, err := st.Take(0, Application, 0); err == nil {
		t.Error("an erased tree gives keys")
	}
}

// TestSecretTree_damagedStateRefused: each stored value that cannot be is found.
func TestSecretTree_damagedStateRefused(t *testing.T) {
	secret := make([]byte, 32)
	node := func(x uint32, secret []byte) []byte { return wire.AppendOpaque(number(x), secret) }
	ratchet := func(secret []byte, skipped ...[]byte) []byte {
		b := append(wire.AppendOpaque(nil, secret), 0, 0, 0, 9, 0)
		return wire.AppendOpaque(b, bytes.Join(skipped, nil))
	}
	key := func(g uint32, key, nonce int) []byte {
		return wire.AppendOpaque(wire.AppendOpaque(number(g), make([]byte, key)), make([]byte, nonce))
	}
	leaf := func(i uint32, r []byte) []byte {
		return append(number(i), append(bytes.Clone(r), ratchet(secret)...)...)
	}
	whole := func(leaves uint32, nodes, ratchets []byte) []byte {
		return wire.AppendOpaque(wire.AppendOpaque(number(leaves), nodes), ratchets)
	}
	s, _ := suite.ByID(1)
	read := func(b []byte) error {
		r := wire.NewReader(b)
		ReadSecretTree(s, r)
		return r.Done()
	}
	fine := whole(4, append(node(1, secret), node(6, secret)...), append(leaf(2, ratchet(secret, key(1, 16, 12), key(5, 16, 12))), leaf(3, ratchet(secret))...))
	if err := read(fine); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"no leaves":         whole(0, nil, nil),
		"no power of two":   whole(3, nil, nil),
		"too many leaves":   whole(1<<31, nil, nil),
		"node outside":      whole(4, node(7, secret), nil),
		"node twice":        whole(4, append(node(1, secret), node(1, secret)...), nil),
		"nodes not sorted":  whole(4, append(node(5, secret), node(1, secret)...), nil),
		"short node secret": whole(4, node(1, secret[1:]), nil),
		"leaf outside":      whole(4, nil, leaf(4, ratchet(secret))),
		"leaf twice":        whole(4, nil, append(leaf(1, ratchet(secret)), leaf(1, ratchet(secret))...)),
		"short secret":      whole(4, nil, leaf(1, ratchet(secret[1:]))),
		"short key":         whole(4, nil, leaf(1, ratchet(secret, key(1, 15, 12)))),
		"short nonce":       whole(4, nil, leaf(1, ratchet(secret, key(1, 16, 11)))),
		"keys not sorted":   whole(4, nil, leaf(1, ratchet(secret, key(2, 16, 12), key(1, 16, 12)))),
	} {
		if read(b) == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func number(x uint32) []byte { return []byte{byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x)} }
