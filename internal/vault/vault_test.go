package vault_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"

	"kith/internal/vault"
)

func saying(passphrase string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(passphrase), nil }
}

// useKeychain replaces the machine's keychain by one in memory.
func useKeychain(t testing.TB) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	keyring.MockInit()
}

func useBrokenKeychain(t testing.TB) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	keyring.MockInitWithError(errors.New("locked"))
}

func create(t testing.TB, dir string, o vault.Options) [vault.KeySize]byte {
	t.Helper()
	key, err := vault.Create(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func read(t testing.TB, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func names(t testing.TB, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestVault_VA01_everyKindOpensAgain(t *testing.T) {
	useKeychain(t)
	seen := map[[vault.KeySize]byte]bool{{}: true}
	for _, kind := range []vault.Kind{vault.Keychain, vault.Passphrase, vault.File} {
		dir := t.TempDir()
		key := create(t, dir, vault.Options{Kind: kind, Passphrase: []byte("correct horse")})
		if seen[key] {
			t.Errorf("%s: not a fresh key", kind)
		}
		seen[key] = true
		if got, err := vault.KindOf(dir); err != nil || got != kind {
			t.Errorf("%s: kind is %q, %v", kind, got, err)
		}
		if again, err := vault.Open(dir, saying("correct horse")); err != nil || again != key {
			t.Errorf("%s: %v", kind, err)
		}
		for _, name := range names(t, dir) {
			if bytes.Contains(read(t, dir, name), key[:]) {
				t.Errorf("%s: %s holds the master key openly", kind, name)
			}
		}
	}
}

func TestVault_VA01_filesArePrivateAndAlone(t *testing.T) {
	useKeychain(t)
	for kind, want := range map[vault.Kind][]string{
		vault.Keychain: {"key.json"}, vault.Passphrase: {"key.json"}, vault.File: {"key.json", "master.key"},
	} {
		dir := t.TempDir()
		create(t, dir, vault.Options{Kind: kind, Passphrase: []byte("p")})
		if got := names(t, dir); !slices.Equal(got, want) {
			t.Errorf("%s: directory has %v", kind, got)
		}
		for _, name := range names(t, dir) {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %s has mode %v", kind, name, info.Mode())
			}
		}
	}
}

func TestVault_VA02_autoChoosesKeychainThenPassphrase(t *testing.T) {
	useKeychain(t)
	dir := t.TempDir()
	create(t, dir, vault.Options{Passphrase: []byte("unused")})
	if kind, err := vault.KindOf(dir); kind != vault.Keychain {
		t.Errorf("with a keychain: %q, %v", kind, err)
	}
	useBrokenKeychain(t)
	dir = t.TempDir()
	if _, err := vault.Create(dir, vault.Options{}); !errors.Is(err, vault.ErrNoPassphrase) {
		t.Errorf("without keychain and passphrase: %v", err)
	}
	if left := names(t, dir); len(left) != 0 {
		t.Errorf("a failed Create left %v", left)
	}
	create(t, dir, vault.Options{Passphrase: []byte("needed")})
	if kind, err := vault.KindOf(dir); kind != vault.Passphrase {
		t.Errorf("without a keychain: %q, %v", kind, err)
	}
}

func TestVault_VA03_existingKeyIsNeverReplaced(t *testing.T) {
	useKeychain(t)
	dir := t.TempDir()
	key := create(t, dir, vault.Options{Kind: vault.File})
	before := read(t, dir, "key.json")
	for _, kind := range []vault.Kind{vault.Auto, vault.Keychain, vault.Passphrase, vault.File} {
		if _, err := vault.Create(dir, vault.Options{Kind: kind, Passphrase: []byte("p")}); !errors.Is(err, vault.ErrExists) {
			t.Errorf("%q: %v", kind, err)
		}
	}
	if again, err := vault.Open(dir, nil); err != nil || again != key || !bytes.Equal(before, read(t, dir, "key.json")) {
		t.Errorf("the key changed: %v", err)
	}
}

func TestVault_VA03_noKeyYet(t *testing.T) {
	if _, err := vault.Open(t.TempDir(), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := vault.KindOf(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := vault.Create(filepath.Join(t.TempDir(), "missing"), vault.Options{Kind: vault.File}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := vault.Create(t.TempDir(), vault.Options{Kind: "tattoo"}); err == nil {
		t.Error("unknown kind accepted")
	}
}

// A Create killed between its two files leaves master.key alone.
func TestVault_VA04_orphanedMasterFileIsUsed(t *testing.T) {
	dir := t.TempDir()
	create(t, dir, vault.Options{Kind: vault.File})
	orphan := read(t, dir, "master.key")
	if err := os.Remove(filepath.Join(dir, "key.json")); err != nil {
		t.Fatal(err)
	}
	key := create(t, dir, vault.Options{Kind: vault.File})
	if again, err := vault.Open(dir, nil); err != nil || again != key || !bytes.Equal(orphan, read(t, dir, "master.key")) {
		t.Errorf("not usable: %v", err)
	}
}

func TestVault_VA05_passphrases(t *testing.T) {
	dir := t.TempDir()
	key := create(t, dir, vault.Options{Kind: vault.Passphrase, Passphrase: []byte("Zo\u00eb ")})
	for _, wrong := range []string{"Zo\u00eb", "Zoe\u0308 ", "zo\u00eb ", "Zo\u00eb \n", "x"} {
		if got, err := vault.Open(dir, saying(wrong)); !errors.Is(err, vault.ErrWrongPassphrase) || got != ([vault.KeySize]byte{}) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	given := []byte("Zo\u00eb ")
	if got, err := vault.Open(dir, func() ([]byte, error) { return given, nil }); err != nil || got != key {
		t.Error(err)
	}
	if !bytes.Equal(given, make([]byte, len(given))) {
		t.Error("the passphrase was not erased")
	}
	interrupted := errors.New("interrupted")
	if _, err := vault.Open(dir, func() ([]byte, error) { return nil, interrupted }); !errors.Is(err, interrupted) {
		t.Error(err)
	}
}

func TestVault_VA05_passphraseLength(t *testing.T) {
	longest := strings.Repeat("p", vault.MaxPassphrase)
	dir := t.TempDir()
	for _, wrong := range []string{"", longest + "p"} {
		if _, err := vault.Create(dir, vault.Options{Kind: vault.Passphrase, Passphrase: []byte(wrong)}); !errors.Is(err, vault.ErrNoPassphrase) {
			t.Errorf("create with %d bytes: %v", len(wrong), err)
		}
	}
	create(t, dir, vault.Options{Kind: vault.Passphrase, Passphrase: []byte(longest)})
	for _, wrong := range []string{"", longest + "p"} {
		if _, err := vault.Open(dir, saying(wrong)); !errors.Is(err, vault.ErrNoPassphrase) {
			t.Errorf("open with %d bytes: %v", len(wrong), err)
		}
	}
	if _, err := vault.Open(dir, nil); !errors.Is(err, vault.ErrNoPassphrase) {
		t.Error(err)
	}
}

func TestVault_VA06_keychainLost(t *testing.T) {
	useKeychain(t)
	dir := t.TempDir()
	create(t, dir, vault.Options{Kind: vault.Keychain})
	useKeychain(t) // empty
	if _, err := vault.Open(dir, saying("p")); !errors.Is(err, vault.ErrNoKeychain) || !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("item gone: %v", err)
	}
	useBrokenKeychain(t)
	if _, err := vault.Open(dir, saying("p")); !errors.Is(err, vault.ErrNoKeychain) {
		t.Errorf("keychain locked: %v", err)
	}
	if _, err := vault.Create(t.TempDir(), vault.Options{Kind: vault.Keychain}); !errors.Is(err, vault.ErrNoKeychain) {
		t.Errorf("created without keychain: %v", err)
	}
}

func TestVault_VA06_changedKeychainItem(t *testing.T) {
	useKeychain(t)
	dir := t.TempDir()
	create(t, dir, vault.Options{Kind: vault.Keychain})
	var f struct{ ID string }
	if err := json.Unmarshal(read(t, dir, "key.json"), &f); err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]error{
		strings.Repeat("00", 32): vault.ErrWrongPassphrase, "": vault.ErrDamaged, strings.Repeat("0g", 32): vault.ErrDamaged, strings.Repeat("AA", 32): vault.ErrDamaged,
	} {
		if err := keyring.Set("kith", f.ID, secret); err != nil {
			t.Fatal(err)
		}
		if _, err := vault.Open(dir, nil); !errors.Is(err, want) {
			t.Errorf("%.4q: %v", secret, err)
		}
	}
}

func TestVault_VA07_looseMasterFileRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits on this system")
	}
	dir := t.TempDir()
	create(t, dir, vault.Options{Kind: vault.File})
	path := filepath.Join(dir, "master.key")
	for mode, want := range map[fs.FileMode]error{
		0o640: vault.ErrLoose, 0o604: vault.ErrLoose, 0o620: vault.ErrLoose, 0o601: vault.ErrLoose, 0o600: nil, 0o400: nil,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := vault.Open(dir, nil); !errors.Is(err, want) {
			t.Errorf("mode %#o: %v", mode, err)
		}
	}
}

func TestVault_VA07_damagedMasterFile(t *testing.T) {
	dir := t.TempDir()
	create(t, dir, vault.Options{Kind: vault.File})
	good := string(read(t, dir, "master.key"))
	for name, text := range map[string]string{
		"empty": "", "short": good[1:], "long": good + "\n", "no line feed": good[:64], "not hexadecimal": "g" + good[1:], "upper case": strings.Repeat("AA", 32) + "\n",
	} {
		write(t, dir, "master.key", []byte(text))
		if _, err := vault.Open(dir, nil); !errors.Is(err, vault.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	write(t, dir, "master.key", []byte(strings.Repeat("0", 64)+"\n"))
	if _, err := vault.Open(dir, nil); !errors.Is(err, vault.ErrWrongPassphrase) {
		t.Errorf("another key: %v", err)
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, "master.key")), os.Mkdir(filepath.Join(dir, "master.key"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Open(dir, nil); !errors.Is(err, vault.ErrDamaged) {
		t.Errorf("a directory: %v", err)
	}
}

// changed rewrites key.json canonically with some fields replaced.
func changed(t testing.TB, file []byte, old, new string) []byte {
	t.Helper()
	if !bytes.Contains(file, []byte(old)) {
		t.Fatalf("%s is not in %s", old, file)
	}
	return bytes.Replace(file, []byte(old), []byte(new), 1)
}

func field(t testing.TB, file []byte, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(string(file), `"`+name+`": "`)
	value, _, closed := strings.Cut(rest, `"`)
	if !ok || !closed {
		t.Fatalf("no field %s", name)
	}
	return value
}

// Every field of a file in perfect form is bound to the sealed key.
func TestVault_VA08_changedFieldsAreNoticed(t *testing.T) {
	dir := t.TempDir()
	create(t, dir, vault.Options{Kind: vault.Passphrase, Passphrase: []byte("p")})
	good := read(t, dir, "key.json")
	tampered := map[string][]byte{
		"passes": changed(t, good, `"passes": 3`, `"passes": 2`),
		"memory": changed(t, good, `"memory_kib": 65536`, `"memory_kib": 32768`),
		"lanes":  changed(t, good, `"lanes": 4`, `"lanes": 1`),
	}
	for _, name := range []string{"id", "salt", "nonce", "sealed"} {
		value := field(t, good, name)
		flipped := "0"
		if value[:1] == "0" {
			flipped = "1"
		}
		tampered[name] = changed(t, good, value, flipped+value[1:])
	}
	for name, file := range tampered {
		write(t, dir, "key.json", file)
		if _, err := vault.Open(dir, saying("p")); !errors.Is(err, vault.ErrWrongPassphrase) {
			t.Errorf("%s: %v", name, err)
		}
	}
	write(t, dir, "key.json", good)
	if _, err := vault.Open(dir, saying("p")); err != nil {
		t.Errorf("the untouched file: %v", err)
	}
}

// The kind is bound too: the wrapping key of one kind, planted as another's, does not open.
func TestVault_VA08_changedKindIsNoticed(t *testing.T) {
	useKeychain(t)
	dir := t.TempDir()
	create(t, dir, vault.Options{Kind: vault.File})
	file := read(t, dir, "key.json")
	write(t, dir, "key.json", changed(t, file, `"file"`, `"keychain"`))
	if err := keyring.Set("kith", field(t, file, "id"), strings.TrimSpace(string(read(t, dir, "master.key")))); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Open(dir, nil); !errors.Is(err, vault.ErrWrongPassphrase) {
		t.Error(err)
	}
}

func TestVault_VA09_argonBounds(t *testing.T) {
	dir := t.TempDir()
	create(t, dir, vault.Options{Kind: vault.Passphrase, Passphrase: []byte("p")})
	good := read(t, dir, "key.json")
	asked := false
	ask := func() ([]byte, error) { asked = true; return nil, vault.ErrNoPassphrase }
	for text, inside := range map[string]bool{
		`"passes": 1`: false, `"passes": 2`: true, `"passes": 16`: true, `"passes": 17`: false, `"passes": 4294967295`: false,
		`"memory_kib": 19455`: false, `"memory_kib": 19456`: true, `"memory_kib": 1048576`: true, `"memory_kib": 1048577`: false,
		`"lanes": 0`: false, `"lanes": 1`: true, `"lanes": 16`: true, `"lanes": 17`: false,
	} {
		name, _, _ := strings.Cut(text, ":")
		_, rest, _ := strings.Cut(string(good), name)
		old, _, _ := strings.Cut(rest, ",")
		write(t, dir, "key.json", changed(t, good, name+old, text))
		asked = false
		_, err := vault.Open(dir, ask)
		if inside && !asked || !inside && (asked || !errors.Is(err, vault.ErrDamaged)) {
			t.Errorf("%s: asked %v, %v", text, asked, err)
		}
	}
}

func TestVault_VA10_onlyTheCanonicalFileIsRead(t *testing.T) {
	dir := t.TempDir()
	create(t, dir, vault.Options{Kind: vault.Passphrase, Passphrase: []byte("p")})
	good := read(t, dir, "key.json")
	withoutArgon := string(good[:bytes.Index(good, []byte(`  "argon2id"`))]) + string(good[bytes.Index(good, []byte(`  "nonce"`)):])
	id, salt := field(t, good, "id"), field(t, good, "salt")
	for name, file := range map[string][]byte{
		"empty":               nil,
		"not JSON":            []byte("key"),
		"null":                []byte("null\n"),
		"version 2":           changed(t, good, `"version": 1`, `"version": 2`),
		"trailing space":      append(slices.Clone(good), ' '),
		"trailing value":      append(slices.Clone(good), "{}"...),
		"no line feed":        good[:len(good)-1],
		"unknown field":       changed(t, good, `"version": 1,`, `"version": 1, "x": 1,`),
		"repeated field":      changed(t, good, `"version": 1,`, `"version": 1, "version": 1,`),
		"upper-case name":     changed(t, good, `"version"`, `"VERSION"`),
		"unknown kind":        changed(t, good, `"passphrase"`, `"fingerprint"`),
		"kind auto":           changed(t, good, `"passphrase"`, `""`),
		"upper-case id":       changed(t, good, id, strings.Repeat("A", len(id))),
		"short id":            changed(t, good, id, id[2:]),
		"short salt":          changed(t, good, salt, salt[2:]),
		"parameters gone":     []byte(withoutArgon),
		"needless parameters": changed(t, good, `"passphrase"`, `"file"`),
		"too large":           append(slices.Clone(good), bytes.Repeat([]byte(" "), 1<<13)...),
	} {
		write(t, dir, "key.json", file)
		if _, err := vault.Open(dir, saying("p")); !errors.Is(err, vault.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := vault.KindOf(dir); !errors.Is(err, vault.ErrDamaged) {
			t.Errorf("%s: kind: %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	for _, kind := range []vault.Kind{vault.Passphrase, vault.File} {
		sub := filepath.Join(dir, string(kind))
		if err := os.Mkdir(sub, 0o700); err != nil {
			f.Fatal(err)
		}
		create(f, sub, vault.Options{Kind: kind, Passphrase: []byte("p")})
		f.Add(read(f, sub, "key.json"))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		dir := t.TempDir()
		write(t, dir, "key.json", file)
		if kind, err := vault.KindOf(dir); err == nil && kind == vault.Keychain {
			return // a valid file; do not disturb the machine's keychain
		}
		if _, err := vault.Open(dir, nil); err == nil {
			t.Errorf("%q opened without a secret", file)
		}
	})
}
