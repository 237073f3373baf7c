package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"kith/internal/vault"
)

// The keychain library keeps one connection for the whole process, so each test with a
// real bus runs this test binary again, with a bus of its own.

const childVariable = "KITH_VAULT_TEST_CHILD"

func TestMain(m *testing.M) {
	if what := os.Getenv(childVariable); what != "" {
		if err := child(what, os.Getenv("KITH_VAULT_TEST_DIR")); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("child done")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child does what its name says and reports what it did not expect.
func child(what, dir string) error {
	switch what {
	case "create":
		if _, err := vault.Create(dir, vault.Options{}); err != nil {
			return err
		}
		return child("open", dir)
	case "open":
		if kind, err := vault.KindOf(dir); err != nil || kind != vault.Keychain {
			return fmt.Errorf("kind %q: %w", kind, err)
		}
		key, err := vault.Open(dir, nil)
		fmt.Printf("key %x\n", key)
		return err
	case "find it locked":
		if _, err := vault.Open(dir, nil); !errors.Is(err, vault.ErrNoKeychain) {
			return fmt.Errorf("open: %w", err)
		}
		return child("fall back", dir+"-new")
	case "fall back":
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		began := time.Now()
		if _, err := vault.CreatePatiently(dir, vault.Options{}, 500*time.Millisecond); !errors.Is(err, vault.ErrNoPassphrase) {
			return fmt.Errorf("create: %w", err)
		}
		if took := time.Since(began); took > 4*time.Second {
			return fmt.Errorf("took %v", took)
		}
		if _, err := vault.CreatePatiently(dir, vault.Options{Kind: vault.Keychain}, 500*time.Millisecond); !errors.Is(err, vault.ErrNoKeychain) {
			return fmt.Errorf("create in the keychain: %w", err)
		}
		left, err := os.ReadDir(dir)
		if len(left) != 0 {
			return fmt.Errorf("left %d files, %w", len(left), err)
		}
		return nil
	}
	return fmt.Errorf("unknown child %q", what)
}

// runChild runs child(what) behind the command line given, and returns what it said.
func runChild(t *testing.T, home, what, dir string, environment []string, prefix ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	line := append(prefix, self)
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	cmd.Env = append(os.Environ(), childVariable+"="+what, "KITH_VAULT_TEST_DIR="+dir,
		"HOME="+home, "XDG_RUNTIME_DIR="+home, "XDG_DATA_HOME="+home+"/data", "XDG_CONFIG_HOME="+home+"/config", "XDG_CACHE_HOME="+home+"/cache")
	cmd.Env = append(cmd.Env, environment...)
	// Into a file: a service the bus started may outlive it and would hold a
	// pipe open for ever.
	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	err = cmd.Run()
	out, readErr := os.ReadFile(output.Name())
	if readErr != nil {
		t.Fatal(readErr)
	}
	if err != nil || !bytes.Contains(out, []byte("child done")) {
		t.Fatalf("%s: %v\n%s", what, err, out)
	}
	return string(out)
}

// unlock starts a Secret Service on the bus it runs on, unlocked by $UNLOCK, then the
// command it is given.
const unlock = `printf %s "$UNLOCK" | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1; exec "$@"`

func needSecretService(t *testing.T, programs ...string) {
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("SKIPPED: no %s here, so the real keychain is not tested", name)
		}
	}
}

func TestVault_VA02_realSecretService(t *testing.T) {
	needSecretService(t, "gnome-keyring-daemon", "dbus-run-session", "bash")
	home, dir := shortDir(t), t.TempDir()
	session := []string{"dbus-run-session", "--", "bash", "-c", unlock, "bash"}
	created := runChild(t, home, "create", dir, []string{"UNLOCK=one"}, session...)
	opened := runChild(t, home, "open", dir, []string{"UNLOCK=one"}, session...)
	key := regexp.MustCompile("key [0-9a-f]{64}")
	if first, second := key.FindString(created), key.FindString(opened); first == "" || first != second {
		t.Errorf("after a restart the key is another:\n%s%s", created, opened)
	}
	runChild(t, home, "find it locked", dir, []string{"UNLOCK=another"}, session...)
}

func TestVault_VA06_busWithoutKeychain(t *testing.T) {
	needSecretService(t, "dbus-run-session")
	home := shortDir(t)
	config := filepath.Join(home, "bus.conf")
	write(t, home, "bus.conf", []byte(`<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=`+home+`</listen><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`))
	runChild(t, home, "fall back", filepath.Join(home, "kith"), nil, "dbus-run-session", "--config-file="+config, "--")
}

func TestVault_VA06_noBusAtAll(t *testing.T) {
	home := shortDir(t)
	if _, err := os.Stat(fmt.Sprintf("/run/user/%d/bus", os.Getuid())); err == nil {
		t.Skip("SKIPPED: this account has a session bus that cannot be hidden")
	}
	runChild(t, home, "fall back", filepath.Join(home, "kith"), []string{"DBUS_SESSION_BUS_ADDRESS="}, "env")
}

// A bus that takes every message and answers none: the library waits for ever.
func TestVault_VA06_silentBus(t *testing.T) {
	home := shortDir(t)
	socket := filepath.Join(home, "bus")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Skipf("SKIPPED: no unix sockets here: %v", err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			defer c.Close() // when the test ends: until then it stays open and silent
		}
	}()
	runChild(t, home, "fall back", filepath.Join(home, "kith"), []string{"DBUS_SESSION_BUS_ADDRESS=unix:path=" + socket}, "env")
}

// shortDir is a temporary directory whose name leaves room for a socket's: they have
// 108 bytes at most.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "kv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return strings.TrimSuffix(dir, "/")
}
