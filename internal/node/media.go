package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"kith/internal/engine"
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

// Attached is a file taken in, ready to be sent.
type Attached struct {
	wire.Attachment
	Stripped bool // metadata was removed
}

// Attach encrypts everything r gives into a blob, without what tells where and
// by whom a JPEG or PNG was made, and returns the pointer for a message. The
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
	if stripErr != nil {
		err = stripErr
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
		Attachment: wire.Attachment{Pointer: pointer, Name: o.Name, Type: kind},
		Stripped:   stripped.Removed,
	}, nil
}

func attachError(err error, name string) error {
	switch {
	case errors.Is(err, media.ErrPicture):
		return &engine.Error{Code: engine.Invalid, Text: fmt.Sprintf("%q is a damaged picture, and what it tells of you cannot be removed", name),
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

// hashQueue is how many pieces of plaintext may wait to be hashed.
const hashQueue = 4

func newIntake(ctx context.Context, r io.Reader, asFile bool) *intake {
	pr, pw := io.Pipe()
	in := &intake{pipe: pr}
	r = contextReader{ctx, r}
	pieces := make(chan []byte, hashQueue)
	in.done.Go(func() {
		h := sha256.New()
		for p := range pieces {
			h.Write(p)
		}
		in.sum = [32]byte(h.Sum(nil))
	})
	in.done.Go(func() {
		defer close(pieces)
		w := &splitter{in: in, pipe: pw, pieces: pieces}
		if asFile {
			_, in.err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 256<<10))
		} else {
			in.stripped, in.err = media.Strip(w, r)
		}
		pw.CloseWithError(in.err)
	})
	return in
}

// Read gives the plaintext to the encrypting stage.
func (in *intake) Read(b []byte) (int, error) { return in.pipe.Read(b) }

// end waits for both goroutines; a reader that stopped early makes them stop.
func (in *intake) end() (media.Stripped, [32]byte, []byte, error) {
	in.pipe.CloseWithError(errors.New("node: encrypting ended"))
	in.done.Wait()
	return in.stripped, in.sum, in.head, in.err
}

// splitter writes plaintext to the hash and to the pipe.
type splitter struct {
	in     *intake
	pipe   *io.PipeWriter
	pieces chan<- []byte
}

func (s *splitter) Write(b []byte) (int, error) {
	if len(s.in.head) < 512 {
		s.in.head = append(s.in.head, b[:min(len(b), 512-len(s.in.head))]...)
	}
	// The pipe is done with b when Write returns; the hash works on a copy, so
	// that neither waits for the other.
	s.pieces <- bytes.Clone(b)
	return s.pipe.Write(b)
}

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

// encrypt is the second stage: it seals chunks and hands them to a third that
// hashes and writes them.
func encrypt(src io.Reader, blob *store.NewBlob) (*media.Pointer, error) {
	sealer := media.NewSealer(src, nil)
	full, free := make(chan []byte, 1), make(chan []byte, 2)
	for range cap(free) {
		free <- make([]byte, media.ChunkSize)
	}
	var count uint64
	var writeErr error
	var writer sync.WaitGroup
	writer.Go(func() {
		for chunk := range full {
			if writeErr == nil {
				writeErr = put(blob, count, chunk)
				count++
			}
			free <- chunk[:media.ChunkSize]
		}
	})
	var err error
	for err == nil {
		var chunk []byte
		if chunk, err = sealer.Next(<-free); err == nil {
			full <- chunk
		}
	}
	close(full)
	writer.Wait()
	if writeErr != nil {
		return nil, writeErr
	}
	if err != io.EOF {
		return nil, err
	}
	root, err := media.BuildTree(blob.Tree, count)
	if err != nil {
		return nil, err
	}
	return sealer.Pointer(root, [32]byte{}), nil
}

func put(blob *store.NewBlob, i uint64, chunk []byte) error {
	if _, err := blob.Data.Write(chunk); err != nil {
		return store.DiskError(err)
	}
	return store.DiskError(media.PutLeaf(blob.Tree, i, media.Leaf(chunk)))
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
	return &MediaFile{Reader: r, blob: blob}, nil
}

// MediaFile is an attachment's plaintext, decrypted as it is read.
type MediaFile struct {
	*media.Reader
	blob *store.Blob
}

// Close closes the files under it.
func (f *MediaFile) Close() error { return f.blob.Close() }

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
		case transfer.Finish:
			n.work.Go(func() { n.finish(ctx, e.Root) })
		case transfer.Done:
			n.moving.Delete(e.Root)
			n.done = append(n.done, e.Root)
		}
	}
}

func (n *Node) openAssembly(ctx context.Context, ref media.Ref) {
	if n.db.HasBlob(ref.Root) { // finished just before an earlier end
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
	n.post(ctx, transfer.Opened{Root: ref.Root, Have: have})
}

// diskTrouble gives a blob up until later.
func (n *Node) diskTrouble(ctx context.Context, root [32]byte, err error) {
	n.log.Warn("media cannot be stored", "error", err)
	if errors.Is(err, store.ErrFull) {
		n.setTrouble(troubleFull)
	}
	if as := n.blobs.get(root); as != nil {
		n.blobs.remove(root)
		as.Close()
	}
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
	chunk, proof, err := n.net.Fetch(ctx, f.From, f.Chunk, buf)
	fault := transfer.Lost
	switch {
	case errors.Is(err, wire.ErrAbsent):
		fault = transfer.Absent
	case err == nil:
		if err = as.Put(f.Chunk.Index, chunk, proof); err == nil {
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
	n.log.Debug("a chunk was not fetched", "error", err)
	n.post(ctx, transfer.Failed{Chunk: f.Chunk, From: f.From, Fault: fault})
}

func (n *Node) finish(ctx context.Context, root [32]byte) {
	as := n.blobs.get(root)
	if as == nil {
		n.post(ctx, transfer.Broken{Root: root})
		return
	}
	if err := as.Finish(); err != nil {
		n.diskTrouble(ctx, root, err)
		return
	}
	n.blobs.remove(root)
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
	default:
		return
	}
	if p, ok := n.transfer.Progress(root); ok {
		n.moving.Store(root, p)
	}
}
