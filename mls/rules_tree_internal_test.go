package mls

import (
	"bytes"
	"testing"

	"kith/mls/internal/rule"
	"kith/mls/internal/wire"
)

// joinTree lets dave join with a ratchet tree that was changed, and the context's
// tree hash with it.
func (f *fixture) joinTree(change func(wire.RatchetTree) wire.RatchetTree) (*Group, error) {
	f.t.Helper()
	out := forge{list: []*wire.Proposal{addOf(f.daveKey.kp)}, nodes: change}.commit(f.t, f.alice)
	return f.dave.Join(out.welcome, f.daveKey, JoinOptions{Now: testNow})
}

// joinTreeNoPath is joinTree with a commit that leaves the inner nodes alone.
func (f *fixture) joinTreeNoPath(change func(wire.RatchetTree) wire.RatchetTree) (*Group, error) {
	f.t.Helper()
	out := forge{list: []*wire.Proposal{addOf(f.daveKey.kp)}, noPath: true, nodes: change}.commit(f.t, f.alice)
	return f.dave.Join(out.welcome, f.daveKey, JoinOptions{Now: testNow})
}

// resign returns the leaf of a place as changed and signed by a member.
func (f *fixture) resign(g *Group, index uint32, change func(l *wire.LeafNode)) *wire.LeafNode {
	f.t.Helper()
	l := *f.alice.tree.Leaf(index)
	change(&l)
	must(f.t, signLeaf(g.suite, g.signer, &l, g.context.GroupID, index))
	return &l
}

func changedParent(n wire.Node, change func(p *wire.ParentNode)) wire.Node {
	p := *n.Parent
	change(&p)
	return wire.Node{Parent: &p}
}

func TestMLS_V43_treeOfNoShapeRefused(t *testing.T) {
	f := newFixture(t, nil)
	for name, change := range map[string]func(wire.RatchetTree) wire.RatchetTree{
		"empty":         func(n wire.RatchetTree) wire.RatchetTree { return nil },
		"even":          func(n wire.RatchetTree) wire.RatchetTree { return n[:len(n)-1] },
		"blank behind":  func(n wire.RatchetTree) wire.RatchetTree { return append(n, wire.Node{}, wire.Node{}) },
		"leaf inside":   func(n wire.RatchetTree) wire.RatchetTree { n[1] = n[0]; return n },
		"parent at end": func(n wire.RatchetTree) wire.RatchetTree { n[0] = n[1]; return n },
	} {
		t.Log(name)
		_, err := f.joinTree(change)
		breaks(t, err, rule.TreeShape)
	}
	if _, err := f.joinTree(nil); err != nil {
		t.Fatal(err)
	}
}

func TestMLS_V44_otherTreeHashRefused(t *testing.T) {
	f := newFixture(t, nil)
	o := forge{list: []*wire.Proposal{addOf(f.daveKey.kp)}, keep: true, nodes: func(n wire.RatchetTree) wire.RatchetTree {
		n[1] = wire.Node{}
		return n
	}}
	_, err := f.dave.Join(o.commit(t, f.alice).welcome, f.daveKey, JoinOptions{Now: testNow})
	breaks(t, err, rule.TreeHash)
}

func TestMLS_V45_parentHashRefused(t *testing.T) {
	f := newFixture(t, nil)
	fresh, err := f.alice.suite.GenerateKey()
	must(t, err)
	for name, change := range map[string]func(wire.RatchetTree) wire.RatchetTree{
		"another key": func(n wire.RatchetTree) wire.RatchetTree {
			n[1] = changedParent(n[1], func(p *wire.ParentNode) { p.EncryptionKey = fresh.Public() })
			return n
		},
		"another root": func(n wire.RatchetTree) wire.RatchetTree {
			n[3] = changedParent(n[3], func(p *wire.ParentNode) { p.EncryptionKey = fresh.Public() })
			return n
		},
		"a node that nobody set": func(n wire.RatchetTree) wire.RatchetTree {
			n[5] = wire.Node{Parent: &wire.ParentNode{EncryptionKey: fresh.Public()}}
			return n
		},
		"another sibling": func(n wire.RatchetTree) wire.RatchetTree {
			n[4] = wire.Node{Leaf: f.resign(f.carol, 2, func(l *wire.LeafNode) { l.Credential.Identity = []byte("carla") })}
			return n
		},
		"a parent hash of its own": func(n wire.RatchetTree) wire.RatchetTree {
			n[1] = changedParent(n[1], func(p *wire.ParentNode) { p.ParentHash = bytes.Repeat([]byte{1}, 32) })
			return n
		},
	} {
		t.Log(name)
		_, err := f.joinTree(change)
		breaks(t, err, rule.ParentHash)
	}
}

