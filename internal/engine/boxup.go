package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"kith/box"
	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
)

// errNoBoxes means that there is no stream or no relay by which a device could be
// reached: the envelope waits for a link.
var errNoBoxes = errors.New("engine: no boxes for this device")

// boxUp seals an envelope of the outbox into boxes. It can be asked again: an
// envelope in boxes stays as it is. Spec: boxing.md, BG-05.
func (s *step) boxUp(in BoxUp) error {
	o, ok, err := s.Outbox(in.ID)
	if err != nil || !ok || !boxable(o.Body) {
		return err
	}
	if cells, err := s.CellsFor(in.ID); err != nil || len(cells) > 0 {
		return err
	}
	if blocked, err := s.blocked(o.To); err != nil || blocked {
		return err // it waits for the end of the block (DE-17)
	}
	switch err := s.intoBoxes(o); {
	case errors.Is(err, errNoBoxes):
		return nil
	case err != nil:
		return err
	}
	return s.leaveFiles(o)
}

// boxable reports whether an envelope makes sense to somebody who reads it later:
// a request for a bundle does not, since the bundle is in a box itself.
func boxable(envelope []byte) bool {
	switch wire.KindOf(envelope) {
	case wire.KindInitial, wire.KindSession, wire.KindRenew, wire.KindPrekeys, wire.KindRenewal, wire.KindRefusal:
		return true
	}
	return false
}

// intoBoxes seals an envelope into the next boxes of the stream for its device.
func (s *step) intoBoxes(o wire.Outgoing) error {
	row, err := s.streams(o.To)
	if err != nil {
		return err
	}
	stream, relays, err := s.writing(row)
	if err != nil {
		return err
	}
	if stream == nil || len(relays) == 0 {
		return errNoBoxes
	}
	cells, err := s.sealCells(stream, outGroup(o.To), o.Body, box.DefaultLife)
	if err != nil {
		return err
	}
	s.up.Cells = append(s.up.Cells, cells...)
	if err := s.saveStreams(o.To, row); err != nil {
		return err
	}
	// Now and not when the time comes: nobody is told of a stream who may be away for
	// months while nothing is said. BG-01.
	if out := row.GetOut(); len(row.GetAnnouncedBy()) == 0 && (out.GetUsed() >= MaxStreamBoxes || s.now.Sub(time.Unix(out.GetMadeS(), 0)) > MaxStreamAge) {
		return s.renewStream(o.To)
	}
	return nil
}

// sealCells seals an envelope into the next boxes of a stream and moves the stream on.
func (s *step) sealCells(stream *statepb.Stream, g BoxGroup, envelope []byte, life uint32) ([]Cell, error) {
	chain, err := box.ParseChain(stream.GetChain())
	if err != nil {
		return nil, fmt.Errorf("engine: boxes row: %w", err)
	}
	parts, err := box.Split(envelope)
	if err != nil {
		return nil, errNoBoxes // too large for boxes
	}
	expiry := box.ExpiryDay(s.now, life)
	var cells []Cell
	for _, p := range parts {
		put, kept, err := chain.SealKeeping(p, expiry)
		if err != nil {
			return nil, errNoBoxes
		}
		c := Cell{Box: put.Box, Envelope: wire.IDOf(envelope), Group: g, Expiry: expiry, Stream: stream.GetNumber()}
		if c.Put, err = put.MarshalBinary(); err != nil {
			return nil, err
		}
		if c.Keys, err = kept.MarshalBinary(); err != nil {
			return nil, err
		}
		cells = append(cells, c)
	}
	if stream.Chain, err = chain.MarshalBinary(); err != nil {
		return nil, err
	}
	stream.Used += uint32(len(parts))
	return cells, nil
}

// opener gives what a cell is opened with by who sealed it.
func (c *Cell) opener() (*box.WriteKey, *box.Put, error) {
	kept, err := box.ParseWriteKey(c.Keys)
	if err != nil {
		return nil, nil, err
	}
	put, err := box.ParsePut(c.Put)
	return kept, put, err
}

