package tui

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

// maxFiles bounds the files of one message that is being written.
const maxFiles = 16

// draft is what is being written in one conversation.
type draft struct {
	field editor
	reply *apiv1.Message // what it answers
	edit  *apiv1.Message // whose text it becomes
	kept  string         // what was written before the edit began
	files []*upload
	going bool // it is to be sent when its files are ready
}

func (d *draft) empty() bool { return d.field.text == "" && len(d.files) == 0 && d.edit == nil }

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

func (d *draft) has(u *upload) bool {
	for _, f := range d.files {
		if f == u {
			return true
		}
	}
	return false
}

func (d *draft) drop(u *upload) {
	for i, f := range d.files {
		if f == u {
			d.files = append(d.files[:i:i], d.files[i+1:]...)
			return
		}
	}
}

// ready reports that every file is with the node.
func (d *draft) ready() bool {
	for _, f := range d.files {
		if f.got == nil {
			return false
		}
	}
	return true
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

// submit sends what was written, or makes it the text of the message that is edited.
func (m *Model) submit() tea.Cmd {
	c := m.open()
	if c == nil || c.draft.empty() {
		return nil
	}
	if c.draft.edit != nil {
		return m.submitEdit(c)
	}
	if !c.draft.ready() {
		c.draft.going = true
		m.say("it is sent when its files are ready")
		return nil
	}
	return m.sendDraft(c)
}

func (m *Model) sendDraft(c *conversation) tea.Cmd {
	d, account := c.draft, c.account()
	c.draft = draft{}
	d.going = false
	m.line.unread = ""
	if account == m.line.account && m.line.anchor != "" && !m.line.later {
		m.toEnd()
	}
	r := &apiv1.SendRequest{Contact: account, Text: d.field.text, ReplyTo: d.reply.GetId()}
	for _, f := range d.files {
		r.Media = append(r.Media, &apiv1.Attachment{Token: f.got.Token, Name: f.name()})
	}
	return func() tea.Msg { return sent{account, d, m.Node.Send(m.ctx, r)} }
}

func (m *Model) submitEdit(c *conversation) tea.Cmd {
	d, account := c.draft, c.account()
	c.draft = draft{files: d.files}
	c.draft.field.set(d.kept)
	if d.field.text == d.edit.GetText() {
		return nil
	}
	return func() tea.Msg { return sent{account, d, m.Node.Edit(m.ctx, d.edit.GetId(), d.field.text)} }
}

// leave puts the field back as it was; it reports whether there was
// something to leave.
func (d *draft) leave() bool {
	switch {
	case d.edit != nil:
		d.field.set(d.kept)
		d.edit, d.kept = nil, ""
	case d.reply != nil:
		d.reply = nil
	default:
		return false
	}
	return true
}

// writes tells the contact that the person is writing, now and then.
func (m *Model) writes() tea.Cmd {
	c := m.open()
	if c == nil || c.draft.edit != nil || m.now.Sub(m.typed) < typingEvery || !c.contact.GetTyping() {
		return nil
	}
	m.typed = m.now
	account := c.account()
	return func() tea.Msg {
		_ = m.Node.Typing(m.ctx, account) // nobody waits for it
		return nil
	}
}

// wantProgress draws again while files come or go.
func (m *Model) wantProgress() tea.Cmd {
	if c := m.open(); c != nil && !c.draft.ready() {
		return m.wait(tickProgress, progressEvery/5)
	}
	for _, one := range m.visible() {
		if incomplete(one) {
			return m.wait(tickProgress, progressEvery)
		}
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
