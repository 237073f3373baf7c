//go:build unix

package store

import (
	"errors"
	"syscall"
)

// DiskError turns the system's word for a full disk or quota into [ErrFull].
func DiskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return ErrFull
	}
	return err
}
