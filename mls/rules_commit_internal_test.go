package mls

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"kith/mls/internal/rule"
	"kith/mls/internal/wire"
)

// badCommit sends a commit that no member may make and checks that the package
// does not make it either: proposals is what the caller would ask for.
func (f *fixture) badCommit(o forge, id rule.ID, proposals ...Proposal) {
	f.t.Helper()
	f.refuses(f.bob, o.commit(f.t, f.alice).message, id)
	if proposals == nil {
		return
	}
	before := state(f.t, f.alice)
	_, err := f.alice.Commit(CommitOptions{Now: testNow}, proposals...)
	breaks(f.t, err, id)
	if e, _ := errors.AsType[*Error](err); e.Fault != Local {
		f.t.Errorf("fault is %s", e.Fault)
	}
	if !bytes.Equal(before, state(f.t, f.alice)) {
		f.t.Error("a refused Commit changed the group")
	}
}

func TestMLS_V49_unknownReferenceRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badCommit(forge{refs: [][]byte{make([]byte, 32)}}, rule.ProposalUnknown)
	f.badCommit(forge{refs: [][]byte{nil}}, rule.ProposalUnknown)
}

func TestMLS_V50_updateOfCommitterRefused(t *testing.T) {
	f := newFixture(t, nil)
	leaf := forge{}.updateLeaf(t, f.alice)
	f.badCommit(forge{list: []*wire.Proposal{{Type: wire.ProposalUpdate, Leaf: leaf}}, noApply: true}, rule.UpdateByCommitter)
	f.takes(f.bob, forge{}.update(t, f.alice))
	f.badCommit(forge{refs: [][]byte{f.bob.Waiting()[0].Ref}, noApply: true}, rule.UpdateByCommitter)
}

func TestMLS_V51_removeOfCommitterRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badCommit(forge{list: []*wire.Proposal{removeOf(0)}, noApply: true}, rule.RemoveCommitter, Remove(0))
}

func TestMLS_V52_leafTwiceRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badCommit(forge{list: []*wire.Proposal{removeOf(2), removeOf(2)}, noApply: true}, rule.LeafTwice, Remove(2), Remove(2))
	f.takes(f.bob, forge{}.update(t, f.carol))
	update := f.bob.Waiting()[0].Ref
	f.badCommit(forge{list: []*wire.Proposal{removeOf(2)}, refs: [][]byte{update}, noApply: true}, rule.LeafTwice)
	f.takes(f.bob, forge{}.update(t, f.carol))
	f.badCommit(forge{refs: [][]byte{update, f.bob.Waiting()[1].Ref}, noApply: true}, rule.LeafTwice)
}

func TestMLS_V53_removeOfBlankLeafRefused(t *testing.T) {
	f := newFixture(t, nil)
	for _, leaf := range []uint32{3, 4, 1<<32 - 1} {
		f.refuses(f.bob, forge{}.proposal(t, f.alice, removeOf(leaf)), rule.RemoveBlank)
		f.badCommit(forge{list: []*wire.Proposal{removeOf(leaf)}, noApply: true}, rule.RemoveBlank, Remove(leaf))
	}
	_, err := f.alice.Propose(Remove(3), MessageOptions{}, testNow)
	breaks(t, err, rule.RemoveBlank)
}

func TestMLS_V54_clientAddedTwiceRefused(t *testing.T) {
	f := newFixture(t, nil)
	one, two := f.daveKey, newPackage(t, f.dave)
	f.badCommit(forge{list: []*wire.Proposal{addOf(one.kp), addOf(two.kp)}, noApply: true}, rule.AddTwice, Add(one.KeyPackage), Add(two.KeyPackage))
}

func TestMLS_V55_memberAddedAgainRefused(t *testing.T) {
	f := newFixture(t, nil)
	again := newPackage(t, f.carolC)
	f.badCommit(forge{list: []*wire.Proposal{addOf(again.kp)}, noApply: true}, rule.AddMember, Add(again.KeyPackage))
	f.takes(f.bob, forge{list: []*wire.Proposal{removeOf(2), addOf(again.kp)}}.commit(t, f.alice).message)
}

func TestMLS_V56_pskTwiceRefused(t *testing.T) {
	f := newFixture(t, nil)
	p := pskOf(32, nil)
	f.badCommit(forge{list: []*wire.Proposal{p, p}, noApply: true}, rule.PSKTwice)
}

