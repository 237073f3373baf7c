package mls

import (
	"bytes"
	"errors"
	"testing"

	"kith/mls/internal/rule"
	"kith/mls/internal/wire"
)

// badWelcome lets dave join by a welcome that is not as it must be.
func (f *fixture) badWelcome(o forge, id rule.ID) {
	f.t.Helper()
	o.list = append([]*wire.Proposal{addOf(f.daveKey.kp)}, o.list...)
	g, err := f.dave.Join(o.commit(f.t, f.alice).welcome, f.daveKey, JoinOptions{Now: testNow})
	if g != nil {
		f.t.Fatal("joined")
	}
	breaks(f.t, err, id)
}

func TestMLS_V80_welcomeForOthersRefused(t *testing.T) {
	f := newFixture(t, nil)
	other := newPackage(t, f.dave)
	out := forge{list: []*wire.Proposal{addOf(f.daveKey.kp)}}.commit(t, f.alice)
	_, err := f.dave.Join(out.welcome, other, JoinOptions{})
	breaks(t, err, rule.WelcomeNotForUs)
	f.badWelcome(forge{welcome: func(w *wire.Welcome) { w.Secrets = nil }}, rule.WelcomeNotForUs)
}

func TestMLS_V81_welcomeOfOtherSuiteRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badWelcome(forge{welcome: func(w *wire.Welcome) { w.Suite = 3 }}, rule.WelcomeSuite)
	f.badWelcome(forge{info: func(i *wire.GroupInfo) { i.Context.Suite = 3 }}, rule.WelcomeSuite)
	f.badWelcome(forge{info: func(i *wire.GroupInfo) { i.Context.Version = 2 }}, rule.Version)
}

func TestMLS_V82_groupSecretsThatDoNotOpenRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badWelcome(forge{welcome: func(w *wire.Welcome) { w.Secrets[0].Secrets.Ciphertext[3] ^= 1 }}, rule.GroupSecrets)
	f.badWelcome(forge{welcome: func(w *wire.Welcome) { w.GroupInfo[3] ^= 1 }}, rule.GroupSecrets)
	f.badWelcome(forge{secrets: func(s *wire.GroupSecrets) { s.JoinerSecret = s.JoinerSecret[1:] }}, rule.Encoding)
}

func TestMLS_V83_groupInfoThatDoesNotOpenRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badWelcome(forge{secrets: func(s *wire.GroupSecrets) { s.JoinerSecret = make([]byte, 32) }}, rule.GroupInfoOpen)
}

func TestMLS_V84_groupInfoOfNobodyRefused(t *testing.T) {
	f := newFixture(t, nil)
	for _, signer := range []uint32{4, 7, 1 << 31} {
		f.badWelcome(forge{info: func(i *wire.GroupInfo) { i.Signer = signer }}, rule.GroupInfoSigner)
	}
}

func TestMLS_V85_groupInfoSignatureRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badWelcome(forge{signed: func(i *wire.GroupInfo) { i.Signature[0] ^= 1 }}, rule.GroupInfoSignature)
	f.badWelcome(forge{info: func(i *wire.GroupInfo) { i.Signer = 1 }}, rule.GroupInfoSignature)
}

func TestMLS_V86_missingTreeIsLocal(t *testing.T) {
	f := newFixture(t, nil)
	c, err := f.alice.Commit(CommitOptions{Now: testNow, OmitTree: true}, Add(f.daveKey.KeyPackage))
	must(t, err)
	_, err = f.dave.Join(c.Welcome, f.daveKey, JoinOptions{Now: testNow})
	breaks(t, err, rule.TreeMissing)
	if !errors.Is(err, ErrTreeMissing) {
		t.Error("not ErrTreeMissing")
	}
	must(t, f.alice.Merge(c.StagedCommit))
	g, err := f.dave.Join(c.Welcome, f.daveKey, JoinOptions{Now: testNow, Tree: f.alice.Tree()})
	must(t, err)
	if !bytes.Equal(g.Authenticator(), f.alice.Authenticator()) {
		t.Error("another epoch")
	}
	_, err = f.dave.Join(c.Welcome, f.daveKey, JoinOptions{Now: testNow, Tree: f.bob.Tree()})
	breaks(t, err, rule.TreeHash)
	_, err = f.dave.Join(c.Welcome, f.daveKey, JoinOptions{Now: testNow, Tree: append(f.alice.Tree(), 0)})
	breaks(t, err, rule.Encoding)
}

