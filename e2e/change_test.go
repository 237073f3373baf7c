package e2e

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/internal/chat"
	"kith/internal/store"
	"kith/internal/vault"
	"kith/internal/wire"
)

// TestChange_deletedLeavesNoTraceInEitherHome: two people talk, send a file, edit and
// react; one deletes all of it for everyone. Then both homes are opened with their
// keys, and nothing of it is in the log, the state, the outbox, the index or among
// the files. What lies in pages is looked at in package store (ST-17).
func TestChange_deletedLeavesNoTraceInEitherHome(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, t.TempDir())
	text, edited := "the zyzzyva flies at midnight", "or rather the wolframite"
	var sent struct{ ID string }
	file := filepath.Join(t.TempDir(), "juxtapose.bin")
	randomFile(t, file, 3<<20)
	alice.json(&sent, "send", bob.name, text, "--file", file, "--wait", "delivered")
	bob.awaitFile("juxtapose.bin")
	alice.ok("edit", sent.ID, edited)
	bob.await("the edit", func(w *apiv1.WatchResponse) bool { return message(w).GetText() == edited })
	bob.ok("react", sent.ID, "🦥")
	alice.await("the reaction", func(w *apiv1.WatchResponse) bool { return len(message(w).GetReactions()) == 1 })
	var key []byte
	inside(t, alice.home, func(tx *store.Tx) error {
		m, _, err := tx.Message(messageID(t, sent.ID))
		if err == nil {
			key = m.Media[0].Pointer.Key[:]
		}
		return err
	})
	needles := [][]byte{[]byte("zyzzyva"), []byte("wolframite"), []byte("juxtapose"), []byte("🦥"), key}
	for _, p := range []*person{alice, bob} {
		if n := traces(t, p.home, needles); n == 0 {
			t.Errorf("%s: the control finds nothing before the deletion", p.name)
		}
		if n := blobFiles(t, p.home); n != 2 {
			t.Errorf("%s: %d files before the deletion", p.name, n)
		}
	}
	alice.ok("delete", sent.ID, "--for-everyone", "--wait", "--timeout", "20s")
	for _, p := range []*person{alice, bob} {
		if n := traces(t, p.home, needles); n != 0 {
			t.Errorf("%s: %d traces while the node runs", p.name, n)
		}
		for end := time.Now().Add(patience); blobFiles(t, p.home) != 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("%s: %d files are left", p.name, blobFiles(t, p.home))
				break
			}
		}
	}
	alice.kill()
	bob.down()
	for _, p := range []*person{alice, bob} {
		if n := traces(t, p.home, needles); n != 0 {
			t.Errorf("%s: %d traces after the node ended", p.name, n)
		}
		p.up()
		if out := p.ok("search", "wolframite"); out != "" {
			t.Errorf("%s finds %q", p.name, out)
		}
	}
}

func messageID(t *testing.T, hexID string) (id wire.MessageID) {
	t.Helper()
	b := make([]byte, 0, len(id))
	for i := 0; i+1 < len(hexID); i += 2 {
		b = append(b, byte(strings.IndexByte("0123456789abcdef", hexID[i])<<4|strings.IndexByte("0123456789abcdef", hexID[i+1])))
	}
	return wire.MessageID(b)
}

// inside opens a copy of a home with its key.
func inside(t *testing.T, home string, fn func(*store.Tx) error) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy")
	must(t, os.MkdirAll(copied, 0o700))
	for _, name := range []string{"key.json", "master.key", "kith.db", "kith.db-wal"} {
		b, err := os.ReadFile(filepath.Join(home, name))
		if os.IsNotExist(err) {
			continue
		}
		must(t, err)
		must(t, os.WriteFile(filepath.Join(copied, name), b, 0o600))
	}
	master, err := vault.Open(copied, nil)
	must(t, err)
	db, err := store.Open(copied, master)
	must(t, err)
	defer db.Close()
	must(t, db.View(fn))
}

// traces counts needles in everything the store opens: events, state, outbox,
// messages and their index.
func traces(t *testing.T, home string, needles [][]byte) (n int) {
	t.Helper()
	look := func(b []byte) {
		for _, x := range needles {
			if bytes.Contains(b, x) {
				n++
			}
		}
	}
	inside(t, home, func(tx *store.Tx) error {
		events, err := tx.Log(0, 10_000)
		if err != nil {
			return err
		}
		for _, l := range events {
			b, err := chat.MarshalEvent(l.Event)
			if err != nil {
				return err
			}
			look(b)
		}
		keys, err := tx.StateKeys("")
		if err != nil {
			return err
		}
		for _, k := range keys {
			b, err := tx.State(k)
			if err != nil {
				return err
			}
			look(b)
		}
		waiting, err := tx.OutboxAll()
		if err != nil {
			return err
		}
		for _, o := range waiting {
			look(o.Body)
		}
		for _, x := range needles[:3] {
			found, err := tx.Search(string(x)+"*", 10)
			if err != nil {
				return err
			}
			n += len(found)
		}
		return nil
	})
	return n
}

// blobFiles counts the files of media in a home.
func blobFiles(t *testing.T, home string) int {
	t.Helper()
	all, err := os.ReadDir(filepath.Join(home, "blobs"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return len(all)
}

// TestChange_typingConversationsAndBlocks: what has no verb of the command line, and
// links that end with a block.
func TestChange_typingConversationsAndBlocks(t *testing.T) {
	t.Parallel()
	alice, bob := pair(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	online := func(p *person, name string, want bool) {
		t.Helper()
		for {
			for _, c := range p.status().GetContacts() {
				if c.GetName() == name && c.GetOnline() == want {
					return
				}
			}
			if ctx.Err() != nil {
				t.Fatalf("%s is not online %v for %s", name, want, p.name)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	online(alice, bob.name, true)
	alice.ok("send", bob.name, "the last word", "--wait", "delivered")

	stream, err := bob.Watch(ctx, connect.NewRequest(&apiv1.WatchRequest{After: bob.status().GetSeq()}))
	must(t, err)
	defer stream.Close()
	if !stream.Receive() {
		t.Fatal(stream.Err())
	}
	seq := bob.status().GetSeq()
	_, err = alice.Typing(ctx, connect.NewRequest(&apiv1.TypingRequest{Contact: bob.name}))
	must(t, err)
	for stream.Receive() && stream.Msg().GetTyping() == nil {
	}
	typing := stream.Msg().GetTyping()
	if left := time.Until(time.UnixMilli(typing.GetUntilMs())); typing.GetContact() != alice.name || left <= 0 || left > 10*time.Second {
		t.Errorf("%v, %v, %v", typing, left, stream.Err())
	}
	if now := bob.status().GetSeq(); now != seq {
		t.Errorf("the log grew from %d to %d", seq, now)
	}

	all, err := bob.Conversations(ctx, connect.NewRequest(&apiv1.ConversationsRequest{}))
	must(t, err)
	if c := all.Msg.GetConversations(); len(c) != 1 || c[0].GetLast().GetText() != "the last word" || c[0].GetContact().GetUnread() != 1 {
		t.Errorf("%v", c)
	}
	_, err = bob.MarkRead(ctx, connect.NewRequest(&apiv1.MarkReadRequest{Contact: alice.name}))
	must(t, err)

	bob.ok("block", alice.name)
	online(bob, alice.name, false)
	online(alice, bob.name, false)
	if _, err := bob.Typing(ctx, connect.NewRequest(&apiv1.TypingRequest{Contact: alice.name})); err != nil {
		t.Error(err)
	}
	bob.ok("unblock", alice.name)
	online(bob, alice.name, true)
}
