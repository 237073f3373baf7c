package schedule

import (
	"encoding/binary"
	"maps"
	"slices"

	"kith/mls/internal/rule"
	"kith/mls/internal/suite"
	"kith/mls/internal/tree"
	"kith/mls/internal/wire"
)

// Kind tells the two ratchets of a member apart.
type Kind uint8

// The ratchets of section 9.1.
const (
	Handshake   Kind = 0
	Application Kind = 1
)

func (k Kind) label() string {
	if k == Handshake {
		return "handshake"
	}
	return "application"
}

// SecretTree holds the message secrets of an epoch that are not used up (section
// 9). It is built as members send: what is not needed yet is one secret.
type SecretTree struct {
	suite    *suite.Suite
	leaves   uint32
	nodes    map[uint32][]byte // node number -> secret, no ancestor of another
	ratchets map[uint32]*[2]ratchet
}

type ratchet struct {
	secret  []byte
	next    uint32
	ended   bool // the last generation was used
	skipped map[uint32]Keys
}

// Keys encrypt one message.
type Keys struct{ Key, Nonce []byte }

func (k Keys) wipe() {
	clear(k.Key)
	clear(k.Nonce)
}

// NewSecretTree returns the secret tree of an epoch whose ratchet tree has this
// many leaves, blank ones included. It takes the encryption secret over.
func NewSecretTree(s *suite.Suite, leaves uint32, encryption []byte) *SecretTree {
	return &SecretTree{s, leaves, map[uint32][]byte{tree.Root(leaves): encryption}, map[uint32]*[2]ratchet{}}
}

// Step is a use of message keys that has not happened: Take computes it without
// changing the tree, Apply makes it so.
type Step struct {
	Keys     Keys
	leaf     uint32
	kind     Kind
	used     uint32
	ratchets *[2]ratchet // new ones, if the leaf had none
	nodes    map[uint32][]byte
	spent    uint32 // node whose secret became the others
	secret   []byte // of the ratchet behind the step; nil if it did not move
	next     uint32
	ended    bool
	skipped  map[uint32]Keys
}

// Next returns the generation that the next message sealed by a leaf uses.
func (t *SecretTree) Next(leaf uint32, kind Kind) uint32 {
	if r := t.ratchets[leaf]; r != nil {
		return r[kind].next
	}
	return 0
}

// Take returns the step to the keys of one generation of a leaf below Leaves.
func (t *SecretTree) Take(leaf uint32, kind Kind, generation uint32) (*Step, error) {
	st := &Step{leaf: leaf, kind: kind, used: generation}
	rs := t.ratchets[leaf]
	if rs == nil {
		if rs = t.begin(st, leaf); rs == nil {
			return nil, rule.Break(rule.GenerationUsed)
		}
	}
	r := &rs[kind]
	if r.ended || generation < r.next {
		keys, ok := r.skipped[generation]
		if !ok {
			return nil, rule.Break(rule.GenerationUsed)
		}
		st.Keys = Keys{slices.Clone(keys.Key), slices.Clone(keys.Nonce)}
		return st, nil
	}
	if generation-r.next > MaxForward {
		return nil, rule.Break(rule.GenerationFar)
	}
	secret := r.secret
	for g := r.next; ; g++ {
		keys := Keys{t.suite.DeriveTreeSecret(secret, "key", g, t.suite.Nk), t.suite.DeriveTreeSecret(secret, "nonce", g, t.suite.Nn)}
		secret = t.suite.DeriveTreeSecret(secret, "secret", g, t.suite.Nh)
		if g == generation {
			st.Keys, st.secret, st.next, st.ended = keys, secret, g+1, g == MaxGeneration
			return st, nil
		}
		if st.skipped == nil {
			st.skipped = map[uint32]Keys{}
		}
		st.skipped[g] = keys
	}
}

// begin derives the ratchets of a leaf that has not sent. It returns nil if the
// secret above the leaf is gone.
func (t *SecretTree) begin(st *Step, leaf uint32) *[2]ratchet {
	x := 2 * leaf
	var way []uint32 // from the leaf up to below the node that has a secret
	for t.nodes[x] == nil {
		if x == tree.Root(t.leaves) {
			return nil
		}
		way = append(way, x)
		x = tree.Parent(x)
	}
	st.spent, st.nodes = x, map[uint32][]byte{}
	secret := t.nodes[x]
	for _, child := range slices.Backward(way) {
		left, right := t.suite.ExpandWithLabel(secret, "tree", []byte("left"), t.suite.Nh), t.suite.ExpandWithLabel(secret, "tree", []byte("right"), t.suite.Nh)
		if tree.Left(tree.Parent(child)) == child {
			st.nodes[tree.Sibling(child)], secret = right, left
		} else {
			st.nodes[tree.Sibling(child)], secret = left, right
		}
	}
	st.ratchets = &[2]ratchet{}
	for kind := range st.ratchets {
		st.ratchets[kind].secret = t.suite.ExpandWithLabel(secret, Kind(kind).label(), nil, t.suite.Nh)
	}
	if len(way) > 0 {
		clear(secret)
	}
	return st.ratchets
}

