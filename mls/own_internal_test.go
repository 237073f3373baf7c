package mls

import (
	"bytes"
	"testing"

	"kith/mls/internal/rule"
	"kith/mls/internal/wire"
)

// What every peer would refuse is not made in the first place.

// TestMLS_V04_ownExtensionsTwiceRefused: what every peer refuses, and what could not be
// restored, is not made in the first place.
func TestMLS_V04_ownExtensionsTwiceRefused(t *testing.T) {
	f := newFixture(t, nil)
	twice := []Extension{RequiredCapabilities(nil, nil, nil), RequiredCapabilities(nil, nil, nil)}
	local := func(err error) {
		t.Helper()
		breaksLocally(t, err, rule.ExtensionTwice)
	}
	_, err := f.aliceC.Create(nil, testNow, twice...)
	local(err)
	before := state(t, f.alice)
	_, err = f.alice.Commit(CommitOptions{}, SetExtensions(twice...))
	local(err)
	_, err = f.alice.Propose(SetExtensions(twice...), MessageOptions{}, testNow)
	local(err)
	_, err = f.alice.Propose(ReInit(nil, X25519AES128, twice...), MessageOptions{}, testNow)
	local(err)
	_, err = f.aliceC.ProposeExternally([]byte("group"), 3, 0, SetExtensions(twice...))
	local(err)
	_, _, err = f.alice.Branch(nil, CommitOptions{Now: testNow}, twice)
	local(err)
	odd := *f.aliceC
	odd.Extensions = twice
	_, err = odd.Create(nil, testNow)
	local(err)
	_, err = odd.NewKeyPackage(testNow, testNow.Add(1e9))
	local(err)
	_, err = f.alice.ProposeUpdate(&odd, MessageOptions{})
	local(err)
	_, err = f.alice.Commit(CommitOptions{Client: &odd})
	local(err)
	if !bytes.Equal(before, state(t, f.alice)) {
		t.Error("a refused request changed the group")
	}
}

// TestMLS_V39_ownCertificateForOtherKeyRefused: a client whose certificate is for
// another key notices before its peers do.
func TestMLS_V39_ownCertificateForOtherKeyRefused(t *testing.T) {
	c := newClient(t, X25519AES128, "alice")
	c.Credential = Credential{Type: CredentialX509, Certificates: [][]byte{{0x30, 0}}}
	_, err := c.Create(nil, testNow)
	breaksLocally(t, err, rule.CertificateKey)
	_, err = c.NewKeyPackage(testNow, testNow.Add(1e9))
	breaksLocally(t, err, rule.CertificateKey)
}

// TestMLS_V05_ownMessagesKeepToTheLimit: a message that every peer refuses for its size
// is not made, and uses no key.
func TestMLS_V05_ownMessagesKeepToTheLimit(t *testing.T) {
	f := newFixture(t, nil)
	big := make([]byte, MaxMessage)
	before := state(t, f.alice)
	for _, public := range []bool{false, true} {
		o := MessageOptions{Data: big, Public: public}
		_, err := f.alice.Propose(Remove(1), o, testNow)
		breaksLocally(t, err, rule.TooLong)
		_, err = f.alice.ProposeUpdate(nil, o)
		breaksLocally(t, err, rule.TooLong)
		_, err = f.alice.Commit(CommitOptions{MessageOptions: o})
		breaksLocally(t, err, rule.TooLong)
	}
	_, err := f.aliceC.ProposeExternally([]byte("group"), 3, 0, PSK(big))
	breaksLocally(t, err, rule.TooLong)
	info, err := f.alice.GroupInfo(GroupInfoOptions{})
	must(t, err)
	_, _, err = f.dave.JoinExternally(info, ExternalOptions{JoinOptions: JoinOptions{Now: testNow}, Data: big})
	breaksLocally(t, err, rule.TooLong)
	if !bytes.Equal(before, state(t, f.alice)) {
		t.Error("a refused request changed the group")
	}
	// At the edge: what is around the data is of one size.
	fits := func(n int) ([]byte, error) {
		return f.aliceC.ProposeExternally([]byte("group"), 3, 0, PSK(big[:n]))
	}
	m, err := fits(MaxMessage - 1000)
	must(t, err)
	n := MaxMessage - 1000 + MaxMessage - len(m)
	m, err = fits(n)
	must(t, err)
	if len(m) != MaxMessage {
		t.Fatalf("%d bytes", len(m))
	}
	_, err = fits(n + 1)
	breaksLocally(t, err, rule.TooLong)
}

