package tree

import (
	"bytes"
	"crypto/rand"

	"kith/mls/internal/rule"
	"kith/mls/internal/suite"
	"kith/mls/internal/wire"
)

// filtered returns the levels of the filtered direct path of a leaf, lowest
// first: those where somebody is below the other child (section 4.1.2).
func (t *Tree) filtered(leaf uint32) []int {
	levels := make([]int, t.depth)
	kept := t.depth
	n := t.root
	for k := t.depth; k > 0; k-- {
		if n.sibling(leaf, k).members > 0 {
			kept--
			levels[kept] = k
		}
		n = n.child(leaf, k)
	}
	return levels[kept:]
}

// merge sets the keys of a leaf's filtered direct path, blanks the rest of its
// direct path and returns the parent hash for the leaf (sections 7.5, 7.9).
func (e *Editor) merge(leaf uint32, levels []int, keys [][]byte) (parentHash []byte) {
	i := len(levels) - 1
	level := e.tree.depth
	e.path(leaf, func(n *node) {
		n.parent = nil
		if i >= 0 && levels[i] == level {
			n.parent = &wire.ParentNode{EncryptionKey: keys[i], ParentHash: parentHash}
			parentHash = hashOfParent(e.tree.suite, n.parent, n.sibling(leaf, level).hash)
			i--
		}
		level--
	})
	return parentHash
}

// Path is a new path as its maker knows it.
type Path struct {
	Tree         *Tree    // with the path in it
	Private      *Private // of the maker, in Tree
	CommitSecret []byte
	leaf         uint32
	levels       []int
	secrets      [][]byte
}

// NewPath gives a leaf and the nodes above it new keys (section 7.5). The leaf may
// be blank. makeLeaf is called once, with the leaf's new key and parent hash, and
// returns the signed leaf node.
func (t *Tree) NewPath(leaf uint32, makeLeaf func(encryptionKey, parentHash []byte) (*wire.LeafNode, error)) (*Path, error) {
	key, err := t.suite.GenerateKey()
	if err != nil {
		return nil, err
	}
	secret := make([]byte, t.suite.Nh)
	rand.Read(secret)
	p := &Path{leaf: leaf, levels: t.filtered(leaf), Private: NewPrivate(leaf, key).resized(t.depth + 1)}
	var public [][]byte
	for _, level := range p.levels {
		p.secrets = append(p.secrets, secret)
		key, err := DerivePrivate(t.suite, secret)
		if err != nil {
			return nil, err
		}
		p.Private.keys[level] = key
		public = append(public, key.Public())
		secret = t.suite.DeriveSecret(secret, "path")
	}
	p.CommitSecret = secret
	e := t.Edit()
	node, err := makeLeaf(key.Public(), e.merge(leaf, p.levels, public))
	if err != nil {
		return nil, err
	}
	e.setLeaf(leaf, node)
	p.Tree = e.Done()
	return p, nil
}

// Seal encrypts the path secrets to the group (section 7.6). Leaves added by the
// same commit are left out.
func (p *Path) Seal(context []byte, added map[uint32]bool) (*wire.UpdatePath, error) {
	out := &wire.UpdatePath{Leaf: p.Tree.Leaf(p.leaf), Nodes: make([]wire.UpdatePathNode, len(p.levels))}
	for i, level := range p.levels {
		n := p.Tree.at(p.leaf, level)
		out.Nodes[i].EncryptionKey = n.parent.EncryptionKey
		for _, e := range p.Tree.receivers(p.leaf, level, added) {
			kem, ciphertext, err := p.Tree.suite.EncryptWithLabel(e.node.key(), "UpdatePathNode", context, p.secrets[i])
			if err != nil {
				return nil, err
			}
			out.Nodes[i].Secrets = append(out.Nodes[i].Secrets, wire.HPKECiphertext{KEMOutput: kem, Ciphertext: ciphertext})
		}
	}
	return out, nil
}

// SecretFor returns the path secret that a new member at a leaf gets.
func (p *Path) SecretFor(leaf uint32) []byte {
	level := CommonLevel(p.leaf, leaf)
	for i, k := range p.levels {
		if k == level {
			return p.secrets[i]
		}
	}
	return nil
}

