package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// writeNew makes a file that is there whole, readable by its owner only, and safe from
// a power cut when writeNew returns, or not at all. It returns ErrExists rather than
// replace a file.
func writeNew(path string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(content)
	if err == nil {
		err = temp.Sync()
	}
	if err := errors.Join(err, temp.Close()); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	if err := publish(temp.Name(), path); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		os.Remove(path)
		return fmt.Errorf("vault: %w", err)
	}
	return nil
}

// publish gives the file its name. A link fails where the name is taken, which a rename
// does not; file systems without links get the rename, after a look.
func publish(temp, path string) error {
	err := os.Link(temp, path)
	if err == nil {
		return nil
	}
	if _, there := os.Lstat(path); there == nil || errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s", ErrExists, filepath.Base(path))
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	return nil
}

// syncDir makes the new name durable. Windows does not open directories for that.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
