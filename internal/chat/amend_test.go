package chat_test

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/wire"
	"kith/media"
)

var (
	them = identity.AccountID{1} // bob, whose conversation it is
	us   = identity.AccountID{9}
)

func amendment(kind chat.AmendmentKind, from identity.AccountID, id byte, lamport uint64, text string) chat.MessageAmended {
	return chat.MessageAmended{Amendment: chat.Amendment{Kind: kind, Target: wire.MessageID{3}, Conversation: chat.With(them), From: from,
		ID: wire.MessageID{id}, Lamport: lamport, At: now, Text: text}}
}

// permutations calls do with every order of n things.
func permutations(n int, do func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var walk func(k int)
	walk = func(k int) {
		if k == n {
			do(order)
			return
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			walk(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	walk(0)
}

// picture is what a person sees, without where it stands in this device's log.
func picture(p *projection) string {
	m, _, _ := p.Message(wire.MessageID{3})
	m.Seq = 0
	return fmt.Sprintf("%+v lamport %d unread %d", m, p.conversation.Lamport, p.conversation.Unread)
}

// TestContent_CO19_anyOrderGivesTheSame: whatever the order in which a message and what
// is said about it come, every device ends with the same picture; and folding the log
// that is left gives it again, tables and all.
func TestContent_CO19_anyOrderGivesTheSame(t *testing.T) {
	added := chat.MessageAdded{Message: message(3, 4, chat.Delivered)}
	for name, events := range map[string][]chat.Event{
		"edits and reactions": {added, amendment(chat.AmendEdit, them, 10, 5, "second"), amendment(chat.AmendEdit, them, 11, 7, "last"),
			amendment(chat.AmendEdit, us, 12, 9, "not ours to edit"), amendment(chat.AmendReaction, us, 13, 6, "\U0001f44d"), amendment(chat.AmendReaction, us, 14, 6, "\U0001f600")},
		"taken back": {added, amendment(chat.AmendEdit, them, 10, 5, "second"), amendment(chat.AmendReaction, us, 11, 20, "\U0001f44d"),
			amendment(chat.AmendDeletion, them, 12, 6, ""), amendment(chat.AmendDeletion, us, 13, 6, ""), amendment(chat.AmendReaction, them, 14, 8, "")},
		"hidden": {added, amendment(chat.AmendEdit, them, 10, 5, "second"), amendment(chat.AmendDeletion, them, 12, 6, ""), amendment(chat.AmendReaction, us, 11, 7, "x")},
	} {
		var want string
		permutations(len(events), func(order []int) {
			p := newProjection()
			p.add(t, 1, chat.ContactAdded{Contact: bob()})
			for i, at := range order {
				p.add(t, chat.Seq(i+2), events[at])
			}
			if name == "hidden" {
				p.add(t, 50, chat.MessagesHidden{Conversation: chat.With(them), IDs: []wire.MessageID{{3}}})
			}
			got := picture(p)
			if want == "" {
				want = got
				t.Logf("%s: %s", name, got)
			}
			if got != want {
				t.Fatalf("%s, order %v:\n%s\n%s", name, order, got, want)
			}
			q := p.again(t)
			if !reflect.DeepEqual(q.messages, p.messages) || !reflect.DeepEqual(q.amendments, p.amendments) || q.conversation != p.conversation {
				t.Fatalf("%s, order %v: folded again\n%+v\n%+v\n%+v\n%+v", name, order, q.messages, p.messages, q.amendments, p.amendments)
			}
		})
	}
}

// TestContent_CO21_nothingIsLeftInTheLog: of a message that was taken back, or deleted
// here, and of all that was said about it, no word and no key is in the log or in tables.
func TestContent_CO21_nothingIsLeftInTheLog(t *testing.T) {
	for _, hide := range []bool{false, true} {
		p := newProjection()
		p.add(t, 1, chat.ContactAdded{Contact: bob()})
		m := message(3, 4, chat.Delivered)
		m.Text = "canary one"
		secret := [32]byte{0xca, 0xfe, 0xba, 0xbe, 0xca, 0xfe}
		m.Media = []chat.Media{{Attachment: wire.Attachment{Pointer: &media.Pointer{Key: secret, Size: 6}, Name: "canary.jpg", Type: "t/t"}}}
		p.add(t, 2, chat.MessageAdded{Message: m})
		p.add(t, 3, amendment(chat.AmendEdit, them, 10, 5, "canary two"))
		p.add(t, 4, amendment(chat.AmendEdit, them, 11, 6, "canary three"))
		p.add(t, 5, amendment(chat.AmendReaction, us, 12, 7, "canary"))
		if hide {
			p.add(t, 6, chat.MessagesHidden{Conversation: chat.With(them), IDs: []wire.MessageID{{3}}})
		} else {
			p.add(t, 6, amendment(chat.AmendDeletion, them, 13, 8, ""))
		}
		var all []byte
		for _, seq := range slices.Sorted(maps.Keys(p.log)) {
			b, err := chat.MarshalEvent(p.log[seq])
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		all = append(all, fmt.Sprintf("%+v %+v", p.messages, p.amendments)...)
		if bytes.Contains(all, []byte("canary")) || bytes.Contains(all, secret[:]) {
			t.Errorf("hidden %v: something is left: %q", hide, all)
		}
		if p.conversation.Unread != 0 {
			t.Errorf("hidden %v: %d unread", hide, p.conversation.Unread)
		}
		// It does not come back.
		p.add(t, 7, amendment(chat.AmendEdit, them, 14, 9, "canary four"))
		p.add(t, 8, amendment(chat.AmendReaction, them, 15, 9, "canary"))
		if got, _, _ := p.Message(wire.MessageID{3}); !got.Gone() || got.Text != "" || len(got.Reactions) != 0 || got.Deleted == hide {
			t.Errorf("hidden %v: %+v", hide, got)
		}
		if len(p.amendments) > 1 {
			t.Errorf("hidden %v: %d amendments are kept", hide, len(p.amendments))
		}
	}
}
