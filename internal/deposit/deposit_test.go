package deposit_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"kith/internal/deposit"
	"kith/media"
)

var update = flag.Bool("update", false, "write the vectors anew")

func key(b byte) *deposit.Key {
	k := deposit.Key(bytes.Repeat([]byte{b}, 32))
	return &k
}

func proofOf(n int) [][32]byte {
	p := make([][32]byte, n)
	for i := range p {
		p[i] = sha256.Sum256([]byte{byte(i)})
	}
	return p
}

func TestDeposit_DP03_chunksOfEverySizeComeBack(t *testing.T) {
	k := key(1)
	chunk := make([]byte, media.ChunkSize)
	rand.Read(chunk)
	for _, n := range []int{0, 1, media.MaxProof} {
		for _, size := range []int{1, 2, 63<<10 + 900, 64 << 10, 65 << 10, 67 << 10, media.ChunkSize - 1, media.ChunkSize} {
			part, err := k.SealChunk(nil, 7, chunk[:size], proofOf(n))
			if err != nil {
				t.Fatal(err)
			}
			again, _ := k.SealChunk([]byte("x"), 7, chunk[:size], proofOf(n))
			if !bytes.Equal(again[1:], part) {
				t.Fatal("the same part has other bytes")
			}
			if len(part) > deposit.MaxPart || (len(part)-2048)%65536 != 0 {
				t.Errorf("%d bytes with %d hashes make a part of %d", size, n, len(part))
			}
			got, proof, err := k.OpenChunk(7, bytes.Clone(part))
			if err != nil || !bytes.Equal(got, chunk[:size]) || len(proof) != n || n > 0 && proof[n-1] != proofOf(n)[n-1] {
				t.Fatalf("%d bytes with %d hashes: %v", size, n, err)
			}
			for _, other := range []func() error{
				func() error { _, _, err := k.OpenChunk(8, bytes.Clone(part)); return err },
				func() error { _, _, err := key(2).OpenChunk(7, bytes.Clone(part)); return err },
				func() error { _, err := k.OpenIndex(7, bytes.Clone(part)); return err },
			} {
				if err := other(); !errors.Is(err, deposit.ErrOpen) {
					t.Errorf("opened as another: %v", err)
				}
			}
		}
	}
}

func TestDeposit_DP03_limits(t *testing.T) {
	k := key(1)
	if _, err := k.SealChunk(nil, 0, nil, nil); !errors.Is(err, deposit.ErrLimit) {
		t.Error("an empty chunk:", err)
	}
	if _, err := k.SealChunk(nil, 0, make([]byte, media.ChunkSize+1), nil); !errors.Is(err, deposit.ErrLimit) {
		t.Error("too long a chunk:", err)
	}
	if _, err := k.SealChunk(nil, 0, []byte{1}, proofOf(media.MaxProof+1)); !errors.Is(err, deposit.ErrLimit) {
		t.Error("too long a proof:", err)
	}
	if _, err := k.SealIndex(nil, 0, nil); !errors.Is(err, deposit.ErrLimit) {
		t.Error("an empty index:", err)
	}
	if _, err := k.SealIndex(nil, 0, make([][32]byte, deposit.IndexIDs+1)); !errors.Is(err, deposit.ErrLimit) {
		t.Error("too long an index:", err)
	}
	ids := proofOf(deposit.IndexIDs)
	part, err := k.SealIndex(nil, 3, ids)
	if err != nil || len(part) > deposit.MaxPart {
		t.Fatal(err, len(part))
	}
	got, err := k.OpenIndex(3, part)
	if err != nil || len(got) != len(ids) || got[deposit.IndexIDs-1] != ids[deposit.IndexIDs-1] {
		t.Fatal(err)
	}
}

func TestDeposit_DP03_changedPartsDoNotOpen(t *testing.T) {
	k := key(3)
	part, err := k.SealChunk(nil, 0, []byte("chunk"), proofOf(2))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(part)*8; i += 97 {
		bad := bytes.Clone(part)
		bad[i/8] ^= 1 << (i % 8)
		if _, _, err := k.OpenChunk(0, bad); !errors.Is(err, deposit.ErrOpen) {
			t.Fatalf("bit %d: %v", i, err)
		}
	}
	for _, bad := range [][]byte{nil, part[:len(part)-1], append(bytes.Clone(part), 0), part[:2048], make([]byte, deposit.MaxPart+65536), make([]byte, len(part))} {
		if _, _, err := k.OpenChunk(0, bytes.Clone(bad)); !errors.Is(err, deposit.ErrOpen) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

func TestDeposit_DP04_names(t *testing.T) {
	for _, c := range []struct{ chunks, indexes, names uint64 }{
		{1, 0, 1}, {16, 0, 16}, {17, 1, 1}, {32000, 1, 1}, {32001, 2, 2}, {deposit.MaxChunks, 16, 16},
	} {
		i, err := deposit.Indexes(c.chunks)
		n, err2 := deposit.Names(c.chunks)
		if i != c.indexes || n != c.names || err != nil || err2 != nil {
			t.Errorf("%d chunks: %d indexes, %d names, %v", c.chunks, i, n, err)
		}
	}
	for _, chunks := range []uint64{0, deposit.MaxChunks + 1} {
		if _, err := deposit.Names(chunks); !errors.Is(err, deposit.ErrLimit) {
			t.Errorf("%d chunks: %v", chunks, err)
		}
	}
}

// FuzzDeposit_open: whatever a relay gives, nothing panics, and what opens is what
// sealing it again gives.
func FuzzDeposit_open(f *testing.F) {
	k := key(4)
	part, _ := k.SealChunk(nil, 0, []byte("chunk"), proofOf(1))
	f.Add(part)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		chunk, proof, err := k.OpenChunk(0, bytes.Clone(b))
		if err != nil {
			return
		}
		if again, err := k.SealChunk(nil, 0, chunk, proof); err != nil || !bytes.Equal(again, b) {
			t.Fatal("opens what nobody sealed", err)
		}
	})
}

func TestDeposit_DP02_vectors(t *testing.T) {
	k := key(0x42)
	chunk := bytes.Repeat([]byte("kith"), 25)
	part, err := k.SealChunk(nil, 5, chunk, proofOf(2))
	if err != nil {
		t.Fatal(err)
	}
	index, err := k.SealIndex(nil, 1, proofOf(3))
	if err != nil {
		t.Fatal(err)
	}
	cap1, cap2 := k.Capability(deposit.Chunk, 5), k.Capability(deposit.Index, 1)
	id1, id2 := deposit.ID(part), deposit.ID(index)
	text := fmt.Sprintf(`# Deposits, docs/spec/deposit.md. Hexadecimal. Hash j of proofs and lists is SHA-256 of the byte j.

key = %x

# Chunk 5: "kith" 25 times, with a proof of 2 hashes. The first 64 and the last 16 bytes of its part.
chunk.capability = %x
chunk.part.size = %d
chunk.part.first = %x
chunk.part.last = %x
chunk.id = %x

# Index 1, which lists 3 ids.
index.capability = %x
index.part.size = %d
index.part.first = %x
index.id = %x
`, k[:], cap1, len(part), part[:64], part[len(part)-16:], id1, cap2, len(index), index[:64], id2)
	file := filepath.Join("testdata", "vectors", "deposit.txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != text {
		t.Errorf("%v: the vectors are not those of docs/spec/deposit.md; now\n%s", err, text)
	}
	if hex.EncodeToString(id1[:]) == hex.EncodeToString(id2[:]) {
		t.Error("two parts have one id")
	}
}
