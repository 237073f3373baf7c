package store

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"kith/internal/wire"
	"kith/media"
)

// Blob files, docs/spec/store.md section "blobs": <root>.blob and <root>.tree
// when complete, <root>.part and <root>.have while chunks come in, and new-*
// while a file is being encrypted.
const (
	suffixBlob = ".blob"
	suffixTree = ".tree"
	suffixPart = ".part"
	suffixHave = ".have"
	prefixNew  = "new-"
)

func (db *DB) blobPath(root [32]byte, suffix string) string {
	return filepath.Join(db.dir, blobsName, hex.EncodeToString(root[:])+suffix)
}

func (db *DB) blobDir() (string, error) {
	dir := filepath.Join(db.dir, blobsName)
	return dir, os.MkdirAll(dir, 0o700)
}

// NewBlob is a blob being written: ciphertext in order by Write, leaves in any
// order into Tree. Not safe for concurrent use, but Write and Tree are beside
// each other.
type NewBlob struct {
	db         *DB
	data, Tree *os.File
	size       int64
}

// NewBlob starts a blob. Finish it with Commit or give it up with Abort.
func (db *DB) NewBlob() (*NewBlob, error) {
	dir, err := db.blobDir()
	if err != nil {
		return nil, DiskError(err)
	}
	data, err := os.CreateTemp(dir, prefixNew+"*"+suffixBlob)
	if err != nil {
		return nil, DiskError(err)
	}
	tree, err := os.CreateTemp(dir, prefixNew+"*"+suffixTree)
	if err != nil {
		data.Close()
		os.Remove(data.Name())
		return nil, DiskError(err)
	}
	return &NewBlob{db: db, data: data, Tree: tree}, nil
}

// Write appends ciphertext and lets the disk begin with it, so that Commit has
// little left to wait for. A full disk is [ErrFull].
func (b *NewBlob) Write(chunk []byte) (int, error) {
	n, err := b.data.Write(chunk)
	beginWriteback(b.data, b.size, int64(n))
	b.size += int64(n)
	return n, DiskError(err)
}

// Commit makes the blob durable under its root. Afterwards it can be opened.
func (b *NewBlob) Commit(root [32]byte) error {
	err := synchronise(b.Tree, b.data)
	if err == nil {
		err = b.db.publish(root, b.data, b.Tree)
	}
	if err != nil {
		b.Abort()
	}
	return err
}

// Abort removes what was written. It does nothing after Commit.
func (b *NewBlob) Abort() {
	for _, f := range []*os.File{b.data, b.Tree} {
		f.Close()
		os.Remove(f.Name())
	}
}

func synchronise(files ...*os.File) error {
	for _, f := range files {
		if err := f.Sync(); err != nil {
			return DiskError(err)
		}
	}
	return nil
}

// publish gives synchronised files their final names, the data last: a blob
// with a name is whole.
func (db *DB) publish(root [32]byte, data, tree *os.File) error {
	if err := os.Rename(tree.Name(), db.blobPath(root, suffixTree)); err != nil {
		return DiskError(err)
	}
	if err := os.Rename(data.Name(), db.blobPath(root, suffixBlob)); err != nil {
		return DiskError(err)
	}
	tree.Close()
	data.Close()
	return DiskError(syncDir(filepath.Join(db.dir, blobsName)))
}

// Blob is a complete blob, open for reading.
type Blob struct {
	Ref        media.Ref
	Data, Tree *os.File
}

// OpenBlob opens a complete blob. It reports [wire.ErrAbsent] when there is
// none.
func (db *DB) OpenBlob(root [32]byte) (*Blob, error) {
	data, err := os.Open(db.blobPath(root, suffixBlob))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, wire.ErrAbsent
	}
	if err != nil {
		return nil, err
	}
	tree, err := os.Open(db.blobPath(root, suffixTree))
	if err != nil {
		data.Close()
		return nil, err
	}
	st, err := data.Stat()
	if err == nil {
		var ref media.Ref
		if ref, err = media.RefOf(root, st.Size()); err == nil {
			return &Blob{Ref: ref, Data: data, Tree: tree}, nil
		}
	}
	data.Close()
	tree.Close()
	return nil, err
}

// Close closes the blob's files.
func (b *Blob) Close() error { return errors.Join(b.Data.Close(), b.Tree.Close()) }

// Chunk reads chunk i into buf, which must hold [media.ChunkSize] bytes, with
// its proof of inclusion. [wire.ErrAbsent] says that there is no such chunk.
func (b *Blob) Chunk(i uint64, buf []byte) (chunk []byte, proof [][32]byte, err error) {
	n := b.Ref.ChunkLength(i)
	if n == 0 {
		return nil, nil, wire.ErrAbsent
	}
	chunk = buf[:n]
	if _, err := b.Data.ReadAt(chunk, int64(i)*media.ChunkSize); err != nil {
		return nil, nil, err
	}
	proof, err = media.Proof(nil, b.Tree, b.Ref, i)
	return chunk, proof, err
}

