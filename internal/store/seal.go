package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// Labels of the keys derived from the vault's master key, docs/spec/store.md.
const (
	labelPages = "kith v1 store pages"
	labelRows  = "kith v1 store rows"
)

// errSealed reports a row that does not belong where it lies: changed,
// exchanged with another, or of another version.
var errSealed = errors.New("store: a sealed row is damaged")

// derive gives the 32-byte key for one purpose.
func derive(master [32]byte, label string) ([]byte, error) {
	return hkdf.Key(sha256.New, master[:], nil, label, 32)
}

// sealer seals row values under one key. Nonces are random: 2^32 rows may be
// written under a key before a repeat becomes likelier than 2^-32.
type sealer struct{ aead cipher.AEAD }

func newSealer(master [32]byte) (*sealer, error) {
	key, err := derive(master, labelRows)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &sealer{aead}, err
}

// seal binds value to its table, row and version.
func (s *sealer) seal(table, row string, version uint64, value []byte) []byte {
	out := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(value)+s.aead.Overhead())
	rand.Read(out)
	return s.aead.Seal(out, out, value, sealedAD(table, row, version))
}

func (s *sealer) open(table, row string, version uint64, sealed []byte) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return nil, errSealed
	}
	value, err := s.aead.Open(nil, sealed[:n], sealed[n:], sealedAD(table, row, version))
	if err != nil {
		return nil, errSealed
	}
	if value == nil {
		value = []byte{} // a row that exists is not nil
	}
	return value, nil
}

// sealedAD is u8 length and table, u16 length and row, u64 version.
func sealedAD(table, row string, version uint64) []byte {
	ad := append([]byte{byte(len(table))}, table...)
	ad = binary.BigEndian.AppendUint16(ad, uint16(len(row)))
	ad = append(ad, row...)
	return binary.BigEndian.AppendUint64(ad, version)
}
