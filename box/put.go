package box

import "encoding/binary"

// Work is the solution of a puzzle, docs/spec/box.md 6; zero for none.
type Work struct {
	Nonce    [8]byte
	Solution [16]byte
}

// Put asks a relay to hold a cell.
type Put struct {
	Box    [32]byte
	Expiry uint32 // days since 1970
	Sig    [64]byte
	Cell   []byte // CellSize bytes
}

// Verify reports whether whoever holds the box's keys made the request. BX-07.
func (p *Put) Verify() bool { return VerifyPut(p.Box, p.Expiry, p.Cell, &p.Sig) }

const (
	putSize    = 32 + 4 + 64 + CellSize
	deleteSize = 32 + 64
)

// MarshalBinary encodes the request for storage, 4196 bytes, as docs/spec/box.md 8
// says: what is sent of it. It fails with [ErrLimit] if the cell has not its size.
func (p *Put) MarshalBinary() ([]byte, error) {
	if len(p.Cell) != CellSize {
		return nil, ErrLimit
	}
	b := append(make([]byte, 0, putSize), p.Box[:]...)
	b = binary.BigEndian.AppendUint32(b, p.Expiry)
	return append(append(b, p.Sig[:]...), p.Cell...), nil
}

// ParsePut reads what [Put.MarshalBinary] made; the cell aliases it. The signature is
// not checked. It fails with [ErrMalformed].
func ParsePut(b []byte) (*Put, error) {
	if len(b) != putSize {
		return nil, ErrMalformed
	}
	return &Put{Box: [32]byte(b), Expiry: binary.BigEndian.Uint32(b[32:]), Sig: [64]byte(b[36:]), Cell: b[100:]}, nil
}

// Delete asks a relay to delete a box.
type Delete struct {
	Box [32]byte
	Sig [64]byte
}

// Verify reports whether whoever holds the box's keys made the request. BX-08.
func (d *Delete) Verify() bool { return VerifyDelete(d.Box, &d.Sig) }

// MarshalBinary encodes the request for storage, 96 bytes, as docs/spec/box.md 8 says.
// It does not fail.
func (d *Delete) MarshalBinary() ([]byte, error) {
	return append(append(make([]byte, 0, deleteSize), d.Box[:]...), d.Sig[:]...), nil
}

// ParseDelete reads what [Delete.MarshalBinary] made. The signature is not checked.
// It fails with [ErrMalformed].
func ParseDelete(b []byte) (*Delete, error) {
	if len(b) != deleteSize {
		return nil, ErrMalformed
	}
	return &Delete{Box: [32]byte(b), Sig: [64]byte(b[32:])}, nil
}
