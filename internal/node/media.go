package node

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kith/internal/engine"
	"kith/internal/preview"
	"kith/internal/store"
	"kith/internal/transfer"
	"kith/internal/wire"
	"kith/media"
)

// AttachOptions say how a file is taken in.
type AttachOptions struct {
	Name   string // the file's name; must satisfy [wire.ValidFileName]
	AsFile bool   // leave the bytes of pictures as they are
}

// pictures is how many pictures are decoded for their previews at once: a decoded
// one takes up to [preview.MaxDecoded] bytes.
var pictures = make(chan struct{}, 1)

// preview says what a picture of ours looks like, nil for what is none or too large.
func (n *Node) preview(ctx context.Context, p *media.Pointer, kind string) *wire.Preview {
	if !strings.HasPrefix(kind, "image/") {
		return nil
	}
	f, err := n.OpenMedia(p)
	if err != nil {
		return nil
	}
	defer f.Close()
	select {
	case pictures <- struct{}{}:
		defer func() { <-pictures }()
	case <-ctx.Done():
		return nil
	}
	picture, err := preview.Of(f)
	if err != nil {
		return nil
	}
	return &wire.Preview{Width: picture.Width, Height: picture.Height, ThumbHash: picture.ThumbHash, Thumbnail: picture.Thumbnail}
}

// Attached is a file taken in, ready to be sent.
type Attached struct {
	wire.Attachment
	Stripped bool // metadata was removed
}

// Attach encrypts everything r gives into a blob, without what tells where and
// by whom a picture or film was made, and returns the pointer for a message. The
// blob is durable then. Stripping, hashing and encrypting run on goroutines of
// their own, which end before Attach returns; memory is constant. An
// [*engine.Error] says that the file is no good, [store.ErrFull] that the disk
// is full.
func (n *Node) Attach(ctx context.Context, r io.Reader, o AttachOptions) (*Attached, error) {
	blob, err := n.db.NewBlob()
	if err != nil {
		return nil, err
	}
	intake := newIntake(ctx, r, o.AsFile)
	pointer, err := encrypt(intake, blob)
	stripped, sum, head, stripErr := intake.end()
	if stripErr != nil && !errors.Is(stripErr, errStage) {
		err = stripErr // the first cause; what the later stages say follows from it
	}
	if err != nil {
		blob.Abort()
		return nil, attachError(err, o.Name)
	}
	pointer.SHA256 = sum
	if err := blob.Commit(pointer.Root); err != nil {
		return nil, err
	}
	kind := stripped.Type
	if kind == "" {
		kind = sniff(head)
	}
	return &Attached{
		Attachment: wire.Attachment{Pointer: pointer, Name: o.Name, Type: kind, Preview: n.preview(ctx, pointer, kind)},
		Stripped:   stripped.Removed,
	}, nil
}

func attachError(err error, name string) error {
	switch {
	case errors.Is(err, media.ErrPicture):
		return &engine.Error{Code: engine.Invalid, Text: fmt.Sprintf("%q is a damaged picture or film, and what it tells of you cannot be removed", name),
			Hint: "send it as it is with --as-file"}
	case errors.Is(err, media.ErrTrack):
		return &engine.Error{Code: engine.Invalid, Text: fmt.Sprintf("%q holds a track that may tell where you were, and it cannot be taken out", name),
			Hint: "send it as it is with --as-file"}
	case errors.Is(err, media.ErrTooLarge):
		return &engine.Error{Code: engine.Invalid, Text: fmt.Sprintf("%q is larger than %d TiB", name, int64(media.MaxSize)>>40)}
	}
	return err
}

// sniff names the type of a file by its first bytes.
func sniff(head []byte) string {
	kind := http.DetectContentType(head)
	if i := bytes.IndexByte([]byte(kind), ';'); i >= 0 {
		kind = kind[:i]
	}
	return kind
}

