package vault

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const (
	keyFileVersion = 1
	idSize         = 16
	saltSize       = 16
	nonceSize      = 12

	labelKeyFile = "kith v1 vault key-file"
)

// keyFile is key.json. Order, names and hexadecimal form of the fields are the format.
type keyFile struct {
	Version  int    `json:"version"`
	Kind     Kind   `json:"kind"`
	ID       string `json:"id"`
	Argon2id *argon `json:"argon2id,omitempty"` // for kind Passphrase only
	Nonce    string `json:"nonce"`
	Sealed   string `json:"sealed"`
}

type argon struct {
	Passes    uint32 `json:"passes"`
	MemoryKiB uint32 `json:"memory_kib"`
	Lanes     uint8  `json:"lanes"`
	Salt      string `json:"salt"`
}

func (a *argon) salt() []byte {
	b, _ := hex.DecodeString(a.Salt) // checked when the file was read
	return b
}

func newKeyFile(kind Kind) *keyFile {
	f := &keyFile{Version: keyFileVersion, Kind: kind, ID: randomHex(idSize)}
	if kind == Passphrase {
		f.Argon2id = &argon{Passes: argonPasses, MemoryKiB: argonMemory, Lanes: argonLanes, Salt: randomHex(saltSize)}
	}
	return f
}

func randomHex(size int) string {
	b := make([]byte, size)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// seal encrypts the master key, binding every other field to it.
func (f *keyFile) seal(wrapping, master [KeySize]byte) {
	f.Nonce = randomHex(nonceSize)
	nonce, _ := hex.DecodeString(f.Nonce)
	f.Sealed = hex.EncodeToString(aead(wrapping).Seal(nil, nonce, master[:], f.header()))
}

func (f *keyFile) open(wrapping [KeySize]byte) (master [KeySize]byte, err error) {
	nonce, _ := hex.DecodeString(f.Nonce)
	sealed, _ := hex.DecodeString(f.Sealed)
	plain, err := aead(wrapping).Open(nil, nonce, sealed, f.header())
	if err != nil || len(plain) != KeySize {
		return master, ErrWrongPassphrase
	}
	defer clear(plain)
	return [KeySize]byte(plain), nil
}

func aead(key [KeySize]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("vault: " + err.Error()) // only for a wrong key size, which the type fixes
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic("vault: " + err.Error()) // only for a wrong block size, which AES fixes
	}
	return gcm
}

// header is the associated data: every field but nonce and sealed, in binary, so that
// it does not depend on how JSON is written.
func (f *keyFile) header() []byte {
	b := append([]byte(labelKeyFile), 0, keyFileVersion)
	b = append(b, byte(len(f.Kind)))
	b = append(b, f.Kind...)
	id, _ := hex.DecodeString(f.ID)
	b = append(b, id...)
	if f.Argon2id == nil {
		return append(b, 0)
	}
	b = append(b, 1)
	b = binary.BigEndian.AppendUint32(b, f.Argon2id.Passes)
	b = binary.BigEndian.AppendUint32(b, f.Argon2id.MemoryKiB)
	b = append(b, f.Argon2id.Lanes)
	return append(b, f.Argon2id.salt()...)
}

// render is the one way to write the file.
func (f *keyFile) render() []byte {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		panic("vault: " + err.Error()) // strings and numbers always encode
	}
	return append(b, '\n')
}

func readKeyFile(dir string) (*keyFile, error) {
	file, err := os.Open(filepath.Join(dir, keyFileName))
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return parseKeyFile(b)
}

// parseKeyFile accepts exactly what render writes, which leaves JSON's many spellings,
// repeated names and unknown fields outside.
func parseKeyFile(b []byte) (*keyFile, error) {
	if len(b) > maxFile {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", ErrDamaged, keyFileName, maxFile)
	}
	f := new(keyFile)
	if err := json.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("%w: %s is not JSON of the right form", ErrDamaged, keyFileName)
	}
	if f.Version != keyFileVersion {
		return nil, fmt.Errorf("%w: %s has the unknown version %d", ErrDamaged, keyFileName, f.Version)
	}
	if !isHex(f.ID, idSize) || !isHex(f.Nonce, nonceSize) || !isHex(f.Sealed, KeySize+16) || !bytes.Equal(f.render(), b) {
		return nil, fmt.Errorf("%w: %s is not in its canonical form", ErrDamaged, keyFileName)
	}
	return f, f.checkKind()
}

func (f *keyFile) checkKind() error {
	a := f.Argon2id
	switch f.Kind {
	case Passphrase:
		if a == nil || !isHex(a.Salt, saltSize) {
			return fmt.Errorf("%w: no Argon2id parameters", ErrDamaged)
		}
		if a.Passes < minPasses || a.Passes > maxPasses || a.MemoryKiB < minMemory || a.MemoryKiB > maxMemory ||
			a.Lanes < minLanes || a.Lanes > maxLanes {
			return fmt.Errorf("%w: Argon2id with %d passes, %d KiB, %d lanes is outside the bounds", ErrDamaged, a.Passes, a.MemoryKiB, a.Lanes)
		}
	case Keychain, File:
		if a != nil {
			return fmt.Errorf("%w: Argon2id parameters without a passphrase", ErrDamaged)
		}
	default:
		return fmt.Errorf("%w: unknown kind", ErrDamaged)
	}
	return nil
}

func isHex(text string, size int) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == size && hex.EncodeToString(b) == text
}
