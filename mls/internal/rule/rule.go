// Package rule names every check of the engine: an id, whose fault a breach is,
// and one sentence. The ids are those of docs/spec/mls-profile.md.
package rule

import (
	"errors"
	"fmt"
)

// ID names one rule of docs/spec/mls-profile.md, which writes V-07 for 7.
type ID uint8

// String returns the id as the specification writes it.
func (id ID) String() string { return fmt.Sprintf("V-%02d", uint8(id)) }

// Fault says who has to change something before the same call can succeed.
type Fault uint8

const (
	// Peer: the input is malformed, forged or against the protocol. Drop it.
	Peer Fault = iota + 1
	// Stale: the input is genuine or may be, but not for now: another epoch, or
	// seen before. Ignore it, or keep it until the group has moved on.
	Stale
	// Local: the caller asked for what the protocol does not allow, or did not give
	// what it needs, such as a pre-shared key.
	Local
)

// String returns "peer", "stale" or "local".
func (f Fault) String() string {
	switch f {
	case Peer:
		return "peer"
	case Stale:
		return "stale"
	case Local:
		return "local"
	}
	return "unknown"
}

// Error is the breach of one rule. It holds no secret and no content.
type Error struct {
	Rule   ID     // which
	Fault  Fault  // whose
	Detail string // where, if there is more than one place
	Cause  error  // what the application said who refused, else nil
}

// Error returns "mls: V-07: text" and the detail if there is one.
func (e *Error) Error() string {
	s := "mls: " + e.Rule.String() + ": " + Text(e.Rule)
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is an Error of the same rule, whatever its detail.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Rule == e.Rule
}

// Break returns the error of this rule with the fault the table has for it.
func Break(id ID) error { return &Error{Rule: id, Fault: table[id].fault} }

// Breakf is Break with a detail.
func Breakf(id ID, format string, args ...any) error {
	return &Error{Rule: id, Fault: table[id].fault, Detail: fmt.Sprintf(format, args...)}
}

// Refuse returns the error of a rule that the application found broken.
func Refuse(id ID, cause error) error {
	return &Error{Rule: id, Fault: table[id].fault, Detail: cause.Error(), Cause: cause}
}

// AsLocal returns err with its fault turned to Local: the same breach, found in
// what the caller asked for.
func AsLocal(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return &Error{Rule: e.Rule, Fault: Local, Detail: e.Detail, Cause: e.Cause}
	}
	return err
}

// Text returns the sentence of a rule, or "unknown rule".
func Text(id ID) string {
	if int(id) < len(table) && table[id].text != "" {
		return table[id].text
	}
	return "unknown rule"
}

// All returns every rule there is, in order.
func All() []ID {
	var ids []ID
	for i := range table {
		if table[i].text != "" {
			ids = append(ids, ID(i))
		}
	}
	return ids
}
