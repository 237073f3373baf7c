package engine

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
	"kith/ratchet"
)

// errNoSession means that a message opens in none of the sessions with its
// sender: one of the two has lost them, or gone back to an older state of them.
var errNoSession = errors.New("engine: no session for this message")

// oldState is the first byte of session states of before the post-quantum
// ratchet, which cannot be carried on.
const oldState = 1

// sessions reads the sessions with a device.
func (s *step) sessions(d identity.DeviceID) (*statepb.Sessions, error) {
	row := &statepb.Sessions{}
	if _, err := s.load(sessionsKey(d), row); err != nil {
		return nil, err
	}
	row.Sessions = slices.DeleteFunc(row.Sessions, func(x *statepb.Session) bool {
		return len(x.GetRatchet()) > 0 && x.GetRatchet()[0] == oldState
	})
	if int(row.GetActive()) >= len(row.GetSessions()) {
		row.Active = 0
	}
	if today := s.now.Unix() / (24 * 3600); row.GetDay() != today {
		row.Day, row.Given, row.Accepted, row.Begun = today, 0, 0, 0
	}
	return row, nil
}

func parseSession(x *statepb.Session) (*ratchet.Session, error) {
	session, err := ratchet.ParseSession(x.GetRatchet())
	if err != nil {
		return nil, fmt.Errorf("engine: session row: %w", err)
	}
	return session, nil
}

// sealTo seals content for a device in the active session and puts the envelope
// into the outbox. message is what its acknowledgement delivers. Without any
// session, which is a loss, a message waits for a new one, and what is no
// message is given up. Spec: contact.md 6.
func (s *step) sealTo(d identity.DeviceID, c *wire.Content, message wire.MessageID) error {
	row, err := s.sessions(d)
	if err != nil {
		return err
	}
	if len(row.GetSessions()) == 0 {
		return s.lost(d, message)
	}
	if err := s.attach(d, c); err != nil {
		return err
	}
	active := row.GetSessions()[row.GetActive()]
	session, err := parseSession(active)
	if err != nil {
		return err
	}
	defer session.Wipe()
	next, sealed, err := sealContent(session, active.GetAd(), c)
	if err != nil {
		return err
	}
	defer next.Wipe()
	if active.Ratchet, err = next.MarshalBinary(); err != nil {
		return err
	}
	o, err := s.envelope(d, &wire.Envelope{Kind: wire.KindSession, Body: sealed})
	if err != nil {
		return err
	}
	o.Message = message
	s.up.Outgoing = append(s.up.Outgoing, o)
	return s.saveSessions(d, row, next)
}

// saveSessions writes the row, and tells how well the active session protects if
// that has changed.
func (s *step) saveSessions(d identity.DeviceID, row *statepb.Sessions, active *ratchet.Session) error {
	x := row.GetSessions()[row.GetActive()]
	if reduced, stale := x.GetReduced(), active.QuantumStale(); reduced != row.GetReduced() || stale != row.GetStale() {
		row.Reduced, row.Stale = reduced, stale
		a, _, err := s.contactOf(d)
		if err != nil {
			return err
		}
		s.event(chat.ContactSession{Account: a, Reduced: reduced, Stale: stale})
	}
	return s.save(sessionsKey(d), row)
}

// lost holds a message for a device with which every session is gone, and asks
// for prekeys to begin another.
func (s *step) lost(d identity.DeviceID, message wire.MessageID) error {
	a, row, err := s.contactOf(d)
	if err != nil {
		return err
	}
	if message != (wire.MessageID{}) {
		if len(row.GetWaiting()) >= MaxWaiting {
			return &Error{Code: NotNow, Text: "too many messages wait for this contact to answer",
				Hint: "they leave when both of you are online"}
		}
		row.Waiting = append(row.Waiting, message[:])
		if err := s.saveContact(a, row); err != nil {
			return err
		}
	}
	return s.renew(d)
}

