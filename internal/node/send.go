package node

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"time"

	"kith/internal/delivery"
	"kith/internal/engine"
	"kith/internal/store"
	"kith/internal/wire"
	"kith/media"
)

// doDelivery carries out what delivery decided. Envelopes and acknowledgements
// for the engine are added to steps.
func (n *Node) doDelivery(ctx context.Context, now time.Time, effects []delivery.Effect, steps *[]*decided) {
	for _, e := range effects {
		switch e := e.(type) {
		case delivery.Dial:
			n.work.Go(func() { n.dial(ctx, e.Peer) })
		case delivery.Send:
			n.send(ctx, e.Peer, e.Frame)
		case delivery.Deliver:
			*steps = append(*steps, &decided{
				in:   engine.Received{From: e.From.Device(), Envelope: e.Envelope},
				then: []delivery.Effect{e.Then},
			})
		case delivery.Acked:
			*steps = append(*steps, &decided{in: engine.Acked{From: e.From.Device(), ID: e.ID}})
		case delivery.Box:
			if steps != nil {
				*steps = append(*steps, &decided{in: engine.BoxUp{ID: e.ID}})
			} else {
				n.later = append(n.later, engine.BoxUp{ID: e.ID})
			}
		case delivery.Refused:
			n.log.Debug("a frame was refused")
		}
	}
}

// receive posts what happens on the network to the loop; a full queue makes
// the network, and with it the peers, wait.
func (n *Node) receive(ctx context.Context) {
	for {
		e, err := n.net.Recv(ctx)
		if err != nil {
			return
		}
		n.post(ctx, e)
	}
}

func (n *Node) dial(ctx context.Context, peer wire.PeerID) {
	var hints []string
	err := n.db.View(func(tx *store.Tx) (err error) {
		hints, err = tx.Addrs(peer.Device())
		return err
	})
	if err == nil {
		if near, ok := n.nearby.Load(peer); ok {
			hints = merge(near.([]string), hints)
		}
		if n.meetings.far != nil {
			err = n.dialFar(ctx, peer, hints)
		} else {
			err = n.dialAt(ctx, peer, hints)
		}
	}
	if err != nil {
		n.log.Debug("dialling failed", "cause", cause(err))
	}
	n.post(ctx, delivery.DialEnded{Peer: peer})
}

// sender feeds one peer's link, so that a slow peer delays nobody else.
type sender struct {
	frames chan []byte
	cancel context.CancelFunc
}

// send queues a frame for a peer. When the queue is full the frame is lost
// here and repeated by delivery later.
func (n *Node) send(ctx context.Context, peer wire.PeerID, frame []byte) {
	s, ok := n.senders[peer]
	if !ok {
		sctx, cancel := context.WithCancel(ctx)
		s = &sender{frames: make(chan []byte, MaxSendQueue), cancel: cancel}
		n.senders[peer] = s
		n.work.Go(func() { n.feed(sctx, peer, s.frames) })
	}
	select {
	case s.frames <- frame:
	default:
		n.log.Debug("a send queue is full")
	}
}

func (n *Node) feed(ctx context.Context, peer wire.PeerID, frames <-chan []byte) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-frames:
			sctx, cancel := context.WithTimeout(ctx, sendTimeout)
			err := n.net.Send(sctx, peer, f)
			cancel()
			if err != nil {
				n.log.Debug("sending failed", "cause", cause(err))
			}
		}
	}
}

// dropSender ends the feeding of a link that went down.
func (n *Node) dropSender(peer wire.PeerID) {
	if s, ok := n.senders[peer]; ok {
		s.cancel()
		delete(n.senders, peer)
	}
}

// learn keeps where a contact can be reached; strangers' claims are dropped.
func (n *Node) learn(e wire.LinkEvent) {
	if !n.isContact(e.Peer) || len(e.Addrs) == 0 {
		return
	}
	err := n.db.Update(context.Background(), func(tx *store.Tx) error {
		known, err := tx.Addrs(e.Peer.Device())
		if err != nil {
			return err
		}
		if merged := merge(e.Addrs, known); !slices.Equal(merged, known) {
			return tx.PutAddrs(e.Peer.Device(), merged)
		}
		return errNothingNew
	})
	if err != nil && !errors.Is(err, errNothingNew) {
		n.log.Warn("an address could not be kept", "cause", cause(err))
	}
}

// errNothingNew ends a transaction that has nothing to write.
var errNothingNew = errors.New("node: nothing new")

// merge puts the newest addresses first and keeps older ones behind, since an
// old one may come back; repeats go.
func merge(fresh, known []string) []string {
	var merged []string
	have := map[string]bool{}
	for _, list := range [][]string{fresh, known} {
		for _, a := range list {
			if !have[a] && len(a) <= wire.MaxAddr && len(merged) < wire.MaxAddrs {
				have[a] = true
				merged = append(merged, a)
			}
		}
	}
	return merged
}

// cause says in one word why something failed. Errors themselves are never
// logged: they may name peers, addresses or files.
func cause(err error) string {
	switch {
	case err == nil:
		return "none"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.Is(err, wire.ErrAbsent):
		return "absent"
	case errors.Is(err, media.ErrForged):
		return "forged"
	case errors.Is(err, store.ErrFull):
		return "disk full"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, io.ErrUnexpectedEOF):
		return "file"
	}
	return "link or system"
}
