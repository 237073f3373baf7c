package engine

import (
	"slices"

	"kith/internal/chat"
)

// hold fetches a file that is not here, pauses that or cancels it, in every message
// that refers to it. Spec: transfer.md, TF-13.
func (s *step) hold(in Hold) error {
	m, ok, err := s.Message(in.ID)
	if err != nil {
		return err
	}
	if !ok || in.Index < 0 || in.Index >= len(m.Media) {
		return &Error{Code: NotFound, Text: "the message has no such file"}
	}
	a := m.Media[in.Index]
	switch {
	case a.Stored && in.Hold == chat.Fetch:
		return nil
	case a.Stored:
		return &Error{Code: NotNow, Text: "the file is complete", Hint: "delete the message to be rid of it"}
	case a.Hold == in.Hold:
		return nil
	}
	ref := a.Pointer.Ref()
	held := Held{Ref: ref, Hold: in.Hold}
	all, err := s.WithRoot(ref.Root)
	if err != nil {
		return err
	}
	for _, other := range all {
		if !slices.Contains(held.From, other.Device) {
			held.From = append(held.From, other.Device)
		}
	}
	s.event(chat.MediaHeld{Root: ref.Root, Hold: in.Hold})
	s.up.Holds = append(s.up.Holds, held)
	return nil
}
