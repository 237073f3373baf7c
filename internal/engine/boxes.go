package engine

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"kith/box"
	"kith/identity"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
)

// Boxes on relays carry envelopes between devices that are not up at the same
// time. Each device has a stream of boxes for every other: a chain of addresses
// and keys that only the two can compute. Spec: boxing.md.

// BoxGroup names the boxes of one stream: "d/<device>/<number>" for what a contact's
// device writes, "d/<device>" for what is written for it, "i/<invite>" for both
// streams of an invite.
type BoxGroup string

// Cell is what one box is to hold: a request to relays, byte for byte the same
// each time it is made.
type Cell struct {
	Box      [32]byte
	Envelope wire.EnvelopeID // what it carries a part of
	Group    BoxGroup
	Expiry   uint32 // days since 1970
	Held     int    // how many relays said that they hold it
	Put      []byte
	// What the box is sealed anew with when it has expired unread, and the number of
	// the stream it is in; nil if it is not.
	Keys   []byte
	Stream uint64
}

// BoxRelays says on which relays the boxes of a group lie.
type BoxRelays struct {
	Group  BoxGroup
	Relays []box.Relay
}

// WatchBoxes says which boxes of a group are looked for from now on, the next one
// first; none when the group is over.
type WatchBoxes struct {
	Group  BoxGroup
	Boxes  [][32]byte
	Rarely bool // nothing more is expected there
}

// DeleteBox says that a box was read and is to go.
type DeleteBox struct {
	Group BoxGroup
	Box   [32]byte
	Del   []byte
}

// WrongBox says that what was found in a box is not what belongs there.
type WrongBox struct {
	Group BoxGroup
	Box   [32]byte
}

// AskAgain says that the other side misses boxes of ours.
type AskAgain struct{ Boxes [][32]byte }

// BoxChange is something the placement of boxes has to know: one of the five
// types above.
type BoxChange interface{ boxChange() }

func (BoxRelays) boxChange()  {}
func (WatchBoxes) boxChange() {}
func (DeleteBox) boxChange()  {}
func (WrongBox) boxChange()   {}
func (AskAgain) boxChange()   {}

// BoxUp says that an envelope of the outbox cannot be handed over directly now:
// it goes into boxes, if there are relays and the other side knows where to look.
type BoxUp struct{ ID wire.EnvelopeID }

// BoxStored says that so many relays hold a box.
type BoxStored struct {
	Box        [32]byte
	On, Wanted int
}

// BoxGone says that a box of ours was deleted by whoever read it.
type BoxGone struct{ Box [32]byte }

// BoxTaken says that a box of ours holds something else at a relay: this device wrote to
// it once and forgot, having gone back to an older state; or it is what was there
// before it was sealed anew, and should have expired.
type BoxTaken struct {
	Box    [32]byte
	Expiry uint32
	Cell   []byte
}

// BoxFound is what a watched box holds; the signature over it is the box's.
type BoxFound struct {
	Group  BoxGroup
	Box    [32]byte
	Expiry uint32
	Cell   []byte
}

// BoxSkipped says that a watched box was read and deleted before, by this device
// before it went back to an older state.
type BoxSkipped struct {
	Group BoxGroup
	Box   [32]byte
}

// AddRelay is a command: use a relay from now on.
type AddRelay struct{ Relay box.Relay }

// RemoveRelay is a command: stop using a relay.
type RemoveRelay struct{ Relay box.RelayID }

func (BoxUp) input()       {}
func (BoxStored) input()   {}
func (BoxGone) input()     {}
func (BoxTaken) input()    {}
func (BoxFound) input()    {}
func (BoxSkipped) input()  {}
func (AddRelay) input()    {}
func (RemoveRelay) input() {}

const keyRelays StateKey = "relays"

const prefixStreams = "boxes/"

func streamsKey(d identity.DeviceID) StateKey {
	return StateKey(prefixStreams + hex.EncodeToString(d[:]))
}

