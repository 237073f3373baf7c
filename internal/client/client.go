package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

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

// Client talks to the node of one home directory. It is safe for concurrent
// use.
type Client struct {
	apiv1connect.KithClient
	http *http.Client
	home string
}

// New makes a client of the node in this home, which need not run yet.
func New(home string) *Client {
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
	return &Client{KithClient: apiv1connect.NewKithClient(hc, "http://kith"), http: hc, home: home}
}
