package media

import (
	"crypto/sha256"
	"crypto/subtle"
	"io"
)

const hashSize = sha256.Size

// Leaf returns the hash of a chunk as a leaf of the tree: SHA-256 of 0x00 and
// the chunk. Source: RFC 9162 section 2.1.1.
func Leaf(chunk []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(chunk)
	var leaf [32]byte
	h.Sum(leaf[:0])
	return leaf
}

// inner is SHA-256 of 0x01 and both children. Source: RFC 9162 section 2.1.1.
func inner(left, right [32]byte) [32]byte {
	var b [1 + 2*hashSize]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+hashSize:], right[:])
	return sha256.Sum256(b[:])
}

// A tree file holds the levels of the tree one after another, leaves first,
// each level half the one below; an odd last node goes up unchanged. The
// result is the tree of RFC 9162, and any proof is a few short reads.

// TreeLength returns the size in bytes of the tree file of n chunks.
func TreeLength(n uint64) int64 {
	total := int64(0)
	for ; n > 1; n = (n + 1) / 2 {
		total += int64(n) * hashSize
	}
	return total + hashSize
}

// PutLeaf writes leaf i into a tree file.
func PutLeaf(tree io.WriterAt, i uint64, leaf [32]byte) error {
	_, err := tree.WriteAt(leaf[:], int64(i)*hashSize)
	return err
}

// BuildTree makes the inner levels of a tree file that holds n leaves, n at
// least one, and returns the root. Errors are the file's.
func BuildTree(tree File, n uint64) (root [32]byte, err error) {
	const batch = 512 // pairs a read
	in, out := make([]byte, 2*batch*hashSize), make([]byte, batch*hashSize)
	from := int64(0)
	for ; n > 1; n = (n + 1) / 2 {
		to := from + int64(n)*hashSize
		for at := uint64(0); at < n; at += 2 * batch {
			nodes := in[:min(n-at, 2*batch)*hashSize]
			if err := readAt(tree, nodes, from+int64(at)*hashSize); err != nil {
				return root, err
			}
			up := pairUp(out[:0], nodes)
			if _, err := tree.WriteAt(up, to+int64(at/2)*hashSize); err != nil {
				return root, err
			}
		}
		from = to
	}
	return root, readAt(tree, root[:], from)
}

func pairUp(out, nodes []byte) []byte {
	for ; len(nodes) >= 2*hashSize; nodes = nodes[2*hashSize:] {
		h := inner([32]byte(nodes[:hashSize]), [32]byte(nodes[hashSize:2*hashSize]))
		out = append(out, h[:]...)
	}
	return append(out, nodes...)
}

// readAt reads all of b; a file that ends before is an error.
func readAt(f io.ReaderAt, b []byte, at int64) error {
	n, err := f.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Proof appends the inclusion proof of chunk i to proof: the siblings from the
// leaf up. Errors are the file's; there is no proof for a chunk the blob does
// not have ([ErrMalformed]). Source: RFC 9162 section 2.1.3.
func Proof(proof [][32]byte, tree io.ReaderAt, ref Ref, i uint64) ([][32]byte, error) {
	n := ref.Chunks()
	if i >= n {
		return nil, ErrMalformed
	}
	for from := int64(0); n > 1; i, n = i/2, (n+1)/2 {
		if sibling := i ^ 1; sibling < n {
			proof = append(proof, [32]byte{})
			if err := readAt(tree, proof[len(proof)-1][:], from+int64(sibling)*hashSize); err != nil {
				return nil, err
			}
		}
		from += int64(n) * hashSize
	}
	return proof, nil
}

// VerifyChunk checks that chunk is chunk i of the blob, by its inclusion
// proof. Anything wrong is [ErrForged]: the fault of whoever gave the chunk.
func VerifyChunk(ref Ref, i uint64, chunk []byte, proof [][32]byte) error {
	_, err := verify(ref, i, chunk, proof)
	return err
}

func verify(ref Ref, i uint64, chunk []byte, proof [][32]byte) (leaf [32]byte, err error) {
	n := ref.Chunks()
	if i >= n || len(chunk) != ref.ChunkLength(i) || len(proof) > MaxProof {
		return leaf, ErrForged
	}
	leaf = Leaf(chunk)
	h := leaf
	for ; n > 1; i, n = i/2, (n+1)/2 {
		if i^1 >= n {
			continue // an odd last node goes up unchanged
		}
		if len(proof) == 0 {
			return leaf, ErrForged
		}
		if i%2 == 0 {
			h = inner(h, proof[0])
		} else {
			h = inner(proof[0], h)
		}
		proof = proof[1:]
	}
	if len(proof) != 0 || subtle.ConstantTimeCompare(h[:], ref.Root[:]) != 1 {
		return leaf, ErrForged
	}
	return leaf, nil
}
