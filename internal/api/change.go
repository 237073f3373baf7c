package api

import (
	"context"
	"encoding/hex"
	"slices"
	"unicode/utf8"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/node"
	"kith/internal/wire"
)

// Edit implements the service.
func (s *Service) Edit(ctx context.Context, r *connect.Request[apiv1.EditRequest]) (*connect.Response[apiv1.EditResponse], error) {
	m, err := s.findMessage(r.Msg.GetId())
	if err != nil {
		return nil, fail(err)
	}
	_, seq, err := s.node.Do(ctx, engine.Edit{ID: m.ID, Text: r.Msg.GetText()})
	if err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.EditResponse{Seq: uint64(seq)}), nil
}

// Delete implements the service.
func (s *Service) Delete(ctx context.Context, r *connect.Request[apiv1.DeleteRequest]) (*connect.Response[apiv1.DeleteResponse], error) {
	in := engine.Delete{Everyone: r.Msg.GetForEveryone()}
	for _, id := range r.Msg.GetIds()[:min(len(r.Msg.GetIds()), wire.MaxDeleted+1)] { // one more is refused
		m, err := s.findMessage(id)
		if err != nil {
			return nil, fail(err)
		}
		in.IDs = append(in.IDs, m.ID)
	}
	_, seq, err := s.node.Do(ctx, in)
	if err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.DeleteResponse{Seq: uint64(seq)}), nil
}

// React implements the service.
func (s *Service) React(ctx context.Context, r *connect.Request[apiv1.ReactRequest]) (*connect.Response[apiv1.ReactResponse], error) {
	m, err := s.findMessage(r.Msg.GetId())
	if err != nil {
		return nil, fail(err)
	}
	_, seq, err := s.node.Do(ctx, engine.React{ID: m.ID, Emoji: r.Msg.GetEmoji()})
	if err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.ReactResponse{Seq: uint64(seq)}), nil
}

// MarkRead implements the service.
func (s *Service) MarkRead(ctx context.Context, r *connect.Request[apiv1.MarkReadRequest]) (*connect.Response[apiv1.MarkReadResponse], error) {
	c, err := s.find(r.Msg.GetContact())
	if err != nil {
		return nil, fail(err)
	}
	if _, _, err := s.node.Do(ctx, engine.MarkRead{Conversation: chat.With(c.Account)}); err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.MarkReadResponse{}), nil
}

// Typing implements the service.
func (s *Service) Typing(ctx context.Context, r *connect.Request[apiv1.TypingRequest]) (*connect.Response[apiv1.TypingResponse], error) {
	c, err := s.find(r.Msg.GetContact())
	if err != nil {
		return nil, fail(err)
	}
	if err := s.node.Typing(ctx, c); err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.TypingResponse{}), nil
}

// Configure implements the service.
func (s *Service) Configure(ctx context.Context, r *connect.Request[apiv1.ConfigureRequest]) (*connect.Response[apiv1.ConfigureResponse], error) {
	c, err := s.find(r.Msg.GetContact())
	if err != nil {
		return nil, fail(err)
	}
	m := r.Msg
	if _, _, err := s.node.Do(ctx, engine.Configure{Account: c.Account, Name: m.Name, Receipts: m.Receipts, Typing: m.Typing, Blocked: m.Blocked}); err != nil {
		return nil, fail(err)
	}
	names, err := s.names()
	if err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.ConfigureResponse{Contact: s.contact(names.contacts[c.Account], names.unread[c.Account])}), nil
}

