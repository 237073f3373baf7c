package engine

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"kith/box"
	"kith/identity"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
	"kith/pqxdh"
)

// boxFound opens what a watched box holds. What opens is done with, whatever is in it;
// what does not is looked for elsewhere, and passed over in the end. Spec: boxing.md,
// BG-08.
func (s *step) boxFound(in BoxFound) error {
	row, invite, inbound, err := s.inbound(in.Group)
	if err != nil || inbound == nil {
		return err
	}
	if d, _, ok := deviceOfGroup(in.Group); ok {
		// What a blocked contact wrote stays where it is.
		if blocked, err := s.blocked(d); err != nil || blocked {
			return err
		}
	}
	r, err := box.ParseReader(inbound.GetReader())
	if err != nil {
		return fmt.Errorf("engine: boxes row: %w", err)
	}
	index, payload, err := r.Open(in.Box, in.Expiry, in.Cell)
	if err != nil {
		var known bool
		if index, known = r.Index(in.Box); !known {
			return nil
		}
		if inbound.Wrongs++; !bytes.Equal(inbound.GetWrong(), in.Box[:]) {
			inbound.Wrong, inbound.Wrongs = in.Box[:], 1
		}
		if inbound.GetWrongs() < MaxWrong {
			s.boxChange(WrongBox{in.Group, in.Box})
			return s.saveInbound(in.Group, row, invite)
		}
		// Its writer put there what does not open, and wherever it lies it is the same.
		payload = nil
	}
	del, err := r.Delete(in.Box)
	if err != nil {
		return err
	}
	request, err := del.MarshalBinary()
	if err != nil {
		return err
	}
	if err := s.pass(inbound, r, index); err != nil {
		return err
	}
	var envelope []byte
	if payload != nil {
		envelope = assemble(inbound, index, payload)
	}
	if row != nil {
		s.laterStream(row, inbound)
		if envelope == nil && gaps(row) {
			s.answerBy(row) // part of something, and others are missing
		}
	}
	if err := s.saveInbound(in.Group, row, invite); err != nil {
		return err
	}
	if err := s.goOn(in.Group, row, inbound); err != nil {
		return err
	}
	// Others who have an invite look into its streams, too: what is not for this
	// device may be for one of them.
	taken := row != nil && inbound.GetSaid() != 0
	if envelope != nil {
		opened, err := s.fromBox(in.Group, envelope)
		if err != nil {
			return err
		}
		taken = taken || opened
	}
	if !taken {
		return nil
	}
	s.boxChange(DeleteBox{in.Group, in.Box, request})
	if other, ok := otherGroup(in.Group); ok {
		known, last, err := s.reading(row, inbound)
		if err != nil || alike(known, last) {
			return err
		}
		s.boxChange(DeleteBox{other, in.Box, request})
	}
	return nil
}

// boxSkipped moves past a box that this device read before it forgot so.
func (s *step) boxSkipped(in BoxSkipped) error {
	row, invite, inbound, err := s.inbound(in.Group)
	if err != nil || inbound == nil {
		return err
	}
	r, err := box.ParseReader(inbound.GetReader())
	if err != nil {
		return fmt.Errorf("engine: boxes row: %w", err)
	}
	index, ok := r.Index(in.Box)
	if !ok {
		return nil
	}
	if err := s.pass(inbound, r, index); err != nil {
		return err
	}
	if err := s.saveInbound(in.Group, row, invite); err != nil {
		return err
	}
	return s.goOn(in.Group, row, inbound)
}

// pass takes note that a box of a stream is done with.
func (s *step) pass(in *statepb.Inbound, r *box.Reader, index uint64) (err error) {
	r.Done(index)
	in.Read++
	in.Reached = max(in.GetReached(), index+1)
	if in.GetQuietS() != 0 {
		in.QuietS = s.now.Add(StreamGrace).Unix()
	}
	in.Reader, err = r.MarshalBinary()
	return err
}

// inbound finds the stream a group names, nil if it is over, and the row it is in.
func (s *step) inbound(g BoxGroup) (*statepb.Streams, *statepb.Invite, *statepb.Inbound, error) {
	if d, number, ok := deviceOfGroup(g); ok {
		row, err := s.streams(d)
		if err != nil {
			return nil, nil, nil, err
		}
		for _, in := range row.GetIn() {
			if in.GetNumber() == number {
				return row, nil, in, nil
			}
		}
		return nil, nil, nil, nil
	}
	if len(g) < 2 || g[:2] != "i/" {
		return nil, nil, nil, nil
	}
	invite := &statepb.Invite{}
	if _, err := s.load(StateKey(prefixInvite+string(g[2:])), invite); err != nil {
		return nil, nil, nil, err
	}
	return nil, invite, invite.GetIn(), nil
}

