package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
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

func (d *draft) has(u *upload) bool {
	return slices.Contains(d.files, u)
}

func (d *draft) drop(u *upload) {
	d.files = slices.DeleteFunc(slices.Clone(d.files), func(f *upload) bool { return f == u })
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
