package boxstore

import (
	"encoding/binary"

	"kith/box"
	"kith/internal/relay"
)

// Kinds of a value's plaintext, docs/spec/boxstore.md section 5.
const (
	kindCell = 1
	kindTomb = 2
)

const (
	recordHead = 1 + 32 + 4 + 64
	cellRecord = recordHead + box.CellSize
	storedCell = nonceSize + cellRecord + tagSize
)

// encode is room for a nonce, then kind, box, effort, signature, and the cell if there
// is one. There is capacity for a tag.
func encode(r *relay.Record) []byte {
	var b []byte
	if r.Cell == nil {
		b = append(make([]byte, nonceSize, nonceSize+recordHead+tagSize), kindTomb)
	} else {
		b = append(values.Get().(*[storedCell]byte)[:nonceSize], kindCell)
	}
	b = append(b, r.Box[:]...)
	b = binary.BigEndian.AppendUint32(b, r.Effort)
	b = append(b, r.Sig[:]...)
	return append(b, r.Cell...)
}

// decode is the reverse; the cell aliases b.
func decode(b []byte, day uint32) (relay.Record, error) {
	if len(b) < recordHead {
		return relay.Record{}, errDamaged
	}
	r := relay.Record{Box: [32]byte(b[1:]), Expiry: day, Effort: binary.BigEndian.Uint32(b[33:]), Sig: [64]byte(b[37:])}
	switch {
	case b[0] == kindTomb && len(b) == recordHead:
	case b[0] == kindCell && len(b) == cellRecord:
		r.Cell = b[recordHead:]
	default:
		return relay.Record{}, errDamaged
	}
	return r, nil
}

// orderKey sorts a day's cells by effort, and tombstones behind them.
func orderKey(cell bool, effort uint32, m mark) []byte {
	b := append(make([]byte, 0, orderSize), kindTomb)
	if cell {
		b[0] = kindCell
	}
	return append(binary.BigEndian.AppendUint32(b, effort), m[:]...)
}
