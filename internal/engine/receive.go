package engine

import (
	"errors"
	"slices"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
)

// receive takes an envelope from the device the transport authenticated. What
// was opened before is acknowledged again and changes nothing.
func (s *step) receive(in Received) error {
	e, err := wire.ParseEnvelope(in.Envelope)
	if err != nil {
		return ErrRefused
	}
	if in.From == s.self.device.ID() {
		return ErrRefused // reflected
	}
	if blocked, err := s.blocked(in.From); err != nil || blocked {
		return orRefused(err)
	}
	id := wire.IDOf(in.Envelope)
	switch e.Kind { // answered, never acknowledged
	case wire.KindRequest:
		return s.receiveRequest(in.From, e, id)
	case wire.KindRenew:
		return s.receiveRenew(in.From, id)
	}
	seen, err := s.Seen(id)
	if err != nil {
		return err
	}
	if seen {
		s.up.Ack = true
		return nil
	}
	switch e.Kind {
	case wire.KindBundle:
		err = s.receiveBundle(in.From, e)
	case wire.KindInitial:
		err = s.receiveInitial(in.From, e, id)
	case wire.KindSession:
		err = s.receiveSession(in.From, e)
	case wire.KindPrekeys:
		err = s.receivePrekeys(in.From, e)
	case wire.KindRenewal:
		err = s.receiveRenewal(in.From, e)
	case wire.KindRefusal:
		if e.Reason == wire.ReasonNoSession {
			return s.receiveNoSession(in.From, e)
		}
		return s.receiveRefusal(in.From, e)
	}
	if errors.Is(err, errNoSession) {
		return s.noSession(in.From, id)
	}
	if err != nil {
		return err
	}
	if s.up.Ack {
		s.up.Seen = append(s.up.Seen, id)
	}
	return nil
}

func (s *step) receiveSession(from identity.DeviceID, e *wire.Envelope) error {
	a, row, err := s.contactOf(from)
	if err != nil {
		return err
	}
	padded, err := s.openFrom(from, e.Body)
	if err != nil {
		return err
	}
	// The session authenticated it: from here the envelope is done with,
	// whatever is in it, or its sender would repeat it for ever.
	s.up.Ack = true
	raw, c := readContent(padded)
	if err := s.establish(a, row); err != nil {
		return err
	}
	if raw == nil { // malformed, or of a version that pads otherwise: kept as it came
		s.event(chat.ContentUnknown{Conversation: chat.With(a), Device: from, Raw: slices.Clone(padded)})
		return nil
	}
	return s.content(a, row, from, raw, c)
}

// readContent gives the unpadded bytes and the content; raw is nil when they
// are malformed.
func readContent(padded []byte) (raw []byte, c *wire.Content) {
	raw, err := wire.Unpad(padded)
	if err != nil {
		return nil, nil
	}
	if c, err = wire.ParseContent(raw); err != nil {
		return nil, nil
	}
	return raw, c
}

// establish notes that the other side has used a session with us: first
// contact is over.
func (s *step) establish(a identity.AccountID, row *statepb.Contact) error {
	if row.GetStage() == statepb.Stage_ESTABLISHED {
		return nil
	}
	s.dropEnvelope(row.GetRequest())
	row.Stage, row.Invite, row.Request, row.Initial = statepb.Stage_ESTABLISHED, nil, nil, nil
	s.event(chat.ContactProgressed{Account: a, State: chat.ContactEstablished})
	return s.saveContact(a, row)
}

func (s *step) content(a identity.AccountID, row *statepb.Contact, from identity.DeviceID, raw []byte, c *wire.Content) error {
	if err := s.attached(from, c); err != nil {
		return err
	}
	switch {
	case c.Hello != nil:
		return s.receiveHello(a, row, from, c.Hello)
	case c.Message != nil:
		return s.receiveMessage(a, from, c)
	case c.Receipt != nil:
		return s.receiveReceipt(a, c.Receipt)
	case c.Boxes != nil:
		return s.receiveBoxes(from, c.Boxes)
	case c.Nothing:
		s.silent = true
		return nil
	case c.Deposit != nil:
		return s.receiveDeposit(from, c.Deposit)
	case c.Stored != nil:
		return s.receiveStored(from, c.Stored)
	case c.Edit != nil:
		return s.receiveChange(a, c, chat.Edit, c.Edit.Target, c.Edit.Text)
	case c.Reaction != nil:
		return s.receiveChange(a, c, chat.React, c.Reaction.Target, c.Reaction.Emoji)
	case c.Deletion != nil:
		return s.receiveDeletion(a, from, c)
	case c.Typing:
		return s.receiveTyping(a)
	}
	s.event(chat.ContentUnknown{Conversation: chat.With(a), Device: from, Raw: slices.Clone(raw)})
	return nil
}

