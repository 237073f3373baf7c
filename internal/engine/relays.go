package engine

import (
	"errors"
	"slices"

	"kith/box"
	"kith/internal/chat"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
)

// addRelay uses a relay from now on and tells every contact.
func (s *step) addRelay(in AddRelay) error {
	own, err := s.ownRelays()
	if err != nil {
		return err
	}
	for _, r := range parseRelays(own) {
		if r.ID() != in.Relay.ID() {
			continue
		}
		if r.String() == in.Relay.String() {
			return &Error{Code: Exists, Text: "this relay is in use already"}
		}
		own = slices.DeleteFunc(own, func(l string) bool { return l == r.String() }) // it moved
	}
	if len(own) >= wire.MaxRelays {
		return &Error{Code: NotNow, Text: "enough relays are in use", Hint: "kith relays remove takes one out"}
	}
	return s.useRelays(append(own, in.Relay.String()))
}

// removeRelay stops using a relay. What it holds of ours stays there until it
// expires.
func (s *step) removeRelay(in RemoveRelay) error {
	own, err := s.ownRelays()
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(own), func(link string) bool {
		r, err := box.ParseRelay(link)
		return err == nil && r.ID() == in.Relay
	})
	if len(left) == len(own) {
		return &Error{Code: NotFound, Text: "no such relay", Hint: "kith relays lists those in use"}
	}
	return s.useRelays(left)
}

// useRelays sets this device's relays, tells every contact by a new stream, and
// lets boxes be placed anew.
func (s *step) useRelays(links []string) error {
	row := &statepb.Relays{}
	if _, err := s.load(keyRelays, row); err != nil {
		return err
	}
	row.Links = links
	if err := s.save(keyRelays, row); err != nil {
		return err
	}
	contacts, err := s.Contacts()
	if err != nil {
		return err
	}
	// Who is blocked is told when that ends.
	contacts = slices.DeleteFunc(contacts, func(c chat.Contact) bool { return c.Blocked })
	for _, c := range contacts {
		if err := s.renewStream(c.Device); err != nil && !errors.Is(err, ErrRefused) {
			return err
		}
	}
	if err := s.allGroups(); err != nil {
		return err
	}
	// What waits need not wait for a link any more.
	for _, c := range contacts {
		ids, err := s.OutboxFor(c.Device)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := s.boxUp(BoxUp{ID: id}); err != nil {
				return err
			}
		}
	}
	return nil
}
