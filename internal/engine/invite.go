package engine

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
	"kith/pqxdh"
	"kith/ratchet"
)

// invite makes a one-time invite: a bundle of its own, with one-time prekeys
// that nothing else uses, and a secret that whoever takes it up proves to
// know. Spec: contact.md 1.
func (s *step) invite(in Invite) error {
	if in.Life < MinInviteLife || in.Life > MaxInviteLife {
		return &Error{Code: Invalid, Text: fmt.Sprintf("an invite lives between %v and %v", MinInviteLife, MaxInviteLife)}
	}
	open, err := s.openInvites()
	if err != nil {
		return err
	}
	if open >= MaxInvites {
		return &Error{Code: NotNow, Text: fmt.Sprintf("%d invites are open already", open), Hint: "they end when used or expired"}
	}
	row, bundle, err := s.newBundle()
	if err != nil {
		return err
	}
	relays, err := s.inviteRelays()
	if err != nil {
		return err
	}
	hints := slices.DeleteFunc(append(slices.Clone(relays), in.Addrs...), func(a string) bool { return len(a) > identity.MaxHint })
	hints = hints[:min(len(hints), identity.MaxHints)]
	expires := s.now.Add(in.Life)
	inv, err := identity.NewInvite(s.self.account, s.self.device.ID(), identity.BundleHash(bundle.Hash()),
		uint64(expires.Unix()), s.self.row.GetName(), hints)
	if err != nil {
		return fmt.Errorf("engine: own invite: %w", err)
	}
	row.Invite, row.ExpiresS, row.Relays = []byte(inv.Link()), expires.Unix(), relays
	if err := s.openStreams(inv, row, in.Life); err != nil {
		return err
	}
	s.up.Reply = Invited{Invite: inv}
	return s.save(inviteKey(inv.ID()), row)
}

func (s *step) openInvites() (int, error) {
	keys, err := s.StateKeys(prefixInvite)
	if err != nil {
		return 0, err
	}
	open := 0
	for _, k := range keys {
		row := &statepb.Invite{}
		if _, err := s.load(k, row); err != nil {
			return 0, err
		}
		if !row.GetUsed() && s.now.Unix() < row.GetExpiresS() {
			open++
		}
	}
	return open, nil
}

// newBundle makes the prekeys of one invite.
func (s *step) newBundle() (*statepb.Invite, *pqxdh.Bundle, error) {
	signed, err := s.signedPrekey()
	if err != nil {
		return nil, nil, err
	}
	notAfter := s.now.Add(MaxInviteLife + InitialGrace).Unix()
	signer, owner := s.self.device.SigningPrivate(), s.pqIdentity()
	oneTime, err := pqxdh.NewOneTimePrekey(signer, owner.Public(), s.nextPrekey(), notAfter)
	if err != nil {
		return nil, nil, err
	}
	kem, err := pqxdh.NewKEMPrekey(signer, owner.Public(), s.nextPrekey(), notAfter, false)
	if err != nil {
		return nil, nil, err
	}
	bundle := pqxdh.NewBundle(owner.Public(), signed, oneTime, kem)
	row := &statepb.Invite{}
	if row.Bundle, err = bundle.AppendBinary(nil); err != nil {
		return nil, nil, err
	}
	if row.Signed, err = signed.MarshalBinary(); err != nil {
		return nil, nil, err
	}
	if row.OneTime, err = oneTime.MarshalBinary(); err != nil {
		return nil, nil, err
	}
	if row.Kem, err = kem.MarshalBinary(); err != nil {
		return nil, nil, err
	}
	return row, bundle, s.save(keySelf, s.self.row)
}

func (s *step) nextPrekey() uint32 {
	id := s.self.row.GetNextPrekey()
	s.self.row.NextPrekey = id + 1
	return id
}

// receiveRequest answers whoever knows an invite's id with the bundle behind
// it, sealed to the invite, or with the reason why not. It changes nothing, so
// it can be asked any number of times. Spec: contact.md 3.
func (s *step) receiveRequest(from identity.DeviceID, e *wire.Envelope, id wire.EnvelopeID) error {
	row := &statepb.Invite{}
	known, err := s.load(inviteKey(e.Invite), row)
	if err != nil {
		return err
	}
	if reason := s.refuses(row, known, 0); reason != 0 {
		return s.refuse(from, e, id, reason)
	}
	inv, err := identity.ParseInvite(string(row.GetInvite()))
	if err != nil {
		return fmt.Errorf("engine: invite row: %w", err)
	}
	o, err := s.bundleEnvelope(from, inv, row)
	if err != nil {
		return err
	}
	o.Ephemeral = true
	s.up.Outgoing = append(s.up.Outgoing, o)
	return nil
}

