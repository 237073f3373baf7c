package engine

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
	"kith/pqxdh"
)

// Sessions between contacts are begun anew when one of the two has lost them: a
// damaged or restored store, a device that was away for months. Nobody stands
// between the two who could keep prekeys, so the one who needs a session asks
// the other's device for a bundle. Spec: contact.md 7.

// deviceOf reads the device a row of sessions is about.
func deviceIn(k StateKey, prefix string) (d identity.DeviceID, ok bool) {
	b, err := hex.DecodeString(strings.TrimPrefix(string(k), prefix))
	return d, err == nil && len(b) == copy(d[:], b)
}

// established finds the contact a device belongs to, if first contact is over.
func (s *step) established(d identity.DeviceID) (identity.AccountID, *statepb.Contact, error) {
	a, row, err := s.contactOf(d)
	if err != nil {
		return a, nil, err
	}
	if row.GetStage() != statepb.Stage_ESTABLISHED || identity.DeviceID(row.GetDevice()) != d {
		return a, nil, ErrRefused
	}
	return a, row, nil
}

// renew asks a contact's device for prekeys, unless that request is on its way
// or was made too often today. It does nothing for devices of other people.
func (s *step) renew(d identity.DeviceID) error {
	if _, _, err := s.established(d); errors.Is(err, ErrRefused) {
		return nil
	} else if err != nil {
		return err
	}
	row, err := s.sessions(d)
	if err != nil {
		return err
	}
	if asked, err := s.underway(d, wire.KindRenew); err != nil || asked || row.GetBegun() >= MaxRenewals {
		return err
	}
	nonce := make([]byte, wire.RenewSize)
	rand.Read(nonce)
	o, err := s.envelope(d, &wire.Envelope{Kind: wire.KindRenew, Body: nonce})
	if err != nil {
		return err
	}
	s.up.Outgoing = append(s.up.Outgoing, o)
	return nil
}

// underway reports whether an envelope of a kind waits for a device. The outbox
// itself is asked, so that nothing can be out of step with it.
func (s *step) underway(d identity.DeviceID, kind wire.EnvelopeKind) (bool, error) {
	for _, o := range s.up.Outgoing {
		if o.To == d && wire.KindOf(o.Body) == kind {
			return true, nil
		}
	}
	ids, err := s.OutboxFor(d)
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		if slices.Contains(s.up.Drop, id) {
			continue
		}
		o, ok, err := s.Outbox(id)
		if err != nil {
			return false, err
		}
		if ok && wire.KindOf(o.Body) == kind {
			return true, nil
		}
	}
	return false, nil
}

// receiveRenew hands a contact's device a bundle. A repeated request gets the
// same one, so that repetition costs no prekeys.
func (s *step) receiveRenew(from identity.DeviceID, id wire.EnvelopeID) error {
	if _, _, err := s.established(from); err != nil {
		return err
	}
	row, err := s.sessions(from)
	if err != nil {
		return err
	}
	if !bytes.Equal(row.GetAnswered(), id[:]) {
		if row.GetGiven() >= MaxRenewals {
			return ErrRefused
		}
		row.Given++
		row.Answered = id[:]
		if row.AnsweredWith, err = s.takeOneTime(); err != nil {
			return err
		}
		if err := s.save(sessionsKey(from), row); err != nil {
			return err
		}
	}
	bundle, err := s.bundle(row.GetAnsweredWith())
	if err != nil {
		return err
	}
	body, err := bundle.AppendBinary(binary.BigEndian.AppendUint64(id[:], generation(row)))
	if err != nil {
		return err
	}
	o, err := s.envelope(from, &wire.Envelope{Kind: wire.KindPrekeys, Body: body})
	if err != nil {
		return err
	}
	return s.answer(o)
}

// prekeysHead is what precedes the bundle in an answer: the request's id and the
// highest generation that whoever answers knows.
const prekeysHead = len(wire.EnvelopeID{}) + 8

