package api

import (
	"context"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/internal/engine"
)

// Edit implements the service.
func (s *Service) Edit(ctx context.Context, r *connect.Request[apiv1.EditRequest]) (*connect.Response[apiv1.EditResponse], error) {
	m, err := s.findMessage(r.Msg.GetId())
	if err == nil {
		_, _, err = s.node.Do(ctx, engine.Edit{ID: m.ID, Text: r.Msg.GetText()})
	}
	if err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.EditResponse{}), nil
}

// React implements the service.
func (s *Service) React(ctx context.Context, r *connect.Request[apiv1.ReactRequest]) (*connect.Response[apiv1.ReactResponse], error) {
	m, err := s.findMessage(r.Msg.GetId())
	if err == nil {
		_, _, err = s.node.Do(ctx, engine.React{ID: m.ID, Emoji: r.Msg.GetEmoji()})
	}
	if err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.ReactResponse{}), nil
}

// Delete implements the service.
func (s *Service) Delete(ctx context.Context, r *connect.Request[apiv1.DeleteRequest]) (*connect.Response[apiv1.DeleteResponse], error) {
	in := engine.Delete{Everyone: r.Msg.GetForEveryone()}
	for _, id := range r.Msg.GetIds() {
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
