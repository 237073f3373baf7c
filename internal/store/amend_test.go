package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/store"
	"kith/internal/wire"
	"kith/media"
)

// TestStore_ST17_whatIsTakenBackLeavesNothing: of a message that was edited, with a
// file, and taken back, whoever has the disk and the keys finds no word: not in rows, not in the index,
// not in pages of before, not in the log of writes.
func TestStore_ST17_whatIsTakenBackLeavesNothing(t *testing.T) {
	for _, hide := range []bool{false, true} {
		dir := found(t)
		db := open(t, dir)
		c := chat.Contact{Account: identity.AccountID{1}, Device: identity.DeviceID{2}, Name: "Bob", State: chat.ContactEstablished, AddedAt: now}
		conv := chat.With(c.Account)
		m := chat.Message{ID: wire.MessageID{3}, Conversation: conv, From: c.Account, Device: c.Device, Lamport: 1, SentAt: now, Text: "canaryone", State: chat.Delivered}
		pointer := &media.Pointer{Key: [32]byte{0xca, 0xfe}, Root: [32]byte{5}, Size: 6}
		m.Media = []chat.Media{{Attachment: wire.Attachment{Pointer: pointer, Name: "canaryfile.jpg", Type: "t/t"}, Stored: true}}
		other := m
		other.ID, other.Text, other.Lamport, other.Media = wire.MessageID{4}, "another stays", 2, nil
		amend := func(kind chat.AmendmentKind, id byte, text string) chat.Event {
			return chat.MessageAmended{Amendment: chat.Amendment{Kind: kind, Target: m.ID, Conversation: conv, From: c.Account, ID: wire.MessageID{id}, Lamport: uint64(id), At: now, Text: text}}
		}
		apply(t, db, &engine.Update{Events: []chat.Event{chat.ContactAdded{Contact: c}, chat.MessageAdded{Message: m}, chat.MessageAdded{Message: other},
			amend(chat.AmendEdit, 10, "canarytwo"), amend(chat.AmendEdit, 11, "canarythree"), amend(chat.AmendReaction, 12, "canaryfour")}})
		finds := func(words string, want int) {
			t.Helper()
			update(t, db, func(tx *store.Tx) error {
				got, err := tx.Search(words, 10)
				if len(got) != want {
					t.Errorf("hide %v: %q finds %d, want %d", hide, words, len(got), want)
				}
				return err
			})
		}
		finds("canarythree", 1)
		finds("canaryfile", 1)
		finds("canaryone", 0) // edited
		if hide {
			apply(t, db, &engine.Update{Events: []chat.Event{chat.MessagesHidden{Conversation: conv, IDs: []wire.MessageID{m.ID}}}})
		} else {
			apply(t, db, &engine.Update{Events: []chat.Event{amend(chat.AmendDeletion, 13, "")}})
		}
		finds("canary*", 0)
		finds("another", 1)
		// The pages of the database and of the log of writes as they are on the disk,
		// decrypted: SQLite's own copy of them.
		if st, err := os.Stat(filepath.Join(dir, "kith.db-wal")); err == nil && st.Size() != 0 {
			t.Errorf("hide %v: the log of writes has %d bytes", hide, st.Size())
		}
		clear := filepath.Join(t.TempDir(), "clear.db")
		if err := db.CopyPlain(clear); err != nil {
			t.Fatal(err)
		}
		pages, err := os.ReadFile(clear)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(pages, []byte("another stays")) {
			t.Fatal("the scan does not find what is there")
		}
		if i := bytes.Index(pages, []byte("anary")); i >= 0 {
			t.Errorf("hide %v: a page still holds %q", hide, pages[max(i-20, 0):i+30])
		}
		update(t, db, func(tx *store.Tx) error {
			known, err := tx.MediaKnown(pointer.Root)
			if known {
				t.Errorf("hide %v: the file is still referred to", hide)
			}
			log, err2 := tx.Log(0, 100)
			for _, l := range log {
				if b, _ := chat.MarshalEvent(l.Event); bytes.Contains(b, []byte("canary")) || bytes.Contains(b, pointer.Key[:]) {
					t.Errorf("hide %v: event %d still says it", hide, l.Seq)
				}
			}
			if err == nil {
				err = err2
			}
			return err
		})
		before := dump(t, db, conv)
		update(t, db, func(tx *store.Tx) error { return tx.Rebuild() })
		if after := dump(t, db, conv); after != before {
			t.Errorf("hide %v: folded again\n%s\n%s", hide, before, after)
		}
	}
}

// dump is what a conversation's tables hold.
func dump(t *testing.T, db *store.DB, conv chat.ConversationID) string {
	t.Helper()
	var b bytes.Buffer
	update(t, db, func(tx *store.Tx) error {
		c, err := tx.Conversation(conv)
		if err != nil {
			return err
		}
		all, err := tx.Messages(conv, nil, 100)
		fmt.Fprintf(&b, "%+v\n%+v\n", c, all)
		for _, id := range []wire.MessageID{{3}, {4}} {
			m, _, _ := tx.Message(id)
			as, _ := tx.Amendments(id)
			fmt.Fprintf(&b, "%+v %+v\n", m, as)
		}
		return err
	})
	return b.String()
}
