package box

import "encoding/binary"

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
