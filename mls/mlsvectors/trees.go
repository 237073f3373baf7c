package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"kith/mls/internal/suite"
	"kith/mls/internal/tree"
	"kith/mls/internal/wire"
)

type treeMath struct {
	Leaves                       uint32 `json:"n_leaves"`
	Nodes                        uint32 `json:"n_nodes"`
	Root                         uint32
	Left, Right, Parent, Sibling []*uint32
}

func verifyTreeMath(v *treeMath) error {
	if v.Leaves == 0 || v.Leaves != tree.Capacity(v.Leaves) {
		return fmt.Errorf("%d leaves are no full tree", v.Leaves)
	}
	if got := tree.Width(v.Leaves); got != v.Nodes {
		return fmt.Errorf("%d nodes, want %d", got, v.Nodes)
	}
	root := tree.Root(v.Leaves)
	if root != v.Root {
		return fmt.Errorf("root is %d, want %d", root, v.Root)
	}
	for x := range v.Nodes {
		inner, below := tree.Level(x) > 0, x != root
		for _, c := range []struct {
			name string
			has  bool
			f    func(uint32) uint32
			want []*uint32
		}{
			{"left", inner, tree.Left, v.Left}, {"right", inner, tree.Right, v.Right},
			{"parent", below, tree.Parent, v.Parent}, {"sibling", below, tree.Sibling, v.Sibling},
		} {
			if int(x) >= len(c.want) || c.has != (c.want[x] != nil) || c.has && c.f(x) != *c.want[x] {
				return fmt.Errorf("%s of %d", c.name, x)
			}
		}
	}
	return nil
}

func parseTree(s *suite.Suite, b []byte) (*tree.Tree, error) {
	r := wire.NewReader(b)
	nodes := r.RatchetTree()
	if err := r.Done(); err != nil {
		return nil, err
	}
	return tree.Parse(s, nodes)
}

type treeOperations struct {
	Suite      uint16 `json:"cipher_suite"`
	TreeBefore octets `json:"tree_before"`
	TreeAfter  octets `json:"tree_after"`
	Proposal   octets
	Sender     uint32 `json:"proposal_sender"`
	HashBefore octets `json:"tree_hash_before"`
	HashAfter  octets `json:"tree_hash_after"`
}

func verifyTreeOperations(v *treeOperations) error {
	s, err := suiteOf(v.Suite)
	if err != nil {
		return err
	}
	before, err := parseTree(s, v.TreeBefore)
	if err != nil {
		return err
	}
	r := wire.NewReader(v.Proposal)
	p := r.Proposal()
	if err := r.Done(); err != nil {
		return err
	}
	e := before.Edit()
	switch p.Type {
	case wire.ProposalAdd:
		if _, err := e.Add(p.KeyPackage.Leaf); err != nil {
			return err
		}
	case wire.ProposalUpdate:
		if before.Leaf(v.Sender) == nil {
			return errors.New("sender is no member")
		}
		e.Update(v.Sender, p.Leaf)
	case wire.ProposalRemove:
		if before.Leaf(p.Removed) == nil {
			return errors.New("removed leaf is blank")
		}
		e.Remove(p.Removed)
		e.Truncate()
	default:
		return fmt.Errorf("proposal of type %d", p.Type)
	}
	after := e.Done()
	return errors.Join(
		expect("hash before", before.Hash(), v.HashBefore), expect("hash after", after.Hash(), v.HashAfter),
		expect("tree after", wire.Marshal(after.Nodes()), v.TreeAfter))
}

type treeValidation struct {
	Suite       uint16 `json:"cipher_suite"`
	Tree        octets
	GroupID     octets   `json:"group_id"`
	Hashes      []octets `json:"tree_hashes"`
	Resolutions [][]uint32
}

func verifyTreeValidation(v *treeValidation) error {
	s, err := suiteOf(v.Suite)
	if err != nil {
		return err
	}
	t, err := parseTree(s, v.Tree)
	if err != nil {
		return err
	}
	nodes := tree.Width(t.Leaves())
	if len(v.Hashes) != int(nodes) || len(v.Resolutions) != int(nodes) {
		return fmt.Errorf("tree has %d nodes", nodes)
	}
	for x := range nodes {
		if err := expect(fmt.Sprintf("hash of node %d", x), t.NodeHash(x), v.Hashes[x]); err != nil {
			return err
		}
		if got := t.Resolution(x); !slices.Equal(got, v.Resolutions[x]) {
			return fmt.Errorf("resolution of node %d is %v, want %v", x, got, v.Resolutions[x])
		}
	}
	for i, leaf := range t.All() {
		if !s.Verify(leaf.SignatureKey, "LeafNodeTBS", leaf.TBS(v.GroupID, i), leaf.Signature) {
			return fmt.Errorf("signature of leaf %d does not verify", i)
		}
	}
	return t.Validate()
}

type treeKEM struct {
	Suite     uint16 `json:"cipher_suite"`
	GroupID   octets `json:"group_id"`
	Epoch     uint64
	Confirmed octets `json:"confirmed_transcript_hash"`
	Tree      octets `json:"ratchet_tree"`
	Private   []struct {
		Index         uint32
		EncryptionKey octets `json:"encryption_priv"`
		SignaturePriv octets `json:"signature_priv"`
		PathSecrets   []struct {
			Node   uint32
			Secret octets `json:"path_secret"`
		} `json:"path_secrets"`
	} `json:"leaves_private"`
	Paths []struct {
		Sender       uint32
		Path         octets   `json:"update_path"`
		PathSecrets  []octets `json:"path_secrets"`
		CommitSecret octets   `json:"commit_secret"`
		TreeHash     octets   `json:"tree_hash_after"`
	} `json:"update_paths"`
}