// Generation returns the generation of the step's keys.
func (st *Step) Generation() uint32 { return st.used }

// Wipe erases the step's keys.
func (st *Step) Wipe() { st.Keys.wipe() }

// Apply makes a step so. It must be the first one applied since it was taken.
func (t *SecretTree) Apply(st *Step) {
	if st.ratchets != nil {
		clear(t.nodes[st.spent])
		delete(t.nodes, st.spent)
		maps.Copy(t.nodes, st.nodes)
		t.ratchets[st.leaf] = st.ratchets
	}
	r := &t.ratchets[st.leaf][st.kind]
	if st.secret == nil {
		r.skipped[st.used].wipe()
		delete(r.skipped, st.used)
		return
	}
	clear(r.secret)
	r.secret, r.next, r.ended = st.secret, st.next, st.ended
	if len(st.skipped) == 0 {
		return
	}
	if r.skipped == nil {
		r.skipped = map[uint32]Keys{}
	}
	maps.Copy(r.skipped, st.skipped)
	if excess := len(r.skipped) - MaxSkippedSender; excess > 0 {
		for _, g := range slices.Sorted(maps.Keys(r.skipped))[:excess] {
			r.skipped[g].wipe()
			delete(r.skipped, g)
		}
	}
}

// Wipe erases all secrets.
func (t *SecretTree) Wipe() {
	for _, secret := range t.nodes {
		clear(secret)
	}
	for _, rs := range t.ratchets {
		for _, r := range rs {
			clear(r.secret)
			for _, k := range r.skipped {
				k.wipe()
			}
		}
	}
	clear(t.nodes)
	clear(t.ratchets)
}

// Append encodes t behind b.
func (t *SecretTree) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, t.leaves)
	b = wire.AppendVector(b, slices.Sorted(maps.Keys(t.nodes)), func(b []byte, x uint32) []byte {
		return wire.AppendOpaque(binary.BigEndian.AppendUint32(b, x), t.nodes[x])
	})
	return wire.AppendVector(b, slices.Sorted(maps.Keys(t.ratchets)), func(b []byte, leaf uint32) []byte {
		b = binary.BigEndian.AppendUint32(b, leaf)
		for _, r := range t.ratchets[leaf] {
			b = r.append(b)
		}
		return b
	})
}

func (r *ratchet) append(b []byte) []byte {
	b = wire.AppendOpaque(b, r.secret)
	b = binary.BigEndian.AppendUint32(b, r.next)
	if r.ended {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	return wire.AppendVector(b, slices.Sorted(maps.Keys(r.skipped)), func(b []byte, g uint32) []byte {
		b = binary.BigEndian.AppendUint32(b, g)
		return wire.AppendOpaque(wire.AppendOpaque(b, r.skipped[g].Key), r.skipped[g].Nonce)
	})
}

// ReadSecretTree reads what Append wrote. It copies what it keeps.
func ReadSecretTree(s *suite.Suite, r *wire.Reader) *SecretTree {
	t := &SecretTree{s, r.Uint32(), map[uint32][]byte{}, map[uint32]*[2]ratchet{}}
	if t.leaves == 0 || t.leaves > tree.MaxLeaves || t.leaves&(t.leaves-1) != 0 {
		r.Fail("leaves of the secret tree")
	}
	ordered := inOrder(r)
	wire.Vector(r, func(r *wire.Reader) struct{} {
		x, secret := r.Uint32(), r.Opaque()
		if ordered(x); x >= tree.Width(t.leaves) || len(secret) != s.Nh {
			r.Fail("node of the secret tree")
		}
		t.nodes[x] = slices.Clone(secret)
		return struct{}{}
	})
	ordered = inOrder(r)
	wire.Vector(r, func(r *wire.Reader) struct{} {
		leaf := r.Uint32()
		if ordered(leaf); leaf >= t.leaves {
			r.Fail("leaf of the secret tree")
		}
		t.ratchets[leaf] = &[2]ratchet{readRatchet(s, r), readRatchet(s, r)}
		return struct{}{}
	})
	return t
}

// inOrder returns a check that numbers grow.
func inOrder(r *wire.Reader) func(uint32) {
	last, first := uint32(0), true
	return func(x uint32) {
		if !first && x <= last {
			r.Fail("order")
		}
		last, first = x, false
	}
}

func readRatchet(s *suite.Suite, r *wire.Reader) ratchet {
	out := ratchet{secret: slices.Clone(r.Opaque()), next: r.Uint32(), ended: r.Bool()}
	if len(out.secret) != s.Nh {
		r.Fail("secret of a ratchet")
	}
	ordered := inOrder(r)
	wire.Vector(r, func(r *wire.Reader) struct{} {
		g := r.Uint32()
		k := Keys{slices.Clone(r.Opaque()), slices.Clone(r.Opaque())}
		if ordered(g); len(k.Key) != s.Nk || len(k.Nonce) != s.Nn || len(out.skipped) == MaxSkippedSender {
			r.Fail("message key")
		}
		if out.skipped == nil {
			out.skipped = map[uint32]Keys{}
		}
		out.skipped[g] = k
		return struct{}{}
	})
	return out
}
