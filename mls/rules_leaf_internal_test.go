package mls

import (
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"kith/mls/internal/rule"
	"kith/mls/internal/wire"
)

// badLeaf sends a leaf node in every place that takes one: an update, a commit's
// path and a key package.
func (f *fixture) badLeaf(change func(l *wire.LeafNode), id rule.ID) {
	f.t.Helper()
	f.refuses(f.bob, forge{leaf: change}.update(f.t, f.alice), id)
	f.refuses(f.bob, forge{leaf: change}.commit(f.t, f.alice).message, id)
	f.refuses(f.bob, forge{}.proposal(f.t, f.alice, addOf(forgeKeyPackage(f.t, f.dave, change, nil))), id)
	f.refuses(f.bob, forge{list: []*wire.Proposal{addOf(forgeKeyPackage(f.t, f.dave, change, nil))}}.commit(f.t, f.alice).message, id)
}

func TestMLS_V25_leafSignatureRefused(t *testing.T) {
	f := newFixture(t, nil)
	damage := func(l *wire.LeafNode) { l.Signature[0] ^= 1 }
	f.refuses(f.bob, forge{signedLeaf: damage}.update(t, f.alice), rule.LeafSignature)
	f.refuses(f.bob, forge{signedLeaf: damage}.commit(t, f.alice).message, rule.LeafSignature)
	kp := forgeKeyPackage(t, f.dave, nil, func(k *wire.KeyPackage) { k.Leaf.Signature[0] ^= 1 })
	f.refuses(f.bob, forge{}.proposal(t, f.alice, addOf(kp)), rule.LeafSignature)
	// Signed for another place.
	other := *f.alice
	other.private = f.carol.private
	m := forge{}.proposal(t, f.alice, &wire.Proposal{Type: wire.ProposalUpdate, Leaf: forge{}.updateLeaf(t, &other)})
	f.refuses(f.bob, m, rule.LeafSignature)
}

func TestMLS_V26_leafSourceRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.refuses(f.bob, forge{leaf: func(l *wire.LeafNode) { l.Source = wire.SourceCommit }}.update(t, f.alice), rule.LeafSource)
	f.refuses(f.bob, forge{leaf: func(l *wire.LeafNode) { l.Source = wire.SourceKeyPackage }}.update(t, f.alice), rule.LeafSource)
	f.refuses(f.bob, forge{leaf: func(l *wire.LeafNode) { l.Source = wire.SourceUpdate }}.commit(t, f.alice).message, rule.LeafSource)
	kp := forgeKeyPackage(t, f.dave, func(l *wire.LeafNode) { l.Source = wire.SourceUpdate }, nil)
	f.refuses(f.bob, forge{}.proposal(t, f.alice, addOf(kp)), rule.LeafSource)
}

func TestMLS_V27_leafWithoutVersionRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badLeaf(func(l *wire.LeafNode) { l.Capabilities.Versions = []uint16{2} }, rule.LeafVersion)
	f.badLeaf(func(l *wire.LeafNode) { l.Capabilities.Versions = nil }, rule.LeafVersion)
	f.takes(f.bob, forge{leaf: func(l *wire.LeafNode) { l.Capabilities.Suites = []uint16{2, 3} }}.update(t, f.alice))
}

func TestMLS_V28_leafWithoutItsCredentialTypeRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badLeaf(func(l *wire.LeafNode) { l.Capabilities.Credentials = []uint16{2} }, rule.LeafCredentialType)
}

func TestMLS_V29_leafWithUnlistedExtensionRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.badLeaf(func(l *wire.LeafNode) { l.Extensions = []wire.Extension{{Type: privateExt}} }, rule.LeafExtension)
	f.takes(f.bob, forge{leaf: func(l *wire.LeafNode) {
		l.Extensions = []wire.Extension{{Type: privateExt}, {Type: wire.ExtensionApplicationID}}
		l.Capabilities.Extensions = []uint16{privateExt}
	}}.update(t, f.alice))
}

