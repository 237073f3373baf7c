package client

import (
	"context"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
)

// Follow calls on for each event after a sequence until on returns false. A
// stream that breaks off is a node that ended, in whatever words.
func (c *Client) Follow(ctx context.Context, after uint64, on func(*apiv1.WatchResponse) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.Watch(ctx, connect.NewRequest(&apiv1.WatchRequest{After: after}))
	if err != nil {
		return err
	}
	defer stream.Close()
	begun := false
	for stream.Receive() {
		begun = true
		if !on(stream.Msg()) {
			return nil
		}
	}
	err = stream.Err()
	if ctx.Err() == nil && begun && ended(err) {
		return errEnded
	}
	return err
}

// ended reports whether a stream broke off because its node did: killed in
// the middle of it, or in good order.
func ended(err error) bool {
	code := connect.CodeOf(err)
	return !connect.IsWireError(err) || code == connect.CodeCanceled || code == connect.CodeUnavailable
}
