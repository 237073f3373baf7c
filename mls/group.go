package mls

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"iter"
	"slices"
	"time"

	"kith/mls/internal/rule"
	"kith/mls/internal/schedule"
	"kith/mls/internal/suite"
	"kith/mls/internal/tree"
	"kith/mls/internal/wire"
)

// Group is one epoch of a group as one member has it. Process, Seal, Propose and
// Commit keep to the epoch; Merge moves on to the next one in place, and Fork
// makes a second Group for it. A Group is not safe for concurrent use, but Groups
// that were forked from one another may be used at once.
type Group struct {
	client  *Client
	signer  crypto.Signer // of our leaf
	suite   *suite.Suite
	context wire.GroupContext
	encoded []byte // context
	tree    *tree.Tree
	private *tree.Private
	secrets *schedule.Epoch
	interim []byte // interim transcript hash
	tag     []byte // confirmation tag of the epoch
	past    []pastEpoch
	closed  bool
	reinit  *wire.ReInit // what replaces the group, if the last commit said so
	origin  *Group       // while a group is made that is linked to another

	// What changes within the epoch.
	messages  *schedule.SecretTree // nil if restored without
	proposals []*queued
	merged    [][]byte // confirmation tags of next epochs that were begun
	sealed    uint32
}

// pastEpoch is a resumption key of an epoch before this one.
type pastEpoch struct {
	epoch uint64
	key   []byte
}

// queued is a proposal that waits for a commit.
type queued struct {
	ref     []byte
	content *wire.AuthenticatedContent
	// Of our own updates: the new leaf's key, and who we are then.
	leafKey *suite.PrivateKey
	client  *Client
}

// Create makes a group of one member (section 11). The id should be random, of the
// size of the suite's hash; nil asks for that. The creator's first leaf lives as
// long as the client's MaxLifetime allows, from an hour before now.
func (c *Client) Create(groupID []byte, now time.Time, extensions ...Extension) (*Group, error) {
	s, signatureKey, err := c.self()
	if err != nil {
		return nil, err
	}
	if groupID == nil {
		groupID = make([]byte, s.Nh)
		rand.Read(groupID)
	}
	if len(groupID) > MaxGroupID {
		return nil, rule.AsLocal(rule.Breakf(rule.TooLong, "group id"))
	}
	key, err := s.GenerateKey()
	if err != nil {
		return nil, err
	}
	leaf := c.leaf(wire.SourceKeyPackage, key.Public(), signatureKey)
	leaf.NotBefore = uint64(max(0, now.Add(-time.Hour).Unix()))
	leaf.NotAfter = leaf.NotBefore + uint64(c.longest()/time.Second)
	if err := signLeaf(s, c.Signer, leaf, nil, 0); err != nil {
		return nil, err
	}
	g := &Group{client: c, signer: c.Signer, suite: s, tree: tree.New(s, leaf), private: tree.NewPrivate(0, key)}
	g.context = wire.GroupContext{
		Version: wire.MLS10, Suite: s.ID, GroupID: bytes.Clone(groupID), TreeHash: g.tree.Hash(), Extensions: wireExtensions(extensions),
	}
	v := g.validator(g.context.Extensions)
	if err := v.supports(&leaf.Capabilities); err != nil {
		return nil, rule.AsLocal(err)
	}
	if err := groupExtensions(g.context.Extensions); err != nil {
		return nil, rule.AsLocal(err)
	}
	secret := make([]byte, s.Nh)
	rand.Read(secret)
	g.begin(schedule.FromEpochSecret(s, secret))
	g.tag = s.MAC(g.secrets.ConfirmationKey, nil)
	g.interim = schedule.Interim(s, nil, g.tag)
	return g, nil
}

// begin puts the secrets of an epoch in place.
func (g *Group) begin(secrets *schedule.Epoch, encryption []byte) {
	g.encoded = wire.Marshal(&g.context)
	g.secrets = secrets
	g.messages = schedule.NewSecretTree(g.suite, g.tree.Leaves(), encryption)
}

func (g *Group) validator(extensions []wire.Extension) *validator {
	return &validator{client: g.client, suite: g.suite, groupID: g.context.GroupID, extensions: extensions}
}

// ID returns the group id.
func (g *Group) ID() []byte { return bytes.Clone(g.context.GroupID) }

// Epoch returns the number of the epoch. Forks have epochs of the same number; see
// Authenticator.
func (g *Group) Epoch() uint64 { return g.context.Epoch }

// Suite returns the cipher suite.
func (g *Group) Suite() Suite { return Suite(g.suite.ID) }

// Leaf returns the index of our leaf.
func (g *Group) Leaf() uint32 { return g.private.Leaf }

// Closed reports whether the group has ended for us.
func (g *Group) Closed() bool { return g.closed }

// Extensions returns the extensions of the group context.
func (g *Group) Extensions() []Extension { return extensions(g.context.Extensions) }