func (s *step) saveInbound(g BoxGroup, row *statepb.Streams, invite *statepb.Invite) error {
	if invite != nil {
		return s.save(StateKey(prefixInvite+string(g[2:])), invite)
	}
	d, _, _ := deviceOfGroup(g)
	return s.saveStreams(d, row)
}

// laterStream notes that the other side writes to this stream, and so no more to
// those before it: they end when nothing can lie in them any more.
func (s *step) laterStream(row *statepb.Streams, now *statepb.Inbound) {
	for _, in := range row.GetIn() {
		if in.GetSaid() < now.GetSaid() && in.GetOverS() == 0 {
			in.OverS = s.now.Add(StreamRest).Unix()
		}
	}
}

// assemble adds a part to those of its envelope and returns the envelope when it
// is whole. Parts are bounded, the oldest go first.
func assemble(in *statepb.Inbound, index uint64, payload []byte) []byte {
	in.Parts = append(in.Parts, &statepb.Part{Index: index, Payload: payload})
	parts := map[uint64][]byte{}
	for _, p := range in.GetParts() {
		parts[p.GetIndex()] = p.GetPayload()
	}
	envelope, used := box.Join(index, parts)
	in.Parts = slices.DeleteFunc(in.Parts, func(p *statepb.Part) bool { return slices.Contains(used, p.GetIndex()) })
	if over := len(in.Parts) - MaxParts; over > 0 {
		in.Parts = slices.Delete(in.Parts, 0, over)
	}
	return envelope
}

// fromBox takes an envelope that came by boxes, and reports whether it was taken.
// What is refused changes nothing but that the boxes are done with.
func (s *step) fromBox(g BoxGroup, envelope []byte) (taken bool, err error) {
	from, _, ok := deviceOfGroup(g)
	if !ok {
		if from, ok = s.guest(g, envelope); !ok {
			return false, nil
		}
	}
	sub := &step{View: s, now: s.now, self: s.self, boxed: true, up: &Update{State: map[StateKey][]byte{}}}
	err = sub.receive(Received{From: from, Envelope: envelope})
	if errors.Is(err, ErrRefused) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s.merge(sub.up)
	if !sub.up.Ack || sub.silent {
		return sub.up.Ack, nil
	}
	return true, s.opened(from, wire.IDOf(envelope))
}

// guest reads from an initial who takes up an invite: nobody vouches for the device
// before the handshake does.
func (s *step) guest(g BoxGroup, envelope []byte) (d identity.DeviceID, ok bool) {
	e, err := wire.ParseEnvelope(envelope)
	if err != nil || e.Kind != wire.KindInitial || inviteGroup(e.Invite) != g {
		return d, false
	}
	row := &statepb.Invite{}
	if _, err := s.load(inviteKey(e.Invite), row); err != nil || len(row.GetInvite()) == 0 {
		return d, false
	}
	inv, err := identity.ParseInvite(string(row.GetInvite()))
	if err != nil {
		return d, false
	}
	payload, err := wire.OpenFromInvite(inv.SealKey(), wire.KindInitial, e.Invite, e.Body)
	if err != nil {
		return d, false
	}
	initialBytes, _, ok := splitTwo(payload)
	if !ok {
		return d, false
	}
	initial, err := pqxdh.ParseInitial(initialBytes)
	if err != nil {
		return d, false
	}
	return initial.Sender.Device, true
}

// merge takes over what a step within this one decided.
func (s *step) merge(up *Update) {
	maps.Copy(s.up.State, up.State)
	s.up.Events = append(s.up.Events, up.Events...)
	s.up.Outgoing = append(s.up.Outgoing, up.Outgoing...)
	s.up.Drop = append(s.up.Drop, up.Drop...)
	s.up.Seen = append(s.up.Seen, up.Seen...)
	s.up.Wants = append(s.up.Wants, up.Wants...)
	s.up.Erase = append(s.up.Erase, up.Erase...)
	s.up.Cells = append(s.up.Cells, up.Cells...)
	s.up.DropCells = append(s.up.DropCells, up.DropCells...)
	s.up.Boxes = append(s.up.Boxes, up.Boxes...)
	s.up.Deposits = append(s.up.Deposits, up.Deposits...)
	for d, addrs := range up.Addrs {
		s.addrs(d, addrs)
	}
}

// opened remembers to acknowledge an envelope, with whatever is said next or by
// itself after a while that nobody can foresee.
func (s *step) opened(d identity.DeviceID, id wire.EnvelopeID) error {
	row, err := s.streams(d)
	if err != nil {
		return err
	}
	if len(row.GetOpened()) < MaxUnsaid {
		row.Opened = append(row.Opened, id[:])
	}
	s.answerBy(row)
	return s.saveStreams(d, row)
}