func sealContent(session *ratchet.Session, ad []byte, c *wire.Content) (*ratchet.Session, []byte, error) {
	content, err := c.AppendBinary(nil)
	if err != nil {
		return nil, nil, fmt.Errorf("engine: own content: %w", err)
	}
	return session.Seal(wire.Pad(content), ad)
}

// openFrom opens a session message with whichever session of the device it
// belongs to. A session of a higher rank than the active one becomes active, one
// of a lower rank only while none above it was ever answered: whoever holds
// an old session cannot lead back to it (Sesame section 3.4, with the cure for
// cloned devices). Whatever fails is errNoSession, and changes nothing.
func (s *step) openFrom(d identity.DeviceID, message []byte) (padded []byte, err error) {
	row, err := s.sessions(d)
	if err != nil {
		return nil, err
	}
	for i, x := range row.GetSessions() {
		session, err := parseSession(x)
		if err != nil {
			return nil, err
		}
		defer session.Wipe() // of at most [MaxSessions]
		if !session.CanOpen(message) {
			continue
		}
		next, padded, err := session.Open(message, x.GetAd(), s.now)
		if err != nil {
			return nil, errNoSession
		}
		defer next.Wipe()
		if x.Ratchet, err = next.MarshalBinary(); err != nil {
			return nil, err
		}
		x.OpenedS = s.now.Unix()
		x.Reduced = x.GetReduced() && !x.GetInitiator()
		if !answered(row.GetSessions()[:i]) {
			row.Active = uint32(i)
		}
		active := next
		if int(row.GetActive()) != i {
			if active, err = parseSession(row.GetSessions()[row.GetActive()]); err != nil {
				return nil, err
			}
			defer active.Wipe()
		}
		return padded, s.saveSessions(d, row, active)
	}
	return nil, errNoSession
}

// answered reports whether anything was ever opened in one of the sessions.
func answered(all []*statepb.Session) bool {
	return slices.ContainsFunc(all, func(x *statepb.Session) bool { return x.GetOpenedS() != 0 })
}

// newSession is a session that begins, before it is kept.
type newSession struct {
	session    *ratchet.Session
	ad         []byte
	name       [32]byte // of its initial
	generation uint64
	initiator  bool
	reduced    bool // without a one-time prekey
}

// keepSession ranks a new session by generation and name, by which both sides
// rank all alike whatever they heard of first, and lets the lowest beyond
// [MaxSessions] go. It becomes active if it ranks above the one that is. It is
// wiped, being stored. Spec: contact.md, FC-18.
func (s *step) keepSession(d identity.DeviceID, n newSession) error {
	defer n.session.Wipe()
	row, err := s.sessions(d)
	if err != nil {
		return err
	}
	if n.generation == 0 || n.generation > generation(row)+MaxGenerationStep {
		return ErrRefused
	}
	state, err := n.session.MarshalBinary()
	if err != nil {
		return err
	}
	x := &statepb.Session{Ad: n.ad, Ratchet: state, Name: n.name[:], Initiator: n.initiator, MadeS: s.now.Unix(), Reduced: n.reduced,
		Generation: n.generation}
	if !n.initiator {
		x.OpenedS = s.now.Unix()
	}
	rank, _ := slices.BinarySearchFunc(row.GetSessions(), x, outranks)
	switch active := int(row.GetActive()); {
	case rank <= active:
		row.Active = uint32(rank)
	case rank >= MaxSessions:
		return nil // the lowest of all goes
	}
	row.Sessions = slices.Insert(row.Sessions, rank, x)
	row.Sessions = row.Sessions[:min(len(row.Sessions), MaxSessions)]
	active, err := parseSession(row.GetSessions()[row.GetActive()])
	if err != nil {
		return err
	}
	defer active.Wipe()
	return s.saveSessions(d, row, active)
}

