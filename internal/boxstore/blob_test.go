package boxstore_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"kith/internal/boxstore"
	"kith/internal/relay"
)

const thisHour = today * 24

func openBlobs(t testing.TB, dir string, limit int64) *boxstore.Store {
	t.Helper()
	s, err := boxstore.Open(dir, today, boxstore.Options{Cap: 1 << 30, BlobCap: limit})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func newBlob(size int, hour uint32) (boxstore.BlobInfo, []byte) {
	content := make([]byte, size)
	rand.Read(content)
	info := boxstore.BlobInfo{ID: sha256.Sum256(content), Hour: hour, Size: int64(size)}
	rand.Read(info.Key[:])
	return info, content
}

func wantBlob(t testing.TB, s *boxstore.Store, info boxstore.BlobInfo, content []byte) {
	t.Helper()
	b, err := s.FindBlob(info.ID, thisHour)
	must(t, err)
	defer b.Close()
	got, err := io.ReadAll(b)
	if err != nil || b.Info != info || !bytes.Equal(got, content) {
		t.Fatalf("another blob of %d bytes than the one of %d: %+v, %v", len(got), len(content), b.Info, err)
	}
}

func lacksBlob(t testing.TB, s *boxstore.Store, id [32]byte, hour uint32) {
	t.Helper()
	if _, err := s.FindBlob(id, hour); !errors.Is(err, boxstore.ErrNoBlob) {
		t.Fatalf("found what should not be there: %v", err)
	}
}

// TestBoxstore_BS17_blobs keeps blobs of all sizes, reads them in pieces, and
// again after opening.
func TestBoxstore_BS17_blobs(t *testing.T) {
	dir := t.TempDir()
	s := openBlobs(t, dir, 1<<30)
	infos, contents := map[int]boxstore.BlobInfo{}, map[int][]byte{}
	for _, size := range []int{1, 16383, 16384, 16385, 65536, boxstore.MaxBlob} {
		infos[size], contents[size] = newBlob(size, thisHour+uint32(size%100))
		must(t, s.PutBlob(infos[size], thisHour, bytes.NewReader(contents[size])))
		wantBlob(t, s, infos[size], contents[size])
		b, err := s.FindBlob(infos[size].ID, thisHour)
		must(t, err)
		must(t, iotest.TestReader(b, contents[size]))
		must(t, b.Close())
	}
	names, err := filepath.Glob(filepath.Join(dir, "*", "blobs", "*"))
	must(t, err)
	for _, name := range names { // BS-06
		st, err := os.Stat(name)
		must(t, err)
		if !st.ModTime().Equal(time.Unix(0, 0)) {
			t.Errorf("a file says when it came: %v", st.ModTime())
		}
	}
	again, _ := newBlob(1, thisHour+2)
	again.ID, again.Size = infos[65536].ID, 65536
	if err := s.PutBlob(again, thisHour, bytes.NewReader(contents[65536])); !errors.Is(err, boxstore.ErrHeld) {
		t.Errorf("a blob that is there: %v", err)
	}
	must(t, s.Close())
	s = openBlobs(t, dir, 1<<30)
	for size := range infos {
		wantBlob(t, s, infos[size], contents[size])
	}
	if n, _ := s.BlobUsage(); n != 3*65536+65536+17*4096+257*4096 {
		t.Errorf("%d bytes are counted", n)
	}
	must(t, s.DeleteBlob(infos[1].ID))
	lacksBlob(t, s, infos[1].ID, thisHour)
	if err := s.DeleteBlob(infos[1].ID); !errors.Is(err, boxstore.ErrNoBlob) {
		t.Errorf("deleting twice: %v", err)
	}
	var group sync.WaitGroup // of two uploads at once one is kept
	info, content := newBlob(100_000, thisHour)
	for range 8 {
		group.Go(func() {
			mine := info
			mine.Key[0] = byte(mrand.Uint32())
			if err := s.PutBlob(mine, thisHour, bytes.NewReader(content)); err != nil && !errors.Is(err, boxstore.ErrHeld) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	b, err := s.FindBlob(info.ID, thisHour)
	must(t, err)
	must(t, b.Close())
}

// TestBoxstore_BS17_again: the same upload twice is one blob, a later hour holds,
// and what expired stands in nobody's way.
func TestBoxstore_BS17_again(t *testing.T) {
	s := openBlobs(t, t.TempDir(), 10*65536)
	info, content := newBlob(1000, thisHour+5)
	other := info
	other.Key[31] ^= 1
	again := func(want error, i boxstore.BlobInfo, now uint32, count int64) {
		t.Helper()
		if err := s.PutBlob(i, now, bytes.NewReader(content)); !errors.Is(err, want) {
			t.Fatalf("the answer is %v, not %v", err, want)
		}
		if n, _ := s.BlobUsage(); n != count*65536 {
			t.Fatalf("%d bytes are counted, not of %d blobs", n, count)
		}
	}
	wants := func(hour uint32) {
		t.Helper()
		want := info
		want.Hour = hour
		wantBlob(t, s, want, content)
	}
	again(nil, info, thisHour, 1)
	again(nil, info, thisHour, 1)
	again(boxstore.ErrHeld, other, thisHour, 1)
	earlier, later, tomorrow := info, info, info
	earlier.Hour, later.Hour, tomorrow.Hour = thisHour, thisHour+9, thisHour+30
	again(nil, earlier, thisHour, 1)
	wants(thisHour + 5)
	again(nil, later, thisHour, 1)
	wants(thisHour + 9)
	again(nil, tomorrow, thisHour, 2)
	wants(thisHour + 30)
	again(nil, later, thisHour, 2)
	wants(thisHour + 30)
	must(t, s.DeleteBlob(info.ID))
	lacksBlob(t, s, info.ID, thisHour)
	if n, _ := s.BlobUsage(); n != 0 {
		t.Errorf("%d bytes are counted for nothing", n)
	}
	again(nil, info, thisHour, 1)
	other.Hour = thisHour + 20
	again(boxstore.ErrHeld, other, thisHour+5, 1)
	again(nil, other, thisHour+6, 1) // the first expired
	info = other
	wants(thisHour + 20)
}

// TestBoxstore_BS17_wrongContent: nothing is kept of a blob that is not what its
// id says, and only who has the content learns that it is there.
func TestBoxstore_BS17_wrongContent(t *testing.T) {
	s := openBlobs(t, t.TempDir(), 1<<30)
	info, content := newBlob(70_000, thisHour)
	wrong := bytes.Clone(content)
	wrong[69_999] ^= 1
	broken := errors.New("broken")
	for held := range 2 {
		for name, tt := range map[string]struct {
			content io.Reader
			want    error
		}{
			"a bit":    {bytes.NewReader(wrong), boxstore.ErrContent},
			"short":    {bytes.NewReader(content[:65_536]), boxstore.ErrContent},
			"empty":    {bytes.NewReader(nil), boxstore.ErrContent},
			"long":     {bytes.NewReader(append(bytes.Clone(content), 0)), boxstore.ErrContent},
			"breaking": {io.MultiReader(bytes.NewReader(content[:1000]), iotest.ErrReader(broken)), broken},
		} {
			if err := s.PutBlob(info, thisHour, tt.content); !errors.Is(err, tt.want) || errors.Is(err, boxstore.ErrHeld) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if held == 0 {
			lacksBlob(t, s, info.ID, thisHour)
			if n, _ := s.BlobUsage(); n != 0 {
				t.Errorf("%d bytes are counted for nothing", n)
			}
			must(t, s.PutBlob(info, thisHour, bytes.NewReader(content)))
		}
	}
	for _, size := range []int64{0, -1, boxstore.MaxBlob + 1} {
		info.Size = size
		if err := s.PutBlob(info, thisHour, bytes.NewReader(content)); !errors.Is(err, boxstore.ErrContent) {
			t.Errorf("size %d: %v", size, err)
		}
	}
}

// TestBoxstore_BS18_blobsEnd: with their hour for whoever asks, with their day for good.
func TestBoxstore_BS18_blobsEnd(t *testing.T) {
	dir := t.TempDir()
	s := openBlobs(t, dir, 1<<30)
	info, content := newBlob(200_000, thisHour+5)
	later, other := newBlob(1000, thisHour+24)
	must(t, s.PutBlob(info, thisHour, bytes.NewReader(content)))
	must(t, s.PutBlob(later, thisHour, bytes.NewReader(other)))
	r := cell(today, 1)
	must(t, s.Apply([]relay.Change{put(r)}))
	lacksBlob(t, s, info.ID, thisHour+6)
	wantBlob(t, s, info, content)
	all := contents(t, dir)
	if found(all, [][]byte{info.ID[:], info.Key[:], content[:64], content[199_000:199_064]}) {
		t.Error("something of a blob is on the disk in clear")
	}
	secrets := expiringBytes(t, filepath.Join(dir, "20000-0"))
	must(t, s.Expire(today+1))
	lacksBlob(t, s, info.ID, thisHour)
	b, err := s.FindBlob(later.ID, thisHour+24)
	must(t, err)
	must(t, b.Close())
	if found(contents(t, dir), secrets) {
		t.Error("the key of an expired day is still there")
	}
	if n, _ := s.BlobUsage(); n != 65536 {
		t.Errorf("%d bytes are counted", n)
	}
}

// TestBoxstore_BS19_blobCap is hard, and none of the boxes'.
func TestBoxstore_BS19_blobCap(t *testing.T) {
	const each = 17 * 4096 // what one of 64 KiB takes
	dir := t.TempDir()
	s := openBlobs(t, dir, 5*each)
	var group sync.WaitGroup
	var mu sync.Mutex
	var kept []boxstore.BlobInfo
	refused := 0
	for range 9 {
		group.Go(func() {
			info, content := newBlob(65_536, thisHour)
			err := s.PutBlob(info, thisHour, bytes.NewReader(content))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				kept = append(kept, info)
			} else if errors.Is(err, boxstore.ErrCap) {
				refused++
			}
		})
	}
	group.Wait()
	if len(kept) != 5 || refused != 4 {
		t.Errorf("%d kept, %d refused", len(kept), refused)
	}
	if n, limit := s.BlobUsage(); n != 5*each || limit != 5*each {
		t.Errorf("usage %d of %d", n, limit)
	}
	must(t, s.Apply([]relay.Change{put(cell(today, 1))}))
	must(t, s.Close())
	must(t, os.WriteFile(filepath.Join(dir, "20000-0", "blobs", "new-123"), make([]byte, 9000), 0o600))
	s = openBlobs(t, dir, 5*each)
	if n, _ := s.BlobUsage(); n != 5*each {
		t.Errorf("usage %d after opening", n)
	}
	must(t, s.DeleteBlob(kept[0].ID))
	info, content := newBlob(65_536, thisHour)
	must(t, s.PutBlob(info, thisHour, bytes.NewReader(content)))
	none := openBlobs(t, t.TempDir(), 0)
	if err := none.PutBlob(info, thisHour, bytes.NewReader(content)); !errors.Is(err, boxstore.ErrCap) {
		t.Errorf("a store without blobs: %v", err)
	}
}

// TestBoxstore_BS20_damagedBlob: no byte is served that was not put.
func TestBoxstore_BS20_damagedBlob(t *testing.T) {
	dir := t.TempDir()
	s := openBlobs(t, dir, 1<<30)
	info, content := newBlob(150_000, thisHour)
	must(t, s.PutBlob(info, thisHour, bytes.NewReader(content)))
	names, err := filepath.Glob(filepath.Join(dir, "20000-0", "blobs", "*"))
	must(t, err)
	whole, err := os.ReadFile(names[0])
	must(t, err)
	for i := range 200 {
		b := bytes.Clone(whole)
		switch i % 3 {
		case 0:
			b[mrand.IntN(len(b))] ^= 1 << mrand.IntN(8)
		case 1:
			b = b[:mrand.IntN(len(b))]
		case 2: // parts exchanged
			const part = 16_384 + 28
			start := len(b) - 150_000 - 10*28
			copy(b[start:], whole[start+part:start+2*part])
		}
		must(t, os.WriteFile(names[0], b, 0o600))
		blob, err := s.FindBlob(info.ID, thisHour)
		if err != nil {
			if !errors.Is(err, boxstore.ErrNoBlob) {
				t.Fatal(err)
			}
			continue
		}
		got, err := io.ReadAll(blob)
		must(t, blob.Close())
		if err == nil || !bytes.HasPrefix(content, got) {
			t.Fatalf("%d: %d bytes are served, %v", i, len(got), err)
		}
	}
}