// Size returns the number of members.
func (g *Group) Size() int { return g.tree.Members() }

// Members yields the members in the order of their leaves.
func (g *Group) Members() iter.Seq[Member] {
	return func(yield func(Member) bool) {
		for i, l := range g.tree.All() {
			if !yield(member(i, l)) {
				return
			}
		}
	}
}

// Member returns the member at a leaf.
func (g *Group) Member(leaf uint32) (m Member, ok bool) {
	l := g.tree.Leaf(leaf)
	if l == nil {
		return Member{}, false
	}
	return member(leaf, l), true
}

// Authenticator returns the epoch authenticator: equal for two members if and only
// if they agree on the whole history of the group (section 8.7). It is a secret of
// the group.
func (g *Group) Authenticator() []byte { return bytes.Clone(g.secrets.Authenticator) }

// TreeHash returns the hash of the ratchet tree; who has it can take the tree from
// anybody.
func (g *Group) TreeHash() []byte { return bytes.Clone(g.context.TreeHash) }

// Tree returns the ratchet tree as the extension of section 12.4.3.3, for
// JoinOptions.Tree.
func (g *Group) Tree() []byte { return wire.Marshal(g.tree.Nodes()) }

// Export derives n bytes for the application from a label and a context (section
// 8.5), the same for all members of the epoch; n is at most MaxExport hashes.
func (g *Group) Export(label string, context []byte, n int) ([]byte, error) {
	if g.closed {
		return nil, rule.Break(rule.GroupClosed)
	}
	if n < 0 || n > MaxExport*g.suite.Nh {
		return nil, rule.AsLocal(rule.Breakf(rule.TooLong, "export"))
	}
	return g.secrets.Export(g.suite, label, context, n), nil
}

// ResumptionKey returns the key that proves membership in this epoch, for
// Client.Resumption of another group.
func (g *Group) ResumptionKey() []byte { return bytes.Clone(g.secrets.Resumption) }

// Successor returns the parameters of the group that replaces this one, if the
// last commit said that one does: its id and its suite.
func (g *Group) Successor() (groupID []byte, s Suite, ok bool) {
	if g.reinit == nil {
		return nil, 0, false
	}
	return bytes.Clone(g.reinit.GroupID), Suite(g.reinit.Suite), true
}

// Wipe erases the secrets of the group and closes it. Groups forked from it keep
// theirs.
func (g *Group) Wipe() { g.wipe(nil) }

// wipe erases all but the private keys that next has, too.
func (g *Group) wipe(next *Group) {
	var kept *tree.Private
	if next != nil {
		kept = next.private
	}
	g.private.Wipe(kept)
	g.secrets.Wipe()
	if g.messages != nil {
		g.messages.Wipe()
	}
	for _, q := range g.proposals {
		if q.leafKey != nil && (kept == nil || kept.Key(0) != q.leafKey) {
			q.leafKey.Wipe()
		}
	}
	for _, p := range g.past {
		kept := next != nil && slices.ContainsFunc(next.past, func(q pastEpoch) bool { return q.epoch == p.epoch })
		if !kept {
			clear(p.key)
		}
	}
	g.proposals, g.past, g.messages, g.closed = nil, nil, nil, true
}

// pskSecret finds a pre-shared key by its id.
func (g *Group) pskSecret(id *wire.PSKID) ([]byte, bool) {
	if id.Type == wire.PSKExternal {
		if g.client.PSK == nil {
			return nil, false
		}
		return g.client.PSK(id.ID)
	}
	if g.origin != nil {
		return g.origin.pskSecret(id)
	}
	if bytes.Equal(id.GroupID, g.context.GroupID) {
		if id.Epoch == g.context.Epoch {
			return g.secrets.Resumption, g.secrets.Resumption != nil // nil: wiped
		}
		if i := slices.IndexFunc(g.past, func(p pastEpoch) bool { return p.epoch == id.Epoch }); i >= 0 {
			return g.past[i].key, true
		}
	}
	if g.client.Resumption == nil {
		return nil, false
	}
	return g.client.Resumption(id.GroupID, id.Epoch)
}

// pskChain looks all keys up and chains them (section 8.4).
func (g *Group) pskChain(ids []*wire.PSKID) ([]byte, error) {
	return chainPSKs(g.suite, ids, g.pskSecret)
}

func chainPSKs(s *suite.Suite, ids []*wire.PSKID, find func(*wire.PSKID) ([]byte, bool)) ([]byte, error) {
	if len(ids) > MaxPSKs {
		return nil, rule.Breakf(rule.TooLong, "pre-shared keys")
	}
	var keys []schedule.PSK
	for _, id := range ids {
		secret, ok := find(id)
		if !ok {
			return nil, rule.Break(rule.PSKMissing)
		}
		keys = append(keys, schedule.PSK{ID: id, Secret: secret})
	}
	return schedule.PSKSecret(s, keys), nil
}
