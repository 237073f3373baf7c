package mls

import "kith/mls/internal/wire"

// chooser picks of the waiting proposals those that section 12.2 lets be together,
// and beside some that are given.
type chooser struct {
	own      uint32             // our leaf, which we neither update nor remove
	taken    map[uint32]bool    // leaves that the given proposals change
	best     map[uint32]*queued // leaf -> its remove, else its last update
	adds     map[string]bool    // signature keys
	contexts bool               // the extensions are set already
}

// choose returns the waiting proposals that can be committed beside the given
// ones: of updates and removes of a leaf the given, else a remove, else the last
// update; none that we may not commit.
func (g *Group) choose(given []change) []*queued {
	c := &chooser{own: g.private.Leaf, taken: map[uint32]bool{}, best: map[uint32]*queued{}, adds: map[string]bool{}}
	for _, p := range given {
		switch p.Type {
		case wire.ProposalRemove:
			c.taken[p.Removed] = true
		case wire.ProposalAdd:
			c.adds[string(p.KeyPackage.Leaf.SignatureKey)] = true
		case wire.ProposalExtensions:
			c.contexts = true
		case wire.ProposalReInit:
			return nil
		}
	}
	for _, q := range g.proposals {
		c.rank(q)
	}
	var chosen []*queued
	var reinit *queued
	for _, q := range g.proposals {
		if q.content.Content.Proposal.Type == wire.ProposalReInit {
			reinit = q
		} else if c.takes(q) {
			chosen = append(chosen, q)
		}
	}
	if reinit != nil && len(chosen)+len(given) == 0 {
		return []*queued{reinit}
	}
	return chosen
}

// rank notes what is best for a leaf.
func (c *chooser) rank(q *queued) {
	switch p := q.change(); p.Type {
	case wire.ProposalUpdate:
		if old := c.best[p.sender.Index]; old == nil || old.content.Content.Proposal.Type == wire.ProposalUpdate {
			c.best[p.sender.Index] = q
		}
	case wire.ProposalRemove:
		c.best[p.Removed] = q
	}
}

// takes reports whether a proposal goes with those taken before.
func (c *chooser) takes(q *queued) bool {
	switch p := q.change(); p.Type {
	case wire.ProposalUpdate:
		return c.best[p.sender.Index] == q && !c.taken[p.sender.Index] && p.sender.Index != c.own
	case wire.ProposalRemove:
		return c.best[p.Removed] == q && !c.taken[p.Removed] && p.Removed != c.own
	case wire.ProposalAdd:
		key := string(p.KeyPackage.Leaf.SignatureKey)
		first := !c.adds[key]
		c.adds[key] = true
		return first
	case wire.ProposalExtensions:
		first := !c.contexts
		c.contexts = true
		return first
	}
	return true
}
