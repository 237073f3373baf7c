package vault

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/zalando/go-keyring"
)

// keychainService is the name under which items appear in the keychain.
const keychainService = "kith"

// keychain is the operating system's, with a bound on its patience: the library waits
// for ever on a bus that swallows replies.
type keychain struct{ timeout time.Duration }

func newKeychain() keychain { return keychain{keychainTimeout} }

var (
	errSilent    = errors.New("no answer in time")
	errForgetful = errors.New("gave back another secret")
)

// KeychainWorks reports whether this system's keychain keeps what it is given. It
// tries with a throw-away item, which takes a moment.
func KeychainWorks() bool { return newKeychain().works() }

// works finds out by doing: a throw-away item is set, read back and deleted.
func (k keychain) works() bool {
	name := "probe-" + randomHex(idSize)
	return k.keep(name, randomHex(KeySize)) == nil && k.delete(name) == nil
}

// keep sets an item and looks whether it is there: what it holds cannot be made again.
func (k keychain) keep(account, secret string) error {
	if err := k.set(account, secret); err != nil {
		return err
	}
	got, err := k.get(account)
	if err != nil {
		return err
	}
	if got != secret {
		return fmt.Errorf("%w: %w", ErrNoKeychain, errForgetful)
	}
	return nil
}

func (k keychain) set(account, secret string) error {
	_, err := k.within(func() (string, error) { return "", keyring.Set(keychainService, account, secret) })
	return err
}

func (k keychain) get(account string) (string, error) {
	return k.within(func() (string, error) { return keyring.Get(keychainService, account) })
}

func (k keychain) delete(account string) error {
	_, err := k.within(func() (string, error) { return "", keyring.Delete(keychainService, account) })
	return err
}

// within runs an operation of the library under the timeout. One that never returns
// keeps its goroutine until the process ends; there is no way to interrupt it.
func (k keychain) within(operation func() (string, error)) (string, error) {
	if !reachable() {
		return "", fmt.Errorf("%w: no session bus", ErrNoKeychain)
	}
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1) // buffered, so that a late answer finds no one and ends
	go func() {
		text, err := operation()
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return "", fmt.Errorf("%w: %w", ErrNoKeychain, a.err)
		}
		return a.text, nil
	case <-time.After(k.timeout):
		return "", fmt.Errorf("%w: %w", ErrNoKeychain, errSilent)
	}
}

// reachable reports whether there is a session bus to talk to, where the keychain needs
// one. Without this look the library would start a bus of its own, which nobody ends.
func reachable() bool {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return true
	}
	if address := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); address != "" && address != "autolaunch:" {
		return true
	}
	runtimeDir := fmt.Sprintf("/run/user/%d", os.Getuid())
	for _, name := range []string{"bus", "dbus-session"} {
		if _, err := os.Stat(runtimeDir + "/" + name); err == nil {
			return true
		}
	}
	return false
}
