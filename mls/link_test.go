package mls_test

import (
	"bytes"
	"errors"
	"testing"

	"kith/mls"
)

// three returns a group of three and their worlds.
func three(t *testing.T, s mls.Suite) *world {
	w := newWorld(t, s, 1)
	w.commit(w.peers[0], []*peer{w.newcomer(), w.newcomer()})
	return w
}

func TestGroup_branch(t *testing.T) {
	w := three(t, mls.X25519AES128)
	alice, bob := w.peers[0], w.peers[1]
	k := w.keyPackage(bob)
	g, c, err := alice.group.Branch(nil, mls.CommitOptions{Now: noon}, nil, k.KeyPackage)
	w.must(err)
	w.must(g.Merge(c.StagedCommit))
	joined, err := bob.client.Join(c.Welcome, k, mls.JoinOptions{Now: noon, From: bob.group})
	w.must(err)
	if !bytes.Equal(g.Authenticator(), joined.Authenticator()) || joined.Size() != 2 || joined.Epoch() != 1 || bytes.Equal(joined.ID(), bob.group.ID()) {
		t.Error("the branch is not one")
	}
	if _, err := bob.client.Join(c.Welcome, k, mls.JoinOptions{Now: noon}); !errors.Is(err, mls.ErrUnknownPSK) {
		t.Errorf("joined a branch without the old group: %v", err)
	}
	w.check() // the old group lives on
	w.commit(alice, nil)
}

func TestGroup_reinitialise(t *testing.T) {
	w := three(t, mls.X25519AES128)
	alice := w.peers[0]
	c, err := alice.group.Commit(mls.CommitOptions{}, mls.ReInit([]byte("next"), mls.P256AES128, mls.Extension{Type: 0xf0f0, Data: []byte("x")}))
	w.must(err)
	for _, p := range w.peers {
		staged := c.StagedCommit
		if p != alice {
			processed, err := p.group.Process(c.Message, noon)
			w.must(err)
			staged = processed.(*mls.StagedCommit)
		}
		if !staged.ReInit {
			t.Error("the commit does not say that the group ends")
		}
		w.must(p.group.Merge(staged))
		if id, s, ok := p.group.Successor(); !ok || string(id) != "next" || s != mls.P256AES128 || !p.group.Closed() {
			t.Fatal("the group does not know its successor")
		}
		if _, err := p.group.Seal([]byte("too late"), mls.MessageOptions{}); !errors.Is(err, mls.ErrClosed) {
			t.Errorf("sealed in a group that ended: %v", err)
		}
	}
	w.restore() // an ended group is stored and restored until its successor is there

	old := w.peers
	next := newWorld(t, mls.P256AES128, 2)
	next.peers = nil
	var packages []*mls.PrivateKeyPackage
	var public []*mls.KeyPackage
	for _, p := range old {
		n := next.newcomer()
		n.client.Credential = p.client.Credential
		next.peers = append(next.peers, n)
		packages = append(packages, next.keyPackage(n))
		public = append(public, packages[len(packages)-1].KeyPackage)
	}
	g, pending, err := old[0].group.Reinitialise(next.peers[0].client, mls.CommitOptions{Now: noon}, public[1:]...)
	w.must(err)
	w.must(g.Merge(pending.StagedCommit))
	next.peers[0].group = g
	for i := 1; i < len(old); i++ {
		next.peers[i].group, err = next.peers[i].client.Join(pending.Welcome, packages[i], mls.JoinOptions{Now: noon, From: old[i].group})
		w.must(err)
	}
	next.check()
	next.commit(next.peers[1], nil)
	next.check()
}

func TestGroup_externalProposals(t *testing.T) {
	w := three(t, mls.X25519AES128)
	alice := w.peers[0]
	bot := w.newcomer()
	e, err := mls.ExternalSenders(bot.client)
	w.must(err)
	w.commit(alice, nil, mls.SetExtensions(e))
	m, err := bot.client.ProposeExternally(alice.group.ID(), alice.group.Epoch(), 0, mls.Remove(w.peers[2].group.Leaf()))
	w.must(err)
	w.deliver(nil, m)
	n := w.newcomer()
	k := w.keyPackage(n)
	m, err = n.client.ProposeJoin(alice.group.ID(), alice.group.Epoch(), k)
	w.must(err)
	w.deliver(nil, m)
	waiting := alice.group.Waiting()
	if len(waiting) != 2 || waiting[0].Kind != "remove" || waiting[1].Kind != "add" || waiting[0].FromMember || string(waiting[1].Member.Credential.Identity) != n.name {
		t.Fatalf("%+v", waiting)
	}
	c, err := alice.group.Commit(mls.CommitOptions{Now: noon})
	w.must(err)
	if len(c.Added) != 1 || len(c.Removed) != 1 {
		t.Fatalf("%+v", c.StagedCommit)
	}
	w.deliver(alice, c.Message)
	w.must(alice.group.Merge(c.StagedCommit))
	n.group, err = n.client.Join(c.Welcome, k, mls.JoinOptions{Now: noon})
	w.must(err)
	w.peers = append(w.peers, n)
	w.check()
}
