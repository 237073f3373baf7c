//go:build unix

package client

import (
	"fmt"
	"os"
	"syscall"
)

// trusted makes sure that a socket's directory is the user's own: in a shared
// directory somebody else could answer in the node's place.
func trusted(dir string) error {
	st, err := os.Stat(dir)
	if err != nil {
		return nil // no directory, no socket: the call says so
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && int(sys.Uid) != os.Getuid() {
		return &Error{Text: fmt.Sprintf("%s belongs to somebody else", dir), Hint: "choose another --home", Exit: ExitFailed}
	}
	return nil
}