// supporting makes clients list the private extension.
func supporting(c *Client) { c.Capabilities.Extensions = []uint16{privateExt} }

func TestMLS_V30_leafWithoutRequiredCapabilityRefused(t *testing.T) {
	for name, extension := range map[string]Extension{
		"extension":  RequiredCapabilities([]uint16{privateExt}, nil, nil),
		"credential": RequiredCapabilities(nil, nil, []uint16{7}),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, []Extension{extension}, supporting, func(c *Client) { c.Capabilities.Credentials = []uint16{7} })
			f.takes(f.bob, forge{}.update(t, f.alice))
			f.badLeaf(func(l *wire.LeafNode) {
				l.Capabilities.Extensions, l.Capabilities.Credentials = nil, []uint16{CredentialBasic}
			}, rule.LeafRequired)
		})
	}
	f := newFixture(t, nil)
	_, err := f.aliceC.Create(nil, testNow, RequiredCapabilities(nil, []uint16{99}, nil))
	breaks(t, err, rule.LeafRequired)
}

func TestMLS_V31_credentialTypeNotSupportedByAllRefused(t *testing.T) {
	f := newFixture(t, nil)
	f.bobC.Authenticate = func(Member, *Member) error { return nil }
	change := func(l *wire.LeafNode) {
		l.Credential.Type = 0xf001
		l.Capabilities.Credentials = []uint16{CredentialBasic, 0xf001}
	}
	f.refuses(f.bob, forge{leaf: change}.commit(t, f.alice).message, rule.CredentialSupport)
	f.refuses(f.bob, forge{list: []*wire.Proposal{addOf(forgeKeyPackage(t, f.dave, change, nil))}, noPath: true}.commit(t, f.alice).message, rule.CredentialSupport)
	// A newcomer who does not support what the others have.
	only := func(l *wire.LeafNode) {
		l.Credential.Type = 0xf001
		l.Capabilities.Credentials = []uint16{0xf001}
	}
	g := newFixture(t, nil, func(c *Client) { c.Capabilities.Credentials = []uint16{0xf001} })
	g.refuses(g.bob, forge{list: []*wire.Proposal{addOf(forgeKeyPackage(t, g.dave, only, nil))}}.commit(t, g.alice).message, rule.CredentialSupport)
	g.takes(g.bob, forge{list: []*wire.Proposal{addOf(forgeKeyPackage(t, g.dave, change, nil))}}.commit(t, g.alice).message)
}

func TestMLS_V32_expiredLeafRefused(t *testing.T) {
	f := newFixture(t, nil)
	now := uint64(testNow.Unix())
	for name, c := range map[string]struct {
		from, to uint64
		fine     bool
	}{
		"past": {now - 100, now - 1, false}, "future": {now + 1, now + 100, false},
		"last second": {now - 100, now, true}, "first second": {now, now + 100, true},
	} {
		kp := forgeKeyPackage(t, f.dave, func(l *wire.LeafNode) { l.NotBefore, l.NotAfter = c.from, c.to }, nil)
		m := forge{}.proposal(t, f.alice, addOf(kp))
		if c.fine {
			f.takes(f.bob, m)
			f.bob.proposals = nil
			continue
		}
		t.Log(name)
		f.refuses(f.bob, m, rule.LifetimeNow)
		if _, err := f.carol.Process(m, time.Time{}); err != nil {
			t.Errorf("history with an expired leaf: %v", err)
		}
		_, err := f.alice.Commit(CommitOptions{Now: testNow}, Add(newKeyPackage(f.alice.suite, kp)))
		breaks(t, err, rule.LifetimeNow)
	}
	_, err := f.alice.Commit(CommitOptions{}, Add(f.daveKey.KeyPackage))
	breaks(t, err, rule.LifetimeNow)
}

