package mls

import (
	"bytes"
	"crypto"
	"slices"

	"kith/mls/internal/rule"
	"kith/mls/internal/schedule"
	"kith/mls/internal/tree"
	"kith/mls/internal/wire"
)

// StagedCommit is a commit that was found valid and has not happened. Look at it,
// then Merge or Fork it, or drop it.
type StagedCommit struct {
	// Committer is the leaf of who made the commit: in the next epoch if External, in
	// this one otherwise.
	Committer uint32
	// External says that the committer joined by it.
	External bool
	// Data is the committer's authenticated data.
	Data []byte
	// Added are the members that come by proposals, Removed those who go, Updated
	// those who have new leaf nodes, the committer among them if it has.
	Added, Removed, Updated []Member
	// SelfRemoved says that we are among those who go: after Merge the group is
	// closed.
	SelfRemoved bool
	// NewExtensions says that the extensions of the group context change.
	NewExtensions bool
	// ReInit says that the group ends by this commit; see Group.Successor.
	ReInit bool

	parent *Group
	epoch  []byte // confirmation tag of the parent: Merge moves it on in place
	next   *Group // nil if SelfRemoved
	begins uint64
	used   *usedKey
	done   bool
}

// Epoch returns the number of the epoch that the commit begins.
func (c *StagedCommit) Epoch() uint64 { return c.begins }

// Authenticator returns the authenticator of the epoch that the commit begins, nil
// if SelfRemoved.
func (c *StagedCommit) Authenticator() []byte {
	if c.next == nil {
		return nil
	}
	return c.next.Authenticator()
}

// Extensions returns the extensions of the group context behind the commit, nil
// if SelfRemoved.
func (c *StagedCommit) Extensions() []Extension {
	if c.next == nil {
		return nil
	}
	return c.next.Extensions()
}

func (c *StagedCommit) check(g *Group) error {
	if c.done || g.closed || c.parent != g || !bytes.Equal(c.epoch, g.tag) {
		return rule.Break(rule.CommitUsedTwice)
	}
	if c.next != nil && slices.ContainsFunc(g.merged, func(tag []byte) bool { return bytes.Equal(tag, c.next.tag) }) {
		return rule.Break(rule.CommitUsedTwice)
	}
	return nil
}

// Merge makes a commit happen: the group moves to the next epoch and erases the
// secrets of the one it leaves, so that messages of that open no more. A commit of
// another epoch, or one that was merged or forked, is refused.
func (g *Group) Merge(c *StagedCommit) error {
	if err := c.check(g); err != nil {
		return err
	}
	c.done = true
	old := *g
	if c.next == nil {
		g.Wipe()
		return nil
	}
	*g = *c.next
	c.next = nil
	old.wipe(g)
	return nil
}

// Fork returns a Group of the epoch that a commit begins and leaves g in its own,
// where it goes on to open messages and to process other commits. The same commit
// cannot be merged or forked again, so no message ratchet exists twice.
func (g *Group) Fork(c *StagedCommit) (*Group, error) {
	if err := c.check(g); err != nil {
		return nil, err
	}
	if c.next == nil {
		return nil, rule.Break(rule.GroupClosed)
	}
	if err := g.spend(c.used); err != nil {
		return nil, err
	}
	c.done = true
	next := c.next
	c.next = nil
	g.merged = append(g.merged, next.tag)
	next.private = next.private.Clone() // g may be wiped first
	next.past = slices.Clone(next.past)
	for i := range next.past {
		next.past[i].key = bytes.Clone(next.past[i].key)
	}
	return next, nil
}

// PendingCommit is a commit of our own, to be merged when it is accepted.
type PendingCommit struct {
	*StagedCommit
	// Message is the commit for the members of this epoch.
	Message []byte
	// Welcome is for those it adds, nil if none. Send it when the commit is accepted.
	Welcome []byte
}

// arrival is a signed commit on its way to the next epoch.
type arrival struct {
	content    *wire.AuthenticatedContent
	plan       *plan
	tree       *tree.Tree
	private    *tree.Private
	commit     []byte // commit secret
	initSecret []byte
	client     *Client
	signer     crypto.Signer
}

// advance computes the next epoch (section 12.4): all of it but whether the
// confirmation tag is right. It also returns the joiner and PSK secrets.
func (g *Group) advance(a *arrival) (next *Group, joiner, psk []byte, err error) {
	if psk, err = g.pskChain(a.plan.psks); err != nil {
		return nil, nil, nil, err
	}
	next = &Group{
		client: a.client, signer: a.signer, suite: g.suite, tree: a.tree, private: a.private,
		context: g.provisional(a.plan, a.tree), reinit: a.plan.reinit, closed: a.plan.reinit != nil,
	}
	next.context.ConfirmedTranscript = schedule.Confirmed(g.suite, g.interim, a.content)
	encoded := wire.Marshal(&next.context)
	joiner = schedule.Joiner(g.suite, a.initSecret, a.commit, encoded)
	next.begin(schedule.FromJoiner(g.suite, joiner, psk, encoded))
	next.tag = g.suite.MAC(next.secrets.ConfirmationKey, next.context.ConfirmedTranscript)
	next.interim = schedule.Interim(g.suite, next.context.ConfirmedTranscript, next.tag)
	next.past = append(slices.Clone(g.past), pastEpoch{g.context.Epoch, bytes.Clone(g.secrets.Resumption)})
	if excess := len(next.past) - MaxPastEpochs; excess > 0 {
		next.past = next.past[excess:]
	}
	return next, joiner, psk, nil
}

// provisional returns the next epoch's context with this epoch's transcript.
func (g *Group) provisional(p *plan, t *tree.Tree) wire.GroupContext {
	c := g.context
	c.Epoch++
	c.TreeHash, c.Extensions = t.Hash(), p.extensions
	return c
}

// stage describes a commit for the caller.
func (g *Group) stage(p *plan, next *Group, a *wire.AuthenticatedContent) *StagedCommit {
	c := &StagedCommit{
		Committer: p.committer, External: p.external, Data: bytes.Clone(a.Content.Data), ReInit: p.reinit != nil,
		NewExtensions: !slices.EqualFunc(p.extensions, g.context.Extensions, sameExtension),
		parent:        g, epoch: g.tag, begins: g.context.Epoch + 1, next: next,
	}
	for i, leaf := range p.added {
		c.Added = append(c.Added, member(leaf, p.keyPackages[i].Leaf))
	}
	for _, leaf := range p.removed {
		c.Removed = append(c.Removed, member(leaf, g.tree.Leaf(leaf)))
		c.SelfRemoved = c.SelfRemoved || leaf == g.private.Leaf
	}
	for _, leaf := range p.updated {
		c.Updated = append(c.Updated, member(leaf, p.tree.Leaf(leaf)))
	}
	if path := a.Content.Commit.Path; path != nil {
		c.Updated = append(c.Updated, member(p.committer, path.Leaf))
	}
	return c
}