// Wipe erases the path secrets. The private keys stay.
func (p *Path) Wipe() {
	for _, s := range p.secrets {
		clear(s)
	}
	clear(p.CommitSecret)
}

// receivers returns the resolution of the copath child at a level above a leaf,
// without the leaves just added.
func (t *Tree) receivers(leaf uint32, level int, added map[uint32]bool) []entry {
	first := (leaf>>(level-1) ^ 1) << (level - 1)
	all := t.at(leaf, level).sibling(leaf, level).resolution(nil, first, level-1)
	if len(added) == 0 {
		return all
	}
	kept := all[:0]
	for _, e := range all {
		if e.level > 0 || !added[e.leaf] {
			kept = append(kept, e)
		}
	}
	return kept
}

// Merge returns the tree with a path of a leaf in it, after checking that the
// path has the right form and the leaf the right parent hash (section 7.5).
func (t *Tree) Merge(leaf uint32, path *wire.UpdatePath, added map[uint32]bool) (*Tree, error) {
	levels := t.filtered(leaf)
	if len(levels) != len(path.Nodes) {
		return nil, rule.Break(rule.PathLength)
	}
	keys := make([][]byte, len(levels))
	for i, n := range path.Nodes {
		if !t.suite.CheckPublicKey(n.EncryptionKey) {
			return nil, rule.Breakf(rule.KeyForm, "path")
		}
		if len(n.Secrets) != len(t.receivers(leaf, levels[i], added)) {
			return nil, rule.Break(rule.PathCiphertexts)
		}
		keys[i] = n.EncryptionKey
	}
	e := t.Edit()
	if parentHash := e.merge(leaf, levels, keys); !bytes.Equal(parentHash, path.Leaf.ParentHash) {
		return nil, rule.Break(rule.PathParentHash)
	}
	e.setLeaf(leaf, path.Leaf)
	return e.Done(), nil
}

// Open decrypts the path secret that is for the holder of p and derives all above
// it (section 7.5). t has the path merged; p is pruned to the tree before that.
func (t *Tree) Open(p *Private, sender uint32, path *wire.UpdatePath, context []byte, added map[uint32]bool) (next *Private, commitSecret []byte, err error) {
	secret, level, err := t.openSecret(p, sender, path, context, added)
	if err != nil {
		return nil, nil, err
	}
	next = p.resized(t.depth + 1)
	clear(next.keys[level:])
	commitSecret, err = t.climb(next, sender, level, secret)
	return next, commitSecret, err
}

// openSecret returns the path secret of the lowest node above sender and p's leaf.
func (t *Tree) openSecret(p *Private, sender uint32, path *wire.UpdatePath, context []byte, added map[uint32]bool) ([]byte, int, error) {
	level := CommonLevel(sender, p.Leaf)
	for i, k := range t.filtered(sender) {
		if k != level {
			continue
		}
		for j, e := range t.receivers(sender, level, added) {
			if e.leaf != p.Leaf>>e.level<<e.level {
				continue
			}
			key := p.Key(e.level)
			if key == nil || !bytes.Equal(key.Public(), e.node.key()) {
				continue
			}
			if i >= len(path.Nodes) || j >= len(path.Nodes[i].Secrets) {
				return nil, 0, rule.Break(rule.PathCiphertexts)
			}
			c := path.Nodes[i].Secrets[j]
			secret, err := t.suite.DecryptWithLabel(key, "UpdatePathNode", context, c.KEMOutput, c.Ciphertext)
			if err != nil || len(secret) != t.suite.Nh {
				return nil, 0, rule.Break(rule.PathSecret)
			}
			return secret, level, nil
		}
	}
	return nil, 0, rule.Breakf(rule.PathSecret, "none is for us")
}

// OpenSecret returns the path secret that the holder of p decrypts, for tests of
// conformance.
func (t *Tree) OpenSecret(p *Private, sender uint32, path *wire.UpdatePath, context []byte) ([]byte, error) {
	secret, _, err := t.openSecret(p, sender, path, context, nil)
	return secret, err
}

// DerivePrivate returns the key pair a path secret gives its node.
func DerivePrivate(s *suite.Suite, pathSecret []byte) (*suite.PrivateKey, error) {
	secret := s.DeriveSecret(pathSecret, "node")
	defer clear(secret)
	return s.DeriveKeyPair(secret)
}
