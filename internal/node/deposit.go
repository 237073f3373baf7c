package node

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"kith/box"
	"kith/internal/deposit"
	"kith/internal/engine"
	"kith/internal/store"
	"kith/internal/transfer"
	"kith/internal/wire"
	"kith/media"
)

// Blobs is how parts of files are left with relays. It is safe for concurrent use.
type Blobs interface {
	// Has reports whether a relay has a part.
	Has(ctx context.Context, r box.Relay, p Part) bool
	// Put uploads a part, doing the work the relay wants. That the relay has it
	// already is no error.
	Put(ctx context.Context, r box.Relay, p Part, content []byte) error
	// Get fetches a part; its content is the relay's word.
	Get(ctx context.Context, r box.Relay, p Part) ([]byte, error)
	// Delete has a relay let a part go.
	Delete(ctx context.Context, r box.Relay, p Part) error
}

// Part names a part of a file on a relay, and holds what it can be got and deleted
// with.
type Part struct {
	ID   [32]byte
	Key  [32]byte // capabilities are minted under it
	Hour uint32   // the last one it is kept for, hours since 1970
}

// Bounds of leaving and fetching.
const (
	maxUploads   = 2               // files going up at once
	maxAsked     = 8               // relays asked for a part
	partTimeout  = 2 * time.Minute // for one part to or from one relay
	uploadFirst  = 10 * time.Second
	uploadMost   = 30 * time.Minute
	deletedAtEnd = deposit.Replicas // relays asked to let a part go
)

// depositOf names a deposit: a file and the other device.
type depositOf struct {
	device wire.PeerID
	root   [32]byte
}

// deposits is what the loop knows of files left with relays.
type deposits struct {
	blobs     Blobs // nil: files are not left with relays
	going     map[depositOf]context.CancelFunc
	uploading chan struct{} // a place for each file going up

	mu    sync.Mutex // guards given
	given map[depositOf]*given
}

// given is a file that another device left for this one.
type given struct {
	engine.Given
	chunks uint64

	mu      sync.Mutex // guards indexes
	indexes map[uint64][][32]byte
}

// beginDeposits goes on with what the store knows of deposits.
func (n *Node) beginDeposits(ctx context.Context, now time.Time) error {
	var changes []engine.DepositChange
	err := n.db.View(func(tx *store.Tx) (err error) {
		changes, err = engine.DepositsNow(tx, now)
		return err
	})
	if err == nil {
		n.changeDeposits(ctx, now, changes, true)
		n.count()
	}
	return err
}

// changeDeposits carries out what the engine decided about deposits; again says
// that an upload may have been under way before.
func (n *Node) changeDeposits(ctx context.Context, now time.Time, changes []engine.DepositChange, again bool) {
	if n.deposits.blobs == nil {
		return
	}
	for _, c := range changes {
		switch c := c.(type) {
		case engine.Upload:
			of := depositOf{wire.PeerOf(c.For), c.Root}
			n.endUpload(of)
			within, cancel := context.WithCancel(ctx)
			n.deposits.going[of] = cancel
			n.work.Go(func() { n.upload(within, c, again) })
		case engine.EndUpload:
			n.endUpload(depositOf{wire.PeerOf(c.For), c.Root})
		case engine.Given:
			of := depositOf{wire.PeerOf(c.From), c.Ref.Root}
			n.deposits.put(of, &given{Given: c, chunks: c.Ref.Chunks(), indexes: map[uint64][][32]byte{}})
			n.wantDeposit(ctx, now, of)
		case engine.EndGiven:
			of := depositOf{wire.PeerOf(c.From), c.Root}
			g := n.deposits.take(of)
			n.doTransfer(ctx, n.transfer.Step(now, transfer.Lose{Root: c.Root, From: transfer.Source{Peer: of.device, Deposit: true}}))
			if g != nil && c.Complete {
				n.work.Go(func() { n.letGo(ctx, g) })
			}
		}
	}
}

func (n *Node) endUpload(of depositOf) {
	if cancel := n.deposits.going[of]; cancel != nil {
		cancel()
		delete(n.deposits.going, of)
	}
}

