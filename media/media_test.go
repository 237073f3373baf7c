package media_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"kith/media"
)

func random(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}

func tempFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// encrypt gives a blob in memory, its tree and its pointer.
func encrypt(t testing.TB, plain []byte) ([]byte, *os.File, *media.Pointer) {
	t.Helper()
	var blob bytes.Buffer
	tree := tempFile(t)
	p, err := media.Encrypt(&blob, tree, bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	return blob.Bytes(), tree, p
}

var sizes = []int{0, 1, 1023, 1024, 1025, media.SegmentSize - 1, media.SegmentSize, media.SegmentSize + 1,
	media.ChunkSegments * media.SegmentSize, media.ChunkSegments*media.SegmentSize + 1, 5<<20 + 12345}

func TestMedia_ME01_roundTripAtEverySizeEdge(t *testing.T) {
	for _, n := range sizes {
		plain := random(t, n)
		blob, _, p := encrypt(t, plain)
		if p.Size != int64(n) || p.SHA256 != sha256.Sum256(plain) || p.Ref().Length != int64(len(blob)) {
			t.Fatalf("size %d: pointer %v, blob %d, ref %d", n, p.Size, len(blob), p.Ref().Length)
		}
		r, err := media.NewReader(bytes.NewReader(blob), p)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(r, plain); err != nil {
			t.Fatalf("size %d: %v", n, err)
		}
	}
}

func TestMedia_ME02_sourceReadInSmallPiecesGivesTheSame(t *testing.T) {
	plain := random(t, 3*media.SegmentSize+17)
	var blob bytes.Buffer
	p, err := media.Encrypt(&blob, tempFile(t), iotest.OneByteReader(bytes.NewReader(plain)))
	if err != nil {
		t.Fatal(err)
	}
	r, _ := media.NewReader(bytes.NewReader(blob.Bytes()), p)
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%v, equal %v", err, bytes.Equal(got, plain))
	}
}

func TestMedia_ME03_everyChangeOfABlobIsNoticed(t *testing.T) {
	plain := random(t, 3*media.SegmentSize)
	blob, _, p := encrypt(t, plain)
	read := func(b []byte) error {
		r, err := media.NewReader(bytes.NewReader(b), p)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		return err
	}
	if err := read(blob); err != nil {
		t.Fatal(err)
	}
	const sealed = media.SegmentSize + media.Overhead
	changes := map[string]func([]byte) []byte{
		"bit":       func(b []byte) []byte { b[70000] ^= 1; return b },
		"tag":       func(b []byte) []byte { b[sealed-1] ^= 0x80; return b },
		"truncated": func(b []byte) []byte { return b[:len(b)-1] },
		"last gone": func(b []byte) []byte { return b[:2*sealed] },
		"swapped": func(b []byte) []byte {
			return append(append(b[sealed:2*sealed:2*sealed], b[:sealed]...), b[2*sealed:]...)
		},
		"repeated": func(b []byte) []byte { copy(b[sealed:], b[:sealed]); return b },
		"empty":    func(b []byte) []byte { return nil },
	}
	for name, change := range changes {
		if err := read(change(bytes.Clone(blob))); !errors.Is(err, media.ErrForged) {
			t.Errorf("%s: %v, want ErrForged", name, err)
		}
	}
	other := *p
	other.Key[0] ^= 1
	r, _ := media.NewReader(bytes.NewReader(blob), &other)
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, media.ErrForged) {
		t.Errorf("wrong key: %v", err)
	}
}

func TestMedia_ME04_storedLengthTellsOnlyTheBucket(t *testing.T) {
	length := func(n int64) int64 { return (&media.Pointer{Size: n}).Ref().Length }
	if length(0) != length(1) || length(0) != length(media.MinPadded) {
		t.Error("small files differ in length")
	}
	if length(1_000_000) != length(1_000_001) {
		t.Error("neighbours differ in length")
	}
	for _, n := range []int64{1 << 12, 1<<20 + 1, 1<<30 + 1, 3<<30 + 7} {
		if grown := float64(length(n)) / float64(n); grown > 1.13 {
			t.Errorf("%d bytes grow by %.2f", n, grown)
		}
	}
}