// intake is the first stage of Attach: it strips and hashes on goroutines of
// its own and gives the plaintext to the encrypting stage.
type intake struct {
	pipe     *io.PipeReader
	done     sync.WaitGroup
	stripped media.Stripped
	err      error
	sum      [32]byte
	head     []byte
}

func newIntake(ctx context.Context, r io.Reader, asFile bool) *intake {
	pr, pw := io.Pipe()
	in := &intake{pipe: pr}
	r = contextReader{ctx, r}
	in.done.Go(func() {
		w := &tap{in: in, pipe: pw, sum: sha256.New()}
		if asFile {
			// Without the writer's and reader's own ways to copy: the tap must see all.
			_, in.err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 256<<10))
		} else {
			in.stripped, in.err = media.Strip(w, r)
		}
		in.sum = [32]byte(w.sum.Sum(nil))
		pw.CloseWithError(in.err)
	})
	return in
}

// Read gives the plaintext to the encrypting stage.
func (in *intake) Read(b []byte) (int, error) { return in.pipe.Read(b) }

// end waits for the stage; an encrypting stage that stopped early stops it.
func (in *intake) end() (media.Stripped, [32]byte, []byte, error) {
	in.pipe.CloseWithError(errStage)
	in.done.Wait()
	return in.stripped, in.sum, in.head, in.err
}

// errStage ends a stage whose successor failed and reported why.
var errStage = errors.New("node: a later stage ended")

// tap hashes plaintext on its way into the pipe and keeps its beginning.
type tap struct {
	in   *intake
	pipe *io.PipeWriter
	sum  hash.Hash
}

func (t *tap) Write(b []byte) (int, error) {
	if len(t.in.head) < sniffLength {
		t.in.head = append(t.in.head, b[:min(len(b), sniffLength-len(t.in.head))]...)
	}
	t.sum.Write(b)
	return t.pipe.Write(b)
}

// sniffLength is how much of a file tells its type.
const sniffLength = 512

// contextReader ends a read loop when its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

// Stages of encrypting, and how many chunks are in them at once.
const chunksInHand = 4

// encrypt is the later stages: seal, hash and write, each on a goroutine of
// its own, with chunks handed on and buffers handed back.
func encrypt(src io.Reader, blob *store.NewBlob) (*media.Pointer, error) {
	sealer := media.NewSealer(src, nil)
	sealed, hashed := make(chan []byte, 1), make(chan []byte, 1)
	free := make(chan []byte, chunksInHand)
	for range cap(free) {
		free <- make([]byte, media.ChunkSize)
	}
	var stages sync.WaitGroup
	var hashErr, writeErr error
	var failed atomic.Bool // a stage gave up: seal no more
	var count uint64
	stages.Go(func() {
		defer close(hashed)
		for chunk := range sealed {
			if hashErr == nil {
				hashErr = store.DiskError(media.PutLeaf(blob.Tree, count, media.Leaf(chunk)))
				count++
				if hashErr != nil {
					failed.Store(true)
				}
			}
			hashed <- chunk
		}
	})
	stages.Go(func() { writeErr = write(blob, hashed, free, &failed) })
	var err error
	for err == nil && !failed.Load() {
		var chunk []byte
		if chunk, err = sealer.Next(<-free); err == nil {
			sealed <- chunk
		}
	}
	close(sealed)
	stages.Wait()
	if err == nil || err == io.EOF {
		err = cmp.Or(hashErr, writeErr)
	}
	if err != nil {
		return nil, err
	}
	root, err := media.BuildTree(blob.Tree, count)
	if err != nil {
		return nil, store.DiskError(err)
	}
	return sealer.Pointer(root, [32]byte{}), nil
}

// write writes chunks and gives their buffers back. After an error it only
// gives buffers back.
func write(w io.Writer, chunks <-chan []byte, free chan<- []byte, failed *atomic.Bool) (err error) {
	for chunk := range chunks {
		if !failed.Load() {
			if _, err = w.Write(chunk); err != nil {
				failed.Store(true)
			}
		}
		free <- chunk[:media.ChunkSize]
	}
	return err
}

