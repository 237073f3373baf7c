package tui

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

// upload is a file on its way into the node, for the next message.
type upload struct {
	path   string
	asFile bool
	cancel context.CancelFunc
	// done and total are written by whoever reads the file.
	done, total atomic.Int64
	got         *client.Uploaded // the node has it
}

func (u *upload) name() string { return filepath.Base(u.path) }

// uploaded ends an upload.
type uploaded struct {
	account string
	u       *upload
	r       *client.Uploaded
	err     error
}

// attach begins to give a file to the node.
func (m *Model) attach(path string, asFile bool) tea.Cmd {
	c := m.open()
	if c == nil || path == "" {
		return nil
	}
	if len(c.draft.files) == maxFiles {
		m.note = note{text: fmt.Sprintf("a message has at most %d files", maxFiles), bad: true}
		return nil
	}
	ctx, cancel := context.WithCancel(m.ctx)
	u := &upload{path: path, asFile: asFile, cancel: cancel}
	c.draft.files = append(c.draft.files, u)
	account := c.account()
	return func() tea.Msg {
		defer cancel()
		r, err := m.Node.Upload(ctx, path, asFile, func(done, total int64) {
			u.done.Store(done)
			u.total.Store(total)
		})
		return uploaded{account, u, r, err}
	}
}

// haveUpload takes in that a file is with the node, or why not.
func (m *Model) haveUpload(r uploaded) tea.Cmd {
	c := m.find(r.account)
	if c == nil || !c.draft.has(r.u) {
		return nil // cancelled
	}
	if r.err != nil {
		c.draft.drop(r.u)
		c.draft.going = false
		m.failed(r.err)
		return nil
	}
	r.u.got = r.r
	if r.r.Stripped {
		m.say(cleanName(r.u.name()) + ": removed what tells place, time and camera")
	}
	if c.draft.going && c.draft.ready() {
		return m.sendDraft(c)
	}
	return nil
}

// cancelUpload takes the last file off the message: one that is still on its
// way first.
func (m *Model) cancelUpload() {
	c := m.open()
	if c == nil || len(c.draft.files) == 0 {
		return
	}
	u := c.draft.files[len(c.draft.files)-1]
	for _, f := range c.draft.files {
		if f.got == nil {
			u = f
		}
	}
	u.cancel()
	c.draft.drop(u)
	c.draft.going = false
	m.say(cleanName(u.name()) + " is not sent")
}

// wantProgress draws again while files come or go.
func (m *Model) wantProgress() tea.Cmd {
	if c := m.open(); c != nil && !c.draft.ready() {
		return m.wait(tickProgress, progressEvery/5)
	}
	if slices.ContainsFunc(m.visible(), incomplete) {
		return m.wait(tickProgress, progressEvery)
	}
	return nil
}

// askProgress asks how much of the files that are shown is here: that is no event.
func (m *Model) askProgress() tea.Cmd {
	var cmds []tea.Cmd
	for _, one := range m.visible() {
		if incomplete(one) {
			cmds = append(cmds, m.askMessage(one.GetId()))
		}
	}
	return tea.Batch(cmds...)
}

func incomplete(one *apiv1.Message) bool {
	for _, a := range one.GetMedia() {
		if a.GetState() != "stored" {
			return true
		}
	}
	return false
}
