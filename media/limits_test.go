package media_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"kith/media"
)

func TestMedia_ME01_fileBeyondMaxSizeIsRefused(t *testing.T) {
	buf := make([]byte, media.ChunkSize)
	for extra, want := range map[int]error{0: nil, 1: media.ErrTooLarge} {
		s := media.NewSealer(bytes.NewReader(make([]byte, 10+extra)), nil)
		s.SkipTo(media.MaxSize - 10)
		if _, err := s.Next(buf); !errors.Is(err, want) {
			t.Errorf("MaxSize and %d: %v, want %v", extra, err, want)
		}
	}
	for _, size := range []int64{-1, media.MaxSize + 1, math.MaxInt64, math.MinInt64} {
		p := &media.Pointer{Size: size}
		if _, err := media.NewReader(bytes.NewReader(nil), p); !errors.Is(err, media.ErrMalformed) {
			t.Errorf("reader of %d bytes: %v", size, err)
		}
		if _, err := p.AppendBinary(nil); !errors.Is(err, media.ErrMalformed) {
			t.Errorf("pointer to %d bytes: %v", size, err)
		}
	}
}

// A source that breaks off with io.ErrUnexpectedEOF, as an HTTP body does
// whose sender went away, must not become a shorter file.
func TestMedia_ME02_sourceThatBreaksOffIsNoShortFile(t *testing.T) {
	for _, n := range []int{0, 5, media.SegmentSize, 3 * media.SegmentSize, media.ChunkSegments*media.SegmentSize + 5} {
		for _, want := range []error{io.ErrUnexpectedEOF, errors.New("broken")} {
			src := io.MultiReader(bytes.NewReader(make([]byte, n)), iotest.ErrReader(want))
			s := media.NewSealer(src, nil)
			var err error
			for buf := make([]byte, media.ChunkSize); err == nil; {
				_, err = s.Next(buf)
			}
			if err != want {
				t.Errorf("%v after %d bytes became %v", want, n, err)
			}
			if _, again := s.Next(make([]byte, media.ChunkSize)); again != want {
				t.Errorf("then %v", again)
			}
		}
	}
	if _, err := media.Encrypt(io.Discard, tempFile(t), silent{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a source that gives neither bytes nor an error: %v", err)
	}
	if _, err := media.NewSealer(silent{}, nil).Next(make([]byte, media.ChunkSize-1)); !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("short buffer: %v", err)
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestMedia_ME04_onlyLengthsOfFilesMakeARef(t *testing.T) {
	for _, size := range []int64{0, 1024, 1025, 65536, 65537, 1 << 20, 1<<20 + 1, 1<<30 + 12345, media.MaxSize - 1, media.MaxSize} {
		want := (&media.Pointer{Size: size}).Ref()
		if got, err := media.RefOf(want.Root, want.Length); err != nil || got != want {
			t.Errorf("size %d: %v", size, err)
		}
		for _, off := range []int64{-1, 1} {
			if _, err := media.RefOf(want.Root, want.Length+off); !errors.Is(err, media.ErrMalformed) {
				t.Errorf("length %d, which no file has: %v", want.Length+off, err)
			}
		}
	}
	// Too short; not Padmé; in a last segment that would be all tag.
	for _, length := range []int64{math.MinInt64, -1, 0, media.Overhead, 512 + 16, 1030 + 16, 65552 + 5, 65536 + 32, math.MaxInt64} {
		if _, err := media.RefOf([32]byte{}, length); !errors.Is(err, media.ErrMalformed) {
			t.Errorf("length %d: %v", length, err)
		}
	}
}

// hashes is a tree file as large as it is asked for.
type hashes struct{}

func (hashes) ReadAt(b []byte, _ int64) (int, error) { return len(b), nil }

func TestMedia_ME05_longestProof(t *testing.T) {
	ref := (&media.Pointer{Size: media.MaxSize}).Ref()
	for _, i := range []uint64{0, ref.Chunks() / 2, ref.Chunks() - 1} {
		proof, err := media.Proof(nil, hashes{}, ref, i)
		if err != nil || len(proof) != media.MaxProof {
			t.Errorf("%v, %d hashes, want MaxProof", err, len(proof))
		}
	}
	for _, i := range []uint64{ref.Chunks(), math.MaxUint64} {
		if _, err := media.Proof(nil, hashes{}, ref, i); !errors.Is(err, media.ErrMalformed) {
			t.Errorf("proof of chunk %d: %v", i, err)
		}
		if n := ref.ChunkLength(i); n != 0 {
			t.Errorf("chunk %d has %d bytes", i, n)
		}
	}
	one, tree, p := encrypt(t, nil)
	if err := media.VerifyChunk(p.Ref(), 0, one, make([][32]byte, media.MaxProof+1)); !errors.Is(err, media.ErrForged) {
		t.Errorf("%v", err)
	}
	// A root over a chunk of another length than the ref's.
	odd := []byte("odd")
	if err := media.VerifyChunk(media.Ref{Root: media.Leaf(odd), Length: p.Ref().Length}, 0, odd, nil); !errors.Is(err, media.ErrForged) {
		t.Errorf("a chunk of %d bytes: %v", len(odd), err)
	}
	if _, err := media.Proof(nil, bytes.NewReader(nil), (&media.Pointer{Size: 3 << 20}).Ref(), 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a tree file cut short: %v", err)
	}
	tree.Close()
	if _, err := media.Proof(nil, tree, (&media.Pointer{Size: 3 << 20}).Ref(), 0); err == nil || errors.Is(err, media.ErrForged) {
		t.Errorf("a tree file that cannot be read: %v", err)
	}
}

// counted counts reads.
type counted struct {
	media.File
	reads int
}

func (c *counted) ReadAt(b []byte, at int64) (int, error) {
	c.reads++
	return c.File.ReadAt(b, at)
}

// A pointer is a peer's word: one to a file of 64 TiB must not cost a read for
// each of its chunks.
func TestMedia_ME08_promisedSizeCostsNothing(t *testing.T) {
	ref := (&media.Pointer{Size: media.MaxSize}).Ref()
	tree := &counted{File: tempFile(t)}
	a := media.NewAssembly(ref, tempFile(t), tree)
	have, err := a.Have()
	if err != nil || media.Count(have) != 0 || len(have) != 1<<20 {
		t.Fatalf("%v, %d of %d words", err, media.Count(have), len(have))
	}
	if err := a.Complete(); !errors.Is(err, media.ErrIncomplete) {
		t.Errorf("complete: %v", err)
	}
	if tree.reads > 4 {
		t.Errorf("%d reads of an empty file", tree.reads)
	}
}

func TestMedia_ME08_changedFilesAreNeverComplete(t *testing.T) {
	blob, tree, p := encrypt(t, random(t, 3<<20))
	ref := p.Ref()
	data, have := tempFile(t), tempFile(t)
	a := media.NewAssembly(ref, data, have)
	for i := range ref.Chunks() {
		proof, _ := media.Proof(nil, tree, ref, i)
		if err := a.Put(i, split(blob, ref, i), proof); err != nil {
			t.Fatal(err)
		}
	}
	media.PutLeaf(have, 1, [32]byte{1})
	if err := a.Complete(); !errors.Is(err, media.ErrForged) {
		t.Errorf("a changed leaf: %v", err)
	}
	if bits, err := a.Have(); err != nil || media.Count(bits) != ref.Chunks()-1 || bits[0]&2 != 0 {
		t.Errorf("%v, %b", err, bits)
	}
	if err := a.Complete(); !errors.Is(err, media.ErrIncomplete) {
		t.Errorf("a forgotten chunk: %v", err)
	}
}

func TestMedia_ME09_noWayToPrintAKey(t *testing.T) {
	p := media.Pointer{Key: [32]byte(bytes.Repeat([]byte{0xab}, 32)), Size: 7}
	inside := struct{ P media.Pointer }{p}
	for _, v := range []any{p, &p, inside, []media.Pointer{p}, map[string]media.Pointer{"a": p}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
			s := strings.ToLower(fmt.Sprintf(verb, v))
			if strings.Contains(s, "abab") || strings.Contains(s, "171") || strings.Contains(s, "0xab") || strings.Contains(s, `\xab`) {
				t.Errorf("%s of %T tells the key: %.60s", verb, v, s)
			}
		}
		if b, err := json.Marshal(v); err == nil {
			t.Errorf("%T as JSON: %.60s", v, b)
		}
	}
}
