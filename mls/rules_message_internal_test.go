package mls

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"kith/mls/internal/framing"
	"kith/mls/internal/rule"
	"kith/mls/internal/wire"
)

func TestBuilder_properMessagesAreTaken(t *testing.T) {
	f := newFixture(t, nil)
	f.takes(f.bob, forge{}.commit(t, f.alice).message)
	f.takes(f.bob, forge{list: []*wire.Proposal{addOf(f.daveKey.kp), removeOf(2)}}.commit(t, f.alice).message)
	out := forge{list: []*wire.Proposal{addOf(f.daveKey.kp)}}.commit(t, f.alice)
	if _, err := f.dave.Join(out.welcome, f.daveKey, JoinOptions{Now: testNow}); err != nil {
		t.Fatal(err)
	}
	g, init, secret := f.outside()
	f.takes(f.bob, forge{external: true, list: []*wire.Proposal{init}, initSecret: secret}.commit(t, g).message)
	f.takes(f.bob, forgePrivate(t, f.alice, f.alice.private.Leaf, make([]byte, 7)))
	f.takes(f.bob, forge{}.update(t, f.alice))
}

func TestMLS_V01_malformedEncodingRefused(t *testing.T) {
	f := newFixture(t, nil)
	m := forge{}.commit(t, f.alice).message
	f.refuses(f.bob, nil, rule.Encoding)
	f.refuses(f.bob, m[:len(m)-1], rule.Encoding)
	f.refuses(f.bob, append(bytes.Clone(m), 0), rule.Encoding)
	long := append([]byte{0, 1, 0, 1, 0x40, 5}, m[5:]...) // length of the group id in two bytes
	f.refuses(f.bob, long, rule.Encoding)
	f.takes(f.bob, m)
}

func TestMLS_V02_otherVersionRefused(t *testing.T) {
	f := newFixture(t, nil)
	m := forge{}.commit(t, f.alice).message
	m[1] = 2
	f.refuses(f.bob, m, rule.Version)
}

func TestMLS_V03_otherWireFormatRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.refuses(f.bob, f.daveKey.Message(), rule.WireFormat)
	f.refuses(f.bob, []byte{0, 1, 0, 9}, rule.WireFormat)
	_, err := f.dave.Join(f.daveKey.Message(), f.daveKey, JoinOptions{})
	breaks(t, err, rule.WireFormat)
	_, err = f.dave.ParseKeyPackage(forge{}.commit(t, f.alice).message, testNow)
	breaks(t, err, rule.WireFormat)
	_, _, err = f.dave.JoinExternally(f.daveKey.Message(), ExternalOptions{})
	breaks(t, err, rule.WireFormat)
}

func TestMLS_V04_extensionTwiceRefused(t *testing.T) {
	f := newFixture(t, nil)
	twice := []wire.Extension{{Type: 1}, {Type: 1, Data: []byte("x")}}
	f.refuses(f.bob, forge{}.proposal(t, f.alice, &wire.Proposal{Type: wire.ProposalExtensions, Extensions: twice}), rule.ExtensionTwice)
	f.refuses(f.bob, forge{leaf: func(l *wire.LeafNode) { l.Extensions = twice }}.update(t, f.alice), rule.ExtensionTwice)
}