// wantDeposit makes a deposit a source of a file that is wanted.
func (n *Node) wantDeposit(ctx context.Context, now time.Time, of depositOf) {
	g := n.deposits.get(of)
	if _, wanted := n.transfer.Progress(of.root); g == nil || !wanted {
		return
	}
	n.doTransfer(ctx, n.transfer.Step(now, transfer.Want{Ref: g.Ref, From: transfer.Source{Peer: of.device, Deposit: true}}))
}

func (d *deposits) put(of depositOf, g *given) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.given[of] = g
}

func (d *deposits) get(of depositOf) *given {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.given[of]
}

func (d *deposits) take(of depositOf) *given {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.given[of]
	delete(d.given, of)
	return g
}

// upload leaves a file with relays, however often that has to be begun, and says so.
func (n *Node) upload(ctx context.Context, u engine.Upload, again bool) {
	for pause := uploadFirst; ; pause, again = min(2*pause, uploadMost), true {
		ids, err := n.uploadOnce(ctx, u, again)
		if err == nil {
			n.post(ctx, engine.Deposited{For: u.For, Root: u.Root, IDs: ids})
			return
		}
		if errors.Is(err, errNoFile) || ctx.Err() != nil {
			return
		}
		n.log.Debug("a file was not left with relays yet", "cause", cause(err))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

var (
	errNoFile   = errors.New("node: the file is not here")
	errNoRelays = errors.New("node: too few relays took a part")
)

// uploadOnce goes through all parts of a file. If it was begun before, relays are
// asked whether they have a part.
func (n *Node) uploadOnce(ctx context.Context, u engine.Upload, again bool) ([][32]byte, error) {
	select {
	case n.deposits.uploading <- struct{}{}:
		defer func() { <-n.deposits.uploading }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	blob, err := n.db.OpenBlob(u.Root)
	if err != nil {
		return nil, errNoFile
	}
	defer blob.Close()
	chunks := blob.Ref.Chunks()
	indexes, err := deposit.Indexes(chunks)
	if err != nil {
		return nil, errNoFile
	}
	buf, part := make([]byte, media.ChunkSize), make([]byte, 0, deposit.MaxPart)
	var ids, names [][32]byte
	for i := range chunks {
		chunk, proof, err := blob.Chunk(i, buf)
		if err != nil {
			return nil, err
		}
		if part, err = u.Key.SealChunk(part[:0], i, chunk, proof); err != nil {
			return nil, err
		}
		id, err := n.leave(ctx, u, deposit.Chunk, i, part, again)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
		if indexes == 0 || len(ids) < deposit.IndexIDs && i < chunks-1 {
			continue
		}
		at := uint64(len(names))
		if part, err = u.Key.SealIndex(part[:0], at, ids); err != nil {
			return nil, err
		}
		if id, err = n.leave(ctx, u, deposit.Index, at, part, again); err != nil {
			return nil, err
		}
		names, ids = append(names, id), ids[:0]
	}
	if indexes == 0 {
		names = ids
	}
	return names, nil
}

// ranked gives the relays that a part may lie on, the first choice first. Rule DP-05.
func rankedFor(id [32]byte, relays []box.Relay) []box.Relay {
	keys := make([]box.RelayID, len(relays))
	for i, r := range relays {
		keys[i] = r.ID()
	}
	var out []box.Relay
	for _, i := range box.Rank(id, keys) {
		out = append(out, relays[i])
	}
	return out[:min(len(out), maxAsked)]
}

// leave has as many relays hold a part as are wanted.
func (n *Node) leave(ctx context.Context, u engine.Upload, kind deposit.Kind, i uint64, part []byte, again bool) ([32]byte, error) {
	p := Part{ID: deposit.ID(part), Key: u.Key.Capability(kind, i), Hour: u.Hour}
	wanted := min(deposit.Replicas, len(u.Relays))
	held := 0
	var last error = errNoRelays
	for _, r := range rankedFor(p.ID, u.Relays) {
		if held == wanted {
			break
		}
		within, cancel := context.WithTimeout(ctx, partTimeout)
		var err error
		if !again || !n.deposits.blobs.Has(within, r, p) {
			err = n.deposits.blobs.Put(within, r, p, part)
		}
		cancel()
		if err != nil {
			last = err
			continue
		}
		held++
	}
	if held == 0 || held < wanted {
		return p.ID, last
	}
	return p.ID, nil
}

// fetchDeposit gets one chunk of a deposit.
func (n *Node) fetchDeposit(ctx context.Context, of depositOf, i uint64) ([]byte, [][32]byte, error) {
	g := n.deposits.get(of)
	if g == nil || i >= g.chunks {
		return nil, nil, wire.ErrAbsent
	}
	id, err := n.chunkID(ctx, g, i)
	if err != nil {
		return nil, nil, err
	}
	var chunk []byte
	var proof [][32]byte
	err = n.getPart(ctx, g, deposit.Chunk, i, id, func(part []byte) (err error) {
		if chunk, proof, err = g.Key.OpenChunk(i, part); err == nil {
			err = media.VerifyChunk(g.Ref, i, chunk, proof)
		}
		return err
	})
	return chunk, proof, err
}

// chunkID finds the id of a chunk, in an index if the deposit has some.
func (n *Node) chunkID(ctx context.Context, g *given, i uint64) (id [32]byte, err error) {
	if g.chunks <= deposit.MaxDirect {
		return g.IDs[i], nil
	}
	at := i / deposit.IndexIDs
	g.mu.Lock()
	defer g.mu.Unlock()
	ids := g.indexes[at]
	if ids == nil {
		err = n.getPart(ctx, g, deposit.Index, at, g.IDs[at], func(part []byte) (err error) {
			ids, err = g.Key.OpenIndex(at, part)
			return err
		})
		if err != nil {
			return id, err
		}
		g.indexes[at] = ids
	}
	if i%deposit.IndexIDs >= uint64(len(ids)) {
		return id, wire.ErrAbsent
	}
	return ids[i%deposit.IndexIDs], nil
}

// getPart asks the relays that may have a part until one gives what was left there.
func (n *Node) getPart(ctx context.Context, g *given, kind deposit.Kind, i uint64, id [32]byte, open func([]byte) error) error {
	p := Part{ID: id, Key: g.Key.Capability(kind, i), Hour: g.Hour}
	for _, r := range rankedFor(id, g.Relays) {
		within, cancel := context.WithTimeout(ctx, partTimeout)
		part, err := n.deposits.blobs.Get(within, r, p)
		cancel()
		if err == nil && deposit.ID(part) == id && open(part) == nil {
			return nil
		}
	}
	return wire.ErrAbsent
}

// letGo has relays delete what was fetched. It is a courtesy: what it does not reach
// expires.
func (n *Node) letGo(ctx context.Context, g *given) {
	for at, id := range g.IDs {
		if g.chunks <= deposit.MaxDirect {
			n.letPartGo(ctx, g, deposit.Chunk, uint64(at), id)
			continue
		}
		g.mu.Lock()
		ids := slices.Clone(g.indexes[uint64(at)])
		g.mu.Unlock()
		for j, id := range ids {
			n.letPartGo(ctx, g, deposit.Chunk, uint64(at)*deposit.IndexIDs+uint64(j), id)
		}
		n.letPartGo(ctx, g, deposit.Index, uint64(at), id)
	}
}

func (n *Node) letPartGo(ctx context.Context, g *given, kind deposit.Kind, i uint64, id [32]byte) {
	p := Part{ID: id, Key: g.Key.Capability(kind, i), Hour: g.Hour}
	relays := rankedFor(id, g.Relays)
	for _, r := range relays[:min(len(relays), deletedAtEnd)] {
		if ctx.Err() != nil {
			return
		}
		within, cancel := context.WithTimeout(ctx, partTimeout)
		if err := n.deposits.blobs.Delete(within, r, p); err != nil {
			n.log.Debug("a part was not deleted", "cause", cause(err))
		}
		cancel()
	}
}
