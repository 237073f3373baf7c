package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

type editCmd struct {
	ID   string `arg:"" help:"The message; a beginning of its id will do." placeholder:"MESSAGE-ID"`
	Text string `arg:"" help:"The new text; - reads it from standard input." placeholder:"TEXT"`
}

// Help is shown by kith edit --help.
func (editCmd) Help() string {
	return "kith log NAME --ids shows ids. Files of the message stay.\n\nExample:\n  kith edit 3f2a 'I meant Tuesday'"
}

func (c *editCmd) Run(e *env) error {
	text, err := e.text(c.Text)
	if err != nil {
		return err
	}
	cl := e.dial()
	if _, err := cl.Edit(e.ctx, connect.NewRequest(&apiv1.EditRequest{Id: c.ID, Text: text})); err != nil {
		return e.explain(err)
	}
	return e.printStanding(cl, c.ID)
}

// printStanding shows a message as it stands now.
func (e *env) printStanding(cl *client.Client, id string) error {
	r, err := cl.Message(e.ctx, connect.NewRequest(&apiv1.MessageRequest{Id: id}))
	if err != nil {
		return e.explain(err)
	}
	return e.printMessage(r.Msg.GetMessage(), true)
}

type reactCmd struct {
	ID     string `arg:"" help:"The message; a beginning of its id will do." placeholder:"MESSAGE-ID"`
	Emoji  string `arg:"" optional:"" help:"One emoji; it takes the place of the one before." placeholder:"EMOJI"`
	Remove bool   `help:"Take the reaction back."`
}

// Help is shown by kith react --help.
func (reactCmd) Help() string {
	return "Examples:\n  kith react 3f2a 👍\n  kith react 3f2a --remove"
}

func (c *reactCmd) Run(e *env) error {
	if c.Remove == (c.Emoji != "") {
		return &Error{Text: "give an emoji, or --remove", Exit: exitUsage}
	}
	cl := e.dial()
	if _, err := cl.React(e.ctx, connect.NewRequest(&apiv1.ReactRequest{Id: c.ID, Emoji: c.Emoji})); err != nil {
		return e.explain(err)
	}
	return e.printStanding(cl, c.ID)
}

type deleteCmd struct {
	IDs         []string      `arg:"" name:"id" help:"Messages of one conversation." placeholder:"MESSAGE-ID"`
	ForEveryone bool          `help:"Take back own messages on the other side, too."`
	Wait        bool          `help:"With --for-everyone: return when the other side has done it."`
	Timeout     time.Duration `help:"How long to wait; 0 is for ever." default:"0"`
}

// Help is shown by kith delete --help.
func (deleteCmd) Help() string {
	return "Text, files and reactions are erased from this disk. With --for-everyone the other side's kith is asked to do so, too;\n" +
		"nobody can make it, and nothing undoes what was seen.\n\nExamples:\n  kith delete 3f2a 77b0\n  kith delete 3f2a --for-everyone --wait"
}

