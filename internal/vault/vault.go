package vault

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Kind says where the wrapping key lives.
type Kind string

// The kinds. Auto is for Create only.
const (
	Auto       Kind = ""           // Keychain where it works, else Passphrase
	Keychain   Kind = "keychain"   // in the operating system's keychain
	Passphrase Kind = "passphrase" // derived from a passphrase with Argon2id
	File       Kind = "file"       // in master.key beside key.json, for unattended machines
)

var (
	// ErrWrongPassphrase: the passphrase is wrong, or the key file or the wrapping key
	// was changed; which of them cannot be told. Ask again.
	ErrWrongPassphrase = errors.New("vault: wrong passphrase or changed key file")
	// ErrNoPassphrase: a passphrase is needed and there is none, or it is empty or too long.
	ErrNoPassphrase = errors.New("vault: a passphrase of 1 to 4096 bytes is needed")
	// ErrNoKeychain: the keychain is absent, locked or silent, or lost its item. The
	// wrapped error says more.
	ErrNoKeychain = errors.New("vault: keychain not usable")
	// ErrLoose: master.key can be read by others. Remove those permissions.
	ErrLoose = errors.New("vault: master.key is accessible to others")
	// ErrDamaged: key.json or master.key is not what this program writes.
	ErrDamaged = errors.New("vault: damaged key file")
	// ErrExists: the directory has a key already. Create never replaces one.
	ErrExists = errors.New("vault: key exists already")
)

const (
	keyFileName    = "key.json"
	masterFileName = "master.key"
)

// Options say how Create keeps the key.
type Options struct {
	Kind       Kind
	Passphrase []byte // for kind Passphrase, and for Auto without a keychain; not kept
}

// Create makes a master key for the existing directory dir and stores it. Kind Auto
// tries the keychain with a throw-away item first, and needs a passphrase only if that
// fails: on ErrNoPassphrase ask for one and call again. Deriving takes about a tenth of a second and 64
// MiB. After an error no usable key is left behind. Errors: ErrExists,
// ErrNoPassphrase, ErrNoKeychain, ErrLoose or ErrDamaged for a master.key that lies
// there already, and the file system's.
func Create(dir string, o Options) ([KeySize]byte, error) { return create(dir, o, newKeychain()) }

func create(dir string, o Options, chain keychain) (master [KeySize]byte, err error) {
	path := filepath.Join(dir, keyFileName)
	if _, err := os.Lstat(path); err == nil {
		return master, ErrExists
	} else if !errors.Is(err, fs.ErrNotExist) {
		return master, fmt.Errorf("vault: %w", err)
	}
	if o.Kind == Auto {
		o.Kind = Passphrase
		if chain.works() {
			o.Kind = Keychain
		}
	}
	f := newKeyFile(o.Kind)
	wrapping, undo, err := f.makeWrappingKey(dir, o.Passphrase, chain)
	if err != nil {
		return master, err
	}
	defer clear(wrapping[:])
	rand.Read(master[:])
	f.seal(wrapping, master)
	if err := writeNew(path, f.render()); err != nil {
		undo()
		clear(master[:])
		return master, err
	}
	return master, nil
}

// Open returns the master key of dir. passphrase is called at most once, and only for
// kind Passphrase; what it returns is erased; its error is returned; nil stands for
// ErrNoPassphrase. Errors: fs.ErrNotExist if dir has no key, ErrWrongPassphrase,
// ErrNoPassphrase, ErrNoKeychain, ErrLoose, ErrDamaged.
func Open(dir string, passphrase func() ([]byte, error)) ([KeySize]byte, error) {
	return open(dir, passphrase, newKeychain())
}

func open(dir string, passphrase func() ([]byte, error), chain keychain) (master [KeySize]byte, err error) {
	f, err := readKeyFile(dir)
	if err != nil {
		return master, err
	}
	wrapping, err := f.wrappingKey(dir, passphrase, chain)
	if err != nil {
		return master, err
	}
	defer clear(wrapping[:])
	return f.open(wrapping)
}

// KindOf returns how the key of dir is kept. Errors: fs.ErrNotExist if dir has no key,
// ErrDamaged.
func KindOf(dir string) (Kind, error) {
	f, err := readKeyFile(dir)
	if err != nil {
		return "", err
	}
	return f.Kind, nil
}
