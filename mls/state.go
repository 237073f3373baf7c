package mls

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"

	"kith/mls/internal/rule"
	"kith/mls/internal/schedule"
	"kith/mls/internal/suite"
	"kith/mls/internal/tree"
	"kith/mls/internal/wire"
)

// stateVersion is the version of all that is stored.
const stateVersion = 1

// MarshalBinary returns the whole state of the group at this moment, secrets
// included: what MarshalEpoch and MarshalRatchets return.
func (g *Group) MarshalBinary() ([]byte, error) {
	epoch, err := g.MarshalEpoch(nil)
	if err != nil {
		return nil, err
	}
	ratchets, err := g.MarshalRatchets()
	if err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, len(epoch)+len(ratchets)+16), stateVersion)
	return wire.AppendOpaque(wire.AppendOpaque(b, epoch), ratchets), nil
}

// Restore reads what MarshalBinary wrote. The client's signer must be that of our
// leaf. Restore the newest state only: an older one would use message keys again.
func (c *Client) Restore(state []byte) (*Group, error) {
	r := wire.NewStateReader(bytes.Clone(state))
	version := r.Uint8()
	epoch, ratchets := r.Opaque(), r.Opaque()
	if r.Done() != nil || version != stateVersion {
		return nil, ErrState
	}
	return c.RestoreEpoch(epoch, ratchets, nil)
}

// MarshalEpoch returns the part of the state that stays the same for the whole
// epoch: tree, keys, key schedule. Of the tree only what differs from base's is
// encoded, if base is not nil: store one epoch in full and others against it. It
// holds no message keys, so going back to it is safe. A group that was wiped cannot be
// stored.
func (g *Group) MarshalEpoch(base *Group) ([]byte, error) {
	if g.secrets.InitSecret == nil {
		return nil, rule.Break(rule.GroupClosed) // wiped: nothing is worth storing
	}
	b := []byte{stateVersion}
	b = wire.AppendOpaque(b, wire.Marshal(&g.context))
	b = wire.AppendOpaque(wire.AppendOpaque(b, g.interim), g.tag)
	b = binary.BigEndian.AppendUint32(b, g.private.Leaf)
	levels := make([]int, g.private.Levels())
	for i := range levels {
		levels[i] = i
	}
	b = wire.AppendVector(b, levels, func(b []byte, level int) []byte {
		return wire.AppendOpaque(b, g.private.Key(level).Bytes())
	})
	for _, secret := range g.secrets.Fields() {
		b = wire.AppendOpaque(b, *secret)
	}
	b = wire.AppendVector(b, g.past, func(b []byte, p pastEpoch) []byte {
		return wire.AppendOpaque(binary.BigEndian.AppendUint64(b, p.epoch), p.key)
	})
	b = append(b, flag(g.closed), flag(g.reinit != nil))
	if g.reinit != nil {
		b = g.reinit.Append(b)
	}
	if base == nil {
		return g.tree.AppendState(wire.AppendOpaque(b, ""), nil), nil
	}
	return g.tree.AppendState(wire.AppendOpaque(b, base.context.TreeHash), base.tree), nil
}

