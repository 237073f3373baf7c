package boxstore_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"kith/internal/boxstore"
	"kith/internal/relay"
)

// TestBoxstore_BS13_expiredMeansGone scans all files for the ciphertexts, the
// key and the day after the day is over, with a positive control before.
func TestBoxstore_BS13_expiredMeansGone(t *testing.T) {
	s := open(t, t.TempDir(), today, 1<<30)
	old, kept := cell(today, 1), cell(today+1, 1)
	must(t, s.Apply([]relay.Change{put(old), put(kept)}))
	secrets := expiringBytes(t, filepath.Join(s.dir, "20000-0"))
	if !found(contents(t, s.dir), secrets) {
		t.Fatal("the scan does not find what is there")
	}
	must(t, s.Expire(today))
	wants(t, s.Store, old, kept)
	must(t, s.Expire(today+1))
	lacks(t, s.Store, old)
	wants(t, s.Store, kept)
	if found(contents(t, s.dir), secrets) {
		t.Error("something of an expired day is still in a file")
	}
	if u := s.Usage(); u.Records != 1 {
		t.Errorf("usage is %+v", u)
	}
	// While the relay was off.
	must(t, s.Close())
	s = open(t, s.dir, today+30, 1<<30)
	lacks(t, s.Store, kept)
	if entries, _ := os.ReadDir(s.dir); len(entries) != 0 {
		t.Errorf("left: %v", entries)
	}
}

// TestBoxstore_BS13_interrupted ends a day half way, at each step.
func TestBoxstore_BS13_interrupted(t *testing.T) {
	for name, half := range map[string]func(dir string) error{
		"overwritten": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, boxstore.KeyName), make([]byte, boxstore.KeyFileSize), 0o600)
		},
		"without key": func(dir string) error { return os.Remove(filepath.Join(dir, boxstore.KeyName)) },
		"without key, file": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, boxstore.KeyName)), os.Remove(filepath.Join(dir, boxstore.FileName)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), today, 1<<30)
			must(t, s.Apply([]relay.Change{put(cell(today, 1)), put(cell(today+1, 1))}))
			must(t, s.Close())
			must(t, half(filepath.Join(s.dir, "20000-0")))
			s = open(t, s.dir, today, 1<<30)
			if _, err := os.Stat(filepath.Join(s.dir, "20000-0")); !errors.Is(err, fs.ErrNotExist) {
				t.Error("half an expired day is still there")
			}
			if len(s.told) != 0 || s.Usage().Records != 1 {
				t.Errorf("told %v, usage %+v", s.told, s.Usage())
			}
		})
	}
}

// expiringBytes is what must not be found later: parts of the key and pages of
// the file.
func expiringBytes(t *testing.T, dir string) (secrets [][]byte) {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(dir, boxstore.KeyName))
	must(t, err)
	for at := 0; at < len(key); at += 512 {
		secrets = append(secrets, bytes.Clone(key[at:at+64]))
	}
	return secrets
}

func found(all []byte, secrets [][]byte) bool {
	for _, s := range secrets {
		if bytes.Contains(all, s) {
			return true
		}
	}
	return false
}

// TestBoxstore_BS13_freedBlocks reads the raw blocks of a file system after a
// day is over: neither its key nor, without it, anything of its records.
func TestBoxstore_BS13_freedBlocks(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("skipped: a file system of its own needs mount, which needs root")
	}
	image, mnt := filepath.Join(t.TempDir(), "image"), t.TempDir()
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 64<<20))
	for _, c := range [][]string{{"mkfs.ext4", "-q", "-F", image}, {"mount", "-o", "loop", image, mnt}} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Skipf("skipped: %s does not work here: %s", c[0], out)
		}
	}
	mounted := true
	unmount := func() {
		if mounted {
			mounted = false
			if out, err := exec.Command("umount", mnt).CombinedOutput(); err != nil {
				t.Errorf("unmounting: %s", out)
			}
		}
	}
	t.Cleanup(unmount)
	s := open(t, filepath.Join(mnt, "store"), today, 1<<30)
	var records []*relay.Record
	var changes []relay.Change
	for range 100 {
		records = append(records, cell(today, 1))
		changes = append(changes, put(records[len(records)-1]))
	}
	must(t, s.Apply(changes))
	secrets := expiringBytes(t, filepath.Join(s.dir, "20000-0"))
	control := []byte("a control that is removed and not overwritten, as careless programs do it")
	name := filepath.Join(mnt, "control")
	must(t, os.WriteFile(name, bytes.Repeat(control, 100), 0o600))
	must(t, exec.Command("sync", "-f", mnt).Run())
	raw, err := os.ReadFile(image)
	must(t, err)
	if !found(raw, secrets) {
		t.Fatal("the scan does not find a key that is there")
	}
	must(t, os.Remove(name))
	must(t, s.Expire(today+1))
	must(t, s.Close())
	must(t, exec.Command("sync", "-f", mnt).Run())
	unmount()
	raw, err = os.ReadFile(image)
	must(t, err)
	if !found(raw, [][]byte{control}) {
		t.Error("the scan does not find freed blocks")
	}
	if found(raw, secrets) {
		t.Error("the key of an expired day is in a freed block")
	}
	for _, r := range records {
		if found(raw, [][]byte{r.Box[:], r.Cell[:32], r.Sig[:32]}) {
			t.Fatal("a record is on the disk in clear")
		}
	}
}