func TestMLS_V87_treeWithoutUsRefused(t *testing.T) {
	f := newFixture(t, nil)
	other := newPackage(t, newClient(t, X25519AES128, "erin"))
	f.badWelcome(forge{nodes: func(n wire.RatchetTree) wire.RatchetTree {
		n[6] = wire.Node{Leaf: other.kp.Leaf}
		n[3], n[1] = wire.Node{}, wire.Node{}
		return n
	}}, rule.OwnLeafMissing)
}

func TestMLS_V88_pathSecretOfWelcomeRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badWelcome(forge{secrets: func(s *wire.GroupSecrets) { s.PathSecret = make([]byte, 32) }}, rule.WelcomePathSecret)
	f.badWelcome(forge{secrets: func(s *wire.GroupSecrets) { s.PathSecret = s.PathSecret[1:] }}, rule.Encoding)
	f.badWelcome(forge{noPath: true, secrets: func(s *wire.GroupSecrets) { s.HasPath, s.PathSecret = true, make([]byte, 32) }}, rule.WelcomePathSecret)
}

func TestMLS_V89_confirmationTagOfGroupInfoRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badWelcome(forge{info: func(i *wire.GroupInfo) { i.ConfirmationTag = make([]byte, 32) }}, rule.GroupInfoTag)
	f.badWelcome(forge{info: func(i *wire.GroupInfo) { i.Context.ConfirmedTranscript = make([]byte, 32) }}, rule.GroupInfoTag)
	f.badWelcome(forge{info: func(i *wire.GroupInfo) { i.Context.Epoch++ }}, rule.GroupInfoTag)
}

func TestMLS_V90_groupExtensionWeDoNotSupportRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badWelcome(forge{info: func(i *wire.GroupInfo) { i.Context.Extensions = []wire.Extension{{Type: privateExt}} }}, rule.GroupExtension)
	// Beside the context, unknown extensions are ignored.
	out := forge{list: []*wire.Proposal{addOf(f.daveKey.kp)}, info: func(i *wire.GroupInfo) {
		i.Extensions = append(i.Extensions, wire.Extension{Type: 0x0a0a, Data: []byte("grease")})
	}}.commit(t, f.alice)
	_, err := f.dave.Join(out.welcome, f.daveKey, JoinOptions{Now: testNow})
	must(t, err)
}

func linkOf(f *fixture, usage uint8) *wire.Proposal {
	return pskOf(32, func(id *wire.PSKID) {
		id.Type, id.Usage, id.GroupID, id.Epoch = wire.PSKResumption, usage, f.alice.ID(), f.alice.Epoch()
	})
}

func TestMLS_V91_twoLinksRefused(t *testing.T) {
	f := newFixture(t, nil)
	two := []*wire.Proposal{linkOf(f, wire.UsageBranch), linkOf(f, wire.UsageReInit)}
	f.badWelcome(forge{list: two, plan: func(p *plan) {}}, rule.LinkOne)
}

// branch forges a branch of alice's group as bob gets it.
func (f *fixture) branch(usage uint8, o forge, members ...*KeyPackage) []byte {
	f.t.Helper()
	next, err := f.aliceC.Create([]byte("branch"), testNow)
	must(f.t, err)
	next.origin = f.alice
	for _, k := range members {
		o.list = append(o.list, addOf(k.kp))
	}
	o.list = append(o.list, linkOf(f, usage))
	return o.commit(f.t, next).welcome
}

func TestMLS_V92_linkedGroupBeginsAtEpoch1(t *testing.T) {
	f := newFixture(t, nil)
	k := newPackage(t, f.bobC)
	next, err := f.aliceC.Create([]byte("branch"), testNow)
	must(t, err)
	c, err := next.Commit(CommitOptions{})
	must(t, err)
	must(t, next.Merge(c.StagedCommit))
	next.origin = f.alice
	w := forge{list: []*wire.Proposal{addOf(k.kp), linkOf(f, wire.UsageBranch)}}.commit(t, next).welcome
	_, err = f.bobC.Join(w, k, JoinOptions{Now: testNow, From: f.bob})
	breaks(t, err, rule.LinkEpoch)
}

