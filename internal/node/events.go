package node

import (
	"context"
	"slices"
	"time"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/delivery"
	"kith/internal/engine"
	"kith/internal/store"
	"kith/internal/transfer"
	"kith/internal/wire"
)

// Typing tells a contact that the person is writing, if a link is up; else it does
// nothing.
func (n *Node) Typing(ctx context.Context, c chat.Contact) error {
	if !n.Online(c.Device) {
		return nil
	}
	_, _, err := n.Do(ctx, engine.Typing{To: c.Account})
	return err
}

func (n *Node) hearTyping(a identity.AccountID, now time.Time) {
	if n.writing.hear(a, now, false) {
		n.news.tell()
	}
}

func (n *Node) isBlocked(p wire.PeerID) bool {
	_, blocked := n.blocked.Load(p)
	return blocked
}

// shun wants nothing more of a contact's device, and to be nothing to it.
func (n *Node) shun(ctx context.Context, now time.Time, d identity.DeviceID) {
	peer := wire.PeerOf(d)
	n.blocked.Store(peer, struct{}{})
	n.known.Delete(peer)
	n.doDelivery(ctx, now, n.delivery.Step(now, delivery.Leave{Peer: peer}), nil)
	n.work.Go(func() { n.net.Hangup(peer) })
}

// configured follows a change of what a contact may know.
func (n *Node) configured(ctx context.Context, now time.Time, e chat.ContactConfigured) {
	var c chat.Contact
	var waiting []wire.Outgoing
	var wants []engine.Want
	err := n.db.View(func(tx *store.Tx) (err error) {
		if c, _, err = tx.Contact(e.Account); err != nil {
			return err
		}
		all, err := tx.OutboxAll()
		if err != nil {
			return err
		}
		waiting = slices.DeleteFunc(all, func(o wire.Outgoing) bool { return o.To != c.Device })
		wants, err = tx.Wants()
		return err
	})
	if err != nil {
		n.log.Warn("a contact's settings do not count before the next start", "cause", cause(err))
		return
	}
	wants = slices.DeleteFunc(wants, func(w engine.Want) bool { return w.From != c.Device })
	peer := wire.PeerOf(c.Device)
	switch blocked := n.isBlocked(peer); {
	case e.Blocked && !blocked:
		n.shun(ctx, now, c.Device)
		for _, w := range wants {
			n.doTransfer(ctx, n.transfer.Step(now, transfer.Lose{Root: w.Ref.Root, From: transfer.Source{Peer: peer}}))
			n.doTransfer(ctx, n.transfer.Step(now, transfer.Lose{Root: w.Ref.Root, From: transfer.Source{Peer: peer, Deposit: true}}))
		}
	case !e.Blocked && blocked:
		n.blocked.Delete(peer)
		n.keep(ctx, now, c.Device)
		n.doDelivery(ctx, now, n.delivery.Step(now, delivery.Queue{Envelopes: waiting}), nil)
		n.want(ctx, now, wants)
	}
}

// erase takes away the blobs that no message refers to any more. What cannot be
// removed now is at the next start.
func (n *Node) erase(ctx context.Context, now time.Time, roots [][32]byte) {
	for _, root := range roots {
		if known, err := n.mediaKnown(root); err != nil || known {
			continue
		}
		n.unwant(ctx, now, root)
		n.removeBlob(root)
	}
}

// unwant fetches a blob no more; who reads it is told.
func (n *Node) unwant(ctx context.Context, now time.Time, root [32]byte) {
	n.doTransfer(ctx, n.transfer.Step(now, transfer.Forget{Root: root}))
	n.closeAssembly(root)
	n.moving.Delete(root)
	n.arrivals.end(root)
}

// hold follows what the person wants of blobs that are not here.
func (n *Node) hold(ctx context.Context, now time.Time, holds []engine.Held) {
	for _, h := range holds {
		switch h.Hold {
		case chat.Cancelled:
			n.unwant(ctx, now, h.Ref.Root)
			if err := n.db.RemovePart(h.Ref.Root); err != nil {
				n.log.Warn("a part of a file stays", "cause", cause(err))
			}
		case chat.Paused:
			n.step(ctx, now, transfer.Pause{Root: h.Ref.Root})
		case chat.Fetch:
			n.step(ctx, now, transfer.Resume{Root: h.Ref.Root})
			var wants []engine.Want
			for _, d := range h.From {
				wants = append(wants, engine.Want{Ref: h.Ref, From: d})
			}
			n.want(ctx, now, wants)
		}
	}
}

// step gives transfer an input and carries out what it decides.
func (n *Node) step(ctx context.Context, now time.Time, in transfer.Input) {
	n.doTransfer(ctx, n.transfer.Step(now, in))
	n.noteProgress(in)
}

// removeBlob removes a blob's files unless a message refers to them.
func (n *Node) removeBlob(root [32]byte) {
	if err := n.db.RemoveBlob(root); err != nil {
		n.log.Warn("a file stays until the next start", "cause", cause(err))
	}
}

func (n *Node) mediaKnown(root [32]byte) (known bool, err error) {
	err = n.db.View(func(tx *store.Tx) (err error) {
		known, err = tx.MediaKnown(root)
		return err
	})
	return known, err
}
