package mls

import (
	"bytes"
	"time"

	"kith/mls/internal/rule"
	"kith/mls/internal/tree"
	"kith/mls/internal/wire"
)

// Processed is what a message turned out to be: an *Application, a
// *QueuedProposal or a *StagedCommit.
type Processed interface{ processed() }

func (*Application) processed()    {}
func (*QueuedProposal) processed() {}
func (*StagedCommit) processed()   {}

// Application is data that a member sealed.
type Application struct {
	Sender    uint32 // the member's leaf
	Data      []byte // authenticated, was readable by anybody
	Plaintext []byte
}

// Process opens a message of the epoch and checks it in full. A commit is staged:
// the group is as it was until the caller merges it. Application data uses up its
// message key, a proposal is queued; store the group before acting on either. After
// an error the group is as it was, byte for byte. Lifetimes are compared with now,
// or not at all if it is the zero time, as when history is replayed.
func (g *Group) Process(message []byte, now time.Time) (Processed, error) {
	m, err := wire.ParseMessage(bytes.Clone(message))
	if err != nil {
		return nil, err
	}
	r, err := g.unprotect(m)
	if err != nil {
		return nil, err
	}
	c := r.content.Content
	switch c.Type {
	case wire.ContentApplication:
		if err := g.spend(r.used); err != nil {
			return nil, err
		}
		return &Application{c.Sender.Index, c.Data, c.Application}, nil
	case wire.ContentProposal:
		return g.receiveProposal(r, now)
	}
	return g.receiveCommit(r, now)
}

func (g *Group) receiveProposal(r *received, now time.Time) (Processed, error) {
	c := r.content.Content
	if c.Proposal.Type == wire.ProposalExternalInit {
		return nil, rule.Break(rule.ExternalInitInner)
	}
	if err := g.checkProposal(c.Proposal, c.Sender, g.context.Extensions, now); err != nil {
		return nil, err
	}
	if len(g.proposals) >= MaxProposals {
		return nil, rule.Breakf(rule.TooLong, "proposals")
	}
	q := &queued{ref: g.suite.ProposalRef(wire.Marshal(r.content)), content: r.content}
	for _, other := range g.proposals {
		if bytes.Equal(other.ref, q.ref) {
			return nil, rule.Breakf(rule.GenerationUsed, "proposal received before")
		}
	}
	if err := g.spend(r.used); err != nil {
		return nil, err
	}
	g.proposals = append(g.proposals, q)
	return g.describe(q), nil
}

// changes resolves a commit's proposals.
func (g *Group) changes(commit *wire.Commit, sender wire.Sender) ([]change, error) {
	list := make([]change, 0, len(commit.Proposals))
	for _, p := range commit.Proposals {
		if p.Proposal != nil {
			list = append(list, change{Proposal: p.Proposal, sender: sender})
			continue
		}
		if sender.Type == wire.SenderNewMemberCommit {
			return nil, rule.Break(rule.ExternalReference)
		}
		q := g.find(p.Ref)
		if q == nil {
			return nil, rule.Break(rule.ProposalUnknown)
		}
		list = append(list, q.change())
	}
	return list, nil
}

func (g *Group) find(ref []byte) *queued {
	for _, q := range g.proposals {
		if bytes.Equal(q.ref, ref) {
			return q
		}
	}
	return nil
}

func (q *queued) change() change {
	c := change{Proposal: q.content.Content.Proposal, sender: q.content.Content.Sender, checked: true}
	if q.leafKey != nil {
		c.own = q
	}
	return c
}

// receiveCommit follows section 12.4.2.
func (g *Group) receiveCommit(r *received, now time.Time) (Processed, error) {
	sender, commit := r.content.Content.Sender, r.content.Content.Commit
	list, err := g.changes(commit, sender)
	if err != nil {
		return nil, err
	}
	p := &plan{committer: sender.Index, external: sender.Type == wire.SenderNewMemberCommit, now: now}
	if p, err = g.plan(p, list); err != nil {
		return nil, err
	}
	if commit.Path == nil && p.needsPath {
		return nil, rule.Break(rule.PathMissing)
	}
	staged := g.stage(p, nil, r.content)
	a := &arrival{content: r.content, plan: p, tree: p.tree, commit: make([]byte, g.suite.Nh), initSecret: g.secrets.InitSecret, client: g.client, signer: g.signer}
	if p.own != nil {
		a.client, a.signer = p.own.client, p.own.client.Signer
	}
	if err := g.receivePath(a, commit.Path, staged.SelfRemoved); err != nil {
		return nil, err
	}
	staged.used = r.used
	if staged.SelfRemoved {
		return staged, nil
	}
	if p.external {
		if a.initSecret, err = g.externalInit(p.externalInit); err != nil {
			return nil, err
		}
		defer clear(a.initSecret)
	}
	next, joiner, psk, err := g.advance(a)
	if err != nil {
		return nil, err
	}
	clear(joiner)
	clear(psk)
	clear(a.commit)
	if !g.suite.VerifyMAC(next.secrets.ConfirmationKey, next.context.ConfirmedTranscript, r.content.Auth.ConfirmationTag) {
		return nil, rule.Break(rule.ConfirmationTag)
	}
	staged.next = next
	return staged, nil
}

func (g *Group) externalInit(output []byte) ([]byte, error) {
	key, err := g.suite.DeriveKeyPair(g.secrets.ExternalSecret)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	secret, err := g.suite.ReceiveExternalInit(key, output)
	if err != nil {
		return nil, rule.Break(rule.ExternalKEM)
	}
	return secret, nil
}

// receivePath checks the new leaves and the path of a commit, and opens the path
// unless we are being removed.
func (g *Group) receivePath(a *arrival, path *wire.UpdatePath, gone bool) error {
	p := a.plan
	if path == nil {
		if err := p.tree.CheckNew(p.changedLeaves(), nil, 0); err != nil {
			return err
		}
		if !gone {
			a.private = g.keysIn(p)
		}
		return credentials(p.tree)
	}
	if err := g.checkPathLeaf(p, path.Leaf); err != nil {
		return err
	}
	if err := p.tree.CheckNew(p.changedLeaves(), path, p.committer); err != nil {
		return err
	}
	added := p.addedSet()
	merged, err := p.tree.Merge(p.committer, path, added)
	if err != nil {
		return err
	}
	if err := credentials(merged); err != nil {
		return err
	}
	a.tree = merged
	if gone {
		return nil
	}
	context := g.provisional(p, merged)
	a.private, a.commit, err = merged.Open(g.keysIn(p), p.committer, path, wire.Marshal(&context), added)
	return err
}

// keysIn returns our private keys in the tree behind the list.
func (g *Group) keysIn(p *plan) *tree.Private {
	private := g.private
	if key := p.ownKey(); key != nil {
		private = private.With(0, key)
	}
	return private.Prune(p.tree)
}

// checkPathLeaf checks the leaf node of a path.
func (g *Group) checkPathLeaf(p *plan, l *wire.LeafNode) error {
	v := g.validator(p.extensions)
	if !p.external {
		return g.checkReplacement(v, l, wire.SourceCommit, p.committer)
	}
	if err := v.leaf(l, wire.SourceCommit, p.committer); err != nil {
		return err
	}
	if len(p.removed) == 0 {
		return g.client.authenticate(member(p.committer, l), nil)
	}
	before := g.tree.Leaf(p.removed[0])
	if bytes.Equal(before.EncryptionKey, l.EncryptionKey) {
		return rule.Break(rule.UpdateSameKey)
	}
	return g.client.replaces(member(p.committer, l), new(member(p.removed[0], before)))
}