// OpenMedia opens an attachment's plaintext. Close it after use.
func (n *Node) OpenMedia(p *media.Pointer) (*MediaFile, error) {
	blob, err := n.db.OpenBlob(p.Root)
	if err != nil {
		return nil, err
	}
	r, err := media.NewReader(blob.Data, p)
	if err != nil {
		blob.Close()
		return nil, err
	}
	return &MediaFile{Reader: r, under: blob}, nil
}

// MediaFile is an attachment's plaintext, decrypted as it is read.
type MediaFile struct {
	*media.Reader
	under io.Closer
}

// Close closes the files under it.
func (f *MediaFile) Close() error { return f.under.Close() }

// Progress reports how far a blob that is wanted has come.
func (n *Node) Progress(root [32]byte) (transfer.Progress, bool) {
	p, ok := n.moving.Load(root)
	if !ok {
		return transfer.Progress{}, false
	}
	return p.(transfer.Progress), true
}

// serveChunk answers a peer's fetch: contacts only, complete blobs only.
func (n *Node) serveChunk(_ context.Context, peer wire.PeerID, ref wire.ChunkRef, buf []byte) ([]byte, [][32]byte, error) {
	if !n.isContact(peer) {
		return nil, nil, wire.ErrAbsent
	}
	blob, err := n.db.OpenBlob(ref.Root)
	if err != nil {
		return nil, nil, wire.ErrAbsent
	}
	defer blob.Close()
	return blob.Chunk(ref.Index, buf)
}

// assemblies are the blobs whose chunks are coming in.
type assemblies struct {
	mu   sync.Mutex // guards open and free
	open map[[32]byte]*store.Assembly
	free [][]byte // chunk buffers between fetches
}

func newAssemblies() *assemblies { return &assemblies{open: map[[32]byte]*store.Assembly{}} }

func (a *assemblies) get(root [32]byte) *store.Assembly {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open[root]
}

func (a *assemblies) put(root [32]byte, as *store.Assembly) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open[root] = as
}

// remove forgets an assembly; the last one takes the buffers with it.
func (a *assemblies) remove(root [32]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, root)
	if len(a.open) == 0 {
		a.free = nil
	}
}

func (a *assemblies) buffer() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.free); n > 0 {
		b := a.free[n-1]
		a.free = a.free[:n-1]
		return b
	}
	return make([]byte, media.ChunkSize)
}

func (a *assemblies) giveBack(b []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.open) > 0 && len(a.free) < transfer.MaxFetches {
		a.free = append(a.free, b)
	}
}

func (a *assemblies) closeAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for root, as := range a.open {
		as.Close()
		delete(a.open, root)
	}
}

// doTransfer carries out what transfer decided, each on a goroutine of its
// own; transfer.MaxFetches and MaxOpen bound their number.
func (n *Node) doTransfer(ctx context.Context, effects []transfer.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case transfer.Open:
			n.work.Go(func() { n.openAssembly(ctx, e.Ref) })
		case transfer.Fetch:
			n.work.Go(func() { n.fetch(ctx, e) })
		case transfer.Close:
			n.closeAssembly(e.Root)
		case transfer.Finish:
			n.work.Go(func() { n.finish(ctx, e.Root) })
		case transfer.Done:
			n.moving.Delete(e.Root)
			n.progress.forget(e.Root)
			n.done = append(n.done, stored(e))
		}
	}
}

func (n *Node) openAssembly(ctx context.Context, ref media.Ref) {
	if n.db.HasBlob(ref.Root) { // finished just before an earlier end
		n.arrivals.end(ref.Root)
		n.post(ctx, transfer.Finished{Root: ref.Root})
		return
	}
	as, err := n.db.Assemble(ref)
	if err != nil {
		n.diskTrouble(ctx, ref.Root, err)
		return
	}
	have, err := as.Have()
	if err != nil {
		as.Close()
		n.diskTrouble(ctx, ref.Root, err)
		return
	}
	n.blobs.put(ref.Root, as)
	n.arrivals.opened(ref, have)
	if known, err := n.mediaKnown(ref.Root); err == nil && !known { // erased meanwhile
		n.closeAssembly(ref.Root)
		n.removeBlob(ref.Root)
	}
	n.post(ctx, transfer.Opened{Root: ref.Root, Have: have})
}