// bundleEnvelope seals the bundle behind an invite, and the device list, to it.
func (s *step) bundleEnvelope(to identity.DeviceID, inv *identity.Invite, row *statepb.Invite) (wire.Outgoing, error) {
	payload, err := joinTwo(row.GetBundle(), s.self.row.GetDeviceList())
	if err != nil {
		return wire.Outgoing{}, err
	}
	id := wire.InviteID(inv.ID())
	sealed := wire.SealToInvite(inv.SealKey(), wire.KindBundle, id, payload)
	return s.envelope(to, &wire.Envelope{Kind: wire.KindBundle, Invite: id, Body: sealed})
}

// refuses says why an invite is not served any more, or zero.
func (s *step) refuses(row *statepb.Invite, known bool, grace time.Duration) wire.Reason {
	switch {
	case !known:
		return wire.ReasonUnknown
	case row.GetUsed():
		return wire.ReasonUsed
	case s.now.Add(-grace).Unix() >= row.GetExpiresS() || len(row.GetInvite()) == 0:
		return wire.ReasonExpired
	}
	return 0
}

// refuse answers an envelope with the reason why its invite is not served.
func (s *step) refuse(to identity.DeviceID, e *wire.Envelope, refused wire.EnvelopeID, reason wire.Reason) error {
	o, err := s.envelope(to, &wire.Envelope{Kind: wire.KindRefusal, Invite: e.Invite, Reason: reason, Refused: refused})
	if err != nil {
		return err
	}
	return s.answer(o)
}

// answer sends what is not acknowledged back the way the question came: once over
// the link, or by boxes.
func (s *step) answer(o wire.Outgoing) error {
	if s.boxed {
		return s.answerInBox(o)
	}
	o.Ephemeral = true
	s.up.Outgoing = append(s.up.Outgoing, o)
	return nil
}

// receiveBundle takes the answer to a request: the bundle the invite's hash
// promised, from the device it named. It opens a session and sends everything
// that waited for one. Spec: contact.md 4.
func (s *step) receiveBundle(from identity.DeviceID, e *wire.Envelope) error {
	a, row, inv, err := s.pending(from, e.Invite)
	if err != nil {
		return err
	}
	if row.GetStage() != statepb.Stage_REQUESTED {
		s.up.Ack = true // a second answer to a repeated request
		return nil
	}
	payload, err := wire.OpenFromInvite(inv.SealKey(), wire.KindBundle, e.Invite, e.Body)
	if err != nil {
		return ErrRefused
	}
	bundle, list, err := checkBundle(inv, payload, s.now)
	if err != nil {
		return err
	}
	psk := inv.PSK()
	initial, secrets, err := pqxdh.Initiate(s.pqIdentity(), bundle, psk[:], s.now)
	if err != nil {
		return ErrRefused
	}
	fresh, ad, err := initiatorSession(secrets)
	if err != nil {
		return err
	}
	defer fresh.Wipe()
	known, err := s.sessions(from)
	if err != nil {
		return err
	}
	hello, err := s.firstHello(generation(known) + 1)
	if err != nil {
		return err
	}
	session, first, err := sealContent(fresh, ad, hello)
	if err != nil {
		return err
	}
	o, err := s.initialEnvelope(from, inv, initial, first)
	if err != nil {
		return err
	}
	s.up.Outgoing = append(s.up.Outgoing, o)
	n := newSession{session: session, ad: ad, name: initial.Hash(), generation: hello.Hello.Generation, initiator: true}
	if err := s.keepSession(from, n); err != nil {
		return err
	}
	if err := s.told(from, hello.Hello.Boxes, o.ID); err != nil {
		return err
	}
	s.dropEnvelope(row.GetRequest())
	row.Stage, row.Request, row.Initial, row.DeviceList = statepb.Stage_OPENING, nil, o.ID[:], list
	if err := s.saveContact(a, row); err != nil {
		return err
	}
	s.up.Ack = true
	return s.sendHeld(a)
}

