package store_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/store"
	"kith/internal/wire"
	"kith/media"
)

// pages decrypts a copy of a home's database, which may be open. Its log must be
// empty, since what lies there is looked for in no other way.
func pages(t *testing.T, dir string) []byte {
	t.Helper()
	if st, err := os.Stat(filepath.Join(dir, "kith.db-wal")); err == nil && st.Size() != 0 {
		t.Fatalf("%d bytes in the write-ahead log", st.Size())
	}
	b, err := os.ReadFile(filepath.Join(dir, "kith.db"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kith.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return store.Pages(t, path, master)
}

// logged is everything the events of the log say.
func logged(t *testing.T, db *store.DB) (all []byte) {
	t.Helper()
	err := db.View(func(tx *store.Tx) error {
		events, err := tx.Log(0, 100_000)
		for _, l := range events {
			b, err := chat.MarshalEvent(l.Event)
			if err != nil {
				return err
			}
			all = append(all, b...)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestStore_ST17_deletedLeavesNoTrace deletes a message for everyone and one for
// oneself alone, and looks for everything they were in every page of the
// database, used or not, with the pages' key, and in every event, with the rows'.
func TestStore_ST17_deletedLeavesNoTrace(t *testing.T) {
	dir := found(t)
	db := open(t, dir)
	// Words that share no beginning with others, which the index would leave out.
	words := []string{"zyzzyva", "xylograph", "quokkafarm", "juxtapose", "wolframite", "thumbnailofsomething"}
	filler := func(n int) (all []chat.Event) {
		for i := range n {
			m := message(0, fmt.Sprintf("filler number %d %s", i, strings.Repeat("lorem ipsum ", i%40)))
			m.Message.ID = wire.MessageID{0xff, byte(n), byte(i >> 8), byte(i)}
			m.Message.Lamport = uint64(i)
			all = append(all, m)
		}
		return all
	}
	one, two := message(1, words[0]+" "+strings.Repeat("large ", 2000), 5), message(2, words[1])
	one.Message.Media[0].Name = words[2] + ".jpg"
	one.Message.Media[0].Pointer.Key = [32]byte([]byte("the key of a file that is gone!!"))
	one.Message.Media[0].Preview = &wire.Preview{Width: 3, Thumbnail: []byte(words[5])}
	one.Message.ReplyTo = wire.MessageID{0xff}
	apply(t, db, &engine.Update{Events: append([]chat.Event{contactAdded()}, filler(100)...)})
	var seqs []chat.Seq
	for _, e := range []chat.Event{one, two, changed(chat.Edit, 1, 20, words[3]), changed(chat.Edit, 1, 21, words[4]), changed(chat.React, 2, 22, "🦘"),
		changed(chat.React, 1, 23, "🦥")} {
		seqs = append(seqs, apply(t, db, &engine.Update{Events: []chat.Event{e}}))
	}
	apply(t, db, &engine.Update{Events: filler(101)})

	var needles [][]byte
	for _, seq := range seqs {
		if sealed := store.SealedEvent(t, db, uint64(seq)); sealed != nil {
			needles = append(needles, sealed[:32]) // the rest may lie in several pages
		} else if seq != seqs[2] { // the first edit, which the second took the place of
			t.Fatalf("no event %d", seq)
		}
	}
	needles = append(needles, store.SealedMedia(t, db, one.Message.ID[:])...)
	for _, w := range append(words, "🦘", "🦥") {
		needles = append(needles, []byte(w))
	}
	count := func(where []byte) (n int) {
		for _, x := range needles {
			if bytes.Contains(where, x) {
				n++
			}
		}
		return n
	}
	db.Close()
	// The control: but for the two texts that were edited all of it is there.
	if n := count(pages(t, dir)); n != len(needles)-2 {
		t.Errorf("%d of %d are found before the deletion", n, len(needles))
	}
	db = open(t, dir)
	if n := count(logged(t, db)); n != len(words)-1+2 {
		t.Errorf("the log says %d of them before the deletion", n)
	}
	apply(t, db, &engine.Update{Events: []chat.Event{changed(chat.Deletion, 1, 30, ""),
		chat.MessagesForgotten{Conversation: chat.With(account(7)), IDs: []wire.MessageID{{2}}}}})
	look := func(when string) {
		t.Helper()
		all := pages(t, dir)
		for i, x := range needles {
			if bytes.Contains(all, x) {
				t.Errorf("%s: needle %d %.20q is left in a page", when, i, x)
			}
		}
		if n := count(logged(t, db)); n != 0 {
			t.Errorf("%s: the log says %d of them", when, n)
		}
	}
	look("at once")
	update(t, db, func(tx *store.Tx) error { return tx.Rebuild() })
	db.Close()
	db = open(t, dir)
	look("after a rebuild")
	db.Close()
	db = open(t, dir)
	if known, _ := known(db, 5); known {
		t.Error("the file is referred to still")
	}
}

func known(db *store.DB, root byte) (known bool, err error) {
	err = db.View(func(tx *store.Tx) (err error) {
		known, err = tx.MediaKnown([32]byte{root})
		return err
	})
	return known, err
}

// TestStore_ST17_manyDeletionsLeaveNoTrace says and deletes in all orders, so that
// pages split, merge and move.
func TestStore_ST17_manyDeletionsLeaveNoTrace(t *testing.T) {
	dir := found(t)
	db := open(t, dir)
	rng := rand.New(rand.NewPCG(5, 6))
	text := func(i int) string {
		return fmt.Sprintf("[%04x secret %d]%s", i*40503%65536, i, strings.Repeat(string(rune('a'+i%26)), i*i%900))
	}
	id := func(i int) wire.MessageID { return wire.MessageID{byte(i * 77), byte(i), byte(i >> 8), 1} }
	apply(t, db, &engine.Update{Events: []chat.Event{contactAdded()}})
	var said, gone []int
	for i := range 600 {
		m := message(0, text(i))
		m.Message.ID, m.Message.Lamport = id(i), uint64(rng.IntN(1000))
		events := []chat.Event{m}
		said = append(said, i)
		if i%2 == 1 {
			j := rng.IntN(len(said))
			c := changed(chat.Deletion, 0, 0, "")
			c.Change.Target, c.Change.ID, c.Change.Lamport = id(said[j]), wire.MessageID{9, byte(i), byte(i >> 8)}, uint64(i)
			events = append(events, c)
			if i%6 == 1 {
				events[1] = chat.MessagesForgotten{Conversation: chat.With(account(7)), IDs: []wire.MessageID{id(said[j])}}
			}
			gone = append(gone, said[j])
			said = slices.Delete(said, j, j+1)
		}
		apply(t, db, &engine.Update{Events: events})
	}
	db.Close()
	all := pages(t, dir)
	left, kept := 0, 0
	for _, i := range gone {
		if bytes.Contains(all, fmt.Appendf(nil, "secret %d]", i)) {
			left++
		}
	}
	for _, i := range said {
		if bytes.Contains(all, fmt.Appendf(nil, "secret %d]", i)) {
			kept++
		}
	}
	if left != 0 || kept != len(said) {
		t.Errorf("%d of %d deleted texts are left in pages, %d of %d kept ones found", left, len(gone), kept, len(said))
	}
}

// TestStore_ST17_blobsOfDeletedMessagesGo: files and parts of files that no message
// refers to are removed, those another refers to are not.
func TestStore_ST17_blobsOfDeletedMessagesGo(t *testing.T) {
	dir := found(t)
	db := open(t, dir)
	b, err := db.NewBlob()
	if err != nil {
		t.Fatal(err)
	}
	p, err := media.Encrypt(b, b.Tree, strings.NewReader("film"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(p.Root); err != nil {
		t.Fatal(err)
	}
	one, two, coming := message(1, "", 1), message(2, "", 1), message(3, "", 2)
	one.Message.Media[0].Pointer, two.Message.Media[0].Pointer = p, p
	apply(t, db, &engine.Update{Events: []chat.Event{contactAdded(), one, two, coming}})
	a, err := db.Assemble(coming.Message.Media[0].Pointer.Ref())
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	remove := func(root [32]byte, want int) {
		t.Helper()
		if err := db.RemoveBlob(root); err != nil {
			t.Fatal(err)
		}
		if files, _ := os.ReadDir(filepath.Join(dir, "blobs")); len(files) != want {
			t.Errorf("%d files, want %d", len(files), want)
		}
	}
	apply(t, db, &engine.Update{Events: []chat.Event{changed(chat.Deletion, 1, 10, "")}})
	remove(p.Root, 4)
	apply(t, db, &engine.Update{Events: []chat.Event{changed(chat.Deletion, 2, 11, "")}})
	remove(p.Root, 2)
	apply(t, db, &engine.Update{Events: []chat.Event{chat.MessagesForgotten{Conversation: chat.With(account(7)), IDs: []wire.MessageID{{3}}}}})
	remove(coming.Message.Media[0].Pointer.Root, 0)
	remove([32]byte{99}, 0)
}
