package api

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/wire"
)

// Send implements the service.
func (s *Service) Send(ctx context.Context, r *connect.Request[apiv1.SendRequest]) (*connect.Response[apiv1.SendResponse], error) {
	c, err := s.find(r.Msg.GetContact())
	if err != nil {
		return nil, fail(err)
	}
	in := engine.Send{To: c.Account, Text: r.Msg.GetText()}
	for _, a := range r.Msg.GetMedia() {
		at, ok := s.files.take(a.GetToken(), a.GetName())
		if !ok {
			return nil, fail(&engine.Error{Code: engine.NotFound, Text: fmt.Sprintf("the upload of %q is gone", a.GetName()), Hint: "send it again"})
		}
		in.Media = append(in.Media, at)
	}
	if r.Msg.GetReplyTo() != "" {
		of, err := s.findMessage(r.Msg.GetReplyTo())
		if err != nil {
			return nil, fail(err)
		}
		in.ReplyTo = of.ID
	}
	reply, seq, err := s.node.Do(ctx, in)
	if err != nil {
		return nil, fail(err)
	}
	id := reply.(engine.Sent).ID
	return connect.NewResponse(&apiv1.SendResponse{Id: hex.EncodeToString(id[:]), Seq: uint64(seq)}), nil
}

// Log implements the service.
func (s *Service) Log(ctx context.Context, r *connect.Request[apiv1.LogRequest]) (*connect.Response[apiv1.LogResponse], error) {
	c, err := s.find(r.Msg.GetContact())
	if err != nil {
		return nil, fail(err)
	}
	all, out, err := s.leaf(c, r.Msg)
	if err != nil {
		return nil, fail(err)
	}
	if r.Msg.GetMarkRead() {
		// After listing: what comes in between is later than the sequence in
		// the answer, so whoever follows it sees that too.
		if _, _, err := s.node.Do(ctx, engine.MarkRead{Conversation: chat.With(c.Account)}); err != nil && c.State == chat.ContactEstablished {
			return nil, fail(err)
		}
		for i := range all {
			if all[i].From == c.Account {
				all[i].State = chat.Read
			}
		}
	}
	names, err := s.names()
	if err != nil {
		return nil, fail(err)
	}
	out.Messages = s.messages(all, names)
	return connect.NewResponse(out), nil
}

// leaf reads a part of a conversation, and whether there is more on either side.
func (s *Service) leaf(c chat.Contact, r *apiv1.LogRequest) (all []chat.Message, out *apiv1.LogResponse, err error) {
	id, limit := chat.With(c.Account), page(r.GetLimit(), defaultLog)
	var mark *chat.Message
	if at := cmp.Or(r.GetBefore(), r.GetAfter(), r.GetAround()); at != "" {
		m, err := s.findMessage(at)
		if err != nil {
			return nil, nil, err
		}
		mark = &m
	}
	out = &apiv1.LogResponse{}
	var seq chat.Seq
	older := func(before *chat.Message, limit int) (part []chat.Message, err error) {
		part, seq, err = s.node.Messages(id, before, limit+1)
		if out.Earlier = len(part) > limit; out.Earlier {
			part = part[1:]
		}
		return part, err
	}
	newer := func(limit int) (part []chat.Message, err error) {
		part, seq, err = s.node.MessagesAfter(id, mark, limit+1)
		if out.Later = len(part) > limit; out.Later {
			part = part[:limit]
		}
		return part, err
	}
	switch {
	case r.GetBefore() != "":
		all, err = older(mark, limit)
		out.Later = true
	case r.GetAfter() != "":
		all, err = newer(limit)
		out.Earlier = true
	case r.GetAround() != "":
		if all, err = older(mark, limit/2); err != nil {
			return nil, nil, err
		}
		if mark.Conversation == id && !mark.Hidden {
			all = append(all, *mark)
		}
		var after []chat.Message
		after, err = newer(limit - limit/2)
		all = append(all, after...)
	default:
		all, err = older(nil, limit)
	}
	out.Seq = uint64(seq)
	return all, out, err
}

// Conversations implements the service.
func (s *Service) Conversations(context.Context, *connect.Request[apiv1.ConversationsRequest]) (*connect.Response[apiv1.ConversationsResponse], error) {
	names, err := s.names()
	if err != nil {
		return nil, fail(err)
	}
	seq, err := s.node.LastSeq()
	if err != nil {
		return nil, fail(err)
	}
	out := &apiv1.ConversationsResponse{Seq: uint64(seq)}
	type line struct {
		*apiv1.Conversation
		at chat.Seq
	}
	var lines []line
	for _, c := range names.contacts {
		last, _, err := s.node.Messages(chat.With(c.Account), nil, 1)
		if err != nil {
			return nil, fail(err)
		}
		l := line{Conversation: &apiv1.Conversation{Contact: s.contact(c, names.unread[c.Account])}}
		if len(last) > 0 {
			l.Last, l.at = s.message(last[0], names), last[0].Seq
		}
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(a.Contact.GetName(), b.Contact.GetName()))
	})
	for _, l := range lines {
		out.Conversations = append(out.Conversations, l.Conversation)
	}
	return connect.NewResponse(out), nil
}

