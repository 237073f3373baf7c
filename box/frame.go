package box

import (
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

// Status is what a relay answers.
type Status uint8

// The statuses of docs/spec/box.md 7.
const (
	// OK: the cell is held, or the box deleted, and that is durable.
	OK Status = 1
	// Exists: the very same cell was held already.
	Exists Status = 2
	// Conflict: the box holds another cell; the first one stays.
	Conflict Status = 3
	// Full: there is room only for a request with the effort of the answer.
	Full Status = 4
	// Found: the box holds the cell of the answer.
	Found Status = 5
	// Miss: the box holds nothing.
	Miss Status = 6
	// Gone: the box was deleted by whoever holds its keys.
	Gone Status = 7
	// Refused: the request breaks a rule: expired, too far ahead, not signed.
	Refused Status = 8
	// Busy: too much is asked; later.
	Busy Status = 9
)

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
	rand.Read(b[n:])
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

// Reply is a relay's answer. What its Status does not need is zero.
type Reply struct {
	Status Status
	Tag    uint64
	Effort uint32   // wanted now for a request to be held; with Full and to OpInfo
	Day    uint32   // the relay's day, days since 1970
	Expiry uint32   // Found
	Sig    [64]byte // Found: of the Put; Gone: of the Delete
	Cell   []byte   // Found: CellSize bytes
}

// AppendBinary appends the frame of an answer to b: [FrameSize] bytes, whatever is
// answered, those that mean nothing drawn at random. It fails with [ErrLimit] for a
// status that is none and for a cell that is missing or too much. Source:
// docs/spec/box.md, BX-11.
func (r *Reply) AppendBinary(b []byte) ([]byte, error) {
	cell := 0
	if r.Status == Found {
		cell = CellSize
	}
	if r.Status < OK || r.Status > Busy || len(r.Cell) != cell {
		return nil, ErrLimit
	}
	start := len(b)
	b = append(b, frameVersion, byte(r.Status))
	b = binary.BigEndian.AppendUint64(b, r.Tag)
	b = binary.BigEndian.AppendUint32(b, r.Effort)
	b = binary.BigEndian.AppendUint32(b, r.Day)
	switch r.Status {
	case Found:
		b = binary.BigEndian.AppendUint32(b, r.Expiry)
		b = append(append(b, r.Sig[:]...), r.Cell...)
	case Gone:
		b = append(b, r.Sig[:]...)
	}
	return fill(b, start), nil
}

// ParseReply reads the frame of an answer; the cell aliases it. Whether it can be
// believed is said by [Reply.Answers]. It fails with [ErrMalformed].
func ParseReply(frame []byte) (*Reply, error) {
	if len(frame) != FrameSize || frame[0] != frameVersion {
		return nil, ErrMalformed
	}
	r := &Reply{Status: Status(frame[1]), Tag: binary.BigEndian.Uint64(frame[2:]), Effort: binary.BigEndian.Uint32(frame[10:]),
		Day: binary.BigEndian.Uint32(frame[14:])}
	body := frame[replyHead:]
	switch {
	case r.Status < OK || r.Status > Busy:
		return nil, ErrMalformed
	case r.Status == Found:
		r.Expiry, r.Sig, r.Cell = binary.BigEndian.Uint32(body), [64]byte(body[4:]), body[68:68+CellSize]
	case r.Status == Gone:
		r.Sig = [64]byte(body)
	}
	return r, nil
}

// Answers reports whether a reply is one to this request that can be believed without
// keys: it has the request's tag and a status that the request can have, wants work
// only where work can be wanted, and what it says was written or deleted was so by
// whoever holds the box's keys. Anything else is the relay's lie. Source:
// docs/spec/box.md, BX-11.
func (r *Reply) Answers(q *Request) bool {
	if r.Tag != q.Tag || !r.Status.answers(q.Op) {
		return false
	}
	switch r.Status {
	case Found:
		return r.Effort == 0 && VerifyPut(q.Box, r.Expiry, r.Cell, &r.Sig)
	case Gone:
		return r.Effort == 0 && VerifyDelete(q.Box, &r.Sig)
	case Full:
		return r.Effort > 0
	}
	return r.Effort == 0 || q.Op == OpInfo && r.Status == OK
}

// answers reports whether an operation can have such an answer.
func (s Status) answers(op Op) bool {
	switch s {
	case Busy:
		return true
	case OK:
		return op != OpGet
	case Refused:
		return op == OpPut || op == OpDelete
	case Exists, Conflict, Full:
		return op == OpPut
	case Found, Miss:
		return op == OpGet
	case Gone:
		return op == OpPut || op == OpGet
	}
	return false
}