// boxStored takes note of how many relays hold a box. A message is boxed on as
// many as hold the part that the fewest do.
func (s *step) boxStored(in BoxStored) error {
	c, ok, err := s.Cell(in.Box)
	if err != nil || !ok || in.On <= c.Held {
		return err
	}
	c.Held = in.On
	s.up.Cells = append(s.up.Cells, c)
	all, err := s.CellsFor(c.Envelope)
	if err != nil {
		return err
	}
	on := in.On
	for _, x := range all {
		if x.Box != c.Box && x.Held != Fetched {
			on = min(on, x.Held)
		}
	}
	m, a, err := s.messageIn(c.Envelope)
	if err != nil || m == nil || on == 0 || on <= m.BoxedOn || !m.State.Before(chat.Delivered) {
		return err
	}
	s.event(chat.MessageBoxed{Conversation: chat.With(a), ID: m.ID, On: on, Of: in.Wanted})
	return nil
}

// messageIn finds the message an envelope of the outbox carries, nil if none.
func (s *step) messageIn(id wire.EnvelopeID) (*chat.Message, identity.AccountID, error) {
	o, ok, err := s.Outbox(id)
	if err != nil || !ok || o.Message == (wire.MessageID{}) {
		return nil, identity.AccountID{}, err
	}
	a, _, err := s.contactOf(o.To)
	if err != nil {
		return nil, a, err
	}
	m, ok, err := s.Message(o.Message)
	if err != nil || !ok {
		return nil, a, err
	}
	return &m, a, nil
}

// boxGone takes note that the other side read a box and had it deleted. When all
// of an envelope's are gone it was fetched.
func (s *step) boxGone(in BoxGone) error {
	c, ok, err := s.Cell(in.Box)
	if err != nil || !ok || c.Held == Fetched {
		return err
	}
	if c.Held == 0 {
		// No relay said that it had it: it was written and read before this device went
		// back to an older state, or the answers were lost.
		return s.boxTaken(BoxTaken{Box: in.Box})
	}
	all, err := s.CellsFor(c.Envelope)
	if err != nil {
		return err
	}
	c.Held = Fetched
	s.up.Cells = append(s.up.Cells, c)
	for _, x := range all {
		if x.Box != c.Box && x.Held != Fetched {
			return nil
		}
	}
	if _, waits, err := s.Outbox(c.Envelope); err != nil || !waits {
		s.up.DropCells = append(s.up.DropCells, c.Envelope)
		return err
	}
	m, a, err := s.messageIn(c.Envelope)
	if err != nil || m == nil || !m.State.Before(chat.Fetched) {
		return err
	}
	s.event(chat.MessagesMarked{Conversation: chat.With(a), IDs: []wire.MessageID{m.ID}, State: chat.Fetched})
	return nil
}

// dropCells lets go of the cells of an envelope that a device says it opened out of
// boxes. Of one that was acknowledged otherwise or given up they stay until they are
// read or expire: the reader would wait for a box that nobody fills, and find nothing
// after it. Spec: boxing.md, BG-06.
func (s *step) dropCells(d identity.DeviceID, id wire.EnvelopeID) error {
	all, err := s.CellsFor(id)
	if err != nil || len(all) == 0 || all[0].Group != outGroup(d) {
		return err
	}
	if kept, put, err := all[0].opener(); err == nil {
		if of, err := kept.Parts(put); err == nil && len(all) > of {
			return nil // it lies in other boxes as well, which were not read
		}
	}
	s.up.DropCells = append(s.up.DropCells, id)
	return nil
}

// Fetched is what [Cell.Held] is when the other side deleted the box.
const Fetched = -1

// boxTaken seals an envelope into other boxes, since one of its own holds what this
// device wrote before it went back to an older state.
func (s *step) boxTaken(in BoxTaken) error {
	c, ok, err := s.Cell(in.Box)
	if err != nil || !ok || c.Held == Fetched || sealedBefore(&c, &in) {
		return err
	}
	o, waits, err := s.Outbox(c.Envelope)
	if err != nil {
		return err
	}
	// The other side knows the keys of these boxes, too, and could fill them for ever.
	row := &statepb.Streams{}
	if waits {
		if row, err = s.streams(o.To); err != nil {
			return err
		}
	}
	all, err := s.CellsFor(c.Envelope)
	if err != nil {
		return err
	}
	again := waits && row.GetTaken() < MaxTaken
	if !again && !slices.ContainsFunc(all, func(x Cell) bool { return x.Box != c.Box && x.Held != Fetched }) {
		s.up.DropCells = append(s.up.DropCells, c.Envelope)
		return nil
	}
	// The boxes of its other parts are written none the less, or there would be a hole.
	c.Held = Fetched
	s.up.Cells = append(s.up.Cells, c)
	if !again {
		return nil
	}
	row.Taken++
	if err := s.saveStreams(o.To, row); err != nil {
		return err
	}
	if err := s.intoBoxes(o); !errors.Is(err, errNoBoxes) {
		return err
	}
	return nil
}

