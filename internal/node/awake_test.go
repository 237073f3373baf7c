package node_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"kith/box"
	"kith/internal/node"
	"kith/internal/p2p"
	"kith/internal/wire"
)

// anew counts links that are ended to be made anew. Its relays answer nothing.
type anew struct{ relays, contacts atomic.Int64 }

func (a *anew) Do(ctx context.Context, _ box.Relay, _ *box.Request) (*box.Reply, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (a *anew) Refresh() { a.relays.Add(1) }

type hanging struct {
	*p2p.Host
	anew *anew
}

func (h hanging) Hangup(p wire.PeerID) {
	h.anew.contacts.Add(1)
	h.Host.Hangup(p)
}

// TestDelivery_DE18_linksAreMadeAnewAfterSleep: a machine that slept makes its links
// anew, to contacts and to relays, and goes on.
func TestDelivery_DE18_linksAreMadeAnewAfterSleep(t *testing.T) {
	t.Parallel()
	for asleep, want := range map[time.Duration]bool{0: false, 29 * time.Second: false, 30 * time.Second: true, time.Hour: true, -time.Hour: false} {
		if node.Slept(20*time.Second+asleep, 20*time.Second) != want {
			t.Errorf("slept for %v: %v", asleep, !want)
		}
	}
	alice, bob := meet(t)
	alice.down()
	alice.anew = &anew{}
	alice.up()
	alice.untilMessage(bob.say(alice, "there you are"))
	alice.Woken(t.Context())
	waitFor(t, "links made anew", func() bool { return alice.anew.relays.Load() == 1 && alice.anew.contacts.Load() == 1 })
	alice.untilMessage(bob.say(alice, "still there"))
	bob.untilMessage(alice.say(bob, "so am I"))
}
