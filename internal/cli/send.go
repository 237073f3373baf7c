package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/internal/client"
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
func (c *sendCmd) check(e *env, cl *client.Client) error {
	if len(c.File) == 0 {
		return nil
	}
	if _, err := cl.Verify(e.ctx, connect.NewRequest(&apiv1.VerifyRequest{Contact: c.Contact})); err != nil {
		return e.explain(err)
	}
	for _, path := range c.File {
		st, err := os.Stat(path)
		if err != nil {
			return client.FileError(err)
		}
		if !st.Mode().IsRegular() {
			return &Error{Text: fmt.Sprintf("%s is not a file", path), Hint: "a folder can be sent as an archive", Exit: exitUsage}
		}
	}
	return nil
}

// upload gives one file to the node, which encrypts it on its way in.
func (c *sendCmd) upload(e *env, cl *client.Client, path string) (*apiv1.Attachment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, client.FileError(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, client.FileError(err)
	}
	name := filepath.Base(path)
	p := e.progress(name, st.Size())
	var count func(int64)
	if p.w != nil {
		count = p.add
	}
	u, err := cl.Upload(e.ctx, client.Counted(f, count), st.Size(), name, c.AsFile)
	if err != nil {
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
func (e *env) awaitState(cl *client.Client, id string, after uint64, want string, timeout time.Duration) (string, error) {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	if timeout > 0 {
		// No deadline: the node would be told of it, and end the stream first.
		defer time.AfterFunc(timeout, cancel).Stop()
	}
	state := "queued"
	err := cl.Follow(ctx, after, func(w *apiv1.WatchResponse) bool {
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