func TestMLS_V05_groupIDOfReinitBounded(t *testing.T) {
	f := newFixture(t, nil)
	_, err := f.alice.Propose(ReInit(make([]byte, MaxGroupID+1), X25519AES128), MessageOptions{}, testNow)
	breaksLocally(t, err, rule.TooLong)
	_, err = f.alice.Propose(ReInit(make([]byte, MaxGroupID), X25519AES128), MessageOptions{}, testNow)
	must(t, err)
}

// breaksLocally is breaks for what the caller did wrong.
func breaksLocally(t testing.TB, err error, id rule.ID) {
	t.Helper()
	breaks(t, err, id)
	if fault := err.(*Error).Fault; fault != Local {
		t.Fatalf("%v is the fault of the %s", err, fault)
	}
}

// TestProposal_zeroValueRefused, and that of a key package that could not be read.
func TestProposal_zeroValueRefused(t *testing.T) {
	f := newFixture(t, nil)
	var unread *KeyPackage
	for _, p := range []Proposal{{}, Add(unread)} {
		if _, err := f.alice.Commit(CommitOptions{Now: testNow}, p); err == nil {
			t.Error("committed")
		}
		if _, err := f.alice.Propose(p, MessageOptions{}, testNow); err == nil {
			t.Error("proposed")
		}
		if _, err := f.aliceC.ProposeExternally(nil, 0, 0, p); err == nil {
			t.Error("proposed from outside")
		}
	}
}

// TestGroup_wipedHasNoResumptionKey: a group that was reinitialised and wiped makes no successor
// that an empty key links to it.
func TestGroup_wipedHasNoResumptionKey(t *testing.T) {
	c := newClient(t, X25519AES128, "alice")
	g, err := c.Create(nil, testNow)
	must(t, err)
	pending, err := g.Commit(CommitOptions{}, ReInit(nil, X25519AES128))
	must(t, err)
	must(t, g.Merge(pending.StagedCommit))
	_, _, err = g.Reinitialise(c, CommitOptions{Now: testNow})
	must(t, err)
	g.Wipe()
	_, _, err = g.Reinitialise(c, CommitOptions{Now: testNow})
	breaksLocally(t, err, rule.PSKMissing)
}

// TestMLS_V98_updateToAnotherSuiteRefused: the suites share their signatures, and such a group
// could not be restored.
func TestMLS_V98_updateToAnotherSuiteRefused(t *testing.T) {
	f := newFixture(t, nil)
	other := newClient(t, X25519ChaCha20, "alice")
	_, err := f.alice.ProposeUpdate(other, MessageOptions{})
	breaksLocally(t, err, rule.SignerKey)
	_, err = f.alice.Commit(CommitOptions{Client: other})
	breaksLocally(t, err, rule.SignerKey)
}

// TestMLS_V05_preSharedKeysBounded: their number has two bytes in what each is mixed with.
func TestMLS_V05_preSharedKeysBounded(t *testing.T) {
	s, _, err := newClient(t, X25519AES128, "alice").impl()
	must(t, err)
	find := func(*wire.PSKID) ([]byte, bool) { return []byte{1}, true }
	ids := make([]*wire.PSKID, MaxPSKs+1)
	for i := range ids {
		ids[i] = &wire.PSKID{Type: wire.PSKExternal}
	}
	_, err = chainPSKs(s, ids[1:], find)
	must(t, err)
	_, err = chainPSKs(s, ids, find)
	breaks(t, err, rule.TooLong)
}
