//go:build !unix

package store

import (
	"errors"
	"syscall"
)

// errorDiskFull is the system's word for a full disk.
const errorDiskFull = syscall.Errno(112)

// DiskError turns the system's word for a full disk into [ErrFull].
func DiskError(err error) error {
	if errors.Is(err, errorDiskFull) {
		return ErrFull
	}
	return err
}