func TestMLS_V57_pskNonceRefused(t *testing.T) {
	f := newFixture(t, nil)
	for _, n := range []int{0, 31, 33} {
		f.refuses(f.bob, forge{}.proposal(t, f.alice, pskOf(n, nil)), rule.PSKNonce)
		f.badCommit(forge{list: []*wire.Proposal{pskOf(n, nil)}}, rule.PSKNonce)
		f.badWelcome(forge{secrets: func(s *wire.GroupSecrets) { s.PSKs = []*wire.PSKID{pskOf(n, nil).PSK} }}, rule.PSKNonce)
	}
}

func TestMLS_V58_pskUsageRefused(t *testing.T) {
	f := newFixture(t, nil)
	for _, usage := range []uint8{wire.UsageReInit, wire.UsageBranch} {
		p := pskOf(32, func(id *wire.PSKID) {
			id.Type, id.Usage, id.GroupID, id.Epoch = wire.PSKResumption, usage, f.alice.ID(), f.alice.Epoch()
		})
		f.refuses(f.bob, forge{}.proposal(t, f.alice, p), rule.PSKUsage)
		f.badCommit(forge{list: []*wire.Proposal{p}}, rule.PSKUsage)
	}
}

func TestMLS_V59_missingPSKIsLocal(t *testing.T) {
	f := newFixture(t, nil)
	f.badCommit(forge{list: []*wire.Proposal{pskOf(32, nil)}}, rule.PSKMissing, PSK([]byte("psk")))
	f.bobC.PSK = func([]byte) ([]byte, bool) { return []byte{0}, true }
	f.takes(f.bob, forge{list: []*wire.Proposal{pskOf(32, nil)}}.commit(t, f.alice).message)
	unknown := pskOf(32, func(id *wire.PSKID) {
		id.Type, id.Usage, id.GroupID, id.Epoch = wire.PSKResumption, wire.UsageApplication, f.alice.ID(), 99
	})
	f.badCommit(forge{list: []*wire.Proposal{unknown}}, rule.PSKMissing, ResumptionPSK([]byte("other group"), 3))
	_, err := f.bob.Process(forge{list: []*wire.Proposal{unknown}}.commit(t, f.alice).message, testNow)
	if e, _ := errors.AsType[*Error](err); e == nil || e.Fault != Local || !errors.Is(err, ErrUnknownPSK) {
		t.Errorf("got %v", err)
	}
}

func extensionsOf(list ...wire.Extension) *wire.Proposal {
	return &wire.Proposal{Type: wire.ProposalExtensions, Extensions: list}
}

func TestMLS_V60_extensionsTwiceRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badCommit(forge{list: []*wire.Proposal{extensionsOf(), extensionsOf()}, noApply: true}, rule.ExtensionsTwice, SetExtensions(), SetExtensions())
}

func reinitOf(version uint16) *wire.Proposal {
	return &wire.Proposal{Type: wire.ProposalReInit, ReInit: &wire.ReInit{GroupID: []byte("next"), Version: version, Suite: 1}}
}

func TestMLS_V61_reinitBesideOthersRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badCommit(forge{list: []*wire.Proposal{reinitOf(1), removeOf(2)}, noApply: true}, rule.ReInitAlone, ReInit(nil, X25519AES128), Remove(2))
	f.badCommit(forge{list: []*wire.Proposal{reinitOf(1), reinitOf(1)}, noApply: true}, rule.ReInitAlone, ReInit(nil, X25519AES128), ReInit(nil, X25519AES128))
	f.takes(f.bob, forge{list: []*wire.Proposal{reinitOf(1)}}.commit(t, f.alice).message)
}

func TestMLS_V62_reinitToLowerVersionRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.refuses(f.bob, forge{}.proposal(t, f.alice, reinitOf(0)), rule.ReInitVersion)
	f.badCommit(forge{list: []*wire.Proposal{reinitOf(0)}}, rule.ReInitVersion)
}

func TestMLS_V63_externalInitOfMemberRefused(t *testing.T) {
	f := newFixture(t, nil)
	init := &wire.Proposal{Type: wire.ProposalExternalInit, KEMOutput: make([]byte, 32)}
	f.refuses(f.bob, forge{}.proposal(t, f.alice, init), rule.ExternalInitInner)
	f.badCommit(forge{list: []*wire.Proposal{init}}, rule.ExternalInitInner)
}

func TestMLS_V64_unknownProposalRefused(t *testing.T) {
	f := newFixture(t, nil)
	for _, unknown := range []uint16{0, 8, 0x0a0a, 0xf001} {
		f.refuses(f.bob, forge{}.proposal(t, f.alice, &wire.Proposal{Type: unknown}), rule.ProposalSupport)
		f.badCommit(forge{list: []*wire.Proposal{{Type: unknown}}}, rule.ProposalSupport)
	}
}

