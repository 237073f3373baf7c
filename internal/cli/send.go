package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
)

// maxStdin bounds text read from standard input: below what the local API
// takes, above what the node allows a message to have.
const maxStdin = 512 << 10

type sendCmd struct {
	Contact string        `arg:"" help:"Name or account." placeholder:"NAME"`
	Text    string        `arg:"" optional:"" help:"What to say; - reads it from standard input." placeholder:"TEXT"`
	File    []string      `help:"Send a file; may be given again." placeholder:"PATH" sep:"none"`
	Reply   string        `help:"Answer this message." placeholder:"MESSAGE-ID"`
	AsFile  bool          `help:"Leave pictures as they are, with place and camera in them."`
	Wait    string        `help:"When to return: queued (safe here), boxed (on relays, or there) or delivered (safe there)." enum:"queued,boxed,delivered" default:"queued"`
	Timeout time.Duration `help:"How long to wait for delivered; 0 is for ever." default:"0"`
}

func (c *sendCmd) Run(e *env) error {
	text, err := e.text(c.Text)
	if err != nil {
		return err
	}
	cl := e.dial()
	if err := c.check(e, cl); err != nil {
		return err
	}
	req := &apiv1.SendRequest{Contact: c.Contact, Text: text, ReplyTo: c.Reply}
	for _, path := range c.File {
		a, err := c.upload(e, cl, path)
		if err != nil {
			return err
		}
		req.Media = append(req.Media, a)
	}
	r, err := cl.Send(e.ctx, connect.NewRequest(req))
	if err != nil {
		return e.explain(err)
	}
	state := "queued"
	if c.Wait != "queued" {
		if state, err = e.awaitState(cl, r.Msg.GetId(), r.Msg.GetSeq(), c.Wait, c.Timeout); err != nil {
			return err
		}
	}
	if e.json {
		return e.printJSON(struct {
			ID    string `json:"id"`
			State string `json:"state"`
		}{r.Msg.GetId(), state})
	}
	return e.printf("%s %s\n", r.Msg.GetId(), state)
}

// text gives what a person wants to say, from standard input if it is "-".
func (e *env) text(given string) (string, error) {
	if given == "-" {
		b, err := io.ReadAll(io.LimitReader(e.in, maxStdin+1))
		if err != nil {
			return "", err
		}
		if len(b) > maxStdin {
			return "", &Error{Text: "this is too long for a message", Hint: "send it as a file", Exit: exitUsage}
		}
		given = string(b)
	}
	if !utf8.ValidString(given) {
		return "", &Error{Text: "this is not text", Hint: "text must be UTF-8; send anything else as a file", Exit: exitUsage}
	}
	return given, nil
}

// check finds out before a long upload that there is nobody to send to or
// nothing to send.
func (c *sendCmd) check(e *env, cl *client) error {
	if len(c.File) == 0 {
		return nil
	}
	if _, err := cl.Verify(e.ctx, connect.NewRequest(&apiv1.VerifyRequest{Contact: c.Contact})); err != nil {
		return e.explain(err)
	}
	for _, path := range c.File {
		st, err := os.Stat(path)
		if err != nil {
			return fileError(err)
		}
		if !st.Mode().IsRegular() {
			return &Error{Text: fmt.Sprintf("%s is not a file", path), Hint: "a folder can be sent as an archive", Exit: exitUsage}
		}
	}
	return nil
}

// upload gives one file to the node, which encrypts it on its way in.
func (c *sendCmd) upload(e *env, cl *client, path string) (*apiv1.Attachment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fileError(err)
	}
	name := filepath.Base(path)
	p := e.progress(name, st.Size())
	var body io.Reader = f
	if p.w != nil {
		body = counted{f, p}
	}
	u, err := cl.upload(e.ctx, body, st.Size(), name, c.AsFile)
	if err != nil {
		var ce *Error
		if errors.As(err, &ce) {
			return nil, ce
		}
		return nil, e.explain(err)
	}
	p.end()
	if u.Stripped && !e.json {
		fmt.Fprintf(e.errOut, "%s: removed what tells place, time and camera; --as-file leaves it\n", oneLine(name))
	}
	return &apiv1.Attachment{Token: u.Token, Name: name}, nil
}

// way is the order in which a message passes through the states.
var way = []string{"queued", "boxed", "fetched", "delivered", "read"}

// awaitState waits until a message has come as far as a state.
func (e *env) awaitState(cl *client, id string, after uint64, want string, timeout time.Duration) (string, error) {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	if timeout > 0 {
		// No deadline: the node would be told of it, and end the stream first.
		defer time.AfterFunc(timeout, cancel).Stop()
	}
	state := "queued"
	err := watch(ctx, cl, after, func(w *apiv1.WatchResponse) bool {
		for _, m := range []*apiv1.Message{w.GetMessage(), w.GetChanged()} {
			if m.GetId() == id {
				state = m.GetState()
			}
		}
		return slices.Index(way, state) < slices.Index(way, want)
	})
	if slices.Index(way, state) >= slices.Index(way, want) {
		return state, nil
	}
	if ctx.Err() != nil && e.ctx.Err() == nil {
		return state, &Error{Text: "not " + want + " yet; it stays " + state, Hint: "kith log shows when it arrives", Exit: exitTimeout}
	}
	return state, e.explain(err)
}

// watch calls on for each event after a sequence until on returns false. A
// stream that breaks off is a node that ended, in whatever words.
func watch(ctx context.Context, cl *client, after uint64, on func(*apiv1.WatchResponse) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := cl.Watch(ctx, connect.NewRequest(&apiv1.WatchRequest{After: after}))
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
