package mls

import (
	"bytes"
	"crypto/rand"
	"slices"
	"time"

	"kith/mls/internal/framing"
	"kith/mls/internal/rule"
	"kith/mls/internal/suite"
	"kith/mls/internal/wire"
)

// Proposal is a change to a group that may be proposed or committed. The functions
// that return one make it; the zero value is refused.
type Proposal struct {
	build func(*suite.Suite) (*wire.Proposal, error)
}

// make returns the proposal as a group of this suite has it.
func (p Proposal) make(s *suite.Suite) (*wire.Proposal, error) {
	if p.build == nil {
		return nil, errArgument("empty proposal")
	}
	return p.build(s)
}

func constant(p *wire.Proposal) Proposal {
	return Proposal{func(*suite.Suite) (*wire.Proposal, error) { return p, nil }}
}

// Add proposes a new member.
func Add(k *KeyPackage) Proposal {
	if k == nil {
		return Proposal{}
	}
	return constant(&wire.Proposal{Type: wire.ProposalAdd, KeyPackage: k.kp})
}

// Remove proposes that the member at a leaf goes.
func Remove(leaf uint32) Proposal {
	return constant(&wire.Proposal{Type: wire.ProposalRemove, Removed: leaf})
}

// SetExtensions proposes new extensions for the group context, all of them: what
// is not in the list goes.
func SetExtensions(list ...Extension) Proposal {
	return Proposal{func(*suite.Suite) (*wire.Proposal, error) {
		p := &wire.Proposal{Type: wire.ProposalExtensions, Extensions: wireExtensions(list)}
		return p, rule.AsLocal(groupExtensions(p.Extensions))
	}}
}

// PSK proposes that an external pre-shared key goes into the next epoch.
func PSK(id []byte) Proposal { return psk(wire.PSKID{Type: wire.PSKExternal, ID: bytes.Clone(id)}) }

// ResumptionPSK proposes that the resumption key of an epoch, of this group or of
// another, goes into the next epoch.
func ResumptionPSK(groupID []byte, epoch uint64) Proposal {
	return psk(wire.PSKID{Type: wire.PSKResumption, Usage: wire.UsageApplication, GroupID: bytes.Clone(groupID), Epoch: epoch})
}

// psk returns a proposal of a key, each use of which has a nonce of its own.
func psk(id wire.PSKID) Proposal {
	return Proposal{func(s *suite.Suite) (*wire.Proposal, error) {
		use := id
		use.Nonce = make([]byte, s.Nh)
		rand.Read(use.Nonce)
		return &wire.Proposal{Type: wire.ProposalPSK, PSK: &use}, nil
	}}
}

// ReInit proposes that this group ends and one with this id, suite and extensions
// takes its place; see Group.Reinitialise. A nil id asks for a random one.
func ReInit(groupID []byte, s Suite, extensions ...Extension) Proposal {
	return Proposal{func(*suite.Suite) (*wire.Proposal, error) {
		next, err := s.impl()
		if err != nil {
			return nil, err
		}
		if len(groupID) > MaxGroupID {
			return nil, rule.AsLocal(rule.Breakf(rule.TooLong, "group id"))
		}
		r := &wire.ReInit{GroupID: bytes.Clone(groupID), Version: wire.MLS10, Suite: next.ID, Extensions: wireExtensions(extensions)}
		if groupID == nil {
			r.GroupID = make([]byte, next.Nh)
			rand.Read(r.GroupID)
		}
		return &wire.Proposal{Type: wire.ProposalReInit, ReInit: r}, rule.AsLocal(groupExtensions(r.Extensions))
	}}
}

// Propose sends a proposal to the group and queues it. It changes the group as
// Seal does, and keeps application data waiting until a commit.
func (g *Group) Propose(p Proposal, o MessageOptions, now time.Time) ([]byte, error) {
	w, err := p.make(g.suite)
	if err != nil {
		return nil, err
	}
	return g.propose(w, o, now, nil, nil)
}

