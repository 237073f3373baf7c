package node_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/node"
	"kith/internal/p2p"
	"kith/internal/rendezvous"
	"kith/internal/wire"
)

// board is a DHT in memory that holds what is put there against the rules.
type board struct {
	t  *testing.T
	mu sync.Mutex

	records map[[32]byte][]byte
	puts    int
	closed  bool // answers nothing
	relays  [][]wire.RelayHint
}

var errClosed = errors.New("closed")

func (b *board) UseRelays(r []wire.RelayHint) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.relays = append(b.relays, r)
}

func (b *board) Through([]wire.RelayHint) []string { return nil }

func (b *board) Publish(_ context.Context, place [32]byte, record []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	if err := rendezvous.Check(place, record, time.Now()); err != nil {
		b.t.Error("RV-06: ", err)
	}
	for other, was := range b.records {
		if other != place && bytes.Equal(was, record) {
			b.t.Error("one record at two places")
		}
	}
	b.records[place] = record
	b.puts++
	return nil
}

func (b *board) Lookup(_ context.Context, place [32]byte) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r, ok := b.records[place]; ok && !b.closed {
		return r, nil
	}
	return nil, errClosed
}

func (b *board) count() (places, puts int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.records), b.puts
}

// byName is a network whose loopback has a name, so that it is worth telling.
type byName struct{ *p2p.Host }

func (n byName) Addrs() []string {
	var addrs []string
	for _, a := range n.Host.Addrs() {
		addrs = append(addrs, strings.Replace(a, "/ip4/127.0.0.1/", "/dns4/localhost/", 1))
	}
	return addrs
}

func TestRendezvous_RV09_contactsWhoBothMovedFindEachOther(t *testing.T) {
	t.Parallel()
	b := &board{t: t, records: map[[32]byte][]byte{}}
	alice, bob := newPersonOn(t, "Alice", b), newPersonOn(t, "Bob", b)
	link := alice.do(engine.Invite{Life: time.Hour, Addrs: alice.host.Addrs()}).(engine.Invited).Invite
	bob.do(engine.Add{Invite: link})
	bob.untilContact(alice)
	alice.untilContact(bob)
	// Each leaves word for the other, and says it once.
	waitFor(t, "word of both", func() bool { places, _ := b.count(); return places >= 2 })
	bob.down()
	alice.down()
	for _, p := range []*person{alice, bob} {
		p.addr = "/ip4/127.0.0.1/tcp/0" // another port than last time
		p.up()
	}
	bob.do(engine.Send{To: alice.Self().Account, Text: "found you"})
	alice.until("the message", func(e chat.Event) bool {
		m, ok := e.(chat.MessageAdded)
		return ok && m.Message.Text == "found you"
	})
}

func TestRendezvous_RV03_wordThatIsForgedOrForOthersLeadsNowhere(t *testing.T) {
	// What is no address of the world is not told: RFC 1918, and what leads through a relay.
	for a, private := range map[string]bool{
		"/ip4/10.1.2.3/tcp/1": true, "/ip4/172.16.0.1/tcp/1": true, "/ip4/172.31.0.1/tcp/1": true, "/ip4/172.32.0.1/tcp/1": false, "/ip4/172.160.0.1/tcp/1": false,
		"/ip4/192.168.0.1/udp/1/quic-v1": true, "/ip4/192.0.2.1/tcp/1": false, "/ip6/fd00::1/tcp/1": true, "/ip6/2001:db8::1/tcp/1": false,
		"/ip4/192.168.0.1/udp/1/quic-v1/p2p/x/p2p-circuit": false, "": false, "/ip4/172.": false,
	} {
		if node.Private(a) != private {
			t.Errorf("%q: private is %v", a, !private)
		}
	}
	got := node.Tellable([]string{"/ip4/127.0.0.1/tcp/1", "/ip4/192.168.0.1/tcp/1", "/ip6/::1/tcp/1", "/ip4/192.0.2.1/tcp/1", "/ip6/fe80::1/tcp/1"})
	if want := []string{"/ip4/192.0.2.1/tcp/1", "/ip4/192.168.0.1/tcp/1"}; !slices.Equal(got, want) {
		t.Errorf("%q are told, want %q", got, want)
	}
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in 30 s", what)
		}
	}
}
