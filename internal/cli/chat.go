package cli

import (
	"os"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/internal/tui"
)

type chatCmd struct {
	Contact string `arg:"" optional:"" help:"Name or account whose conversation to open." placeholder:"NAME"`
}

// Help is shown by kith chat --help.
func (chatCmd) Help() string {
	return "Fills the terminal; F1 shows the keys, Ctrl+C leaves. The node goes on.\n" +
		"Without colour: NO_COLOR=1.\n\nExamples:\n  kith chat\n  kith chat Bob"
}

func (c *chatCmd) Run(e *env) error {
	out, ok := e.out.(*os.File)
	if !ok || !terminal(e.out) || !terminal(e.in) || e.json {
		return &Error{Text: "chat needs a terminal", Hint: "in a pipe or script: kith log NAME --follow, kith send NAME TEXT", Exit: exitUsage}
	}
	cl := e.dial()
	account := ""
	if c.Contact == "" {
		if _, err := cl.Status(e.ctx, connect.NewRequest(&apiv1.StatusRequest{})); err != nil {
			return e.explain(err)
		}
	} else {
		who, err := cl.Verify(e.ctx, connect.NewRequest(&apiv1.VerifyRequest{Contact: c.Contact}))
		if err != nil {
			return e.explain(err)
		}
		account = who.Msg.GetContact().GetAccount()
	}
	return tui.Run(e.ctx, cl, e.in, out, account)
}