func TestMLS_V33_longLifetimeRefused(t *testing.T) {
	f := newFixture(t, nil)
	now, most := uint64(testNow.Unix()), uint64(DefaultMaxLifetime/time.Second)
	life := func(from, to uint64) []byte {
		return forge{}.proposal(t, f.alice, addOf(forgeKeyPackage(t, f.dave, func(l *wire.LeafNode) { l.NotBefore, l.NotAfter = from, to }, nil)))
	}
	f.refuses(f.bob, life(now, now+most+1), rule.LifetimeLength)
	f.refuses(f.bob, life(0, 1<<64-1), rule.LifetimeLength)
	f.refuses(f.bob, life(now+1, now), rule.LifetimeLength)
	f.takes(f.bob, life(now, now+most))
	f.bobC.MaxLifetime = AnyLifetime
	f.takes(f.bob, life(0, 1<<64-1))
}

func TestMLS_V34_encryptionKeyOfAnotherRefused(t *testing.T) {
	f := newFixture(t, nil)
	taken := f.carol.tree.Leaf(f.carol.Leaf()).EncryptionKey
	kp := forgeKeyPackage(t, f.dave, func(l *wire.LeafNode) { l.EncryptionKey = taken }, nil)
	f.refuses(f.bob, forge{list: []*wire.Proposal{addOf(kp)}, noPath: true}.commit(t, f.alice).message, rule.EncryptionKeyTwice)
	// In a tree that a newcomer gets.
	_, err := f.joinTree(func(n wire.RatchetTree) wire.RatchetTree {
		n[2] = wire.Node{Leaf: f.resign(f.bob, 1, func(l *wire.LeafNode) { l.EncryptionKey = n[4].Leaf.EncryptionKey })}
		return n
	})
	breaks(t, err, rule.EncryptionKeyTwice)
}

func TestMLS_V35_signatureKeyOfAnotherRefused(t *testing.T) {
	f := newFixture(t, nil)
	taken := f.carol.tree.Leaf(f.carol.Leaf()).SignatureKey
	o := forge{leaf: func(l *wire.LeafNode) { l.SignatureKey = taken }, leafSigner: f.carolC.Signer}
	f.refuses(f.bob, o.commit(t, f.alice).message, rule.SignatureKeyTwice)
	update := o.update(t, f.alice)
	f.takes(f.bob, update)
	f.refuses(f.bob, forge{refs: [][]byte{f.bob.Waiting()[0].Ref}, plan: func(p *plan) {
		e := f.carol.tree.Edit()
		m, _ := wire.ParseMessage(update)
		e.Update(0, m.Public.Content.Proposal.Leaf)
		p.tree = e.Done()
	}}.commit(t, f.carol).message, rule.SignatureKeyTwice)
	_, err := f.joinTree(func(n wire.RatchetTree) wire.RatchetTree {
		n[2] = wire.Node{Leaf: f.resign(f.carol, 1, func(l *wire.LeafNode) { l.SignatureKey = taken })}
		return n
	})
	breaks(t, err, rule.SignatureKeyTwice)
}

func TestMLS_V36_unchangedEncryptionKeyRefused(t *testing.T) {
	f := newFixture(t, nil)
	same := func(l *wire.LeafNode) { l.EncryptionKey = f.alice.tree.Leaf(0).EncryptionKey }
	f.refuses(f.bob, forge{leaf: same}.update(t, f.alice), rule.UpdateSameKey)
	f.refuses(f.bob, forge{leaf: same}.commit(t, f.alice).message, rule.UpdateSameKey)
	g, init, secret := f.outside()
	carol := f.carol.tree.Leaf(2)
	resync := forge{external: true, list: []*wire.Proposal{init, removeOf(2)}, initSecret: secret, leaf: func(l *wire.LeafNode) { l.EncryptionKey = carol.EncryptionKey }}
	f.refuses(f.bob, resync.commit(t, g).message, rule.UpdateSameKey)
}

