package box

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"
)

// What is signed, docs/spec/box.md 5.
const (
	labelPut    = "put/1"
	labelDelete = "del/1"
)

// sealCell seals a part into a cell. The nonce is random, since a crash between
// sealing and keeping would otherwise use one twice. BX-05.
func sealCell(k *Keys, expiry uint32, part []byte) ([]byte, error) {
	if len(part) > Capacity {
		return nil, ErrLimit
	}
	aead, err := chacha20poly1305.NewX(k.key[:])
	if err != nil {
		return nil, err // never: the key has its size
	}
	plain := make([]byte, lengthSize+Capacity)
	binary.BigEndian.PutUint16(plain, uint16(len(part)))
	copy(plain[lengthSize:], part)
	cell := make([]byte, nonceSize, CellSize)
	rand.Read(cell)
	cell = aead.Seal(cell, cell, plain, cellAD(k.Box, expiry))
	clear(plain)
	return cell, nil
}

func cellAD(b [32]byte, expiry uint32) []byte {
	return binary.BigEndian.AppendUint32(append(make([]byte, 0, 36), b[:]...), expiry)
}

// openCell is the reverse of sealCell; all that can be wrong is [ErrOpen].
func openCell(k *Keys, expiry uint32, cell []byte) ([]byte, error) {
	if len(cell) != CellSize {
		return nil, ErrOpen
	}
	aead, err := chacha20poly1305.NewX(k.key[:])
	if err != nil {
		return nil, err // never
	}
	plain, err := aead.Open(nil, cell[:nonceSize], cell[nonceSize:], cellAD(k.Box, expiry))
	if err != nil {
		return nil, ErrOpen
	}
	n := int(binary.BigEndian.Uint16(plain))
	if n > Capacity {
		return nil, ErrOpen
	}
	for _, b := range plain[lengthSize+n:] {
		if b != 0 {
			return nil, ErrOpen
		}
	}
	return plain[lengthSize : lengthSize+n], nil
}

func putText(b [32]byte, expiry uint32, cell []byte) []byte {
	sum := sha256.Sum256(cell)
	text := append([]byte(labelPut), b[:]...)
	text = binary.BigEndian.AppendUint32(text, expiry)
	return append(text, sum[:]...)
}

func deleteText(b [32]byte) []byte { return append([]byte(labelDelete), b[:]...) }

// VerifyPut reports whether whoever holds a box's keys wrote this cell with this
// expiry. BX-07.
func VerifyPut(b [32]byte, expiry uint32, cell []byte, sig *[64]byte) bool {
	return len(cell) == CellSize && ed25519.Verify(b[:], putText(b, expiry, cell), sig[:])
}

// VerifyDelete reports whether whoever holds a box's keys deleted it. BX-08.
func VerifyDelete(b [32]byte, sig *[64]byte) bool { return ed25519.Verify(b[:], deleteText(b), sig[:]) }

// sign signs with a box's key.
func (k *Keys) sign(text []byte) (sig [64]byte) {
	private := ed25519.NewKeyFromSeed(k.seed[:])
	defer clear(private)
	copy(sig[:], ed25519.Sign(private, text))
	return sig
}

// Seal puts a part of at most [Capacity] bytes into the next box of the chain, to be
// there until the end of a day (days since 1970), and returns what is asked of each
// relay and the box's address. What it returns must be kept before the first relay is
// asked: asked again it must be byte for byte the same. It fails with [ErrLimit].
func (c *Chain) Seal(part []byte, expiry uint32) (*Put, error) {
	if len(part) > Capacity {
		return nil, ErrLimit
	}
	k, err := c.Next()
	if err != nil {
		return nil, err
	}
	cell, err := sealCell(&k, expiry, part)
	if err != nil {
		return nil, err
	}
	return &Put{Box: k.Box, Expiry: expiry, Sig: k.sign(putText(k.Box, expiry, cell)), Cell: cell}, nil
}

// Open opens what was found in a box of the window. It changes nothing; [Reader.Done]
// says that the box is read. It fails with [ErrOpen].
func (r *Reader) Open(b [32]byte, expiry uint32, cell []byte) (index uint64, part []byte, err error) {
	i := r.find(b)
	if i < 0 {
		return 0, nil, ErrOpen
	}
	part, err = openCell(&r.keys[i], expiry, cell)
	return r.keys[i].Index, part, err
}

// Delete makes the request that deletes a box of the window, which must be made
// before [Reader.Done]. It fails with [ErrLimit] for a box outside of it.
func (r *Reader) Delete(b [32]byte) (*Delete, error) {
	i := r.find(b)
	if i < 0 {
		return nil, ErrLimit
	}
	return &Delete{Box: b, Sig: r.keys[i].sign(deleteText(b))}, nil
}
