package node_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"kith/internal/chat"
	"kith/internal/engine"
)

// TestNode_CO26_floodOfReactions: a contact who reacts to a message some thousand times
// as fast as links carry it costs the other neither room nor patience: the log keeps
// the last one, and what the person does meanwhile is done.
func TestNode_CO26_floodOfReactions(t *testing.T) {
	const reactions, hands = 2560, 64
	alice, bob := meet(t)
	id := bob.say(alice, "say what you think")
	alice.untilMessage(id)
	bob.untilState(id, chat.Delivered)
	before, err := bob.LastSeq()
	if err != nil {
		t.Fatal(err)
	}
	var flood sync.WaitGroup
	began := time.Now()
	for h := range hands {
		flood.Go(func() {
			for i := range reactions / hands {
				if _, _, err := alice.Do(t.Context(), engine.React{ID: id, Emoji: string(rune(0x1f600 + (h+i)%64))}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var slowest time.Duration
	ended := make(chan struct{})
	go func() { flood.Wait(); close(ended) }()
	for n := 0; ; n++ {
		asked := time.Now()
		bob.do(engine.Draft{To: alice.Self().Account, Text: fmt.Sprint("draft ", n)})
		slowest = max(slowest, time.Since(asked))
		select {
		case <-ended:
		default:
			continue
		}
		break
	}
	last := alice.say(bob, "done")
	bob.untilMessage(last)
	t.Logf("%d reactions in %v, the slowest command beside them took %v", reactions, time.Since(began).Round(time.Millisecond), slowest.Round(time.Millisecond))
	if slowest > 5*time.Second {
		t.Errorf("a command took %v", slowest)
	}
	m, _, err := bob.Message(id)
	if err != nil || len(m.Reactions) != 1 {
		t.Errorf("%v, %d reactions", err, len(m.Reactions))
	}
	kept := 0
	for l, err := range bob.Watch(t.Context(), before) {
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := l.Event.(chat.MessageChanged); ok {
			kept++
		}
		if e, ok := l.Event.(chat.MessageAdded); ok && e.Message.ID == last {
			break
		}
	}
	if kept > 1 {
		t.Errorf("the log keeps %d reactions", kept)
	}
}