func TestMLS_V65_requirementsOfAllMembers(t *testing.T) {
	f := newFixture(t, nil)
	needs := RequiredCapabilities([]uint16{privateExt}, nil, nil)
	w := wire.Extension{Type: needs.Type, Data: needs.Data}
	capable := func(l *wire.LeafNode) { l.Capabilities.Extensions = []uint16{privateExt} }
	f.badCommit(forge{list: []*wire.Proposal{extensionsOf(w)}, leaf: capable, noApply: true}, rule.RequiredSupport, SetExtensions(needs))
	f.badCommit(forge{list: []*wire.Proposal{extensionsOf(wire.Extension{Type: privateExt})}, leaf: capable, noApply: true}, rule.RequiredSupport, SetExtensions(Extension{Type: privateExt}))
}

func TestMLS_V66_missingPathRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badCommit(forge{noPath: true}, rule.PathMissing)
	f.badCommit(forge{noPath: true, list: []*wire.Proposal{removeOf(2)}}, rule.PathMissing)
	f.badCommit(forge{noPath: true, list: []*wire.Proposal{extensionsOf()}}, rule.PathMissing)
	f.takes(f.bob, forge{}.update(t, f.carol))
	f.badCommit(forge{noPath: true, refs: [][]byte{f.bob.Waiting()[0].Ref}}, rule.PathMissing)
	f.takes(f.bob, forge{noPath: true, list: []*wire.Proposal{addOf(f.daveKey.kp)}}.commit(t, f.alice).message)
	c, err := f.alice.Commit(CommitOptions{OmitPath: true}) // is not omitted where it is needed
	must(t, err)
	f.takes(f.bob, c.Message)
}

func TestMLS_V67_pathOfOtherLengthRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badCommit(forge{path: func(p *wire.UpdatePath, _ []byte) { p.Nodes = p.Nodes[:len(p.Nodes)-1] }}, rule.PathLength)
	f.badCommit(forge{path: func(p *wire.UpdatePath, _ []byte) {
		fresh, err := f.alice.suite.GenerateKey()
		must(t, err)
		p.Nodes = append(p.Nodes, wire.UpdatePathNode{EncryptionKey: fresh.Public()})
	}}, rule.PathLength)
}

func TestMLS_V68_otherNumberOfCiphertextsRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badCommit(forge{path: func(p *wire.UpdatePath, _ []byte) { p.Nodes[0].Secrets = nil }}, rule.PathCiphertexts)
	f.badCommit(forge{path: func(p *wire.UpdatePath, _ []byte) {
		p.Nodes[1].Secrets = append(p.Nodes[1].Secrets, p.Nodes[1].Secrets[0])
	}}, rule.PathCiphertexts)
}

func TestMLS_V69_pathKeyOfTheTreeRefused(t *testing.T) {
	f := newFixture(t, nil)
	nodes := f.bob.tree.Nodes()
	for _, key := range [][]byte{nodes[3].Parent.EncryptionKey, nodes[1].Parent.EncryptionKey, nodes[4].Leaf.EncryptionKey, nodes[0].Leaf.EncryptionKey} {
		f.badCommit(forge{path: func(p *wire.UpdatePath, _ []byte) { p.Nodes[0].EncryptionKey = key }}, rule.PathKeyTwice)
	}
	f.badCommit(forge{path: func(p *wire.UpdatePath, _ []byte) { p.Nodes[0].EncryptionKey = p.Nodes[1].EncryptionKey }}, rule.PathKeyTwice)
	f.badCommit(forge{path: func(p *wire.UpdatePath, _ []byte) { p.Nodes[0].EncryptionKey = p.Leaf.EncryptionKey }}, rule.PathKeyTwice)
	f.badCommit(forge{leaf: func(l *wire.LeafNode) { l.EncryptionKey = nodes[4].Leaf.EncryptionKey }}, rule.PathKeyTwice)
}

func TestMLS_V70_otherParentHashRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badCommit(forge{leaf: func(l *wire.LeafNode) { l.ParentHash = make([]byte, 32) }}, rule.PathParentHash)
	f.badCommit(forge{leaf: func(l *wire.LeafNode) { l.ParentHash = nil }}, rule.PathParentHash)
	f.badCommit(forge{path: func(p *wire.UpdatePath, _ []byte) {
		fresh, err := f.alice.suite.GenerateKey()
		must(t, err)
		p.Nodes[1].EncryptionKey = fresh.Public()
	}}, rule.PathParentHash)
}