func (s *step) receiveMessage(a identity.AccountID, from identity.DeviceID, c *wire.Content) error {
	if _, known, err := s.Message(c.ID); err != nil || known {
		return err // said before
	}
	if forgotten, err := s.Forgotten(c.ID); err != nil || forgotten {
		return err
	}
	conv, err := s.Conversation(chat.With(a))
	if err != nil {
		return err
	}
	m := chat.Message{
		ID: c.ID, Conversation: chat.With(a), From: a, Device: from,
		Lamport: min(c.Lamport, conv.Lamport+MaxLamportJump), SentAt: c.SentAt,
		Text: c.Message.Text, State: chat.Delivered, ReplyTo: c.Message.ReplyTo,
	}
	for _, at := range c.Message.Media {
		m.Media = append(m.Media, chat.Media{Attachment: at})
		s.up.Wants = append(s.up.Wants, Want{Ref: at.Pointer.Ref(), From: from})
	}
	s.event(chat.MessageAdded{Message: m})
	return nil
}

// receiveReceipt marks messages of ours as read; names of other messages are
// not this contact's to mark.
func (s *step) receiveReceipt(a identity.AccountID, r *wire.Receipt) error {
	var ids []wire.MessageID
	for _, id := range r.Read {
		m, ok, err := s.Message(id)
		if err != nil {
			return err
		}
		if ok && m.Conversation == chat.With(a) && m.From == s.self.account && m.State.Before(chat.Read) {
			ids = append(ids, id)
		}
	}
	if len(ids) > 0 {
		s.event(chat.MessagesMarked{Conversation: chat.With(a), IDs: ids, State: chat.Read})
	}
	return nil
}

// receiveHello takes a contact's device list and addresses. A list that does
// not follow the known one is left alone; one that does is an event, and a
// verified contact is not written to until somebody looked. Spec: contact.md 5.
func (s *step) receiveHello(a identity.AccountID, row *statepb.Contact, from identity.DeviceID, h *wire.Hello) error {
	s.addrs(from, h.Addrs)
	if h.Boxes != nil {
		if err := s.receiveBoxes(from, h.Boxes); err != nil {
			return err
		}
	}
	if slices.Equal(h.DeviceList, row.GetDeviceList()) {
		return nil
	}
	list, err := identity.ParseDeviceList(h.DeviceList)
	if err != nil || list.Account != a || list.Certificate(from) == nil {
		return nil
	}
	if len(row.GetDeviceList()) > 0 {
		known, err := identity.ParseDeviceList(row.GetDeviceList())
		if err != nil {
			return err
		}
		if err := list.Follows(known); err != nil {
			if errors.Is(err, identity.ErrStale) {
				return nil
			}
			// A fork or a gap: not taken, and a verified contact is looked at.
			if err := s.devicesChanged(a, row); err != nil {
				return err
			}
			s.event(chat.ContactDevices{Account: a, Seq: list.Seq})
			return s.saveContact(a, row)
		}
		if err := s.devicesChanged(a, row); err != nil {
			return err
		}
		s.event(chat.ContactDevices{Account: a, Seq: list.Seq})
	}
	row.DeviceList = slices.Clone(h.DeviceList)
	return s.saveContact(a, row)
}

// devicesChanged stops writing to a contact who was verified until somebody
// has looked; only that lifts it.
func (s *step) devicesChanged(a identity.AccountID, row *statepb.Contact) error {
	c, _, err := s.Contact(a)
	if err != nil {
		return err
	}
	row.DevicesChanged = row.GetDevicesChanged() || c.Verified
	return nil
}
