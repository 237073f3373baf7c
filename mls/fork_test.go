package mls_test

import (
	"bytes"
	"errors"
	"testing"

	"kith/mls"
)

// TestFork_branchesGoOn: two commits of one epoch are both followed, and messages
// of all three epochs open, in whatever order.
func TestFork_branchesGoOn(t *testing.T) {
	w := three(t, mls.X25519AES128)
	alice, bob, carol := w.peers[0].group, w.peers[1].group, w.peers[2].group
	early, err := alice.Seal([]byte("in the epoch both branches share"), mls.MessageOptions{})
	w.must(err)
	one, err := alice.Commit(mls.CommitOptions{})
	w.must(err)
	two, err := bob.Commit(mls.CommitOptions{})
	w.must(err)
	fork := func(g *mls.Group, c *mls.PendingCommit, own bool) *mls.Group {
		staged := c.StagedCommit
		if !own {
			p, err := g.Process(c.Message, noon)
			w.must(err)
			staged = p.(*mls.StagedCommit)
		}
		next, err := g.Fork(staged)
		w.must(err)
		return next
	}
	a1, b1, c1 := fork(alice, one, true), fork(bob, one, false), fork(carol, one, false)
	a2, b2, c2 := fork(alice, two, false), fork(bob, two, true), fork(carol, two, false)
	if bytes.Equal(a1.Authenticator(), a2.Authenticator()) || a1.Epoch() != a2.Epoch() {
		t.Fatal("branches are one")
	}
	for _, branch := range [][]*mls.Group{{a1, b1, c1}, {a2, b2, c2}, {b2, a2, c2}, {c1, a1, b1}} {
		m, err := branch[0].Seal([]byte("hello"), mls.MessageOptions{})
		w.must(err)
		for _, g := range branch[1:] {
			_, err := g.Process(m, noon)
			w.must(err)
		}
	}
	if _, err := carol.Process(early, noon); err != nil {
		t.Errorf("a message of the shared epoch: %v", err)
	}
	// The same private commit again: its key is used up.
	if _, err := carol.Process(one.Message, noon); !errors.Is(err, mls.ErrDuplicate) {
		t.Errorf("a commit was opened twice: %v", err)
	}
	alice.Wipe()
	m, err := c1.Seal([]byte("after the old epoch is gone"), mls.MessageOptions{})
	w.must(err)
	if _, err := a1.Process(m, noon); err != nil {
		t.Error(err)
	}
	c, err := b1.Commit(mls.CommitOptions{})
	w.must(err)
	p, err := a1.Process(c.Message, noon)
	w.must(err)
	w.must(a1.Merge(p.(*mls.StagedCommit)))
}

// TestFork_statesShareTheirTree: an epoch stored against another is small, and
// needs it.
func TestFork_statesShareTheirTree(t *testing.T) {
	w := newWorld(t, mls.X25519AES128, 5)
	var many []*peer
	for range 60 {
		many = append(many, w.newcomer())
	}
	w.commit(w.peers[0], many)
	for _, p := range w.peers[:20] {
		w.commit(p, nil)
	}
	g := w.peers[0].group
	c, err := g.Commit(mls.CommitOptions{})
	w.must(err)
	next, err := g.Fork(c.StagedCommit)
	w.must(err)
	full, err := next.MarshalEpoch(nil)
	w.must(err)
	delta, err := next.MarshalEpoch(g)
	w.must(err)
	ratchets, err := next.MarshalRatchets()
	w.must(err)
	if len(delta)*4 > len(full) {
		t.Errorf("%d bytes against the last epoch, %d alone", len(delta), len(full))
	}
	client := w.peers[0].client
	restored, err := client.RestoreEpoch(delta, ratchets, g)
	w.must(err)
	if again, err := restored.MarshalEpoch(nil); err != nil || !bytes.Equal(again, full) {
		t.Errorf("another state (%v)", err)
	}
	if _, err := client.RestoreEpoch(delta, ratchets, nil); !errors.Is(err, mls.ErrState) {
		t.Errorf("restored without its base: %v", err)
	}
	if _, err := client.RestoreEpoch(delta, ratchets, next); !errors.Is(err, mls.ErrState) {
		t.Errorf("restored with another base: %v", err)
	}
	old, err := g.MarshalRatchets()
	w.must(err)
	if _, err := client.RestoreEpoch(full, old, nil); !errors.Is(err, mls.ErrState) {
		t.Errorf("ratchets of another epoch: %v", err)
	}
	for _, damaged := range [][]byte{full[:len(full)-1], append(bytes.Clone(full), 0), nil} {
		if _, err := client.RestoreEpoch(damaged, ratchets, nil); !errors.Is(err, mls.ErrState) {
			t.Errorf("damaged state: %v", err)
		}
	}
	if _, err := client.Restore(full); !errors.Is(err, mls.ErrState) {
		t.Errorf("half a state: %v", err)
	}
}

