package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/store"
	"kith/internal/wire"
	"kith/media"
)

var now = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

var master = [32]byte{1, 2, 3}

// found makes a store with an account in a fresh directory.
func found(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "home")
	first, err := engine.Create(identity.NewAccount(), "alice", now)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Create(dir, master, first, now); err != nil {
		t.Fatal(err)
	}
	return dir
}

func open(t *testing.T, dir string) *store.DB {
	t.Helper()
	db, err := store.Open(dir, master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func update(t *testing.T, db *store.DB, fn func(*store.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func apply(t *testing.T, db *store.DB, up *engine.Update) chat.Seq {
	t.Helper()
	var seq chat.Seq
	update(t, db, func(tx *store.Tx) (err error) {
		seq, err = tx.Apply(up, now)
		return err
	})
	return seq
}

func account(b byte) (a identity.AccountID) { a[0] = b; return a }

func message(id byte, text string, roots ...byte) chat.MessageAdded {
	m := chat.Message{ID: wire.MessageID{id}, Conversation: chat.With(account(7)), From: account(7), Device: identity.DeviceID{7},
		Lamport: uint64(id), SentAt: now, Text: text, State: chat.Delivered}
	for _, r := range roots {
		m.Media = append(m.Media, chat.Media{Attachment: wire.Attachment{
			Pointer: &media.Pointer{Key: [32]byte{9, r}, Root: [32]byte{r}, Size: 100}, Name: "holiday.jpg", Type: "image/jpeg"}})
	}
	return chat.MessageAdded{Message: m}
}

// changed is what account 7 does to a message.
func changed(kind chat.ChangeKind, target, id byte, text string) chat.MessageChanged {
	return chat.MessageChanged{Change: chat.Change{Kind: kind, Conversation: chat.With(account(7)), Target: wire.MessageID{target}, From: account(7),
		ID: wire.MessageID{id}, Lamport: uint64(id), SentAt: now, Text: text}}
}

func contactAdded() chat.ContactAdded {
	return chat.ContactAdded{Contact: chat.Contact{Account: account(7), Device: identity.DeviceID{7}, Name: "bob", State: chat.ContactEstablished, AddedAt: now}}
}

func TestStore_ST01_everythingSurvivesReopening(t *testing.T) {
	dir := found(t)
	db := open(t, dir)
	out := wire.Outgoing{To: identity.DeviceID{7}, ID: wire.EnvelopeID{1}, Body: []byte("sealed"), Message: wire.MessageID{4}}
	apply(t, db, &engine.Update{
		Events:   []chat.Event{contactAdded(), message(1, "hello there", 5)},
		State:    map[engine.StateKey][]byte{"sessions/x": []byte("secret"), "empty": {}},
		Outgoing: []wire.Outgoing{out, {ID: wire.EnvelopeID{2}, Ephemeral: true}},
		Seen:     []wire.EnvelopeID{{3}},
		Addrs:    map[identity.DeviceID][]string{{7}: {"/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2"}},
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir)
	err := db.View(func(tx *store.Tx) error {
		if b, err := tx.State("sessions/x"); err != nil || string(b) != "secret" {
			t.Errorf("state: %q, %v", b, err)
		}
		if b, err := tx.State("empty"); err != nil || b == nil {
			t.Errorf("an empty row reads as %v, %v", b, err)
		}
		if b, err := tx.State("none"); err != nil || b != nil {
			t.Errorf("no row reads as %q, %v", b, err)
		}
		if all, err := tx.OutboxAll(); err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], out) {
			t.Errorf("outbox: %v, %v", all, err)
		}
		if seen, err := tx.Seen(wire.EnvelopeID{3}); err != nil || !seen {
			t.Errorf("seen: %v, %v", seen, err)
		}
		if a, err := tx.Addrs(identity.DeviceID{7}); err != nil || len(a) != 2 {
			t.Errorf("addrs: %v, %v", a, err)
		}
		if all, err := tx.Messages(chat.With(account(7)), nil, 10); err != nil || len(all) != 1 || all[0].Text != "hello there" || all[0].Media[0].Pointer.Key != [32]byte{9, 5} {
			t.Errorf("messages: %v, %v", all, err)
		}
		if wants, err := tx.Wants(); err != nil || len(wants) != 1 || wants[0].Ref.Root != [32]byte{5} {
			t.Errorf("wants: %v, %v", wants, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStore_ST02_failedUpdateNeverHappened(t *testing.T) {
	db := open(t, found(t))
	boom := errors.New("boom")
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Apply(&engine.Update{Events: []chat.Event{contactAdded(), message(1, "lost")},
			State: map[engine.StateKey][]byte{"k": []byte("v")}}, now); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	db.View(func(tx *store.Tx) error {
		if b, _ := tx.State("k"); b != nil {
			t.Error("state of a failed update")
		}
		if seq, _ := tx.LastSeq(); seq != 0 {
			t.Error("events of a failed update")
		}
		if all, _ := tx.Search("lost", 10); len(all) != 0 {
			t.Error("search finds what a failed update said")
		}
		return nil
	})
	apply(t, db, &engine.Update{Events: []chat.Event{contactAdded(), message(1, "kept")}})
}

func TestStore_ST03_searchIsByWordsWithoutSyntax(t *testing.T) {
	db := open(t, found(t))
	apply(t, db, &engine.Update{Events: []chat.Event{contactAdded(),
		message(1, "Das schöne Wetter"), message(2, `quote " and OR NOT`), message(3, "weather report", 5)}})
	for query, want := range map[string]int{
		"wetter": 1, "schone": 1, "WEATHER": 1, "weath*": 1, "weath": 0, "report weather": 1, "report wetter": 0,
		`"`: 0, `quote "`: 1, "OR": 1, "holiday.jpg": 1, "holiday": 1, "": 0, "*": 0, "a^b:c(": 0, "-": 0, "NEAR(": 0,
	} {
		db.View(func(tx *store.Tx) error {
			all, err := tx.Search(query, 10)
			if err != nil || len(all) != want {
				t.Errorf("search %q: %d, %v, want %d", query, len(all), err, want)
			}
			return nil
		})
	}
}

func TestStore_ST04_rebuiltProjectionsEqualIncremental(t *testing.T) {
	db := open(t, found(t))
	apply(t, db, &engine.Update{Events: []chat.Event{contactAdded(), message(1, "one"), message(3, "three", 5), message(2, "two", 5, 6),
		chat.MessagesMarked{Conversation: chat.With(account(7)), IDs: []wire.MessageID{{1}, {2}}, State: chat.Read, Received: true},
		chat.MediaStored{Root: [32]byte{5}}, chat.ContactVerified{Account: account(7), Verified: true},
		message(4, "taken back", 8), message(5, "for me alone", 9),
		changed(chat.Edit, 1, 20, "to be replaced"), changed(chat.Edit, 1, 21, "ten"), changed(chat.React, 3, 22, "👍"),
		changed(chat.React, 4, 23, "👎"), changed(chat.Edit, 4, 24, "t edited"), changed(chat.Deletion, 4, 25, ""),
		changed(chat.React, 99, 26, "🤷"), chat.MessagesForgotten{Conversation: chat.With(account(7)), IDs: []wire.MessageID{{5}}},
		chat.ContactConfigured{Account: account(7), Name: "rob", NoTyping: true}}})
	snapshot := func() (s []any) {
		db.View(func(tx *store.Tx) error {
			contacts, _ := tx.Contacts()
			conv, _ := tx.Conversation(chat.With(account(7)))
			messages, _ := tx.Messages(chat.With(account(7)), nil, 10)
			found, _ := tx.Search("t*", 10)
			var changes []chat.Change
			for _, id := range []byte{1, 2, 3, 4, 5, 99} {
				some, _ := tx.Changes(wire.MessageID{id})
				changes = append(changes, some...)
			}
			early, _ := tx.EarlyChanges(chat.With(account(7)))
			gone, _ := tx.Forgotten(wire.MessageID{5})
			s = []any{contacts, conv, messages, found, changes, early, gone}
			return nil
		})
		return s
	}
	before := snapshot()
	update(t, db, func(tx *store.Tx) error { return tx.Rebuild() })
	if after := snapshot(); !reflect.DeepEqual(before, after) {
		t.Fatalf("rebuilt:\n%v\nincremental:\n%v", after, before)
	}
	messages := before[2].([]chat.Message)
	if before[5] != 1 || before[6] != true {
		t.Errorf("%v changes wait, forgotten %v", before[5], before[6])
	}
	if m := messages[3]; !m.Deleted || m.Text != "" || m.Media != nil || m.Reactions != nil || !m.EditedAt.IsZero() {
		t.Errorf("deleted: %+v", m)
	}
	if len(messages) != 4 || messages[0].Text != "ten" || messages[0].EditedAt.IsZero() || messages[2].Reactions[0].Emoji != "👍" || messages[2].Text != "three" || messages[0].State != chat.Read || !messages[2].Media[0].Stored {
		t.Errorf("%+v", messages)
	}
}

func TestStore_ST05_nothingInClearOnDisk(t *testing.T) {
	dir := found(t)
	db := open(t, dir)
	const text = "a sentence nobody else may ever read"
	apply(t, db, &engine.Update{Events: []chat.Event{contactAdded(), message(1, text, 5)},
		State: map[engine.StateKey][]byte{"sessions/x": []byte("a session state in the clear")}})
	scan := func() (hits int) {
		filepath.Walk(dir, func(path string, fi os.FileInfo, err error) error {
			if err != nil || fi.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range []string{text, "sentence", "session state", "holiday.jpg", "alice", "bob", "SQLite format"} {
				if bytes.Contains(b, []byte(s)) {
					hits++
				}
			}
			return nil
		})
		return hits
	}
	if n := scan(); n != 0 {
		t.Errorf("%d findings with the database open", n)
	}
	db.Close()
	if n := scan(); n != 0 {
		t.Errorf("%d findings with the database closed", n)
	}
	if err := os.WriteFile(filepath.Join(dir, "control"), []byte("x "+text), 0o600); err != nil {
		t.Fatal(err)
	}
	if scan() != 2 {
		t.Error("the scan does not find what is there")
	}
}

func TestStore_ST06_wrongKeyDamageAndSecondProcess(t *testing.T) {
	dir := found(t)
	if _, err := store.Open(dir, [32]byte{9}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("wrong key: %v", err)
	}
	if _, err := store.Open(t.TempDir(), master); !errors.Is(err, store.ErrNone) {
		t.Errorf("no database: %v", err)
	}
	db := open(t, dir)
	if _, err := store.Open(dir, master); !errors.Is(err, store.ErrInUse) {
		t.Errorf("second opening: %v", err)
	}
	db.Close()
	path := filepath.Join(dir, "kith.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"first page": append(make([]byte, 4096), whole[4096:]...), "cut": whole[:1000], "garbage": bytes.Repeat([]byte("x"), 8192)} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(dir, master); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", name, err)
		}
	}
	first, _ := engine.Create(identity.NewAccount(), "x", now)
	if err := store.Create(dir, master, first, now); err == nil {
		t.Error("a second Create over an existing database")
	}
}

func TestStore_ST07_tornLogTailIsCutBeforeOpening(t *testing.T) {
	dir := found(t)
	db := open(t, dir)
	apply(t, db, &engine.Update{Events: []chat.Event{contactAdded(), message(1, "durable")}})
	// A copy of the files as a power cut leaves them, with an odd tail.
	crashed := t.TempDir()
	for _, name := range []string{"kith.db", "kith.db-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "kith.db-wal" {
			if len(b) == 0 {
				t.Fatal("no write-ahead log to tear")
			}
			b = append(b, make([]byte, 512)...)
		}
		if err := os.WriteFile(filepath.Join(crashed, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db = open(t, crashed)
	db.View(func(tx *store.Tx) error {
		if all, err := tx.Search("durable", 1); err != nil || len(all) != 1 {
			t.Errorf("%v, %v", all, err)
		}
		return nil
	})
}

func TestStore_ST08_rowsCannotBeExchanged(t *testing.T) {
	db := open(t, found(t))
	apply(t, db, &engine.Update{State: map[engine.StateKey][]byte{"a": []byte("one"), "b": []byte("two")}})
	old := store.SealedRow(t, db, "a")
	apply(t, db, &engine.Update{State: map[engine.StateKey][]byte{"a": []byte("three")}})
	for name, sealed := range map[string][]byte{"another row's": store.SealedRow(t, db, "b"), "an older version": old} {
		store.PutSealedRow(t, db, "a", sealed)
		err := db.View(func(tx *store.Tx) error { _, err := tx.State("a"); return err })
		if err == nil {
			t.Errorf("%s bytes are read as row a", name)
		}
	}
	store.PutOldRow(t, db, "a", 1, old)
	if err := db.View(func(tx *store.Tx) error { _, err := tx.State("a"); return err }); err == nil {
		t.Error("a row put back with its old version is read")
	}
}

func TestStore_ST09_seenAndAddrsAreBounded(t *testing.T) {
	db := open(t, found(t))
	apply(t, db, &engine.Update{Seen: []wire.EnvelopeID{{1}}})
	apply(t, db, &engine.Update{SeenBefore: now.Add(time.Millisecond)})
	many := make([]string, wire.MaxAddrs+5)
	for i := range many {
		many[i] = "/x/" + string(rune('a'+i))
	}
	update(t, db, func(tx *store.Tx) error { return tx.PutAddrs(identity.DeviceID{1}, many) })
	db.View(func(tx *store.Tx) error {
		if seen, _ := tx.Seen(wire.EnvelopeID{1}); seen {
			t.Error("a forgotten envelope is still known")
		}
		if a, _ := tx.Addrs(identity.DeviceID{1}); len(a) != wire.MaxAddrs {
			t.Errorf("%d addresses kept", len(a))
		}
		return nil
	})
}

func TestStore_ST10_blobsAppearWholeAndOrphansGo(t *testing.T) {
	dir := found(t)
	db := open(t, dir)
	b, err := db.NewBlob()
	if err != nil {
		t.Fatal(err)
	}
	p, err := media.Encrypt(b, b.Tree, bytes.NewReader([]byte("film")))
	if err != nil {
		t.Fatal(err)
	}
	if db.HasBlob(p.Root) {
		t.Error("a blob exists before its commit")
	}
	if err := b.Commit(p.Root); err != nil {
		t.Fatal(err)
	}
	if _, err := db.NewBlob(); err != nil { // left behind by a crash
		t.Fatal(err)
	}
	m := message(1, "", 1)
	m.Message.Media[0].Pointer = p
	apply(t, db, &engine.Update{Events: []chat.Event{contactAdded(), m}})
	if err := db.CollectBlobs(); err != nil {
		t.Fatal(err)
	}
	blob, err := db.OpenBlob(p.Root)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	chunk, proof, err := blob.Chunk(0, make([]byte, media.ChunkSize))
	if err != nil || media.VerifyChunk(p.Ref(), 0, chunk, proof) != nil {
		t.Error("chunk does not verify", err)
	}
	if _, _, err := blob.Chunk(1, make([]byte, media.ChunkSize)); !errors.Is(err, wire.ErrAbsent) {
		t.Errorf("chunk beyond the end: %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Join(dir, "blobs")); len(entries) != 2 {
		t.Errorf("%d files left", len(entries))
	}
	if _, err := db.OpenBlob([32]byte{8}); !errors.Is(err, wire.ErrAbsent) {
		t.Errorf("a blob that is not there: %v", err)
	}
}

func TestStore_ST10_whatTheDiskRefusedIsMissing(t *testing.T) {
	db := open(t, found(t))
	b, err := db.NewBlob()
	if err != nil {
		t.Fatal(err)
	}
	p, err := media.Encrypt(b, b.Tree, bytes.NewReader([]byte("film")))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(p.Root); err != nil {
		t.Fatal(err)
	}
	from, err := db.OpenBlob(p.Root)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	chunk, proof, err := from.Chunk(0, make([]byte, media.ChunkSize))
	if err != nil {
		t.Fatal(err)
	}
	other := open(t, found(t))
	for _, broken := range []bool{true, false} {
		a, err := other.Assemble(p.Ref())
		if err != nil {
			t.Fatal(err)
		}
		have, err := a.Have()
		if err != nil || media.Count(have) != 0 {
			t.Fatalf("%d chunks before any was put: %v", media.Count(have), err)
		}
		if err := a.Put(0, chunk, proof); err != nil {
			t.Fatal(err)
		}
		if broken {
			store.BreakData(a)
		}
		if err := a.Finish(); (err != nil) != broken {
			t.Errorf("finish with broken data %v: %v", broken, err)
		}
		if other.HasBlob(p.Root) == broken {
			t.Errorf("blob there: %v, data broken: %v", !broken, broken)
		}
		a.Close()
	}
}

func TestStore_ST11_closedStoreRefuses(t *testing.T) {
	db := open(t, found(t))
	db.Close()
	if err := db.Update(context.Background(), func(*store.Tx) error { return nil }); err == nil {
		t.Error("update after close")
	}
	if err := db.View(func(*store.Tx) error { return nil }); err == nil {
		t.Error("view after close")
	}
}

// toVersion3 takes away what versions 4 to 6 of the schema added.
const toVersion3 = `ALTER TABLE cells DROP COLUMN keys; ALTER TABLE cells DROP COLUMN stream; ALTER TABLE media DROP COLUMN hold; ALTER TABLE media DROP COLUMN preview; DROP TABLE changes; DROP TABLE forgotten; DROP INDEX outbox_message; DROP TABLE search;
	CREATE VIRTUAL TABLE search USING fts5 (words, content='', contentless_delete=1, tokenize="unicode61 remove_diacritics 2");
	INSERT INTO search (rowid, words) SELECT n, text FROM messages;
	ALTER TABLE contacts DROP COLUMN no_receipts; ALTER TABLE contacts DROP COLUMN no_typing; ALTER TABLE contacts DROP COLUMN blocked;
	ALTER TABLE messages DROP COLUMN reply_to; ALTER TABLE messages DROP COLUMN edited_at; ALTER TABLE messages DROP COLUMN deleted;
	ALTER TABLE messages DROP COLUMN deleted_on; ALTER TABLE messages DROP COLUMN deleted_of; PRAGMA user_version=3`

// TestStore_ST13_version3IsBroughtUpToDate: messages of before can be found, edited
// and deleted, and projections rebuilt are the same.
func TestStore_ST13_version3IsBroughtUpToDate(t *testing.T) {
	dir := found(t)
	db := open(t, dir)
	apply(t, db, &engine.Update{Events: []chat.Event{contactAdded(), message(1, "walnut", 5, 6), message(2, "vermilion")}})
	if err := db.Exec(toVersion3); err != nil {
		t.Fatal(err)
	}
	db.Close()

	db = open(t, dir)
	find := func(words string, want int) {
		t.Helper()
		db.View(func(tx *store.Tx) error {
			if all, err := tx.Search(words, 10); err != nil || len(all) != want {
				t.Errorf("search %q: %d, %v, want %d", words, len(all), err, want)
			}
			return nil
		})
	}
	find("walnut holiday.jpg", 1)
	apply(t, db, &engine.Update{Events: []chat.Event{changed(chat.Edit, 1, 10, "umbrella"), changed(chat.Deletion, 2, 11, "")}})
	find("walnut", 0)
	find("umbrella holiday.jpg", 1)
	find("vermilion", 0)
	update(t, db, func(tx *store.Tx) error { return tx.Rebuild() })
	find("umbrella holiday.jpg", 1)
	find("vermilion", 0)
}

// TestStore_ST13_olderSchemaIsBroughtUpToDate opens a database as version 1 left
// it: what was in it is there, and what is new can be written.
func TestStore_ST13_olderSchemaIsBroughtUpToDate(t *testing.T) {
	dir := found(t)
	db := open(t, dir)
	c := chat.Contact{Account: identity.AccountID{1}, Device: identity.DeviceID{2}, Name: "Bob", State: chat.ContactEstablished, AddedAt: now}
	apply(t, db, &engine.Update{Events: []chat.Event{chat.ContactAdded{Contact: c}}})
	if err := db.Exec(toVersion3 + `; ALTER TABLE contacts DROP COLUMN reduced; ALTER TABLE contacts DROP COLUMN stale;
		ALTER TABLE messages DROP COLUMN notice; ALTER TABLE messages DROP COLUMN boxed_on;
		ALTER TABLE messages DROP COLUMN boxed_of; DROP TABLE cells; PRAGMA user_version=1`); err != nil {
		t.Fatal(err)
	}
	db.Close()

	db = open(t, dir)
	m := chat.Message{ID: wire.MessageID{3}, Conversation: chat.With(c.Account), From: c.Account, SentAt: now,
		State: chat.Delivered, Notice: chat.NoticeSession}
	apply(t, db, &engine.Update{Events: []chat.Event{chat.ContactSession{Account: c.Account, Stale: true}, chat.MessageAdded{Message: m}}})
	db.Close()

	db = open(t, dir)
	if err := db.View(func(tx *store.Tx) error {
		got, ok, err := tx.Contact(c.Account)
		if err != nil || !ok || got.Name != "Bob" || !got.Stale || got.Reduced {
			t.Errorf("contact %+v, %v, %v", got, ok, err)
		}
		message, ok, err := tx.Message(m.ID)
		if err != nil || !ok || message.Notice != chat.NoticeSession {
			t.Errorf("message %+v, %v, %v", message, ok, err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestStore_ST13_cellsKeepWhatTheyAreSealedAnewWith: keys and stream of a cell are read
// as they were written, and a cell written again replaces the one before.
func TestStore_ST13_cellsKeepWhatTheyAreSealedAnewWith(t *testing.T) {
	dir := found(t)
	db := open(t, dir)
	c := engine.Cell{Box: [32]byte{1}, Envelope: wire.EnvelopeID{2}, Group: "d/03", Expiry: 20000, Held: 4, Put: []byte("put"), Keys: []byte("keys"), Stream: 1 << 40}
	old := engine.Cell{Box: [32]byte{4}, Envelope: wire.EnvelopeID{2}, Group: "d/03", Expiry: 20001, Put: []byte("put")}
	apply(t, db, &engine.Update{Cells: []engine.Cell{c, old}})
	c.Expiry, c.Held, c.Put = 20016, 0, []byte("another")
	apply(t, db, &engine.Update{Cells: []engine.Cell{c}})
	db.Close()
	db = open(t, dir)
	db.View(func(tx *store.Tx) error {
		all, err := tx.CellsFor(c.Envelope)
		if err != nil || len(all) != 2 {
			t.Fatal(len(all), err)
		}
		if fmt.Sprint(all[0]) != fmt.Sprint(c) || fmt.Sprint(all[1]) != fmt.Sprint(old) {
			t.Errorf("read %v", all)
		}
		return nil
	})
}
