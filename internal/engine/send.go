package engine

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"slices"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine/statepb"
	"kith/internal/wire"
)

// send makes a message: from the commit on it exists, and it leaves as soon as
// there is a session. Spec: content.md 4.
func (s *step) send(in Send) error {
	row, ok, err := s.contact(in.To)
	if err != nil {
		return err
	}
	if err := s.maySend(in.To, row, ok); err != nil {
		return err
	}
	if err := s.mayAnswer(in); err != nil {
		return err
	}
	conv, err := s.Conversation(chat.With(in.To))
	if err != nil {
		return err
	}
	m := chat.Message{
		ID: newMessageID(), Conversation: chat.With(in.To), From: s.self.account, Device: s.self.device.ID(),
		Lamport: min(conv.Lamport+1, wire.MaxLamport), SentAt: s.now.Truncate(1e6).UTC(), Text: in.Text, State: chat.Queued,
		ReplyTo: in.ReplyTo,
	}
	content, size := fitted(&m, in.Media, wire.MaxPreviews)
	if over := size - MaxBoxed; over > 0 {
		// Rather without thumbnails than not before both are online.
		content, size = fitted(&m, in.Media, max(previewsIn(m.Media)-over, 0))
	}
	if size < 0 {
		return badMessage(in)
	}
	s.event(chat.MessageAdded{Message: m})
	s.up.Reply = Sent{ID: m.ID}
	return s.say(in.To, row, content)
}

// fitted gives a message files, with as much of their previews as there is room for,
// and returns its content and the size of that, -1 if it cannot be sent.
func fitted(m *chat.Message, files []wire.Attachment, room int) (*wire.Content, int) {
	m.Media = nil
	for _, a := range fitPreviews(files, room) {
		m.Media = append(m.Media, chat.Media{Attachment: a, Stored: true})
	}
	c := messageContent(m)
	b, err := c.AppendBinary(nil)
	if err != nil {
		return c, -1
	}
	return c, len(b)
}

func previewsIn(files []chat.Media) (n int) {
	for _, f := range files {
		if f.Preview != nil {
			n += f.Preview.Len()
		}
	}
	return n
}

// fitPreviews takes thumbnails, then previews, away from the last files of a
// message until what is left has room in it.
func fitPreviews(files []wire.Attachment, room int) []wire.Attachment {
	files = slices.Clone(files)
	for _, a := range files {
		if a.Preview != nil {
			room -= a.Preview.Len() - len(a.Preview.Thumbnail)
		}
	}
	for i := range files {
		p := files[i].Preview
		switch {
		case p == nil:
		case room < 0:
			files[i].Preview = nil
		case len(p.Thumbnail) <= room:
			room -= len(p.Thumbnail)
		default:
			without := *p
			without.Thumbnail = nil
			files[i].Preview = &without
		}
	}
	return files
}

// say seals a content whose delivery counts, or lets it wait for a session.
func (s *step) say(a identity.AccountID, row *statepb.Contact, c *wire.Content) error {
	if row.GetStage() != statepb.Stage_REQUESTED {
		return s.sealTo(identity.DeviceID(row.GetDevice()), c, c.ID)
	}
	if len(row.GetWaiting()) >= MaxWaiting {
		return &Error{Code: NotNow, Text: "too many messages wait for this contact to answer",
			Hint: "they leave when both of you are online"}
	}
	row.Waiting = append(row.Waiting, c.ID[:])
	return s.saveContact(a, row)
}

// mayAnswer refuses an answer to what is not in the conversation.
func (s *step) mayAnswer(in Send) error {
	if in.ReplyTo == (wire.MessageID{}) {
		return nil
	}
	m, ok, err := s.Message(in.ReplyTo)
	if err != nil {
		return err
	}
	if !ok || m.Conversation != chat.With(in.To) || m.Notice != 0 {
		return &Error{Code: NotFound, Text: "the message to answer is not in this conversation"}
	}
	return nil
}