func (c *deleteCmd) Run(e *env) error {
	if c.Wait && !c.ForEveryone {
		return &Error{Text: "--wait is for --for-everyone", Exit: exitUsage}
	}
	cl := e.dial()
	ids := make([]string, 0, len(c.IDs))
	for _, id := range c.IDs { // whole ids, since beginnings may name others afterwards
		r, err := cl.Message(e.ctx, connect.NewRequest(&apiv1.MessageRequest{Id: id}))
		if err != nil {
			return e.explain(err)
		}
		ids = append(ids, r.Msg.GetMessage().GetId())
	}
	if _, err := cl.Delete(e.ctx, connect.NewRequest(&apiv1.DeleteRequest{Ids: ids, ForEveryone: c.ForEveryone})); err != nil {
		return e.explain(err)
	}
	if !c.ForEveryone {
		if e.json {
			for _, id := range ids {
				if err := e.printJSON(struct {
					ID      string `json:"id"`
					Removed bool   `json:"removed"`
				}{id, true}); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if c.Wait {
		if err := c.await(e, cl, ids); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if err := e.printStanding(cl, id); err != nil {
			return err
		}
	}
	return nil
}

// await waits until the other side has deleted all.
func (c *deleteCmd) await(e *env, cl *client.Client, ids []string) error {
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	if c.Timeout > 0 {
		// No deadline: the node would be told of it, and end the stream first.
		defer time.AfterFunc(c.Timeout, cancel).Stop()
	}
	status, err := cl.Status(ctx, connect.NewRequest(&apiv1.StatusRequest{}))
	if err != nil {
		return e.explain(err)
	}
	wait := map[string]bool{}
	for _, id := range ids { // after the status: nothing falls between
		r, err := cl.Message(ctx, connect.NewRequest(&apiv1.MessageRequest{Id: id}))
		if err != nil {
			return e.explain(err)
		}
		if m := r.Msg.GetMessage(); m.GetDeletedOn() < m.GetDeletedOf() {
			wait[id] = true
		}
	}
	if len(wait) == 0 {
		return nil
	}
	err = cl.Follow(ctx, status.Msg.GetSeq(), func(w *apiv1.WatchResponse) bool {
		if m := w.GetChanged(); m.GetDeletedOn() >= m.GetDeletedOf() {
			delete(wait, m.GetId())
		}
		delete(wait, w.GetRemoved().GetId())
		return len(wait) > 0
	})
	if len(wait) == 0 {
		return nil
	}
	if ctx.Err() != nil && e.ctx.Err() == nil {
		return &Error{Text: "not deleted there yet", Hint: "it is as soon as that device hears of it; kith log shows when", Exit: exitTimeout}
	}
	return e.explain(err)
}

type readCmd struct {
	Contact string `arg:"" help:"Name or account." placeholder:"NAME"`
}

// Help is shown by kith read --help.
func (readCmd) Help() string {
	return "The contact is told, unless: kith set NAME receipts=off\n\nExample:\n  kith read Bob"
}

func (c *readCmd) Run(e *env) error {
	_, err := e.dial().MarkRead(e.ctx, connect.NewRequest(&apiv1.MarkReadRequest{Contact: c.Contact}))
	return e.explain(err)
}

type blockCmd struct {
	Contact string `arg:"" help:"Name or account." placeholder:"NAME"`
}

// Help is shown by kith block --help.
func (blockCmd) Help() string {
	return "Nothing of theirs is shown, fetched or acknowledged, and they see what they would see if you were away.\n" +
		"What they say waits with them and arrives after: kith unblock NAME\n\nExample:\n  kith block Mallory"
}

func (c *blockCmd) Run(e *env) error {
	return e.configure(&apiv1.ConfigureRequest{Contact: c.Contact, Blocked: new(true)})
}

type unblockCmd struct {
	Contact string `arg:"" help:"Name or account." placeholder:"NAME"`
}

// Help is shown by kith unblock --help.
func (unblockCmd) Help() string { return "Example:\n  kith unblock Mallory" }

func (c *unblockCmd) Run(e *env) error {
	return e.configure(&apiv1.ConfigureRequest{Contact: c.Contact, Blocked: new(false)})
}

type setCmd struct {
	Contact  string   `arg:"" help:"Name or account." placeholder:"NAME"`
	Settings []string `arg:"" help:"name=NAME, receipts=on|off, typing=on|off." placeholder:"KEY=VALUE" sep:"none"`
}

// Help is shown by kith set --help.
func (setCmd) Help() string {
	return "name      what the contact is called here\nreceipts  whether the contact is told what you have read\n" +
		"typing    whether the contact is told when you write\n\nExamples:\n  kith set Bob receipts=off typing=off\n  kith set 'Bob (2)' name=Robert"
}

func (c *setCmd) Run(e *env) error {
	r := &apiv1.ConfigureRequest{Contact: c.Contact}
	for _, s := range c.Settings {
		key, value, _ := strings.Cut(s, "=")
		on := value == "on"
		switch {
		case key == "name":
			r.Name = &value
			continue
		case !on && value != "off":
			return &Error{Text: fmt.Sprintf("%q is not a setting", s), Hint: "name=NAME, receipts=on|off, typing=on|off", Exit: exitUsage}
		}
		switch key {
		case "receipts":
			r.Receipts = &on
		case "typing":
			r.Typing = &on
		default:
			return &Error{Text: fmt.Sprintf("%q is not a setting", s), Hint: "name=NAME, receipts=on|off, typing=on|off", Exit: exitUsage}
		}
	}
	return e.configure(r)
}

func (e *env) configure(r *apiv1.ConfigureRequest) error {
	answer, err := e.dial().Configure(e.ctx, connect.NewRequest(r))
	if err != nil {
		return e.explain(err)
	}
	c := answer.Msg.GetContact()
	if e.json {
		return e.printJSON(contactToJSON(c))
	}
	return e.printf("%s\n", contactLine(c))
}
