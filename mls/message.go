package mls

import (
	"bytes"

	"kith/mls/internal/framing"
	"kith/mls/internal/rule"
	"kith/mls/internal/schedule"
	"kith/mls/internal/wire"
)

// MessageOptions are what a sender may choose for one message.
type MessageOptions struct {
	// Data is authenticated and not encrypted: anybody can read it.
	Data []byte
	// Padding is how many bytes are added before encryption, at most MaxPadding.
	Padding int
	// Public frames a proposal or commit as a PublicMessage, which is signed and not
	// encrypted.
	Public bool
}

// Seal encrypts application data to the members of the epoch. The group has
// changed when it returns: store it before the message leaves, or the next message
// after a crash uses the same key.
func (g *Group) Seal(plaintext []byte, o MessageOptions) ([]byte, error) {
	switch {
	case g.closed:
		return nil, rule.Break(rule.GroupClosed)
	case len(g.proposals) > 0:
		return nil, rule.Break(rule.ProposalsWait)
	case g.sealed >= MaxSealed:
		return nil, rule.Break(rule.AEADLimit)
	case o.Public:
		return nil, rule.AsLocal(rule.Break(rule.PublicData))
	case len(plaintext)+len(o.Data)+o.Padding > MaxMessage/2:
		return nil, rule.AsLocal(rule.Break(rule.TooLong))
	}
	c := &wire.FramedContent{Type: wire.ContentApplication, Application: plaintext}
	a, err := g.sign(c, o)
	if err != nil {
		return nil, err
	}
	m, err := g.protect(a, o)
	if err == nil {
		g.sealed++
	}
	return m, err
}

// sign completes content of ours and signs it.
func (g *Group) sign(c *wire.FramedContent, o MessageOptions) (*wire.AuthenticatedContent, error) {
	c.GroupID, c.Epoch, c.Data = g.context.GroupID, g.context.Epoch, bytes.Clone(o.Data)
	c.Sender = wire.Sender{Type: wire.SenderMember, Index: g.private.Leaf}
	format := wire.FormatPrivate
	if o.Public {
		format = wire.FormatPublic
	}
	return framing.Sign(g.suite, g.signer, format, c, g.encoded)
}

// protect frames signed content of ours. A private message uses up its key.
func (g *Group) protect(a *wire.AuthenticatedContent, o MessageOptions) ([]byte, error) {
	if o.Padding < 0 || o.Padding > MaxPadding {
		return nil, rule.AsLocal(rule.Breakf(rule.TooLong, "padding"))
	}
	if a.Format == wire.FormatPublic {
		p, err := framing.Public(g.suite, a, g.secrets.MembershipKey, g.encoded)
		if err != nil {
			return nil, err
		}
		return encode(&wire.Message{Format: wire.FormatPublic, Public: p})
	}
	if g.messages == nil {
		return nil, ErrNoRatchets
	}
	kind := kindOf(a.Content.Type)
	generation := g.messages.Next(g.private.Leaf, kind)
	step, err := g.messages.Take(g.private.Leaf, kind, generation)
	if err != nil {
		return nil, rule.AsLocal(err)
	}
	defer step.Wipe()
	p := framing.Private(g.suite, a, g.secrets.SenderData, step.Keys, generation, o.Padding)
	m, err := encode(&wire.Message{Format: wire.FormatPrivate, Private: p})
	if err != nil {
		return nil, err
	}
	g.messages.Apply(step)
	return m, nil
}

// encode encodes a message of ours, unless it is one that every receiver refuses.
func encode(m *wire.Message) ([]byte, error) {
	b := wire.Marshal(m)
	if len(b) > MaxMessage {
		return nil, rule.AsLocal(rule.Breakf(rule.TooLong, "message"))
	}
	return b, nil
}

func kindOf(t wire.ContentType) schedule.Kind {
	if t == wire.ContentApplication {
		return schedule.Application
	}
	return schedule.Handshake
}

// received is a message whose sender is authentic.
type received struct {
	content *wire.AuthenticatedContent
	// used is the message key that opened it, nil if none did.
	used *usedKey
}

type usedKey struct {
	leaf       uint32
	kind       schedule.Kind
	generation uint32
}

// spend makes the use of a message key so.
func (g *Group) spend(u *usedKey) error {
	if u == nil || g.messages == nil {
		return nil
	}
	step, err := g.messages.Take(u.leaf, u.kind, u.generation)
	if err != nil {
		return err
	}
	g.messages.Apply(step)
	step.Wipe()
	return nil
}

