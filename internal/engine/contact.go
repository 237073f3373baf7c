package engine

import (
	"fmt"
	"slices"
	"strings"

	"kith/box"
	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
)

// add takes up an invite: the contact exists from here on, pending, and the
// request for the bundle behind the invite is on its way. Spec: contact.md 2.
func (s *step) add(in Add) error {
	inv := in.Invite
	switch {
	case inv.Account == s.self.account:
		return &Error{Code: Invalid, Text: "this invite is your own", Hint: "hand it to somebody else"}
	case inv.Expired(s.now):
		return &Error{Code: Expired, Text: "this invite has expired",
			Hint: "ask for a new one; if it is fresh, check this machine's clock"}
	}
	known, waiting, err := s.mayAdd(inv)
	if err != nil {
		return err
	}
	before, _, err := s.contact(inv.Account)
	if err != nil {
		return err
	}
	changed := before.GetDevicesChanged() || known.Verified
	own := inv.Name
	if known.Name != "" {
		own = known.Name
	}
	name, err := s.contactName(in.Name, own, inv.Account)
	if err != nil {
		return err
	}
	request, err := s.envelope(inv.Device, &wire.Envelope{Kind: wire.KindRequest, Invite: inv.ID()})
	if err != nil {
		return err
	}
	s.up.Outgoing = append(s.up.Outgoing, request)
	row := &statepb.Contact{Device: inv.Device[:], Stage: statepb.Stage_REQUESTED, Invite: []byte(inv.Link()),
		Request: request.ID[:], Waiting: waiting, DevicesChanged: changed}
	if err := s.saveContact(inv.Account, row); err != nil {
		return err
	}
	if err := s.takeStreams(inv); err != nil {
		return err
	}
	s.addrs(inv.Device, slices.DeleteFunc(slices.Clone(inv.Hints), box.IsRelay))
	c := chat.Contact{Account: inv.Account, Device: inv.Device, Name: name, State: chat.ContactPending, AddedAt: s.now}
	s.event(chat.ContactAdded{Contact: c})
	s.up.Reply = Added{Contact: c}
	return nil
}

// mayAdd refuses an invite of somebody who is an established contact: nothing
// in an invite is signed, so a forged one could otherwise end what works. An
// invite that was refused or never answered may be followed by a new one: what
// the old one left behind goes, and what was not delivered, which is returned,
// waits for the new one.
func (s *step) mayAdd(inv *identity.Invite) (known chat.Contact, waiting [][]byte, err error) {
	c, ok, err := s.Contact(inv.Account)
	if err != nil || !ok {
		return chat.Contact{}, nil, err
	}
	row, _, err := s.contact(inv.Account)
	if err != nil {
		return c, nil, err
	}
	old := identity.DeviceID(row.GetDevice())
	switch {
	case c.State == chat.ContactEstablished:
		return c, nil, &Error{Code: Exists, Text: fmt.Sprintf("%q is your contact already", c.Name),
			Hint: "if that account was restored on another device, hand it an invite of yours"}
	case c.State == chat.ContactPending && string(row.GetInvite()) == inv.Link():
		return c, nil, &Error{Code: Exists, Text: fmt.Sprintf("this invite was added before, as %q", c.Name),
			Hint: "it completes as soon as both of you are online"}
	}
	if s.up.Drop, err = s.OutboxFor(old); err != nil {
		return c, nil, err
	}
	s.up.State[sessionsKey(old)] = nil
	if err := s.endStreams(old); err != nil {
		return c, nil, err
	}
	waiting, err = s.undelivered(inv.Account)
	return c, waiting, err
}

