// Package node is the loop: it owns the machines, the store and the network,
// and every goroutine of a running kith.
//
// One goroutine takes inputs, commands of the API and happenings of the
// network, up to [MaxBatch] at a time. In one transaction it lets the engine
// decide and writes what was decided; only after the commit does anything
// leave: frames, acknowledgements, answers to commands. So state is durable
// before its ciphertext leaves, and an envelope is acknowledged only after its
// event is committed. Media bytes never pass through the loop.
//
// Make a Node with [New], give it to [Node.Run] in a goroutine of yours, and
// use the other methods from any goroutine while it runs. Which goroutines
// exist and when they end is listed in docs/architecture.md.
package node

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/delivery"
	"kith/internal/engine"
	"kith/internal/placement"
	"kith/internal/store"
	"kith/internal/transfer"
	"kith/internal/wire"
)

// Bounds of this package, each with a test at its edge.
const (
	// MaxBatch is how many inputs one transaction may take.
	MaxBatch = 64
	// MaxQueued is how many inputs may wait for the loop; beyond it senders
	// wait, and with them their peers.
	MaxQueued = 256
	// MaxSendQueue is how many frames may wait for one peer's link. What does
	// not fit is repeated by delivery.
	MaxSendQueue = 256
)

// Times of this package.
const (
	dialTimeout = 20 * time.Second
	sendTimeout = 30 * time.Second
	// retryDisk is the wait before a decision that found the disk full is
	// tried again.
	retryDisk = 5 * time.Second
)

// Network is what the loop needs of a network: *p2p.Host, or a simulated one.
// All methods are safe for concurrent use. Errors of Dial, Send and Fetch are
// the network's or the peer's; the loop tries again later.
type Network interface {
	Self() wire.PeerID
	// Addrs returns where this device can be reached now.
	Addrs() []string
	// Dial connects to exactly this peer, trying the hints and what the
	// network knows by itself.
	Dial(ctx context.Context, to wire.PeerID, hints []string) error
	// Send puts one frame on the link to a connected peer, after the frames
	// sent before it.
	Send(ctx context.Context, to wire.PeerID, frame []byte) error
	// Hangup ends every connection with a peer.
	Hangup(wire.PeerID)
	// Recv waits for the next event. Frames of one peer come in order.
	Recv(ctx context.Context) (wire.LinkEvent, error)
	// Fetch asks a peer for one chunk and its proof; the chunk may use buf.
	// [wire.ErrAbsent] says that the peer does not have it.
	Fetch(ctx context.Context, from wire.PeerID, ref wire.ChunkRef, buf []byte) (chunk []byte, proof [][32]byte, err error)
	// Serve says who answers when peers fetch, and who is not a stranger.
	Serve(source wire.ChunkSource, known func(wire.PeerID) bool)
}

// Config is what a Node is made of.
type Config struct {
	Store   *store.DB
	Network Network
	Relays  Relays       // nil: boxes on relays are not used
	Blobs   Blobs        // nil: files are not left with relays
	Far     Far          // nil: contacts who moved are not looked for
	Log     *slog.Logger // never told names, texts or keys; nil: silent
}

// ErrFull reports that the disk is full; nothing was changed.
var ErrFull = store.ErrFull

// ErrStopped reports a command to a node that is not running any more.
var ErrStopped = errors.New("node: stopped")

// Node is a running kith.
type Node struct {
	db   *store.DB
	net  Network
	log  *slog.Logger
	self engine.Self

	engine   engine.Machine
	delivery *delivery.Machine // owned by the loop, like the next three
	transfer *transfer.Machine
	done     []engine.Stored // complete blobs the engine has not committed yet
	ticked   time.Time       // of the engine's last tick
	wake     time.Time       // when the engine wants another; zero: not before long
	boxes    boxes
	deposits deposits
	meetings meetings
	later    []engine.Input // what the engine hears of in the next turn

	inputs  chan any
	begun   chan struct{} // closed when the machines know what the store holds
	stopped chan struct{}

	work     sync.WaitGroup // every goroutine but the loop
	senders  map[wire.PeerID]*sender
	blobs    *assemblies
	arrivals *arrivals

	// Shared with readers outside the loop.
	known    sync.Map // wire.PeerID of contacts, for the network's use
	up       sync.Map // wire.PeerID -> struct{}, links that are up
	news     *news
	writing  signals[identity.AccountID]
	progress signals[[32]byte] // of blobs whose chunks are coming in
	standing signals[struct{}] // trouble, links, which relays answer
	blocked  sync.Map          // wire.PeerID of contacts who are blocked
	trouble  atomic.Pointer[string]
	nearby   sync.Map // wire.PeerID -> []string, where mDNS claims a contact is
	moving   sync.Map // root -> transfer.Progress
	counts   atomic.Pointer[Counts]
}