// sealedBefore reports whether what a relay shows holds the same as the cell it did not
// take for it: that was sealed anew, and this is what it was before.
func sealedBefore(c *Cell, in *BoxTaken) bool {
	kept, put, err := c.opener()
	return err == nil && in.Cell != nil && kept.Same(put, &box.Put{Box: in.Box, Expiry: in.Expiry, Cell: in.Cell})
}

// answerInBox puts an answer that nobody acknowledges into boxes: it is there
// until it expires, and so many a day, so that nobody can have us write for ever.
func (s *step) answerInBox(o wire.Outgoing) error {
	row, err := s.streams(o.To)
	if err != nil || row.GetAnswers() >= MaxAnswers {
		return err
	}
	row.Answers++
	if err := s.saveStreams(o.To, row); err != nil {
		return err
	}
	if err := s.intoBoxes(o); !errors.Is(err, errNoBoxes) {
		return err
	}
	return nil
}

// tendBoxes does what time asks of boxes: what expired is written anew;
// acknowledgements that are due leave; streams that are over end.
func (s *step) tendBoxes() error {
	// Relays whose clocks are slow hold the cell of before for another day.
	today := box.Day(s.now)
	today -= min(today, box.ClockSlack)
	expired, err := s.CellsExpired(today)
	if err != nil {
		return err
	}
	for _, id := range expired {
		if err := s.writeAnew(id, today); err != nil {
			return err
		}
	}
	keys, err := s.StateKeys(prefixStreams)
	if err != nil {
		return err
	}
	for _, k := range keys {
		d, ok := deviceIn(k, prefixStreams)
		if !ok {
			return fmt.Errorf("engine: row %s is damaged", prefixStreams)
		}
		if err := s.tendStreams(d); err != nil {
			return err
		}
	}
	return nil
}

// writeAnew has relays hold what expired unread: in the same boxes, or the reader would
// wait at the first of them and never find what comes after it. What is in boxes of a
// stream that is not written to any more goes into others, as does what was read and
// not acknowledged. Spec: boxing.md, BG-06.
func (s *step) writeAnew(id wire.EnvelopeID, today uint32) error {
	cells, err := s.CellsFor(id)
	if err != nil || len(cells) == 0 {
		return err
	}
	d, ok := writtenTo(cells[0].Group)
	if !ok {
		return s.writeInviteAnew(id, cells)
	}
	if blocked, err := s.blocked(d); err != nil || blocked {
		return err // when that ends
	}
	row, err := s.streams(d)
	if err != nil {
		return err
	}
	stream, _, err := s.writing(row)
	if err != nil {
		return err
	}
	// It may lie in boxes more than once.
	var expired, over []Cell
	looked := false
	for _, c := range cells {
		switch {
		case c.Held == Fetched:
		case len(c.Keys) == 0 || stream == nil || c.Stream != stream.GetNumber():
			c.Held = Fetched // nobody looks for it any more
			over = append(over, c)
		default:
			if looked = true; c.Expiry < today {
				expired = append(expired, c)
			}
		}
	}
	if looked {
		s.up.Cells = append(s.up.Cells, over...)
		return s.sealAgain(expired)
	}
	s.up.DropCells = append(s.up.DropCells, id)
	o, ok, err := s.Outbox(id)
	if err != nil || !ok {
		return err
	}
	if err := s.intoBoxes(o); !errors.Is(err, errNoBoxes) {
		return err
	}
	return nil
}

