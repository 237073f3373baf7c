package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Uploaded is the node's answer to a stored file.
type Uploaded struct {
	Token    string `json:"token"` // for one Send
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256"`
	Type     string `json:"type"`
	Stripped bool   `json:"stripped"` // place, time and camera were taken out
}

// Upload streams a file of so many bytes to the node, which encrypts it on its
// way in. With asFile it stays as it is. Its error is an [*Error], or one for
// [Client.Explain].
func (c *Client) Upload(ctx context.Context, body io.Reader, size int64, name string, asFile bool) (*Uploaded, error) {
	q := url.Values{"name": {name}}
	if asFile {
		q.Set("as_file", "1")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://kith/media?"+q.Encode(), body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = size
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, mediaError(resp)
	}
	var u Uploaded
	return &u, json.NewDecoder(resp.Body).Decode(&u)
}

// Download opens an attachment's plaintext; the caller closes it.
func (c *Client) Download(ctx context.Context, message string, index int) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://kith/media/%s/%d", message, index), nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, mediaError(resp)
	}
	return resp.Body, nil
}

func mediaError(resp *http.Response) error {
	var body struct{ Error, Hint string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&body); err != nil || body.Error == "" {
		return &Error{Text: "the node answered " + strings.ToLower(http.StatusText(resp.StatusCode)), Exit: ExitFailed}
	}
	e := &Error{Text: body.Error, Hint: body.Hint, Exit: ExitFailed}
	switch resp.StatusCode {
	case http.StatusBadRequest:
		e.Exit = ExitUsage
	case http.StatusNotFound:
		e.Exit = ExitNotFound
	case http.StatusConflict, http.StatusInsufficientStorage:
		e.Exit = ExitNotNow
	}
	return e
}
