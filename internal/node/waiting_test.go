package node_test

import (
	"context"
	"testing"
	"testing/synctest"

	"kith/box"
	"kith/internal/engine"
	"kith/internal/node"
	"kith/internal/store"
)

// TestNode_DE14_waitingIsNotSaidBeforeItIsKnown: a node that was killed while
// something was on its way to relays says so as soon as it says anything. Whoever
// heard "nothing" and ended it then left a message where nobody finds it.
func TestNode_DE14_waitingIsNotSaidBeforeItIsKnown(t *testing.T) {
	alice, bob := meet(t)
	bob.do(engine.AddRelay{Relay: box.Relay{Key: [32]byte{1}, Addrs: []string{"127.0.0.1:1"}}})
	alice.untilMessage(bob.say(alice, "I use a relay now"))
	bob.down()
	alice.say(bob, "you are away")
	waitFor(t, "the message is on its way to the relay", func() bool { return alice.Waiting().Leaving == 1 })
	alice.down()
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(alice.dir, [32]byte{1})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		again, err := node.New(node.Config{Store: db, Network: nowhere{}})
		if err != nil {
			t.Fatal(err)
		}
		said := make(chan node.Counts, 1)
		go func() { said <- again.Waiting() }()
		synctest.Wait()
		if len(said) != 0 {
			t.Errorf("it says %+v before it knows", <-said)
		}
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- again.Run(ctx) }()
		synctest.Wait()
		if len(said) != 1 {
			t.Error("it says nothing though it knows")
		} else if c := <-said; c.Leaving != 1 || c.Queued != 1 {
			t.Errorf("it says %+v", c)
		}
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}