// Conversations implements the service.
func (s *Service) Conversations(context.Context, *connect.Request[apiv1.ConversationsRequest]) (*connect.Response[apiv1.ConversationsResponse], error) {
	// Before what is listed, so that whoever follows it sees what comes meanwhile.
	seq, err := s.node.LastSeq()
	if err != nil {
		return nil, fail(err)
	}
	names, err := s.names()
	if err != nil {
		return nil, fail(err)
	}
	type spoken struct {
		seq chat.Seq
		*apiv1.Conversation
	}
	var all []spoken
	for a, c := range names.contacts {
		p, err := s.node.Messages(chat.With(a), node.Place{}, 1)
		if err != nil {
			return nil, fail(err)
		}
		x := spoken{Conversation: &apiv1.Conversation{Contact: s.contact(c, names.unread[a])}}
		text, reply, err := s.node.Draft(a)
		if err != nil {
			return nil, fail(err)
		}
		if x.Draft = text; reply != nil {
			x.DraftReply = s.message(*reply, names)
		}
		if len(p.Messages) > 0 {
			x.seq, x.Last = p.Messages[0].Seq, s.message(p.Messages[0], names)
		}
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b spoken) int {
		if a.seq != b.seq {
			return int(int64(b.seq) - int64(a.seq))
		}
		return slices.Compare([]byte(a.GetContact().GetName()), []byte(b.GetContact().GetName()))
	})
	out := &apiv1.ConversationsResponse{Seq: uint64(seq)}
	for _, x := range all {
		out.Conversations = append(out.Conversations, x.Conversation)
	}
	return connect.NewResponse(out), nil
}

// place reads which part of a conversation is asked for.
func (s *Service) place(c chat.Contact, r *apiv1.LogRequest) (at node.Place, err error) {
	set := 0
	for _, x := range []struct {
		id string
		to **chat.Message
	}{{r.GetBefore(), &at.Before}, {r.GetAfter(), &at.After}, {r.GetAround(), &at.Around}} {
		if x.id == "" {
			continue
		}
		m, err := s.findMessage(x.id)
		if err != nil {
			return at, err
		}
		if m.Conversation != chat.With(c.Account) {
			return at, &engine.Error{Code: engine.NotFound, Text: "this message is of another conversation"}
		}
		*x.to = &m
		set++
	}
	if set > 1 {
		return at, &engine.Error{Code: engine.Invalid, Text: "only one of before, after and around can be given"}
	}
	return at, nil
}

// changes says what was done to a message.
func (s *Service) changes(out *apiv1.Message, m *chat.Message, n names) {
	out.Deleted, out.DeletedOn, out.DeletedOf = m.Deleted, uint32(m.DeletedOn), uint32(m.DeletedOf)
	if !m.EditedAt.IsZero() {
		out.EditedAtMs = m.EditedAt.UnixMilli()
	}
	for _, r := range m.Reactions {
		out.Reactions = append(out.Reactions, &apiv1.Reaction{Who: s.who(r.From, n), Emoji: r.Emoji, Mine: r.From == s.node.Self().Account})
	}
	if m.ReplyTo == (wire.MessageID{}) {
		return
	}
	out.ReplyTo = &apiv1.Quote{Id: hex.EncodeToString(m.ReplyTo[:])}
	// What cannot be read now is shown as what is not here.
	if q, ok, err := s.node.Message(m.ReplyTo); err == nil && ok && q.Conversation == m.Conversation {
		out.ReplyTo.Here, out.ReplyTo.From, out.ReplyTo.Deleted = true, s.who(q.From, n), q.Deleted
		out.ReplyTo.Mine = q.From == s.node.Self().Account
		out.ReplyTo.Text, out.ReplyTo.Media = cut(q.Text, quoteBytes), uint32(len(q.Media))
	}
}

// who names a person.
func (s *Service) who(a identity.AccountID, n names) string {
	if self := s.node.Self(); a == self.Account {
		return self.Name
	}
	return n.contacts[a].Name
}

// cut shortens text to at most n bytes without splitting a character.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

func removed(seq chat.Seq, e chat.MessagesForgotten, n names) []*apiv1.WatchResponse {
	var out []*apiv1.WatchResponse
	for _, id := range e.IDs {
		out = append(out, &apiv1.WatchResponse{Seq: uint64(seq), Event: &apiv1.WatchResponse_Removed{
			Removed: &apiv1.Removed{Id: hex.EncodeToString(id[:]), Contact: n.contacts[e.Conversation.Account()].Name}}})
	}
	return out
}

func typing(l chat.Logged, e chat.ContactTyping, n names) []*apiv1.WatchResponse {
	return []*apiv1.WatchResponse{{Seq: uint64(l.Seq), Event: &apiv1.WatchResponse_Typing{
		Typing: &apiv1.Typing{Contact: n.contacts[e.Account].Name, UntilMs: l.At.Add(engine.TypingShown).UnixMilli()}}}}
}