// pending finds the contact that waits for this invite's device.
func (s *step) pending(from identity.DeviceID, id wire.InviteID) (identity.AccountID, *statepb.Contact, *identity.Invite, error) {
	a, row, err := s.contactOf(from)
	if err != nil {
		return a, nil, nil, err
	}
	if len(row.GetInvite()) == 0 {
		return a, nil, nil, ErrRefused
	}
	inv, err := identity.ParseInvite(string(row.GetInvite()))
	if err != nil {
		return a, nil, nil, fmt.Errorf("engine: contact row: %w", err)
	}
	if wire.InviteID(inv.ID()) != id {
		return a, nil, nil, ErrRefused
	}
	return a, row, inv, nil
}

// checkBundle checks all that the invite promised: the bundle's hash, the
// account's device list, and that both name the same device and keys.
func checkBundle(inv *identity.Invite, payload []byte, now time.Time) (*pqxdh.Bundle, []byte, error) {
	bundleBytes, listBytes, ok := splitTwo(payload)
	if !ok {
		return nil, nil, ErrRefused
	}
	bundle, err := pqxdh.ParseBundle(bundleBytes)
	if err != nil || identity.BundleHash(bundle.Hash()) != inv.Bundle || bundle.Verify(now) != nil {
		return nil, nil, ErrRefused
	}
	list, err := identity.ParseDeviceList(listBytes)
	if err != nil || list.Account != inv.Account {
		return nil, nil, ErrRefused
	}
	if !certified(list, inv.Device, bundle.Identity, now) ||
		bundle.Owner != (pqxdh.Address{Account: inv.Account, Device: inv.Device}) {
		return nil, nil, ErrRefused
	}
	return bundle, listBytes, nil
}

// certified reports whether the list certifies the device with that identity
// key, now.
func certified(list *identity.DeviceList, d identity.DeviceID, key [32]byte, now time.Time) bool {
	c := list.Certificate(d)
	return c != nil && !c.Expired(now) && c.IdentityKey == identity.IdentityKey(key)
}

func (s *step) initialEnvelope(to identity.DeviceID, inv *identity.Invite, initial *pqxdh.Initial, first []byte) (wire.Outgoing, error) {
	payload, err := initialAndFirst(initial, first)
	if err != nil {
		return wire.Outgoing{}, err
	}
	id := wire.InviteID(inv.ID())
	sealed := wire.SealToInvite(inv.SealKey(), wire.KindInitial, id, payload)
	return s.envelope(to, &wire.Envelope{Kind: wire.KindInitial, Invite: id, Body: sealed})
}

// sendWaiting seals what was written before there was a session, in order. What
// was deleted since, or changed again, is not sent.
func (s *step) sendWaiting(to identity.DeviceID, ids [][]byte) error {
	for _, id := range ids {
		m, ok, err := s.Message(wire.MessageID(id))
		if err != nil {
			return err
		}
		var content *wire.Content
		switch {
		case !ok:
			if content, err = s.changeContent(wire.MessageID(id)); err != nil {
				return err
			}
		case !m.Deleted:
			content = messageContent(&m)
		}
		if content == nil {
			continue
		}
		if err := s.sealTo(to, content, content.ID); err != nil {
			return err
		}
	}
	return nil
}

// receiveInitial takes the first message of somebody who holds an invite of
// ours. On success the contact exists, the invite is used up and its one-time
// keys are gone, in one update. Spec: contact.md 5.
func (s *step) receiveInitial(from identity.DeviceID, e *wire.Envelope, id wire.EnvelopeID) error {
	row := &statepb.Invite{}
	known, err := s.load(inviteKey(e.Invite), row)
	if err != nil {
		return err
	}
	if reason := s.refuses(row, known, InitialGrace); reason != 0 {
		return s.refuse(from, e, id, reason)
	}
	inv, err := identity.ParseInvite(string(row.GetInvite()))
	if err != nil {
		return fmt.Errorf("engine: invite row: %w", err)
	}
	payload, err := wire.OpenFromInvite(inv.SealKey(), wire.KindInitial, e.Invite, e.Body)
	if err != nil {
		return ErrRefused
	}
	initialBytes, first, ok := splitTwo(payload)
	if !ok {
		return ErrRefused
	}
	initial, err := pqxdh.ParseInitial(initialBytes)
	if err != nil || initial.Sender.Device != from || initial.Sender.Account == s.self.account {
		return ErrRefused
	}
	session, ad, c, err := s.accept(row, inv, initial, first)
	if err != nil {
		return err
	}
	if err := s.welcome(from, initial, c.Hello); err != nil {
		return err
	}
	if err := s.keepSession(from, newSession{session: session, ad: ad, name: initial.Hash(), generation: c.Hello.Generation}); err != nil {
		return err
	}
	used := &statepb.Invite{Used: true, ExpiresS: row.GetExpiresS()}
	if err := s.save(inviteKey(e.Invite), used); err != nil {
		return err
	}
	s.up.Ack = true
	if err := s.adoptStreams(e.Invite, row, from, c.Hello); err != nil {
		return err
	}
	if err := s.sealHello(from); err != nil {
		return err
	}
	return s.sendHeld(identity.AccountID(initial.Sender.Account))
}