// contactName picks the name a contact has here. A name the person gave must
// be free; the contact's own name is made unique.
func (s *step) contactName(given, own string, account identity.AccountID) (string, error) {
	contacts, err := s.Contacts()
	if err != nil {
		return "", err
	}
	taken := map[string]bool{}
	for _, c := range contacts {
		if c.Account != account {
			taken[c.Name] = true
		}
	}
	if given != "" {
		if !wire.ValidName(given) || isAccount(given) {
			return "", badName(given)
		}
		if taken[given] {
			return "", &Error{Code: Exists, Text: fmt.Sprintf("there is a contact %q already", given), Hint: "choose another with --name"}
		}
		return given, nil
	}
	if !wire.ValidName(own) || isAccount(own) {
		own = "contact"
	}
	name := own
	for n := 2; taken[name]; n++ {
		suffix := fmt.Sprintf(" (%d)", n)
		name = trimTo(own, wire.MaxName-len(suffix)) + suffix
	}
	return name, nil
}

// isAccount reports whether a name is the address of an account: somebody
// could otherwise be called as somebody else is addressed.
func isAccount(name string) bool {
	_, err := identity.ParseAccountID(strings.TrimSpace(name))
	return err == nil
}

// trimTo cuts s to at most n bytes without splitting a character.
func trimTo(s string, n int) string {
	if len(s) <= n {
		return s
	}
	cut := 0
	for i := range s {
		if i > n {
			break
		}
		cut = i
	}
	return s[:cut]
}

func (s *step) verify(in Verify) error {
	c, known, err := s.Contact(in.Account)
	if err != nil {
		return err
	}
	if !known {
		return &Error{Code: NotFound, Text: "no such contact"}
	}
	row, ok, err := s.contact(in.Account)
	if err != nil || !ok {
		return fmt.Errorf("engine: contact without a row (%w)", err)
	}
	if in.Mark && row.GetDevicesChanged() {
		row.DevicesChanged = false
		if err := s.saveContact(in.Account, row); err != nil {
			return err
		}
		if err := s.sendHeld(in.Account); err != nil {
			return err
		}
	}
	if c.Verified != in.Mark {
		s.event(chat.ContactVerified{Account: in.Account, Verified: in.Mark})
	}
	return nil
}

// contact reads a contact's row; ok is false when there is none.
func (s *step) contact(a identity.AccountID) (*statepb.Contact, bool, error) {
	row := &statepb.Contact{}
	ok, err := s.load(contactKey(a), row)
	return row, ok, err
}

// saveContact writes a contact's row and the way from its device back to it.
func (s *step) saveContact(a identity.AccountID, row *statepb.Contact) error {
	s.up.State[deviceKey(identity.DeviceID(row.GetDevice()))] = a[:]
	return s.save(contactKey(a), row)
}

// contactOf finds the contact a device belongs to.
func (s *step) contactOf(d identity.DeviceID) (identity.AccountID, *statepb.Contact, error) {
	b, err := s.State(deviceKey(d))
	if err != nil {
		return identity.AccountID{}, nil, err
	}
	if len(b) != len(identity.AccountID{}) {
		return identity.AccountID{}, nil, ErrRefused // a stranger
	}
	a := identity.AccountID(b)
	row, ok, err := s.contact(a)
	if err != nil {
		return a, nil, err
	}
	if !ok {
		return a, nil, ErrRefused
	}
	return a, row, nil
}

// dropEnvelope lets an envelope go from the outbox; id may be empty.
func (s *step) dropEnvelope(id []byte) {
	if len(id) == len(wire.EnvelopeID{}) {
		s.up.Drop = append(s.up.Drop, wire.EnvelopeID(id))
	}
}

// envelope encodes e for device d.
func (s *step) envelope(d identity.DeviceID, e *wire.Envelope) (wire.Outgoing, error) {
	body, err := e.AppendBinary(nil)
	if err != nil {
		return wire.Outgoing{}, fmt.Errorf("engine: own envelope: %w", err)
	}
	return wire.Outgoing{To: d, ID: wire.IDOf(body), Body: body}, nil
}

func (s *step) addrs(d identity.DeviceID, addrs []string) {
	if len(addrs) == 0 {
		return
	}
	if s.up.Addrs == nil {
		s.up.Addrs = map[identity.DeviceID][]string{}
	}
	s.up.Addrs[d] = addrs
}