func TestMLS_V93_linkedGroupOfOtherParametersRefused(t *testing.T) {
	f := newFixture(t, nil)
	k := newPackage(t, f.bobC)
	_, err := f.bobC.Join(f.branch(wire.UsageReInit, forge{}, k.KeyPackage), k, JoinOptions{Now: testNow, From: f.bob})
	breaks(t, err, rule.LinkParameters) // nobody has reinitialised the group
	f.bob.reinit = &wire.ReInit{GroupID: []byte("other"), Version: 1, Suite: 1}
	_, err = f.bobC.Join(f.branch(wire.UsageReInit, forge{}, k.KeyPackage), k, JoinOptions{Now: testNow, From: f.bob})
	breaks(t, err, rule.LinkParameters)
	f.bob.reinit = &wire.ReInit{GroupID: []byte("branch"), Version: 1, Suite: 1, Extensions: []wire.Extension{{Type: 1}}}
	_, err = f.bobC.Join(f.branch(wire.UsageReInit, forge{}, k.KeyPackage), k, JoinOptions{Now: testNow, From: f.bob})
	breaks(t, err, rule.LinkParameters)
	plain := forge{list: []*wire.Proposal{addOf(f.daveKey.kp)}}.commit(t, f.alice)
	_, err = f.dave.Join(plain.welcome, f.daveKey, JoinOptions{Now: testNow, From: f.bob})
	breaks(t, err, rule.LinkParameters)
	_, err = f.bobC.Join(f.branch(wire.UsageBranch, forge{}, k.KeyPackage), k, JoinOptions{Now: testNow})
	breaks(t, err, rule.PSKMissing) // without the old group a link cannot be checked

	// A branch in another suite.
	alice, bob := newClient(t, P256AES128, "alice"), newClient(t, P256AES128, "bob")
	next, err := alice.Create([]byte("branch"), testNow)
	must(t, err)
	next.origin = f.alice
	k = newPackage(t, bob)
	w := forge{list: []*wire.Proposal{addOf(k.kp), linkOf(f, wire.UsageBranch)}}.commit(t, next).welcome
	_, err = bob.Join(w, k, JoinOptions{Now: testNow, From: f.bob})
	breaks(t, err, rule.LinkParameters)

	f.alice.reinit = &wire.ReInit{GroupID: []byte("next"), Version: 1, Suite: 3}
	_, _, err = f.alice.Reinitialise(f.aliceC, CommitOptions{Now: testNow}, k.KeyPackage, f.daveKey.KeyPackage)
	breaks(t, err, rule.LinkParameters)
}

func TestMLS_V94_linkedGroupOfOtherMembersRefused(t *testing.T) {
	f := newFixture(t, nil)
	k, dave := newPackage(t, f.bobC), f.daveKey
	_, err := f.bobC.Join(f.branch(wire.UsageBranch, forge{}, k.KeyPackage, dave.KeyPackage), k, JoinOptions{Now: testNow, From: f.bob})
	breaks(t, err, rule.LinkMembers) // dave was not in the old group
	f.bob.reinit = &wire.ReInit{GroupID: []byte("branch"), Version: 1, Suite: 1}
	_, err = f.bobC.Join(f.branch(wire.UsageReInit, forge{}, k.KeyPackage), k, JoinOptions{Now: testNow, From: f.bob})
	breaks(t, err, rule.LinkMembers) // carol is missing
	f.alice.reinit = f.bob.reinit
	_, _, err = f.alice.Reinitialise(f.aliceC, CommitOptions{Now: testNow}, k.KeyPackage)
	breaks(t, err, rule.LinkMembers)
}

func TestMLS_V95_groupInUseRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.dave.InUse = func(id []byte) bool { return string(id) == "group" }
	f.badWelcome(forge{}, rule.GroupKnown)
	info, err := f.alice.GroupInfo(GroupInfoOptions{})
	must(t, err)
	_, _, err = f.dave.JoinExternally(info, ExternalOptions{})
	breaks(t, err, rule.GroupKnown)
}

func TestMLS_V96_groupInfoWithoutExternalPubRefused(t *testing.T) {
	f := newFixture(t, nil)
	info, err := f.alice.GroupInfo(GroupInfoOptions{OmitExternalPub: true})
	must(t, err)
	_, _, err = f.dave.JoinExternally(info, ExternalOptions{})
	breaks(t, err, rule.ExternalPub)
	m, err := wire.ParseMessage(info)
	must(t, err)
	for _, data := range [][]byte{nil, {0}, {1, 2, 3}, wire.AppendOpaque(nil, make([]byte, 32))} {
		bad := *m.GroupInfo
		bad.Extensions = append(bad.Extensions[:1:1], wire.Extension{Type: wire.ExtensionExternalPub, Data: data})
		bad.Signature, err = f.alice.suite.Sign(f.alice.signer, "GroupInfoTBS", bad.TBS())
		must(t, err)
		_, _, err = f.dave.JoinExternally(wire.Marshal(&wire.Message{Format: wire.FormatGroupInfo, GroupInfo: &bad}), ExternalOptions{})
		breaks(t, err, rule.ExternalPub)
	}
}

