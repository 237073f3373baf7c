package api

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/preview"
	"kith/internal/wire"
)

// Send implements the service.
func (s *Service) Send(ctx context.Context, r *connect.Request[apiv1.SendRequest]) (*connect.Response[apiv1.SendResponse], error) {
	c, err := s.find(r.Msg.GetContact())
	if err != nil {
		return nil, fail(err)
	}
	in := engine.Send{To: c.Account, Text: r.Msg.GetText()}
	if r.Msg.GetReplyTo() != "" {
		m, err := s.findMessage(r.Msg.GetReplyTo())
		if err != nil {
			return nil, fail(err)
		}
		in.ReplyTo = m.ID
	}
	for _, a := range r.Msg.GetMedia() {
		at, err := s.attachment(a)
		if err != nil {
			return nil, fail(err)
		}
		in.Media = append(in.Media, at)
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
	at, err := s.place(c, r.Msg)
	if err != nil {
		return nil, fail(err)
	}
	p, err := s.node.Messages(chat.With(c.Account), at, page(r.Msg.GetLimit(), defaultLog))
	if err != nil {
		return nil, fail(err)
	}
	if r.Msg.GetMarkRead() {
		// After listing: what comes in between is later than the sequence in
		// the answer, so whoever follows it sees that too.
		if _, _, err := s.node.Do(ctx, engine.MarkRead{Conversation: chat.With(c.Account)}); err != nil && c.State == chat.ContactEstablished {
			return nil, fail(err)
		}
		for i := range p.Messages {
			if p.Messages[i].From == c.Account {
				p.Messages[i].State = chat.Read
			}
		}
	}
	names, err := s.names()
	if err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.LogResponse{Messages: s.messages(p.Messages, names), Seq: uint64(p.Seq),
		Earlier: p.Earlier, Later: p.Later}), nil
}

// Search implements the service.
func (s *Service) Search(ctx context.Context, r *connect.Request[apiv1.SearchRequest]) (*connect.Response[apiv1.SearchResponse], error) {
	var in *chat.ConversationID
	if r.Msg.GetContact() != "" {
		c, err := s.find(r.Msg.GetContact())
		if err != nil {
			return nil, fail(err)
		}
		in = new(chat.With(c.Account))
	}
	all, more, err := s.node.Search(in, r.Msg.GetWords(), int(min(r.Msg.GetOffset(), maxOffset)), page(r.Msg.GetLimit(), defaultSearch))
	if err != nil {
		return nil, fail(err)
	}
	names, err := s.names()
	if err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.SearchResponse{Messages: s.messages(all, names), More: more}), nil
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
	changed, err := s.changedBy(l.Event)
	if err != nil {
		return nil, err
	}
	var about *identity.AccountID
	switch e := l.Event.(type) {
	case chat.MessageAdded:
		m, ok, err := s.node.Message(e.Message.ID)
		if err != nil {
			return nil, err
		}
		if !ok { // deleted here since
			break
		}
		return []*apiv1.WatchResponse{{Seq: uint64(l.Seq), Event: &apiv1.WatchResponse_Message{Message: s.message(m, names)}}}, nil
	case chat.MessagesForgotten:
		return removed(l.Seq, e, names), nil
	case chat.ContactTyping:
		return typing(l, e, names), nil
	case chat.MediaMoving:
		return s.moving(l, e, names)
	case chat.StandingChanged:
		return []*apiv1.WatchResponse{{Seq: uint64(l.Seq), Event: &apiv1.WatchResponse_Standing{Standing: &apiv1.Standing{}}}}, nil
	case chat.ContactConfigured:
		about = &e.Account
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

// changedBy gives the messages of which an event says something new, as they stand now.
func (s *Service) changedBy(e chat.Event) ([]chat.Message, error) {
	switch e := e.(type) {
	case chat.MessagesMarked:
		return s.standing(e.IDs...)
	case chat.MessageBoxed:
		return s.standing(e.ID)
	case chat.MessageChanged:
		return s.standing(e.Change.Target)
	case chat.ChangeDelivered:
		return s.node.ChangedBy(e.ID)
	case chat.MediaStored:
		return s.node.WithRoot(e.Root)
	case chat.MediaHeld:
		return s.node.WithRoot(e.Root)
	}
	return nil, nil
}

// standing gives those of some messages that are here.
func (s *Service) standing(ids ...wire.MessageID) (all []chat.Message, err error) {
	for _, id := range ids {
		m, ok, err := s.node.Message(id)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, m)
		}
	}
	return all, nil
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
		AtMs: m.SentAt.UnixMilli(), Text: m.Text, State: m.State.String(), Seq: uint64(m.Seq), Lamport: m.Lamport,
		Notice: m.Notice.String(), BoxedOn: uint32(m.BoxedOn), BoxedOf: uint32(m.BoxedOf),
	}
	if out.From = n.contacts[m.From].Name; out.Mine {
		out.From = self.Name
	}
	for _, a := range m.Media {
		out.Media = append(out.Media, s.media(a))
	}
	s.changes(out, &m, n)
	return out
}

func (s *Service) media(a chat.Media) *apiv1.Media {
	sum := a.Pointer.SHA256
	out := &apiv1.Media{Name: a.Name, Size: a.Pointer.Size, Sha256: hex.EncodeToString(sum[:]), Type: a.Type, State: "waiting", Preview: previewOf(a.Preview)}
	if a.Stored {
		out.State, out.Have = "stored", a.Pointer.Size
		return out
	}
	p, moving := s.node.Progress(a.Pointer.Ref().Root)
	if moving && p.Chunks > 0 {
		out.Have = int64(float64(a.Pointer.Size) * float64(p.Have) / float64(p.Chunks))
	}
	switch {
	case a.Hold == chat.Cancelled:
		out.State = "cancelled"
	case a.Hold == chat.Paused:
		out.State = "paused"
	case moving && p.Active:
		out.State = "fetching"
	}
	return out
}

func previewOf(p *wire.Preview) *apiv1.Preview {
	if p == nil {
		return nil
	}
	return &apiv1.Preview{Width: uint32(p.Width), Height: uint32(p.Height), DurationMs: uint64(p.Duration.Milliseconds()),
		Thumbhash: p.ThumbHash, Waveform: p.Waveform, HasThumbnail: preview.ValidThumbnail(p.Thumbnail)}
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
