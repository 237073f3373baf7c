package media_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"

	"kith/media"
)

var update = flag.Bool("update", false, "write the vectors anew")

// vectorSizes meet every edge of the format: none, the smallest bucket, a
// segment, a chunk, several chunks.
var vectorSizes = []int{0, 1024, 1025, media.SegmentSize, media.ChunkSegments * media.SegmentSize, 3_000_000}

// TestMedia_ME04_vectors holds the format still: other implementations read
// the same files.
func TestMedia_ME04_vectors(t *testing.T) {
	for i, size := range vectorSizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, uint64(i))
			plain := make([]byte, size)
			for j := range plain {
				plain[j] = byte(j * 131 % 251)
			}
			blob, _, p := encrypt(t, plain)
			pointer, err := p.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			fmt.Fprintf(&b, "format: kith media 1\nplaintext-size: %d\nsha256: %x\nkey: %x\nlength: %d\nroot: %x\npointer: %x\nblob-sha256: %x\n",
				size, p.SHA256, p.Key, len(blob), p.Root, pointer, sha256.Sum256(blob))
			path := filepath.Join("testdata", "vectors", fmt.Sprintf("%d.txt", size))
			if *update {
				if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(want) != b.String() {
				t.Errorf("got\n%swant\n%s", b.String(), want)
			}
			checkVector(t, want, plain, blob)
		})
	}
}

// checkVector reads a blob with nothing but what the vector says.
func checkVector(t *testing.T, vector, plain, blob []byte) {
	t.Helper()
	for line := range strings.Lines(string(vector)) {
		value, ok := strings.CutPrefix(line, "pointer: ")
		if !ok {
			continue
		}
		b, err := hex.DecodeString(strings.TrimSpace(value))
		if err != nil {
			t.Fatal(err)
		}
		p, err := media.ParsePointer(b)
		if err != nil {
			t.Fatal(err)
		}
		r, err := media.NewReader(bytes.NewReader(blob), p)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(plain))
		if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, plain) {
			t.Error("the vector's pointer does not open the vector's blob", err)
		}
		return
	}
	t.Error("no pointer in the vector")
}

// BenchmarkSeal compares sealing with the cipher alone on the same buffers.
func BenchmarkSeal(b *testing.B) {
	b.SetBytes(media.ChunkSegments * media.SegmentSize)
	buf := make([]byte, media.ChunkSize)
	s := media.NewSealer(zeros{}, nil)
	for b.Loop() {
		if _, err := s.Next(buf); err != nil {
			b.Fatal(err)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