// answerBy plans when to say what was opened and what is missing, at the latest.
func (s *step) answerBy(row *statepb.Streams) {
	var draw [8]byte
	rand.Read(draw[:])
	wait := AnswerLeast + time.Duration(binary.BigEndian.Uint64(draw[:])%uint64(AnswerMost-AnswerLeast))
	if gaps(row) {
		wait = AnswerLeast
	}
	if by := s.now.Add(wait); row.GetAnswerByS() == 0 || by.Unix() < row.GetAnswerByS() {
		row.AnswerByS = by.Unix() + 1
	}
	s.wake(time.Unix(row.GetAnswerByS(), 0))
}

// gaps reports whether boxes are missing though later ones were found.
func gaps(row *statepb.Streams) bool {
	for _, in := range row.GetIn() {
		if len(missing(in)) > 0 {
			return true
		}
	}
	return false
}

// missing gives the boxes that were not found though later ones were.
func missing(in *statepb.Inbound) (all [][32]byte) {
	if in.GetReached() == in.GetRead() {
		return nil
	}
	r, err := box.ParseReader(in.GetReader())
	if err != nil {
		return nil
	}
	for _, k := range r.Missing(box.Window) {
		if k.Index < in.GetReached() {
			all = append(all, k.Box)
		}
	}
	return all
}

// attach lets a content acknowledge what came by boxes, and say what is missing.
func (s *step) attach(d identity.DeviceID, c *wire.Content) error {
	row, err := s.streams(d)
	if err != nil {
		return err
	}
	var lost [][32]byte
	for _, in := range row.GetIn() {
		lost = append(lost, missing(in)...)
	}
	if len(row.GetOpened()) == 0 && len(lost) == 0 {
		return nil
	}
	c.Missing = lost[:min(len(lost), wire.MaxMissing)]
	n := min(len(row.GetOpened()), wire.MaxOpened)
	for _, id := range row.GetOpened()[:n] {
		c.Opened = append(c.Opened, wire.EnvelopeID(id))
	}
	row.Opened = row.GetOpened()[n:]
	if len(row.Opened) == 0 {
		row.AnswerByS = 0
	}
	return s.saveStreams(d, row)
}

// attached takes what a content says about boxes of ours.
func (s *step) attached(from identity.DeviceID, c *wire.Content) error {
	for _, id := range c.Opened {
		if err := s.acked(Acked{From: from, ID: id}); err != nil && !errors.Is(err, ErrRefused) {
			return err
		}
		if err := s.dropCells(from, id); err != nil {
			return err
		}
	}
	if len(c.Missing) == 0 {
		return nil
	}
	row, err := s.streams(from)
	if err != nil || s.now.Unix() < row.GetAgainS() {
		return err
	}
	row.AgainS = s.now.Add(AskAgainEvery).Unix()
	s.boxChange(AskAgain{c.Missing})
	return s.saveStreams(from, row)
}

// receiveBoxes takes a stream that the other side begins, and its relays.
func (s *step) receiveBoxes(from identity.DeviceID, b *wire.Boxes) error {
	row, err := s.streams(from)
	if err != nil {
		return err
	}
	row.Next++
	in, err := newInbound(box.NewReader(b.Root, from, s.self.device.ID()), row.GetNext())
	if err != nil {
		return err
	}
	in.Relays, in.RelaysSet = b.Relays, true
	in.Said, in.Pair = b.Number, pairOf(b.Root, from, s.self.device.ID())
	place := slices.IndexFunc(row.In, func(x *statepb.Inbound) bool { return x.GetSaid() < b.Number })
	if place < 0 {
		place = len(row.In)
	}
	row.In = slices.Insert(row.In, place, in)
	for _, earlier := range row.In[place+1:] {
		earlier.QuietS = s.now.Add(StreamGrace).Unix()
	}
	for len(row.In) > MaxStreams {
		i := leastWanted(row.In)
		s.unwatch(from, row.In[i])
		row.In = slices.Delete(row.In, i, i+1)
	}
	if b.Number >= row.GetHeard() {
		row.Relays, row.Heard = b.Relays, b.Number
	}
	if err := s.saveStreams(from, row); err != nil {
		return err
	}
	return s.tellGroups(from, row)
}

// leastWanted picks the stream that is watched no more: the earliest in which nothing
// was ever found, since several may be told of at once in the one that goes on being
// used, or else the earliest.
func leastWanted(all []*statepb.Inbound) int {
	for i := len(all) - 1; i > 0; i-- {
		if all[i].GetReached() == 0 {
			return i
		}
	}
	return len(all) - 1
}

func newInbound(r *box.Reader, number uint32) (*statepb.Inbound, error) {
	b, err := r.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return &statepb.Inbound{Reader: b, Number: number}, nil
}
