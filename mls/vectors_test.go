package mls_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kith/mls"
)

var update = flag.Bool("update", false, "write the vectors anew")

// vectorOf tells a story for one suite: bob joins, opens a message, follows a
// commit, and is stored.
func vectorOf(t *testing.T, s mls.Suite) string {
	t.Helper()
	w := &world{t: t, suite: s}
	alice := w.newcomer()
	var err error
	alice.group, err = alice.client.Create([]byte("vector"), noon)
	w.must(err)
	bob := w.newcomer()
	k := w.keyPackage(bob)
	private, err := k.MarshalBinary()
	w.must(err)
	c, err := alice.group.Commit(mls.CommitOptions{Now: noon}, mls.Add(k.KeyPackage))
	w.must(err)
	w.must(alice.group.Merge(c.StagedCommit))
	message, err := alice.group.Seal([]byte("hello, bob"), mls.MessageOptions{Data: []byte("data"), Padding: 7})
	w.must(err)
	next, err := alice.group.Commit(mls.CommitOptions{MessageOptions: mls.MessageOptions{Padding: 5}})
	w.must(err)
	bob.group, err = bob.client.Join(c.Welcome, k, mls.JoinOptions{Now: noon})
	w.must(err)
	_, err = bob.group.ProposeUpdate(nil, mls.MessageOptions{})
	w.must(err)
	state, err := bob.group.MarshalBinary()
	w.must(err)
	return fmt.Sprintf("format: kith mls profile 1\nsuite: %d\nsigner: %x\nkey-package: %x\nwelcome: %x\nauthenticator: %x\nmessage: %x\nplaintext: %x\ncommit: %x\nnext-authenticator: %x\nstate: %x\n",
		uint16(s), bob.client.Signer.(ed25519.PrivateKey).Seed(), private, c.Welcome, alice.group.Authenticator(),
		message, "hello, bob", next.Message, next.Authenticator(), state)
}

// TestVectors_storiesAreRead: what was made once is read for ever: messages of the
// suite that has no official vectors, and stored state.
func TestVectors_storiesAreRead(t *testing.T) {
	for _, s := range []mls.Suite{mls.X25519AES128, mls.XWingAES256} {
		t.Run(fmt.Sprintf("suite-%d", uint16(s)), func(t *testing.T) {
			path := filepath.Join("testdata", "vectors", fmt.Sprintf("suite-%d.txt", uint16(s)))
			if *update {
				if err := os.WriteFile(path, []byte(vectorOf(t, s)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			fields := map[string][]byte{}
			for line := range strings.Lines(string(b)) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				fields[name], _ = hex.DecodeString(value) // the first two are no byte strings
			}
			readStory(t, s, fields)
		})
	}
}

func readStory(t *testing.T, s mls.Suite, fields map[string][]byte) {
	w := &world{t: t}
	c := &mls.Client{Suite: s, Signer: ed25519.NewKeyFromSeed(fields["signer"]), Credential: mls.BasicCredential([]byte("client 2"))}
	c.Capabilities.Extensions = []uint16{0xf0f0}
	k, err := mls.ParsePrivateKeyPackage(fields["key-package"])
	w.must(err)
	g, err := c.Join(fields["welcome"], k, mls.JoinOptions{Now: noon})
	w.must(err)
	restored, err := c.Restore(fields["state"])
	w.must(err)
	again, err := restored.MarshalBinary()
	w.must(err)
	if !bytes.Equal(again, fields["state"]) || len(restored.Waiting()) != 1 {
		t.Error("the state changes when it is restored")
	}
	for _, g := range []*mls.Group{g, restored} {
		if !bytes.Equal(g.Authenticator(), fields["authenticator"]) {
			t.Fatal("another epoch")
		}
		p, err := g.Process(fields["message"], noon)
		w.must(err)
		if a, ok := p.(*mls.Application); !ok || !bytes.Equal(a.Plaintext, fields["plaintext"]) || string(a.Data) != "data" {
			t.Errorf("opened %+v", p)
		}
		p, err = g.Process(fields["commit"], noon)
		w.must(err)
		w.must(g.Merge(p.(*mls.StagedCommit)))
		if !bytes.Equal(g.Authenticator(), fields["next-authenticator"]) {
			t.Error("another next epoch")
		}
	}
}
