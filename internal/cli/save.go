package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

type saveCmd struct {
	Message string `arg:"" name:"message-id" help:"The message, or a beginning of its id." placeholder:"MESSAGE-ID"`
	Path    string `arg:"" help:"A file to write, or a folder to write into under the sender's names." placeholder:"PATH"`
	Force   bool   `help:"Write over files that exist."`
}

func (c *saveCmd) Run(e *env) error {
	cl := e.dial()
	r, err := cl.Message(e.ctx, connect.NewRequest(&apiv1.MessageRequest{Id: c.Message}))
	if err != nil {
		return e.explain(err)
	}
	files := r.Msg.GetMessage().GetMedia()
	if len(files) == 0 {
		return NotFound("this message has no file", "")
	}
	st, err := os.Stat(c.Path)
	folder := err == nil && st.IsDir() || strings.HasSuffix(c.Path, string(filepath.Separator))
	if !folder && len(files) > 1 {
		return &Error{Text: fmt.Sprintf("the message has %d files", len(files)), Hint: "give a folder to save them in", Exit: exitUsage}
	}
	if folder {
		if err := os.MkdirAll(c.Path, 0o755); err != nil {
			return client.FileError(err)
		}
	}
	taken := map[string]bool{}
	for i, f := range files {
		path := c.Path
		if folder {
			// The name was checked when it was received: no separators in it.
			path = filepath.Join(c.Path, filepath.Base(f.GetName()))
			if taken[path] { // two files of one name in one message
				path = filepath.Join(c.Path, fmt.Sprintf("%d-%s", i+1, filepath.Base(f.GetName())))
			}
			taken[path] = true
		}
		if err := c.save(e, cl, r.Msg.GetMessage().GetId(), i, f, path); err != nil {
			return err
		}
	}
	return nil
}

// save writes one file and says so.
func (c *saveCmd) save(e *env, cl *client.Client, message string, i int, f *apiv1.Media, path string) error {
	if _, err := os.Lstat(path); err == nil && !c.Force {
		return NotNow(fmt.Sprintf("%s exists", path), "say --force to write over it")
	}
	p := e.progress(f.GetName(), f.GetSize())
	if err := cl.Save(e.ctx, message, i, f, path, c.Force, p.add); err != nil {
		return err
	}
	p.end()
	if e.json {
		return e.printJSON(struct {
			Path   string `json:"path"`
			Name   string `json:"name"`
			Size   int64  `json:"size"`
			SHA256 string `json:"sha256"`
		}{path, f.GetName(), f.GetSize(), f.GetSha256()})
	}
	return e.printf("%s  %s\n", path, client.Bytes(f.GetSize()))
}
