package engine

import (
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"kith/identity"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
)

// draft keeps what the person is about to say. Spec: store.md, section 5.
func (s *step) draft(in Draft) error {
	if _, ok, err := s.Contact(in.To); err != nil {
		return err
	} else if !ok {
		return &Error{Code: NotFound, Text: "no such contact"}
	}
	if len(in.Text) > wire.MaxText || !utf8.ValidString(in.Text) {
		return &Error{Code: Invalid, Text: "this draft is too long to be kept"}
	}
	if in.Text == "" && in.ReplyTo == (wire.MessageID{}) {
		if had, err := s.State(draftKey(in.To)); err != nil || had == nil {
			return err
		}
		s.up.State[draftKey(in.To)] = nil
		return nil
	}
	row := &statepb.Draft{Text: in.Text}
	if in.ReplyTo != (wire.MessageID{}) {
		row.ReplyTo = in.ReplyTo[:]
	}
	b, err := proto.Marshal(row)
	if err != nil {
		return fmt.Errorf("engine: draft row: %w", err)
	}
	s.up.State[draftKey(in.To)] = b
	return nil
}

func draftKey(a identity.AccountID) StateKey { return StateKey(fmt.Sprintf("draft/%x", a[:])) }

// LoadDraft returns what the person was about to say to a contact and the message
// it was to answer; both are zero when there is none. The error is local.
func LoadDraft(v View, a identity.AccountID) (text string, replyTo wire.MessageID, err error) {
	b, err := v.State(draftKey(a))
	if err != nil || b == nil {
		return "", replyTo, err
	}
	var row statepb.Draft
	if err := proto.Unmarshal(b, &row); err != nil {
		return "", replyTo, fmt.Errorf("engine: draft row: %w", err)
	}
	copy(replyTo[:], row.GetReplyTo())
	return row.GetText(), replyTo, nil
}