func TestMLS_V05_tooLongRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.refuses(f.bob, make([]byte, MaxMessage+1), rule.TooLong)
	_, err := f.bob.Process(make([]byte, MaxMessage), testNow)
	breaks(t, err, rule.Version)
	_, err = f.aliceC.Create(make([]byte, MaxGroupID), testNow)
	must(t, err)
	_, err = f.aliceC.Create(make([]byte, MaxGroupID+1), testNow)
	breaks(t, err, rule.TooLong)
	_, err = f.alice.Export("x", nil, MaxExport*32)
	must(t, err)
	_, err = f.alice.Export("x", nil, MaxExport*32+1)
	breaks(t, err, rule.TooLong)
	_, err = f.alice.Seal(nil, MessageOptions{Padding: MaxPadding})
	must(t, err)
	_, err = f.alice.Seal(nil, MessageOptions{Padding: MaxPadding + 1})
	breaks(t, err, rule.TooLong)
	_, err = f.alice.Seal(nil, MessageOptions{Padding: -1})
	breaks(t, err, rule.TooLong)
	m := forge{}.update(t, f.alice)
	f.takes(f.carol, forge{}.update(t, f.alice))
	for len(f.carol.proposals) < MaxProposals {
		f.carol.proposals = append(f.carol.proposals, f.carol.proposals[0])
	}
	f.refuses(f.carol, m, rule.TooLong)
	f.carol.proposals = f.carol.proposals[1:]
	f.takes(f.carol, m)
	f.bob.proposals = make([]*queued, MaxProposals)
	_, err = f.bob.Propose(Remove(0), MessageOptions{}, testNow)
	breaks(t, err, rule.TooLong)
}

func TestMLS_V06_keyThatIsNoneRefused(t *testing.T) {
	f := newFixture(t, nil)
	low := make([]byte, 32)
	f.refuses(f.bob, forge{}.proposal(t, f.alice, addOf(forgeKeyPackage(t, f.dave, nil, func(k *wire.KeyPackage) { k.InitKey = low }))), rule.KeyForm)
	f.refuses(f.bob, forge{leaf: func(l *wire.LeafNode) { l.EncryptionKey = low }}.update(t, f.alice), rule.KeyForm)
	f.refuses(f.bob, forge{leaf: func(l *wire.LeafNode) { l.EncryptionKey = make([]byte, 31) }}.update(t, f.alice), rule.KeyForm)
	f.refuses(f.bob, forge{leaf: func(l *wire.LeafNode) { l.SignatureKey = make([]byte, 33) }}.update(t, f.alice), rule.KeyForm)
	f.refuses(f.bob, forge{path: func(p *wire.UpdatePath, _ []byte) { p.Nodes[0].EncryptionKey = low }}.commit(t, f.alice).message, rule.KeyForm)
}

func TestMLS_V07_otherGroupRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.refuses(f.bob, forge{content: func(c *wire.FramedContent) { c.GroupID = []byte("other") }}.update(t, f.alice), rule.GroupID)
}

func TestMLS_V08_otherEpochIsStale(t *testing.T) {
	f := newFixture(t, nil)
	for _, epoch := range []uint64{0, f.alice.Epoch() - 1, f.alice.Epoch() + 1, 1<<64 - 1} {
		m := forge{content: func(c *wire.FramedContent) { c.Epoch = epoch }}.update(t, f.alice)
		f.refuses(f.bob, m, rule.Epoch)
		_, err := f.bob.Process(m, testNow)
		if e, _ := errors.AsType[*Error](err); e == nil || e.Fault != Stale || !errors.Is(err, ErrEpoch) {
			t.Errorf("got %v", err)
		}
	}
}

func TestMLS_V09_publicApplicationDataRefused(t *testing.T) {
	f := newFixture(t, nil)
	m := forge{content: func(c *wire.FramedContent) { c.Type, c.Application = wire.ContentApplication, []byte("hello") }}.update(t, f.alice)
	f.refuses(f.bob, m, rule.PublicData)
	_, err := f.alice.Seal([]byte("hello"), MessageOptions{Public: true})
	breaks(t, err, rule.PublicData)
}

func TestMLS_V10_membershipTagRefused(t *testing.T) {
	f := newFixture(t, nil)
	m := forge{}.update(t, f.alice)
	m[len(m)-1] ^= 1
	f.refuses(f.bob, m, rule.MembershipTag)
}

func TestMLS_V11_signatureRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.refuses(f.bob, forge{signer: f.carol.signer}.update(t, f.alice), rule.Signature)
	f.refuses(f.bob, forge{signer: f.carol.signer}.commit(t, f.alice).message, rule.Signature)
	alice := *f.alice
	alice.signer = f.carol.signer
	m, err := alice.Seal([]byte("forged"), MessageOptions{})
	must(t, err)
	f.refuses(f.bob, m, rule.Signature)
}

