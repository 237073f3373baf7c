//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"

	"kith/internal/cli"
)

// private makes sure that a directory is the user's own and nobody else can
// enter it: the API's socket has no other guard.
func private(dir string) error {
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && int(sys.Uid) != os.Getuid() {
		return cli.NotNow(fmt.Sprintf("%s belongs to somebody else", dir), "choose another --home")
	}
	if st.Mode().Perm()&0o077 != 0 {
		return os.Chmod(dir, 0o700)
	}
	return nil
}