func (v *treeKEM) context(t *tree.Tree) []byte {
	return wire.Marshal(&wire.GroupContext{
		Version: wire.MLS10, Suite: v.Suite, GroupID: v.GroupID, Epoch: v.Epoch, TreeHash: t.Hash(), ConfirmedTranscript: v.Confirmed,
	})
}

func verifyTreeKEM(v *treeKEM) error {
	s, err := suiteOf(v.Suite)
	if err != nil {
		return err
	}
	t, err := parseTree(s, v.Tree)
	if err != nil {
		return err
	}
	members, err := v.members(s, t)
	if err != nil {
		return err
	}
	for i := range v.Paths {
		err := v.verifyPath(t, members, i)
		if err == nil {
			err = v.verifyOwnPath(s, t, members, v.Paths[i].Sender)
		}
		if err != nil {
			return fmt.Errorf("path of leaf %d: %w", v.Paths[i].Sender, err)
		}
	}
	return nil
}

// members returns the private state of each leaf, checked against the tree.
func (v *treeKEM) members(s *suite.Suite, t *tree.Tree) (map[uint32]*tree.Private, error) {
	members := map[uint32]*tree.Private{}
	for _, l := range v.Private {
		if t.Leaf(l.Index) == nil {
			return nil, fmt.Errorf("leaf %d is blank", l.Index)
		}
		if err := signsFor(s, l.SignaturePriv, t.Leaf(l.Index)); err != nil {
			return nil, err
		}
		key, err := s.NewPrivateKey(l.EncryptionKey)
		if err != nil {
			return nil, err
		}
		p := tree.NewPrivate(l.Index, key)
		for _, secret := range l.PathSecrets {
			if key, err = tree.DerivePrivate(s, secret.Secret); err != nil {
				return nil, err
			}
			if tree.Level(secret.Node) > t.Depth() {
				return nil, fmt.Errorf("node %d is not in the tree", secret.Node)
			}
			p = p.With(tree.Level(secret.Node), key)
		}
		for level, pruned := 0, p.Prune(t); level < p.Levels(); level++ {
			if pruned.Key(level) != p.Key(level) {
				return nil, fmt.Errorf("leaf %d has a key that is not the tree's", l.Index)
			}
		}
		members[l.Index] = p
	}
	return members, nil
}

// signsFor returns an error unless a private signature key is that of a leaf.
func signsFor(s *suite.Suite, private []byte, l *wire.LeafNode) error {
	signer, err := s.NewSigner(private)
	if err != nil {
		return err
	}
	public, err := s.SignatureKey(signer)
	if err != nil {
		return err
	}
	return expect("public signature key", public, l.SignatureKey)
}

func (v *treeKEM) verifyPath(t *tree.Tree, members map[uint32]*tree.Private, i int) error {
	c := &v.Paths[i]
	if t.Leaf(c.Sender) == nil {
		return errors.New("sender is no member")
	}
	r := wire.NewReader(c.Path)
	path := r.UpdatePath()
	if err := r.Done(); err != nil {
		return err
	}
	after, err := t.Merge(c.Sender, path, nil)
	if err != nil {
		return err
	}
	if err := expect("tree hash", after.Hash(), c.TreeHash); err != nil {
		return err
	}
	context := v.context(after)
	for leaf, private := range members {
		if leaf == c.Sender {
			continue
		}
		if int(leaf) >= len(c.PathSecrets) {
			return fmt.Errorf("no path secret for leaf %d", leaf)
		}
		secret, err := after.OpenSecret(private, c.Sender, path, context)
		if err != nil {
			return err
		}
		_, commit, err := after.Open(private, c.Sender, path, context, nil)
		if err := errors.Join(err, expect("path secret", secret, c.PathSecrets[leaf]), expect("commit secret", commit, c.CommitSecret)); err != nil {
			return fmt.Errorf("leaf %d: %w", leaf, err)
		}
	}
	return nil
}

// verifyOwnPath makes a path of its own and lets all members open it.
func (v *treeKEM) verifyOwnPath(s *suite.Suite, t *tree.Tree, members map[uint32]*tree.Private, sender uint32) error {
	own, err := t.NewPath(sender, func(key, parentHash []byte) (*wire.LeafNode, error) {
		leaf := *t.Leaf(sender)
		leaf.EncryptionKey, leaf.ParentHash, leaf.Source = key, parentHash, wire.SourceCommit
		for _, l := range v.Private {
			if l.Index != sender {
				continue
			}
			signer, err := s.NewSigner(l.SignaturePriv)
			if err != nil {
				return nil, err
			}
			leaf.Signature, err = s.Sign(signer, "LeafNodeTBS", leaf.TBS(v.GroupID, sender))
			return &leaf, err
		}
		return nil, errors.New("no signature key")
	})
	if err != nil {
		return err
	}
	context := v.context(own.Tree)
	sealed, err := own.Seal(context, nil)
	if err != nil {
		return err
	}
	after, err := t.Merge(sender, sealed, nil)
	if err != nil {
		return err
	}
	if !bytes.Equal(after.Hash(), own.Tree.Hash()) {
		return errors.New("own path gives two trees")
	}
	for leaf, private := range members {
		if leaf == sender {
			continue
		}
		_, commit, err := after.Open(private, sender, sealed, context, nil)
		if err := errors.Join(err, expect("own commit secret", commit, own.CommitSecret)); err != nil {
			return fmt.Errorf("leaf %d: %w", leaf, err)
		}
	}
	return nil
}
