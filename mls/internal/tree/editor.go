package tree

import (
	"slices"

	"kith/mls/internal/rule"
	"kith/mls/internal/wire"
)

// Editor makes a new tree from an old one by the operations of section 12.1. It
// copies the nodes on a path it changes, each at most once.
type Editor struct {
	tree  Tree
	token *token
}

// token marks the nodes an Editor made. Nodes keep it, so it holds nothing.
type token struct{ _ byte }

// Edit returns an Editor that begins with t.
func (t *Tree) Edit() *Editor { return &Editor{*t, new(token)} }

// own returns a node that may be changed in place of n, hash forgotten.
func (e *Editor) own(n *node) *node {
	if n.owner != e.token {
		c := *n
		c.owner = e.token
		if n.parent != nil {
			p := *n.parent
			p.UnmergedLeaves = slices.Clone(p.UnmergedLeaves)
			c.parent = &p
		}
		n = &c
	}
	n.hash = nil
	return n
}

// path owns the nodes from the root to a leaf and calls visit for those above
// the leaf, root first. It returns the leaf's node.
func (e *Editor) path(leaf uint32, visit func(n *node)) *node {
	e.tree.root = e.own(e.tree.root)
	n := e.tree.root
	for k := e.tree.depth; k > 0; k-- {
		visit(n)
		if leaf>>(k-1)&1 == 0 {
			n.left = e.own(n.left)
			n = n.left
		} else {
			n.right = e.own(n.right)
			n = n.right
		}
	}
	return n
}

// Add puts a leaf at the leftmost blank place (section 12.1.1) and returns its
// index.
func (e *Editor) Add(leaf *wire.LeafNode) (uint32, error) {
	index, err := e.Blank()
	if err != nil {
		return 0, err
	}
	e.path(index, func(n *node) {
		n.members++
		if n.parent != nil {
			i, _ := slices.BinarySearch(n.parent.UnmergedLeaves, index)
			n.parent.UnmergedLeaves = slices.Insert(n.parent.UnmergedLeaves, i, index)
		}
	}).put(leaf)
	return index, nil
}

func (n *node) put(leaf *wire.LeafNode) {
	n.leaf = leaf
	n.members = 1
}

// Blank returns the index of the leftmost blank leaf, after making room for one
// if there is none.
func (e *Editor) Blank() (uint32, error) {
	if e.tree.root.members == e.tree.Leaves() {
		if e.tree.Leaves() == MaxLeaves {
			return 0, rule.Breakf(rule.TooLong, "no room for another leaf")
		}
		old := e.tree.root
		e.tree.depth++
		e.tree.root = &node{left: old, right: blank(e.tree.depth - 1), members: old.members, owner: e.token}
	}
	n, index := e.tree.root, uint32(0)
	for k := e.tree.depth; k > 0; k-- {
		if n.left.members == 1<<(k-1) {
			index |= 1 << (k - 1)
			n = n.right
		} else {
			n = n.left
		}
	}
	return index, nil
}

func blank(level int) *node {
	if level == 0 {
		return &node{}
	}
	return &node{left: blank(level - 1), right: blank(level - 1)}
}

// Update replaces a leaf and blanks the nodes above it (section 12.1.2).
func (e *Editor) Update(index uint32, leaf *wire.LeafNode) {
	e.path(index, func(n *node) { n.parent = nil }).put(leaf)
}

// Remove blanks a leaf that is not blank and the nodes above it (section 12.1.3).
// Truncation is left to Truncate.
func (e *Editor) Remove(index uint32) {
	n := e.path(index, func(n *node) { n.parent = nil; n.members-- })
	n.leaf, n.members = nil, 0
}

// Truncate drops right halves that are all blank (section 7.7).
func (e *Editor) Truncate() {
	for e.tree.depth > 0 && e.tree.root.right.members == 0 {
		e.tree.root = e.tree.root.left
		e.tree.depth--
	}
}

// setLeaf replaces a leaf and nothing above it; the place may be blank.
func (e *Editor) setLeaf(index uint32, leaf *wire.LeafNode) {
	if e.tree.at(index, 0).leaf == nil {
		e.path(index, func(n *node) { n.members++ }).put(leaf)
		return
	}
	e.path(index, func(*node) {}).put(leaf)
}

// Done returns the tree as it is now, hashes computed. The Editor must not be
// used afterwards.
func (e *Editor) Done() *Tree {
	t := e.tree
	t.root.computeHash(t.suite, 0, t.depth)
	return &t
}
