package media

import "math/bits"

// Assembly puts a blob together from chunks. What it has is kept in the files
// themselves: a chunk counts once its leaf is in the tree file, and the leaf
// is written after the chunk. So a process may be killed at any instant and
// loses at most the chunks it was just writing; what a power cut tore is
// noticed by [Assembly.Have], which hashes everything again.
//
// Put may be called for different chunks at once; the other methods not.
type Assembly struct {
	ref        Ref
	data, tree File
}

// NewAssembly makes an assembly of ref over two files, empty or left by an
// earlier assembly of the same ref.
func NewAssembly(ref Ref, data, tree File) *Assembly {
	return &Assembly{ref: ref, data: data, tree: tree}
}

// Have returns which chunks are there, verified, as a bitmap: chunk i is bit
// i%64 of word i/64. A chunk whose bytes do not match its leaf is forgotten.
// Errors are the files'.
func (a *Assembly) Have() ([]uint64, error) {
	have := make([]uint64, (a.ref.Chunks()+63)/64)
	buf := make([]byte, min(ChunkSize, a.ref.Length))
	err := a.leaves(func(i uint64, leaf [32]byte) error {
		chunk := buf[:a.ref.ChunkLength(i)]
		if readAt(a.data, chunk, int64(i)*ChunkSize) == nil && Leaf(chunk) == leaf {
			have[i/64] |= 1 << (i % 64)
			return nil
		}
		return PutLeaf(a.tree, i, [32]byte{})
	})
	if err != nil {
		return nil, err
	}
	return have, nil
}

// leafBatch is how many leaves are read at once.
const leafBatch = 512

// leaves calls each for every leaf that was written, in order. It reads no
// further than the file goes: how many chunks there are is a peer's word.
func (a *Assembly) leaves(each func(i uint64, leaf [32]byte) error) error {
	buf := make([]byte, leafBatch*hashSize)
	for i, n := uint64(0), a.ref.Chunks(); i < n; {
		batch := buf[:min(n-i, leafBatch)*hashSize]
		got, err := a.tree.ReadAt(batch, int64(i)*hashSize)
		if got < len(batch) && ignoreEOF(err) != nil {
			return err
		}
		whole := batch[:got/hashSize*hashSize]
		for b := whole; len(b) > 0; b = b[hashSize:] {
			if leaf := [32]byte(b); leaf != ([32]byte{}) {
				if err := each(i, leaf); err != nil {
					return err
				}
			}
			i++
		}
		if len(whole) < len(batch) {
			return nil
		}
	}
	return nil
}

// Count returns how many chunks a bitmap has.
func Count(have []uint64) uint64 {
	n := 0
	for _, w := range have {
		n += bits.OnesCount64(w)
	}
	return uint64(n)
}

// Put verifies chunk i and writes it. [ErrForged] is the fault of whoever gave
// it, and nothing was written; other errors are the files'.
func (a *Assembly) Put(i uint64, chunk []byte, proof [][32]byte) error {
	leaf, err := verify(a.ref, i, chunk, proof)
	if err != nil {
		return err
	}
	if _, err := a.data.WriteAt(chunk, int64(i)*ChunkSize); err != nil {
		return err
	}
	return PutLeaf(a.tree, i, leaf)
}

// Complete makes the inner levels of the tree and checks the root once more.
// [ErrIncomplete] says that chunks are missing; [ErrForged] that the files
// were changed since the chunks were put.
func (a *Assembly) Complete() error {
	n, have := a.ref.Chunks(), uint64(0)
	if err := a.leaves(func(uint64, [32]byte) error { have++; return nil }); err != nil {
		return err
	}
	if have < n {
		return ErrIncomplete
	}
	root, err := BuildTree(a.tree, n)
	if err != nil {
		return err
	}
	if root != a.ref.Root {
		return ErrForged
	}
	return nil
}
