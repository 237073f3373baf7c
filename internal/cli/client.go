package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"connectrpc.com/connect"

	"kith/api/v1/apiv1connect"
)

// maxSocketPath is the longest path every system takes for a unix socket,
// its end mark included (macOS: 104 bytes).
const maxSocketPath = 103

// SocketPath returns where the node of a home directory listens. A home whose
// path is too long for a socket gets one in a directory of the user's own.
func SocketPath(home string) string {
	path := filepath.Join(home, "kith.sock")
	if len(path) <= maxSocketPath {
		return path
	}
	sum := sha256.Sum256([]byte(home))
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("kith-%d", os.Getuid()))
	}
	return filepath.Join(dir, hex.EncodeToString(sum[:8])+".sock")
}

// client talks to a node.
type client struct {
	apiv1connect.KithClient
	http *http.Client
}

// dial makes a client of the node in this home. Whether one runs shows at the
// first call.
func (e *env) dial() *client { return newClient(e.home) }

func newClient(home string) *client {
	socket := SocketPath(home)
	hc := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if err := trusted(filepath.Dir(socket)); err != nil {
				return nil, err
			}
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
		WriteBufferSize: 256 << 10, ReadBufferSize: 256 << 10,
	}}
	return &client{KithClient: apiv1connect.NewKithClient(hc, "http://kith"), http: hc}
}

// explain turns an API error into one for the person.
func (e *env) explain(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	if notRunning(err) {
		if _, statErr := os.Stat(filepath.Join(e.home, "kith.db")); statErr != nil {
			return &Error{Text: fmt.Sprintf("there is no account in %s", e.home), Hint: "make one with: kith init --name NAME", Exit: exitNotRunning}
		}
		return &Error{Text: "no node is running here", Hint: "start it with: kith up", Exit: exitNotRunning}
	}
	if brokeOff(err) {
		return errEnded
	}
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return err
	}
	out := &Error{Text: ce.Message(), Hint: ce.Meta().Get("Kith-Hint"), Exit: exitFailed}
	switch ce.Code() {
	case connect.CodeInvalidArgument:
		out.Exit = exitUsage
	case connect.CodeNotFound:
		out.Exit = exitNotFound
	case connect.CodeFailedPrecondition, connect.CodeAlreadyExists, connect.CodeResourceExhausted:
		out.Exit = exitNotNow
	}
	return out
}

func notRunning(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) || errors.Is(err, os.ErrNotExist)
}

// errEnded reports a node that ended before it had answered.
var errEnded = &Error{Text: "the node ended", Hint: "start it again with: kith up", Exit: exitNotRunning}

// brokeOff reports a call whose connection the node closed, or the system for
// it, before an answer.
func brokeOff(err error) bool {
	if ce, streamed := errors.AsType[*connect.Error](err); streamed && !connect.IsWireError(ce) && errors.Is(err, io.ErrUnexpectedEOF) {
		return true // in the middle of a stream
	}
	if _, transport := errors.AsType[*url.Error](err); !transport || connect.IsWireError(err) {
		return false // an error of the node, or of a file on its way to it
	}
	_, broken := errors.AsType[*net.OpError](err)
	return broken || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// uploaded is the node's answer to a stored file.
type uploaded struct {
	Token    string `json:"token"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256"`
	Type     string `json:"type"`
	Stripped bool   `json:"stripped"`
}

// upload streams a file to the node.
func (c *client) upload(ctx context.Context, body io.Reader, size int64, name string, asFile bool) (*uploaded, error) {
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
	var u uploaded
	return &u, json.NewDecoder(resp.Body).Decode(&u)
}

// download opens an attachment's plaintext.
func (c *client) download(ctx context.Context, message string, index int) (io.ReadCloser, error) {
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
		return &Error{Text: "the node answered " + strings.ToLower(http.StatusText(resp.StatusCode)), Exit: exitFailed}
	}
	e := &Error{Text: body.Error, Hint: body.Hint, Exit: exitFailed}
	switch resp.StatusCode {
	case http.StatusBadRequest:
		e.Exit = exitUsage
	case http.StatusNotFound:
		e.Exit = exitNotFound
	case http.StatusConflict, http.StatusInsufficientStorage:
		e.Exit = exitNotNow
	}
	return e
}
