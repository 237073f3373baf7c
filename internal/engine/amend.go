package engine

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
)

// Edit is a command: give an own message another text.
type Edit struct {
	ID   wire.MessageID
	Text string
}

// React is a command: feel something about a message. An empty Emoji takes back what
// was felt.
type React struct {
	ID    wire.MessageID
	Emoji string
}

// Delete is a command: forget messages of one conversation, here or, own ones only,
// with everybody who has them.
type Delete struct {
	IDs      []wire.MessageID
	Everyone bool
}

func (Edit) input()   {}
func (React) input()  {}
func (Delete) input() {}

// prefixAmendments are rows of amendments that were sent and are not delivered yet, by
// the id of the content: conversation, message, kind.
const prefixAmendments = "amendments/"

var errAmendments = errors.New("engine: row " + prefixAmendments + " is damaged")

func amendmentKey(id wire.MessageID) StateKey {
	return StateKey(fmt.Sprintf("%s%x", prefixAmendments, id))
}

// underWay reads such a row.
func (s *step) underWay(k StateKey) (a chat.Amendment, ok bool, err error) {
	b, err := s.State(k)
	if err != nil || b == nil {
		return a, false, err
	}
	if len(b) != len(a.Conversation)+len(a.Target)+1 {
		return a, false, errAmendments
	}
	b = b[copy(a.Conversation[:], b):]
	b = b[copy(a.Target[:], b):]
	a.Kind = chat.AmendmentKind(b[0])
	return a, true, nil
}

