package api

import (
	"context"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/box"
	"kith/internal/engine"
)

// Relays implements the service.
func (s *Service) Relays(context.Context, *connect.Request[apiv1.RelaysRequest]) (*connect.Response[apiv1.RelaysResponse], error) {
	relays, err := s.node.Relays()
	if err != nil {
		return nil, fail(err)
	}
	out := &apiv1.RelaysResponse{}
	for _, r := range relays {
		answered, asked := s.node.RelayAnswers(r.ID())
		out.Relays = append(out.Relays, &apiv1.Relay{Link: r.String(), Reachable: answered, Asked: asked})
	}
	return connect.NewResponse(out), nil
}

// AddRelay implements the service.
func (s *Service) AddRelay(ctx context.Context, r *connect.Request[apiv1.AddRelayRequest]) (*connect.Response[apiv1.AddRelayResponse], error) {
	relay, err := box.ParseRelay(r.Msg.GetLink())
	if err != nil {
		return nil, fail(badRelay())
	}
	if _, _, err := s.node.Do(ctx, engine.AddRelay{Relay: relay}); err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.AddRelayResponse{}), nil
}

// RemoveRelay implements the service.
func (s *Service) RemoveRelay(ctx context.Context, r *connect.Request[apiv1.RemoveRelayRequest]) (*connect.Response[apiv1.RemoveRelayResponse], error) {
	relay, err := box.ParseRelay(r.Msg.GetLink())
	if err != nil {
		return nil, fail(badRelay())
	}
	if _, _, err := s.node.Do(ctx, engine.RemoveRelay{Relay: relay.ID()}); err != nil {
		return nil, fail(err)
	}
	return connect.NewResponse(&apiv1.RemoveRelayResponse{}), nil
}

func badRelay() error {
	return &engine.Error{Code: engine.Invalid, Text: "this is not the link of a relay",
		Hint: "it begins with kith-relay:// and is what kith relay prints when it starts"}
}