// writeInviteAnew does so with the bundle of an invite that is good for longer than
// relays keep anything.
func (s *step) writeInviteAnew(id wire.EnvelopeID, cells []Cell) error {
	row := &statepb.Invite{}
	name := strings.TrimPrefix(string(cells[0].Group), "i/")
	if _, err := s.load(StateKey(prefixInvite+name), row); err != nil {
		return err
	}
	if row.GetIn() == nil || s.now.Unix() >= row.GetExpiresS() ||
		slices.ContainsFunc(cells, func(c Cell) bool { return len(c.Keys) == 0 || c.Held == Fetched }) {
		s.up.DropCells = append(s.up.DropCells, id)
		return nil
	}
	return s.sealAgain(cells)
}

// sealAgain gives cells another life.
func (s *step) sealAgain(cells []Cell) error {
	for _, c := range cells {
		kept, put, err := c.opener()
		if err != nil {
			return fmt.Errorf("engine: cell: %w", err)
		}
		if put, err = kept.Again(put, box.ExpiryDay(s.now, box.DefaultLife)); err != nil {
			return fmt.Errorf("engine: cell: %w", err)
		}
		c.Held, c.Expiry = 0, put.Expiry
		if c.Put, err = put.MarshalBinary(); err != nil {
			return err
		}
		s.up.Cells = append(s.up.Cells, c)
	}
	return nil
}

func (s *step) tendStreams(d identity.DeviceID) error {
	if blocked, err := s.blocked(d); err != nil || blocked {
		return err
	}
	row, err := s.streams(d)
	if err != nil {
		return err
	}
	changed := false
	for i := len(row.In) - 1; i >= 0; i-- {
		if over := row.In[i].GetOverS(); over != 0 && s.now.Unix() > over {
			s.unwatch(d, row.In[i])
			row.In = append(row.In[:i], row.In[i+1:]...)
			changed = true
		}
	}
	for _, in := range row.In {
		if quiet(in, s.now) {
			if err := s.watchStream(d, row, in); err != nil {
				return err
			}
		}
	}
	if changed {
		if err := s.saveStreams(d, row); err != nil {
			return err
		}
	}
	if due := row.GetAnswerByS(); due > s.now.Unix() {
		s.wake(time.Unix(due, 0))
	} else if due != 0 {
		if err := s.acknowledge(d); err != nil {
			return err
		}
		if row, err = s.streams(d); err != nil {
			return err
		}
	}
	out := row.GetOut()
	if !out.GetRelaysSet() || len(row.GetAnnouncedBy()) > 0 {
		return nil
	}
	own, err := s.ownRelays()
	if err != nil {
		return err
	}
	// It could not be told when they changed: there was no session, or a block.
	if !slices.Equal(out.GetRelays(), own) {
		return s.renewStream(d)
	}
	return nil
}

// renewStream tells a device of a new stream.
func (s *step) renewStream(d identity.DeviceID) error {
	if _, _, err := s.established(d); errors.Is(err, ErrRefused) {
		return nil
	} else if err != nil {
		return err
	}
	b, err := s.announce()
	if err != nil {
		return err
	}
	before := len(s.up.Outgoing)
	if err := s.sealTo(d, &wire.Content{ID: newMessageID(), SentAt: s.now, Boxes: b}, wire.MessageID{}); err != nil {
		return err
	}
	if len(s.up.Outgoing) == before {
		return nil // no session: the hello of the next tells
	}
	return s.told(d, b, s.up.Outgoing[len(s.up.Outgoing)-1].ID)
}

// acknowledge says by a box what was opened that came by boxes, when nothing else
// says it.
func (s *step) acknowledge(d identity.DeviceID) error {
	row, err := s.streams(d)
	if err != nil {
		return err
	}
	if len(row.GetOpened()) == 0 && !gaps(row) {
		row.AnswerByS = 0
		return s.saveStreams(d, row)
	}
	before := len(s.up.Outgoing)
	for range 1 + max(len(row.GetOpened())-1, 0)/wire.MaxOpened {
		if err := s.sealTo(d, &wire.Content{ID: newMessageID(), SentAt: s.now, Nothing: true}, wire.MessageID{}); err != nil {
			return err
		}
	}
	// It is not acknowledged itself, so it does not stay in the outbox.
	made := len(s.up.Outgoing)
	for i := before; i < made; i++ {
		o := &s.up.Outgoing[i]
		if wire.KindOf(o.Body) == wire.KindSession {
			o.Ephemeral = true
			if err := s.intoBoxes(*o); err != nil && !errors.Is(err, errNoBoxes) {
				return err
			}
		}
	}
	return nil
}
