package mls

import (
	"bytes"
	"testing"

	"kith/mls/internal/framing"
	"kith/mls/internal/rule"
	"kith/mls/internal/schedule"
	"kith/mls/internal/wire"
)

// TestJoin_preSharedKeys: a newcomer finds external and resumption keys by its client, and
// is refused without them or with others.
func TestJoin_preSharedKeys(t *testing.T) {
	f := newFixture(t, nil)
	key := func([]byte) ([]byte, bool) { return []byte("external"), true }
	old := f.alice.ResumptionKey()
	resumption := func(id []byte, epoch uint64) ([]byte, bool) {
		return old, string(id) == "group" && epoch == f.alice.Epoch()
	}
	f.aliceC.PSK = key
	c, err := f.alice.Commit(CommitOptions{Now: testNow}, Add(f.daveKey.KeyPackage), PSK([]byte("id")), ResumptionPSK([]byte("group"), f.alice.Epoch()))
	must(t, err)
	join := func() (*Group, error) { return f.dave.Join(c.Welcome, f.daveKey, JoinOptions{Now: testNow}) }
	_, err = join()
	breaks(t, err, rule.PSKMissing)
	f.dave.PSK = key
	_, err = join()
	breaks(t, err, rule.PSKMissing)
	f.dave.Resumption = resumption
	g, err := join()
	must(t, err)
	if !bytes.Equal(g.Authenticator(), c.Authenticator()) {
		t.Error("another epoch")
	}
	f.dave.PSK = func([]byte) ([]byte, bool) { return []byte("another"), true }
	_, err = join()
	breaks(t, err, rule.GroupInfoOpen)
}

func TestJoinExternally_preSharedKeys(t *testing.T) {
	f := newFixture(t, nil)
	info, err := f.alice.GroupInfo(GroupInfoOptions{})
	must(t, err)
	o := ExternalOptions{JoinOptions: JoinOptions{Now: testNow}, PSKs: [][]byte{[]byte("id"), []byte("id")}}
	_, _, err = f.dave.JoinExternally(info, o)
	breaks(t, err, rule.PSKMissing)
	f.dave.PSK = func([]byte) ([]byte, bool) { return []byte("external"), true }
	m, g, err := f.dave.JoinExternally(info, o)
	must(t, err)
	f.refuses(f.bob, m, rule.PSKMissing)
	f.bobC.PSK = func([]byte) ([]byte, bool) { return []byte("another"), true }
	f.refuses(f.bob, m, rule.ConfirmationTag)
	f.bobC.PSK = f.dave.PSK
	p, err := f.bob.Process(m, testNow)
	must(t, err)
	must(t, f.bob.Merge(p.(*StagedCommit)))
	if !bytes.Equal(g.Authenticator(), f.bob.Authenticator()) {
		t.Error("another epoch")
	}
}

// TestMLS_V35_pathWithKeyOfNewcomerRefused: the committer takes the signature key of whom it
// adds; and a client that would be twice in the tree notices itself.
func TestMLS_V35_pathWithKeyOfNewcomerRefused(t *testing.T) {
	f := newFixture(t, nil)
	o := forge{
		list: []*wire.Proposal{addOf(f.daveKey.kp)}, leafSigner: f.dave.Signer,
		leaf: func(l *wire.LeafNode) { l.SignatureKey = f.daveKey.kp.Leaf.SignatureKey },
	}
	f.refuses(f.bob, o.commit(t, f.alice).message, rule.SignatureKeyTwice)
	before := state(t, f.alice)
	_, err := f.alice.Commit(CommitOptions{Client: f.bobC})
	breaksLocally(t, err, rule.SignatureKeyTwice)
	if !bytes.Equal(before, state(t, f.alice)) {
		t.Error("a refused commit changed the group")
	}
	info, err := f.alice.GroupInfo(GroupInfoOptions{})
	must(t, err)
	_, _, err = f.carolC.JoinExternally(info, ExternalOptions{JoinOptions: JoinOptions{Now: testNow}})
	breaksLocally(t, err, rule.SignatureKeyTwice)
}

func TestMLS_V53_externalCommitInPlaceOfNobodyRefused(t *testing.T) {
	f := newFixture(t, nil)
	info, err := f.alice.GroupInfo(GroupInfoOptions{})
	must(t, err)
	for _, leaf := range []uint32{3, 1 << 31} {
		_, _, err = f.dave.JoinExternally(info, ExternalOptions{JoinOptions: JoinOptions{Now: testNow}, Replace: &leaf})
		breaksLocally(t, err, rule.RemoveBlank)
	}
}

func TestMLS_V06_keyOfParentNodeThatIsNoneRefused(t *testing.T) {
	f := newFixture(t, nil)
	for _, key := range [][]byte{make([]byte, 32), make([]byte, 31), nil} {
		_, err := f.joinTree(func(n wire.RatchetTree) wire.RatchetTree {
			n[1] = changedParent(n[1], func(p *wire.ParentNode) { p.EncryptionKey = key })
			return n
		})
		breaks(t, err, rule.KeyForm)
	}
}

