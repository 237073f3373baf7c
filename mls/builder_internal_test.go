package mls

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"kith/mls/internal/framing"
	"kith/mls/internal/rule"
	"kith/mls/internal/schedule"
	"kith/mls/internal/suite"
	"kith/mls/internal/tree"
	"kith/mls/internal/wire"
)

// A builder of messages that the package refuses to make: it has the keys of a
// member and none of the scruples. What it leaves alone is as it must be.

// fixture is a group of three in one epoch, whose ratchet tree has every node, and a
// client who is not in it.
type fixture struct {
	t                    *testing.T
	alice, bob, carol    *Group
	dave                 *Client
	daveKey              *PrivateKeyPackage
	aliceC, bobC, carolC *Client
}

var (
	testNow    = benchNow
	privateExt = uint16(0xf0f0)
)

func newClient(t testing.TB, s Suite, name string) *Client {
	signer, err := s.GenerateSigner()
	must(t, err)
	return &Client{Suite: s, Credential: BasicCredential([]byte(name)), Signer: signer}
}

func newPackage(t testing.TB, c *Client) *PrivateKeyPackage {
	k, err := c.NewKeyPackage(testNow.Add(-time.Hour), testNow.Add(time.Hour))
	must(t, err)
	return k
}

// newFixture makes the group; options change the clients before it does.
func newFixture(t *testing.T, extensions []Extension, options ...func(*Client)) *fixture {
	f := &fixture{t: t}
	clients := make([]*Client, 4)
	for i, name := range []string{"alice", "bob", "carol", "dave"} {
		clients[i] = newClient(t, X25519AES128, name)
		for _, o := range options {
			o(clients[i])
		}
	}
	f.aliceC, f.bobC, f.carolC, f.dave = clients[0], clients[1], clients[2], clients[3]
	var err error
	f.alice, err = f.aliceC.Create([]byte("group"), testNow, extensions...)
	must(t, err)
	bobKey, carolKey := newPackage(t, f.bobC), newPackage(t, f.carolC)
	c, err := f.alice.Commit(CommitOptions{Now: testNow}, Add(bobKey.KeyPackage), Add(carolKey.KeyPackage))
	must(t, err)
	must(t, f.alice.Merge(c.StagedCommit))
	f.bob, err = f.bobC.Join(c.Welcome, bobKey, JoinOptions{Now: testNow})
	must(t, err)
	f.carol, err = f.carolC.Join(c.Welcome, carolKey, JoinOptions{Now: testNow})
	must(t, err)
	f.commitBy(f.bob)
	f.commitBy(f.carol)
	f.daveKey = newPackage(t, f.dave)
	return f
}

func (f *fixture) all() []*Group { return []*Group{f.alice, f.bob, f.carol} }

// commitBy lets one member commit properly and all follow.
func (f *fixture) commitBy(g *Group, proposals ...Proposal) {
	f.t.Helper()
	c, err := g.Commit(CommitOptions{Now: testNow}, proposals...)
	must(f.t, err)
	for _, other := range f.all() {
		if other == g {
			continue
		}
		p, err := other.Process(c.Message, testNow)
		must(f.t, err)
		must(f.t, other.Merge(p.(*StagedCommit)))
	}
	must(f.t, g.Merge(c.StagedCommit))
}

// breaks fails the test unless err is the breach of this rule.
func breaks(t testing.TB, err error, id rule.ID) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Rule != id {
		t.Fatalf("got %v, want a breach of %s (%s)", err, id, rule.Text(id))
	}
}

// refuses processes a message that must break a rule, twice, and leave no trace.
func (f *fixture) refuses(g *Group, message []byte, id rule.ID) {
	f.t.Helper()
	before := state(f.t, g)
	for range 2 {
		p, err := g.Process(message, testNow)
		if p != nil {
			f.t.Fatalf("processed as %T", p)
		}
		breaks(f.t, err, id)
		if !bytes.Equal(before, state(f.t, g)) {
			f.t.Fatal("a refused message changed the group")
		}
	}
}

// takes processes a message that must be fine: what the builder makes is refused
// for the breach alone.
func (f *fixture) takes(g *Group, message []byte) {
	f.t.Helper()
	before := state(f.t, g)
	p, err := g.Process(message, testNow)
	must(f.t, err)
	if _, ok := p.(*StagedCommit); ok && !bytes.Equal(before, state(f.t, g)) {
		f.t.Fatal("a staged commit changed the group")
	}
}

func state(t testing.TB, g *Group) []byte {
	t.Helper()
	b, err := g.MarshalBinary()
	must(t, err)
	return b
}

