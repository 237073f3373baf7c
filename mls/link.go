package mls

import (
	"bytes"
	"crypto/rand"

	"kith/mls/internal/rule"
	"kith/mls/internal/wire"
)

// Reinitialise makes the group that replaces this one, after a commit of ReInit
// was merged (section 11.2), and the commit that brings the others in. c is who we
// are in it and has its suite; the key packages are of all other members.
func (g *Group) Reinitialise(c *Client, o CommitOptions, members ...*KeyPackage) (*Group, *PendingCommit, error) {
	if g.reinit == nil {
		return nil, nil, errArgument("no commit has reinitialised the group")
	}
	if len(members)+1 < g.Size() {
		return nil, nil, rule.AsLocal(rule.Break(rule.LinkMembers))
	}
	if uint16(c.Suite) != g.reinit.Suite {
		return nil, nil, rule.AsLocal(rule.Break(rule.LinkParameters))
	}
	return g.link(c, o, wire.UsageReInit, g.reinit.GroupID, g.reinit.Extensions, members)
}

// Branch makes a group of some of the members of this one (section 11.3), with its
// suite and these extensions, and the commit that brings them in. A nil id asks for
// a random one.
func (g *Group) Branch(groupID []byte, o CommitOptions, extensions []Extension, members ...*KeyPackage) (*Group, *PendingCommit, error) {
	if g.closed {
		return nil, nil, rule.Break(rule.GroupClosed)
	}
	return g.link(g.client, o, wire.UsageBranch, groupID, wireExtensions(extensions), members)
}

func (g *Group) link(c *Client, o CommitOptions, usage uint8, groupID []byte, list []wire.Extension, members []*KeyPackage) (*Group, *PendingCommit, error) {
	next, err := c.Create(groupID, o.Now, extensions(list)...)
	if err != nil {
		return nil, nil, err
	}
	o.link = &wire.PSKID{
		Type: wire.PSKResumption, Usage: usage, GroupID: g.context.GroupID, Epoch: g.context.Epoch, Nonce: make([]byte, next.suite.Nh),
	}
	rand.Read(o.link.Nonce)
	var adds []Proposal
	for _, k := range members {
		adds = append(adds, Add(k))
	}
	next.origin = g
	pending, err := next.Commit(o, adds...)
	next.origin = nil
	if err != nil {
		return nil, nil, err
	}
	return next, pending, nil
}

// checkLink checks a group that replaces another or was branched from it, once its
// Welcome is authentic (section 12.4.3.1).
func (j *joining) checkLink() error {
	for _, id := range j.secrets.PSKs {
		if id.Type != wire.PSKResumption || id.Usage == wire.UsageApplication {
			continue
		}
		if j.info.Context.Epoch != 1 {
			return rule.Break(rule.LinkEpoch)
		}
		from := j.o.From.context
		if !bytes.Equal(id.GroupID, from.GroupID) || id.Usage == wire.UsageReInit && id.Epoch != from.Epoch {
			return rule.Breakf(rule.LinkParameters, "the key is of another group or epoch")
		}
		if id.Usage == wire.UsageReInit {
			return j.checkReInit()
		}
		return j.checkBranch()
	}
	return nil
}

func (j *joining) checkReInit() error {
	from, c := j.o.From, &j.info.Context
	r := from.reinit
	if r == nil || !bytes.Equal(c.GroupID, r.GroupID) || c.Version != r.Version || c.Suite != r.Suite ||
		!bytes.Equal(wire.AppendExtensions(nil, c.Extensions), wire.AppendExtensions(nil, r.Extensions)) {
		return rule.Break(rule.LinkParameters)
	}
	if !within(from, j) || from.Size() != j.tree.Members() {
		return rule.Break(rule.LinkMembers)
	}
	return nil
}

func (j *joining) checkBranch() error {
	from := j.o.From
	if from.suite != j.suite || from.context.Version != j.info.Context.Version {
		return rule.Break(rule.LinkParameters)
	}
	if !within(from, j) {
		return rule.Break(rule.LinkMembers)
	}
	return nil
}

// within reports whether each member of the new group presents a credential of
// the old one, each of which counts once.
func within(from *Group, j *joining) bool {
	left := map[string]int{}
	for _, l := range from.tree.All() {
		left[string(wire.Marshal(&l.Credential))]++
	}
	for _, l := range j.tree.All() {
		key := string(wire.Marshal(&l.Credential))
		if left[key] == 0 {
			return false
		}
		left[key]--
	}
	return true
}
