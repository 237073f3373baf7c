package relaynet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"kith/box"
	"kith/internal/boxstore"
)

// Errors about blobs a caller acts on.
var (
	// ErrNoBlob reports a blob that is not there or a capability that is not good;
	// a relay does not say which.
	ErrNoBlob = errors.New("relaynet: the relay has no such blob")
	// ErrHeld reports an upload of what the relay has already under another key:
	// capabilities of this one are not good there.
	ErrHeld = errors.New("relaynet: the relay has the blob under another key")
	// ErrFull reports that a relay has no room for the blob.
	ErrFull = errors.New("relaynet: the relay is full")
	// ErrBusy reports that a relay cannot do it now.
	ErrBusy = errors.New("relaynet: the relay is busy")
	// ErrRefused reports a request that breaks a rule, such as an expiry too far
	// ahead or a range behind the blob's end, or a relay that keeps no blobs.
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

// NewBlob is what there is to say of a chunk to upload: kept until a day, a number
// of days since 1970, is over, with capabilities minted under key. The key is
// random, one for each chunk, and for whoever may delete it.
func NewBlob(chunk []byte, key [32]byte, expiry uint32) boxstore.BlobInfo {
	return boxstore.BlobInfo{ID: sha256.Sum256(chunk), Hour: LastHour(expiry), Key: key, Size: int64(len(chunk))}
}

// LastHour is the last hour of a day, hours since 1970.
func LastHour(day uint32) uint32 { return day*24 + 23 }

// Upload puts a chunk on a relay and returns when it is durable there. What the
// relay wants in work, up to [MaxBlobEffort], it does in this goroutine. It may be
// called again for the same chunk and key: the later expiry holds. Errors as
// [Client.PutBlob]'s.
func (c *Client) Upload(ctx context.Context, r box.Relay, info boxstore.BlobInfo, chunk []byte) error {
	var work box.Work
	for tries := 0; ; tries++ {
		err := c.PutBlob(ctx, r, info, work, bytes.NewReader(chunk))
		wants, ok := errors.AsType[*WantsWork](err)
		if !ok || wants.Effort > MaxBlobEffort || tries == maxTries {
			return err
		}
		// What it wants rises while others upload.
		effort := min(2*wants.Effort, MaxBlobEffort)
		if work, ok = box.Solve(r.ID(), box.Day(time.Now()), info.ID, effort, func() bool { return ctx.Err() != nil }); !ok {
			return ctx.Err()
		}
	}
}

// Fetch gets a whole blob by a capability to GET, and checks that it is the one of
// the capability's id. have is what is there of it already; with an error that
// may pass Fetch returns what there is then, to go on with, at this relay or
// another. [ErrFalse]: what there is now is not the beginning of the blob; begin
// anew. Other errors as [Client.GetBlob]'s.
func (c *Client) Fetch(ctx context.Context, r box.Relay, by Capability, have []byte) ([]byte, error) {
	if len(have) > 0 && sha256.Sum256(have) == by.ID {
		return have, nil
	}
	if len(have) >= MaxBlob {
		return nil, ErrFalse
	}
	body, err := c.GetBlob(ctx, r, by, int64(len(have)), -1)
	if err != nil {
		return have, err
	}
	defer body.Close()
	b := bytes.NewBuffer(have)
	_, err = io.Copy(b, io.LimitReader(body, int64(MaxBlob+1-len(have))))
	switch {
	case err != nil && ctx.Err() != nil:
		return b.Bytes(), ctx.Err()
	case err != nil:
		return b.Bytes(), fmt.Errorf("%w: %w", ErrBroken, err)
	case sha256.Sum256(b.Bytes()) != by.ID:
		return nil, ErrFalse
	}
	return b.Bytes(), nil
}

// PutBlob uploads a blob of which info says size, hash and expiry, and under which
// key capabilities will be minted. Content is read only when the relay wants it, and a
// Read of it is waited for: one that may take long has to end with ctx.
// It is durable there when PutBlob returns nil, also if it had been before.
// Errors: [*WantsWork], [ErrHeld], [ErrFull], [ErrBusy], [ErrRefused],
// [ErrUnreachable], [ErrBroken], [ErrClosed], or the context's.
func (c *Client) PutBlob(ctx context.Context, r box.Relay, info boxstore.BlobInfo, work box.Work, content io.Reader) error {
	header := http.Header{headerKey: {hex.EncodeToString(info.Key[:])}, "Expect": {"100-continue"}}
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
	return refused(response)
}

// refused is the error of an answer that has none of its own.
func refused(response *http.Response) error {
	if response.StatusCode == http.StatusServiceUnavailable {
		return ErrBusy
	}
	return ErrRefused
}

// GetBlob fetches length bytes of a blob from offset on, or all after it if length
// is negative, by a capability to GET. The body may end early with an error, and
// what is in it is the relay's word: callers check hash or seal. Close it; it ends
// with ctx and with the client. Errors: [ErrNoBlob], [ErrBusy], [ErrRefused],
// [ErrUnreachable], [ErrBroken], [ErrClosed], or the context's.
func (c *Client) GetBlob(ctx context.Context, r box.Relay, by Capability, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 || length == 0 {
		return nil, ErrRefused
	}
	header, want := http.Header{}, http.StatusOK
	if offset > 0 || length > 0 {
		end := ""
		if length > 0 {
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
		return nil, refused(response)
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
	if response.StatusCode != http.StatusOK || response.ContentLength < 1 || response.ContentLength > MaxBlob {
		return 0, refused(response)
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
		return refused(response)
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
