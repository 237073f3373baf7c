package cli

import "kith/internal/client"

// Error is an error with a hint and an exit code, for the person.
type Error = client.Error

// SocketPath returns where the node of a home directory listens.
func SocketPath(home string) string { return client.SocketPath(home) }

// dial makes a client of the node in this home. Whether one runs shows at the
// first call.
func (e *env) dial() *client.Client { return client.New(e.home) }

// explain turns an API error into one for the person.
func (e *env) explain(err error) error { return e.dial().Explain(err) }
