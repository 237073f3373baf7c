package box

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
)

// Op is what is asked of a relay.
type Op uint8

// The operations of docs/spec/box.md 7.
const (
	OpPut    Op = 1
	OpGet    Op = 2
	OpDelete Op = 3
	OpInfo   Op = 4
)

// Request is one thing asked of a relay. Exactly what its Op needs is set.
type Request struct {
	Op     Op
	Tag    uint64 // repeated in the answer
	Box    [32]byte
	Put    *Put    // OpPut, for the same box
	Work   Work    // OpPut, if the relay wants some
	Wait   uint16  // OpGet: how long to wait for the box to be written, seconds
	Delete *Delete // OpDelete, for the same box
}

const (
	frameVersion = 1
	requestHead  = 1 + 1 + 8 + 32
	replyHead    = 1 + 1 + 8 + 4 + 4
)

// whole reports whether what the operation needs is set, and nothing else.
func (r *Request) whole() bool {
	switch {
	case r.Op != OpPut && (r.Put != nil || r.Work != Work{}), r.Op != OpGet && r.Wait != 0, r.Op != OpDelete && r.Delete != nil:
		return false
	}
	switch r.Op {
	case OpPut:
		return r.Put != nil && r.Put.Box == r.Box && len(r.Put.Cell) == CellSize
	case OpGet:
		return r.Wait <= MaxWait
	case OpDelete:
		return r.Delete != nil && r.Delete.Box == r.Box
	}
	return r.Op == OpInfo
}

// AppendBinary appends the frame of a request to b: [FrameSize] bytes, whatever is
// asked, those that mean nothing drawn at random. It fails with [ErrLimit] if not
// exactly what the operation needs is set. Source: docs/spec/box.md, BX-10.
func (r *Request) AppendBinary(b []byte) ([]byte, error) {
	if !r.whole() {
		return nil, ErrLimit
	}
	start := len(b)
	b = append(b, frameVersion, byte(r.Op))
	b = binary.BigEndian.AppendUint64(b, r.Tag)
	b = append(b, r.Box[:]...)
	switch r.Op {
	case OpPut:
		b = append(append(b, r.Work.Nonce[:]...), r.Work.Solution[:]...)
		b = binary.BigEndian.AppendUint32(b, r.Put.Expiry)
		b = append(append(b, r.Put.Sig[:]...), r.Put.Cell...)
	case OpGet:
		b = binary.BigEndian.AppendUint16(b, r.Wait)
	case OpDelete:
		b = append(b, r.Delete.Sig[:]...)
	}
	return fill(b, start), nil
}

// fill makes a frame of what was appended since start, with random bytes: nothing in
// a frame's size or its end tells what it is.
func fill(b []byte, start int) []byte {
	n := len(b)
	b = append(b, make([]byte, start+FrameSize-n)...)
	// The bytes hide nothing, so one key is drawn for all of them: the system's
	// randomness was a twelfth of a relay's work, and ChaCha8 a thirtieth.
	var seed [2 * aes.BlockSize]byte
	rand.Read(seed[:])
	block, err := aes.NewCipher(seed[:aes.BlockSize])
	if err != nil {
		panic(err) // AES has keys of this size
	}
	cipher.NewCTR(block, seed[aes.BlockSize:]).XORKeyStream(b[n:], b[n:])
	return b
}

// ParseRequest reads the frame of a request; the cell aliases it. Signatures are not
// checked. It fails with [ErrMalformed].
func ParseRequest(frame []byte) (*Request, error) {
	if len(frame) != FrameSize || frame[0] != frameVersion {
		return nil, ErrMalformed
	}
	r := &Request{Op: Op(frame[1]), Tag: binary.BigEndian.Uint64(frame[2:]), Box: [32]byte(frame[10:])}
	body := frame[requestHead:]
	switch r.Op {
	case OpPut:
		r.Work = Work{[8]byte(body), [16]byte(body[8:])}
		body = body[24:]
		r.Put = &Put{Box: r.Box, Expiry: binary.BigEndian.Uint32(body), Sig: [64]byte(body[4:]), Cell: body[68 : 68+CellSize]}
	case OpGet:
		if r.Wait = binary.BigEndian.Uint16(body); r.Wait > MaxWait {
			return nil, ErrMalformed
		}
	case OpDelete:
		r.Delete = &Delete{Box: r.Box, Sig: [64]byte(body)}
	case OpInfo:
	default:
		return nil, ErrMalformed
	}
	return r, nil
}
