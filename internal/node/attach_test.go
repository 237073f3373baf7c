package node_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"kith/identity"
	"kith/internal/engine"
	"kith/internal/node"
	"kith/internal/store"
	"kith/internal/wire"
)

// nowhere is a network without peers.
type nowhere struct{}

var errNowhere = errors.New("nowhere")

func (nowhere) Self() wire.PeerID                                 { return wire.PeerID{} }
func (nowhere) Addrs() []string                                   { return nil }
func (nowhere) Dial(context.Context, wire.PeerID, []string) error { return errNowhere }
func (nowhere) Send(context.Context, wire.PeerID, []byte) error   { return errNowhere }
func (nowhere) Serve(wire.ChunkSource, func(wire.PeerID) bool)    {}
func (nowhere) Hangup(wire.PeerID)                                {}
func (nowhere) Fetch(context.Context, wire.PeerID, wire.ChunkRef, []byte) ([]byte, [][32]byte, error) {
	return nil, nil, errNowhere
}
func (nowhere) Recv(ctx context.Context) (wire.LinkEvent, error) {
	<-ctx.Done()
	return wire.LinkEvent{}, ctx.Err()
}

// alone makes a node without a network.
func alone(t testing.TB) (*node.Node, *store.DB) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "home")
	first, err := engine.Create(identity.NewAccount(), "alice", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Create(dir, [32]byte{}, first, time.Now()); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(dir, [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	n, err := node.New(node.Config{Store: db, Network: nowhere{}})
	if err != nil {
		t.Fatal(err)
	}
	return n, db
}

// BenchmarkAttach takes in a file: hashed, encrypted, durable.
func BenchmarkAttach(b *testing.B) {
	n, _ := alone(b)
	const size = 256 << 20
	block := make([]byte, 1<<20)
	rand.Read(block)
	b.SetBytes(size)
	for b.Loop() {
		if _, err := n.Attach(b.Context(), io.LimitReader(repeat(block), size), node.AttachOptions{Name: "x"}); err != nil {
			b.Fatal(err)
		}
	}
}

type repeat []byte

func (r repeat) Read(b []byte) (int, error) { return copy(b, r), nil }