// accept runs PQXDH's responder and opens the first message, a hello.
func (s *step) accept(row *statepb.Invite, inv *identity.Invite, initial *pqxdh.Initial, first []byte) (*ratchet.Session, []byte, *wire.Content, error) {
	keys, err := inviteKeys(row)
	if err != nil {
		return nil, nil, nil, err
	}
	psk := inv.PSK()
	secrets, err := pqxdh.Accept(s.pqIdentity(), keys, initial, psk[:], s.now)
	if err != nil {
		return nil, nil, nil, ErrRefused
	}
	fresh, ad, err := responderSession(secrets)
	if err != nil {
		return nil, nil, nil, err
	}
	defer fresh.Wipe()
	session, padded, err := fresh.Open(first, ad, s.now)
	if err != nil {
		return nil, nil, nil, ErrRefused
	}
	_, c := readContent(padded)
	if c == nil || c.Hello == nil {
		return nil, nil, nil, ErrRefused
	}
	return session, ad, c, nil
}

// welcome makes the sender of an initial message a contact, or completes one
// who was pending because both took up each other's invite.
func (s *step) welcome(from identity.DeviceID, initial *pqxdh.Initial, h *wire.Hello) error {
	a := identity.AccountID(initial.Sender.Account)
	list, err := identity.ParseDeviceList(h.DeviceList)
	if err != nil || list.Account != a || !certified(list, from, initial.Identity, s.now) {
		return ErrRefused
	}
	s.addrs(from, h.Addrs)
	row, known, err := s.contact(a)
	if err != nil {
		return err
	}
	if known {
		if err := s.readmit(a, row, from, h.DeviceList); err != nil {
			return err
		}
		return s.meet(a, row)
	}
	name, err := s.contactName("", h.Name, a)
	if err != nil {
		return err
	}
	row = &statepb.Contact{Device: from[:], DeviceList: h.DeviceList, Stage: statepb.Stage_ESTABLISHED}
	s.event(chat.ContactAdded{Contact: chat.Contact{
		Account: a, Device: from, Name: name, State: chat.ContactEstablished, AddedAt: s.now}})
	return s.saveContact(a, row)
}

// readmit takes the device and list of a contact who came by a new invite. A
// list that does not follow the known one is taken too: an account restored
// from its words begins its list again, and the person here handed out the
// invite. But the change is an event, and a verified contact is not written
// to until somebody looked. Spec: contact.md, FC-21.
func (s *step) readmit(a identity.AccountID, row *statepb.Contact, from identity.DeviceID, list []byte) error {
	old := identity.DeviceID(row.GetDevice())
	if known := row.GetDeviceList(); len(known) > 0 && !bytes.Equal(known, list) {
		parsed, err := identity.ParseDeviceList(list)
		if err != nil {
			return err // checked before
		}
		if err := s.devicesChanged(a, row); err != nil {
			return err
		}
		s.event(chat.ContactDevices{Account: a, Seq: parsed.Seq})
	}
	row.Device, row.DeviceList = from[:], list
	if old == from {
		return nil
	}
	// What waits for the device of before goes to this one.
	gone, err := s.OutboxFor(old)
	if err != nil {
		return err
	}
	s.up.Drop = append(s.up.Drop, gone...)
	s.up.State[sessionsKey(old)] = nil
	if err := s.endStreams(old); err != nil {
		return err
	}
	if row.Waiting, err = s.undelivered(a); err != nil {
		return err
	}
	s.event(chat.ContactMoved{Account: a, Device: from})
	return nil
}

// meet completes a contact row that existed before the initial message came.
// Its own request, if any, goes on and ends as a second session.
func (s *step) meet(a identity.AccountID, row *statepb.Contact) error {
	if row.GetStage() != statepb.Stage_ESTABLISHED {
		s.dropEnvelope(row.GetRequest())
		row.Stage, row.Request, row.Invite = statepb.Stage_ESTABLISHED, nil, nil
		s.event(chat.ContactProgressed{Account: a, State: chat.ContactEstablished})
	}
	return s.saveContact(a, row)
}

