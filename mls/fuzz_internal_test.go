package mls

import (
	"bytes"
	"testing"

	"kith/mls/internal/tree"
	"kith/mls/internal/wire"
)

// FuzzProcess gives a member messages made of proper ones: whatever is refused
// leaves the group as it was, byte for byte.
func FuzzProcess(f *testing.F) {
	var fx *fixture
	f.Add(uint8(0), uint16(10), []byte{1}, uint16(0))
	f.Add(uint8(1), uint16(100), []byte{0xff, 0xff}, uint16(3))
	f.Add(uint8(2), uint16(200), []byte{}, uint16(30))
	f.Add(uint8(3), uint16(60), []byte{0x80}, uint16(0))
	var seeds [][]byte
	f.Fuzz(func(t *testing.T, which uint8, at uint16, with []byte, drop uint16) {
		if fx == nil {
			fx = newFixture(t, nil)
			fx.t = t
			private, err := fx.alice.Commit(CommitOptions{Now: testNow}, Add(fx.daveKey.KeyPackage))
			must(t, err)
			data, err := fx.alice.Seal([]byte("hello"), MessageOptions{})
			must(t, err)
			g, init, secret := fx.outside()
			seeds = [][]byte{
				forge{list: []*wire.Proposal{removeOf(2)}}.commit(t, fx.alice).message, private.Message, data, forge{}.update(t, fx.alice),
				forge{external: true, list: []*wire.Proposal{init}, initSecret: secret}.commit(t, g).message,
			}
		}
		m := bytes.Clone(seeds[int(which)%len(seeds)])
		i := int(at) % len(m)
		m = append(append(bytes.Clone(m[:i]), with...), m[min(len(m), i+int(drop)):]...)
		bob, err := fx.bobC.Restore(state(t, fx.bob))
		must(t, err)
		before := state(t, bob)
		p, err := bob.Process(m, testNow)
		if (p == nil) == (err == nil) {
			t.Fatal("neither a result nor an error")
		}
		if _, staged := p.(*StagedCommit); (err != nil || staged) && !bytes.Equal(before, state(t, bob)) {
			t.Fatal("the group has changed")
		}
	})
}

// FuzzRestore reads stored groups and key packages: no panic, and what is read is
// stored again as the same bytes.
func FuzzRestore(f *testing.F) {
	c := newClient(f, X25519AES128, "alice")
	g, err := c.Create([]byte("group"), testNow)
	must(f, err)
	_, err = g.Seal(nil, MessageOptions{})
	must(f, err)
	_, err = g.ProposeUpdate(nil, MessageOptions{})
	must(f, err)
	whole, err := g.MarshalBinary()
	must(f, err)
	k, err := newPackage(f, c).MarshalBinary()
	must(f, err)
	f.Add(whole, uint16(0), []byte{})
	f.Add(whole, uint16(50), []byte{1})
	f.Add(k, uint16(7), []byte{0})
	f.Fuzz(func(t *testing.T, b []byte, at uint16, with []byte) {
		b = bytes.Clone(b)
		if len(b) > 0 {
			copy(b[int(at)%len(b):], with)
		}
		if g, err := c.Restore(b); err == nil {
			if again, err := g.MarshalBinary(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("a group changes when it is restored (%v)", err)
			}
		}
		if k, err := ParsePrivateKeyPackage(b); err == nil {
			if again, err := k.MarshalBinary(); err != nil || !bytes.Equal(again, b) {
				t.Errorf("a key package changes when it is restored (%v)", err)
			}
		}
	})
}

// FuzzTree reads and validates ratchet trees.
func FuzzTree(f *testing.F) {
	c := newCrowd(f, X25519AES128, 5)
	g, _ := c.full(f)
	f.Add(g.Tree())
	f.Add([]byte{1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := wire.NewReader(b)
		nodes := r.RatchetTree()
		if r.Done() != nil || len(nodes) > 64 {
			return
		}
		parsed, err := tree.Parse(g.suite, nodes)
		if err != nil {
			return
		}
		if !bytes.Equal(wire.Marshal(parsed.Nodes()), b) {
			t.Error("a tree changes when it is read")
		}
		if parsed.Validate() != nil {
			return
		}
		for x := range tree.Width(parsed.Leaves()) {
			parsed.Resolution(x)
		}
		e := parsed.Edit()
		for i := range parsed.All() {
			e.Remove(i)
			break
		}
		if e.Done(); !bytes.Equal(wire.Marshal(parsed.Nodes()), b) {
			t.Error("an edit changes the tree it begins with")
		}
	})
}
