package media_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"testing"

	"kith/media"
)

const chunkPlain = media.ChunkSegments * media.SegmentSize

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func (zeros) ReadAt(b []byte, _ int64) (int, error) { return len(b), nil }

// BenchmarkSeal compares sealing with its floor, the cipher alone on the same
// sizes: a Sealer should reach 80 % of it.
func BenchmarkSeal(b *testing.B) {
	buf := make([]byte, media.ChunkSize)
	b.Run("cipher alone", func(b *testing.B) {
		block, _ := aes.NewCipher(make([]byte, 32))
		aead, _ := cipher.NewGCM(block)
		plain := make([]byte, media.SegmentSize)
		var nonce [12]byte
		b.SetBytes(chunkPlain)
		for i := uint64(0); b.Loop(); {
			out := buf[:0]
			for range media.ChunkSegments {
				binary.BigEndian.PutUint64(nonce[:], i)
				out = aead.Seal(out, nonce[:], plain, nil)
				i++
			}
		}
	})
	b.Run("sealer", func(b *testing.B) {
		s := media.NewSealer(zeros{}, nil)
		b.SetBytes(chunkPlain)
		for b.Loop() {
			if _, err := s.Next(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkHash is the other two costs of a chunk: its leaf, and the hash of
// the plaintext.
func BenchmarkHash(b *testing.B) {
	buf := make([]byte, media.ChunkSize)
	b.Run("leaf", func(b *testing.B) {
		b.SetBytes(chunkPlain)
		for b.Loop() {
			media.Leaf(buf)
		}
	})
	b.Run("sha256 of plaintext", func(b *testing.B) {
		sum := sha256.New()
		b.SetBytes(chunkPlain)
		for b.Loop() {
			sum.Write(buf[:chunkPlain])
		}
	})
}

func BenchmarkEncrypt(b *testing.B) {
	const size = 64 << 20
	tree := tempFile(b)
	b.SetBytes(size)
	for b.Loop() {
		if _, err := media.Encrypt(io.Discard, tree, io.LimitReader(zeros{}, size)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	blob, _, p := encrypt(b, make([]byte, 16<<20))
	b.SetBytes(16 << 20)
	buf := make([]byte, 32<<10) // as http.ServeContent copies
	for b.Loop() {
		r, err := media.NewReader(readerAt(blob), p)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buf); err != nil || n != 16<<20 {
			b.Fatal(n, err)
		}
	}
}

// readerAt is a blob in memory.
type readerAt []byte

func (r readerAt) ReadAt(b []byte, at int64) (int, error) {
	n := copy(b, r[min(at, int64(len(r))):])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// BenchmarkProof is what a server does for a chunk of the largest file besides
// reading it.
func BenchmarkProof(b *testing.B) {
	ref := (&media.Pointer{Size: media.MaxSize}).Ref()
	proof := make([][32]byte, 0, media.MaxProof)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := media.Proof(proof, zeros{}, ref, 12345); err != nil {
			b.Fatal(err)
		}
	}
}