// unprotect opens a message and verifies who sent it. It changes nothing.
func (g *Group) unprotect(m *wire.Message) (*received, error) {
	if g.closed {
		return nil, rule.Break(rule.GroupClosed)
	}
	switch m.Format {
	case wire.FormatPublic:
		if err := g.checkEpoch(m.Public.Content.GroupID, m.Public.Content.Epoch); err != nil {
			return nil, err
		}
		return g.openPublic(m.Public)
	case wire.FormatPrivate:
		if err := g.checkEpoch(m.Private.GroupID, m.Private.Epoch); err != nil {
			return nil, err
		}
		return g.openPrivate(m.Private)
	}
	return nil, rule.Break(rule.WireFormat)
}

func (g *Group) checkEpoch(groupID []byte, epoch uint64) error {
	if !bytes.Equal(groupID, g.context.GroupID) {
		return rule.Break(rule.GroupID)
	}
	if epoch != g.context.Epoch {
		return rule.Breakf(rule.Epoch, "epoch %d, we are in %d", epoch, g.context.Epoch)
	}
	return nil
}

func (g *Group) openPublic(p *wire.PublicMessage) (*received, error) {
	if s := p.Content.Sender; s.Type == wire.SenderMember {
		if g.tree.Leaf(s.Index) == nil {
			return nil, rule.Break(rule.SenderBlank)
		}
	}
	a, err := framing.OpenPublic(g.suite, p, g.secrets.MembershipKey, g.encoded)
	if err != nil {
		return nil, err
	}
	if s := p.Content.Sender; s.Type == wire.SenderMember && s.Index == g.private.Leaf {
		return nil, rule.Break(rule.OwnMessage)
	}
	key, err := g.senderKey(a.Content)
	if err != nil {
		return nil, err
	}
	if !framing.Verify(g.suite, key, a, g.encoded) {
		return nil, rule.Break(rule.Signature)
	}
	return &received{content: a}, nil
}

func (g *Group) openPrivate(p *wire.PrivateMessage) (*received, error) {
	if g.messages == nil {
		return nil, ErrNoRatchets
	}
	a, step, err := framing.OpenPrivate(g.suite, p, g.secrets.SenderData, g.messages, g.otherMember)
	if err != nil {
		return nil, err
	}
	defer step.Wipe()
	leaf := a.Content.Sender.Index
	if !framing.Verify(g.suite, g.tree.Leaf(leaf).SignatureKey, a, g.encoded) {
		return nil, rule.Break(rule.Signature)
	}
	return &received{a, &usedKey{leaf, kindOf(p.Type), step.Generation()}}, nil
}

// otherMember returns an error unless a leaf is a member other than we.
func (g *Group) otherMember(leaf uint32) error {
	if g.tree.Leaf(leaf) == nil {
		return rule.Break(rule.SenderBlank)
	}
	if leaf == g.private.Leaf {
		return rule.Break(rule.OwnMessage)
	}
	return nil
}

// senderKey returns the key that a public message is signed with (section 6.1),
// after checking that its sender may send such content.
func (g *Group) senderKey(c *wire.FramedContent) ([]byte, error) {
	switch c.Sender.Type {
	case wire.SenderMember:
		return g.tree.Leaf(c.Sender.Index).SignatureKey, nil
	case wire.SenderExternal:
		if c.Type != wire.ContentProposal {
			return nil, rule.Break(rule.SenderType)
		}
		return g.externalKey(c)
	case wire.SenderNewMemberProposal:
		if c.Type != wire.ContentProposal || c.Proposal.Type != wire.ProposalAdd {
			return nil, rule.Break(rule.SenderType)
		}
		return c.Proposal.KeyPackage.Leaf.SignatureKey, nil
	default:
		if c.Type != wire.ContentCommit {
			return nil, rule.Break(rule.SenderType)
		}
		if c.Commit.Path == nil {
			return nil, rule.Break(rule.ExternalPath)
		}
		return c.Commit.Path.Leaf.SignatureKey, nil
	}
}

func (g *Group) externalKey(c *wire.FramedContent) ([]byte, error) {
	senders, err := externalSenders(g.context.Extensions)
	if err != nil {
		return nil, err
	}
	if int64(c.Sender.Index) >= int64(len(senders)) {
		return nil, rule.Break(rule.ExternalSender)
	}
	switch c.Proposal.Type {
	case wire.ProposalAdd, wire.ProposalRemove, wire.ProposalPSK, wire.ProposalReInit, wire.ProposalExtensions:
		return senders[c.Sender.Index].key, nil
	}
	return nil, rule.Break(rule.ExternalType)
}
