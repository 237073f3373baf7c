package bench

import (
	"crypto/aes"
	"crypto/cipher"
	"io"
	"runtime"
	"testing"
	"time"

	"kith/media"
)

// Targets for encryption of media.
const (
	sealShare  = 0.80
	sealMiB    = 256     // sealed in one go
	sealRounds = 9       // of either, in turns
	sealGrowth = 1 << 10 // bytes that sealing four times as much may allocate more
)

// zeros is an endless source that costs nothing.
type zeros struct{ left int64 }

func (z *zeros) Read(b []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(z.left, int64(len(b)))
	z.left -= n
	return int(n), nil
}

// sealer seals so many bytes chunk by chunk.
func sealer(size int64) error {
	s := media.NewSealer(&zeros{size}, nil)
	buf := make([]byte, media.ChunkSize)
	for {
		if _, err := s.Next(buf); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// gcm seals so many bytes in buffers of a segment with AES-256-GCM alone,
// every one under another nonce and into the next place of a chunk.
func gcm(size int64) error {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		return err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	plain, chunk := make([]byte, media.SegmentSize), make([]byte, 0, media.ChunkSize)
	var nonce [12]byte
	for i := range size / media.SegmentSize {
		nonce[0], nonce[1], nonce[2] = byte(i), byte(i>>8), byte(i>>16)
		if i%media.ChunkSegments == 0 {
			chunk = chunk[:0]
		}
		chunk = aead.Seal(chunk, nonce[:], plain, nil)
	}
	return nil
}

// seal measures media.Sealer beside the cipher it uses, and what it allocates.
func (b *bed) seal() {
	var ours, alone figures[float64]
	timed := func(do func(int64) error) float64 {
		began := time.Now()
		b.must(do(sealMiB<<20), "sealing")
		return sealMiB / time.Since(began).Seconds()
	}
	timed(sealer) // warms up
	timed(gcm)
	for range sealRounds {
		alone = append(alone, timed(gcm))
		ours = append(ours, timed(sealer))
	}
	share := ours.median() / alone.median()
	small, large := b.allocated(sealMiB<<20), b.allocated(4*sealMiB<<20)
	b.rows = append(b.rows,
		row{"media sealed, one core", ours.spread(rate), "AES-256-GCM alone " + alone.spread(rate), percent(share),
			">= " + percent(sealShare), judge(share >= sealShare)},
		row{"allocated to seal 1 GiB", mib(large), "256 MiB: " + mib(small), "", "the same", judge(large-small < sealGrowth)},
	)
}

func (b *bed) allocated(size int64) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.must(sealer(size), "sealing")
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// BenchmarkSealer is media.Sealer; compare with BenchmarkGCM.
func BenchmarkSealer(b *testing.B) { benchmarkSealing(b, sealer) }

// BenchmarkGCM is AES-256-GCM alone on buffers of a segment.
func BenchmarkGCM(b *testing.B) { benchmarkSealing(b, gcm) }

func benchmarkSealing(b *testing.B, do func(int64) error) {
	const size = 64 << 20
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if err := do(size); err != nil {
			b.Fatal(err)
		}
	}
}