// forge says how a message differs from a proper one. The zero value is proper.
type forge struct {
	list       []*wire.Proposal // inline
	refs       [][]byte
	noApply    bool // proposals do not change the tree
	noPath     bool
	external   bool
	leaf       func(l *wire.LeafNode) // before it is signed
	leafSigner crypto.Signer
	signedLeaf func(l *wire.LeafNode)
	path       func(p *wire.UpdatePath, context []byte) // behind its encryption
	content    func(c *wire.FramedContent)              // before it is signed
	signer     crypto.Signer
	tag        func(tag []byte)
	initSecret []byte

	plan    func(p *plan)
	info    func(i *wire.GroupInfo) // before it is signed
	signed  func(i *wire.GroupInfo) // behind that
	nodes   func(n wire.RatchetTree) wire.RatchetTree
	keep    bool // the context keeps the proper tree hash
	secrets func(s *wire.GroupSecrets)
	welcome func(w *wire.Welcome)
}

// forged is what a forge gives.
type forged struct {
	message, welcome []byte
	next             *Group
}

// inline returns a proposal as g commits it.
func inline(p *wire.Proposal, g *Group) change {
	if g.private == nil {
		return change{Proposal: p, sender: wire.Sender{Type: wire.SenderNewMemberCommit}}
	}
	return change{Proposal: p, sender: wire.Sender{Type: wire.SenderMember, Index: g.private.Leaf}}
}

// commit forges a commit of g, framed as a public message, and its welcome.
func (o forge) commit(t testing.TB, g *Group) *forged {
	t.Helper()
	p := &plan{external: o.external, extensions: g.context.Extensions, tree: g.tree, now: testNow}
	if !o.external {
		p.committer = g.private.Leaf
	}
	var list []change
	body := &wire.Commit{}
	for _, w := range o.list {
		list = append(list, inline(w, g))
		body.Proposals = append(body.Proposals, wire.ProposalOrRef{Proposal: w})
		switch w.Type {
		case wire.ProposalRemove:
			p.removed = append(p.removed, w.Removed)
		case wire.ProposalPSK:
			p.psks = append(p.psks, w.PSK)
		case wire.ProposalExtensions:
			p.extensions = w.Extensions
		case wire.ProposalReInit:
			p.reinit = w.ReInit
		}
	}
	for _, ref := range o.refs {
		body.Proposals = append(body.Proposals, wire.ProposalOrRef{Ref: ref})
	}
	if !o.noApply {
		must(t, g.apply(p, list))
	}
	if o.plan != nil {
		o.plan(p)
	}
	a := &arrival{plan: p, tree: p.tree, commit: make([]byte, g.suite.Nh), initSecret: g.secrets.InitSecret, client: g.client, signer: g.signer}
	if o.initSecret != nil {
		a.initSecret = o.initSecret
	}
	a.private = tree.NewPrivate(p.committer, nil)
	var path *tree.Path
	if !o.noPath {
		path = o.makePath(t, g, p, body)
		a.tree, a.private, a.commit = path.Tree, path.Private, path.CommitSecret
	}
	content := &wire.FramedContent{Type: wire.ContentCommit, Commit: body, GroupID: g.context.GroupID, Epoch: g.context.Epoch}
	content.Sender = wire.Sender{Type: wire.SenderMember, Index: p.committer}
	if o.external {
		content.Sender = wire.Sender{Type: wire.SenderNewMemberCommit}
	}
	out := &forged{}
	var next *Group
	var joiner, psk []byte
	out.message = o.frame(t, g, content, func(signed *wire.AuthenticatedContent) {
		a.content = signed
		var err error
		next, joiner, psk, err = g.advanceWith(a)
		must(t, err)
		signed.Auth.ConfirmationTag = bytes.Clone(next.tag)
		if o.tag != nil {
			o.tag(signed.Auth.ConfirmationTag)
		}
	})
	out.next = next
	if len(p.added) > 0 {
		out.welcome = o.makeWelcome(t, g, next, p, path, joiner, psk)
	}
	return out
}

// advanceWith is advance with zero keys where a pre-shared one is missing.
func (g *Group) advanceWith(a *arrival) (*Group, []byte, []byte, error) {
	client := *g.client
	own := client.PSK
	client.PSK = func(id []byte) ([]byte, bool) {
		if own != nil {
			if s, ok := own(id); ok {
				return s, true
			}
		}
		return []byte{0}, true
	}
	resumption := client.Resumption
	client.Resumption = func(id []byte, epoch uint64) ([]byte, bool) {
		if resumption != nil {
			if s, ok := resumption(id, epoch); ok {
				return s, true
			}
		}
		return []byte{0}, true
	}
	copied := *g
	copied.client = &client
	return copied.advance(a)
}

