package box

import (
	"bytes"
	"fmt"
	"io"
)

// WriteKey is what a writer may keep of a box until it was read: with it what lies
// there is sealed anew when it has expired. It is secret. Get one from
// [Chain.SealKeeping].
type WriteKey struct{ keys keys }

// SealKeeping is [Chain.Seal], but that the box's keys are handed to the caller.
func (c *Chain) SealKeeping(part []byte, expiry uint32) (*Put, *WriteKey, error) {
	if len(part) > Capacity {
		return nil, nil, ErrLimit
	}
	k, err := c.give()
	if err != nil {
		return nil, nil, err
	}
	w := &WriteKey{keys: k}
	k.erase()
	p, err := w.seal(part, expiry)
	if err != nil {
		w.keys.erase()
		return nil, nil, err
	}
	return p, w, nil
}

func (w *WriteKey) seal(part []byte, expiry uint32) (*Put, error) {
	cell, err := sealCell(&w.keys, expiry, part)
	if err != nil {
		return nil, err
	}
	return &Put{Box: w.keys.Box, Expiry: expiry, Sig: w.keys.sign(putText(w.keys.Box, expiry, cell)), Cell: cell}, nil
}

// open opens what a request of this box holds.
func (w *WriteKey) open(p *Put) ([]byte, error) {
	if p.Box != w.keys.Box {
		return nil, ErrOpen
	}
	return openCell(&w.keys, p.Expiry, p.Cell)
}

// Again seals what a request of this box holds anew, with another expiry. Relays
// that still hold the cell of before do not take it: call it when that has expired by
// everybody's clock. It fails with [ErrOpen] for what is not of this box. Source:
// docs/spec/box.md, BX-05.
func (w *WriteKey) Again(p *Put, expiry uint32) (*Put, error) {
	part, err := w.open(p)
	if err != nil {
		return nil, err
	}
	defer clear(part)
	return w.seal(part, expiry)
}

// Same reports whether two cells of this box hold the same part.
func (w *WriteKey) Same(a, b *Put) bool {
	x, err1 := w.open(a)
	y, err2 := w.open(b)
	defer clear(x)
	defer clear(y)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

// Parts returns into how many boxes the message was cut of which p holds a part. It
// fails with [ErrOpen] for what is not of this box.
func (w *WriteKey) Parts(p *Put) (of int, err error) {
	part, err := w.open(p)
	if err != nil {
		return 0, err
	}
	defer clear(part)
	_, n, ok := partHead(part)
	if !ok {
		return 0, ErrOpen
	}
	return int(n), nil
}

const writeKeySize = 3 * 32

// MarshalBinary encodes the key for storage, 96 secret bytes, as docs/spec/box.md 8
// says. It does not fail.
func (w *WriteKey) MarshalBinary() ([]byte, error) {
	b := append(make([]byte, 0, writeKeySize), w.keys.Box[:]...)
	b = append(b, w.keys.seed[:]...)
	return append(b, w.keys.key[:]...), nil
}

// ParseWriteKey reads what [WriteKey.MarshalBinary] made. That the address belongs to
// the keys is not checked. It fails with [ErrMalformed].
func ParseWriteKey(b []byte) (*WriteKey, error) {
	if len(b) != writeKeySize {
		return nil, ErrMalformed
	}
	return &WriteKey{keys{Address: Address{Box: [32]byte(b)}, seed: [32]byte(b[32:]), key: [32]byte(b[64:])}}, nil
}

// String returns a fixed text in place of the secrets.
func (WriteKey) String() string { return "box.WriteKey(secret)" }

// GoString returns a fixed text in place of the secrets.
func (w WriteKey) GoString() string { return w.String() }

// Format writes a fixed text in place of the secrets, whatever the verb.
func (w WriteKey) Format(f fmt.State, _ rune) { io.WriteString(f, w.String()) }
