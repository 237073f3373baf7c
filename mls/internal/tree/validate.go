package tree

import (
	"bytes"
	"slices"

	"kith/mls/internal/rule"
	"kith/mls/internal/suite"
	"kith/mls/internal/wire"
)

// hashOfParent returns the parent hash of p with the tree hash its copath child had
// when p was set (section 7.9).
func hashOfParent(s *suite.Suite, p *wire.ParentNode, sibling []byte) []byte {
	b := wire.AppendOpaque(make([]byte, 0, 160), p.EncryptionKey)
	b = wire.AppendOpaque(b, p.ParentHash)
	return s.Hash(wire.AppendOpaque(b, sibling))
}

// below returns the part of a sorted list of leaves that is under the node over
// leaf first at a level.
func below(sorted []uint32, first uint32, level int) []uint32 {
	from, _ := slices.BinarySearch(sorted, first)
	to, _ := slices.BinarySearch(sorted, first+1<<level)
	return sorted[from:to]
}

// among reports whether a sorted list has a leaf.
func among(sorted []uint32, leaf uint32) bool {
	_, ok := slices.BinarySearch(sorted, leaf)
	return ok
}

// hashWithout returns the tree hash n would have without some of its leaves.
func (n *node) hashWithout(s *suite.Suite, first uint32, level int, gone []uint32) []byte {
	if len(gone) == 0 {
		return n.hash
	}
	if level == 0 {
		blank := &node{}
		blank.computeHash(s, first, 0)
		return blank.hash
	}
	parent := n.parent
	if parent != nil {
		p := *parent
		p.UnmergedLeaves = slices.DeleteFunc(slices.Clone(p.UnmergedLeaves), func(i uint32) bool { return among(gone, i) })
		parent = &p
	}
	half := first + 1<<(level-1)
	left := n.left.hashWithout(s, first, level-1, below(gone, first, level-1))
	right := n.right.hashWithout(s, half, level-1, below(gone, half, level-1))
	return s.Hash(parentHashInput(nil, parent, left, right))
}

// Validate checks what a newcomer must check of the inner nodes of a tree
// (section 12.4.3.1): unmerged leaves, keys, parent hashes. Leaf nodes are checked
// elsewhere, but for their keys being unique.
func (t *Tree) Validate() error {
	if err := t.root.checkUnmerged(0, t.depth); err != nil {
		return err
	}
	if err := t.checkKeys(); err != nil {
		return err
	}
	return t.root.checkParentHashes(t.suite, 0, t.depth)
}

func (n *node) checkUnmerged(first uint32, level int) error {
	if level == 0 {
		return nil
	}
	if n.parent != nil {
		list := n.parent.UnmergedLeaves
		for i, leaf := range list {
			if i > 0 && list[i-1] >= leaf || leaf < first || leaf >= first+1<<level || n.descend(leaf, level, 0).leaf == nil {
				return rule.Break(rule.UnmergedLeaf)
			}
			for c, k := n.child(leaf, level), level-1; k > 0; c, k = c.child(leaf, k), k-1 {
				if c.parent == nil {
					continue
				}
				if !among(c.parent.UnmergedLeaves, leaf) {
					return rule.Break(rule.UnmergedPath)
				}
			}
		}
	}
	if err := n.left.checkUnmerged(first, level-1); err != nil {
		return err
	}
	return n.right.checkUnmerged(first+1<<(level-1), level-1)
}

// checkKeys checks that no key is twice in the tree, and the form of inner keys.
func (t *Tree) checkKeys() (err error) {
	keys := make(map[string]bool, 2*t.Members()) // whether it is a parent's
	signers := make(map[string]bool, t.Members())
	t.root.each(func(n *node) bool {
		key := string(n.key())
		parents, twice := keys[key]
		keys[key] = n.parent != nil
		switch {
		case twice && (n.parent != nil || parents):
			err = rule.Break(rule.ParentKeyTwice)
		case n.parent != nil && !t.suite.CheckPublicKey(n.parent.EncryptionKey):
			err = rule.Breakf(rule.KeyForm, "parent node")
		case n.leaf != nil && twice:
			err = rule.Break(rule.EncryptionKeyTwice)
		case n.leaf != nil && signers[string(n.leaf.SignatureKey)]:
			err = rule.Break(rule.SignatureKeyTwice)
		}
		if n.leaf != nil {
			signers[string(n.leaf.SignatureKey)] = true
		}
		return err == nil
	})
	return err
}

