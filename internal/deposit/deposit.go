package deposit

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"kith/media"
)

var (
	// ErrOpen reports a part that does not open: it is not what was deposited. The
	// relay, or the network, is at fault.
	ErrOpen = errors.New("deposit: does not open")
	// ErrLimit reports an argument beyond a limit of this package: the caller's fault.
	ErrLimit = errors.New("deposit: beyond a limit")
)

// Key is the secret of one deposit, 32 random bytes. Only sender and receiver have
// it.
type Key [32]byte

// Kind says what a part is.
type Kind uint8

// The kinds of parts.
const (
	Chunk Kind = 1
	Index Kind = 2
)

const (
	labelPart       = "kith v1 deposit part"
	labelCapability = "kith v1 deposit capability"
)

// derive gives the key of one part for one purpose. Rule DP-02.
func (k *Key) derive(label string, kind Kind, i uint64) [32]byte {
	info := append([]byte(label), byte(kind))
	b, err := hkdf.Key(sha256.New, k[:], nil, string(binary.BigEndian.AppendUint64(info, i)), 32)
	if err != nil {
		panic(err) // never: the length is fixed
	}
	return [32]byte(b)
}

// Capability is the key under which capabilities for a part are minted.
func (k *Key) Capability(kind Kind, i uint64) [32]byte { return k.derive(labelCapability, kind, i) }

// ID names a part: the SHA-256 of its bytes.
func ID(part []byte) [32]byte { return sha256.Sum256(part) }

// Indexes is how many indexes a deposit of so many chunks has: none when it names
// them itself. It fails with [ErrLimit] for none and for more than [MaxChunks].
func Indexes(chunks uint64) (uint64, error) {
	switch {
	case chunks == 0 || chunks > MaxChunks:
		return 0, ErrLimit
	case chunks <= MaxDirect:
		return 0, nil
	}
	return (chunks + IndexIDs - 1) / IndexIDs, nil
}

// Names is how many ids a deposit of so many chunks names; errors as [Indexes].
func Names(chunks uint64) (uint64, error) {
	n, err := Indexes(chunks)
	if n == 0 {
		n = chunks
	}
	return n, err
}

// SealChunk makes the part of chunk i of a file, 1 to [media.ChunkSize] bytes, with
// its proof of at most [media.MaxProof] hashes, appended to dst. The same arguments
// give the same bytes. It fails with [ErrLimit]. Source: docs/spec/deposit.md, DP-03.
func (k *Key) SealChunk(dst []byte, i uint64, chunk []byte, proof [][32]byte) ([]byte, error) {
	if len(chunk) == 0 || len(chunk) > media.ChunkSize || len(proof) > media.MaxProof {
		return nil, ErrLimit
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, MaxPart))
	b.AddUint8(uint8(len(proof)))
	for _, h := range proof {
		b.AddBytes(h[:])
	}
	b.AddUint32(uint32(len(chunk)))
	b.AddBytes(chunk)
	return k.seal(dst, Chunk, i, b.BytesOrPanic())
}

// SealIndex makes index i, which lists 1 to [IndexIDs] ids; as [Key.SealChunk].
func (k *Key) SealIndex(dst []byte, i uint64, ids [][32]byte) ([]byte, error) {
	if len(ids) == 0 || len(ids) > IndexIDs {
		return nil, ErrLimit
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, MaxPart))
	b.AddUint32(uint32(len(ids)))
	for _, id := range ids {
		b.AddBytes(id[:])
	}
	return k.seal(dst, Index, i, b.BytesOrPanic())
}

// seal pads to the next size and encrypts. The key is used for this part alone, so
// the nonce is zero. Rule DP-03.
func (k *Key) seal(dst []byte, kind Kind, i uint64, plain []byte) ([]byte, error) {
	size, ok := partSize(len(plain))
	if !ok {
		return nil, ErrLimit
	}
	aead, err := k.aead(kind, i)
	if err != nil {
		return nil, err
	}
	plain = append(plain, make([]byte, size-aead.Overhead()-len(plain))...)
	return aead.Seal(dst, make([]byte, aead.NonceSize()), plain, nil), nil
}

// partSize is the size of the part for a plaintext: the least of the allowed ones.
func partSize(plain int) (int, bool) {
	units := max(plain+tag-frame+unit-1, unit) / unit
	size := units*unit + frame
	return size, size <= MaxPart
}

const tag = 16

func (k *Key) aead(kind Kind, i uint64) (cipher.AEAD, error) {
	key := k.derive(labelPart, kind, i)
	defer clear(key[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("deposit: %w", err)
	}
	return cipher.NewGCM(block)
}

// OpenChunk opens the part of chunk i and returns the chunk and its proof, both in
// memory of the part's, which is overwritten. It fails with [ErrOpen], whatever is
// wrong. That the chunk belongs to the file is for package media to say.
func (k *Key) OpenChunk(i uint64, part []byte) (chunk []byte, proof [][32]byte, err error) {
	plain, err := k.open(Chunk, i, part)
	if err != nil {
		return nil, nil, err
	}
	s := cryptobyte.String(plain)
	var n uint8
	var size uint32
	if !s.ReadUint8(&n) || n > media.MaxProof {
		return nil, nil, ErrOpen
	}
	proof = make([][32]byte, n)
	for j := range proof {
		if !s.CopyBytes(proof[j][:]) {
			return nil, nil, ErrOpen
		}
	}
	if !s.ReadUint32(&size) || size == 0 || size > media.ChunkSize || !s.ReadBytes(&chunk, int(size)) || !padding(s, len(part), len(plain)-len(s)) {
		return nil, nil, ErrOpen
	}
	return chunk, proof, nil
}

// OpenIndex opens index i and returns the ids it lists; as [Key.OpenChunk].
func (k *Key) OpenIndex(i uint64, part []byte) ([][32]byte, error) {
	plain, err := k.open(Index, i, part)
	if err != nil {
		return nil, err
	}
	s := cryptobyte.String(plain)
	var n uint32
	if !s.ReadUint32(&n) || n == 0 || n > IndexIDs {
		return nil, ErrOpen
	}
	ids := make([][32]byte, n)
	for j := range ids {
		if !s.CopyBytes(ids[j][:]) {
			return nil, ErrOpen
		}
	}
	if !padding(s, len(part), len(plain)-len(s)) {
		return nil, ErrOpen
	}
	return ids, nil
}

func (k *Key) open(kind Kind, i uint64, part []byte) ([]byte, error) {
	if len(part) < unit+frame || len(part) > MaxPart || (len(part)-frame)%unit != 0 {
		return nil, ErrOpen
	}
	aead, err := k.aead(kind, i)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(part[:0], make([]byte, aead.NonceSize()), part, nil)
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// padding reports whether rest is all zeros and no longer than the size makes it.
func padding(rest []byte, part, used int) bool {
	if size, ok := partSize(used); !ok || size != part {
		return false
	}
	for _, x := range rest {
		if x != 0 {
			return false
		}
	}
	return true
}
