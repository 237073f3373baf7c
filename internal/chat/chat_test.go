package chat_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/wire"
	"kith/media"
)

var now = time.UnixMilli(1_700_000_000_001).UTC()

func bob() chat.Contact {
	return chat.Contact{Account: identity.AccountID{1}, Device: identity.DeviceID{2}, Name: "bob", State: chat.ContactRefused,
		Reason: wire.ReasonUsed, Verified: true, AddedAt: now}
}

func message(id byte, lamport uint64, state chat.State) chat.Message {
	return chat.Message{ID: wire.MessageID{id}, Conversation: chat.With(identity.AccountID{1}), From: identity.AccountID{1}, Device: identity.DeviceID{2},
		Lamport: lamport, SentAt: now, Text: "text", State: state}
}

func events() []chat.Event {
	m := message(3, 9, chat.Delivered)
	m.ReplyTo = wire.MessageID{77}
	m.Media = []chat.Media{{Attachment: wire.Attachment{Pointer: &media.Pointer{Key: [32]byte{4}, Root: [32]byte{5}, Size: 6}, Name: "n", Type: "t/t",
		Preview: &wire.Preview{Width: 3, Height: 4, Duration: time.Second, ThumbHash: []byte{1}, Thumbnail: []byte{2}, Waveform: []byte{3}}}, Stored: true}}
	return []chat.Event{
		chat.ContactAdded{Contact: bob()},
		chat.ContactProgressed{Account: identity.AccountID{1}, State: chat.ContactEstablished, Reason: wire.ReasonExpired},
		chat.ContactVerified{Account: identity.AccountID{1}, Verified: true},
		chat.ContactDevices{Account: identity.AccountID{1}, Seq: 7},
		chat.ContactMoved{Account: identity.AccountID{1}, Device: identity.DeviceID{8}},
		chat.MessageAdded{Message: m},
		chat.MessagesMarked{Conversation: chat.With(identity.AccountID{1}), IDs: []wire.MessageID{{1}, {2}}, State: chat.Read, Received: true},
		chat.MessageBoxed{Conversation: chat.With(identity.AccountID{1}), ID: wire.MessageID{1}, On: 2, Of: 4},
		chat.MediaStored{Root: [32]byte{9}},
		chat.MediaHeld{Root: [32]byte{9}, Hold: chat.Cancelled},
		chat.MessageChanged{Change: change(chat.Edit, 3, 1, 4, 11, "other")},
		chat.ChangeDelivered{Conversation: chat.With(identity.AccountID{1}), ID: wire.MessageID{2}},
		chat.MessagesForgotten{Conversation: chat.With(identity.AccountID{1}), IDs: []wire.MessageID{{1}, {2}}},
		chat.ContactConfigured{Account: identity.AccountID{1}, Name: "robert", NoTyping: true, Blocked: true},
		chat.ContentUnknown{Conversation: chat.With(identity.AccountID{1}), Device: identity.DeviceID{2}, Raw: []byte("raw")},
	}
}

func TestStore_ST04_everyEventComesBack(t *testing.T) {
	for _, e := range events() {
		b, err := chat.MarshalEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := chat.ParseEvent(b)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%T: %v\n%+v\n%+v", e, err, got, e)
		}
	}
	for name, b := range map[string][]byte{"empty": nil, "garbage": {0xff}, "no body": {0x80, 0x01, 0x00}, "short id": {0x3a, 0x03, 0x0a, 0x01, 0x01}} {
		if e, err := chat.ParseEvent(b); err == nil {
			t.Errorf("%s parses as %T", name, e)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	for _, e := range events() {
		b, _ := chat.MarshalEvent(e)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := chat.ParseEvent(b)
		if err != nil {
			return
		}
		again, err := chat.MarshalEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := chat.ParseEvent(again); err != nil || !reflect.DeepEqual(back, e) {
			t.Fatal("another event after a round trip")
		}
	})
}

// TestContent_CO15_orderIsTotalAndKnowsNoClock: any two different messages
// have an order, the same from both sides, whatever their clocks say.
func TestContent_CO15_orderIsTotalAndKnowsNoClock(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var all []chat.Message
	for i := range 60 {
		m := message(byte(i), uint64(rng.IntN(4)), chat.Delivered)
		m.From[0] = byte(rng.IntN(2))
		m.SentAt = now.Add(time.Duration(rng.Int64N(1e15)))
		all = append(all, m)
	}
	compare := func(a, b chat.Message) int { return chat.Compare(&a, &b) }
	slices.SortFunc(all, compare)
	for i := range all {
		for j := range all {
			if got := compare(all[i], all[j]); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Fatalf("messages %d and %d compare as %d", i, j, got)
			}
		}
	}
}

func TestContent_CO16_statesNeverGoBack(t *testing.T) {
	p := newProjection()
	seq := chat.Seq(0)
	apply := func(e chat.Event) {
		t.Helper()
		seq++
		if err := chat.Apply(p, chat.Logged{Seq: seq, At: now, Event: e}); err != nil {
			t.Fatal(err)
		}
	}
	apply(chat.ContactAdded{Contact: bob()})
	apply(chat.MessageAdded{Message: message(1, 5, chat.Delivered)})
	if p.conversation.Unread != 1 || p.conversation.Lamport != 5 || p.conversation.Messages != 1 {
		t.Errorf("%+v", p.conversation)
	}
	mark := func(s chat.State) {
		apply(chat.MessagesMarked{Conversation: chat.With(identity.AccountID{1}), IDs: []wire.MessageID{{1}, {99}}, State: s, Received: true})
	}
	mark(chat.Read)
	mark(chat.Delivered)
	mark(chat.Read)
	if m := p.messages[wire.MessageID{1}]; m.State != chat.Read || p.conversation.Unread != 0 {
		t.Errorf("%v, %d unread", m.State, p.conversation.Unread)
	}
	apply(chat.ContactDevices{Account: identity.AccountID{1}, Seq: 2})
	if p.contact.Verified {
		t.Error("a mark of verification outlived a change of devices")
	}
	if err := chat.Apply(p, chat.Logged{Seq: 99, Event: chat.ContactVerified{Account: identity.AccountID{77}}}); err == nil {
		t.Error("an event about nobody was folded")
	}
}
