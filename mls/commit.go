package mls

import (
	"crypto"
	"slices"
	"time"

	"kith/mls/internal/rule"
	"kith/mls/internal/schedule"
	"kith/mls/internal/tree"
	"kith/mls/internal/wire"
)

// CommitOptions are what a committer may choose. The zero value commits with
// fresh keys, privately, and puts the ratchet tree into the Welcome.
type CommitOptions struct {
	MessageOptions
	// Now is the time that lifetimes of added key packages are compared with. It must
	// be set if there are any.
	Now time.Time
	// OmitPath commits without fresh keys where the proposals allow it: the commit is
	// small and heals nothing.
	OmitPath bool
	// OmitTree leaves the ratchet tree out of the Welcome. The added need Group.Tree
	// of the next epoch beside it.
	OmitTree bool
	// OmitQueued commits only the proposals given, and none that wait.
	OmitQueued bool
	// Client is who we are from the next epoch on, nil for who we are.
	Client *Client

	link *wire.PSKID // of Reinitialise and Branch
}

// Commit makes a commit of the proposals that wait, by reference, and of those
// given, inline (section 12.4.1). Of proposals that exclude each other it takes the
// ones section 12.2 prefers; our own updates are left out, as the path does what
// they would. The group stays in its epoch; only, if the commit is private, one
// message key is used up, so store the group before the commit leaves.
func (g *Group) Commit(o CommitOptions, proposals ...Proposal) (*PendingCommit, error) {
	if g.closed {
		return nil, rule.Break(rule.GroupClosed)
	}
	c := &committing{g: g, o: o, client: g.client, signer: g.signer}
	if o.Client != nil {
		c.client, c.signer = o.Client, o.Client.Signer
	}
	if err := c.collect(proposals); err != nil {
		return nil, rule.AsLocal(err)
	}
	return c.finish()
}

// committing is a commit while it is made.
type committing struct {
	g      *Group
	o      CommitOptions
	client *Client // of the next epoch
	signer crypto.Signer
	commit wire.Commit
	plan   *plan
	path   *tree.Path // nil without one
}

// collect chooses the proposals and plans them.
func (c *committing) collect(inline []Proposal) error {
	self := wire.Sender{Type: wire.SenderMember, Index: c.g.private.Leaf}
	var list []change
	for _, p := range inline {
		w, err := p.make(c.g.suite)
		if err != nil {
			return err
		}
		if w.Type == wire.ProposalAdd && c.o.Now.IsZero() {
			return rule.Breakf(rule.LifetimeNow, "no time was given")
		}
		list = append(list, change{Proposal: w, sender: self})
		c.commit.Proposals = append(c.commit.Proposals, wire.ProposalOrRef{Proposal: w})
	}
	if c.o.link != nil {
		w := &wire.Proposal{Type: wire.ProposalPSK, PSK: c.o.link}
		list = append(list, change{Proposal: w, sender: self})
		c.commit.Proposals = append(c.commit.Proposals, wire.ProposalOrRef{Proposal: w})
	}
	var err error
	if c.plan, err = c.try(list); err != nil || c.o.OmitQueued {
		return err
	}
	for i := range list {
		list[i].checked = true
	}
	return c.addQueued(list)
}

// addQueued plans the waiting proposals beside the given ones. One that is fine
// alone may not be so here: then each is tried in turn.
func (c *committing) addQueued(given []change) error {
	chosen := c.g.choose(given)
	if len(chosen) == 0 {
		return nil
	}
	list := slices.Clone(given)
	for _, q := range chosen {
		list = append(list, q.change())
	}
	p, err := c.try(list)
	if err != nil {
		list, p = given, c.plan
		fit := chosen[:0:0]
		for _, q := range chosen {
			if next, err := c.try(append(slices.Clip(list), q.change())); err == nil {
				list, p, fit = append(slices.Clip(list), q.change()), next, append(fit, q)
			}
		}
		chosen = fit
	}
	for _, q := range chosen {
		c.commit.Proposals = append(c.commit.Proposals, wire.ProposalOrRef{Ref: q.ref})
	}
	c.plan = p
	return nil
}

// try plans a list and checks all that does not need a path.
func (c *committing) try(list []change) (*plan, error) {
	p := &plan{committer: c.g.private.Leaf, now: c.o.Now}
	if c.o.link != nil {
		p.link = c.o.link.Usage
	}
	p, err := c.g.plan(p, list)
	if err != nil {
		return nil, err
	}
	if _, err := c.g.pskChain(p.psks); err != nil {
		return nil, err
	}
	if err := p.tree.CheckNew(p.changedLeaves(), nil, 0); err != nil {
		return nil, err
	}
	return p, credentials(p.tree)
}