func (s *step) maySend(a identity.AccountID, row *statepb.Contact, known bool) error {
	if !known {
		return &Error{Code: NotFound, Text: "no such contact"}
	}
	c, _, err := s.Contact(a)
	if err != nil {
		return err
	}
	switch {
	case c.Blocked:
		return &Error{Code: NotNow, Text: "this contact is blocked", Hint: "kith unblock NAME"}
	case row.GetStage() == statepb.Stage_REFUSED:
		return &Error{Code: NotNow, Text: "this contact's invite was refused", Hint: "ask for a new invite and add it"}
	case row.GetDevicesChanged():
		return &Error{Code: NotNow, Text: "this verified contact's devices have changed",
			Hint: "compare safety numbers again, then: kith verify NAME --mark"}
	}
	return nil
}

func badMessage(in Send) error {
	switch {
	case in.Text == "" && len(in.Media) == 0:
		return &Error{Code: Invalid, Text: "nothing to send"}
	case len(in.Text) > wire.MaxText:
		return &Error{Code: Invalid, Text: fmt.Sprintf("a message may have %d bytes of text, this one has %d", wire.MaxText, len(in.Text)),
			Hint: "send it as a file"}
	case len(in.Media) > wire.MaxAttachments:
		return &Error{Code: Invalid, Text: fmt.Sprintf("a message may have %d files, this one has %d", wire.MaxAttachments, len(in.Media))}
	}
	return &Error{Code: Invalid, Text: "this text or file name cannot be sent", Hint: "text must be UTF-8, names without control characters"}
}

func newMessageID() (id wire.MessageID) {
	rand.Read(id[:])
	return id
}

func messageContent(m *chat.Message) *wire.Content {
	c := &wire.Content{ID: m.ID, Lamport: m.Lamport, SentAt: m.SentAt, Message: &wire.Message{Text: m.Text, ReplyTo: m.ReplyTo}}
	for _, a := range m.Media {
		c.Message.Media = append(c.Message.Media, a.Attachment)
	}
	return c
}

// markRead marks everything unread in a conversation and tells the sender.
func (s *step) markRead(in MarkRead) error {
	a := in.Conversation.Account()
	row, ok, err := s.contact(a)
	if err != nil {
		return err
	}
	if !ok {
		return &Error{Code: NotFound, Text: "no such contact"}
	}
	ids, err := s.Unread(in.Conversation, wire.MaxReceipts)
	if err != nil || len(ids) == 0 {
		return err
	}
	s.event(chat.MessagesMarked{Conversation: in.Conversation, IDs: ids, State: chat.Read, Received: true})
	if c, _, err := s.Contact(a); err != nil || c.NoReceipts || c.Blocked {
		return err
	}
	receipt := &wire.Content{ID: newMessageID(), SentAt: s.now, Receipt: &wire.Receipt{Read: ids}}
	return s.sealTo(identity.DeviceID(row.GetDevice()), receipt, wire.MessageID{})
}

// acked takes note that a device has an envelope, decrypted and durable. Only
// the device it was sent to can say so.
func (s *step) acked(in Acked) error {
	o, ok, err := s.Outbox(in.ID)
	if err != nil {
		return err
	}
	if !ok || o.To != in.From {
		return ErrRefused
	}
	s.up.Drop = append(s.up.Drop, in.ID)
	if err := s.ratcheted(in.From); err != nil {
		return err
	}
	if err := s.heard(in.From, in.ID); err != nil {
		return err
	}
	if o.Message == (wire.MessageID{}) {
		return nil
	}
	a, row, err := s.contactOf(in.From)
	if err != nil {
		return err
	}
	if bytes.Equal(in.ID[:], row.GetFence()) {
		pastFence(row)
		if err := s.saveContact(a, row); err != nil {
			return err
		}
	}
	if _, ok, err := s.Message(o.Message); err != nil || !ok {
		return s.changeArrived(a, o.Message, err)
	}
	s.event(chat.MessagesMarked{Conversation: chat.With(a), IDs: []wire.MessageID{o.Message}, State: chat.Delivered})
	return nil
}