// sendHeld sends what waited for a session with a contact, or for somebody to
// look at the contact's changed devices.
func (s *step) sendHeld(a identity.AccountID) error {
	row, _, err := s.contact(a)
	if err != nil || len(row.GetWaiting()) == 0 || row.GetDevicesChanged() || !hasSession(row) {
		return err
	}
	waiting := row.GetWaiting()
	row.Waiting = nil
	if err := s.saveContact(a, row); err != nil {
		return err
	}
	return s.sendWaiting(identity.DeviceID(row.GetDevice()), waiting)
}

// hasSession reports whether first contact has come so far that messages can
// be sealed.
func hasSession(row *statepb.Contact) bool {
	return row.GetStage() == statepb.Stage_OPENING || row.GetStage() == statepb.Stage_ESTABLISHED
}

// receiveRefusal ends first contact with somebody whose invite is gone. It is
// believed only from the invite's own device, and only about the envelope we
// wait for: a late copy of the request, refused because the initial message
// after it used the invite up, ends nothing.
func (s *step) receiveRefusal(from identity.DeviceID, e *wire.Envelope) error {
	a, row, _, err := s.pending(from, e.Invite)
	if err != nil {
		return err
	}
	waitFor := row.GetRequest()
	if row.GetStage() == statepb.Stage_OPENING {
		waitFor = row.GetInitial()
	}
	if !bytes.Equal(waitFor, e.Refused[:]) {
		return ErrRefused
	}
	// Everything sealed in the session that now never was goes; what it
	// carried waits for a new invite.
	if s.up.Drop, err = s.OutboxFor(from); err != nil {
		return err
	}
	if row.Waiting, err = s.undelivered(a); err != nil {
		return err
	}
	s.up.State[sessionsKey(from)] = nil
	row.Stage, row.Invite, row.Request, row.Initial = statepb.Stage_REFUSED, nil, nil, nil
	s.event(chat.ContactProgressed{Account: a, State: chat.ContactRefused, Reason: e.Reason})
	return s.saveContact(a, row)
}

// undelivered lists own messages that have not arrived, and after them what was
// done to messages and has not arrived, for a contact's row.
func (s *step) undelivered(a identity.AccountID) ([][]byte, error) {
	ids, err := s.Undelivered(chat.With(a))
	if err != nil {
		return nil, err
	}
	changes, err := s.undeliveredChanges(a)
	var rows [][]byte
	for _, id := range append(ids, changes...) {
		rows = append(rows, id[:])
	}
	return rows, err
}

// tick erases what time has ended: keys of expired invites, memories of old
// ones, ids of envelopes nobody will repeat.
func (s *step) tick() error {
	keys, err := s.StateKeys(prefixInvite)
	if err != nil {
		return err
	}
	for _, k := range keys {
		row := &statepb.Invite{}
		if _, err := s.load(k, row); err != nil {
			return err
		}
		end := time.Unix(row.GetExpiresS(), 0)
		switch {
		case s.now.After(end.Add(InviteMemory)):
			s.up.State[k] = nil
		case len(row.GetInvite()) > 0 && s.now.After(end.Add(InitialGrace)):
			if err := s.closeStreams(k, row); err != nil {
				return err
			}
			if err := s.save(k, &statepb.Invite{Used: row.GetUsed(), ExpiresS: row.GetExpiresS()}); err != nil {
				return err
			}
		}
	}
	s.up.SeenBefore = s.now.Add(-SeenMemory)
	if err := s.tendPrekeys(); err != nil {
		return err
	}
	if err := s.tendSessions(); err != nil {
		return err
	}
	if err := s.tendBoxes(); err != nil {
		return err
	}
	return s.tendDeposits()
}

// joinTwo and splitTwo are two byte strings as one: u32 length and bytes,
// twice. Spec: envelope.md 4.
func joinTwo(a, b []byte) ([]byte, error) {
	var w cryptobyte.Builder
	for _, part := range [][]byte{a, b} {
		w.AddUint32(uint32(len(part)))
		w.AddBytes(part)
	}
	return w.Bytes()
}

func splitTwo(joined []byte) (a, b []byte, ok bool) {
	s := cryptobyte.String(joined)
	for _, part := range []*[]byte{&a, &b} {
		var n uint32
		if !s.ReadUint32(&n) || !s.ReadBytes(part, int(n)) {
			return nil, nil, false
		}
	}
	return a, b, s.Empty()
}