func (c *committing) finish() (*PendingCommit, error) {
	g := c.g
	a := &arrival{plan: c.plan, tree: c.plan.tree, private: g.private.Prune(c.plan.tree), commit: make([]byte, g.suite.Nh), initSecret: g.secrets.InitSecret, client: g.client, signer: g.signer}
	if c.plan.needsPath || !c.o.OmitPath {
		if err := c.makePath(a, g.private.Leaf); err != nil {
			return nil, err
		}
		defer c.path.Wipe()
	}
	if c.path != nil {
		if err := c.checkPath(a); err != nil {
			return nil, rule.AsLocal(err)
		}
	}
	content, err := g.sign(&wire.FramedContent{Type: wire.ContentCommit, Commit: &c.commit}, c.o.MessageOptions)
	if err != nil {
		return nil, err
	}
	a.content = content
	next, joiner, psk, err := g.advance(a)
	if err != nil {
		return nil, err
	}
	defer clear(joiner)
	defer clear(psk)
	content.Auth.ConfirmationTag = next.tag
	out := &PendingCommit{StagedCommit: g.stage(c.plan, next, content)}
	if len(c.plan.added) > 0 {
		if out.Welcome, err = c.welcome(next, joiner, psk); err != nil {
			return nil, err
		}
	}
	out.Message, err = g.protect(content, c.o.MessageOptions)
	return out, err
}

// makePath gives a leaf of ours and those above it fresh keys.
func (c *committing) makePath(a *arrival, index uint32) error {
	g := c.g
	_, signatureKey, err := c.client.self()
	if err != nil {
		return err
	}
	if uint16(c.client.Suite) != g.suite.ID {
		return rule.Breakf(rule.SignerKey, "of another suite")
	}
	c.path, err = c.plan.tree.NewPath(index, func(key, parentHash []byte) (*wire.LeafNode, error) {
		leaf := c.client.leaf(wire.SourceCommit, key, signatureKey)
		leaf.ParentHash = parentHash
		v := g.validator(c.plan.extensions)
		if err := v.supports(&leaf.Capabilities); err != nil {
			return nil, rule.AsLocal(err)
		}
		return leaf, signLeaf(g.suite, c.signer, leaf, g.context.GroupID, index)
	})
	if err != nil {
		return err
	}
	context := g.provisional(c.plan, c.path.Tree)
	if c.commit.Path, err = c.path.Seal(wire.Marshal(&context), c.plan.addedSet()); err != nil {
		return err
	}
	a.tree, a.private, a.commit, a.client, a.signer = c.path.Tree, c.path.Private, c.path.CommitSecret, c.client, c.signer
	return nil
}

// checkPath checks our own path as the others will.
func (c *committing) checkPath(a *arrival) error {
	if err := c.plan.tree.CheckNew(nil, c.commit.Path, c.plan.committer); err != nil {
		return err
	}
	return credentials(a.tree)
}

// welcome seals the next epoch to the members it adds.
func (c *committing) welcome(next *Group, joiner, psk []byte) ([]byte, error) {
	s := c.g.suite
	info, err := next.groupInfo(c.g.private.Leaf, GroupInfoOptions{OmitTree: c.o.OmitTree, OmitExternalPub: true})
	if err != nil {
		return nil, err
	}
	_, key, nonce := schedule.Welcome(s, joiner, psk)
	w := &wire.Welcome{Suite: s.ID, GroupInfo: s.Seal(key, nonce, wire.Marshal(info), nil)}
	clear(key)
	seal, err := schedule.SecretSealer(s, w.GroupInfo)
	if err != nil {
		return nil, err
	}
	secrets := &wire.GroupSecrets{JoinerSecret: joiner, PSKs: c.plan.psks}
	for i, leaf := range c.plan.added {
		if c.path != nil {
			secrets.HasPath, secrets.PathSecret = true, c.path.SecretFor(leaf)
		}
		kp := c.plan.keyPackages[i]
		sealed, err := seal(kp.InitKey, s.KeyPackageRef(wire.Marshal(kp)), secrets)
		if err != nil {
			return nil, rule.AsLocal(rule.Breakf(rule.KeyForm, "init key"))
		}
		w.Secrets = append(w.Secrets, sealed)
	}
	return encode(&wire.Message{Format: wire.FormatWelcome, Welcome: w})
}
