//go:build !linux && !darwin

package main

// freeSpace is not known here: the system reports a full disk itself.
func freeSpace(string) (uint64, bool) { return 0, false }