func TestMLS_V12_damagedPrivateMessageDoesNotOpen(t *testing.T) {
	f := newFixture(t, nil)
	m, err := f.alice.Seal([]byte("hello"), MessageOptions{Data: []byte("data")})
	must(t, err)
	parsed, err := wire.ParseMessage(m)
	must(t, err)
	for _, part := range [][]byte{parsed.Private.SenderData, parsed.Private.Ciphertext} {
		for i := range part {
			part[i] ^= 1
			f.refuses(f.bob, wire.Marshal(parsed), rule.DoesNotOpen)
			part[i] ^= 1
		}
	}
	parsed.Private.Ciphertext = nil
	f.refuses(f.bob, wire.Marshal(parsed), rule.DoesNotOpen)
	other := bytes.Replace(m, []byte("data"), []byte("dada"), 1)
	f.refuses(f.bob, other, rule.DoesNotOpen)
	f.takes(f.bob, m)
}

func TestMLS_V13_senderWhoIsNoMemberRefused(t *testing.T) {
	f := newFixture(t, nil)
	for _, leaf := range []uint32{3, 4, 1 << 31} {
		f.refuses(f.bob, forge{content: func(c *wire.FramedContent) { c.Sender.Index = leaf }}.update(t, f.alice), rule.SenderBlank)
	}
	f.refuses(f.bob, forgePrivate(t, f.alice, 3, nil), rule.SenderBlank)
	f.refuses(f.bob, forgePrivate(t, f.alice, 200, nil), rule.SenderBlank)
}

func TestMLS_V14_paddingThatIsNotZeroRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.refuses(f.bob, forgePrivate(t, f.alice, 0, []byte{0, 0, 1}), rule.Padding)
}

func TestMLS_V15_usedGenerationRefused(t *testing.T) {
	f := newFixture(t, nil)
	var messages [][]byte
	for range 3 {
		m, err := f.alice.Seal([]byte("hello"), MessageOptions{})
		must(t, err)
		messages = append(messages, m)
	}
	for _, i := range []int{2, 0} {
		f.takes(f.bob, messages[i])
		f.refuses(f.bob, messages[i], rule.GenerationUsed)
	}
	f.takes(f.bob, messages[1])
	p, err := f.alice.ProposeUpdate(nil, MessageOptions{})
	must(t, err)
	f.takes(f.carol, p)
	f.refuses(f.carol, p, rule.GenerationUsed)
	public := forge{}.update(t, f.alice)
	f.takes(f.bob, public)
	f.refuses(f.bob, public, rule.GenerationUsed)
}

func TestMLS_V16_farGenerationRefused(t *testing.T) {
	f := newFixture(t, nil)
	var m []byte
	for i := range MaxForward + 2 {
		var err error
		m, err = f.alice.Seal(nil, MessageOptions{})
		must(t, err)
		if i == MaxForward {
			f.takes(f.carol, m) // at the edge
		}
	}
	f.refuses(f.bob, m, rule.GenerationFar)
}

func TestMLS_V17_senderTypeRefused(t *testing.T) {
	f := newFixture(t, nil)
	as := func(s wire.SenderType) forge {
		return forge{content: func(c *wire.FramedContent) { c.Sender = wire.Sender{Type: s} }}
	}
	f.refuses(f.bob, as(wire.SenderExternal).commit(t, f.alice).message, rule.SenderType)
	f.refuses(f.bob, as(wire.SenderNewMemberProposal).commit(t, f.alice).message, rule.SenderType)
	f.refuses(f.bob, as(wire.SenderNewMemberProposal).proposal(t, f.alice, removeOf(2)), rule.SenderType)
	f.refuses(f.bob, as(wire.SenderNewMemberCommit).proposal(t, f.alice, removeOf(2)), rule.SenderType)
}