// TestFork_snapshotHasNoMessageKeys: an epoch restored without its ratchets follows
// public commits and exports, and uses no message key again.
func TestFork_snapshotHasNoMessageKeys(t *testing.T) {
	w := three(t, mls.X25519AES128)
	alice, bob := w.peers[0], w.peers[1]
	epoch, err := bob.group.MarshalEpoch(nil)
	w.must(err)
	m, err := alice.group.Seal([]byte("hello"), mls.MessageOptions{})
	w.must(err)
	_, err = bob.group.Process(m, noon)
	w.must(err)
	snapshot, err := bob.client.RestoreEpoch(epoch, nil, nil)
	w.must(err)
	if _, err := snapshot.Process(m, noon); !errors.Is(err, mls.ErrNoRatchets) {
		t.Errorf("a snapshot opens a message again: %v", err)
	}
	if _, err := snapshot.Seal(nil, mls.MessageOptions{}); !errors.Is(err, mls.ErrNoRatchets) {
		t.Errorf("a snapshot seals: %v", err)
	}
	if _, err := snapshot.Commit(mls.CommitOptions{}); !errors.Is(err, mls.ErrNoRatchets) {
		t.Errorf("a snapshot commits privately: %v", err)
	}
	c, err := alice.group.Commit(mls.CommitOptions{MessageOptions: mls.MessageOptions{Public: true}})
	w.must(err)
	p, err := snapshot.Process(c.Message, noon)
	w.must(err)
	next, err := snapshot.Fork(p.(*mls.StagedCommit))
	w.must(err)
	w.must(alice.group.Merge(c.StagedCommit))
	if !bytes.Equal(next.Authenticator(), alice.group.Authenticator()) {
		t.Error("another epoch")
	}
	if m, err = alice.group.Seal([]byte("hello"), mls.MessageOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := next.Process(m, noon); err != nil {
		t.Errorf("the epoch behind a snapshot has keys of its own: %v", err)
	}
	again, err := bob.client.RestoreEpoch(epoch, []byte{}, nil)
	if again != nil || !errors.Is(err, mls.ErrState) {
		t.Errorf("empty ratchets: %v", err)
	}
}

// TestGroup_rotateIdentity: a member changes its signing key and its credential,
// by its own commit and by an update that another commits.
func TestGroup_rotateIdentity(t *testing.T) {
	w := three(t, mls.X25519AES128)
	alice, bob := w.peers[0], w.peers[1]
	anybody := func(mls.Member, *mls.Member) error { return nil }
	fresh := w.newcomer()
	fresh.client.Authenticate = anybody
	c, err := alice.group.Commit(mls.CommitOptions{Client: fresh.client})
	w.must(err)
	if _, err := bob.group.Process(c.Message, noon); err == nil {
		t.Error("a member became another without anybody being asked")
	}
	for _, p := range w.peers {
		p.client.Authenticate = anybody
	}
	w.deliver(alice, c.Message)
	w.must(alice.group.Merge(c.StagedCommit))
	alice.client = fresh.client
	w.check()
	w.talk()
	fresh = w.newcomer()
	fresh.client.Authenticate = anybody
	m, err := alice.group.ProposeUpdate(fresh.client, mls.MessageOptions{})
	w.must(err)
	w.deliver(alice, m)
	c, err = bob.group.Commit(mls.CommitOptions{})
	w.must(err)
	w.deliver(bob, c.Message)
	w.must(bob.group.Merge(c.StagedCommit))
	alice.client = fresh.client
	if m, ok := bob.group.Member(alice.group.Leaf()); !ok || string(m.Credential.Identity) != fresh.name {
		t.Errorf("%+v", m)
	}
	w.check()
	w.talk()
}

// TestFork_groupsAreIndependent: forks may be used at once, though they share their
// tree; the race detector sees to it.
func TestFork_groupsAreIndependent(t *testing.T) {
	w := three(t, mls.X25519AES128)
	g := w.peers[0].group
	var forks []*mls.Group
	for range 8 {
		c, err := g.Commit(mls.CommitOptions{})
		w.must(err)
		next, err := g.Fork(c.StagedCommit)
		w.must(err)
		forks = append(forks, next)
	}
	g.Wipe()
	errs := make(chan error)
	for _, next := range forks {
		go func() {
			for range 3 {
				c, err := next.Commit(mls.CommitOptions{})
				if err == nil {
					err = next.Merge(c.StagedCommit)
				}
				if err == nil {
					_, err = next.Seal([]byte("hello"), mls.MessageOptions{})
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range forks {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestState_damageIsFoundOrCarried: a stored group with one byte changed is refused,
// or the change is still there when it is stored again.
func TestState_damageIsFoundOrCarried(t *testing.T) {
	w := three(t, mls.X25519AES128)
	p := w.peers[1]
	_, err := p.group.ProposeUpdate(nil, mls.MessageOptions{})
	w.must(err)
	state, err := p.group.MarshalBinary()
	w.must(err)
	refused := 0
	for i := range state {
		bad := bytes.Clone(state)
		bad[i] ^= 1 << (i % 8)
		g, err := p.client.Restore(bad)
		if err != nil {
			refused++
			continue
		}
		if again, err := g.MarshalBinary(); err != nil || !bytes.Equal(again, bad) {
			t.Fatalf("byte %d: the state changes when it is restored (%v)", i, err)
		}
		g.Waiting()
	}
	if refused < len(state)/3 { // the others are in secrets and in what is opaque
		t.Errorf("%d of %d changes are found", refused, len(state))
	}
}
