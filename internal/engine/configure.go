package engine

import (
	"errors"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
)

// configure changes what a contact is called and may know.
func (s *step) configure(in Configure) error {
	c, ok, err := s.Contact(in.Account)
	if err != nil {
		return err
	}
	if !ok {
		return &Error{Code: NotFound, Text: "no such contact"}
	}
	e := chat.ContactConfigured{Account: c.Account, Name: c.Name, NoReceipts: c.NoReceipts, NoTyping: c.NoTyping, Blocked: c.Blocked}
	before := e
	if in.Name != nil && *in.Name != c.Name {
		if *in.Name == "" {
			return badName("")
		}
		if e.Name, err = s.contactName(*in.Name, "", c.Account); err != nil {
			return err
		}
	}
	if in.Receipts != nil {
		e.NoReceipts = !*in.Receipts
	}
	if in.Typing != nil {
		e.NoTyping = !*in.Typing
	}
	if in.Blocked != nil {
		e.Blocked = *in.Blocked
	}
	if e == before {
		return nil
	}
	s.event(e)
	if e.Blocked == before.Blocked {
		return nil
	}
	return s.watchOrNot(c.Device, !e.Blocked)
}

// watchOrNot looks into a device's boxes from now on, or no more.
func (s *step) watchOrNot(d identity.DeviceID, watch bool) error {
	row, err := s.streams(d)
	if err != nil {
		return err
	}
	if watch {
		s.wake(s.now) // for what was put off
		return s.watchAll(d, row)
	}
	for _, in := range row.GetIn() {
		s.unwatch(d, in)
	}
	return nil
}

// blocked reports whether a device is of a contact who is blocked.
func (s *step) blocked(d identity.DeviceID) (bool, error) {
	a, _, err := s.contactOf(d)
	if errors.Is(err, ErrRefused) {
		return false, nil // a stranger
	}
	if err != nil {
		return false, err
	}
	c, _, err := s.Contact(a)
	return c.Blocked, err
}

// typing tells a contact that the person is writing, on the link that is up or
// not at all. Nothing that must arrive travels with it. Spec: content.md, CO-31.
func (s *step) typing(in Typing) error {
	c, ok, err := s.Contact(in.To)
	if err != nil {
		return err
	}
	if !ok {
		return &Error{Code: NotFound, Text: "no such contact"}
	}
	row, known, err := s.contact(in.To)
	if err != nil {
		return err
	}
	since := s.now.UnixMilli() - row.GetTypedMs()
	if !known || c.NoTyping || c.Blocked || row.GetDevicesChanged() || row.GetStage() != statepb.Stage_ESTABLISHED ||
		since >= 0 && since < TypingEvery.Milliseconds() {
		return nil
	}
	row.TypedMs = s.now.UnixMilli()
	if err := s.saveContact(in.To, row); err != nil {
		return err
	}
	return s.sealBrief(identity.DeviceID(row.GetDevice()), &wire.Content{ID: newMessageID(), SentAt: s.now, Typing: true})
}

// sealBrief seals what is sent once, on a link that is up, or never.
func (s *step) sealBrief(d identity.DeviceID, c *wire.Content) error {
	row, err := s.sessions(d)
	if err != nil || len(row.GetSessions()) == 0 {
		return err
	}
	active := row.GetSessions()[row.GetActive()]
	session, err := parseSession(active)
	if err != nil {
		return err
	}
	next, sealed, err := sealContent(session, active.GetAd(), c)
	if err != nil {
		return err
	}
	if active.Ratchet, err = next.MarshalBinary(); err != nil {
		return err
	}
	o, err := s.envelope(d, &wire.Envelope{Kind: wire.KindSession, Body: sealed})
	if err != nil {
		return err
	}
	o.Ephemeral = true
	s.up.Outgoing = append(s.up.Outgoing, o)
	return s.saveSessions(d, row, next)
}

// receiveTyping tells whoever looks that a contact is writing. It is worth nothing
// later, so it counts on a link alone and is neither logged nor acknowledged.
func (s *step) receiveTyping(a identity.AccountID) error {
	s.silent, s.up.Ack = true, false
	if !s.boxed {
		s.up.Typing = append(s.up.Typing, a)
	}
	return nil
}
