package media_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
			blob, tree, p := encrypt(t, plain)
			pointer, err := p.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			fmt.Fprintf(&b, "format: kith media 1\nplaintext-size: %d\nsha256: %x\nkey: %x\nlength: %d\nroot: %x\npointer: %x\nblob-sha256: %x\n",
				size, p.SHA256, p.Key, len(blob), p.Root, pointer, sha256.Sum256(blob))
			for i := range p.Ref().Chunks() {
				proof, err := media.Proof(nil, tree, p.Ref(), i)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&b, "leaf-%d: %x\nproof-%d: %x\n", i, media.Leaf(split(blob, p.Ref(), i)), i, slices.Concat(flat(proof)...))
			}
			want := vector(t, fmt.Sprintf("%d.txt", size), b.String())
			if want != b.String() {
				t.Errorf("got\n%swant\n%s", b.String(), want)
			}
			checkVector(t, []byte(want), plain, blob)
		})
	}
}

func flat(hashes [][32]byte) (all [][]byte) {
	for _, h := range hashes {
		all = append(all, h[:])
	}
	return all
}

// vector gives the vector of this name, made anew if that was asked for.
func vector(t *testing.T, name, now string) string {
	t.Helper()
	path := filepath.Join("testdata", "vectors", name)
	if *update {
		if err := os.WriteFile(path, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestMedia_ME10_vectors strips what the vectors give, not what the pictures'
// encoders make today.
func TestMedia_ME10_vectors(t *testing.T) {
	for name, picture := range map[string][]byte{
		"strip-jpeg.txt": leakyJPEG(t, progressiveJPEG(t), 6), "strip-jpeg-upright.txt": leakyJPEG(t, progressiveJPEG(t), 1), "strip-png.txt": leakyPNG(t, 8),
		"strip-webp.txt": leakyWebP(6), "strip-film.txt": film(track("vide", visual("avc1", "a camera")), track("soun", sound()), track("tmcd", box("tmcd", secret)), live("com.apple.quicktime.video-orientation")),
	} {
		form := func(in []byte) string {
			out, _ := strip(t, in)
			return fmt.Sprintf("format: kith media 1 strip\ninput: %x\noutput: %x\n", in, out)
		}
		want := vector(t, name, form(picture))
		_, line, _ := strings.Cut(want, "input: ")
		line, _, _ = strings.Cut(line, "\n")
		in, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		if got := form(in); got != want {
			t.Errorf("%s: got\n%s", name, got)
		}
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