// undeliveredAmendments lists the ids of what was said about messages of a conversation
// and is not known to have arrived.
func (s *step) undeliveredAmendments(conv chat.ConversationID) (ids [][]byte, err error) {
	keys, err := s.StateKeys(prefixAmendments)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		a, ok, err := s.underWay(k)
		if err != nil {
			return nil, err
		}
		if !ok || a.Conversation != conv {
			continue
		}
		id, err := hex.DecodeString(string(k[len(prefixAmendments):]))
		if err != nil || len(id) != len(wire.MessageID{}) {
			return nil, errAmendments
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// sayAgain seals an amendment anew. One that something later replaced is let go.
func (s *step) sayAgain(to identity.DeviceID, id wire.MessageID) error {
	k := amendmentKey(id)
	row, ok, err := s.underWay(k)
	if err != nil || !ok {
		return err
	}
	a, ok, err := s.Amendment(row.Target, row.Kind, s.self.account)
	if err != nil {
		return err
	}
	if !ok || a.ID != id {
		s.up.State[k] = nil
		return nil
	}
	c := &wire.Content{ID: a.ID, Lamport: a.Lamport, SentAt: a.At}
	switch a.Kind {
	case chat.AmendEdit:
		c.Edit = &wire.Edit{Of: a.Target, Text: a.Text}
	case chat.AmendReaction:
		c.Reaction = &wire.Reaction{Of: a.Target, Emoji: a.Text}
	case chat.AmendDeletion:
		c.Deletion = []wire.MessageID{a.Target}
	}
	return s.sealTo(to, c, id)
}

// said returns a message somebody here speaks of, with its contact.
func (s *step) said(id wire.MessageID) (m chat.Message, row *statepb.Contact, err error) {
	m, ok, err := s.Message(id)
	if err != nil {
		return m, nil, err
	}
	if !ok || m.Gone() || m.Notice != 0 {
		return m, nil, &Error{Code: NotFound, Text: "no such message, or it was deleted"}
	}
	row, ok, err = s.contact(m.Conversation.Account())
	if err == nil {
		err = maySend(row, ok)
	}
	return m, row, err
}

// amendment begins what is said now about a message.
func (s *step) amendment(m *chat.Message, kind chat.AmendmentKind, text string) (chat.Amendment, error) {
	conv, err := s.Conversation(m.Conversation)
	return chat.Amendment{Kind: kind, Target: m.ID, Conversation: m.Conversation, From: s.self.account, ID: newMessageID(),
		Lamport: min(conv.Lamport+1, wire.MaxLamport), At: s.now.Truncate(1e6).UTC(), Text: text}, err
}

// tell says an amendment to the other side. While a contact has not answered yet nothing
// was said to it, so there is nothing to amend: what waits is sealed as it is then.
func (s *step) tell(row *statepb.Contact, a chat.Amendment, c *wire.Content) error {
	c.ID, c.Lamport, c.SentAt = a.ID, a.Lamport, a.At
	if _, err := c.AppendBinary(nil); err != nil {
		return &Error{Code: Invalid, Text: "this cannot be sent", Hint: "text must be UTF-8 and not too long; a reaction is one emoji"}
	}
	s.event(chat.MessageAmended{Amendment: a})
	if row.GetStage() == statepb.Stage_REQUESTED {
		return nil
	}
	s.up.State[amendmentKey(a.ID)] = slices.Concat(a.Conversation[:], a.Target[:], []byte{byte(a.Kind)})
	return s.sealTo(identity.DeviceID(row.GetDevice()), c, a.ID)
}

func (s *step) edit(in Edit) error {
	m, row, err := s.said(in.ID)
	if err != nil {
		return err
	}
	switch {
	case m.From != s.self.account:
		return &Error{Code: Invalid, Text: "only an own message can be edited"}
	case len(in.Text) == 0:
		return &Error{Code: Invalid, Text: "a message cannot be edited to nothing", Hint: "delete it instead"}
	case len(in.Text) > wire.MaxText:
		return badMessage(Send{Text: in.Text})
	case in.Text == m.Text:
		return nil
	}
	a, err := s.amendment(&m, chat.AmendEdit, in.Text)
	if err != nil {
		return err
	}
	return s.tell(row, a, &wire.Content{Edit: &wire.Edit{Of: m.ID, Text: in.Text}})
}

func (s *step) react(in React) error {
	m, row, err := s.said(in.ID)
	if err != nil {
		return err
	}
	if in.Emoji != "" && !wire.ValidEmoji(in.Emoji) {
		return &Error{Code: Invalid, Text: "this is no reaction", Hint: "one emoji"}
	}
	felt := ""
	for _, r := range m.Reactions {
		if r.From == s.self.account {
			felt = r.Emoji
		}
	}
	if felt == in.Emoji {
		return nil
	}
	a, err := s.amendment(&m, chat.AmendReaction, in.Emoji)
	if err != nil {
		return err
	}
	return s.tell(row, a, &wire.Content{Reaction: &wire.Reaction{Of: m.ID, Emoji: in.Emoji}})
}

// delete forgets messages. One at a time: how far each deletion came is known apart.
func (s *step) delete(in Delete) error {
	if len(in.IDs) == 0 || len(in.IDs) > MaxDelete {
		return &Error{Code: Invalid, Text: fmt.Sprintf("1 to %d messages can be deleted at once", MaxDelete)}
	}
	for i, id := range in.IDs {
		m, ok, err := s.Message(id)
		if err != nil {
			return err
		}
		if !ok || m.Hidden {
			return &Error{Code: NotFound, Text: "no such message"}
		}
		if i > 0 && s.conversationOf(in.IDs[0]) != m.Conversation {
			return &Error{Code: Invalid, Text: "these messages are of more than one conversation"}
		}
		if in.Everyone {
			err = s.takeBack(m)
		} else {
			err = s.hide(m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *step) conversationOf(id wire.MessageID) chat.ConversationID {
	m, _, err := s.Message(id)
	if err != nil {
		return chat.ConversationID{} // it was there a moment ago
	}
	return m.Conversation
}

func (s *step) takeBack(m chat.Message) error {
	if m.From != s.self.account || m.Notice != 0 {
		return &Error{Code: Invalid, Text: "only own messages can be deleted for everyone", Hint: "without that, it is deleted here"}
	}
	if m.Deleted {
		return nil
	}
	row, ok, err := s.contact(m.Conversation.Account())
	if err != nil {
		return err
	}
	if err := maySend(row, ok); err != nil {
		return err
	}
	if s.unsaid(row, m.ID) { // nobody else has it
		if err := s.saveContact(m.Conversation.Account(), row); err != nil {
			return err
		}
		return s.hide(m)
	}
	a, err := s.amendment(&m, chat.AmendDeletion, "")
	if err != nil {
		return err
	}
	if err := s.tell(row, a, &wire.Content{Deletion: []wire.MessageID{m.ID}}); err != nil {
		return err
	}
	return s.discard(&m)
}

// hide deletes a message here alone.
func (s *step) hide(m chat.Message) error {
	row, ok, err := s.contact(m.Conversation.Account())
	if err != nil {
		return err
	}
	if ok && s.unsaid(row, m.ID) {
		if err := s.saveContact(m.Conversation.Account(), row); err != nil {
			return err
		}
	}
	s.event(chat.MessagesHidden{Conversation: m.Conversation, IDs: []wire.MessageID{m.ID}})
	return s.discard(&m)
}

// unsaid takes a message out of those that wait for a first session, if it is there.
func (s *step) unsaid(row *statepb.Contact, id wire.MessageID) bool {
	for i, w := range row.GetWaiting() {
		if wire.MessageID(w) == id {
			row.Waiting = append(row.Waiting[:i:i], row.Waiting[i+1:]...)
			return true
		}
	}
	return false
}

// discard lets go of what a message's files still have under way.
func (s *step) discard(m *chat.Message) error {
	row, _, err := s.contact(m.Conversation.Account())
	if err != nil {
		return err
	}
	for _, ref := range m.Roots() {
		s.up.Unused = append(s.up.Unused, ref)
		d := identity.DeviceID(row.GetDevice())
		for _, prefix := range []string{prefixLeft, prefixGiven} {
			k := depositKey(prefix, d, ref.Root)
			if b, err := s.State(k); err != nil {
				return err
			} else if b == nil {
				continue
			}
			s.up.State[k] = nil
			if prefix == prefixLeft {
				s.depositChange(EndUpload{For: d, Root: ref.Root})
			} else {
				s.depositChange(EndGiven{From: d, Root: ref.Root, Complete: true})
			}
		}
	}
	return nil
}

// receiveAmendment takes what a contact says about an earlier message. What it may not
// say is done with, and nothing follows.
func (s *step) receiveAmendment(a identity.AccountID, c *wire.Content) error {
	conv, err := s.Conversation(chat.With(a))
	if err != nil {
		return err
	}
	am := chat.Amendment{Conversation: conv.ID, From: a, ID: c.ID, Lamport: min(c.Lamport, conv.Lamport+MaxLamportJump), At: c.SentAt}
	switch {
	case c.Edit != nil:
		am.Kind, am.Target, am.Text = chat.AmendEdit, c.Edit.Of, c.Edit.Text
		return s.takeAmendment(am)
	case c.Reaction != nil:
		am.Kind, am.Target, am.Text = chat.AmendReaction, c.Reaction.Of, c.Reaction.Emoji
		return s.takeAmendment(am)
	}
	am.Kind = chat.AmendDeletion
	for _, id := range c.Deletion {
		am.Target = id
		if err := s.takeAmendment(am); err != nil {
			return err
		}
	}
	return nil
}

func (s *step) takeAmendment(a chat.Amendment) error {
	m, there, err := s.Message(a.Target)
	if err != nil {
		return err
	}
	if there && (!a.May(&m) || m.Gone()) {
		return nil
	}
	old, again, err := s.Amendment(a.Target, a.Kind, a.From)
	if err != nil || again && a.Compare(&old) <= 0 {
		return err // said before, or something later was
	}
	if !there {
		n, err := s.Awaiting(a.Conversation)
		if err != nil || !again && n+s.awaited >= MaxAwaiting {
			return err
		}
		s.awaited++
	}
	s.event(chat.MessageAmended{Amendment: a})
	if there && a.Kind == chat.AmendDeletion {
		return s.discard(&m)
	}
	return nil
}

// amended takes note that a device has what was said about a message.
func (s *step) amended(id wire.MessageID) error {
	k := amendmentKey(id)
	a, ok, err := s.underWay(k)
	if err != nil || !ok {
		return err
	}
	s.up.State[k] = nil
	if a.Kind == chat.AmendDeletion {
		s.event(chat.DeletionDelivered{Conversation: a.Conversation, ID: a.Target})
	}
	return nil
}
