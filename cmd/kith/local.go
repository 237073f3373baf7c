package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"kith/identity"
	"kith/internal/cli"
	"kith/internal/engine"
	"kith/internal/store"
	"kith/internal/vault"
)

// version is the program's own, beside what the build recorded.
const version = "0.1.0"

// local puts the parts of a node together for the command line.
type local struct{}

// Version returns the version and, when known, the revision it was built from.
func (local) Version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return "kith " + version + " (" + s.Value[:12] + ")"
			}
		}
	}
	return "kith " + version
}

// Init makes a home directory: a master key in the vault, and a database under
// it with a new account, or the account of a recovery phrase.
func (local) Init(ctx context.Context, o cli.InitOptions) (*cli.InitResult, error) {
	if _, err := os.Lstat(filepath.Join(o.Home, "kith.db")); err == nil {
		return nil, cli.NotNow(fmt.Sprintf("there is an account in %s already", o.Home), "choose another directory with --home, or start it with: kith up")
	}
	account := identity.NewAccount()
	if o.Phrase != "" {
		var err error
		if account, err = identity.AccountFromPhrase(o.Phrase); err != nil {
			return nil, badPhrase(err)
		}
	}
	now := time.Now()
	first, err := engine.Create(account, o.Name, now)
	if err != nil {
		return nil, plain(err)
	}
	if err := os.MkdirAll(o.Home, 0o700); err != nil {
		if err = store.DiskError(err); errors.Is(err, store.ErrFull) {
			return nil, storeError(err, o.Home)
		}
		return nil, err // it names the directory that cannot be made
	}
	if err := removeUnfinished(o.Home); err != nil {
		return nil, err
	}
	key, kind, err := createVault(o)
	if err != nil {
		return nil, err
	}
	if err := store.Create(o.Home, key, first, now); err != nil {
		return nil, storeError(err, o.Home)
	}
	r := &cli.InitResult{Account: account.ID().String(), Name: o.Name, Key: kind}
	if o.Phrase == "" {
		r.Phrase = strings.Fields(account.Phrase())
	}
	return r, nil
}

// removeUnfinished takes away what the vault of an init that was killed has
// left beside its files.
func removeUnfinished(home string) error {
	entries, err := os.ReadDir(home)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "key.json.new-") || strings.HasPrefix(e.Name(), "master.key.new-") {
			err = errors.Join(err, os.Remove(filepath.Join(home, e.Name())))
		}
	}
	return err
}

// createVault makes the master key: in a file when asked for, under the
// passphrase when a script gave one, else in the keychain, else under a
// passphrase the person is asked for. An interrupted init left a key without a
// database: it is opened and used.
func createVault(o cli.InitOptions) ([vault.KeySize]byte, string, error) {
	options := vault.Options{Kind: vault.Auto}
	_, scripted := os.LookupEnv("KITH_PASSPHRASE")
	switch {
	case o.KeyFile:
		options.Kind = vault.File
	case scripted || o.UsePassphrase:
		p, err := o.Passphrase()
		if err != nil {
			return [vault.KeySize]byte{}, "", err
		}
		options = vault.Options{Kind: vault.Passphrase, Passphrase: p}
	}
	key, err := vault.Create(o.Home, options)
	if errors.Is(err, vault.ErrNoPassphrase) {
		if options.Passphrase, err = o.Passphrase(); err != nil {
			return key, "", err
		}
		options.Kind = vault.Passphrase
		key, err = vault.Create(o.Home, options)
	}
	if errors.Is(err, vault.ErrExists) {
		key, err = vault.Open(o.Home, o.Passphrase)
	}
	if err != nil {
		return key, "", vaultError(err)
	}
	kind, err := vault.KindOf(o.Home)
	return key, string(kind), err
}

func badPhrase(err error) error {
	return &cli.Error{Text: err.Error()[len("identity: "):], Hint: "give the 24 words in their order, with spaces between", Exit: 2}
}

// plain turns an engine's error into one for the command line.
func plain(err error) error {
	var e *engine.Error
	if errors.As(err, &e) {
		return &cli.Error{Text: e.Text, Hint: e.Hint, Exit: 2}
	}
	return err
}

func vaultError(err error) error {
	switch {
	case errors.Is(err, vault.ErrWrongPassphrase):
		return cli.Locked("the passphrase is wrong, or key.json was changed", "try again; without the passphrase only the 24 words bring the account back")
	case errors.Is(err, vault.ErrNoPassphrase):
		return cli.Locked(fmt.Sprintf("a passphrase of 1 to %d bytes is needed", vault.MaxPassphrase), "set KITH_PASSPHRASE, or run it on a terminal")
	case errors.Is(err, vault.ErrNoKeychain):
		return cli.Locked("this system's keychain does not answer, and the key is in it", "unlock the keychain, or log in to the desktop it belongs to")
	case errors.Is(err, vault.ErrLoose):
		return cli.Locked("the key file can be read by others", "chmod 600 master.key in the home directory")
	case errors.Is(err, vault.ErrDamaged):
		return &cli.Error{Text: "the key file is damaged", Hint: "put key.json back from a backup, or restore the account with its 24 words", Exit: 1}
	case errors.Is(store.DiskError(err), store.ErrFull):
		return diskFull()
	}
	if missing, ok := errors.AsType[*fs.PathError](err); ok && errors.Is(err, fs.ErrNotExist) {
		return &cli.Error{Text: filepath.Base(missing.Path) + " is missing", Hint: "put it back from a backup; without it only the 24 words bring the account back", Exit: 1}
	}
	return err
}

func diskFull() error { return cli.NotNow("the disk is full", "free some space; nothing was lost") }

func storeError(err error, home string) error {
	switch {
	case errors.Is(err, store.ErrNone), errors.Is(err, fs.ErrNotExist):
		return &cli.Error{Text: fmt.Sprintf("there is no account in %s", home), Hint: "make one with: kith init --name NAME", Exit: 3}
	case errors.Is(err, store.ErrInUse):
		return cli.NotNow("another kith is running with this home directory", "end it with kith down, or choose another --home")
	case errors.Is(err, store.ErrDamaged):
		return &cli.Error{Text: "the database is damaged or belongs to another key", Hint: "put the home directory back from a backup; the account comes back with its 24 words", Exit: 1}
	case errors.Is(err, store.ErrNewer):
		return &cli.Error{Text: "the database was written by a newer version of kith", Hint: "update kith", Exit: 1}
	case errors.Is(err, store.ErrFull):
		return diskFull()
	}
	return err
}
