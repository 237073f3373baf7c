package boxstore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Labels of the keys derived from a day's key file, docs/spec/boxstore.md.
const (
	labelMarks  = "kith v1 boxstore marks"
	labelValues = "kith v1 boxstore values"
)

// mark is what a day calls a box: a keyed hash of its address.
type mark [markSize]byte

// add makes of a sum of marks the sum with one more, or with one less.
func (m *mark) add(other mark) { subtle.XORBytes(m[:], m[:], other[:]) }

// keys are one day's. Safe for concurrent use.
type keys struct {
	day    uint32
	values cipher.AEAD
	blobs  []byte    // key of blobs' names
	hashes sync.Pool // of hash.Hash under the key for marks
}

// errGone reports a day whose key is no more: its expiry was interrupted.
var errGone = errors.New("the day's key is gone")

// makeKeyFile writes a new day's key file, durably.
func makeKeyFile(dir string) error {
	var content [keyFileSize]byte
	rand.Read(content[:])
	defer clear(content[:])
	f, err := os.OpenFile(filepath.Join(dir, keyName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content[:])
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// readKeys reads a day's key file. errGone: there is none, or it was overwritten.
func readKeys(dir string, day uint32) (*keys, error) {
	content, err := os.ReadFile(filepath.Join(dir, keyName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errGone
	}
	if err != nil {
		return nil, err
	}
	defer clear(content)
	if len(content) != keyFileSize {
		return nil, errDamaged
	}
	if [keyFileSize]byte(content) == [keyFileSize]byte{} {
		return nil, errGone
	}
	return newKeys(content, day)
}

func newKeys(content []byte, day uint32) (*keys, error) {
	marks, err := hkdf.Key(sha256.New, content, nil, labelMarks, 32)
	if err != nil {
		return nil, err
	}
	values, err := hkdf.Key(sha256.New, content, nil, labelValues, 32)
	if err != nil {
		return nil, err
	}
	defer clear(values)
	block, err := aes.NewCipher(values)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	blobs, err := hkdf.Key(sha256.New, content, nil, labelBlobs, 32)
	if err != nil {
		return nil, err
	}
	k := &keys{day: day, values: aead, blobs: blobs}
	k.hashes.New = func() any { return hmac.New(sha256.New, marks) }
	return k, nil
}

// destroyKeyFile overwrites the key in place, makes that durable, and only
// then removes its name. A day whose key file is absent or zero is over.
func destroyKeyFile(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, keyName), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, keyFileSize), 0)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("destroying a key: %w", err)
	}
	return os.Remove(f.Name())
}

func (k *keys) mark(box [32]byte) (m mark) {
	h := k.hashes.Get().(hash.Hash)
	h.Reset()
	h.Write(box[:])
	var sum [sha256.Size]byte
	copy(m[:], h.Sum(sum[:0]))
	k.hashes.Put(h)
	return m
}

// seal encrypts a value for its place, in place: another mark, another day or a
// changed bit do not open. buf is room for a nonce, the value, and has capacity for
// a tag.
func (k *keys) seal(m mark, buf []byte) []byte {
	rand.Read(buf[:nonceSize])
	plain := buf[nonceSize:]
	return buf[:nonceSize+len(k.values.Seal(plain[:0], buf[:nonceSize], plain, k.bound(m)))]
}

// open appends the value to dst.
func (k *keys) open(dst []byte, m mark, sealed []byte) ([]byte, error) {
	return k.openFor(dst, sealed, k.bound(m))
}

// sealFor appends nonce and ciphertext to dst.
func (k *keys) sealFor(dst, plain, ad []byte) []byte {
	var nonce [nonceSize]byte
	rand.Read(nonce[:])
	return k.values.Seal(append(dst, nonce[:]...), nonce[:], plain, ad)
}

// openFor appends the plaintext to dst.
func (k *keys) openFor(dst, sealed, ad []byte) ([]byte, error) {
	if len(sealed) < nonceSize+tagSize {
		return nil, errDamaged
	}
	plain, err := k.values.Open(dst, sealed[:nonceSize], sealed[nonceSize:], ad)
	if err != nil {
		return nil, errDamaged
	}
	return plain, nil
}

func (k *keys) bound(m mark) []byte {
	return binary.BigEndian.AppendUint32(m[:], k.day)
}
