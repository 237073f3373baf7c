package mls

import (
	"bytes"
	"testing"
)

// TestCommit_takesOfWaitingProposalsWhatFits: proposals that exclude each other, or
// that cannot be committed any more, do not keep a member from committing.
func TestCommit_takesOfWaitingProposalsWhatFits(t *testing.T) {
	f := newFixture(t, nil)
	wait := func(p Proposal) {
		m, err := f.alice.Propose(p, MessageOptions{}, testNow)
		must(t, err)
		for _, g := range []*Group{f.bob, f.carol} {
			f.takes(g, m)
		}
	}
	wait(Add(f.daveKey.KeyPackage))
	wait(Add(newPackage(t, f.dave).KeyPackage))   // the same client again
	wait(Add(newPackage(t, f.carolC).KeyPackage)) // a member
	wait(PSK([]byte("nobody has it")))
	wait(SetExtensions())
	wait(SetExtensions(Extension{Type: privateExt})) // and nobody supports it
	wait(ReInit(nil, X25519AES128))
	m, err := f.alice.ProposeUpdate(nil, MessageOptions{})
	must(t, err)
	f.takes(f.bob, m)
	f.takes(f.carol, m)
	own, err := f.bob.ProposeUpdate(nil, MessageOptions{})
	must(t, err)
	f.takes(f.alice, own)
	f.takes(f.carol, own)

	c, err := f.bob.Commit(CommitOptions{Now: testNow})
	must(t, err)
	if len(c.Added) != 1 || len(c.Removed) != 0 || len(c.Updated) != 2 || c.ReInit || c.NewExtensions {
		t.Errorf("%+v", c.StagedCommit)
	}
	for _, g := range []*Group{f.alice, f.carol} {
		p, err := g.Process(c.Message, testNow)
		must(t, err)
		if !bytes.Equal(p.(*StagedCommit).Authenticator(), c.Authenticator()) {
			t.Error("another epoch")
		}
	}
	dave, err := f.dave.Join(c.Welcome, f.daveKey, JoinOptions{Now: testNow})
	must(t, err)
	if dave.Size() != 4 {
		t.Errorf("%d members", dave.Size())
	}
	// A remove of alice, inline, goes before her update.
	c, err = f.bob.Commit(CommitOptions{Now: testNow}, Remove(f.alice.Leaf()))
	must(t, err)
	if len(c.Removed) != 1 || len(c.Updated) != 1 {
		t.Errorf("%+v", c.StagedCommit)
	}
	p, err := f.alice.Process(c.Message, testNow)
	must(t, err)
	if !p.(*StagedCommit).SelfRemoved {
		t.Error("alice does not notice")
	}
	c, err = f.bob.Commit(CommitOptions{OmitQueued: true})
	must(t, err)
	if len(c.Added)+len(c.Removed) != 0 || len(c.Updated) != 1 {
		t.Errorf("%+v", c.StagedCommit)
	}
}

// TestCommit_reinitAloneIsTaken.
func TestCommit_reinitAloneIsTaken(t *testing.T) {
	f := newFixture(t, nil)
	m, err := f.alice.Propose(ReInit(nil, P256AES128), MessageOptions{Public: true}, testNow)
	must(t, err)
	f.takes(f.bob, m)
	c, err := f.bob.Commit(CommitOptions{OmitPath: true})
	must(t, err)
	if !c.ReInit {
		t.Error("the reinit that waits is left out")
	}
	f.takes(f.alice, c.Message)
}

// TestCommit_messagesKeepTheirLimits: past epochs and message keys that are kept.
func TestCommit_messagesKeepTheirLimits(t *testing.T) {
	c := newClient(t, X25519AES128, "alice")
	g, err := c.Create(nil, testNow)
	must(t, err)
	for range MaxPastEpochs + 3 {
		p, err := g.Commit(CommitOptions{})
		must(t, err)
		must(t, g.Merge(p.StagedCommit))
	}
	if len(g.past) != MaxPastEpochs || g.past[0].epoch != 3 {
		t.Errorf("%d past epochs from %d", len(g.past), g.past[0].epoch)
	}
	if _, err := g.Commit(CommitOptions{}, ResumptionPSK(g.ID(), 3)); err != nil {
		t.Error(err)
	}
	if _, err := g.Commit(CommitOptions{}, ResumptionPSK(g.ID(), 2)); err == nil {
		t.Error("a forgotten epoch's key is found")
	}
}
