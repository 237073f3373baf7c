package relaynet_test

import (
	"testing"
	"time"

	"kith/box"
	machine "kith/internal/relay"
	"kith/internal/relaynet"
)

// held is a machine whose steps with a request for a box wait, as for a slow disk.
type held struct {
	relaynet.Machine
	box           [32]byte
	began, goesOn chan struct{}
}

func (h *held) Step(now time.Time, asked []machine.Asked) ([]machine.Answer, error) {
	for _, a := range asked {
		if a.Request.Op == box.OpPut && a.Request.Box == h.box {
			close(h.began)
			<-h.goesOn
		}
	}
	return h.Machine.Step(now, asked)
}

// TestRelaynet_RN07_readsWaitForNoCommit: what is durable is read while the disk is at
// work for others; what it is at work for is not read before.
func TestRelaynet_RN07_readsWaitForNoCommit(t *testing.T) {
	there, deleted, coming := newOwned(t), newOwned(t), newOwned(t)
	h := &held{box: coming.box, began: make(chan struct{}), goesOn: make(chan struct{})}
	r := start(t, roomy(), func(o *relaynet.ServerOptions) { h.Machine, o.Machine = o.Machine, h })
	c := client(t, relaynet.ClientOptions{})
	wantStatus(t, c, r, there.asPut(), box.OK)
	wantStatus(t, c, r, deleted.asPut(), box.OK)
	wantStatus(t, c, r, deleted.asDelete(), box.OK)
	answered := make(chan *box.Reply, 2)
	ask := func(q *box.Request) {
		reply, err := c.Do(t.Context(), r.relay, q)
		if err != nil {
			t.Error(err)
		}
		answered <- reply
	}
	go ask(coming.asPut())
	<-h.began
	go ask(coming.asGet(0))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if reply, err := c.Do(t.Context(), r.relay, there.asGet(0)); err != nil || reply.Status != box.Found || string(reply.Cell) != string(there.cell) {
			t.Errorf("what is there: %v", err)
		}
		if reply, err := c.Do(t.Context(), r.relay, deleted.asGet(60)); err != nil || reply.Status != box.Gone {
			t.Errorf("what was deleted: %v", err)
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("who reads waits for who writes")
	}
	if len(answered) > 0 {
		t.Error("answered before it is durable")
	}
	close(h.goesOn)
	for range 2 {
		if reply := <-answered; reply == nil || reply.Status != box.OK && reply.Status != box.Found {
			t.Errorf("answered %+v", reply)
		}
	}
	<-done
}
