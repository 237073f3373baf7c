package box

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"slices"
)

// Labels of docs/spec/box.md 3, those of the published vector.
const (
	labelDirection = "drop/1 dir"
	labelStep      = "drop/1 step"
)

// Address is where a box is: its number in its chain, counted from 0, and the 32
// bytes by which relays know it, an Ed25519 public key. It is not secret from
// relays; whoever has it can ask for what is in the box.
type Address struct {
	Index uint64
	Box   [32]byte
}

// keys are those of one box. Whoever has them can read, write and delete it.
type keys struct {
	Address
	seed [32]byte // its public key is the address
	key  [32]byte // of the cell
}

func (k *keys) erase() { *k = keys{} }

// step derives the keys of a box and replaces the chain key by the one after it.
// BX-02.
func step(ck *[32]byte, index uint64) (keys, error) {
	b, err := hkdf.Expand(sha256.New, ck[:], labelStep, 96)
	if err != nil {
		return keys{}, err // never: the length is fixed
	}
	defer clear(b)
	k := keys{Address: Address{Index: index}, seed: [32]byte(b[32:]), key: [32]byte(b[64:])}
	private := ed25519.NewKeyFromSeed(k.seed[:])
	defer clear(private)
	copy(k.Box[:], private[32:])
	copy(ck[:], b)
	return k, nil
}

// first gives the first chain key of one direction and erases the root it is given.
// BX-01.
func first(root, writer, reader *[32]byte) [32]byte {
	dir := sha256.New()
	dir.Write([]byte(labelDirection))
	dir.Write(writer[:])
	dir.Write(reader[:])
	b, err := hkdf.Extract(sha256.New, root[:], dir.Sum(nil))
	if err != nil {
		panic("box: hkdf: " + err.Error()) // never: 32 bytes are enough for it
	}
	defer clear(b)
	clear(root[:])
	return [32]byte(b)
}

// sign signs with a box's key.
func (k *keys) sign(text []byte) (sig [64]byte) {
	private := ed25519.NewKeyFromSeed(k.seed[:])
	defer clear(private)
	copy(sig[:], ed25519.Sign(private, text))
	return sig
}

// verify is Ed25519 for addresses that are one way to write a point that generates
// more than a handful of others. crypto/ed25519 also takes a second spelling of some
// points, and those of small order, for which everybody can sign. BX-07.
func verify(b *[32]byte, text []byte, sig *[64]byte) bool {
	y := *b
	y[31] &= 0x7f
	return canonical(&y) && !slices.Contains(smallOrder[:], y) && ed25519.Verify(b[:], text, sig[:])
}

// canonical reports whether a little-endian number is below 2^255 - 19.
func canonical(y *[32]byte) bool {
	return y[0] < 0xed || y[31] < 0x7f || slices.ContainsFunc(y[1:31], func(b byte) bool { return b != 0xff })
}

// smallOrder are the y coordinates of the eight points whose order divides 8.
var smallOrder = [...][32]byte{
	{},
	{1},
	{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
	{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
}
