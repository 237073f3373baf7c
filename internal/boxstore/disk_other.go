//go:build !unix

package boxstore

import (
	"errors"
	"io/fs"
	"syscall"
)

// errorDiskFull is the system's word for a full disk.
const errorDiskFull = syscall.Errno(112)

func isFull(err error) bool { return errors.Is(err, errorDiskFull) }

// syncDir does nothing: directories cannot be synchronised here, and the file
// system orders names by itself.
func syncDir(string) error { return nil }

func occupied(info fs.FileInfo) int64 { return info.Size() }