// Search implements the service.
func (s *Service) Search(ctx context.Context, r *connect.Request[apiv1.SearchRequest]) (*connect.Response[apiv1.SearchResponse], error) {
	all, err := s.node.Search(r.Msg.GetWords(), page(r.Msg.GetLimit(), defaultSearch))
	if err != nil {
		return nil, fail(err)
	}
	names, err := s.names()
	if err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.SearchResponse{Messages: s.messages(all, names)}), nil
}

// Message implements the service.
func (s *Service) Message(ctx context.Context, r *connect.Request[apiv1.MessageRequest]) (*connect.Response[apiv1.MessageResponse], error) {
	m, err := s.findMessage(r.Msg.GetId())
	if err != nil {
		return nil, fail(err)
	}
	names, err := s.names()
	if err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.MessageResponse{Message: s.message(m, names)}), nil
}

// Watch implements the service.
func (s *Service) Watch(ctx context.Context, r *connect.Request[apiv1.WatchRequest], stream *connect.ServerStream[apiv1.WatchResponse]) error {
	// Headers first, so that the caller knows it is being served.
	if err := stream.Send(&apiv1.WatchResponse{Seq: r.Msg.GetAfter()}); err != nil {
		return err
	}
	for l, err := range s.node.Watch(ctx, chat.Seq(r.Msg.GetAfter())) {
		if err != nil {
			return fail(err)
		}
		responses, err := s.happening(l)
		if err != nil {
			return fail(err)
		}
		for _, w := range responses {
			if err := stream.Send(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// happening says in the API's words what an event changed, as things stand
// now: one answer per message or contact.
func (s *Service) happening(l chat.Logged) ([]*apiv1.WatchResponse, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var changed []chat.Message
	var about *identity.AccountID
	switch e := l.Event.(type) {
	case chat.MessageAdded:
		m, ok, err := s.node.Message(e.Message.ID)
		if err != nil {
			return nil, err
		}
		if !ok || m.Hidden {
			break
		}
		return []*apiv1.WatchResponse{{Seq: uint64(l.Seq), Event: &apiv1.WatchResponse_Message{Message: s.message(m, names)}}}, nil
	case chat.MessagesMarked:
		for _, id := range e.IDs {
			if m, ok, err := s.node.Message(id); err != nil {
				return nil, err
			} else if ok {
				changed = append(changed, m)
			}
		}
	case chat.MessageBoxed:
		if m, ok, err := s.node.Message(e.ID); err != nil {
			return nil, err
		} else if ok {
			changed = append(changed, m)
		}
	case chat.MessageAmended:
		if m, ok, err := s.node.Message(e.Amendment.Target); err != nil {
			return nil, err
		} else if ok && !m.Hidden {
			changed = append(changed, m)
		}
	case chat.DeletionDelivered:
		if m, ok, err := s.node.Message(e.ID); err != nil {
			return nil, err
		} else if ok {
			changed = append(changed, m)
		}
	case chat.MessagesHidden:
		var out []*apiv1.WatchResponse
		for _, id := range e.IDs {
			out = append(out, &apiv1.WatchResponse{Seq: uint64(l.Seq), Event: &apiv1.WatchResponse_Removed{Removed: &apiv1.Removed{
				Contact: names.contacts[e.Conversation.Account()].Name, Id: hex.EncodeToString(id[:])}}})
		}
		return out, nil
	case chat.MediaStored:
		if changed, err = s.node.WithRoot(e.Root); err != nil {
			return nil, err
		}
	case chat.ContactAdded:
		about = &e.Contact.Account
	case chat.ContactProgressed:
		about = &e.Account
	case chat.ContactVerified:
		about = &e.Account
	case chat.ContactDevices:
		about = &e.Account
	case chat.ContactMoved:
		about = &e.Account
	case chat.ContactSession:
		about = &e.Account
	}
	var out []*apiv1.WatchResponse
	for _, m := range changed {
		out = append(out, &apiv1.WatchResponse{Seq: uint64(l.Seq), Event: &apiv1.WatchResponse_Changed{Changed: s.message(m, names)}})
	}
	if about != nil {
		c, ok := names.contacts[*about]
		if ok {
			out = append(out, &apiv1.WatchResponse{Seq: uint64(l.Seq), Event: &apiv1.WatchResponse_Contact{Contact: s.contact(c, names.unread[*about])}})
		}
	}
	if len(out) == 0 {
		out = append(out, &apiv1.WatchResponse{Seq: uint64(l.Seq)})
	}
	return out, nil
}

// names is what is needed to say who somebody is.
type names struct {
	contacts map[identity.AccountID]chat.Contact
	unread   map[identity.AccountID]int
}

func (s *Service) names() (names, error) {
	all, unread, err := s.node.Contacts()
	n := names{contacts: map[identity.AccountID]chat.Contact{}, unread: unread}
	for _, c := range all {
		n.contacts[c.Account] = c
	}
	return n, err
}

func (s *Service) messages(all []chat.Message, n names) []*apiv1.Message {
	out := make([]*apiv1.Message, 0, len(all))
	for _, m := range all {
		out = append(out, s.message(m, n))
	}
	return out
}

func (s *Service) message(m chat.Message, n names) *apiv1.Message {
	self := s.node.Self()
	out := &apiv1.Message{
		Id: hex.EncodeToString(m.ID[:]), Contact: n.contacts[m.Conversation.Account()].Name, Mine: m.From == self.Account,
		AtMs: m.SentAt.UnixMilli(), Text: m.Text, State: m.State.String(), Seq: uint64(m.Seq),
		Notice: m.Notice.String(), BoxedOn: uint32(m.BoxedOn), BoxedOf: uint32(m.BoxedOf),
	}
	if out.From = n.contacts[m.From].Name; out.Mine {
		out.From = self.Name
	}
	for _, a := range m.Media {
		out.Media = append(out.Media, s.media(a))
	}
	s.amendments(out, &m, n)
	return out
}

// amendments shows what was said about a message later, and of what it spoke itself.
func (s *Service) amendments(out *apiv1.Message, m *chat.Message, n names) {
	self := s.node.Self()
	name := func(a identity.AccountID) string {
		if a == self.Account {
			return self.Name
		}
		return n.contacts[a].Name
	}
	if !m.EditedAt.IsZero() {
		out.EditedAtMs = m.EditedAt.UnixMilli()
	}
	if out.Deleted = m.Deleted; m.Deleted && out.Mine {
		out.DeletedOf = 1
		if m.DeletedThere {
			out.DeletedOn = 1
		}
	}
	for _, r := range m.Reactions {
		out.Reactions = append(out.Reactions, &apiv1.Reaction{From: name(r.From), Mine: r.From == self.Account, Emoji: r.Emoji})
	}
	if m.ReplyTo == (wire.MessageID{}) {
		return
	}
	out.ReplyTo = &apiv1.Quote{Id: hex.EncodeToString(m.ReplyTo[:])}
	of, ok, err := s.node.Message(m.ReplyTo)
	if err != nil || !ok || of.Hidden || of.Conversation != m.Conversation {
		return // what it answers is not here; that is no reason not to show it
	}
	out.ReplyTo.Here, out.ReplyTo.Deleted, out.ReplyTo.From, out.ReplyTo.Mine = true, of.Deleted, name(of.From), of.From == self.Account
	out.ReplyTo.Text, out.ReplyTo.Files = beginning(of.Text, MaxQuote), uint32(len(of.Media))
}

// beginning cuts a text between two characters.
func beginning(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

func (s *Service) media(a chat.Media) *apiv1.Media {
	sum := a.Pointer.SHA256
	out := &apiv1.Media{Name: a.Name, Size: a.Pointer.Size, Sha256: hex.EncodeToString(sum[:]), Type: a.Type, State: "waiting"}
	if a.Stored {
		out.State, out.Have = "stored", a.Pointer.Size
		return out
	}
	if p, ok := s.node.Progress(a.Pointer.Ref().Root); ok && p.Chunks > 0 {
		out.Have = int64(float64(a.Pointer.Size) * float64(p.Have) / float64(p.Chunks))
		if p.Active {
			out.State = "fetching"
		}
	}
	return out
}

// findMessage gives the message with an id, or with a beginning of one that
// only one message has.
func (s *Service) findMessage(id string) (chat.Message, error) {
	id = strings.ToLower(strings.TrimSpace(id))
	if id == "" || strings.Trim(id, "0123456789abcdef") != "" || len(id) > 2*len(wire.MessageID{}) {
		return chat.Message{}, &engine.Error{Code: engine.Invalid, Text: fmt.Sprintf("%q is not a message id", id), Hint: "kith log --json shows ids"}
	}
	like, err := s.node.MessagesLike(id, 2)
	if err != nil {
		return chat.Message{}, err
	}
	switch len(like) {
	case 1:
		return like[0], nil
	case 0:
		return chat.Message{}, &engine.Error{Code: engine.NotFound, Text: fmt.Sprintf("no message %s", id)}
	}
	return chat.Message{}, &engine.Error{Code: engine.Invalid, Text: fmt.Sprintf("several messages begin with %s", id), Hint: "write more of the id"}
}

func page(asked uint32, otherwise int) int {
	if asked == 0 {
		return otherwise
	}
	return int(min(asked, MaxPage))
}