// ProposeUpdate proposes fresh keys for our own leaf, to be committed by another
// member. c is who we are from then on, nil for who we are.
func (g *Group) ProposeUpdate(c *Client, o MessageOptions) ([]byte, error) {
	if g.closed {
		return nil, rule.Break(rule.GroupClosed)
	}
	if c == nil {
		c = g.client
	}
	_, signatureKey, err := c.self()
	if err != nil {
		return nil, err
	}
	if uint16(c.Suite) != g.suite.ID {
		return nil, rule.Breakf(rule.SignerKey, "of another suite")
	}
	key, err := g.suite.GenerateKey()
	if err != nil {
		return nil, err
	}
	leaf := c.leaf(wire.SourceUpdate, key.Public(), signatureKey)
	if err := signLeaf(g.suite, c.Signer, leaf, g.context.GroupID, g.private.Leaf); err != nil {
		return nil, err
	}
	return g.propose(&wire.Proposal{Type: wire.ProposalUpdate, Leaf: leaf}, o, time.Time{}, key, c)
}

func (g *Group) propose(p *wire.Proposal, o MessageOptions, now time.Time, leafKey *suite.PrivateKey, c *Client) ([]byte, error) {
	if g.closed {
		return nil, rule.Break(rule.GroupClosed)
	}
	sender := wire.Sender{Type: wire.SenderMember, Index: g.private.Leaf}
	if err := g.checkProposal(p, sender, g.context.Extensions, now); err != nil {
		return nil, rule.AsLocal(err)
	}
	if len(g.proposals) >= MaxProposals {
		return nil, rule.AsLocal(rule.Breakf(rule.TooLong, "proposals"))
	}
	a, err := g.sign(&wire.FramedContent{Type: wire.ContentProposal, Proposal: p}, o)
	if err != nil {
		return nil, err
	}
	m, err := g.protect(a, o)
	if err != nil {
		return nil, err
	}
	g.proposals = append(g.proposals, &queued{g.suite.ProposalRef(wire.Marshal(a)), a, leafKey, c})
	return m, nil
}

// ProposeExternally makes a proposal as the external sender at an index of the
// extension external_senders of a group, for its current epoch.
func (c *Client) ProposeExternally(groupID []byte, epoch uint64, index uint32, p Proposal) ([]byte, error) {
	return c.proposeFrom(groupID, epoch, wire.Sender{Type: wire.SenderExternal, Index: index}, p)
}

// ProposeJoin asks a group, in its current epoch, to add the client of a key
// package, which must be c's.
func (c *Client) ProposeJoin(groupID []byte, epoch uint64, k *PrivateKeyPackage) ([]byte, error) {
	return c.proposeFrom(groupID, epoch, wire.Sender{Type: wire.SenderNewMemberProposal}, Add(k.KeyPackage))
}

func (c *Client) proposeFrom(groupID []byte, epoch uint64, sender wire.Sender, p Proposal) ([]byte, error) {
	s, _, err := c.impl()
	if err != nil {
		return nil, err
	}
	w, err := p.make(s)
	if err != nil {
		return nil, err
	}
	content := &wire.FramedContent{GroupID: groupID, Epoch: epoch, Sender: sender, Type: wire.ContentProposal, Proposal: w}
	a, err := framing.Sign(s, c.Signer, wire.FormatPublic, content, nil)
	if err != nil {
		return nil, err
	}
	m, err := framing.Public(s, a, nil, nil)
	if err != nil {
		return nil, err
	}
	return encode(&wire.Message{Format: wire.FormatPublic, Public: m})
}

