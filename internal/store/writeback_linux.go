//go:build linux && !arm

package store

import (
	"os"
	"syscall"
)

// beginWriteback asks the disk to begin with bytes just written, and does not
// wait: what it fails at is reported by the Sync that must follow.
func beginWriteback(f *os.File, at, length int64) {
	const rangeWrite = 2 // SYNC_FILE_RANGE_WRITE, sync_file_range(2)
	// Only speed depends on it, and the kernel keeps a failure for Sync.
	_ = syscall.SyncFileRange(int(f.Fd()), at, length, rangeWrite)
}