func outGroup(d identity.DeviceID) BoxGroup { return BoxGroup("d/" + hex.EncodeToString(d[:])) }
func inGroup(d identity.DeviceID, number uint32) BoxGroup {
	return BoxGroup(fmt.Sprintf("%s/%d", outGroup(d), number))
}

// newGroup names an inbound stream on the relays as both will know them, while the
// other side may still write to it where it was before.
func newGroup(g BoxGroup) BoxGroup { return g + "/new" }

// otherGroup gives the other of the two names an inbound stream of a device may have.
func otherGroup(g BoxGroup) (other BoxGroup, ok bool) {
	d, number, ok := deviceOfGroup(g)
	if other = inGroup(d, number); other == g {
		other = newGroup(g)
	}
	return other, ok
}

func inviteGroup(id wire.InviteID) BoxGroup { return BoxGroup("i/" + hex.EncodeToString(id[:])) }

// deviceOfGroup reads the device and the number of an inbound stream.
func deviceOfGroup(g BoxGroup) (d identity.DeviceID, number uint32, ok bool) {
	rest, ok := strings.CutPrefix(string(g), "d/")
	if !ok {
		return d, 0, false
	}
	name, n, ok := strings.Cut(strings.TrimSuffix(rest, "/new"), "/")
	if !ok {
		return d, 0, false
	}
	if d, ok = deviceIn(StateKey(name), ""); !ok {
		return d, 0, false
	}
	_, err := fmt.Sscanf(n, "%d", &number)
	return d, number, err == nil
}

// writtenTo reads the device of a group of boxes of ours.
func writtenTo(g BoxGroup) (d identity.DeviceID, ok bool) { return deviceIn(StateKey(g), "d/") }

// streams reads the streams with a device.
func (s *step) streams(d identity.DeviceID) (*statepb.Streams, error) {
	row := &statepb.Streams{}
	if _, err := s.load(streamsKey(d), row); err != nil {
		return nil, err
	}
	if today := s.now.Unix() / (24 * 3600); row.GetDay() != today {
		row.Day, row.Answers, row.Taken = today, 0, 0
	}
	return row, nil
}

func (s *step) saveStreams(d identity.DeviceID, row *statepb.Streams) error {
	return s.save(streamsKey(d), row)
}

func (s *step) boxChange(c BoxChange) { s.up.Boxes = append(s.up.Boxes, c) }

// ownRelays reads the links of this device's relays.
func (s *step) ownRelays() ([]string, error) {
	row := &statepb.Relays{}
	_, err := s.load(keyRelays, row)
	return row.GetLinks(), err
}

// circle gives the relays of this device and the other.
func (s *step) circle(theirs []string) ([]box.Relay, error) {
	own, err := s.ownRelays()
	if err != nil {
		return nil, err
	}
	return parseRelays(slices.Concat(own, theirs)), nil
}

// writing gives the stream that a device is written to by now, nil without one, and
// the relays where it looks: its own, and those of this device that it is known to
// have been told of. Spec: boxing.md, BG-04.
func (s *step) writing(row *statepb.Streams) (*statepb.Stream, []box.Relay, error) {
	// While the other side may not know of the new stream all goes by the one before.
	stream := row.GetOut()
	if len(row.GetAnnouncedBy()) > 0 {
		stream = row.GetBefore()
	}
	if stream.GetRelaysSet() {
		return stream, parseRelays(slices.Concat(stream.GetRelays(), row.GetRelays())), nil
	}
	relays, err := s.circle(row.GetRelays())
	return stream, relays, err
}

// reading gives the relays where a device writes to one of its streams: by what it
// is known to have been told, and by what both were told last.
func (s *step) reading(row *statepb.Streams, in *statepb.Inbound) (known, last []box.Relay, err error) {
	own, err := s.ownRelays()
	if err != nil {
		return nil, nil, err
	}
	last = parseRelays(slices.Concat(own, row.GetRelays()))
	theirs := row.GetRelays()
	if in.GetRelaysSet() {
		theirs = in.GetRelays()
	}
	if row.GetKnownSet() {
		own = row.GetKnown()
	}
	return parseRelays(slices.Concat(own, theirs)), last, nil
}