func stored(done transfer.Done) engine.Stored {
	in := engine.Stored{Root: done.Root}
	for _, p := range done.From {
		in.From = append(in.From, p.Device())
	}
	return in
}

// closeAssembly closes a blob's files; what is in them stays.
func (n *Node) closeAssembly(root [32]byte) {
	if as := n.blobs.get(root); as != nil {
		n.blobs.remove(root)
		as.Close()
	}
}

// diskTrouble gives a blob up until later.
func (n *Node) diskTrouble(ctx context.Context, root [32]byte, err error) {
	n.log.Warn("media cannot be stored", "cause", cause(err))
	if errors.Is(err, store.ErrFull) {
		n.setTrouble(troubleFull)
	}
	n.closeAssembly(root)
	n.post(ctx, transfer.Broken{Root: root})
}

func (n *Node) fetch(ctx context.Context, f transfer.Fetch) {
	as := n.blobs.get(f.Chunk.Root)
	if as == nil {
		n.post(ctx, transfer.Failed{Chunk: f.Chunk, From: f.From, Fault: transfer.Local})
		return
	}
	buf := n.blobs.buffer()
	defer n.blobs.giveBack(buf)
	var chunk []byte
	var proof [][32]byte
	var err error
	if f.From.Deposit {
		chunk, proof, err = n.fetchDeposit(ctx, depositOf{f.From.Peer, f.Chunk.Root}, f.Chunk.Index)
	} else {
		chunk, proof, err = n.net.Fetch(ctx, f.From.Peer, f.Chunk, buf)
	}
	fault := transfer.Lost
	switch {
	case errors.Is(err, wire.ErrAbsent):
		fault = transfer.Absent
	case err == nil:
		if err = as.Put(f.Chunk.Index, chunk, proof); err == nil {
			n.arrivals.arrived(f.Chunk)
			n.post(ctx, transfer.Stored{Chunk: f.Chunk})
			return
		}
		fault = transfer.Local
		if errors.Is(err, media.ErrForged) {
			fault = transfer.Forged
		} else if errors.Is(err, store.ErrFull) {
			n.setTrouble(troubleFull)
		}
	}
	n.log.Debug("a chunk was not fetched", "cause", cause(err))
	n.post(ctx, transfer.Failed{Chunk: f.Chunk, From: f.From, Fault: fault})
}

func (n *Node) finish(ctx context.Context, root [32]byte) {
	as := n.blobs.get(root)
	if as == nil {
		n.post(ctx, transfer.Broken{Root: root})
		return
	}
	if err := as.Finish(); err != nil {
		n.arrivals.end(root) // which chunks are here is open again
		n.diskTrouble(ctx, root, err)
		return
	}
	n.arrivals.end(root)
	n.blobs.remove(root)
	n.removeBlob(root) // if it was erased meanwhile
	n.post(ctx, transfer.Finished{Root: root})
}

// noteProgress publishes how far a blob is.
func (n *Node) noteProgress(in transfer.Input) {
	var root [32]byte
	switch in := in.(type) {
	case transfer.Opened:
		root = in.Root
	case transfer.Stored:
		root = in.Chunk.Root
	case transfer.Failed:
		root = in.Chunk.Root
	case transfer.Pause:
		root = in.Root
	case transfer.Resume:
		root = in.Root
	default:
		return
	}
	if p, ok := n.transfer.Progress(root); ok {
		n.moving.Store(root, p)
		if n.progress.hear(root, time.Now(), !p.Active) {
			n.news.tell()
		}
	}
}