// split gives chunk i of a blob.
func split(blob []byte, ref media.Ref, i uint64) []byte {
	from := int(i) * media.ChunkSize
	return blob[from : from+ref.ChunkLength(i)]
}

func TestMedia_ME05_everyChunkVerifiesAloneAndNowhereElse(t *testing.T) {
	for _, chunks := range []int{1, 2, 3, 5, 8} {
		blob, tree, p := encrypt(t, random(t, (chunks-1)*media.ChunkSegments*media.SegmentSize+1))
		ref := p.Ref()
		if ref.Chunks() < uint64(chunks) {
			t.Fatalf("%d chunks, want %d", ref.Chunks(), chunks)
		}
		for i := range ref.Chunks() {
			chunk := split(blob, ref, i)
			proof, err := media.Proof(nil, tree, ref, i)
			if err != nil {
				t.Fatal(err)
			}
			if err := media.VerifyChunk(ref, i, chunk, proof); err != nil {
				t.Fatalf("chunk %d of %d: %v", i, ref.Chunks(), err)
			}
			for j := range ref.Chunks() + 2 {
				if j != i && media.VerifyChunk(ref, j, chunk, proof) == nil {
					t.Errorf("chunk %d verifies as %d", i, j)
				}
			}
			bad := bytes.Clone(chunk)
			bad[len(bad)/2] ^= 1
			refused := map[string]error{
				"bit":        media.VerifyChunk(ref, i, bad, proof),
				"short":      media.VerifyChunk(ref, i, chunk[:len(chunk)-1], proof),
				"long proof": media.VerifyChunk(ref, i, chunk, append(proof[:len(proof):len(proof)], [32]byte{})),
			}
			if len(proof) > 0 {
				refused["short proof"] = media.VerifyChunk(ref, i, chunk, proof[1:])
			}
			for name, err := range refused {
				if !errors.Is(err, media.ErrForged) {
					t.Errorf("%s: %v, want ErrForged", name, err)
				}
			}
		}
		if _, err := media.Proof(nil, tree, ref, ref.Chunks()); err == nil {
			t.Error("a proof for a chunk that is not there")
		}
	}
}

// mth is the definition of RFC 9162 section 2.1.1, as recursive as it stands
// there.
func mth(leaves [][32]byte) [32]byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	l, r := mth(leaves[:k]), mth(leaves[k:])
	return sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...))
}

func TestMedia_ME06_rootIsThatOfRFC9162(t *testing.T) {
	counts := []int{1023, 1024, 1025, 2049, 3000} // around what is read at once
	for n := 1; n <= 70; n++ {
		counts = append(counts, n)
	}
	for _, n := range counts {
		f := tempFile(t)
		var leaves [][32]byte
		for i := range n {
			leaf := media.Leaf(fmt.Append(nil, i))
			leaves = append(leaves, leaf)
			if err := media.PutLeaf(f, uint64(i), leaf); err != nil {
				t.Fatal(err)
			}
		}
		root, err := media.BuildTree(f, uint64(n))
		if err != nil {
			t.Fatal(err)
		}
		if root != mth(leaves) {
			t.Fatalf("%d leaves: another root than RFC 9162's", n)
		}
		if st, _ := f.Stat(); st.Size() != media.TreeLength(uint64(n)) {
			t.Fatalf("%d leaves: tree file of %d bytes, want %d", n, st.Size(), media.TreeLength(uint64(n)))
		}
	}
}