// alike reports whether a box lies on nearly the same relays in both ways, so that it
// is enough to look for it in one.
func alike(known, last []box.Relay) bool {
	only := func(a, b []box.Relay) (n int) {
		for _, x := range a {
			if !slices.ContainsFunc(b, func(y box.Relay) bool { return x.Key == y.Key }) {
				n++
			}
		}
		return n
	}
	n := only(known, last) + only(last, known)
	return n == 0 || n == 1 && min(len(known), len(last)) >= manyRelays
}

// manyRelays is of how many relays one more or less makes little difference.
const manyRelays = 4

// parseRelays reads links; what is none is left out, and of two with one key the
// first counts.
func parseRelays(links []string) []box.Relay {
	var all []box.Relay
	for _, link := range links {
		r, err := box.ParseRelay(link)
		if err != nil || slices.ContainsFunc(all, func(x box.Relay) bool { return x.Key == r.Key }) {
			continue
		}
		all = append(all, r)
	}
	return all
}

// RelaysOf returns the relays of this device. The error is local.
func RelaysOf(v View) ([]box.Relay, error) {
	s := &step{View: v, up: &Update{}}
	own, err := s.ownRelays()
	return parseRelays(own), err
}

// BoxesNow returns what the placement of boxes has to know at start: relays and
// watched boxes of every group. The cells are in the store. The error is local.
func BoxesNow(v View, now time.Time) ([]BoxChange, error) {
	s := &step{View: v, now: now, up: &Update{State: map[StateKey][]byte{}}}
	if err := s.allGroups(); err != nil {
		return nil, err
	}
	return s.up.Boxes, nil
}

// allGroups tells of every group.
func (s *step) allGroups() error {
	keys, err := s.StateKeys(prefixStreams)
	if err != nil {
		return err
	}
	for _, k := range keys {
		d, ok := deviceIn(k, prefixStreams)
		if !ok {
			return fmt.Errorf("engine: row %s is damaged", prefixStreams)
		}
		row, err := s.streams(d)
		if err != nil {
			return err
		}
		if err := s.tellGroups(d, row); err != nil {
			return err
		}
	}
	keys, err = s.StateKeys(prefixInvite)
	if err != nil {
		return err
	}
	for _, k := range keys {
		row := &statepb.Invite{}
		if _, err := s.load(k, row); err != nil {
			return err
		}
		if row.GetIn() == nil {
			continue
		}
		g := BoxGroup("i/" + strings.TrimPrefix(string(k), prefixInvite))
		s.boxChange(BoxRelays{g, parseRelays(row.GetRelays())})
		if err := s.watch(g, row.GetIn()); err != nil {
			return err
		}
	}
	return nil
}

// tellGroups tells of the groups of one device.
func (s *step) tellGroups(d identity.DeviceID, row *statepb.Streams) error {
	_, relays, err := s.writing(row)
	if err != nil {
		return err
	}
	s.boxChange(BoxRelays{outGroup(d), relays})
	if blocked, err := s.blocked(d); err != nil || blocked {
		return err // nothing of theirs is looked for
	}
	return s.watchAll(d, row)
}

// watchAll has the boxes of every inbound stream looked for.
func (s *step) watchAll(d identity.DeviceID, row *statepb.Streams) error {
	for _, in := range row.GetIn() {
		if err := s.watchStream(d, row, in); err != nil {
			return err
		}
	}
	return nil
}

// watchStream has the boxes of an inbound stream looked for, wherever they may lie.
func (s *step) watchStream(d identity.DeviceID, row *statepb.Streams, in *statepb.Inbound) error {
	known, last, err := s.reading(row, in)
	if err != nil {
		return err
	}
	g := inGroup(d, in.GetNumber())
	if alike(known, last) {
		s.boxChange(WatchBoxes{Group: newGroup(g)})
		s.boxChange(BoxRelays{g, last})
		return s.watch(g, in)
	}
	s.boxChange(BoxRelays{g, known})
	s.boxChange(BoxRelays{newGroup(g), last})
	if err := s.watch(g, in); err != nil {
		return err
	}
	return s.watch(newGroup(g), in)
}