func flag(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// MarshalRatchets returns the part of the state that changes within the epoch:
// message keys, waiting proposals, commits begun. There must be one of it in the
// world, and an older one must never come back.
func (g *Group) MarshalRatchets() ([]byte, error) {
	b := wire.AppendOpaque([]byte{stateVersion}, g.tag)
	b = binary.BigEndian.AppendUint32(b, g.sealed)
	b = wire.AppendVector(b, g.merged, wire.AppendOpaque[[]byte])
	b = wire.AppendVector(b, g.proposals, func(b []byte, q *queued) []byte {
		b = wire.AppendOpaque(b, wire.Marshal(q.content))
		return wire.AppendOpaque(b, q.leafKey.Bytes())
	})
	if g.messages == nil {
		return append(b, 0), nil
	}
	return g.messages.Append(append(b, 1)), nil
}

// RestoreEpoch reads what MarshalEpoch and MarshalRatchets wrote, with the base the
// former was given, and shares memory with it. Without ratchets the group returns
// ErrNoRatchets where it would need message keys, and does not know which commits were
// followed from it: do not fork it along one that was, or the ratchets of the next
// epoch exist twice. Own updates that wait are restored as updates of this client.
func (c *Client) RestoreEpoch(epoch, ratchets []byte, base *Group) (*Group, error) {
	s, signatureKey, err := c.impl()
	if err != nil {
		return nil, err
	}
	g := &Group{client: c, signer: c.Signer, suite: s}
	r := wire.NewStateReader(bytes.Clone(epoch))
	g.readEpoch(r, base)
	if r.Done() != nil {
		return nil, ErrState
	}
	leaf := g.tree.Leaf(g.private.Leaf)
	if !bytes.Equal(g.tree.Hash(), g.context.TreeHash) || leaf == nil {
		return nil, ErrState
	}
	if !bytes.Equal(leaf.SignatureKey, signatureKey) {
		return nil, rule.Break(rule.SignerKey)
	}
	if !g.private.Of(g.tree) {
		return nil, ErrState
	}
	if ratchets == nil {
		return g, nil
	}
	r = wire.NewStateReader(bytes.Clone(ratchets))
	g.readRatchets(r)
	if r.Done() != nil {
		return nil, ErrState
	}
	return g, nil
}

func (g *Group) readEpoch(r *wire.Reader, base *Group) {
	if r.Uint8() != stateVersion {
		r.Fail("version")
	}
	inner := wire.NewReader(r.Opaque())
	g.context = inner.GroupContext()
	if inner.Done() != nil || g.context.Suite != g.suite.ID {
		r.Fail("group context")
	}
	g.encoded = wire.Marshal(&g.context)
	g.interim, g.tag = r.Opaque(), r.Opaque()
	leaf := r.Uint32()
	keys := wire.Vector(r, func(r *wire.Reader) *suite.PrivateKey { return readKey(g.suite, r) })
	if len(keys) == 0 || len(keys) > bits.Len(MaxMembers) {
		r.Fail("private keys")
		return
	}
	g.private = tree.NewPrivate(leaf, keys[0])
	for level, key := range keys {
		g.private = g.private.With(level, key)
	}
	g.secrets = &schedule.Epoch{}
	for _, secret := range g.secrets.Fields() {
		if *secret = slices.Clone(r.Opaque()); len(*secret) != g.suite.Nh {
			r.Fail("secret")
		}
	}
	g.past = wire.Vector(r, func(r *wire.Reader) pastEpoch { return pastEpoch{r.Uint64(), slices.Clone(r.Opaque())} })
	if g.closed = r.Bool(); r.Bool() {
		g.reinit = r.ReInit()
	}
	var baseTree *tree.Tree
	if hash := r.Opaque(); hash != nil {
		if base == nil || !bytes.Equal(hash, base.context.TreeHash) {
			r.Fail("base")
			return
		}
		baseTree = base.tree
	}
	g.tree = tree.ReadState(g.suite, r, baseTree)
}

// readKey reads a private key; an empty one is nil.
func readKey(s *suite.Suite, r *wire.Reader) *suite.PrivateKey {
	b := r.Opaque()
	if b == nil {
		return nil
	}
	key, err := s.NewPrivateKey(b)
	if err != nil || !bytes.Equal(key.Bytes(), b) {
		r.Fail("private key")
	}
	return key
}

func (g *Group) readRatchets(r *wire.Reader) {
	if r.Uint8() != stateVersion || !bytes.Equal(r.Opaque(), g.tag) {
		r.Fail("ratchets of another epoch")
	}
	g.sealed = r.Uint32()
	g.merged = wire.Vector(r, (*wire.Reader).Opaque)
	g.proposals = wire.Vector(r, func(r *wire.Reader) *queued {
		encoded := r.Opaque()
		inner := wire.NewReader(encoded)
		q := &queued{content: inner.AuthenticatedContent(), ref: g.suite.ProposalRef(encoded)}
		if inner.Done() != nil || q.content.Content.Type != wire.ContentProposal {
			r.Fail("proposal")
		}
		if q.leafKey = readKey(g.suite, r); q.leafKey != nil {
			q.client = g.client
		}
		return q
	})
	if r.Bool() {
		g.messages = schedule.ReadSecretTree(g.suite, r)
	}
}
