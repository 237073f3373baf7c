//go:build unix

package boxstore_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"kith/internal/boxstore"
	"kith/internal/relay"
)

// TestBoxstore_BS11_fullDisk fills a small disk, and goes on when there is room.
func TestBoxstore_BS11_fullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("skipped: a small disk needs mount, which needs root")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("skipped: tmpfs cannot be mounted here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("unmounting: %s", out)
		}
	})
	filler := filepath.Join(dir, "filler")
	must(t, os.WriteFile(filler, make([]byte, 1<<20), 0o600))
	s := open(t, filepath.Join(dir, "store"), today, 1<<30)
	var kept []*relay.Record
	write := func() (err error) {
		for i := range uint32(5000) {
			r := cell(today+i%3, 1)
			if err = s.Apply([]relay.Change{put(r)}); err != nil {
				return err
			}
			kept = append(kept, r)
		}
		return nil
	}
	for range 3 {
		err := write()
		if !errors.Is(err, boxstore.ErrFull) || err.Error() != boxstore.ErrFull.Error() {
			t.Fatalf("a full disk is %v", err)
		}
		wants(t, s.Store, kept...)
	}
	before := len(kept)
	if err := s.Apply([]relay.Change{put(cell(today+9, 1))}); err == nil {
		t.Error("a new day on a full disk")
	}
	must(t, os.Remove(filler))
	if err := write(); !errors.Is(err, boxstore.ErrFull) || len(kept) <= before {
		t.Errorf("with room again: %d more, %v", len(kept)-before, err)
	}
	wants(t, s.Store, kept...)
	must(t, s.Close())
	s = open(t, s.dir, today, 1<<30)
	wants(t, s.Store, kept...)
	if len(s.told) > 0 {
		t.Errorf("told %v", s.told)
	}
	must(t, s.Expire(today+1))
	must(t, s.Apply([]relay.Change{put(cell(today+9, 1))}))
}

// failing is a disk that can be made to fail: the store's files are exchanged
// below it for something that does not take what is written.
type failing struct {
	mu    sync.Mutex
	files []*os.File
}

func (f *failing) open(name string, flag int, mode os.FileMode) (*os.File, error) {
	file, err := os.OpenFile(name, flag, mode)
	if err == nil {
		f.mu.Lock()
		f.files = append(f.files, file)
		f.mu.Unlock()
	}
	return file, err
}

// fail puts another file under every open descriptor and returns how to end it.
func (f *failing) fail(t *testing.T, other string, flag int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	bad, err := os.OpenFile(other, flag, 0)
	must(t, err)
	defer bad.Close()
	for _, file := range f.files {
		raw, err := file.SyscallConn()
		if err != nil {
			continue
		}
		_ = raw.Control(func(fd uintptr) { err = syscall.Dup2(int(bad.Fd()), int(fd)) })
	}
}

// TestBoxstore_BS11_failingDisk lets writes fail, and synchronising.
func TestBoxstore_BS11_failingDisk(t *testing.T) {
	for name, bad := range map[string]struct {
		file string
		flag int
	}{"writes fail": {"/dev/null", os.O_RDONLY}, "synchronising fails": {"/dev/null", os.O_RDWR}} {
		t.Run(name, func(t *testing.T) {
			disk := &failing{}
			var told []error
			s, err := boxstore.Open(t.TempDir(), today, boxstore.WithOpener(boxstore.Options{Cap: 1 << 30, Trouble: func(err error) { told = append(told, err) }}, disk.open))
			must(t, err)
			defer s.Close()
			var kept []*relay.Record
			for round := range 3 {
				for range 5 {
					r := cell(today, 1)
					must(t, s.Apply([]relay.Change{put(r)}))
					kept = append(kept, r)
				}
				disk.fail(t, bad.file, bad.flag)
				lost := cell(today, 1)
				err := s.Apply([]relay.Change{put(lost)})
				if err == nil || strings.Contains(err.Error(), "/") || strings.Contains(err.Error(), "20000") {
					t.Fatalf("round %d: a failing disk is %v", round, err)
				}
				wants(t, s, kept...) // the file was opened anew
				lacks(t, s, lost)
			}
			if u := s.Usage(); u.Records != len(kept) || len(told) > 0 {
				t.Errorf("usage %+v of %d, told %v", u, len(kept), told)
			}
		})
	}
}

// TestBoxstore_BS11_fullDiskBlobs: a blob that does not fit leaves nothing behind.
func TestBoxstore_BS11_fullDiskBlobs(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("skipped: no /dev/full here")
	}
	var full atomic.Bool
	open := func(name string, flag int, mode os.FileMode) (*os.File, error) {
		if full.Load() && strings.Contains(name, "blobs") {
			return os.OpenFile("/dev/full", os.O_WRONLY, 0)
		}
		return os.OpenFile(name, flag, mode)
	}
	dir := t.TempDir()
	s, err := boxstore.Open(dir, today, boxstore.WithOpener(boxstore.Options{Cap: 1 << 30, BlobCap: 1 << 30}, open))
	must(t, err)
	defer s.Close()
	kept, first := newBlob(100_000, thisHour)
	must(t, s.PutBlob(kept, thisHour, bytes.NewReader(first)))
	used, _ := s.BlobUsage()
	full.Store(true)
	info, content := newBlob(100_000, thisHour)
	err = s.PutBlob(info, thisHour, bytes.NewReader(content))
	if !errors.Is(err, boxstore.ErrFull) || err.Error() != boxstore.ErrFull.Error() {
		t.Errorf("a full disk is %v", err)
	}
	lacksBlob(t, s, info.ID, thisHour)
	if n, _ := s.BlobUsage(); n != used {
		t.Errorf("%d bytes are counted, not %d", n, used)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*", "blobs", "*")); len(names) != 1 {
		t.Errorf("on the disk are %v", names)
	}
	wantBlob(t, s, kept, first)
	full.Store(false)
	must(t, s.PutBlob(info, thisHour, bytes.NewReader(content)))
	wantBlob(t, s, info, content)
}