// receivePrekeys begins a session with the bundle that was asked for.
func (s *step) receivePrekeys(from identity.DeviceID, e *wire.Envelope) error {
	a, contact, err := s.established(from)
	if err != nil {
		return err
	}
	row, err := s.sessions(from)
	if err != nil {
		return err
	}
	// The answer names the request: a last resort is the same for all.
	if len(e.Body) < prekeysHead {
		return ErrRefused
	}
	asked, ok, err := s.Outbox(wire.EnvelopeID(e.Body))
	if err != nil || !ok || asked.To != from || wire.KindOf(asked.Body) != wire.KindRenew {
		return orRefused(err)
	}
	theirs := binary.BigEndian.Uint64(e.Body[len(wire.EnvelopeID{}):])
	if theirs >= generation(row)+MaxGenerationStep {
		return ErrRefused
	}
	bundle, err := pqxdh.ParseBundle(e.Body[prekeysHead:])
	if err != nil || bundle.Owner != (pqxdh.Address{Account: a, Device: from}) {
		return ErrRefused
	}
	if ok, err := s.known(contact, from, bundle.Identity); err != nil || !ok {
		return orRefused(err)
	}
	initial, secrets, err := pqxdh.Initiate(s.pqIdentity(), bundle, nil, s.now)
	if err != nil {
		return ErrRefused
	}
	fresh, ad, err := initiatorSession(secrets)
	if err != nil {
		return err
	}
	defer fresh.Wipe()
	// Above what either side knows, so that both seal in it when they know of it.
	hello, err := s.firstHello(max(generation(row), theirs) + 1)
	if err != nil {
		return err
	}
	session, first, err := sealContent(fresh, ad, hello)
	if err != nil {
		return err
	}
	payload, err := initialAndFirst(initial, first)
	if err != nil {
		return err
	}
	o, err := s.envelope(from, &wire.Envelope{Kind: wire.KindRenewal, Body: payload})
	if err != nil {
		return err
	}
	if err := s.dropAll(from); err != nil {
		return err
	}
	s.up.Outgoing = append(s.up.Outgoing, o)
	if err := s.told(from, hello.Hello.Boxes, o.ID); err != nil {
		return err
	}
	row.Begun++
	if err := s.save(sessionsKey(from), row); err != nil {
		return err
	}
	n := newSession{session: session, ad: ad, name: initial.Hash(), generation: hello.Hello.Generation, initiator: true,
		reduced: !initial.HasOneTime}
	if err := s.keepSession(from, n); err != nil {
		return err
	}
	s.up.Ack = true
	return s.begunAnew(a, contact, from)
}

func initialAndFirst(initial *pqxdh.Initial, first []byte) ([]byte, error) {
	b, err := initial.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	return joinTwo(b, first)
}

// known reports whether the device list we know of a contact certifies the
// device with that identity key.
func (s *step) known(contact *statepb.Contact, d identity.DeviceID, key [32]byte) (bool, error) {
	list, err := identity.ParseDeviceList(contact.GetDeviceList())
	if err != nil {
		return false, err
	}
	return certified(list, d, key, s.now), nil
}

// dropAll empties the outbox for a device, of this step's envelopes too: all of
// it is sealed in sessions that are over.
func (s *step) dropAll(d identity.DeviceID) error {
	gone, err := s.OutboxFor(d)
	if err != nil {
		return err
	}
	s.up.Drop = append(s.up.Drop, gone...)
	return nil
}

// begunAnew tells the person and seals again, in order, what was not delivered.
// The mark of verification stays: the identity keys are the same.
func (s *step) begunAnew(a identity.AccountID, contact *statepb.Contact, d identity.DeviceID) error {
	conv, err := s.Conversation(chat.With(a))
	if err != nil {
		return err
	}
	s.event(chat.MessageAdded{Message: chat.Message{
		ID: newMessageID(), Conversation: chat.With(a), From: s.self.account, Device: s.self.device.ID(),
		Lamport: min(conv.Lamport+1, wire.MaxLamport), SentAt: s.now.Truncate(time.Millisecond).UTC(),
		State: chat.Delivered, Notice: chat.NoticeSession}})
	waiting, err := s.undelivered(a)
	if err != nil {
		return err
	}
	if contact.GetDevicesChanged() {
		contact.Waiting = waiting
		return s.saveContact(a, contact)
	}
	contact.Waiting = nil
	if err := s.saveContact(a, contact); err != nil {
		return err
	}
	return s.sendWaiting(d, waiting)
}