func TestMLS_V46_unmergedLeavesRefused(t *testing.T) {
	f := newFixture(t, nil)
	for name, list := range map[string][]uint32{
		"not below": {2}, "blank": {3, 7}, "twice": {0, 0}, "not sorted": {1, 0}, "far": {1 << 31},
	} {
		t.Log(name)
		_, err := f.joinTree(func(n wire.RatchetTree) wire.RatchetTree {
			n[1] = changedParent(n[1], func(p *wire.ParentNode) { p.UnmergedLeaves = list })
			return n
		})
		breaks(t, err, rule.UnmergedLeaf)
	}
}

func TestMLS_V47_unmergedLeafMissingBetweenRefused(t *testing.T) {
	f := newFixture(t, nil)
	_, err := f.joinTree(func(n wire.RatchetTree) wire.RatchetTree {
		n[3] = changedParent(n[3], func(p *wire.ParentNode) { p.UnmergedLeaves = []uint32{1} })
		return n
	})
	breaks(t, err, rule.UnmergedPath)
	if _, err := f.joinTreeNoPath(nil); err != nil { // dave is unmerged at 3 and 5, properly
		t.Fatal(err)
	}
}

func TestMLS_V48_parentKeyTwiceRefused(t *testing.T) {
	f := newFixture(t, nil)
	for _, other := range []int{0, 4, 3} {
		_, err := f.joinTree(func(n wire.RatchetTree) wire.RatchetTree {
			key := n[3].Parent.EncryptionKey
			if n[other].Leaf != nil {
				key = n[other].Leaf.EncryptionKey
			}
			n[1] = changedParent(n[1], func(p *wire.ParentNode) { p.EncryptionKey = key })
			return n
		})
		breaks(t, err, rule.ParentKeyTwice)
	}
}

// Leaves of a tree are checked as those of messages are.
func TestMLS_V25_leavesOfTheTreeAreChecked(t *testing.T) {
	f := newFixture(t, nil)
	leaf := func(change func(l *wire.LeafNode)) func(n wire.RatchetTree) wire.RatchetTree {
		return func(n wire.RatchetTree) wire.RatchetTree {
			l := *n[4].Leaf
			change(&l)
			n[4] = wire.Node{Leaf: &l}
			n[3], n[1], n[5] = wire.Node{}, wire.Node{}, wire.Node{}
			return n
		}
	}
	_, err := f.joinTree(leaf(func(l *wire.LeafNode) { l.Credential.Identity = []byte("carla") }))
	breaks(t, err, rule.LeafSignature)
	for id, change := range map[rule.ID]func(l *wire.LeafNode){
		rule.LeafVersion:        func(l *wire.LeafNode) { l.Capabilities.Versions = nil },
		rule.LeafCredentialType: func(l *wire.LeafNode) { l.Capabilities.Credentials = nil },
		rule.LeafExtension:      func(l *wire.LeafNode) { l.Extensions = []wire.Extension{{Type: privateExt}} },
		rule.KeyForm:            func(l *wire.LeafNode) { l.EncryptionKey = make([]byte, 32) },
		rule.LifetimeLength:     func(l *wire.LeafNode) { l.Source, l.NotAfter = wire.SourceKeyPackage, 1<<63 },
		rule.LifetimeNow:        func(l *wire.LeafNode) { l.Source, l.NotAfter = wire.SourceKeyPackage, 1 },
		rule.CredentialSupport: func(l *wire.LeafNode) {
			l.Credential.Type, l.Capabilities.Credentials = 0xf001, []uint16{1, 0xf001}
		},
	} {
		_, err := f.joinTree(leaf(func(l *wire.LeafNode) {
			change(l)
			must(t, signLeaf(f.carol.suite, f.carol.signer, l, f.carol.context.GroupID, 2))
		}))
		breaks(t, err, id)
	}
}
