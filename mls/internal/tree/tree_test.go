package tree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"kith/mls/internal/rule"
	"kith/mls/internal/suite"
	"kith/mls/internal/wire"
)

func leafOf(i uint32) *wire.LeafNode {
	key := make([]byte, 32)
	binary.BigEndian.PutUint32(key, i+1)
	return &wire.LeafNode{EncryptionKey: key, SignatureKey: key, Source: wire.SourceUpdate}
}

// grown returns a tree of n leaves.
func grown(t *testing.T, n uint32) *Tree {
	t.Helper()
	s, _ := suite.ByID(1)
	e := New(s, leafOf(0)).Edit()
	for i := uint32(1); i < n; i++ {
		if at, err := e.Add(leafOf(i)); err != nil || at != i {
			t.Fatalf("leaf %d is added at %d: %v", i, at, err)
		}
	}
	return e.Done()
}

func TestTree_editsLeaveTheOldTreeAlone(t *testing.T) {
	old := grown(t, 13)
	encoded, hash := wire.Marshal(old.Nodes()), bytes.Clone(old.Hash())
	e := old.Edit()
	e.Remove(4)
	e.Update(7, leafOf(99))
	e.Remove(12)
	e.Truncate()
	if at, err := e.Add(leafOf(50)); err != nil || at != 4 {
		t.Fatalf("added at %d: %v", at, err)
	}
	next := e.Done()
	if !bytes.Equal(encoded, wire.Marshal(old.Nodes())) || !bytes.Equal(hash, old.Hash()) {
		t.Error("the old tree has changed")
	}
	again, err := Parse(old.suite, next.Nodes())
	if err != nil || !bytes.Equal(again.Hash(), next.Hash()) || again.Members() != next.Members() {
		t.Errorf("cached hashes are not those of the tree: %v", err)
	}
}

// TestTree_editsTouchFewNodes: one change copies a path and shares the rest.
func TestTree_editsTouchFewNodes(t *testing.T) {
	old := grown(t, 1000)
	e := old.Edit()
	e.Update(500, leafOf(5000))
	next := e.Done()
	known := map[*node]bool{}
	var walk func(n *node, visit func(*node))
	walk = func(n *node, visit func(*node)) {
		visit(n)
		if n.left != nil {
			walk(n.left, visit)
			walk(n.right, visit)
		}
	}
	walk(old.root, func(n *node) { known[n] = true })
	fresh := 0
	walk(next.root, func(n *node) {
		if !known[n] {
			fresh++
		}
	})
	if fresh != next.Depth()+1 {
		t.Errorf("%d new nodes for a path of %d", fresh, next.Depth()+1)
	}
}

func TestTree_leavesAreBounded(t *testing.T) {
	s, _ := suite.ByID(1)
	e := New(s, leafOf(0)).Edit()
	for i := uint32(1); i < MaxLeaves; i++ {
		if _, err := e.Add(leafOf(i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Add(leafOf(MaxLeaves)); !errors.Is(err, &rule.Error{Rule: rule.TooLong}) {
		t.Errorf("leaf %d: %v", MaxLeaves, err)
	}
	nodes := e.Done().Nodes()
	if _, err := Parse(s, nodes); err != nil {
		t.Error(err)
	}
	if _, err := Parse(s, append(nodes, wire.Node{}, wire.Node{Leaf: leafOf(MaxLeaves)})); !errors.Is(err, &rule.Error{Rule: rule.TreeShape}) {
		t.Errorf("a tree beyond the limit: %v", err)
	}
}

func TestTree_numbers(t *testing.T) {
	for leaf := range uint32(64) {
		for level := range 6 {
			x := NodeNumber(leaf, level)
			if Level(x) != level || level > 0 && NodeNumber(leaf, level-1) != Left(x) && NodeNumber(leaf, level-1) != Right(x) {
				t.Errorf("node of level %d over leaf %d is %d", level, leaf, x)
			}
		}
	}
	if CommonLevel(5, 5) != 0 || CommonLevel(4, 5) != 1 || CommonLevel(3, 4) != 3 || Capacity(0) != 1 || Capacity(5) != 8 || Capacity(8) != 8 || Width(0) != 0 {
		t.Error("arithmetic")
	}
}

// TestTree_storedStateIsChecked: what is stored is read with its base, and nothing
// else is read.
func TestTree_storedStateIsChecked(t *testing.T) {
	base := grown(t, 20)
	e := base.Edit()
	e.Update(3, leafOf(300))
	next := e.Done()
	read := func(b []byte, base *Tree) (*Tree, error) {
		r := wire.NewReader(b)
		got := ReadState(next.suite, r, base)
		return got, r.Done()
	}
	for _, with := range []*Tree{nil, base} {
		got, err := read(next.AppendState(nil, with), with)
		if err != nil || !bytes.Equal(got.Hash(), next.Hash()) || got.Members() != 20 {
			t.Errorf("another tree: %v", err)
		}
	}
	if _, err := read(next.AppendState(nil, base), nil); err == nil {
		t.Error("read without its base")
	}
	if _, err := read(next.AppendState(nil, base), grown(t, 3)); err == nil {
		t.Error("read with a base of another size")
	}
	for name, b := range map[string][]byte{
		"empty": {}, "too deep": {maxDepth + 1}, "unknown kind": {0, 9}, "no leaf": {0, storedNode}, "no children": {1, storedBlank},
	} {
		if got, err := read(b, nil); err == nil || got != nil {
			t.Errorf("%s is read", name)
		}
	}
}