func TestMLS_V71_pathSecretThatDoesNotOpenRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badCommit(forge{path: func(p *wire.UpdatePath, _ []byte) { p.Nodes[0].Secrets[0].Ciphertext[0] ^= 1 }}, rule.PathSecret)
	f.badCommit(forge{path: func(p *wire.UpdatePath, _ []byte) { p.Nodes[0].Secrets[0].KEMOutput = nil }}, rule.PathSecret)
	f.badCommit(f.sealed(make([]byte, 31)), rule.PathSecret)
}

// sealed forges a commit that seals another path secret to bob.
func (f *fixture) sealed(secret []byte) forge {
	bob := f.bob.tree.Leaf(1).EncryptionKey
	return forge{path: func(p *wire.UpdatePath, context []byte) {
		output, ciphertext, err := f.alice.suite.EncryptWithLabel(bob, "UpdatePathNode", context, secret)
		must(f.t, err)
		p.Nodes[0].Secrets[0] = wire.HPKECiphertext{KEMOutput: output, Ciphertext: ciphertext}
	}}
}

func TestMLS_V72_pathSecretOfOtherKeysRefused(t *testing.T) {
	f := newFixture(t, nil)
	secret := make([]byte, 32)
	rand.Read(secret)
	f.badCommit(f.sealed(secret), rule.PathPublicKey)
}

func TestMLS_V73_confirmationTagRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badCommit(forge{tag: func(tag []byte) { tag[0] ^= 1 }}, rule.ConfirmationTag)
	// Another init secret gives other keys all the way down.
	f.badCommit(forge{initSecret: make([]byte, 32)}, rule.ConfirmationTag)
}

// badExternal sends an external commit that nobody may make.
func (f *fixture) badExternal(id rule.ID, change func(o *forge, init *wire.Proposal)) {
	f.t.Helper()
	g, init, secret := f.outside()
	o := forge{external: true, list: []*wire.Proposal{init}, initSecret: secret}
	change(&o, init)
	f.refuses(f.bob, o.commit(f.t, g).message, id)
}

func TestMLS_V74_externalInitMustBeOne(t *testing.T) {
	f := newFixture(t, nil)
	f.badExternal(rule.ExternalInitOne, func(o *forge, _ *wire.Proposal) { o.list = nil })
	f.badExternal(rule.ExternalInitOne, func(o *forge, init *wire.Proposal) { o.list = append(o.list, init) })
}

func TestMLS_V75_externalCommitRemovesOne(t *testing.T) {
	f := newFixture(t, nil)
	f.badExternal(rule.ExternalRemoves, func(o *forge, _ *wire.Proposal) { o.list = append(o.list, removeOf(2), removeOf(0)) })
}

func TestMLS_V76_externalCommitOfOtherProposalsRefused(t *testing.T) {
	f := newFixture(t, nil)
	other := newClient(t, X25519AES128, "erin")
	for _, p := range []*wire.Proposal{addOf(newPackage(t, other).kp), extensionsOf()} {
		f.badExternal(rule.ExternalProposals, func(o *forge, _ *wire.Proposal) { o.list = append(o.list, p) })
	}
	g, _, _ := f.outside()
	f.refuses(f.bob, forge{external: true, list: []*wire.Proposal{reinitOf(1)}, noApply: true, plan: room(g)}.commit(t, g).message, rule.ExternalProposals)
}

// room makes a place for a newcomer's leaf where proposals are not applied.
func room(g *Group) func(p *plan) {
	return func(p *plan) {
		e := g.tree.Edit()
		p.committer, _ = e.Blank()
		p.tree = e.Done()
	}
}

func TestMLS_V77_externalCommitByReferenceRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.bobC.PSK = func([]byte) ([]byte, bool) { return []byte{0}, true }
	f.takes(f.bob, forge{}.proposal(t, f.alice, pskOf(32, nil)))
	f.badExternal(rule.ExternalReference, func(o *forge, _ *wire.Proposal) { o.refs = [][]byte{f.bob.Waiting()[0].Ref} })
}

func TestMLS_V78_externalCommitWithoutPathRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badExternal(rule.ExternalPath, func(o *forge, _ *wire.Proposal) { o.noPath = true })
}

func TestMLS_V79_externalInitThatDoesNotOpenRefused(t *testing.T) {
	f := newFixture(t, nil)
	for _, n := range []int{0, 31, 32} {
		f.badExternal(rule.ExternalKEM, func(o *forge, init *wire.Proposal) { init.KEMOutput = make([]byte, n) })
	}
	f.badExternal(rule.ConfirmationTag, func(o *forge, init *wire.Proposal) { init.KEMOutput[0] ^= 1 })
}
