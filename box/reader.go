package box

import (
	"fmt"
	"io"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// Reader is the reader's end of one direction. It knows which boxes are still
// missing, up to [Window] from the first of them on. Make one with [NewReader]. Not
// safe for concurrent use.
type Reader struct {
	ck   [32]byte // after the last of keys
	next uint64
	keys []keys // of boxes not read, in order; never more than Window, so that it never moves
}

// NewReader begins the reader's end of the chain of [NewChain] with the same
// arguments.
func NewReader(root, writer, reader [32]byte) *Reader {
	r := &Reader{ck: first(&root, &writer, &reader), keys: make([]keys, 0, Window)}
	r.fill()
	return r
}

// end is up to which box keys are derived while this one is the first that misses.
func end(first uint64) uint64 { return min(first+Window, MaxIndex) }

// fill derives keys until the window reaches as far as it may.
func (r *Reader) fill() {
	for r.next < MaxIndex && (len(r.keys) == 0 || r.next < end(r.keys[0].Index)) {
		k, err := step(&r.ck, r.next)
		if err != nil {
			return // never
		}
		r.keys = append(r.keys, k)
		r.next++
	}
}

// Missing returns where the boxes of the window are that were not read, the first
// one first, at most n.
func (r *Reader) Missing(n int) []Address {
	all := make([]Address, 0, max(min(n, len(r.keys)), 0))
	for i := range cap(all) {
		all = append(all, r.keys[i].Address)
	}
	return all
}

// Index tells which box of the window an address is; ok is false if it is none.
func (r *Reader) Index(b [32]byte) (index uint64, ok bool) {
	i := r.find(b)
	if i < 0 {
		return 0, false
	}
	return r.keys[i].Index, true
}

func (r *Reader) find(b [32]byte) int {
	return slices.IndexFunc(r.keys, func(k keys) bool { return k.Box == b })
}

// Open opens what was found in a box of the window, with the expiry it was found
// with. It changes nothing; [Reader.Done] says that the box is read. It fails with
// [ErrOpen]. Source: docs/spec/box.md, BX-05.
func (r *Reader) Open(b [32]byte, expiry uint32, cell []byte) (index uint64, part []byte, err error) {
	i := r.find(b)
	if i < 0 {
		return 0, nil, ErrOpen
	}
	if part, err = openCell(&r.keys[i], expiry, cell); err != nil {
		return 0, nil, err
	}
	return r.keys[i].Index, part, nil
}

// Delete makes the request that deletes a box of the window, which must be made
// before [Reader.Done]. It fails with [ErrLimit] for a box outside of it. Source:
// docs/spec/box.md, BX-08.
func (r *Reader) Delete(b [32]byte) (*Delete, error) {
	i := r.find(b)
	if i < 0 {
		return nil, ErrLimit
	}
	return &Delete{Box: b, Sig: r.keys[i].sign(deleteText(b))}, nil
}

// Done erases the keys of a box: it was read. Indexes outside the window are
// ignored. What was in the box is to be kept in the same commit as the reader after
// this. Source: docs/spec/box.md, BX-03.
func (r *Reader) Done(index uint64) {
	// Delete erases what it leaves behind the end.
	r.keys = slices.DeleteFunc(r.keys, func(k keys) bool { return k.Index == index })
	r.fill()
}

const (
	readerVersion = 1
	readerHead    = 1 + 8 + 32 + 1
	keysSize      = 8 + 32 + 32 + 32
)

// MarshalBinary encodes the reader for storage, at most 3370 secret bytes, as
// docs/spec/box.md 8 says. It does not fail.
func (r *Reader) MarshalBinary() ([]byte, error) {
	w := cryptobyte.NewFixedBuilder(make([]byte, 0, readerHead+len(r.keys)*keysSize))
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

// ParseReader reads what [Reader.MarshalBinary] made. It fails with [ErrMalformed]
// for whatever has another form; that addresses belong to their keys is not checked.
func ParseReader(b []byte) (*Reader, error) {
	s := cryptobyte.String(b)
	var version, n uint8
	r := &Reader{keys: make([]keys, 0, Window)}
	if !s.ReadUint8(&version) || version != readerVersion || !s.ReadUint64(&r.next) || !s.CopyBytes(r.ck[:]) || !s.ReadUint8(&n) {
		return nil, ErrMalformed
	}
	for range n {
		var k keys
		if !s.ReadUint64(&k.Index) || !s.CopyBytes(k.Box[:]) || !s.CopyBytes(k.seed[:]) || !s.CopyBytes(k.key[:]) || k.Index >= r.next ||
			len(r.keys) > 0 && k.Index <= r.keys[len(r.keys)-1].Index {
			return nil, ErrMalformed
		}
		r.keys = append(r.keys, k)
	}
	// A window as fill leaves it, and nothing else; so it has no more than Window keys.
	full := r.next == MaxIndex
	if len(r.keys) > 0 {
		full = r.next == end(r.keys[0].Index)
	}
	if !s.Empty() || !full {
		return nil, ErrMalformed
	}
	return r, nil
}

// String returns a fixed text in place of the secrets.
func (Reader) String() string { return "box.Reader(secret)" }

// GoString returns a fixed text in place of the secrets.
func (r Reader) GoString() string { return r.String() }

// Format writes a fixed text in place of the secrets, whatever the verb.
func (r Reader) Format(f fmt.State, _ rune) { io.WriteString(f, r.String()) }
