package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"
)

// haveConversations takes in the list, at the beginning and after the node was
// away, and goes on following.
func (m *Model) haveConversations(r conversations) tea.Cmd {
	if r.err != nil {
		m.away = true
		return m.wait(tickRetry, retryAfter)
	}
	first, back := !m.loaded, m.away
	m.loaded, m.away = true, false
	old := m.convs
	m.convs = nil
	for _, c := range r.r.GetConversations() {
		next := &conversation{contact: c.GetContact(), last: c.GetLast()}
		for _, o := range old {
			if o.account() == next.account() {
				next.draft, next.typing = o.draft, o.typing
			}
		}
		m.convs = append(m.convs, next)
	}
	if m.chosen == "" && len(m.convs) > 0 {
		m.chosen = m.convs[0].account()
	}
	switch {
	case first:
		m.seq = r.r.GetSeq()
		if m.Contact != "" {
			return tea.Batch(m.show(m.Contact), m.watch())
		}
		return m.watch()
	case back: // what happened meanwhile follows from the last event seen
		return tea.Batch(m.watch(), m.again())
	}
	return nil
}

// again asks for what could not be had while the node was away.
func (m *Model) again() tea.Cmd {
	m.line.stuck = false
	if m.line.account == "" || len(m.line.messages) > 0 {
		return nil
	}
	m.line.loading, m.line.wanted = true, place{}
	return m.askLog(m.line.account, place{})
}

// haveContacts takes in who is there.
func (m *Model) haveContacts(r contacts) {
	if r.err != nil {
		return // the stream tells when the node is away
	}
	for _, c := range r.all {
		m.contact(c)
	}
}

// haveLog takes in a page of a conversation, unless another was opened since.
func (m *Model) haveLog(r logged) tea.Cmd {
	if r.account != m.line.account || r.want != m.line.wanted {
		return nil
	}
	m.line.wanted, m.line.loading = place{}, false
	if r.err != nil {
		m.failed(r.err)
		if r.want.around != "" { // it is gone: what is there instead
			return m.show(r.account)
		}
		m.line.stuck = true
		return nil
	}
	unread := 0
	if c := m.open(); c != nil {
		unread = int(c.contact.GetUnread())
	}
	m.line.take(r.want, r.r, unread, m.tall())
	m.line.catchUp(r.r.GetSeq())
	return nil
}

// haveMessage takes in one message again.
func (m *Model) haveMessage(r fetched) {
	if r.err != nil || m.line.touched[r.m.GetId()] > r.asked {
		return // removed or changed since, or the node is away
	}
	m.line.replace(r.m)
}

// haveSent puts back what could not be sent.
func (m *Model) haveSent(r sent) {
	if r.err == nil {
		return
	}
	m.failed(r.err)
	if c := m.find(r.account); c != nil && c.draft.empty() {
		c.draft = r.draft
	}
}

// haveSaved says where files are now.
func (m *Model) haveSaved(r saved) {
	switch {
	case r.err != nil:
		m.failed(r.err)
	case len(r.paths) == 1:
		m.say("saved as " + short(r.paths[0]))
	default:
		m.say(fmt.Sprintf("saved %d files, the first as %s", len(r.paths), short(r.paths[0])))
	}
}

// seen tells the node that the person has read what is shown, and only that:
// the end of a conversation, on a screen that is looked at.
func (m *Model) seen() tea.Cmd {
	c := m.open()
	if c == nil || c.contact.GetUnread() == 0 || m.blurred || m.away || m.line.loading || !m.line.atEnd() ||
		m.panel != nil && !m.panel.low() || m.narrow() && m.focus == onList {
		return nil
	}
	c.contact.Unread = 0
	account := c.account()
	return func() tea.Msg {
		_ = m.Node.MarkRead(m.ctx, account) // a receipt that cannot leave now ends nothing
		return nil
	}
}