// withSender returns an extension that lets dave propose.
func withSender(t *testing.T, c *Client) Extension {
	e, err := ExternalSenders(c)
	must(t, err)
	return e
}

func TestMLS_V18_unknownExternalSenderRefused(t *testing.T) {
	f := newFixture(t, nil)
	m, err := f.dave.ProposeExternally(f.alice.ID(), f.alice.Epoch(), 0, Remove(2))
	must(t, err)
	f.refuses(f.bob, m, rule.ExternalSender)
	f.commitBy(f.alice, SetExtensions(withSender(t, f.dave)))
	for index, id := range map[uint32]rule.ID{1: rule.ExternalSender, 1<<32 - 1: rule.ExternalSender} {
		m, err = f.dave.ProposeExternally(f.alice.ID(), f.alice.Epoch(), index, Remove(2))
		must(t, err)
		f.refuses(f.bob, m, id)
	}
	m, err = f.dave.ProposeExternally(f.alice.ID(), f.alice.Epoch(), 0, Remove(2))
	must(t, err)
	f.takes(f.bob, m)
}

func TestMLS_V19_externalSenderOfOtherProposalRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.commitBy(f.alice, SetExtensions(withSender(t, f.dave)))
	external := forge{signer: f.dave.Signer, content: func(c *wire.FramedContent) { c.Sender = wire.Sender{Type: wire.SenderExternal} }}
	f.refuses(f.bob, external.update(t, f.alice), rule.ExternalType)
	f.refuses(f.bob, external.proposal(t, f.alice, &wire.Proposal{Type: wire.ProposalExternalInit}), rule.ExternalType)
	f.takes(f.bob, external.proposal(t, f.alice, addOf(f.daveKey.kp)))
}

func TestMLS_V20_ownMessageIsStale(t *testing.T) {
	f := newFixture(t, nil)
	for _, public := range []bool{true, false} {
		c, err := f.alice.Commit(CommitOptions{MessageOptions: MessageOptions{Public: public}})
		must(t, err)
		f.refuses(f.alice, c.Message, rule.OwnMessage)
	}
	m, err := f.alice.Seal(nil, MessageOptions{})
	must(t, err)
	f.refuses(f.alice, m, rule.OwnMessage)
}

func TestMLS_V21_messagesOfAnEpochAreBounded(t *testing.T) {
	f := newFixture(t, nil)
	f.alice.sealed = MaxSealed - 1
	_, err := f.alice.Seal(nil, MessageOptions{})
	must(t, err)
	before := state(t, f.alice)
	_, err = f.alice.Seal(nil, MessageOptions{})
	breaks(t, err, rule.AEADLimit)
	if !bytes.Equal(before, state(t, f.alice)) {
		t.Error("a refused Seal changed the group")
	}
	f.commitBy(f.alice)
	_, err = f.alice.Seal(nil, MessageOptions{})
	must(t, err)
}

func TestMLS_V22_dataWaitsForProposals(t *testing.T) {
	f := newFixture(t, nil)
	f.takes(f.bob, forge{}.update(t, f.alice))
	_, err := f.bob.Seal(nil, MessageOptions{})
	breaks(t, err, rule.ProposalsWait)
	f.bob.Discard(f.bob.Waiting()[0].Ref)
	_, err = f.bob.Seal(nil, MessageOptions{})
	must(t, err)
}