// checkProposal checks a proposal alone (section 12.1), under these extensions.
func (g *Group) checkProposal(p *wire.Proposal, sender wire.Sender, extensions []wire.Extension, now time.Time) error {
	v := g.validator(extensions)
	v.now = now
	switch p.Type {
	case wire.ProposalAdd:
		if err := v.keyPackage(p.KeyPackage); err != nil {
			return err
		}
		return g.client.authenticate(member(0, p.KeyPackage.Leaf), nil)
	case wire.ProposalUpdate:
		return g.checkReplacement(v, p.Leaf, wire.SourceUpdate, sender.Index)
	case wire.ProposalRemove:
		if g.tree.Leaf(p.Removed) == nil {
			return rule.Break(rule.RemoveBlank)
		}
	case wire.ProposalPSK:
		if len(p.PSK.Nonce) != g.suite.Nh {
			return rule.Break(rule.PSKNonce)
		}
		if p.PSK.Type == wire.PSKResumption && p.PSK.Usage != wire.UsageApplication {
			return rule.Break(rule.PSKUsage)
		}
	case wire.ProposalReInit:
		if p.ReInit.Version < g.context.Version {
			return rule.Break(rule.ReInitVersion)
		}
	case wire.ProposalExtensions:
		return groupExtensions(p.Extensions)
	}
	return nil
}

// checkReplacement checks a leaf node that replaces the one of a member.
func (g *Group) checkReplacement(v *validator, l *wire.LeafNode, source wire.LeafSource, index uint32) error {
	old := g.tree.Leaf(index)
	if old == nil {
		return rule.Break(rule.SenderBlank)
	}
	if err := v.leaf(l, source, index); err != nil {
		return err
	}
	if bytes.Equal(old.EncryptionKey, l.EncryptionKey) {
		return rule.Break(rule.UpdateSameKey)
	}
	before := member(index, old)
	return g.client.authenticate(member(index, l), &before)
}

// QueuedProposal is a proposal of somebody that was received and waits for a
// commit. It is in the queue already; see Group.Discard.
type QueuedProposal struct {
	// Ref names the proposal within the epoch.
	Ref []byte
	// Kind is the type of the proposal by its IANA name, such as "add".
	Kind string
	// Sender is the member who sent it, if FromMember.
	Sender     uint32
	FromMember bool
	// Data is the sender's authenticated data.
	Data []byte
	// Member is whom an add or update brings, with the leaf of an update's sender;
	// for a remove, who is to go. Nil for other kinds.
	Member *Member
}

var proposalNames = map[uint16]string{
	wire.ProposalAdd: "add", wire.ProposalUpdate: "update", wire.ProposalRemove: "remove", wire.ProposalPSK: "psk",
	wire.ProposalReInit: "reinit", wire.ProposalExternalInit: "external_init", wire.ProposalExtensions: "group_context_extensions",
}

func (g *Group) describe(q *queued) *QueuedProposal {
	c := q.content.Content
	out := &QueuedProposal{
		Ref: bytes.Clone(q.ref), Kind: proposalNames[c.Proposal.Type], Data: bytes.Clone(c.Data),
		Sender: c.Sender.Index, FromMember: c.Sender.Type == wire.SenderMember,
	}
	if !out.FromMember {
		out.Sender = 0
	}
	switch c.Proposal.Type {
	case wire.ProposalAdd:
		out.Member = new(member(0, c.Proposal.KeyPackage.Leaf))
	case wire.ProposalUpdate:
		out.Member = new(member(c.Sender.Index, c.Proposal.Leaf))
	case wire.ProposalRemove:
		if m, ok := g.Member(c.Proposal.Removed); ok {
			out.Member = &m
		}
	}
	return out
}

// Waiting returns the proposals that wait for a commit, in the order they came.
func (g *Group) Waiting() []*QueuedProposal {
	var out []*QueuedProposal
	for _, q := range g.proposals {
		out = append(out, g.describe(q))
	}
	return out
}

// Discard takes a proposal from the queue, as policy may ask. A commit of
// somebody else that refers to it can then not be processed.
func (g *Group) Discard(ref []byte) {
	g.proposals = slices.DeleteFunc(slices.Clone(g.proposals), func(q *queued) bool { return bytes.Equal(q.ref, ref) })
}