// TestMLS_V05_sealedDataBounded at half of a message, with what is around it.
func TestMLS_V05_sealedDataBounded(t *testing.T) {
	f := newFixture(t, nil)
	o := MessageOptions{Data: make([]byte, 1000), Padding: 1000}
	before := state(t, f.alice)
	_, err := f.alice.Seal(make([]byte, MaxMessage/2-1999), o)
	breaksLocally(t, err, rule.TooLong)
	if !bytes.Equal(before, state(t, f.alice)) {
		t.Error("a refused Seal changed the group")
	}
	m, err := f.alice.Seal(make([]byte, MaxMessage/2-2000), o)
	must(t, err)
	f.takes(f.bob, m)
}

// TestMLS_V01_malformedPlaintextRefused: what a member seals is malformed inside.
func TestMLS_V01_malformedPlaintextRefused(t *testing.T) {
	f := newFixture(t, nil)
	s := f.alice.suite
	step, err := f.alice.messages.Take(0, schedule.Application, 0)
	must(t, err)
	for _, plaintext := range [][]byte{nil, {5, 1}, {0}, {0, 3, 1}, {0x40, 1, 0, 0}, {0xc0}} {
		p := &wire.PrivateMessage{GroupID: f.alice.ID(), Epoch: f.alice.Epoch(), Type: wire.ContentApplication}
		p.Ciphertext = s.Seal(step.Keys.Key, step.Keys.Nonce, plaintext, p.AAD(nil))
		key, nonce := framing.SenderKeys(s, f.alice.secrets.SenderData, p.Ciphertext)
		p.SenderData = s.Seal(key, nonce, make([]byte, 12), p.SenderAAD(nil))
		f.refuses(f.bob, wire.Marshal(&wire.Message{Format: wire.FormatPrivate, Private: p}), rule.Encoding)
	}
}

// TestState_withoutRatchetsIsRestoredSo: a group that has no message keys has none when it
// was stored in between.
func TestState_withoutRatchetsIsRestoredSo(t *testing.T) {
	f := newFixture(t, nil)
	epoch, err := f.bob.MarshalEpoch(nil)
	must(t, err)
	snapshot, err := f.bobC.RestoreEpoch(epoch, nil, nil)
	must(t, err)
	again, err := f.bobC.Restore(state(t, snapshot))
	must(t, err)
	if again.messages != nil || !bytes.Equal(state(t, again), state(t, snapshot)) {
		t.Error("it has message keys, or another state")
	}
	if _, err := again.Seal(nil, MessageOptions{}); err != ErrNoRatchets {
		t.Error(err)
	}
}

// TestPrivateKeyPackage_wipe: it joins no more; the group that was joined by it goes on.
func TestPrivateKeyPackage_wipe(t *testing.T) {
	for _, s := range []Suite{X25519AES128, X448AES256} {
		alice, bob := newClient(t, s, "alice"), newClient(t, s, "bob")
		k := newPackage(t, bob)
		g, err := alice.Create(nil, testNow)
		must(t, err)
		c, err := g.Commit(CommitOptions{Now: testNow}, Add(k.KeyPackage))
		must(t, err)
		must(t, g.Merge(c.StagedCommit))
		joined, err := bob.Join(c.Welcome, k, JoinOptions{Now: testNow})
		must(t, err)
		secret := k.initKey.Bytes()
		k.Wipe()
		if !bytes.Equal(secret, make([]byte, len(secret))) {
			t.Error("the init key is in memory")
		}
		_, err = bob.Join(c.Welcome, k, JoinOptions{Now: testNow})
		breaks(t, err, rule.GroupSecrets)
		if c, err = g.Commit(CommitOptions{}); err != nil {
			t.Fatal(err)
		}
		_, err = joined.Process(c.Message, testNow)
		must(t, err)
	}
}

// TestImportKeyPackage_strangeRefused: another message, and a suite that nobody has.
func TestImportKeyPackage_strangeRefused(t *testing.T) {
	f := newFixture(t, nil)
	info, err := f.alice.GroupInfo(GroupInfoOptions{})
	must(t, err)
	initKey, leafKey := f.daveKey.initKey.Bytes(), f.daveKey.leafKey.Bytes()
	_, err = ImportKeyPackage(info, initKey, leafKey)
	breaks(t, err, rule.WireFormat)
	unknown := messageOf(forgeKeyPackage(t, f.dave, nil, func(k *wire.KeyPackage) { k.Suite = 999 }))
	_, err = ImportKeyPackage(unknown, initKey, leafKey)
	breaks(t, err, rule.KeyPackageSuite)
	_, err = ImportKeyPackage(f.daveKey.Message(), nil, leafKey)
	breaks(t, err, rule.SignerKey)
}
