package node_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/node"
	"kith/internal/wire"
)

// TestNode_CO28_filesGoWhileTheyAreFetched: whenever a deletion comes, before the
// first chunk, between chunks or at the end, nothing of the file is left and nobody
// asks for it any more.
func TestNode_CO28_filesGoWhileTheyAreFetched(t *testing.T) {
	alice, bob := meet(t)
	for i := range 6 {
		file, err := alice.Attach(t.Context(), bytes.NewReader(make([]byte, 5<<20)), node.AttachOptions{Name: "film", AsFile: true})
		if err != nil {
			t.Fatal(err)
		}
		id := alice.say(bob, "a film", file.Attachment)
		bob.untilMessage(id)
		if i%3 > 0 {
			bob.untilProgress(file.Pointer.Root, uint64(i%3))
		}
		alice.do(engine.Delete{IDs: []wire.MessageID{id}, Everyone: true})
		bob.until("deletion", func(e chat.Event) bool {
			c, ok := e.(chat.MessageChanged)
			return ok && c.Change.Kind == chat.Deletion && c.Change.Target == id
		})
		for _, p := range []*person{alice, bob} {
			p.untilNoFiles()
		}
		if m, _, err := bob.Message(id); err != nil || !m.Deleted || m.Media != nil {
			t.Errorf("%+v, %v", m, err)
		}
	}
}

// untilProgress waits until so many chunks of a blob are here, or all.
func (p *person) untilProgress(root [32]byte, chunks uint64) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if now, ok := p.Progress(root); ok && now.Have >= chunks || p.db.HasBlob(root) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	p.t.Fatal("nothing is fetched")
}

// untilNoFiles waits until no file of media is left and none is wanted.
func (p *person) untilNoFiles() {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		all, err := os.ReadDir(filepath.Join(p.dir, "blobs"))
		if err != nil && !os.IsNotExist(err) {
			p.t.Fatal(err)
		}
		if len(all) == 0 && p.Waiting().MediaWaiting == 0 {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("%d files are left, %d wanted", len(all), p.Waiting().MediaWaiting)
		}
	}
}