// HasBlob reports whether a blob is complete here.
func (db *DB) HasBlob(root [32]byte) bool {
	_, err := os.Stat(db.blobPath(root, suffixBlob))
	return err == nil
}

// OpenPart opens what is here of a blob whose chunks are coming in, for reading;
// which of them are is the caller's to know. [wire.ErrAbsent] says that the blob is
// complete. The file stays the same when it gets its final name.
func (db *DB) OpenPart(ref media.Ref) (*os.File, error) {
	if _, err := db.blobDir(); err != nil {
		return nil, DiskError(err)
	}
	f, err := os.Open(db.blobPath(ref.Root, suffixPart))
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if db.HasBlob(ref.Root) {
		return nil, wire.ErrAbsent
	}
	f, err = os.OpenFile(db.blobPath(ref.Root, suffixPart), os.O_RDONLY|os.O_CREATE, 0o600)
	return f, DiskError(err)
}

// RemovePart removes what is here of a blob that is not complete. Close its
// assembly first.
func (db *DB) RemovePart(root [32]byte) error { return db.removeFiles(root, suffixPart, suffixHave) }

// removeFiles removes files of a blob, in order; that one is not there is no error.
func (db *DB) removeFiles(root [32]byte, suffixes ...string) error {
	for _, suffix := range suffixes {
		if err := os.Remove(db.blobPath(root, suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("store: %w", err)
		}
	}
	return nil
}

// Assembly is a blob whose chunks are coming in. Its Put may be called for
// different chunks at once.
type Assembly struct {
	*media.Assembly
	db         *DB
	ref        media.Ref
	data, tree *os.File
}

// Assemble opens or begins the assembly of a blob.
func (db *DB) Assemble(ref media.Ref) (*Assembly, error) {
	if _, err := db.blobDir(); err != nil {
		return nil, DiskError(err)
	}
	// A crash between the two renames of settle left the tree, and with it which
	// chunks are here, under its final name.
	err := os.Rename(db.blobPath(ref.Root, suffixTree), db.blobPath(ref.Root, suffixHave))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, DiskError(err)
	}
	data, err := os.OpenFile(db.blobPath(ref.Root, suffixPart), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, DiskError(err)
	}
	tree, err := os.OpenFile(db.blobPath(ref.Root, suffixHave), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		data.Close()
		return nil, DiskError(err)
	}
	return &Assembly{Assembly: media.NewAssembly(ref, data, tree), db: db, ref: ref, data: data, tree: tree}, nil
}

// Put verifies and writes a chunk and lets the disk begin with it; a full disk
// is [ErrFull].
func (a *Assembly) Put(i uint64, chunk []byte, proof [][32]byte) error {
	if err := a.Assembly.Put(i, chunk, proof); err != nil {
		return DiskError(err)
	}
	beginWriteback(a.data, int64(i)*media.ChunkSize, int64(len(chunk)))
	return nil
}

// Finish makes a complete assembly durable under its final name and closes it.
// On an error it stays open and can be gone on with; what the disk failed to
// take is missing from it then.
func (a *Assembly) Finish() error {
	if err := a.Complete(); err != nil {
		return DiskError(err)
	}
	if err := synchronise(a.tree, a.data); err != nil {
		// The system reports a failed write once, does not say which, and goes
		// on showing the bytes from memory: nothing here counts any more.
		return errors.Join(err, a.tree.Truncate(0))
	}
	return a.db.publish(a.ref.Root, a.data, a.tree)
}

// Close closes the files; what is there stays.
func (a *Assembly) Close() error { return errors.Join(a.data.Close(), a.tree.Close()) }

// RemoveBlob removes what is here of a blob, complete or not, unless a message
// refers to it. Close its assembly first.
func (db *DB) RemoveBlob(root [32]byte) error {
	known := false
	err := db.View(func(tx *Tx) (err error) {
		known, err = tx.MediaKnown(root)
		return err
	})
	if err != nil || known {
		return err
	}
	// The data last: a tree alone is no blob.
	return db.removeFiles(root, suffixPart, suffixHave, suffixTree, suffixBlob)
}

// CollectBlobs removes blob files that no message refers to: files encrypted
// for a message that was never sent, and what a crash left half written. Call
// it at start, before anything writes blobs.
func (db *DB) CollectBlobs() error {
	entries, err := os.ReadDir(filepath.Join(db.dir, blobsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		keep := false
		name, _, _ := strings.Cut(e.Name(), ".")
		if root, err := hex.DecodeString(name); err == nil && len(root) == 32 {
			err := db.View(func(tx *Tx) (err error) {
				keep, err = tx.MediaKnown([32]byte(root))
				return err
			})
			if err != nil {
				return err
			}
		}
		if keep {
			continue
		}
		if err := os.Remove(filepath.Join(db.dir, blobsName, e.Name())); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	return nil
}
