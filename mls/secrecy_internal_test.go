package mls

import (
	"bytes"
	"testing"

	"kith/mls/internal/schedule"
	"kith/mls/internal/wire"
)

// TestSecrecy_mergeErasesTheEpoch: what the epoch behind had of secrets is zero in
// memory once a commit is merged.
func TestSecrecy_mergeErasesTheEpoch(t *testing.T) {
	f := newFixture(t, nil)
	m, err := f.alice.Seal(nil, MessageOptions{})
	must(t, err)
	f.takes(f.bob, m)
	var secrets [][]byte
	for _, s := range f.bob.secrets.Fields() {
		secrets = append(secrets, *s)
	}
	root := f.bob.private.Key(f.bob.tree.Depth()).Bytes()
	secrets = append(secrets, root)
	c, err := f.alice.Commit(CommitOptions{})
	must(t, err)
	p, err := f.bob.Process(c.Message, testNow)
	must(t, err)
	must(t, f.bob.Merge(p.(*StagedCommit)))
	for i, s := range secrets {
		if !bytes.Equal(s, make([]byte, len(s))) {
			t.Errorf("secret %d is still there", i)
		}
	}
	if own := f.bob.private.Key(0).Bytes(); bytes.Equal(own, make([]byte, len(own))) {
		t.Error("the leaf key that is still used is gone")
	}
}

// TestSecrecy_openedMessagesCannotBeOpenedAgain: a stored group has nothing left of
// the keys of messages that it opened or sealed.
func TestSecrecy_openedMessagesCannotBeOpenedAgain(t *testing.T) {
	f := newFixture(t, nil)
	step, err := f.bob.messages.Take(0, schedule.Application, 0)
	must(t, err)
	key := bytes.Clone(step.Keys.Key)
	before := state(t, f.bob)
	m, err := f.alice.Seal([]byte("hello"), MessageOptions{})
	must(t, err)
	f.takes(f.bob, m)
	after := state(t, f.bob)
	if bytes.Contains(after, key) {
		t.Error("the message key is stored")
	}
	if bytes.Contains(after, encryptionSecret(t, before)) {
		t.Error("the secret above all messages is stored")
	}
}

// encryptionSecret returns the root of the secret tree in a stored group that has
// not opened anything.
func encryptionSecret(t *testing.T, state []byte) []byte {
	t.Helper()
	r := wire.NewReader(state)
	r.Uint8()
	r.Opaque()
	ratchets := wire.NewReader(r.Opaque())
	must(t, r.Done())
	all := ratchets.Rest()
	return all[len(all)-33 : len(all)-1] // the last node's secret, before the empty list of ratchets
}

// TestSecrecy_wipedGroupHasNothing.
func TestSecrecy_wipedGroupHasNothing(t *testing.T) {
	f := newFixture(t, nil)
	_, err := f.bob.ProposeUpdate(nil, MessageOptions{})
	must(t, err)
	var secrets [][]byte
	for _, s := range f.bob.secrets.Fields() {
		secrets = append(secrets, *s)
	}
	for _, p := range f.bob.past {
		secrets = append(secrets, p.key)
	}
	secrets = append(secrets, f.bob.private.Key(0).Bytes(), f.bob.proposals[0].leafKey.Bytes())
	f.bob.Wipe()
	for i, s := range secrets {
		if !bytes.Equal(s, make([]byte, len(s))) {
			t.Errorf("secret %d is still there", i)
		}
	}
	if _, err := f.bob.MarshalBinary(); err == nil {
		t.Error("a wiped group is stored")
	}
}

// TestGroup_dropsResumptionKeysForGood: a resumption key beyond MaxPastEpochs is erased, not
// only forgotten.
func TestGroup_dropsResumptionKeysForGood(t *testing.T) {
	g, err := newClient(t, X25519AES128, "alice").Create(nil, testNow)
	must(t, err)
	var oldest []byte
	for i := range MaxPastEpochs + 1 {
		c, err := g.Commit(CommitOptions{OmitPath: true})
		must(t, err)
		must(t, g.Merge(c.StagedCommit))
		if i == 0 {
			oldest = g.past[0].key
		}
		if i < MaxPastEpochs && bytes.Equal(oldest, make([]byte, len(oldest))) {
			t.Fatal("erased while it is kept")
		}
	}
	if !bytes.Equal(oldest, make([]byte, len(oldest))) {
		t.Error("a key that was dropped is in memory")
	}
}
