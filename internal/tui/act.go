package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
)

func (m *Model) timelineKey(name string) tea.Cmd {
	switch name {
	case "up", "k":
		m.choose(-1)
	case "down", "j":
		if i := m.line.index(m.line.sel); i == len(m.line.messages)-1 && !m.line.later {
			m.toEnd()
			m.to(onCompose)
			return nil
		}
		m.choose(1)
	case "home", "g":
		m.choose(-len(m.line.messages))
	case "end", "G":
		if !m.toEnd() {
			account := m.line.account
			cmd := m.show(account)
			m.focus = onTimeline
			return cmd
		}
	case "esc", "i":
		m.to(onCompose)
	case "left", "h":
		m.to(onList)
	case "/":
		m.panel = newSearch(m)
	case "?":
		m.panel = &help{}
	case "v":
		return m.verify()
	default:
		return m.messageKey(name)
	}
	return nil
}

// messageKey does something with the selected message.
func (m *Model) messageKey(name string) tea.Cmd {
	one, c := m.line.selected(), m.open()
	if one == nil || c == nil || one.GetNotice() != "" {
		return nil
	}
	own := one.GetMine() && !one.GetDeleted()
	switch {
	case name == "enter" || name == "o":
		return m.look(one)
	case name == "r" && !one.GetDeleted():
		c.draft.reply = one
		m.to(onCompose)
	case name == "e" && own:
		if c.draft.edit == nil {
			c.draft.kept = c.draft.field.text
		}
		c.draft.edit = one
		c.draft.field = editor{}
		c.draft.field.insert(one.GetText(), true)
		m.to(onCompose)
	case name == "e":
		m.say("only messages of your own can be edited")
	case (name == "a" || name == "+") && !one.GetDeleted():
		m.panel = newReact(one)
	case name == "d" || name == "x" || name == "delete":
		m.panel = &remove{one: one}
	case name == "s" && len(one.GetMedia()) > 0:
		m.panel = newSave(one, m.Node.Folder())
	case name == "y" && one.GetText() != "":
		m.say("copied")
		return tea.SetClipboard(clean(one.GetText(), true))
	}
	return nil
}

// look opens what a message holds: its picture, all of a long text, or what it
// answers.
func (m *Model) look(one *apiv1.Message) tea.Cmd {
	for i, a := range one.GetMedia() {
		if showable(a) {
			return m.showPicture(one, i)
		}
	}
	if m.term.cells.long(one.GetText(), min(m.paneWidth()-2, maxWidth)-len(indent)) {
		m.panel = newReader(one)
		return nil
	}
	if q := one.GetReplyTo(); q.GetHere() {
		return m.showAround(m.line.account, q.GetId())
	}
	return nil
}

// long reports a text that is not shown whole in the timeline.
func (c cells) long(text string, w int) bool {
	part := head(text, maxShown)
	return len(part) < len(text) || len(c.wrap(strings.TrimRight(clean(part, true), "\n"), w)) > maxLines
}

// react says what the person thinks of a message.
func (m *Model) react(id, emoji string) tea.Cmd {
	return m.do(func(ctx context.Context) error { return m.Node.React(ctx, id, emoji) })
}
