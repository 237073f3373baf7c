//go:build !linux && !darwin

package store

import "os"

// freeSpace is not asked for here: the system reports a full disk itself.
func freeSpace(string) (uint64, bool) { return 0, false }

// syncDirFile does nothing: directories cannot be synchronised here, and the
// file system orders names by itself.
func syncDirFile(*os.File) error { return nil }
