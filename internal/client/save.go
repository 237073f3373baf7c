package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	apiv1 "kith/api/v1"
)

// Save writes an attachment to a path: beside it first, and in place only when
// it is whole and what its sender said it is. Without force it writes over
// nothing. Count, if not nil, is told how many bytes more have come. Errors are
// for people.
func (c *Client) Save(ctx context.Context, message string, index int, f *apiv1.Media, path string, force bool, count func(n int64)) error {
	if _, err := os.Lstat(path); err == nil && !force {
		return &Error{Text: fmt.Sprintf("%s exists", path), Hint: "choose another name", Exit: ExitNotNow}
	}
	body, err := c.Download(ctx, message, index)
	if err != nil {
		return c.Explain(err)
	}
	defer body.Close()
	tmp, err := os.CreateTemp(filepath.Dir(path), ".kith-save-*")
	if err != nil {
		return FileError(err)
	}
	if err = c.receive(ctx, tmp, body, f, count); err == nil {
		err = FileError(os.Rename(tmp.Name(), path))
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// receive fills a file and closes it, checked against the sender's hash.
func (c *Client) receive(ctx context.Context, tmp *os.File, body io.Reader, f *apiv1.Media, count func(int64)) error {
	defer tmp.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(tmp, sum), Counted(body, count))
	if _, disk := errors.AsType[*fs.PathError](err); disk {
		return FileError(err)
	}
	if err != nil && ctx.Err() == nil {
		return &Error{Text: fmt.Sprintf("%q is damaged on this disk, or the node ended: not saved", f.GetName()),
			Hint: "put the home directory back from a backup, or ask for the file again", Exit: ExitFailed}
	}
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.GetSha256() || n != f.GetSize() {
		return &Error{Text: fmt.Sprintf("%s is not what its sender said it is: not saved", f.GetName()), Exit: ExitFailed}
	}
	if err := tmp.Chmod(0o644); err != nil {
		return FileError(err)
	}
	return FileError(errors.Join(tmp.Sync(), tmp.Close()))
}

// Counted is a reader that tells how many bytes passed; with nil, nobody.
func Counted(r io.Reader, count func(n int64)) io.Reader {
	if count == nil {
		return r
	}
	return &counted{r, count}
}

type counted struct {
	io.Reader
	count func(int64)
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.count(int64(n))
	return n, err
}