func TestMLS_V37_leafWithoutGroupExtensionRefused(t *testing.T) {
	f := newFixture(t, []Extension{{Type: privateExt}}, supporting)
	f.badLeaf(func(l *wire.LeafNode) { l.Capabilities.Extensions = nil }, rule.LeafGroupExtension)
	g := newFixture(t, nil, supporting)
	weak := forgeKeyPackage(t, g.dave, func(l *wire.LeafNode) { l.Capabilities.Extensions = nil }, nil)
	set := &wire.Proposal{Type: wire.ProposalExtensions, Extensions: []wire.Extension{{Type: privateExt}}}
	g.refuses(g.bob, forge{list: []*wire.Proposal{set, addOf(weak)}, noApply: true}.commit(t, g.alice).message, rule.LeafGroupExtension)
	// Added by reference before the group wanted the extension.
	g.takes(g.bob, forge{}.proposal(t, g.alice, addOf(weak)))
	g.refuses(g.bob, forge{list: []*wire.Proposal{set}, refs: [][]byte{g.bob.Waiting()[0].Ref}, noApply: true}.commit(t, g.alice).message, rule.LeafGroupExtension)
}

func TestMLS_V38_credentialRefusedByApplication(t *testing.T) {
	refuse := errors.New("not him")
	f := newFixture(t, nil)
	f.bobC.Authenticate = func(m Member, old *Member) error {
		if string(m.Credential.Identity) == "mallory" {
			return refuse
		}
		if old != nil && string(old.Credential.Identity) != string(m.Credential.Identity) {
			return errors.New("became somebody else")
		}
		return nil
	}
	mallory := func(l *wire.LeafNode) { l.Credential.Identity = []byte("mallory") }
	f.badLeaf(mallory, rule.Authentication)
	f.refuses(f.bob, forge{leaf: func(l *wire.LeafNode) { l.Credential.Identity = []byte("bob") }}.update(t, f.alice), rule.Authentication)
	g, init, secret := f.outside()
	resync := forge{external: true, list: []*wire.Proposal{init, removeOf(2)}, initSecret: secret} // dave in carol's place
	f.refuses(f.bob, resync.commit(t, g).message, rule.Authentication)
	f.dave.Authenticate = func(m Member, _ *Member) error {
		if string(m.Credential.Identity) == "carol" {
			return refuse
		}
		return nil
	}
	_, err := f.joinTree(nil)
	breaks(t, err, rule.Authentication)
	if !errors.Is(err, refuse) {
		t.Error("what the application said is lost")
	}
}

func TestMLS_V38_nobodyIsReplacedUnasked(t *testing.T) {
	f := newFixture(t, nil)
	mallory := func(l *wire.LeafNode) { l.Credential.Identity = []byte("mallory") }
	f.refuses(f.bob, forge{leaf: mallory}.update(t, f.alice), rule.Authentication)
	f.refuses(f.bob, forge{leaf: mallory}.commit(t, f.alice).message, rule.Authentication)
	g, init, secret := f.outside()
	f.refuses(f.bob, forge{external: true, list: []*wire.Proposal{init, removeOf(2)}, initSecret: secret}.commit(t, g).message, rule.Authentication)
	same := forge{external: true, list: []*wire.Proposal{init, removeOf(2)}, initSecret: secret, leaf: func(l *wire.LeafNode) { l.Credential.Identity = []byte("carol") }}
	f.refuses(f.bob, same.commit(t, g).message, rule.Authentication) // not with dave's key
}

func TestMLS_V39_certificateOfAnotherKeyRefused(t *testing.T) {
	for _, s := range []Suite{X25519AES128, P256AES128} {
		signer, err := s.GenerateSigner()
		must(t, err)
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "alice"}, NotAfter: testNow.Add(time.Hour)}
		der, err := x509.CreateCertificate(nil, template, template, signer.Public(), signer)
		must(t, err)
		c := &Client{Suite: s, Signer: signer, Credential: Credential{Type: CredentialX509, Certificates: [][]byte{der}}}
		k := newPackage(t, c)
		if _, err := c.ParseKeyPackage(k.Message(), testNow); err != nil {
			t.Fatal(err)
		}
		for name, chain := range map[string][][]byte{
			"none": nil, "empty": {{}}, "truncated": {der[:len(der)-1]}, "longer": {append(slices.Clone(der), 0)}, "behind another": {{0x30, 0}, der},
		} {
			c.Credential.Certificates = chain
			_, err := c.ParseKeyPackage(messageOf(forgeKeyPackage(t, c, nil, nil)), testNow)
			t.Log(name)
			breaks(t, err, rule.CertificateKey)
		}
		c.Credential.Certificates = [][]byte{der}
		if c.Signer, err = s.GenerateSigner(); err != nil {
			t.Fatal(err)
		}
		_, err = c.ParseKeyPackage(messageOf(forgeKeyPackage(t, c, nil, nil)), testNow)
		breaks(t, err, rule.CertificateKey)
		if k, ok := c.Signer.(*ecdsa.PrivateKey); ok && k.Curve.Params().BitSize != 256 {
			t.Error("curve")
		}
	}
}

