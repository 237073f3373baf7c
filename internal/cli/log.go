package cli

import (
	"fmt"
	"strings"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

type logCmd struct {
	Contact string `arg:"" help:"Name or account." placeholder:"NAME"`
	Follow  bool   `short:"f" help:"Go on showing what happens."`
	Limit   uint32 `help:"Show this many of the newest messages." default:"100"`
	Before  string `help:"Show those before this message." placeholder:"MESSAGE-ID" xor:"place"`
	After   string `help:"Show those after this message." placeholder:"MESSAGE-ID" xor:"place"`
	Around  string `help:"Show this message, and as many before as after it." placeholder:"MESSAGE-ID" xor:"place"`
	IDs     bool   `name:"ids" help:"Show the first digits of each message's id, by which other verbs know it."`
	Read    bool   `help:"Mark everything as read, as a terminal does by itself; pipes and --json do not."`
}

func (c *logCmd) Run(e *env) error {
	e.ids = c.IDs
	cl := e.dial()
	seen := c.Read || terminal(e.out) && !e.json
	r, err := cl.Log(e.ctx, connect.NewRequest(&apiv1.LogRequest{Contact: c.Contact, Limit: c.Limit, Before: c.Before, After: c.After, Around: c.Around, MarkRead: seen}))
	if err != nil {
		return e.explain(err)
	}
	for _, m := range r.Msg.GetMessages() {
		if err := e.printMessage(m, false); err != nil {
			return err
		}
	}
	if !c.Follow {
		return nil
	}
	return c.follow(e, cl, r.Msg.GetSeq(), seen)
}

// follow prints what happens in the conversation until interrupted.
func (c *logCmd) follow(e *env, cl *client.Client, after uint64, seen bool) error {
	who, err := cl.Verify(e.ctx, connect.NewRequest(&apiv1.VerifyRequest{Contact: c.Contact}))
	if err != nil {
		return e.explain(err)
	}
	name := who.Msg.GetContact().GetName()
	var printErr error
	err = cl.Follow(e.ctx, after, func(w *apiv1.WatchResponse) bool {
		if r := w.GetRemoved(); r != nil && e.json && r.GetContact() == name {
			printErr = e.printJSON(struct {
				ID      string `json:"id"`
				Contact string `json:"contact"`
				Removed bool   `json:"removed"`
			}{r.GetId(), name, true})
			return printErr == nil
		}
		m := w.GetMessage()
		if m == nil && e.json {
			m = w.GetChanged() // scripts hear of every change, people of messages
		}
		if m == nil || m.GetContact() != name {
			return true
		}
		if seen && !m.GetMine() && m.GetState() != "read" {
			// A receipt that cannot leave now does not end the view.
			_, _ = cl.Log(e.ctx, connect.NewRequest(&apiv1.LogRequest{Contact: c.Contact, Limit: 1, MarkRead: true}))
		}
		printErr = e.printMessage(m, false)
		return printErr == nil
	})
	if printErr != nil {
		return printErr
	}
	if e.ctx.Err() != nil {
		return nil // interrupted: the way to end it
	}
	return e.explain(err)
}

type searchCmd struct {
	Words []string `arg:"" help:"Words that must all be there; a word ending in * matches its beginnings." placeholder:"WORDS"`
	Limit uint32   `help:"Show at most this many." default:"50"`
	In    string   `help:"Only in the conversation with this contact." placeholder:"NAME"`
	Skip  uint32   `help:"Leave out this many of the best."`
}

func (c *searchCmd) Run(e *env) error {
	var words strings.Builder
	for _, w := range c.Words {
		words.WriteString(w + " ")
	}
	r, err := e.dial().Search(e.ctx, connect.NewRequest(&apiv1.SearchRequest{Words: words.String(), Limit: c.Limit, Contact: c.In, Offset: c.Skip}))
	if err != nil {
		return e.explain(err)
	}
	for _, m := range r.Msg.GetMessages() {
		if err := e.printMessage(m, true); err != nil {
			return err
		}
	}
	if len(r.Msg.GetMessages()) == 0 && !e.json {
		fmt.Fprintln(e.errOut, "nothing found")
	}
	return nil
}