// receiveRenewal takes a session that a contact's device begins. Prekeys used
// once are erased, and the initial is remembered, in the same update.
func (s *step) receiveRenewal(from identity.DeviceID, e *wire.Envelope) error {
	a, contact, err := s.established(from)
	if err != nil {
		return err
	}
	initialBytes, first, ok := splitTwo(e.Body)
	if !ok {
		return ErrRefused
	}
	initial, err := pqxdh.ParseInitial(initialBytes)
	if err != nil || initial.Sender != (pqxdh.Address{Account: a, Device: from}) {
		return ErrRefused
	}
	if ok, err := s.known(contact, from, initial.Identity); err != nil || !ok {
		return orRefused(err)
	}
	name := initial.Hash()
	if before, err := s.State(acceptedKey(name)); err != nil || before != nil {
		return orRefused(err) // replayed
	}
	row, err := s.sessions(from)
	if err != nil {
		return err
	}
	if row.GetAccepted() >= MaxRenewals {
		return ErrRefused
	}
	n, hello, err := s.acceptRenewal(initial, first)
	if err != nil {
		return err
	}
	// Our own wish for a session is fulfilled; what was sealed in others may be lost.
	if err := s.dropStale(from); err != nil {
		return err
	}
	row.Accepted++
	if err := s.save(sessionsKey(from), row); err != nil {
		return err
	}
	if err := s.keepSession(from, n); err != nil {
		return err
	}
	s.up.Ack = true
	if err := s.receiveHello(a, contact, from, hello); err != nil {
		return err
	}
	if err := s.sealHello(from); err != nil {
		return err
	}
	return s.begunAnew(a, contact, from)
}

// dropStale empties the outbox but for a session we began at the same time, of
// which the other side must hear so that both rank the two alike.
func (s *step) dropStale(d identity.DeviceID) error {
	gone, err := s.OutboxFor(d)
	if err != nil {
		return err
	}
	for _, id := range gone {
		if o, ok, err := s.Outbox(id); err != nil {
			return err
		} else if ok && wire.KindOf(o.Body) != wire.KindRenewal {
			s.up.Drop = append(s.up.Drop, id)
		}
	}
	return nil
}

// acceptRenewal runs PQXDH's responder with the prekeys an initial names and
// opens the first message, a hello.
func (s *step) acceptRenewal(initial *pqxdh.Initial, first []byte) (n newSession, hello *wire.Hello, err error) {
	keys, until, err := s.named(initial)
	if err != nil {
		return n, nil, err
	}
	secrets, err := pqxdh.Accept(s.pqIdentity(), keys, initial, nil, s.now)
	if err != nil {
		return n, nil, ErrRefused
	}
	fresh, ad, err := responderSession(secrets)
	if err != nil {
		return n, nil, err
	}
	defer fresh.Wipe()
	session, padded, err := fresh.Open(first, ad, s.now)
	if err != nil {
		return n, nil, ErrRefused
	}
	_, c := readContent(padded)
	if c == nil || c.Hello == nil {
		return n, nil, ErrRefused
	}
	name := initial.Hash()
	if initial.HasOneTime {
		s.up.State[oneTimeKey(initial.OneTimeID)] = nil
	}
	if err := s.save(acceptedKey(name), &statepb.Accepted{UntilS: until.Unix()}); err != nil {
		return n, nil, err
	}
	return newSession{session: session, ad: ad, name: name, generation: c.Hello.Generation, reduced: !initial.HasOneTime}, c.Hello, nil
}

// receiveNoSession begins a session anew when a contact's device cannot open
// what it was sent. It is believed only about an envelope that waits for that
// very device, and not while a session we began is on its way there or has just
// arrived.
func (s *step) receiveNoSession(from identity.DeviceID, e *wire.Envelope) error {
	if _, _, err := s.established(from); err != nil {
		return err
	}
	o, ok, err := s.Outbox(e.Refused)
	if err != nil {
		return err
	}
	if !ok || o.To != from {
		return ErrRefused
	}
	if begun, err := s.underway(from, wire.KindRenewal); err != nil || begun {
		return orRefused(err)
	}
	row, err := s.sessions(from)
	if err != nil {
		return err
	}
	if all := row.GetSessions(); len(all) > 0 {
		x := all[row.GetActive()]
		if age := s.now.Sub(time.Unix(x.GetMadeS(), 0)); x.GetInitiator() && age >= 0 && age < Settling {
			return ErrRefused
		}
	}
	return s.renew(from)
}

// noSession answers an envelope that opens in no session.
func (s *step) noSession(to identity.DeviceID, refused wire.EnvelopeID) error {
	if _, _, err := s.established(to); err != nil {
		return err
	}
	return s.refuse(to, &wire.Envelope{}, refused, wire.ReasonNoSession)
}
