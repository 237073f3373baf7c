package node_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/node"
	"kith/internal/p2p"
	"kith/internal/store"
	"kith/internal/wire"
)

// person is a node with everything real under it: database, disk, sockets.
type person struct {
	t    *testing.T
	dir  string
	addr string
	*node.Node
	db   *store.DB
	host *p2p.Host
	far  *board // nil: contacts who moved are not looked for
	gate *gate  // nil: chunks come as they come
	anew *anew  // nil: no relays, and links are ended uncounted
	stop context.CancelFunc
	ran  chan error
}

func newPerson(t *testing.T, name string) *person { return newPersonOn(t, name, nil) }

func newPersonOn(t *testing.T, name string, far *board) *person {
	t.Helper()
	p := &person{t: t, far: far, dir: filepath.Join(t.TempDir(), name), addr: "/ip4/127.0.0.1/tcp/0"}
	first, err := engine.Create(identity.NewAccount(), name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Create(p.dir, [32]byte{1}, first, time.Now()); err != nil {
		t.Fatal(err)
	}
	p.up()
	t.Cleanup(p.down)
	return p
}

func (p *person) up() {
	p.t.Helper()
	var err error
	if p.db, err = store.Open(p.dir, [32]byte{1}); err != nil {
		p.t.Fatal(err)
	}
	var self engine.Self
	p.db.View(func(tx *store.Tx) (err error) { self, err = engine.LoadSelf(tx); return err })
	if p.host, err = p2p.New(context.Background(), p2p.Config{Key: self.Device.SigningPrivate(), Listen: []string{p.addr}}); err != nil {
		p.t.Fatal(err)
	}
	p.addr = p.host.Addrs()[0]
	config := node.Config{Store: p.db, Network: p.host}
	if p.gate != nil {
		config.Network = gated{p.host, p.gate}
	}
	if p.anew != nil {
		config.Network, config.Relays = hanging{p.host, p.anew}, p.anew
	}
	if p.far != nil {
		config.Network, config.Far = byName{p.host}, p.far
	}
	if p.Node, err = node.New(config); err != nil {
		p.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop, p.ran = stop, make(chan error, 1)
	go func(n *node.Node) { p.ran <- n.Run(ctx) }(p.Node)
}

func (p *person) down() {
	if p.stop == nil {
		return
	}
	p.stop()
	p.stop = nil
	if err := errors.Join(<-p.ran, p.host.Close(), p.db.Close()); err != nil {
		p.t.Error(err)
	}
}

func (p *person) do(in engine.Input) any {
	p.t.Helper()
	reply, _, err := p.Do(p.t.Context(), in)
	if err != nil {
		p.t.Fatal(err)
	}
	return reply
}

// until reads events from the start until one satisfies ok.
func (p *person) until(what string, ok func(chat.Event) bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	for l, err := range p.Watch(ctx, 0) {
		if err != nil {
			p.t.Fatalf("waiting for %s: %v", what, err)
		}
		if ok(l.Event) {
			return
		}
	}
}

func (p *person) untilContact(with *person) {
	p.t.Helper()
	p.until("contact", func(e chat.Event) bool {
		switch e := e.(type) {
		case chat.ContactAdded:
			return e.Contact.Account == with.Self().Account && e.Contact.State == chat.ContactEstablished
		case chat.ContactProgressed:
			return e.Account == with.Self().Account && e.State == chat.ContactEstablished
		}
		return false
	})
}

func (p *person) untilState(id wire.MessageID, state chat.State) {
	p.t.Helper()
	p.until(state.String(), func(e chat.Event) bool {
		m, ok := e.(chat.MessagesMarked)
		return ok && m.State >= state && len(m.IDs) == 1 && m.IDs[0] == id
	})
}

func (p *person) untilMessage(id wire.MessageID) {
	p.t.Helper()
	p.until("message", func(e chat.Event) bool {
		m, ok := e.(chat.MessageAdded)
		return ok && m.Message.ID == id
	})
}

func (p *person) say(to *person, text string, media ...wire.Attachment) wire.MessageID {
	p.t.Helper()
	return p.do(engine.Send{To: to.Self().Account, Text: text, Media: media}).(engine.Sent).ID
}

// meet makes two people contacts.
func meet(t *testing.T) (alice, bob *person) {
	t.Helper()
	alice, bob = newPerson(t, "alice"), newPerson(t, "bob")
	inv := alice.do(engine.Invite{Life: time.Hour, Addrs: alice.Addrs()}).(engine.Invited).Invite
	bob.do(engine.Add{Invite: inv})
	alice.untilContact(bob)
	bob.untilContact(alice)
	return alice, bob
}

func TestNode_twoPeopleTalkBothWays(t *testing.T) {
	alice, bob := meet(t)
	for i := range 20 {
		id := alice.say(bob, fmt.Sprint("to bob ", i))
		alice.untilState(id, chat.Delivered)
		back := bob.say(alice, fmt.Sprint("to alice ", i))
		bob.untilState(back, chat.Delivered)
	}
	here, err := alice.Messages(chat.With(bob.Self().Account), node.Place{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	there, err := bob.Messages(chat.With(alice.Self().Account), node.Place{}, 100)
	a, b := here.Messages, there.Messages
	if err != nil || len(a) != 40 || len(b) != 40 {
		t.Fatal(err, len(a), len(b))
	}
	for i := range a {
		if a[i].ID != b[i].ID || a[i].Text != b[i].Text {
			t.Errorf("message %d differs: %q, %q", i, a[i].Text, b[i].Text)
		}
	}
	bob.do(engine.MarkRead{Conversation: chat.With(alice.Self().Account)})
	alice.until("read", func(e chat.Event) bool {
		m, ok := e.(chat.MessagesMarked)
		return ok && m.State == chat.Read && len(m.IDs) == 20
	})
}

func TestNode_outboxSurvivesAndLinksComeBackByThemselves(t *testing.T) {
	alice, bob := meet(t)
	bob.down()
	var ids []wire.MessageID
	for i := range 5 {
		ids = append(ids, alice.say(bob, fmt.Sprint("while away ", i)))
	}
	alice.down() // both go: nothing is in memory any more
	alice.up()
	bob.up()
	for _, id := range ids {
		bob.untilMessage(id)
		alice.untilState(id, chat.Delivered)
	}
	alice.do(engine.Tick{}) // the turn that took the acknowledgements is over then
	if w := alice.Waiting(); w.Queued != 0 {
		t.Errorf("%d envelopes still wait", w.Queued)
	}
}

func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}

func TestNode_fileArrivesWholeThroughARestartInTheMiddle(t *testing.T) {
	alice, bob := meet(t)
	plain := random(1, 24<<20)
	a, err := alice.Attach(t.Context(), bytes.NewReader(plain), node.AttachOptions{Name: "film.bin"})
	if err != nil {
		t.Fatal(err)
	}
	id := alice.say(bob, "look", a.Attachment)
	bob.untilMessage(id)
	bob.down()
	bob.up()
	bob.until("media", func(e chat.Event) bool {
		m, ok := e.(chat.MediaStored)
		return ok && m.Root == a.Pointer.Root
	})
	m, ok, err := bob.Message(id)
	if err != nil || !ok || !m.Media[0].Stored {
		t.Fatal(err, ok)
	}
	f, err := bob.OpenMedia(m.Media[0].Pointer)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, plain) {
		t.Error("another file", err)
	}
}

func TestNode_attachRefusesWhatItCannotClean(t *testing.T) {
	n, _ := alone(t)
	damaged := append([]byte{0xff, 0xd8, 0xff, 0xe1, 0, 3}, "x"...)
	var e *engine.Error
	if _, err := n.Attach(t.Context(), bytes.NewReader(damaged), node.AttachOptions{Name: "x.jpg"}); !errors.As(err, &e) || e.Hint == "" {
		t.Errorf("damaged picture: %v", err)
	}
	a, err := n.Attach(t.Context(), bytes.NewReader(damaged), node.AttachOptions{Name: "x.jpg", AsFile: true})
	if err != nil || a.Pointer.Size != int64(len(damaged)) || a.Stripped {
		t.Errorf("as a file: %v", err)
	}
	boom := errors.New("boom")
	if _, err := n.Attach(t.Context(), io.MultiReader(bytes.NewReader(random(2, 3<<20)), errReader{boom}), node.AttachOptions{Name: "x"}); !errors.Is(err, boom) {
		t.Errorf("failing source: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Attach(ctx, bytes.NewReader(plainText), node.AttachOptions{Name: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

var plainText = []byte("text")

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

func TestNode_strangersGetNothing(t *testing.T) {
	alice, bob := meet(t)
	a, err := alice.Attach(t.Context(), bytes.NewReader(random(3, 1<<20)), node.AttachOptions{Name: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	id := alice.say(bob, "for you", a.Attachment)
	bob.untilMessage(id)
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	eve, err := p2p.New(t.Context(), p2p.Config{Key: key, Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	if err != nil {
		t.Fatal(err)
	}
	defer eve.Close()
	if err := eve.Dial(t.Context(), alice.host.Self(), alice.Addrs()); err != nil {
		t.Fatal(err)
	}
	if e, err := eve.Recv(t.Context()); err != nil || e.Kind != wire.LinkUp {
		t.Fatal(e, err)
	}
	_, _, err = eve.Fetch(t.Context(), alice.host.Self(), wire.ChunkRef{Root: a.Pointer.Root}, nil)
	if !errors.Is(err, wire.ErrAbsent) {
		t.Errorf("a stranger who knows a root fetched: %v", err)
	}
}

func TestNode_commandsAfterTheEndAreRefused(t *testing.T) {
	alice := newPerson(t, "alice")
	alice.down()
	if _, _, err := alice.Do(t.Context(), engine.Invite{Life: time.Hour}); !errors.Is(err, node.ErrStopped) {
		t.Errorf("%v, want ErrStopped", err)
	}
}

func TestNode_watchGoesOnWhereItStopped(t *testing.T) {
	alice, bob := meet(t)
	id := alice.say(bob, "one")
	alice.untilState(id, chat.Delivered)
	var seen []chat.Seq
	for l, err := range alice.Watch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, l.Seq)
		if l.Seq == 2 {
			break
		}
	}
	for l, err := range alice.Watch(t.Context(), seen[len(seen)-1]) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, l.Seq)
		if len(seen) >= 3 {
			break
		}
	}
	for i, s := range seen {
		if s != chat.Seq(i+1) {
			t.Fatalf("sequence %v", seen)
		}
	}
}
