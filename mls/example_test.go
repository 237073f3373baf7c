package mls_test

import (
	"fmt"
	"log"
	"time"

	"kith/mls"
)

// newClient returns a client with a fresh key and a bare name.
func newClient(name string) *mls.Client {
	signer, err := mls.X25519AES128.GenerateSigner()
	if err != nil {
		log.Fatal(err)
	}
	return &mls.Client{Suite: mls.X25519AES128, Credential: mls.BasicCredential([]byte(name)), Signer: signer}
}

// Alice founds a group, adds Bob, and both talk.
func Example() {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	alice, bob := newClient("alice"), newClient("bob")

	// Bob publishes a key package and keeps the private half.
	key, err := bob.NewKeyPackage(now, now.AddDate(0, 1, 0))
	if err != nil {
		log.Fatal(err)
	}

	// Alice takes it from wherever Bob published it.
	published, err := alice.ParseKeyPackage(key.Message(), now)
	if err != nil {
		log.Fatal(err)
	}
	group, err := alice.Create(nil, now)
	if err != nil {
		log.Fatal(err)
	}
	commit, err := group.Commit(mls.CommitOptions{Now: now}, mls.Add(published))
	if err != nil {
		log.Fatal(err)
	}
	if err := group.Merge(commit.StagedCommit); err != nil {
		log.Fatal(err)
	}

	// Bob joins by the Welcome and writes.
	joined, err := bob.Join(commit.Welcome, key, mls.JoinOptions{Now: now})
	if err != nil {
		log.Fatal(err)
	}
	message, err := joined.Seal([]byte("hello, group"), mls.MessageOptions{Padding: 20})
	if err != nil {
		log.Fatal(err)
	}

	// Alice does not know what she receives until it is processed.
	received, err := group.Process(message, now)
	if err != nil {
		log.Fatal(err)
	}
	switch m := received.(type) {
	case *mls.Application:
		from, _ := group.Member(m.Sender)
		fmt.Printf("%s: %s\n", from.Credential.Identity, m.Plaintext)
	case *mls.QueuedProposal:
		fmt.Println("a proposal waits for a commit")
	case *mls.StagedCommit:
		if err := group.Merge(m); err != nil {
			log.Fatal(err)
		}
	}
	// Output: bob: hello, group
}
