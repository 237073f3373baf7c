package engine

import (
	"errors"
	"slices"
	"strings"
	"time"

	"kith/box"
	"kith/identity"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
)

// An invite has two streams of its own, so that it can be taken up while the
// inviter is away: in the inviter's lies the bundle, in the taker's the initial.
// Spec: boxing.md 4.

// inviteRelays picks the relays an invite names.
func (s *step) inviteRelays() ([]string, error) {
	own, err := s.ownRelays()
	own = slices.DeleteFunc(slices.Clone(own), func(l string) bool { return len(l) > identity.MaxHint })
	return own[:min(len(own), MaxInviteRelays)], err
}

// openStreams puts the bundle behind an invite into a box and watches for whoever
// takes the invite up.
func (s *step) openStreams(inv *identity.Invite, row *statepb.Invite, life time.Duration) error {
	if len(row.GetRelays()) == 0 {
		return nil
	}
	secret, g := inv.BoxSecret(), inviteGroup(inv.ID())
	chain, err := box.InviterChain(secret).MarshalBinary()
	if err != nil {
		return err
	}
	row.Out = &statepb.Stream{Chain: chain, MadeS: s.now.Unix()}
	o, err := s.bundleEnvelope(identity.DeviceID{}, inv, row)
	if err != nil {
		return err
	}
	cells, err := s.sealCells(row.Out, g, o.Body, box.LifeFor(life))
	if errors.Is(err, errNoBoxes) {
		row.Out = nil
		return nil
	}
	if err != nil {
		return err
	}
	s.up.Cells = append(s.up.Cells, cells...)
	if row.In, err = newInbound(box.TakerReader(secret), 1); err != nil {
		return err
	}
	s.boxChange(BoxRelays{g, parseRelays(row.GetRelays())})
	return s.watch(g, row.GetIn())
}

// takeStreams watches for the bundle behind an invite that is taken up.
func (s *step) takeStreams(inv *identity.Invite) error {
	relays := inv.Hints
	relays = slices.DeleteFunc(slices.Clone(relays), func(h string) bool { return !box.IsRelay(h) })
	if len(relays) == 0 {
		return nil
	}
	secret := inv.BoxSecret()
	chain, err := box.TakerChain(secret).MarshalBinary()
	if err != nil {
		return err
	}
	in, err := newInbound(box.InviterReader(secret), 1)
	if err != nil {
		return err
	}
	// The inviter knows of no relays but those the invite names.
	in.Relays, in.RelaysSet = relays, true
	row := &statepb.Streams{Out: &statepb.Stream{Chain: chain, MadeS: s.now.Unix(), RelaysSet: true}, In: []*statepb.Inbound{in},
		Relays: relays, Next: 1, KnownSet: true}
	if err := s.saveStreams(inv.Device, row); err != nil {
		return err
	}
	return s.tellGroups(inv.Device, row)
}

// adoptStreams goes on with an invite's streams as those with the device that took
// it up.
func (s *step) adoptStreams(id wire.InviteID, invite *statepb.Invite, from identity.DeviceID, h *wire.Hello) error {
	if invite.GetIn() != nil {
		row, err := s.streams(from)
		if err != nil {
			return err
		}
		row.Next++
		in := invite.GetIn()
		// By then it was read as part of the invite's group, in this very step.
		if row.Out == nil {
			row.Out = invite.GetOut()
			row.Out.Relays, row.Out.RelaysSet = invite.GetRelays(), true
			row.Known, row.KnownSet = invite.GetRelays(), true
		}
		in.Number = row.GetNext()
		in.Relays, in.RelaysSet = invite.GetRelays(), true
		row.In = append(row.In, in)
		if err := s.saveStreams(from, row); err != nil {
			return err
		}
		if err := s.closeStreams(inviteKey(id), invite); err != nil {
			return err
		}
		if err := s.tellGroups(from, row); err != nil {
			return err
		}
	}
	if h.Boxes != nil {
		return s.receiveBoxes(from, h.Boxes)
	}
	return nil
}

// closeStreams ends the watch for an invite and lets its bundle's box go.
func (s *step) closeStreams(k StateKey, row *statepb.Invite) error {
	if row.GetIn() == nil {
		return nil
	}
	g := BoxGroup("i/" + strings.TrimPrefix(string(k), prefixInvite))
	s.boxChange(WatchBoxes{Group: g})
	gone, err := s.CellsOf(g)
	s.up.DropCells = append(s.up.DropCells, gone...)
	return err
}

// endStreams ends all streams with a device.
func (s *step) endStreams(d identity.DeviceID) error {
	row, err := s.streams(d)
	if err != nil {
		return err
	}
	for _, in := range row.GetIn() {
		s.unwatch(d, in)
	}
	s.up.State[streamsKey(d)] = nil
	gone, err := s.CellsOf(outGroup(d))
	s.up.DropCells = append(s.up.DropCells, gone...)
	return err
}
