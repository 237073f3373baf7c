package box

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

var (
	// ErrOpen reports a cell that does not open: another key, or changed bytes. It
	// says no more on purpose.
	ErrOpen = errors.New("box: does not open")
	// ErrMalformed reports bytes that break the format: whoever wrote them is at
	// fault.
	ErrMalformed = errors.New("box: malformed")
	// ErrLimit reports an argument beyond a limit of this package: the caller's fault.
	ErrLimit = errors.New("box: beyond a limit")
)

// Labels of docs/spec/box.md 3, those of the published vector.
const (
	labelDirection = "drop/1 dir"
	labelStep      = "drop/1 step"
)

// Keys are those of one box. Whoever has them can read, write and delete it.
type Keys struct {
	Index uint64
	Box   [32]byte // the address: the public key of seed
	seed  [32]byte
	key   [32]byte
}

// step derives the keys of a box and the chain key after it. BX-02.
func step(ck *[32]byte, index uint64) (Keys, [32]byte, error) {
	b, err := hkdf.Expand(sha256.New, ck[:], labelStep, 96)
	if err != nil {
		return Keys{}, [32]byte{}, err // never: the length is fixed
	}
	defer clear(b)
	k := Keys{Index: index, seed: [32]byte(b[32:]), key: [32]byte(b[64:])}
	private := ed25519.NewKeyFromSeed(k.seed[:])
	defer clear(private)
	copy(k.Box[:], private[32:])
	return k, [32]byte(b[:32]), nil
}

// first gives the first chain key of one direction. BX-01.
func first(root, writer, reader *[32]byte) ([32]byte, error) {
	dir := sha256.New()
	dir.Write([]byte(labelDirection))
	dir.Write(writer[:])
	dir.Write(reader[:])
	b, err := hkdf.Extract(sha256.New, root[:], dir.Sum(nil))
	if err != nil {
		return [32]byte{}, err // never
	}
	defer clear(b)
	return [32]byte(b), nil
}

// Chain is the writer's end of one direction: it gives each box once. Make one with
// [NewChain]. Not safe for concurrent use.
type Chain struct {
	ck   [32]byte
	next uint64
}

// NewChain begins the chain that a writer and a reader with these Ed25519 public
// keys share by a root of 32 secret bytes. The root is to be erased by the caller.
// Source: docs/spec/box.md, BX-01.
func NewChain(root, writer, reader [32]byte) *Chain {
	ck, err := first(&root, &writer, &reader)
	if err != nil {
		panic(err) // never: hkdf.Extract of fixed sizes
	}
	return &Chain{ck: ck}
}

// Index returns how many boxes the chain has given.
func (c *Chain) Index() uint64 { return c.next }

// Next gives the keys of the next box and erases what led to them. It fails with
// [ErrLimit] at the end of the chain.
func (c *Chain) Next() (Keys, error) {
	if c.next >= MaxIndex {
		return Keys{}, ErrLimit
	}
	k, ck, err := step(&c.ck, c.next)
	if err != nil {
		return Keys{}, err
	}
	c.ck = ck
	c.next++
	return k, nil
}

const (
	chainVersion  = 1
	readerVersion = 1
)

// MarshalBinary encodes the chain for storage, as docs/spec/box.md 8 says. It is
// secret.
func (c *Chain) MarshalBinary() ([]byte, error) {
	var w cryptobyte.Builder
	w.AddUint8(chainVersion)
	w.AddUint64(c.next)
	w.AddBytes(c.ck[:])
	return w.Bytes()
}

// ParseChain reads what [Chain.MarshalBinary] made. It fails with [ErrMalformed].
func ParseChain(b []byte) (*Chain, error) {
	s := cryptobyte.String(b)
	var version uint8
	c := &Chain{}
	if !s.ReadUint8(&version) || version != chainVersion || !s.ReadUint64(&c.next) || !s.CopyBytes(c.ck[:]) || !s.Empty() || c.next > MaxIndex {
		return nil, ErrMalformed
	}
	return c, nil
}

// Reader is the reader's end of one direction. It knows which boxes are still
// missing, up to [Window] beyond the first of them. Make one with [NewReader]. Not
// safe for concurrent use.
type Reader struct {
	ck   [32]byte // after the last of keys
	next uint64
	keys []Keys // of boxes not read, in order
}

// NewReader begins the reader's end of the chain of [NewChain] with the same
// arguments.
func NewReader(root, writer, reader [32]byte) *Reader {
	ck, err := first(&root, &writer, &reader)
	if err != nil {
		panic(err) // never
	}
	r := &Reader{ck: ck}
	r.fill()
	return r
}

// fill derives keys until the window reaches as far as it may.
func (r *Reader) fill() {
	for r.next < MaxIndex && (len(r.keys) == 0 || r.next < r.keys[0].Index+Window) {
		k, ck, err := step(&r.ck, r.next)
		if err != nil {
			return // never
		}
		r.keys, r.ck = append(r.keys, k), ck
		r.next++
	}
}

// Missing returns the boxes of the window that were not read, the first one first,
// at most n.
func (r *Reader) Missing(n int) []Keys { return slices.Clone(r.keys[:min(n, len(r.keys))]) }

// Index tells which box of the window an address is.
func (r *Reader) Index(b [32]byte) (index uint64, ok bool) {
	i := r.find(b)
	if i < 0 {
		return 0, false
	}
	return r.keys[i].Index, true
}

func (r *Reader) find(b [32]byte) int {
	return slices.IndexFunc(r.keys, func(k Keys) bool { return k.Box == b })
}

// Done erases the keys of a box: it was read. Unknown indexes are ignored.
func (r *Reader) Done(index uint64) {
	for i := range r.keys {
		if r.keys[i].Index == index {
			r.keys[i] = Keys{}
			r.keys = slices.Delete(r.keys, i, i+1)
			break
		}
	}
	r.fill()
}

// MarshalBinary encodes the reader for storage, as docs/spec/box.md 8 says. It is
// secret.
func (r *Reader) MarshalBinary() ([]byte, error) {
	var w cryptobyte.Builder
	w.AddUint8(readerVersion)
	w.AddUint64(r.next)
	w.AddBytes(r.ck[:])
	w.AddUint8(uint8(len(r.keys)))
	for _, k := range r.keys {
		w.AddUint64(k.Index)
		w.AddBytes(k.Box[:])
		w.AddBytes(k.seed[:])
		w.AddBytes(k.key[:])
	}
	return w.Bytes()
}

// ParseReader reads what [Reader.MarshalBinary] made. It fails with [ErrMalformed].
func ParseReader(b []byte) (*Reader, error) {
	s := cryptobyte.String(b)
	var version, n uint8
	r := &Reader{}
	if !s.ReadUint8(&version) || version != readerVersion || !s.ReadUint64(&r.next) || !s.CopyBytes(r.ck[:]) || !s.ReadUint8(&n) {
		return nil, ErrMalformed
	}
	for range n {
		var k Keys
		if !s.ReadUint64(&k.Index) || !s.CopyBytes(k.Box[:]) || !s.CopyBytes(k.seed[:]) || !s.CopyBytes(k.key[:]) || k.Index >= r.next ||
			len(r.keys) > 0 && k.Index <= r.keys[len(r.keys)-1].Index {
			return nil, ErrMalformed
		}
		r.keys = append(r.keys, k)
	}
	// A window as fill leaves it, and nothing else.
	full := len(r.keys) > 0 && r.next == r.keys[0].Index+Window || r.next == MaxIndex
	if !s.Empty() || !full || len(r.keys) > Window {
		return nil, ErrMalformed
	}
	return r, nil
}
