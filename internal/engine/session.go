package engine

import (
	"fmt"

	"kith/identity"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
	"kith/ratchet"
)

// sealTo seals content for a device in the session last used with it and puts
// the envelope into the outbox. message is what its acknowledgement delivers.
func (s *step) sealTo(d identity.DeviceID, c *wire.Content, message wire.MessageID) error {
	row := &statepb.Sessions{}
	ok, err := s.load(sessionsKey(d), row)
	if err != nil {
		return err
	}
	if !ok || len(row.GetSessions()) == 0 {
		return fmt.Errorf("engine: contact without a session")
	}
	first := row.GetSessions()[0]
	session, err := ratchet.ParseSession(first.GetRatchet())
	if err != nil {
		return fmt.Errorf("engine: session row: %w", err)
	}
	next, message2, err := sealContent(session, first.GetAd(), c)
	if err != nil {
		return err
	}
	if first.Ratchet, err = next.MarshalBinary(); err != nil {
		return err
	}
	o, err := s.envelope(d, &wire.Envelope{Kind: wire.KindSession, Body: message2})
	if err != nil {
		return err
	}
	o.Message = message
	s.up.Outgoing = append(s.up.Outgoing, o)
	return s.save(sessionsKey(d), row)
}

func sealContent(session *ratchet.Session, ad []byte, c *wire.Content) (*ratchet.Session, []byte, error) {
	content, err := c.AppendBinary(nil)
	if err != nil {
		return nil, nil, fmt.Errorf("engine: own content: %w", err)
	}
	return session.Seal(wire.Pad(content), ad)
}

// openFrom opens a session message with whichever session of the device it
// belongs to, and moves that session to the front: both sides then answer in
// the session the other used last, so that two sessions made at the same time
// become one (Sesame section 3.4). Any failure is [ErrRefused] and leaves
// every session as it was.
func (s *step) openFrom(d identity.DeviceID, message []byte) (padded []byte, err error) {
	row := &statepb.Sessions{}
	if ok, err := s.load(sessionsKey(d), row); err != nil || !ok {
		return nil, orRefused(err)
	}
	for i, stored := range row.GetSessions() {
		session, err := ratchet.ParseSession(stored.GetRatchet())
		if err != nil {
			return nil, fmt.Errorf("engine: session row: %w", err)
		}
		if !session.CanOpen(message) {
			continue
		}
		next, padded, err := session.Open(message, stored.GetAd(), s.now)
		if err != nil {
			return nil, ErrRefused
		}
		if stored.Ratchet, err = next.MarshalBinary(); err != nil {
			return nil, err
		}
		copy(row.Sessions[1:i+1], row.Sessions[:i])
		row.Sessions[0] = stored
		return padded, s.save(sessionsKey(d), row)
	}
	return nil, ErrRefused
}

// keepSession puts a new session in front and lets the oldest beyond
// [MaxSessions] go.
func (s *step) keepSession(d identity.DeviceID, session *ratchet.Session, ad []byte) error {
	row := &statepb.Sessions{}
	if _, err := s.load(sessionsKey(d), row); err != nil {
		return err
	}
	state, err := session.MarshalBinary()
	if err != nil {
		return err
	}
	row.Sessions = append([]*statepb.Session{{Ad: ad, Ratchet: state}}, row.Sessions...)
	row.Sessions = row.Sessions[:min(len(row.Sessions), MaxSessions)]
	return s.save(sessionsKey(d), row)
}

// expireSkipped erases skipped message keys that are too old in sessions that
// rest; a session in use does it by itself.
func (s *step) expireSkipped() error {
	keys, err := s.StateKeys(prefixSessions)
	if err != nil {
		return err
	}
	for _, k := range keys {
		row := &statepb.Sessions{}
		if _, err := s.load(k, row); err != nil {
			return err
		}
		changed := false
		for _, stored := range row.GetSessions() {
			session, err := ratchet.ParseSession(stored.GetRatchet())
			if err != nil {
				return fmt.Errorf("engine: session row: %w", err)
			}
			next := session.Expire(s.now)
			if next == nil {
				continue
			}
			changed = true
			if stored.Ratchet, err = next.MarshalBinary(); err != nil {
				return err
			}
		}
		if changed {
			if err := s.save(k, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// orRefused keeps a local error and turns its absence into a refusal.
func orRefused(err error) error {
	if err != nil {
		return err
	}
	return ErrRefused
}
