package cli

import (
	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
)

type editCmd struct {
	Message string `arg:"" help:"Its id, or enough of the beginning; kith log --json shows ids." placeholder:"MESSAGE-ID"`
	Text    string `arg:"" help:"What it is to say." placeholder:"TEXT"`
}

// Help is shown below the flags.
func (c *editCmd) Help() string {
	return `Only an own message can be edited. The other side sees that it was.

Examples:
  kith edit 4f1c "see you at eight"`
}

func (c *editCmd) Run(e *env) error {
	_, err := e.dial().Edit(e.ctx, connect.NewRequest(&apiv1.EditRequest{Id: c.Message, Text: c.Text}))
	return e.explain(err)
}

type reactCmd struct {
	Message string `arg:"" help:"Its id, or enough of the beginning." placeholder:"MESSAGE-ID"`
	Emoji   string `arg:"" optional:"" help:"What you feel about it; left out, it is taken back." placeholder:"EMOJI"`
}

// Help is shown below the flags.
func (c *reactCmd) Help() string {
	return `Examples:
  kith react 4f1c 👍
  kith react 4f1c            take it back`
}

func (c *reactCmd) Run(e *env) error {
	_, err := e.dial().React(e.ctx, connect.NewRequest(&apiv1.ReactRequest{Id: c.Message, Emoji: c.Emoji}))
	return e.explain(err)
}

type deleteCmd struct {
	Messages    []string `arg:"" name:"messages" help:"Their ids, or enough of the beginnings." placeholder:"MESSAGE-ID"`
	ForEveryone bool     `help:"Have the other side forget them, too; own messages only."`
}

// Help is shown below the flags.
func (c *deleteCmd) Help() string {
	return `Text, files and reactions are erased, on this device or on both sides. kith log
says when the other side's device has done so. What somebody has seen or copied
cannot be taken back.

Examples:
  kith delete 4f1c
  kith delete 4f1c 77ab --for-everyone`
}

func (c *deleteCmd) Run(e *env) error {
	_, err := e.dial().Delete(e.ctx, connect.NewRequest(&apiv1.DeleteRequest{Ids: c.Messages, ForEveryone: c.ForEveryone}))
	return e.explain(err)
}
