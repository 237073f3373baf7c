package cli

import (
	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
)

type fetchCmd struct {
	ID     string `arg:"" help:"The message; a beginning of its id will do." placeholder:"MESSAGE-ID"`
	Index  int    `help:"Only this file of the message, counted from 0; -1 is all." default:"-1"`
	Pause  bool   `help:"Keep what is here and fetch no more for now." xor:"hold"`
	Cancel bool   `help:"Fetch no more and let go of what is here." xor:"hold"`
}

// Help is shown by kith fetch --help.
func (fetchCmd) Help() string {
	return "Files come by themselves. This pauses that, cancels it, or goes on with it.\n\nExamples:\n  kith fetch 3f2a --pause\n  kith fetch 3f2a"
}

func (c *fetchCmd) Run(e *env) error {
	cl := e.dial()
	r, err := cl.Message(e.ctx, connect.NewRequest(&apiv1.MessageRequest{Id: c.ID}))
	if err != nil {
		return e.explain(err)
	}
	hold := apiv1.HoldRequest_FETCH
	switch {
	case c.Pause:
		hold = apiv1.HoldRequest_PAUSE
	case c.Cancel:
		hold = apiv1.HoldRequest_CANCEL
	}
	asked := false
	for i, a := range r.Msg.GetMessage().GetMedia() {
		if c.Index >= 0 && c.Index != i || c.Index < 0 && a.GetState() == "stored" {
			continue
		}
		asked = true
		if _, err := cl.Hold(e.ctx, connect.NewRequest(&apiv1.HoldRequest{Id: r.Msg.GetMessage().GetId(), Index: uint32(i), Hold: hold})); err != nil {
			return e.explain(err)
		}
	}
	switch {
	case asked:
	case c.Index >= 0 || len(r.Msg.GetMessage().GetMedia()) == 0:
		return &Error{Text: "the message has no such file", Hint: "kith log NAME shows files", Exit: exitNotFound}
	case c.Pause || c.Cancel:
		return &Error{Text: "every file of this message is complete", Exit: exitNotNow}
	}
	return e.printStanding(cl, c.ID)
}

type forwardCmd struct {
	ID   string `arg:"" help:"The message; a beginning of its id will do." placeholder:"MESSAGE-ID"`
	Name string `arg:"" help:"The contact it goes to." placeholder:"NAME"`
}

// Help is shown by kith forward --help.
func (forwardCmd) Help() string {
	return "Its text and files are sent as a message of yours; who said it first is not told. Files must be complete here.\n\nExample:\n  kith forward 3f2a carol"
}

func (c *forwardCmd) Run(e *env) error {
	cl := e.dial()
	r, err := cl.Message(e.ctx, connect.NewRequest(&apiv1.MessageRequest{Id: c.ID}))
	if err != nil {
		return e.explain(err)
	}
	m := r.Msg.GetMessage()
	in := &apiv1.SendRequest{Contact: c.Name, Text: m.GetText()}
	for i := range m.GetMedia() {
		in.Media = append(in.Media, &apiv1.Attachment{Message: m.GetId(), Index: uint32(i)})
	}
	sent, err := cl.Send(e.ctx, connect.NewRequest(in))
	if err != nil {
		return e.explain(err)
	}
	return e.printStanding(cl, sent.Msg.GetId())
}
