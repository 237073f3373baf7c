package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"connectrpc.com/connect"
)

// Exit codes of the command line, as docs/spec/api.md lists them.
const (
	ExitOK         = 0
	ExitFailed     = 1
	ExitUsage      = 2
	ExitNotRunning = 3
	ExitNotFound   = 4
	ExitNotNow     = 5
	ExitLocked     = 6
	ExitTimeout    = 7
)

// Error is an error with a hint and an exit code, for the person.
type Error struct {
	Text, Hint string
	Exit       int
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// errEnded reports a node that ended before it had answered.
var errEnded = &Error{Text: "the node ended", Hint: "start it again with: kith up", Exit: ExitNotRunning}

// Explain turns the error of a call into one for the person: an [*Error], or
// what was no error of the node's as it is. A call that was given up stays
// [context.Canceled].
func (c *Client) Explain(err error) error {
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
	if NotRunning(err) {
		if _, statErr := os.Stat(filepath.Join(c.home, "kith.db")); statErr != nil {
			return &Error{Text: fmt.Sprintf("there is no account in %s", c.home), Hint: "make one with: kith init --name NAME", Exit: ExitNotRunning}
		}
		return &Error{Text: "no node is running here", Hint: "start it with: kith up", Exit: ExitNotRunning}
	}
	if BrokeOff(err) {
		return errEnded
	}
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return err
	}
	out := &Error{Text: ce.Message(), Hint: ce.Meta().Get("Kith-Hint"), Exit: ExitFailed}
	switch ce.Code() {
	case connect.CodeInvalidArgument:
		out.Exit = ExitUsage
	case connect.CodeNotFound:
		out.Exit = ExitNotFound
	case connect.CodeFailedPrecondition, connect.CodeAlreadyExists, connect.CodeResourceExhausted:
		out.Exit = ExitNotNow
	}
	return out
}

// NotRunning reports a call that found nobody listening.
func NotRunning(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) || errors.Is(err, os.ErrNotExist)
}

// BrokeOff reports a call whose connection the node closed, or the system for
// it, before an answer.
func BrokeOff(err error) bool {
	if ce, streamed := errors.AsType[*connect.Error](err); streamed && !connect.IsWireError(ce) && errors.Is(err, io.ErrUnexpectedEOF) {
		return true // in the middle of a stream
	}
	if _, transport := errors.AsType[*url.Error](err); !transport || connect.IsWireError(err) {
		return false // an error of the node, or of a file on its way to it
	}
	_, broken := errors.AsType[*net.OpError](err)
	return broken || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// FileError says what is wrong with a file in one line.
func FileError(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		e := &Error{Text: fmt.Sprintf("%s: %v", pe.Path, pe.Err), Exit: ExitFailed}
		if errors.Is(err, fs.ErrNotExist) {
			e.Exit = ExitNotFound
		}
		return e
	}
	return err
}
