package tree

import (
	"iter"
	"math/bits"

	"kith/mls/internal/rule"
	"kith/mls/internal/suite"
	"kith/mls/internal/wire"
)

// Tree is a ratchet tree of one epoch: a full binary tree whose nodes may be
// blank. It is never changed and may be used concurrently.
type Tree struct {
	suite *suite.Suite
	root  *node
	depth int // levels above the leaves
}

// node is one node and all below it. Once its hash is set and its editor done,
// it is shared by trees and never changed.
type node struct {
	left, right *node            // nil for leaves
	leaf        *wire.LeafNode   // at level 0, nil if blank
	parent      *wire.ParentNode // above, nil if blank
	hash        []byte           // tree hash; nil while being edited
	members     uint32           // leaves below that are not blank
	owner       *token           // who may change it
}

func (n *node) key() []byte {
	switch {
	case n.leaf != nil:
		return n.leaf.EncryptionKey
	case n.parent != nil:
		return n.parent.EncryptionKey
	}
	return nil
}

// New returns a tree of one leaf.
func New(s *suite.Suite, leaf *wire.LeafNode) *Tree {
	t := &Tree{suite: s, root: &node{leaf: leaf, members: 1}}
	t.root.computeHash(s, 0, 0)
	return t
}

// Leaves returns how many leaves there are, blank ones included.
func (t *Tree) Leaves() uint32 { return 1 << t.depth }

// Depth returns how many levels are above the leaves.
func (t *Tree) Depth() int { return t.depth }

// Members returns how many leaves are not blank.
func (t *Tree) Members() int { return int(t.root.members) }

// Hash returns the tree hash of the root. The caller must not change it.
func (t *Tree) Hash() []byte { return t.root.hash }

// Leaf returns the leaf of this index, nil if it is blank or there is none.
func (t *Tree) Leaf(index uint32) *wire.LeafNode {
	if index >= t.Leaves() {
		return nil
	}
	return t.at(index, 0).leaf
}

// All yields the leaves that are not blank, from left to right.
func (t *Tree) All() iter.Seq2[uint32, *wire.LeafNode] {
	return func(yield func(uint32, *wire.LeafNode) bool) { t.root.leaves(0, t.depth, yield) }
}

func (n *node) leaves(first uint32, level int, yield func(uint32, *wire.LeafNode) bool) bool {
	if n.members == 0 {
		return true
	}
	if level == 0 {
		return yield(first, n.leaf)
	}
	return n.left.leaves(first, level-1, yield) && n.right.leaves(first+1<<(level-1), level-1, yield)
}

// at returns the node at a level over a leaf.
func (t *Tree) at(leaf uint32, level int) *node {
	n := t.root
	for k := t.depth; k > level; k-- {
		n = n.child(leaf, k)
	}
	return n
}

// child returns the child towards a leaf of a node at this level.
func (n *node) child(leaf uint32, level int) *node {
	if leaf>>(level-1)&1 == 0 {
		return n.left
	}
	return n.right
}

// sibling returns the other child.
func (n *node) sibling(leaf uint32, level int) *node { return n.child(leaf^1<<(level-1), level) }

// NodeHash returns the tree hash of a node by its number.
func (t *Tree) NodeHash(number uint32) []byte { return t.numbered(number).hash }

func (t *Tree) numbered(x uint32) *node { return t.at(x>>1, Level(x)) }

// Resolution returns the numbers of the nodes in the resolution of a node.
func (t *Tree) Resolution(number uint32) []uint32 {
	var out []uint32
	level := Level(number)
	first := number >> 1 >> level << level
	for _, e := range t.numbered(number).resolution(nil, first, level) {
		out = append(out, NodeNumber(e.leaf, e.level))
	}
	return out
}

// entry is one node of a resolution, named by its leftmost leaf and its level.
type entry struct {
	node  *node
	leaf  uint32
	level int
}