// each visits the nodes that are not blank, leaves before what is above them,
// until visit returns false.
func (n *node) each(visit func(*node) bool) bool {
	if n.members == 0 && n.parent == nil {
		return true
	}
	if n.left != nil && !(n.left.each(visit) && n.right.each(visit)) {
		return false
	}
	if n.leaf == nil && n.parent == nil {
		return true
	}
	return visit(n)
}

func (n *node) checkParentHashes(s *suite.Suite, first uint32, level int) error {
	if level == 0 {
		return nil
	}
	half := first + 1<<(level-1)
	if n.parent != nil {
		left := n.linked(s, n.left, first, n.right, half, level-1)
		right := n.linked(s, n.right, half, n.left, first, level-1)
		if left == right {
			return rule.Break(rule.ParentHash)
		}
	}
	if err := n.left.checkParentHashes(s, first, level-1); err != nil {
		return err
	}
	return n.right.checkParentHashes(s, half, level-1)
}

// linked reports whether a node in the resolution of child was set together with
// n: its parent hash is n's, and all else in the resolution came later.
func (n *node) linked(s *suite.Suite, child *node, first uint32, sibling *node, siblingFirst uint32, level int) bool {
	later := below(n.parent.UnmergedLeaves, first, level)
	var candidate *node
	for _, e := range child.resolution(nil, first, level) {
		if e.level == 0 && among(later, e.leaf) {
			continue
		}
		if candidate != nil {
			return false
		}
		candidate = e.node
	}
	if candidate == nil {
		return false
	}
	var claimed []byte
	switch {
	case candidate.parent != nil:
		claimed = candidate.parent.ParentHash
	case candidate.leaf.Source == wire.SourceCommit:
		claimed = candidate.leaf.ParentHash
	default:
		return false
	}
	original := sibling.hashWithout(s, siblingFirst, level, below(n.parent.UnmergedLeaves, siblingFirst, level))
	return bytes.Equal(claimed, hashOfParent(s, n.parent, original))
}

// CheckNew checks the keys that a commit brings. t is the tree after the commit's
// proposals and before its path: changed lists leaves that proposals set, whose
// keys must be in t once; a path's keys must not be in t, and its leaf's
// signature key only at that leaf.
func (t *Tree) CheckNew(changed []uint32, path *wire.UpdatePath, committer uint32) error {
	keys, signers := map[string]int{}, map[string]int{}
	for _, i := range changed {
		l := t.Leaf(i)
		keys[string(l.EncryptionKey)], signers[string(l.SignatureKey)] = 0, 0
	}
	if path != nil {
		own := [][]byte{path.Leaf.EncryptionKey}
		for _, n := range path.Nodes {
			own = append(own, n.EncryptionKey)
		}
		for _, key := range own {
			if keys[string(key)] == 1 {
				return rule.Break(rule.PathKeyTwice)
			}
			keys[string(key)] = 1
		}
		if current := t.Leaf(committer); current == nil || !bytes.Equal(current.SignatureKey, path.Leaf.SignatureKey) {
			if _, ok := signers[string(path.Leaf.SignatureKey)]; ok {
				return rule.Break(rule.SignatureKeyTwice)
			}
			signers[string(path.Leaf.SignatureKey)] = 1
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return t.countKeys(keys, signers, path)
}

// countKeys finds keys that are in the tree more often than once, counting from
// what the maps begin with.
func (t *Tree) countKeys(keys, signers map[string]int, path *wire.UpdatePath) (err error) {
	t.root.each(func(n *node) bool {
		if count, ok := keys[string(n.key())]; ok {
			if count > 0 {
				err = rule.Break(rule.EncryptionKeyTwice)
				if path != nil && inPath(path, n.key()) {
					err = rule.Break(rule.PathKeyTwice)
				}
				return false
			}
			keys[string(n.key())] = count + 1
		}
		if n.leaf == nil {
			return true
		}
		if count, ok := signers[string(n.leaf.SignatureKey)]; ok {
			if count > 0 {
				err = rule.Break(rule.SignatureKeyTwice)
				return false
			}
			signers[string(n.leaf.SignatureKey)] = count + 1
		}
		return true
	})
	return err
}

func inPath(path *wire.UpdatePath, key []byte) bool {
	return bytes.Equal(path.Leaf.EncryptionKey, key) ||
		slices.ContainsFunc(path.Nodes, func(n wire.UpdatePathNode) bool { return bytes.Equal(n.EncryptionKey, key) })
}
