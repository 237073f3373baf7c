package relaynet

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"kith/box"
)

// relayKey is under which a request's context has its relay.
type relayKey struct{}

// transport makes a connection for each request: two chunks of a file on one
// connection would say that they belong together.
func (c *Client) transport() *http.Transport {
	return &http.Transport{
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			r, ok := ctx.Value(relayKey{}).(box.Relay)
			if !ok {
				return nil, ErrUnreachable // never: roundTrip puts it there
			}
			conn, err := c.dial(ctx, r, ProtocolBlobs)
			if err != nil {
				return nil, err
			}
			return impatient{conn}, nil
		},
		DisableKeepAlives: true, DisableCompression: true,
		ExpectContinueTimeout: blobStall, ResponseHeaderTimeout: blobStall, MaxResponseHeaderBytes: blobHeader,
	}
}

// impatient gives up on a relay that takes nothing for long.
type impatient struct {
	*tls.Conn
}

func (i impatient) Write(b []byte) (int, error) {
	if err := i.SetWriteDeadline(time.Now().Add(blobStall)); err != nil {
		return 0, err
	}
	return i.Conn.Write(b)
}

// fetched is an answer's body. It ends with its request's context, with the
// client, and when nothing comes for long.
type fetched struct {
	io.ReadCloser
	cancel func()
	ended  context.Context // of the client
}

func (f *fetched) Read(b []byte) (int, error) {
	if f.ended.Err() != nil {
		return 0, ErrClosed // what ends the request does so a moment later
	}
	stall := time.AfterFunc(blobStall, f.cancel)
	defer stall.Stop()
	return f.ReadCloser.Read(b)
}

func (f *fetched) Close() error {
	f.cancel()
	return f.ReadCloser.Close()
}

// roundTrip makes one HTTP request and leaves the answer's body to the caller.
func (c *Client) roundTrip(ctx context.Context, r box.Relay, method, path string, header http.Header, body io.Reader, size int64) (*http.Response, error) {
	asked, cancel := context.WithCancel(context.WithValue(ctx, relayKey{}, r))
	unlink := context.AfterFunc(c.ended, cancel)
	end := func() { unlink(); cancel() }
	q, err := http.NewRequestWithContext(asked, method, "https://"+hex.EncodeToString(r.Key[:])+path, body)
	if err != nil {
		end()
		return nil, fmt.Errorf("relaynet: %w", err)
	}
	q.Host, q.ContentLength = "relay", size
	q.Header = header
	q.Header["User-Agent"] = []string{""} // none
	response, err := c.blobs.RoundTrip(q)
	if err == nil {
		response.Body = &fetched{response.Body, end, c.ended}
		return response, nil
	}
	end()
	switch {
	case c.ended.Err() != nil:
		return nil, ErrClosed
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, ErrUnreachable):
		return nil, err
	}
	return nil, fmt.Errorf("%w: %w", ErrBroken, err)
}