func (o forge) makePath(t testing.TB, g *Group, p *plan, body *wire.Commit) *tree.Path {
	t.Helper()
	path, err := p.tree.NewPath(p.committer, func(key, parentHash []byte) (*wire.LeafNode, error) {
		signatureKey, err := g.suite.SignatureKey(g.signer)
		must(t, err)
		l := g.client.leaf(wire.SourceCommit, key, signatureKey)
		l.ParentHash = parentHash
		if o.leaf != nil {
			o.leaf(l)
		}
		signer := g.signer
		if o.leafSigner != nil {
			signer = o.leafSigner
		}
		must(t, signLeaf(g.suite, signer, l, g.context.GroupID, p.committer))
		if o.signedLeaf != nil {
			o.signedLeaf(l)
		}
		return l, nil
	})
	must(t, err)
	context := g.provisional(p, path.Tree)
	encoded := wire.Marshal(&context)
	body.Path, err = path.Seal(encoded, p.addedSet())
	must(t, err)
	if o.path != nil {
		o.path(body.Path, encoded)
	}
	return path
}

// frame signs content of g and makes a public message of it. finish is called
// between.
func (o forge) frame(t testing.TB, g *Group, content *wire.FramedContent, finish func(*wire.AuthenticatedContent)) []byte {
	t.Helper()
	if o.content != nil {
		o.content(content)
	}
	signer := g.signer
	if o.signer != nil {
		signer = o.signer
	}
	signed, err := framing.Sign(g.suite, signer, wire.FormatPublic, content, g.encoded)
	must(t, err)
	if finish != nil {
		finish(signed)
	}
	m := &wire.PublicMessage{Content: signed.Content, Auth: signed.Auth}
	if content.Sender.Type == wire.SenderMember {
		m.MembershipTag = g.suite.MAC(g.secrets.MembershipKey, signed.Auth.AppendFor(signed.TBS(g.encoded), content.Type))
	}
	return wire.Marshal(&wire.Message{Format: wire.FormatPublic, Public: m})
}

// proposal forges a proposal of g.
func (o forge) proposal(t testing.TB, g *Group, p *wire.Proposal) []byte {
	t.Helper()
	return o.frame(t, g, &wire.FramedContent{
		Type: wire.ContentProposal, Proposal: p, GroupID: g.context.GroupID, Epoch: g.context.Epoch,
		Sender: wire.Sender{Type: wire.SenderMember, Index: g.private.Leaf},
	}, nil)
}

// update forges an update proposal of g.
func (o forge) update(t testing.TB, g *Group) []byte {
	t.Helper()
	return o.proposal(t, g, &wire.Proposal{Type: wire.ProposalUpdate, Leaf: o.updateLeaf(t, g)})
}

func (o forge) updateLeaf(t testing.TB, g *Group) *wire.LeafNode {
	t.Helper()
	key, err := g.suite.GenerateKey()
	must(t, err)
	signatureKey, err := g.suite.SignatureKey(g.signer)
	must(t, err)
	l := g.client.leaf(wire.SourceUpdate, key.Public(), signatureKey)
	if o.leaf != nil {
		o.leaf(l)
	}
	signer := g.signer
	if o.leafSigner != nil {
		signer = o.leafSigner
	}
	must(t, signLeaf(g.suite, signer, l, g.context.GroupID, g.private.Leaf))
	if o.signedLeaf != nil {
		o.signedLeaf(l)
	}
	return l
}

// makeWelcome forges the welcome of a commit.
func (o forge) makeWelcome(t testing.TB, g, next *Group, p *plan, path *tree.Path, joiner, psk []byte) []byte {
	t.Helper()
	s := g.suite
	info := &wire.GroupInfo{Context: next.context, ConfirmationTag: next.tag, Signer: p.committer}
	nodes := next.tree.Nodes()
	if o.nodes != nil {
		nodes = o.nodes(nodes)
		if changed, err := tree.Parse(s, nodes); err == nil && !o.keep {
			info.Context.TreeHash = changed.Hash()
		}
	}
	info.Extensions = []wire.Extension{{Type: wire.ExtensionRatchetTree, Data: wire.Marshal(nodes)}}
	if o.info != nil {
		o.info(info)
	}
	signer := g.signer
	if o.signer != nil {
		signer = o.signer
	}
	var err error
	info.Signature, err = s.Sign(signer, "GroupInfoTBS", info.TBS())
	must(t, err)
	if o.signed != nil {
		o.signed(info)
	}
	_, key, nonce := schedule.Welcome(s, joiner, psk)
	w := &wire.Welcome{Suite: s.ID, GroupInfo: s.Seal(key, nonce, wire.Marshal(info), nil)}
	for i, leaf := range p.added {
		secrets := &wire.GroupSecrets{JoinerSecret: joiner, PSKs: p.psks}
		if path != nil {
			secrets.HasPath, secrets.PathSecret = true, path.SecretFor(leaf)
		}
		if o.secrets != nil {
			o.secrets(secrets)
		}
		seal, err := schedule.SecretSealer(s, w.GroupInfo)
		must(t, err)
		e, err := seal(p.keyPackages[i].InitKey, s.KeyPackageRef(wire.Marshal(p.keyPackages[i])), secrets)
		must(t, err)
		w.Secrets = append(w.Secrets, e)
	}
	if o.welcome != nil {
		o.welcome(w)
	}
	return wire.Marshal(&wire.Message{Format: wire.FormatWelcome, Welcome: w})
}