func messageOf(k *wire.KeyPackage) []byte {
	return wire.Marshal(&wire.Message{Format: wire.FormatKeyPackage, KeyPackage: k})
}

func TestMLS_V40_keyPackageOfOtherSuiteRefused(t *testing.T) {
	f := newFixture(t, nil)
	for _, change := range []func(k *wire.KeyPackage){
		func(k *wire.KeyPackage) { k.Suite = 3 }, func(k *wire.KeyPackage) { k.Version = 2 },
	} {
		f.refuses(f.bob, forge{}.proposal(t, f.alice, addOf(forgeKeyPackage(t, f.dave, nil, change))), rule.KeyPackageSuite)
	}
	_, err := f.dave.ParseKeyPackage(wire.Marshal(&wire.Message{Format: wire.FormatKeyPackage, KeyPackage: forgeKeyPackage(t, f.dave, nil, func(k *wire.KeyPackage) { k.Suite = 999 })}), testNow)
	breaks(t, err, rule.KeyPackageSuite)
}

func TestMLS_V41_keyPackageSignatureRefused(t *testing.T) {
	f := newFixture(t, nil)
	kp := forgeKeyPackage(t, f.dave, nil, nil)
	kp.Signature[5] ^= 1
	f.refuses(f.bob, forge{}.proposal(t, f.alice, addOf(kp)), rule.KeyPackageSignature)
	_, err := f.alice.Commit(CommitOptions{Now: testNow}, Add(newKeyPackage(f.alice.suite, kp)))
	breaks(t, err, rule.KeyPackageSignature)
	if e, _ := errors.AsType[*Error](err); e.Fault != Local {
		t.Errorf("fault is %s", e.Fault)
	}
}

func TestMLS_V42_initKeyAsLeafKeyRefused(t *testing.T) {
	f := newFixture(t, nil)
	kp := forgeKeyPackage(t, f.dave, nil, func(k *wire.KeyPackage) { k.InitKey = k.Leaf.EncryptionKey })
	f.refuses(f.bob, forge{}.proposal(t, f.alice, addOf(kp)), rule.KeyPackageInitKey)
}

// TestMLS_V38_credentialIsNotTakenOverByAnotherKey: without Client.Authenticate an
// external commit replaces a member only if it is signed with that member's key.
func TestMLS_V38_credentialIsNotTakenOverByAnotherKey(t *testing.T) {
	f := newFixture(t, nil)
	info, err := f.alice.GroupInfo(GroupInfoOptions{})
	must(t, err)
	replace := uint32(2)
	o := ExternalOptions{JoinOptions: JoinOptions{Now: testNow}, Replace: &replace}
	thief := newClient(t, X25519AES128, "carol")
	thief.Authenticate = func(Member, *Member) error { return nil }
	m, _, err := thief.JoinExternally(info, o)
	must(t, err)
	f.refuses(f.bob, m, rule.Authentication)
	m, _, err = f.carolC.JoinExternally(info, o)
	must(t, err)
	f.takes(f.bob, m)
	// The application may say otherwise.
	f.bobC.Authenticate = thief.Authenticate
	m, _, err = thief.JoinExternally(info, o)
	must(t, err)
	f.takes(f.bob, m)
}
