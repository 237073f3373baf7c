package mls

import (
	"bytes"
	"slices"
	"time"

	"kith/mls/internal/rule"
	"kith/mls/internal/suite"
	"kith/mls/internal/tree"
	"kith/mls/internal/wire"
)

// change is a proposal in a commit, with who made it.
type change struct {
	*wire.Proposal
	sender  wire.Sender
	checked bool // alone, when it was received
	own     *queued
}

// plan is a valid list of proposals and what it makes of the group, before a path.
type plan struct {
	tree         *tree.Tree
	extensions   []wire.Extension
	added        []uint32
	keyPackages  []*wire.KeyPackage // of added
	updated      []uint32
	removed      []uint32
	psks         []*wire.PSKID
	externalInit []byte
	reinit       *wire.ReInit
	needsPath    bool
	own          *queued // our own update, if it is in the list
	committer    uint32
	external     bool
	link         uint8 // usage of resumption keys that is right in this commit
	now          time.Time
}

func (p *plan) addedSet() map[uint32]bool {
	set := make(map[uint32]bool, len(p.added))
	for _, i := range p.added {
		set[i] = true
	}
	return set
}

// plan checks a list of proposals (section 12.2) and applies it (section 12.3).
// For an external commit, committer is where the newcomer's leaf will be.
func (g *Group) plan(p *plan, list []change) (*plan, error) {
	p.extensions = g.context.Extensions
	if err := p.countKinds(list); err != nil {
		return nil, err
	}
	if err := g.checkTargets(p, list); err != nil {
		return nil, err
	}
	if err := g.checkAlone(p, list); err != nil {
		return nil, err
	}
	return p, g.apply(p, list)
}

// countKinds checks what may be in the list together.
func (p *plan) countKinds(list []change) error {
	inits, removes, contexts := 0, 0, 0
	p.needsPath = len(list) == 0
	for _, c := range list {
		switch c.Type {
		case wire.ProposalReInit:
			if len(list) > 1 {
				return rule.Break(rule.ReInitAlone)
			}
			p.reinit = c.ReInit
		case wire.ProposalExternalInit:
			inits++
			p.externalInit = c.KEMOutput
			p.needsPath = true
		case wire.ProposalUpdate:
			p.needsPath = true
		case wire.ProposalRemove:
			p.needsPath = true
			removes++
		case wire.ProposalExtensions:
			p.needsPath = true
			contexts++
			p.extensions = c.Extensions
		case wire.ProposalPSK:
			p.psks = append(p.psks, c.PSK)
		}
		if p.external && c.Type != wire.ProposalExternalInit && c.Type != wire.ProposalRemove && c.Type != wire.ProposalPSK {
			return rule.Break(rule.ExternalProposals)
		}
	}
	switch {
	case contexts > 1:
		return rule.Break(rule.ExtensionsTwice)
	case p.external && inits != 1:
		return rule.Break(rule.ExternalInitOne)
	case p.external && removes > 1:
		return rule.Break(rule.ExternalRemoves)
	case !p.external && inits > 0:
		return rule.Break(rule.ExternalInitInner)
	}
	return p.checkPSKs()
}

func (p *plan) checkPSKs() error {
	seen := map[string]bool{}
	for _, id := range p.psks {
		key := string(wire.Marshal(id))
		if seen[key] {
			return rule.Break(rule.PSKTwice)
		}
		seen[key] = true
	}
	return nil
}

// checkTargets checks who is updated, removed and added.
func (g *Group) checkTargets(p *plan, list []change) error {
	touched := map[uint32]bool{}
	touch := func(leaf uint32) error {
		if touched[leaf] {
			return rule.Break(rule.LeafTwice)
		}
		touched[leaf] = true
		return nil
	}
	newcomers := map[string]bool{}
	for _, c := range list {
		var err error
		switch c.Type {
		case wire.ProposalUpdate:
			if c.sender.Index == p.committer {
				return rule.Break(rule.UpdateByCommitter)
			}
			p.updated = append(p.updated, c.sender.Index)
			err = touch(c.sender.Index)
		case wire.ProposalRemove:
			if c.Removed == p.committer && !p.external {
				return rule.Break(rule.RemoveCommitter)
			}
			p.removed = append(p.removed, c.Removed)
			err = touch(c.Removed)
		case wire.ProposalAdd:
			key := string(c.KeyPackage.Leaf.SignatureKey)
			if newcomers[key] {
				return rule.Break(rule.AddTwice)
			}
			newcomers[key] = true
		}
		if err != nil {
			return err
		}
	}
	if len(newcomers) == 0 {
		return nil
	}
	for i, l := range g.tree.All() {
		if newcomers[string(l.SignatureKey)] && (!touched[i] || slices.Contains(p.updated, i)) {
			return rule.Break(rule.AddMember)
		}
	}
	return nil
}

// checkAlone checks each proposal under the extensions the commit sets.
func (g *Group) checkAlone(p *plan, list []change) error {
	v := g.validator(p.extensions)
	v.now = p.now
	for _, c := range list {
		if !c.checked {
			if c.Type == wire.ProposalPSK && c.PSK.Type == wire.PSKResumption && p.link != 0 && c.PSK.Usage == p.link {
				continue
			}
			if err := g.checkProposal(c.Proposal, c.sender, p.extensions, p.now); err != nil {
				return err
			}
			continue
		}
		var err error
		switch c.Type { // what may have changed since
		case wire.ProposalAdd:
			err = v.leafFields(c.KeyPackage.Leaf)
		case wire.ProposalUpdate:
			err = v.leafFields(c.Leaf)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// apply makes the tree of the list (section 12.3).
func (g *Group) apply(p *plan, list []change) error {
	e := g.tree.Edit()
	for _, c := range list {
		if c.Type == wire.ProposalUpdate {
			e.Update(c.sender.Index, c.Leaf)
			if c.own != nil {
				p.own = c.own
			}
		}
	}
	for _, leaf := range p.removed {
		e.Remove(leaf)
	}
	e.Truncate()
	for _, c := range list {
		if c.Type == wire.ProposalAdd {
			leaf, err := e.Add(c.KeyPackage.Leaf)
			if err != nil {
				return err
			}
			p.added, p.keyPackages = append(p.added, leaf), append(p.keyPackages, c.KeyPackage)
		}
	}
	if p.external {
		leaf, err := e.Blank()
		if err != nil {
			return err
		}
		p.committer = leaf
	}
	p.tree = e.Done()
	if !slices.EqualFunc(p.extensions, g.context.Extensions, sameExtension) {
		return g.checkAllSupport(p)
	}
	return nil
}

func sameExtension(a, b wire.Extension) bool { return a.Type == b.Type && bytes.Equal(a.Data, b.Data) }

// checkAllSupport checks new group context extensions against every member that
// stays or comes.
func (g *Group) checkAllSupport(p *plan) error {
	v := g.validator(p.extensions)
	for _, l := range p.tree.All() {
		if err := v.supports(&l.Capabilities); err != nil {
			return rule.Break(rule.RequiredSupport)
		}
	}
	return nil
}

// changedLeaves returns the leaves that the list set.
func (p *plan) changedLeaves() []uint32 { return slices.Concat(p.updated, p.added) }

// ownKey returns our leaf's private key behind the list.
func (p *plan) ownKey() *suite.PrivateKey {
	if p.own == nil {
		return nil
	}
	return p.own.leafKey
}