// forgePrivate seals content of g with a chosen padding and leaf index.
func forgePrivate(t testing.TB, g *Group, leaf uint32, padding []byte) []byte {
	t.Helper()
	c := &wire.FramedContent{
		Type: wire.ContentApplication, Application: []byte("forged"), GroupID: g.context.GroupID, Epoch: g.context.Epoch,
		Sender: wire.Sender{Type: wire.SenderMember, Index: leaf},
	}
	signed, err := framing.Sign(g.suite, g.signer, wire.FormatPrivate, c, g.encoded)
	must(t, err)
	step, err := g.messages.Take(g.private.Leaf, schedule.Application, 0)
	must(t, err)
	p := &wire.PrivateMessage{GroupID: c.GroupID, Epoch: c.Epoch, Type: c.Type}
	plaintext := append(signed.Auth.AppendFor(c.AppendBody(nil), c.Type), padding...)
	p.Ciphertext = g.suite.Seal(step.Keys.Key, step.Keys.Nonce, plaintext, p.AAD(nil))
	key, nonce := framing.SenderKeys(g.suite, g.secrets.SenderData, p.Ciphertext)
	data := make([]byte, 12) // guard of zero
	data[3] = byte(leaf)
	p.SenderData = g.suite.Seal(key, nonce, data, p.SenderAAD(nil))
	return wire.Marshal(&wire.Message{Format: wire.FormatPrivate, Private: p})
}

// forgeKeyPackage makes a key package of c that differs from a proper one.
func forgeKeyPackage(t testing.TB, c *Client, leaf func(l *wire.LeafNode), kp func(k *wire.KeyPackage)) *wire.KeyPackage {
	t.Helper()
	s, signatureKey, err := c.impl()
	must(t, err)
	initKey, err := s.GenerateKey()
	must(t, err)
	leafKey, err := s.GenerateKey()
	must(t, err)
	l := c.leaf(wire.SourceKeyPackage, leafKey.Public(), signatureKey)
	l.NotBefore, l.NotAfter = uint64(testNow.Unix()-3600), uint64(testNow.Unix()+3600)
	if leaf != nil {
		leaf(l)
	}
	must(t, signLeaf(s, c.Signer, l, []byte("group"), 0))
	k := &wire.KeyPackage{Version: wire.MLS10, Suite: s.ID, InitKey: initKey.Public(), Leaf: l}
	if kp != nil {
		kp(k)
	}
	k.Signature, err = s.Sign(c.Signer, "KeyPackageTBS", k.TBS())
	must(t, err)
	return k
}

func addOf(k *wire.KeyPackage) *wire.Proposal {
	return &wire.Proposal{Type: wire.ProposalAdd, KeyPackage: k}
}

func removeOf(leaf uint32) *wire.Proposal {
	return &wire.Proposal{Type: wire.ProposalRemove, Removed: leaf}
}

func pskOf(nonce int, f func(id *wire.PSKID)) *wire.Proposal {
	id := &wire.PSKID{Type: wire.PSKExternal, ID: []byte("psk"), Nonce: make([]byte, nonce)}
	rand.Read(id.Nonce)
	if f != nil {
		f(id)
	}
	return &wire.Proposal{Type: wire.ProposalPSK, PSK: id}
}

// outside returns the group as dave sees it who is about to join.
func (f *fixture) outside() (g *Group, init *wire.Proposal, secret []byte) {
	f.t.Helper()
	info, err := f.alice.GroupInfo(GroupInfoOptions{})
	must(f.t, err)
	m, err := wire.ParseMessage(info)
	must(f.t, err)
	s, _ := suite.ByID(1)
	j := &joining{client: f.dave, suite: s}
	must(f.t, j.checkInfo(m.GroupInfo))
	e := &entering{joining: j}
	pub, err := e.externalPub()
	must(f.t, err)
	output, secret, err := s.ExternalInit(pub)
	must(f.t, err)
	return outsider(j), &wire.Proposal{Type: wire.ProposalExternalInit, KEMOutput: output}, secret
}
