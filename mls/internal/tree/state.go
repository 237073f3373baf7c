package tree

import (
	"bytes"

	"kith/mls/internal/suite"
	"kith/mls/internal/wire"
)

// How a subtree is stored: as the base's at the same place, or by its node.
const (
	storedBlank uint8 = iota // node is blank, children follow
	storedNode               // node follows, then children
	storedBase               // all as in the base
)

// AppendState encodes t behind b for storage. What it shares with base, which may
// be nil, is not encoded: the same base is needed to read it.
func (t *Tree) AppendState(b []byte, base *Tree) []byte {
	b = append(b, byte(t.depth))
	var root *node
	if base != nil && base.depth == t.depth {
		root = base.root
	}
	return t.root.appendState(b, root)
}

func (n *node) appendState(b []byte, base *node) []byte {
	if base != nil && bytes.Equal(n.hash, base.hash) {
		return append(b, storedBase)
	}
	switch {
	case n.leaf != nil:
		b = n.leaf.Append(append(b, storedNode))
	case n.parent != nil:
		b = n.parent.Append(append(b, storedNode))
	default:
		b = append(b, storedBlank)
	}
	if n.left == nil {
		return b
	}
	if base == nil {
		return n.right.appendState(n.left.appendState(b, nil), nil)
	}
	return n.right.appendState(n.left.appendState(b, base.left), base.right)
}

// ReadState reads what AppendState wrote. It shares memory with the input and the
// base. Any well-formed tree is accepted: the caller compares the tree hash.
func ReadState(s *suite.Suite, r *wire.Reader, base *Tree) *Tree {
	t := &Tree{suite: s, depth: int(r.Uint8())}
	if t.depth > maxDepth {
		r.Fail("depth of the tree")
	}
	if r.Err() != nil {
		return nil
	}
	var root *node
	if base != nil && base.depth == t.depth && base.suite == s {
		root = base.root
	}
	if t.root = readState(r, t.depth, root); r.Err() != nil {
		return nil
	}
	t.root.computeHash(s, 0, t.depth)
	return t
}

func readState(r *wire.Reader, level int, base *node) *node {
	n := &node{}
	switch r.Uint8() {
	case storedBase:
		if base == nil {
			r.Fail("tree without its base")
			return nil
		}
		return base
	case storedNode:
		if level == 0 {
			n.leaf, n.members = r.LeafNode(), 1
		} else {
			n.parent = r.ParentNode()
		}
	case storedBlank:
	default:
		r.Fail("node")
	}
	if level == 0 || r.Err() != nil {
		return n
	}
	var left, right *node
	if base != nil {
		left, right = base.left, base.right
	}
	if n.left = readState(r, level-1, left); r.Err() != nil {
		return nil
	}
	if n.right = readState(r, level-1, right); r.Err() != nil {
		return nil
	}
	n.members = n.left.members + n.right.members
	return n
}
