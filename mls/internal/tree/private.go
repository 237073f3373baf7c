package tree

import (
	"bytes"

	"kith/mls/internal/rule"
	"kith/mls/internal/suite"
)

// Private holds the private keys a member has: of its leaf and of nodes above it,
// by level. It is never changed but by Wipe.
type Private struct {
	Leaf uint32
	keys []*suite.PrivateKey // nil where none is known
}

// NewPrivate returns the keys of a member who has only that of its leaf.
func NewPrivate(leaf uint32, key *suite.PrivateKey) *Private {
	return &Private{leaf, []*suite.PrivateKey{key}}
}

// With returns p with the key of one level, 0 being the leaf.
func (p *Private) With(level int, key *suite.PrivateKey) *Private {
	q := p.resized(max(len(p.keys), level+1))
	q.keys[level] = key
	return q
}

// Key returns the key of a level, or nil.
func (p *Private) Key(level int) *suite.PrivateKey {
	if level < len(p.keys) {
		return p.keys[level]
	}
	return nil
}

// Levels returns up to which level keys may be known.
func (p *Private) Levels() int { return len(p.keys) }

func (p *Private) resized(n int) *Private {
	q := &Private{p.Leaf, make([]*suite.PrivateKey, n)}
	copy(q.keys, p.keys)
	return q
}

// Prune returns p without the keys that are not of this tree any more.
func (p *Private) Prune(t *Tree) *Private {
	q := p.resized(t.depth + 1)
	for level, key := range q.keys {
		if key != nil && !bytes.Equal(key.Public(), t.at(p.Leaf, level).key()) {
			q.keys[level] = nil
		}
	}
	return q
}

// Of reports whether p has the key of its leaf and none that is not of this tree.
func (p *Private) Of(t *Tree) bool {
	if len(p.keys) != t.depth+1 || p.Leaf >= t.Leaves() || p.keys[0] == nil {
		return false
	}
	for level, key := range p.keys {
		if key != nil && !bytes.Equal(key.Public(), t.at(p.Leaf, level).key()) {
			return false
		}
	}
	return true
}

// Clone returns a copy of p that shares no memory that Wipe erases.
func (p *Private) Clone() *Private {
	q := p.resized(len(p.keys))
	for level, key := range q.keys {
		q.keys[level] = key.Clone()
	}
	return q
}

// Wipe erases the keys that next does not have, or all if next is nil.
func (p *Private) Wipe(next *Private) {
	for level, key := range p.keys {
		if next == nil || next.Key(level) != key {
			key.Wipe()
		}
	}
}

// Implant returns the keys of a new member: of its leaf, and of the nodes that a
// path secret for the lowest node above it and the signer gives (section 12.4.3.1).
func (t *Tree) Implant(leaf uint32, key *suite.PrivateKey, signer uint32, secret []byte) (*Private, error) {
	p := NewPrivate(leaf, key).resized(t.depth + 1)
	if secret == nil {
		return p, nil
	}
	if leaf == signer {
		return nil, rule.Break(rule.WelcomePathSecret)
	}
	if _, err := t.climb(p, signer, CommonLevel(leaf, signer), secret); err != nil {
		return nil, rule.Break(rule.WelcomePathSecret)
	}
	return p, nil
}

// climb derives the keys of the committer's filtered direct path from a level up,
// compares them with the tree, puts them in p and returns the commit secret. It
// erases the path secrets it passes.
func (t *Tree) climb(p *Private, committer uint32, level int, secret []byte) ([]byte, error) {
	first := true
	for _, k := range t.filtered(committer) {
		if k < level {
			continue
		}
		if first && k != level {
			break
		}
		first = false
		key, err := DerivePrivate(t.suite, secret)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(key.Public(), t.at(committer, k).key()) {
			return nil, rule.Break(rule.PathPublicKey)
		}
		p.keys[k] = key
		next := t.suite.DeriveSecret(secret, "path")
		clear(secret)
		secret = next
	}
	if first {
		return nil, rule.Break(rule.PathPublicKey)
	}
	return secret, nil
}
