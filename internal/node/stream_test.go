package node_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/node"
	"kith/internal/p2p"
	"kith/internal/wire"
	"kith/media"
)

// gate lets chunks through when it is told to.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed: they pass
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) wait(ctx context.Context) error {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) let() { close(g.open) }

// gated is a network whose chunks wait at a gate.
type gated struct {
	*p2p.Host
	gate *gate
}

func (n gated) Fetch(ctx context.Context, from wire.PeerID, ref wire.ChunkRef, buf []byte) ([]byte, [][32]byte, error) {
	if err := n.gate.wait(ctx); err != nil {
		return nil, nil, err
	}
	return n.Host.Fetch(ctx, from, ref, buf)
}

// sendTo has bob, whose chunks wait, receive a file of so many bytes.
func sendTo(t *testing.T, plain []byte) (alice, bob *person, id wire.MessageID, p *media.Pointer) {
	t.Helper()
	alice, bob = meet(t)
	bob.down()
	bob.gate = newGate()
	bob.up()
	a, err := alice.Attach(t.Context(), bytes.NewReader(plain), node.AttachOptions{Name: "film.mp4"})
	if err != nil {
		t.Fatal(err)
	}
	id = alice.say(bob, "", a.Attachment)
	bob.untilMessage(id)
	return alice, bob, id, a.Pointer
}

// untilRests waits until nothing is on its way, and returns how many chunks are here.
func (p *person) untilRests(root [32]byte) uint64 {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	for _, err := range p.Watch(ctx, 0) {
		if err != nil {
			break
		}
		if is, ok := p.Progress(root); ok && !is.Active {
			return is.Have
		}
	}
	p.t.Fatal("chunks go on coming")
	return 0
}

// TestNode_TF14_readsWhatIsNotHere: a film whose fetching is paused is read at any
// place; what is looked at comes, and not the rest; then it is resumed.
func TestNode_TF14_readsWhatIsNotHere(t *testing.T) {
	plain := random(7, 40<<20)
	_, bob, id, p := sendTo(t, plain)
	bob.do(engine.Hold{ID: id, Hold: chat.Paused})
	bob.gate.let()
	f, err := bob.StreamMedia(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]byte, 200_000)
	for _, at := range []int64{30 << 20, 0, 39 << 20, int64(len(plain)) - 200_000} {
		if _, err := f.Seek(at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(f, got); err != nil || !bytes.Equal(got, plain[at:at+int64(len(got))]) {
			t.Fatalf("at %d: %v", at, err)
		}
	}
	if m, _, err := bob.Message(id); err != nil || m.Media[0].Stored || m.Media[0].Hold != chat.Paused {
		t.Fatalf("%v, %+v", err, m.Media)
	}
	if is, ok := bob.Progress(p.Root); !ok || is.Have >= is.Chunks || !is.Paused {
		t.Errorf("progress %+v", is)
	}
	bob.do(engine.Hold{ID: id, Hold: chat.Fetch})
	bob.until("media", func(e chat.Event) bool { return e == chat.MediaStored{Root: p.Root} })
	// Who began to read before it was complete goes on.
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(f); err != nil || !bytes.Equal(all, plain) {
		t.Errorf("another film: %v", err)
	}
}

// TestNode_TF14_whoReadsIsWokenAtTheEnd: by giving up, by the file's end, by the
// node's.
func TestNode_TF14_whoReadsIsWokenAtTheEnd(t *testing.T) {
	_, bob, id, p := sendTo(t, random(8, 10<<20))
	read := func(ctx context.Context) chan error {
		f, err := bob.StreamMedia(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			defer f.Close()
			_, err := io.ReadAll(f)
			ended <- err
		}()
		return ended
	}
	ctx, cancel := context.WithCancel(t.Context())
	left, stays := read(ctx), read(t.Context())
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up: %v", err)
	}
	bob.do(engine.Hold{ID: id, Hold: chat.Cancelled})
	if err := <-stays; err == nil {
		t.Error("all of a cancelled file was read")
	}
	bob.do(engine.Hold{ID: id, Hold: chat.Fetch})
	last := read(t.Context())
	bob.down()
	if err := <-last; !errors.Is(err, node.ErrStopped) {
		t.Errorf("when the node ended: %v", err)
	}
}

// TestNode_TF13_cancelledLeavesNothing: of a cancelled file nothing is on the disk,
// after a restart neither; fetched again, it is complete.
func TestNode_TF13_cancelledLeavesNothing(t *testing.T) {
	plain := random(9, 10<<20)
	_, bob, id, p := sendTo(t, plain)
	bob.do(engine.Hold{ID: id, Hold: chat.Cancelled})
	bob.gate.let()
	bob.down()
	if left := files(t, bob.dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	bob.up()
	var e *engine.Error
	if _, _, err := bob.Do(t.Context(), engine.Hold{ID: id, Index: 1}); !errors.As(err, &e) || e.Code != engine.NotFound {
		t.Errorf("a file that is not there: %v", err)
	}
	if is, wanted := bob.Progress(p.Root); wanted {
		t.Errorf("a cancelled file is wanted after a restart: %+v", is)
	}
	bob.do(engine.Hold{ID: id, Hold: chat.Fetch})
	bob.until("media", func(e chat.Event) bool { return e == chat.MediaStored{Root: p.Root} })
	if _, _, err := bob.Do(t.Context(), engine.Hold{ID: id, Hold: chat.Cancelled}); !errors.As(err, &e) || e.Code != engine.NotNow {
		t.Errorf("cancelling what is complete: %v", err)
	}
}

// files lists the blob files of a home that hold anything.
func files(t *testing.T, dir string) (left []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "blobs"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Size() > 0 {
			left = append(left, filepath.Ext(e.Name()))
		}
	}
	return left
}

// TestNode_TF13_pausedStaysPaused over a restart, and keeps what is here.
func TestNode_TF13_pausedStaysPaused(t *testing.T) {
	_, bob, id, p := sendTo(t, random(10, 30<<20))
	bob.do(engine.Hold{ID: id, Hold: chat.Paused})
	bob.gate.let()
	had := bob.untilRests(p.Root)
	bob.down()
	bob.up()
	bob.do(engine.Tick{})
	if is, ok := bob.Progress(p.Root); ok && is.Have > had {
		t.Errorf("%d chunks, %d before", is.Have, had)
	}
	if m, _, err := bob.Message(id); err != nil || m.Media[0].Hold != chat.Paused {
		t.Errorf("%v, %+v", err, m.Media)
	}
	bob.do(engine.Hold{ID: id, Hold: chat.Fetch})
	bob.until("media", func(e chat.Event) bool { return e == chat.MediaStored{Root: p.Root} })
}

// TestNode_TF14_readersOfBefore: who read a file that was cancelled, and lets go of it
// only when somebody reads it anew, leaves that one alone.
func TestNode_TF14_readersOfBefore(t *testing.T) {
	plain := random(11, 10<<20)
	alice, bob, id, p := sendTo(t, plain)
	before, err := bob.StreamMedia(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	bob.do(engine.Hold{ID: id, Hold: chat.Cancelled})
	alice.down() // nothing is opened before it can be fetched
	waitFor(t, "the link to be down", func() bool { return !bob.Online(alice.Self().Device.ID()) })
	bob.do(engine.Hold{ID: id, Hold: chat.Fetch})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	anew, err := bob.StreamMedia(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	defer anew.Close()
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	bob.gate.let()
	alice.up()
	if all, err := io.ReadAll(anew); err != nil || !bytes.Equal(all, plain) {
		t.Errorf("%d of %d bytes: %v", len(all), len(plain), err)
	}
}