// Counts is what waits: envelopes without acknowledgement, files that are not
// complete here, and boxes and files on their way to relays.
type Counts struct{ Queued, MediaWaiting, Leaving int }

// New rebuilds a node from its store. The error is local.
func New(cfg Config) (*Node, error) {
	n := &Node{
		db: cfg.Store, net: cfg.Network, log: cfg.Log,
		transfer: transfer.New(),
		inputs:   make(chan any, MaxQueued),
		begun:    make(chan struct{}),
		stopped:  make(chan struct{}),
		senders:  map[wire.PeerID]*sender{},
		blobs:    newAssemblies(),
		arrivals: newArrivals(),
		writing:  signals[identity.AccountID]{every: typingEvery},
		progress: signals[[32]byte]{every: progressEvery},
		news:     newNews(),
		boxes: boxes{placement: placement.New(rand.Uint64()), relays: cfg.Relays,
			book: book{}, of: map[wire.EnvelopeID][][32]byte{}, working: make(chan struct{}, 1)},
		deposits: deposits{blobs: cfg.Blobs, going: map[depositOf]context.CancelFunc{}, given: map[depositOf]*given{},
			uploading: make(chan struct{}, maxUploads)},
	}
	n.meetings = meetings{far: cfg.Far, kick: make(chan struct{}, 1), left: map[wire.PeerID]*left{}}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	err := n.db.View(func(tx *store.Tx) (err error) {
		if n.self, err = engine.LoadSelf(tx); err != nil {
			return err
		}
		outbox, err := tx.OutboxAll()
		if err != nil {
			return err
		}
		n.delivery = delivery.New(outbox, rand.Uint64())
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Before anybody can store a file that no message refers to yet.
	if err := n.db.CollectBlobs(); err != nil {
		n.log.Warn("collecting unused media failed", "cause", cause(err))
	}
	n.net.Serve(n.serveChunk, n.isContact)
	return n, nil
}

// Self returns who this node is.
func (n *Node) Self() engine.Self { return n.self }

// Addrs returns where this node can be reached now.
func (n *Node) Addrs() []string { return n.net.Addrs() }

// Online reports whether a link to the device is up.
func (n *Node) Online(d identity.DeviceID) bool {
	_, up := n.up.Load(wire.PeerOf(d))
	return up
}

// Trouble says what keeps the node from its work now, empty when nothing does.
func (n *Node) Trouble() string {
	if t := n.trouble.Load(); t != nil {
		return *t
	}
	return ""
}

// Waiting returns how many envelopes and blobs wait. It waits itself until Run
// knows, or ended: whoever is told that nothing is on its way may end the node.
func (n *Node) Waiting() Counts {
	select {
	case <-n.begun:
	case <-n.stopped:
	}
	if c := n.counts.Load(); c != nil {
		return *c
	}
	return Counts{}
}

// View reads the store as of the last commit.
func (n *Node) View(fn func(*store.Tx) error) error { return n.db.View(fn) }

func (n *Node) isContact(p wire.PeerID) bool {
	_, ok := n.known.Load(p)
	return ok
}

// command is an engine input somebody waits for.
type command struct {
	in     engine.Input
	result chan result
}

type result struct {
	reply any
	seq   chat.Seq
	err   error
}

// Do gives a command to the engine and returns its reply when it is durable,
// with the sequence of its last event. An [*engine.Error] says that it cannot
// be done and why; [store.ErrFull] that the disk is full; [ErrStopped] that
// the node has ended. When ctx ends first the command may still be done.
func (n *Node) Do(ctx context.Context, in engine.Input) (reply any, seq chat.Seq, err error) {
	c := command{in: in, result: make(chan result, 1)}
	select {
	case n.inputs <- c:
	case <-n.stopped:
		return nil, 0, ErrStopped
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	select {
	case r := <-c.result:
		return r.reply, r.seq, r.err
	case <-n.stopped:
		return nil, 0, ErrStopped
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
}

// post gives an input to the loop, unless the loop has ended.
func (n *Node) post(ctx context.Context, in any) {
	select {
	case n.inputs <- in:
	case <-ctx.Done():
	}
}
