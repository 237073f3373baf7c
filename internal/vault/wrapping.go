package vault

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/crypto/argon2"
)

// makeWrappingKey makes the key that f will be sealed under and puts it where it lives.
// undo takes it away again if the rest fails.
func (f *keyFile) makeWrappingKey(dir string, passphrase []byte, chain keychain) (key [KeySize]byte, undo func(), err error) {
	undo = func() {}
	switch f.Kind {
	case Passphrase:
		key, err = f.derive(passphrase)
	case Keychain:
		rand.Read(key[:])
		err = chain.keep(f.ID, hex.EncodeToString(key[:]))
		undo = func() { chain.delete(f.ID) }
	case File:
		key, undo, err = createMasterFile(filepath.Join(dir, masterFileName))
	default:
		err = fmt.Errorf("vault: unknown kind %q", f.Kind)
	}
	return key, undo, err
}

// wrappingKey fetches the key that f is sealed under.
func (f *keyFile) wrappingKey(dir string, ask func() ([]byte, error), chain keychain) (key [KeySize]byte, err error) {
	switch f.Kind {
	case Passphrase:
		if ask == nil {
			return key, ErrNoPassphrase
		}
		passphrase, err := ask()
		defer clear(passphrase)
		if err != nil {
			return key, err
		}
		return f.derive(passphrase)
	case Keychain:
		text, err := chain.get(f.ID)
		if err != nil {
			return key, err
		}
		return parseHexKey(text)
	default:
		return readMasterFile(filepath.Join(dir, masterFileName))
	}
}

// derive computes the wrapping key of a passphrase at the cost f states.
func (f *keyFile) derive(passphrase []byte) (key [KeySize]byte, err error) {
	if len(passphrase) == 0 || len(passphrase) > MaxPassphrase {
		return key, ErrNoPassphrase
	}
	derived := argon2.IDKey(passphrase, f.Argon2id.salt(), f.Argon2id.Passes, f.Argon2id.MemoryKiB, f.Argon2id.Lanes, KeySize)
	defer clear(derived)
	return [KeySize]byte(derived), nil
}

// createMasterFile writes a fresh wrapping key. One that lies there already, without a key.json, comes from
// a Create that was killed half-way; it is as good as a fresh one, and used.
func createMasterFile(path string) (key [KeySize]byte, undo func(), err error) {
	rand.Read(key[:])
	err = writeNew(path, []byte(hex.EncodeToString(key[:])+"\n"))
	if errors.Is(err, ErrExists) {
		key, err = readMasterFile(path)
		return key, func() {}, err
	}
	return key, func() { os.Remove(path) }, err
}

// readMasterFile refuses a file that others may read before it reads it.
func readMasterFile(path string) (key [KeySize]byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return key, fmt.Errorf("vault: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return key, fmt.Errorf("vault: %w", err)
	}
	if !info.Mode().IsRegular() {
		return key, fmt.Errorf("%w: %s is not a regular file", ErrDamaged, masterFileName)
	}
	if loose(info.Mode()) {
		return key, fmt.Errorf("%w: mode %#o, not 0600", ErrLoose, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(file, 2*KeySize+2))
	if err != nil {
		return key, fmt.Errorf("vault: %w", err)
	}
	defer clear(text)
	if len(text) != 2*KeySize+1 || text[2*KeySize] != '\n' {
		return key, fmt.Errorf("%w: %s is not 64 hexadecimal digits and a line feed", ErrDamaged, masterFileName)
	}
	return parseHexKey(string(text[:2*KeySize]))
}

// loose reports permissions for anybody but the owner. Windows has no such bits.
func loose(mode fs.FileMode) bool { return runtime.GOOS != "windows" && mode.Perm()&0o077 != 0 }

func parseHexKey(text string) (key [KeySize]byte, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != KeySize || hex.EncodeToString(b) != text {
		return key, fmt.Errorf("%w: wrapping key is not 64 hexadecimal digits", ErrDamaged)
	}
	defer clear(b)
	return [KeySize]byte(b), nil
}