func TestMedia_ME07_assemblyInAnyOrderThroughRestarts(t *testing.T) {
	plain := random(t, 6<<20)
	blob, tree, p := encrypt(t, plain)
	ref := p.Ref()
	data, have := tempFile(t), tempFile(t)
	order := rand.New(rand.NewPCG(7, 7)).Perm(int(ref.Chunks()))
	for _, i := range order {
		// A new assembly each time: everything is in the files.
		a := media.NewAssembly(ref, data, have)
		if err := a.Complete(); !errors.Is(err, media.ErrIncomplete) {
			t.Fatalf("complete before its last chunk: %v", err)
		}
		proof, _ := media.Proof(nil, tree, ref, uint64(i))
		if err := a.Put(uint64(i), split(blob, ref, uint64(i)), proof); err != nil {
			t.Fatal(err)
		}
	}
	a := media.NewAssembly(ref, data, have)
	bits, err := a.Have()
	if err != nil || media.Count(bits) != ref.Chunks() {
		t.Fatalf("%v, %d of %d", err, media.Count(bits), ref.Chunks())
	}
	if err := a.Complete(); err != nil {
		t.Fatal(err)
	}
	r, _ := media.NewReader(data, p)
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
		t.Fatal("the assembled file is another", err)
	}
	if proof, err := media.Proof(nil, have, ref, 1); err != nil || media.VerifyChunk(ref, 1, split(blob, ref, 1), proof) != nil {
		t.Error("an assembled blob cannot be given on", err)
	}
}

func TestMedia_ME08_tornChunkIsForgottenAndForgedOneNeverWritten(t *testing.T) {
	blob, tree, p := encrypt(t, random(t, 3<<20))
	ref := p.Ref()
	data, have := tempFile(t), tempFile(t)
	a := media.NewAssembly(ref, data, have)
	proof, _ := media.Proof(nil, tree, ref, 0)
	bad := bytes.Clone(split(blob, ref, 0))
	bad[9] ^= 1
	if err := a.Put(0, bad, proof); !errors.Is(err, media.ErrForged) {
		t.Fatalf("forged chunk: %v", err)
	}
	if st, _ := data.Stat(); st.Size() != 0 {
		t.Fatal("bytes of a forged chunk were written")
	}
	if err := a.Put(0, split(blob, ref, 0), proof); err != nil {
		t.Fatal(err)
	}
	if _, err := data.WriteAt([]byte("torn"), 1000); err != nil {
		t.Fatal(err)
	}
	bits, err := a.Have()
	if err != nil || media.Count(bits) != 0 {
		t.Fatalf("%v, a torn chunk still counts", err)
	}
}

func TestMedia_ME09_pointerEncodingIsStrict(t *testing.T) {
	p := &media.Pointer{Key: [32]byte{1}, Root: [32]byte{2}, SHA256: [32]byte{3}, Size: media.MaxSize}
	b, err := p.AppendBinary(nil)
	if err != nil || len(b) != media.PointerSize {
		t.Fatal(err, len(b))
	}
	if got, err := media.ParsePointer(b); err != nil || *got != *p {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"short": b[:len(b)-1], "long": append(bytes.Clone(b), 0), "version": append([]byte{2}, b[1:]...),
		"size": append(bytes.Clone(b[:len(b)-8]), 0, 0, 0x40, 0, 0, 0, 0, 1),
	} {
		if _, err := media.ParsePointer(bad); !errors.Is(err, media.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range []string{fmt.Sprint(p), fmt.Sprintf("%x", p), fmt.Sprintf("%#v", p)} {
		if s != "media.Pointer(70368744177664 bytes)" {
			t.Errorf("a pointer prints as %q", s)
		}
	}
}

func FuzzParsePointer(f *testing.F) {
	b, _ := (&media.Pointer{Size: 5}).AppendBinary(nil)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := media.ParsePointer(b)
		if err != nil {
			return
		}
		if again, err := p.AppendBinary(nil); err != nil || !bytes.Equal(again, b) {
			t.Fatal("not canonical")
		}
	})
}

func FuzzVerifyChunk(f *testing.F) {
	blob, tree, p := encrypt(f, random(f, 100))
	proof, _ := media.Proof(nil, tree, p.Ref(), 0)
	_ = proof
	f.Add(uint64(0), blob, []byte{}, p.Ref().Length)
	f.Fuzz(func(t *testing.T, i uint64, chunk, proof []byte, length int64) {
		ref, err := media.RefOf(p.Root, length)
		if err != nil {
			return
		}
		var hashes [][32]byte
		for ; len(proof) >= 32; proof = proof[32:] {
			hashes = append(hashes, [32]byte(proof))
		}
		if media.VerifyChunk(ref, i, chunk, hashes) == nil && !bytes.Equal(chunk, blob) {
			t.Fatal("a foreign chunk verifies")
		}
	})
}