func TestMLS_V23_closedGroupRefusesAll(t *testing.T) {
	f := newFixture(t, nil)
	late, err := f.carol.Seal([]byte("late"), MessageOptions{})
	must(t, err)
	c, err := f.alice.Commit(CommitOptions{}, Remove(f.bob.Leaf()))
	must(t, err)
	p, err := f.bob.Process(c.Message, testNow)
	must(t, err)
	staged := p.(*StagedCommit)
	if !staged.SelfRemoved || staged.Authenticator() != nil || staged.Extensions() != nil {
		t.Fatalf("%+v", staged)
	}
	if _, err := f.bob.Fork(staged); err == nil {
		t.Fatal("forked into an epoch without us")
	}
	must(t, f.bob.Merge(staged))
	_, err = f.bob.Process(late, testNow)
	breaks(t, err, rule.GroupClosed)
	for _, call := range []func() error{
		func() error { _, err := f.bob.Seal(nil, MessageOptions{}); return err },
		func() error { _, err := f.bob.Commit(CommitOptions{}); return err },
		func() error { _, err := f.bob.ProposeUpdate(nil, MessageOptions{}); return err },
		func() error { _, err := f.bob.Propose(Remove(0), MessageOptions{}, testNow); return err },
		func() error { _, err := f.bob.Export("x", nil, 1); return err },
		func() error { _, err := f.bob.GroupInfo(GroupInfoOptions{}); return err },
		func() error { _, _, err := f.bob.Branch(nil, CommitOptions{}, nil); return err },
	} {
		breaks(t, call(), rule.GroupClosed)
	}
}

func TestMLS_V24_commitIsMergedOnce(t *testing.T) {
	f := newFixture(t, nil)
	m := forge{}.commit(t, f.alice).message
	p, err := f.bob.Process(m, testNow)
	must(t, err)
	again, err := f.bob.Process(m, testNow)
	must(t, err)
	breaks(t, f.carol.Merge(p.(*StagedCommit)), rule.CommitUsedTwice)
	next, err := f.bob.Fork(p.(*StagedCommit))
	must(t, err)
	_, err = f.bob.Fork(p.(*StagedCommit))
	breaks(t, err, rule.CommitUsedTwice)
	_, err = f.bob.Fork(again.(*StagedCommit))
	breaks(t, err, rule.CommitUsedTwice)
	breaks(t, f.bob.Merge(again.(*StagedCommit)), rule.CommitUsedTwice)
	restored, err := f.bobC.Restore(state(t, f.bob))
	must(t, err)
	p, err = restored.Process(m, testNow)
	must(t, err)
	_, err = restored.Fork(p.(*StagedCommit))
	breaks(t, err, rule.CommitUsedTwice)
	breaks(t, next.Merge(again.(*StagedCommit)), rule.CommitUsedTwice)
}

// A commit that was staged beside one that was merged belongs to the epoch before.
func TestMLS_V24_rivalOfAMergedCommitRefused(t *testing.T) {
	f := newFixture(t, nil)
	one, two := forge{}.commit(t, f.alice).message, forge{}.commit(t, f.carol).message
	p1, err := f.bob.Process(one, testNow)
	must(t, err)
	p2, err := f.bob.Process(two, testNow)
	must(t, err)
	if n := p2.(*StagedCommit).Epoch(); n != f.bob.Epoch()+1 {
		t.Errorf("begins epoch %d", n)
	}
	must(t, f.bob.Merge(p1.(*StagedCommit)))
	before := state(t, f.bob)
	breaks(t, f.bob.Merge(p2.(*StagedCommit)), rule.CommitUsedTwice)
	_, err = f.bob.Fork(p2.(*StagedCommit))
	breaks(t, err, rule.CommitUsedTwice)
	if !bytes.Equal(before, state(t, f.bob)) {
		t.Error("a refused commit changed the group")
	}
}

func TestMLS_V12_senderDataOfOtherLength(t *testing.T) {
	// A private message whose sender data is longer than it must be.
	f := newFixture(t, nil)
	b := forgePrivate(t, f.alice, 0, nil)
	m, err := wire.ParseMessage(b)
	must(t, err)
	p := m.Private
	key, nonce := framing.SenderKeys(f.alice.suite, f.alice.secrets.SenderData, p.Ciphertext)
	p.SenderData = f.alice.suite.Seal(key, nonce, binary.BigEndian.AppendUint32(make([]byte, 12), 7), p.SenderAAD(nil))
	f.refuses(f.bob, wire.Marshal(m), rule.DoesNotOpen)
}