// unwatch has the boxes of an inbound stream looked for no more.
func (s *step) unwatch(d identity.DeviceID, in *statepb.Inbound) {
	g := inGroup(d, in.GetNumber())
	s.boxChange(WatchBoxes{Group: g})
	s.boxChange(WatchBoxes{Group: newGroup(g)})
}

// goOn has what is missing now of the stream that a group names looked for.
func (s *step) goOn(g BoxGroup, row *statepb.Streams, in *statepb.Inbound) error {
	if d, _, ok := deviceOfGroup(g); ok {
		return s.watchStream(d, row, in)
	}
	return s.watch(g, in)
}

// watch tells which boxes of an inbound stream are looked for.
func (s *step) watch(g BoxGroup, in *statepb.Inbound) error {
	r, err := box.ParseReader(in.GetReader())
	if err != nil {
		return fmt.Errorf("engine: boxes row: %w", err)
	}
	w := WatchBoxes{Group: g, Rarely: quiet(in, s.now)}
	for _, k := range r.Missing(watchedAhead) {
		w.Boxes = append(w.Boxes, k.Box)
	}
	s.boxChange(w)
	return nil
}

// quiet reports whether nothing more is expected in a stream: a later one was told
// of long ago, and nothing was found in this one since.
func quiet(in *statepb.Inbound, now time.Time) bool {
	return in.GetQuietS() != 0 && now.Unix() >= in.GetQuietS()
}

// watchedAhead is how many boxes of a stream are looked for: the next, and the one
// after it in case the next was lost.
const watchedAhead = 2

// announce begins a new stream for a device and returns what to tell it. Until it
// is known to have the envelope that says so (told), the stream before goes on.
func (s *step) announce() (*wire.Boxes, error) {
	row := &statepb.Relays{}
	if _, err := s.load(keyRelays, row); err != nil {
		return nil, err
	}
	// The clock helps a device that went back to an older state.
	row.Number = max(row.GetNumber()+1, uint64(max(s.now.UnixMilli(), 0)))
	own := row.GetLinks()
	b := &wire.Boxes{Relays: own[:min(len(own), wire.MaxRelays)], Number: row.Number}
	rand.Read(b.Root[:])
	return b, s.save(keyRelays, row)
}

// told takes note of which envelope tells a device of a new stream.
func (s *step) told(d identity.DeviceID, b *wire.Boxes, by wire.EnvelopeID) error {
	row, err := s.streams(d)
	if err != nil {
		return err
	}
	chain, err := box.NewChain(b.Root, s.self.device.ID(), d).MarshalBinary()
	if err != nil {
		return err
	}
	// What the other has of the stream in use is certain only for the one it was
	// told of by something it acknowledged.
	if len(row.GetAnnouncedBy()) == 0 {
		row.Before = row.GetOut()
	}
	row.Out = &statepb.Stream{Chain: chain, MadeS: s.now.Unix(), Pair: pairOf(b.Root, s.self.device.ID(), d), Relays: b.Relays, RelaysSet: true,
		Number: b.Number}
	row.AnnouncedBy = by[:]
	return s.saveStreams(d, row)
}

// heard takes note that a device has an envelope: if it told of a stream, the one
// before is over.
func (s *step) heard(d identity.DeviceID, id wire.EnvelopeID) error {
	row, err := s.streams(d)
	if err != nil || !bytes.Equal(row.GetAnnouncedBy(), id[:]) {
		return err
	}
	row.Before, row.AnnouncedBy = nil, nil
	row.Known, row.KnownSet = row.GetOut().GetRelays(), row.GetOut().GetRelaysSet()
	if err := s.saveStreams(d, row); err != nil {
		return err
	}
	return s.tellGroups(d, row)
}