func TestMLS_V97_malformedGroupExtensionRefused(t *testing.T) {
	f := newFixture(t, nil)
	for _, e := range []uint16{wire.ExtensionRequiredCapabilities, wire.ExtensionExternalSenders} {
		bad := wire.Extension{Type: e, Data: []byte{1}}
		f.refuses(f.bob, forge{}.proposal(t, f.alice, extensionsOf(bad)), rule.GroupExtensionFormat)
		f.badWelcome(forge{info: func(i *wire.GroupInfo) { i.Context.Extensions = []wire.Extension{bad} }}, rule.GroupExtensionFormat)
		_, err := f.aliceC.Create(nil, testNow, Extension{e, bad.Data})
		breaks(t, err, rule.GroupExtensionFormat)
	}
}

func TestMLS_V98_otherSignerRefused(t *testing.T) {
	f := newFixture(t, nil)
	_, err := f.bobC.Restore(state(t, f.alice))
	breaks(t, err, rule.SignerKey)
	wrong := &Client{Suite: P256AES128, Signer: f.aliceC.Signer}
	_, err = wrong.Create(nil, testNow)
	breaks(t, err, rule.SignerKey)
	_, err = (&Client{Suite: 1}).NewKeyPackage(testNow, testNow.Add(1e9))
	breaks(t, err, rule.SignerKey)
	out := forge{list: []*wire.Proposal{addOf(f.daveKey.kp)}}.commit(t, f.alice)
	_, err = f.bobC.Join(out.welcome, f.daveKey, JoinOptions{})
	breaks(t, err, rule.SignerKey)
	other := newPackage(t, f.dave)
	_, err = ImportKeyPackage(f.daveKey.Message(), other.initKey.Bytes(), f.daveKey.leafKey.Bytes())
	breaks(t, err, rule.SignerKey)
	_, err = ImportKeyPackage(f.daveKey.Message(), f.daveKey.initKey.Bytes(), nil)
	breaks(t, err, rule.SignerKey)
}

// TestMLS_V93_linkToAnotherGroupRefused: the key that links a group is of the group it
// is said to be linked to and, of a reinitialised one, of its last epoch.
func TestMLS_V93_linkToAnotherGroupRefused(t *testing.T) {
	f := newFixture(t, nil)
	known := func([]byte, uint64) ([]byte, bool) { return []byte{7}, true }
	f.aliceC.Resumption, f.bobC.Resumption = known, known
	k := newPackage(t, f.bobC)
	welcome := func(usage uint8, groupID []byte, epoch uint64) []byte {
		next, err := f.aliceC.Create([]byte("branch"), testNow)
		must(t, err)
		next.origin = f.alice
		link := pskOf(32, func(id *wire.PSKID) {
			id.Type, id.Usage, id.GroupID, id.Epoch = wire.PSKResumption, usage, groupID, epoch
		})
		return forge{list: []*wire.Proposal{addOf(k.kp), link}}.commit(t, next).welcome
	}
	join := func(w []byte) error {
		_, err := f.bobC.Join(w, k, JoinOptions{Now: testNow, From: f.bob})
		return err
	}
	must(t, join(welcome(wire.UsageBranch, []byte("group"), f.alice.Epoch())))
	must(t, join(welcome(wire.UsageBranch, []byte("group"), f.alice.Epoch()-1)))
	breaks(t, join(welcome(wire.UsageBranch, []byte("another"), 3)), rule.LinkParameters)

	f.bob.reinit = &wire.ReInit{GroupID: []byte("branch"), Version: 1, Suite: 1}
	breaks(t, join(welcome(wire.UsageReInit, []byte("group"), f.alice.Epoch()-1)), rule.LinkParameters)
	breaks(t, join(welcome(wire.UsageReInit, []byte("another"), f.alice.Epoch())), rule.LinkParameters)
	breaks(t, join(welcome(wire.UsageReInit, []byte("group"), f.alice.Epoch())), rule.LinkMembers) // which is what is checked next
}
