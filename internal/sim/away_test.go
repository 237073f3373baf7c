package sim

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
	"kith/media"
)

// TestBoxing_BG02_manyStreamsToldOfAtOnce: somebody who adds relays one by one while
// the other is away tells of as many streams in the one that is still in use.
func TestBoxing_BG02_manyStreamsToldOfAtOnce(t *testing.T) {
	w, alice, bob, _ := withRelays(t, 1)
	w.Cut(alice, bob)
	alice.Switch(false)
	var more []*Relay
	for range engine.MaxStreams + 2 {
		r := w.AddRelay()
		if err := bob.UseRelays(r); err != nil {
			t.Fatal(err)
		}
		if more = append(more, r); len(more) > 4 {
			do(t, bob, engine.RemoveRelay{Relay: more[0].Is.ID()})
			more = more[1:]
		}
	}
	for i := range 5 {
		say(t, bob, alice, fmt.Sprint("b", i))
	}
	w.Advance(time.Hour)
	bob.Switch(false)
	alice.Switch(true)
	w.Advance(time.Hour)
	if got := len(alice.Timeline(bob)); got != 7 {
		t.Errorf("alice has %d messages", got)
	}
	bob.Switch(true)
	w.Advance(3 * time.Hour)
	check(t, alice, bob, 1, 6)
}

// TestBoxing_BG10_aThousandWhileAway: so many are all acknowledged by boxes.
func TestBoxing_BG10_aThousandWhileAway(t *testing.T) {
	w, alice, bob, _ := withRelays(t, 4)
	w.Cut(alice, bob)
	bob.Switch(false)
	n := engine.MaxStreamBoxes + 50
	for i := range n {
		say(t, alice, bob, fmt.Sprint(i))
	}
	w.Advance(2 * time.Hour)
	alice.Switch(false)
	bob.Switch(true)
	w.Advance(2 * time.Hour)
	if got := len(bob.Timeline(alice)); got != n+2 {
		t.Errorf("bob has %d messages", got)
	}
	bob.Switch(false)
	alice.Switch(true)
	w.Advance(time.Minute)
	left := 0
	for _, m := range alice.Timeline(bob) {
		if m.State < chat.Delivered {
			left++
		}
	}
	if left != 0 {
		t.Errorf("%d messages are not known to be delivered", left)
	}
	say(t, alice, bob, "and on")
	w.Advance(time.Minute)
	bob.Switch(true)
	w.Advance(3 * time.Hour)
	check(t, alice, bob, n+2, 1)
}

// TestBoxing_BG09_partOfAMessageLost: the first box of a message in several is lost
// everywhere; the reader says so soon, though nothing is complete.
func TestBoxing_BG09_partOfAMessageLost(t *testing.T) {
	w, alice, bob, relays := withRelays(t, 4)
	w.Cut(alice, bob)
	bob.Switch(false)
	say(t, alice, bob, strings.Repeat("long ", 4000))
	w.Advance(time.Minute)
	for _, r := range relays {
		delete(r.held, bob.watched()[0])
	}
	bob.Switch(true)
	w.Advance(10 * time.Minute)
	if got := len(bob.Timeline(alice)); got != 3 {
		t.Errorf("bob has %d messages", got)
	}
	w.Advance(3 * time.Hour)
	check(t, alice, bob, 2, 1)
}

// TestBoxing_BG12_inviteTakenUpByTwo: of two who take up an invite while the inviter is
// away one becomes a contact, though the other looks into the same boxes first.
func TestBoxing_BG12_inviteTakenUpByTwo(t *testing.T) {
	w, d := people(t, "alice", "bob", "carol")
	alice := d[0]
	var relays []*Relay
	for range 4 {
		relays = append(relays, w.AddRelay())
	}
	if err := alice.UseRelays(relays...); err != nil {
		t.Fatal(err)
	}
	inv := invite(t, alice, 7*24*time.Hour)
	w.Advance(time.Minute)
	alice.Switch(false)
	for _, x := range d[1:] {
		w.Cut(alice, x)
		add(t, x, inv)
		say(t, x, alice, "I am "+x.Name)
	}
	w.Advance(2 * time.Minute)
	for _, x := range d[1:] {
		x.Switch(false)
	}
	alice.Switch(true)
	w.Advance(time.Hour)
	alice.Switch(false)
	contacts, _ := alice.mem.Contacts()
	if len(contacts) != 1 {
		t.Fatalf("alice has %d contacts", len(contacts))
	}
	first, late := d[1], d[2]
	if contacts[0].Account == late.Self.Account {
		first, late = late, first
	}
	late.Switch(true)
	w.Advance(6 * time.Hour)
	late.Switch(false)
	first.Switch(true)
	w.Advance(time.Minute)
	if c := contact(t, first, alice); c.State != chat.ContactEstablished {
		t.Errorf("%s, who came first, is %v", first.Name, c.State)
	}
	alice.Switch(true)
	w.Advance(3 * time.Hour)
	check(t, alice, first, 0, 1)
}

// TestBoxing_BG10_whatIsToBeAcknowledgedIsBounded: of more than so many envelopes the
// last are acknowledged when they come again.
func TestBoxing_BG10_whatIsToBeAcknowledgedIsBounded(t *testing.T) {
	w, alice, bob, _ := withRelays(t, 4)
	w.Cut(alice, bob)
	row := &statepb.Streams{}
	id := alice.Self.Device.ID()
	key := engine.StateKey("boxes/" + hex.EncodeToString(id[:]))
	if err := proto.Unmarshal(bob.mem.state[key], row); err != nil {
		t.Fatal(err)
	}
	for range engine.MaxUnsaid - 1 {
		row.Opened = append(row.Opened, make([]byte, 32))
	}
	bob.mem.state[key], _ = proto.Marshal(row)
	say(t, alice, bob, "the last")
	say(t, alice, bob, "one more")
	w.Advance(3 * time.Hour)
	if s := state(t, alice, bob, "the last").State; s != chat.Delivered {
		t.Errorf("the last is %v", s)
	}
	if s := state(t, alice, bob, "one more").State; s != chat.Fetched {
		t.Errorf("one more is %v", s)
	}
}

// TestBoxing_BG05_albumWithPreviews: pictures with as many thumbnails as one message
// may have go by boxes.
func TestBoxing_BG05_albumWithPreviews(t *testing.T) {
	w, alice, bob, _ := withRelays(t, 4)
	w.Cut(alice, bob)
	var album []wire.Attachment
	for i := range 12 {
		album = append(album, wire.Attachment{Name: fmt.Sprint(i, ".jpg"), Type: "image/jpeg",
			Pointer: &media.Pointer{Root: [32]byte{byte(i)}, Size: 1 << 20},
			Preview: &wire.Preview{Width: 100, Height: 100, Thumbnail: make([]byte, wire.MaxThumbnail)}})
	}
	do(t, alice, engine.Send{To: bob.Self.Account, Text: "an album", Media: album})
	w.Advance(3 * time.Hour)
	got := state(t, bob, alice, "an album")
	thumbnails := 0
	for _, a := range got.Media {
		if a.Preview != nil && len(a.Preview.Thumbnail) > 0 {
			thumbnails++
		}
	}
	if most := wire.MaxPreviews / wire.MaxThumbnail; len(got.Media) != 12 || thumbnails < most-1 {
		t.Errorf("%d files, %d thumbnails of %d", len(got.Media), thumbnails, most)
	}
	check(t, alice, bob, 2, 1)
}