// outranks orders sessions, the highest rank first: the greater generation, and of
// two that began not knowing of each other, the greater name.
func outranks(a, b *statepb.Session) int {
	return cmp.Or(cmp.Compare(b.GetGeneration(), a.GetGeneration()), bytes.Compare(b.GetName(), a.GetName()))
}

// generation is the highest generation of any session in the row, 0 without one.
func generation(row *statepb.Sessions) uint64 {
	if len(row.GetSessions()) == 0 {
		return 0
	}
	return row.GetSessions()[0].GetGeneration()
}

// ratcheted takes note that the peer has opened something of ours: the keys of a
// session he began without a one-time prekey have moved on.
func (s *step) ratcheted(d identity.DeviceID) error {
	row, err := s.sessions(d)
	if err != nil || len(row.GetSessions()) == 0 {
		return err
	}
	x := row.GetSessions()[row.GetActive()]
	if !x.GetReduced() || x.GetInitiator() {
		return nil
	}
	x.Reduced = false
	session, err := parseSession(x)
	if err != nil {
		return err
	}
	defer session.Wipe()
	return s.saveSessions(d, row, session)
}

// firstHello is the hello that begins a session of a generation.
func (s *step) firstHello(generation uint64) (*wire.Content, error) {
	h, err := s.hello()
	if err != nil {
		return nil, err
	}
	h.Generation = generation
	return &wire.Content{ID: newMessageID(), SentAt: s.now, Hello: h}, nil
}

// sealHello says hello in a session that the other side began.
func (s *step) sealHello(d identity.DeviceID) error {
	h, err := s.hello()
	if err != nil {
		return err
	}
	before := len(s.up.Outgoing)
	if err := s.sealTo(d, &wire.Content{ID: newMessageID(), SentAt: s.now, Hello: h}, wire.MessageID{}); err != nil {
		return err
	}
	if len(s.up.Outgoing) == before {
		return nil
	}
	return s.told(d, h.Boxes, s.up.Outgoing[len(s.up.Outgoing)-1].ID)
}

// tendSessions does what time asks of sessions that rest: skipped keys that are
// too old are erased, archived sessions that are too old go, and one that was
// never answered is begun anew.
func (s *step) tendSessions() error {
	keys, err := s.StateKeys(prefixSessions)
	if err != nil {
		return err
	}
	for _, k := range keys {
		d, ok := deviceIn(k, prefixSessions)
		if !ok {
			return fmt.Errorf("engine: row %s is damaged", prefixSessions)
		}
		if err := s.tend(d); err != nil {
			return err
		}
	}
	return nil
}

func (s *step) tend(d identity.DeviceID) error {
	row, err := s.sessions(d)
	if err != nil {
		return err
	}
	changed := false
	for _, x := range row.GetSessions() {
		session, err := parseSession(x)
		if err != nil {
			return err
		}
		defer session.Wipe() // of at most [MaxSessions]
		next := session.Expire(s.now)
		if next == nil {
			continue
		}
		defer next.Wipe()
		changed = true
		if x.Ratchet, err = next.MarshalBinary(); err != nil {
			return err
		}
	}
	for i := len(row.Sessions) - 1; i >= 0; i-- {
		x := row.Sessions[i]
		last := time.Unix(max(x.GetOpenedS(), x.GetMadeS()), 0)
		if i == int(row.GetActive()) || s.now.Sub(last) <= MaxArchived {
			continue
		}
		row.Sessions = slices.Delete(row.Sessions, i, i+1)
		if i < int(row.GetActive()) {
			row.Active--
		}
		changed = true
	}
	if changed {
		if err := s.save(sessionsKey(d), row); err != nil {
			return err
		}
	}
	if len(row.GetSessions()) == 0 {
		return nil
	}
	if x := row.GetSessions()[row.GetActive()]; x.GetInitiator() && x.GetOpenedS() == 0 &&
		s.now.Sub(time.Unix(x.GetMadeS(), 0)) > MaxUnanswered {
		return s.renew(d)
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
