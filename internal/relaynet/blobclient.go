package relaynet

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"kith/box"
	"kith/internal/boxstore"
)

// Errors about blobs a caller acts on.
var (
	// ErrNoBlob reports a blob that is not there or a capability that is not good;
	// a relay does not say which.
	ErrNoBlob = errors.New("relaynet: the relay has no such blob")
	// ErrHeld reports an upload of what the relay has already.
	ErrHeld = errors.New("relaynet: the relay has the blob already")
	// ErrFull reports that a relay has no room for the blob.
	ErrFull = errors.New("relaynet: the relay is full")
	// ErrRefused reports an upload that breaks a rule.
	ErrRefused = errors.New("relaynet: the relay refused")
)

// WantsWork is the error of an upload that brought too little work.
type WantsWork struct {
	Effort uint32
}

// Error is for people.
func (w *WantsWork) Error() string {
	return fmt.Sprintf("relaynet: the relay wants work of effort %d", w.Effort)
}

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
			return c.dial(ctx, r, ProtocolBlobs)
		},
		DisableKeepAlives: true, DisableCompression: true,
		ResponseHeaderTimeout: blobTime, MaxResponseHeaderBytes: blobHeader,
	}
}

// roundTrip makes one HTTP request and leaves the answer's body to the caller.
func (c *Client) roundTrip(ctx context.Context, r box.Relay, method, path string, header http.Header, body io.Reader, size int64) (*http.Response, error) {
	ctx = context.WithValue(ctx, relayKey{}, r)
	q, err := http.NewRequestWithContext(ctx, method, "https://"+hex.EncodeToString(r.Key[:])+path, body)
	if err != nil {
		return nil, fmt.Errorf("relaynet: %w", err)
	}
	q.Host, q.ContentLength = "relay", size
	q.Header = header
	q.Header["User-Agent"] = []string{""} // none
	response, err := c.blobs.RoundTrip(q)
	switch {
	case err == nil:
		return response, nil
	case c.ended.Err() != nil:
		return nil, ErrClosed
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, ErrUnreachable):
		return nil, err
	}
	return nil, fmt.Errorf("%w: %w", ErrBroken, err)
}

// PutBlob uploads a blob, of which info says size, hash and expiry and under which
// key capabilities will be minted. Errors: [*WantsWork], [ErrHeld], [ErrFull],
// [ErrRefused], [ErrUnreachable], [ErrBroken], [ErrClosed], or the context's.
func (c *Client) PutBlob(ctx context.Context, r box.Relay, info boxstore.BlobInfo, work box.Work, content io.Reader) error {
	header := http.Header{headerKey: {hex.EncodeToString(info.Key[:])}}
	if work != (box.Work{}) {
		header.Set(headerWork, hex.EncodeToString(append(work.Nonce[:], work.Solution[:]...)))
	}
	path := blobPath(info.ID) + "?e=" + strconv.FormatUint(uint64(info.Hour), 10)
	response, err := c.roundTrip(ctx, r, http.MethodPut, path, header, io.NopCloser(content), info.Size)
	if err != nil {
		return err
	}
	response.Body.Close()
	switch response.StatusCode {
	case http.StatusCreated:
		return nil
	case http.StatusConflict:
		return ErrHeld
	case http.StatusInsufficientStorage:
		return ErrFull
	case http.StatusTooManyRequests:
		if n, err := strconv.ParseUint(response.Header.Get(headerEffort), 10, 32); err == nil && n <= box.MaxEffort {
			return &WantsWork{uint32(n)}
		}
	}
	return ErrRefused
}

// GetBlob fetches length bytes of a blob from offset on, or all after it if length
// is negative, by a capability to GET. The body may end early with an error, and
// what is in it is the relay's word: callers check hash or seal. Close it. Errors:
// [ErrNoBlob], [ErrRefused], [ErrUnreachable], [ErrBroken], [ErrClosed], or the
// context's.
func (c *Client) GetBlob(ctx context.Context, r box.Relay, by Capability, offset, length int64) (io.ReadCloser, error) {
	header, want := http.Header{}, http.StatusOK
	if offset > 0 || length >= 0 {
		end := ""
		if length >= 0 {
			end = strconv.FormatInt(offset+length-1, 10)
		}
		header.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-"+end)
		want = http.StatusPartialContent
	}
	response, err := c.bear(ctx, r, by, http.MethodGet, header)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != want {
		response.Body.Close()
		return nil, ErrRefused
	}
	return response.Body, nil
}

// HeadBlob returns a blob's size, by a capability to HEAD. Errors as GetBlob's.
func (c *Client) HeadBlob(ctx context.Context, r box.Relay, by Capability) (size int64, err error) {
	response, err := c.bear(ctx, r, by, http.MethodHead, http.Header{})
	if err != nil {
		return 0, err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || response.ContentLength < 1 {
		return 0, ErrRefused
	}
	return response.ContentLength, nil
}

// DeleteBlob deletes a blob, by a capability to DELETE. Errors as GetBlob's.
func (c *Client) DeleteBlob(ctx context.Context, r box.Relay, by Capability) error {
	response, err := c.bear(ctx, r, by, http.MethodDelete, http.Header{})
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return ErrRefused
	}
	return nil
}

// bear makes a request with a capability. The method is the one it is made for, or
// the relay would not know it.
func (c *Client) bear(ctx context.Context, r box.Relay, by Capability, method string, header http.Header) (*http.Response, error) {
	response, err := c.roundTrip(ctx, r, method, by.Path(), header, nil, 0)
	if err == nil && response.StatusCode == http.StatusNotFound {
		response.Body.Close()
		return nil, ErrNoBlob
	}
	return response, err
}
