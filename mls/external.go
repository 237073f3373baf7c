package mls

import (
	"bytes"

	"kith/mls/internal/framing"
	"kith/mls/internal/rule"
	"kith/mls/internal/schedule"
	"kith/mls/internal/wire"
)

// ExternalOptions are what somebody may choose who joins by himself.
type ExternalOptions struct {
	JoinOptions
	// Data is authenticated data of the commit, readable by anybody.
	Data []byte
	// Replace removes a leaf in the same commit: the member's own old one, which the
	// members check by Client.Authenticate. Nil removes nobody.
	Replace *uint32
	// PSKs are ids of external pre-shared keys that go into the next epoch.
	PSKs [][]byte
}

// JoinExternally makes a commit by which the client adds itself to the group of a
// GroupInfo (section 12.4.3.2), as a PublicMessage, and the Group of the epoch that
// the commit begins. The group is real when the members have accepted the commit;
// until then it must not be used, and if another commit comes first it is to be
// wiped.
func (c *Client) JoinExternally(groupInfo []byte, o ExternalOptions) (message []byte, g *Group, err error) {
	m, err := wire.ParseMessage(bytes.Clone(groupInfo))
	if err != nil {
		return nil, nil, err
	}
	if m.GroupInfo == nil {
		return nil, nil, rule.Break(rule.WireFormat)
	}
	s, _, err := c.impl()
	if err != nil {
		return nil, nil, err
	}
	j := &joining{client: c, suite: s, o: o.JoinOptions}
	if err := j.checkInfo(m.GroupInfo); err != nil {
		return nil, nil, err
	}
	e := &entering{joining: j, options: o}
	return e.commit()
}

// entering is an external commit while it is made.
type entering struct {
	*joining
	options ExternalOptions
	group   *Group // the epoch as an outsider sees it
	list    []change
	body    wire.Commit
}

// externalPub returns the key of the extension external_pub.
func (e *entering) externalPub() ([]byte, error) {
	data, ok := wire.FindExtension(e.info.Extensions, wire.ExtensionExternalPub)
	if !ok {
		return nil, rule.Break(rule.ExternalPub)
	}
	r := wire.NewReader(data)
	pub := r.Opaque()
	if r.Done() != nil || !e.suite.CheckPublicKey(pub) {
		return nil, rule.Break(rule.ExternalPub)
	}
	return pub, nil
}

func (e *entering) add(p *wire.Proposal) {
	e.list = append(e.list, change{Proposal: p, sender: wire.Sender{Type: wire.SenderNewMemberCommit}})
	e.body.Proposals = append(e.body.Proposals, wire.ProposalOrRef{Proposal: p})
}

func (e *entering) commit() ([]byte, *Group, error) {
	pub, err := e.externalPub()
	if err != nil {
		return nil, nil, err
	}
	output, initSecret, err := e.suite.ExternalInit(pub)
	if err != nil {
		return nil, nil, rule.Break(rule.ExternalPub)
	}
	defer clear(initSecret)
	e.group = outsider(e.joining)
	e.add(&wire.Proposal{Type: wire.ProposalExternalInit, KEMOutput: output})
	if e.options.Replace != nil {
		e.add(&wire.Proposal{Type: wire.ProposalRemove, Removed: *e.options.Replace})
	}
	for _, id := range e.options.PSKs {
		p, err := PSK(id).make(e.suite)
		if err != nil {
			return nil, nil, err
		}
		e.add(p)
	}
	p, err := e.group.plan(&plan{external: true, now: e.o.Now}, e.list)
	if err != nil {
		return nil, nil, rule.AsLocal(err)
	}
	return e.finish(p, initSecret)
}

// outsider returns the epoch of a group info without any secret.
func outsider(j *joining) *Group {
	return &Group{
		client: j.client, signer: j.client.Signer, suite: j.suite, context: j.info.Context, encoded: wire.Marshal(&j.info.Context),
		tree: j.tree, interim: schedule.Interim(j.suite, j.info.Context.ConfirmedTranscript, j.info.ConfirmationTag),
		secrets: &schedule.Epoch{},
	}
}

func (e *entering) finish(p *plan, initSecret []byte) ([]byte, *Group, error) {
	c := &committing{g: e.group, client: e.client, signer: e.client.Signer, plan: p, commit: e.body}
	a := &arrival{plan: p, initSecret: initSecret}
	if err := c.makePath(a, p.committer); err != nil {
		return nil, nil, err
	}
	defer c.path.Wipe()
	if err := c.checkPath(a); err != nil {
		return nil, nil, rule.AsLocal(err)
	}
	content := &wire.FramedContent{
		GroupID: e.info.Context.GroupID, Epoch: e.info.Context.Epoch, Data: bytes.Clone(e.options.Data),
		Sender: wire.Sender{Type: wire.SenderNewMemberCommit}, Type: wire.ContentCommit, Commit: &c.commit,
	}
	signed, err := framing.Sign(e.suite, e.client.Signer, wire.FormatPublic, content, e.group.encoded)
	if err != nil {
		return nil, nil, err
	}
	a.content = signed
	next, joiner, psk, err := e.group.advance(a)
	if err != nil {
		return nil, nil, err
	}
	clear(joiner)
	clear(psk)
	next.past = nil
	signed.Auth.ConfirmationTag = next.tag
	m, err := framing.Public(e.suite, signed, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	message, err := encode(&wire.Message{Format: wire.FormatPublic, Public: m})
	if err != nil {
		return nil, nil, err
	}
	return message, next, nil
}