// resolution appends the resolution of n, which is over leaf first (section 4.1.1).
func (n *node) resolution(out []entry, first uint32, level int) []entry {
	switch {
	case n.members == 0:
		// an inner node over blank leaves only is blank, too, or the tree is invalid;
		// either way nobody holds a key there
	case level == 0:
		out = append(out, entry{n, first, 0})
	case n.parent != nil:
		out = append(out, entry{n, first, level})
		for _, i := range n.parent.UnmergedLeaves {
			out = append(out, entry{n.descend(i, level, 0), i, 0})
		}
	default:
		out = n.left.resolution(out, first, level-1)
		out = n.right.resolution(out, first+1<<(level-1), level-1)
	}
	return out
}

// descend returns the node at level to over a leaf, from a node at this level.
func (n *node) descend(leaf uint32, level, to int) *node {
	for ; level > to; level-- {
		n = n.child(leaf, level)
	}
	return n
}

func (n *node) computeHash(s *suite.Suite, first uint32, level int) {
	if n.hash != nil {
		return
	}
	b := make([]byte, 0, 256)
	if level == 0 {
		b = append(b, 1, byte(first>>24), byte(first>>16), byte(first>>8), byte(first))
		if n.leaf == nil {
			b = append(b, 0)
		} else {
			b = n.leaf.Append(append(b, 1))
		}
		n.hash = s.Hash(b)
		return
	}
	n.left.computeHash(s, first, level-1)
	n.right.computeHash(s, first+1<<(level-1), level-1)
	n.hash = s.Hash(parentHashInput(b, n.parent, n.left.hash, n.right.hash))
}

func parentHashInput(b []byte, p *wire.ParentNode, left, right []byte) []byte {
	b = append(b, 2)
	if p == nil {
		b = append(b, 0)
	} else {
		b = p.Append(append(b, 1))
	}
	return wire.AppendOpaque(wire.AppendOpaque(b, left), right)
}

// Parse builds the tree of a ratchet_tree extension (section 12.4.3.3). It checks
// the shape and nothing else; see Validate.
func Parse(s *suite.Suite, nodes wire.RatchetTree) (*Tree, error) {
	if len(nodes)%2 == 0 || len(nodes) > 2*MaxLeaves-1 {
		return nil, rule.Break(rule.TreeShape)
	}
	if last := nodes[len(nodes)-1]; last.Leaf == nil {
		return nil, rule.Breakf(rule.TreeShape, "blank at the end")
	}
	for i, n := range nodes {
		if i%2 == 0 && n.Parent != nil || i%2 == 1 && n.Leaf != nil {
			return nil, rule.Breakf(rule.TreeShape, "node %d", i)
		}
	}
	leaves := Capacity(uint32(len(nodes)+1) / 2)
	t := &Tree{suite: s, depth: bits.Len32(leaves - 1)}
	t.root = build(nodes, Root(leaves))
	t.root.computeHash(s, 0, t.depth)
	return t, nil
}

func build(nodes wire.RatchetTree, x uint32) *node {
	n := &node{}
	if x < uint32(len(nodes)) {
		n.leaf, n.parent = nodes[x].Leaf, nodes[x].Parent
	}
	if Level(x) == 0 {
		if n.leaf != nil {
			n.members = 1
		}
		return n
	}
	n.left, n.right = build(nodes, Left(x)), build(nodes, Right(x))
	n.members = n.left.members + n.right.members
	return n
}

// Nodes returns the tree as a ratchet_tree extension holds it: without the blank
// nodes behind the last leaf.
func (t *Tree) Nodes() wire.RatchetTree {
	out := make(wire.RatchetTree, Width(t.Leaves()))
	t.root.flatten(out, Root(t.Leaves()))
	for len(out) > 1 && out[len(out)-1] == (wire.Node{}) {
		out = out[:len(out)-1]
	}
	return out
}

func (n *node) flatten(out wire.RatchetTree, x uint32) {
	out[x] = wire.Node{Leaf: n.leaf, Parent: n.parent}
	if n.left != nil {
		n.left.flatten(out, Left(x))
		n.right.flatten(out, Right(x))
	}
}
