package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
)

// key does what a key means: everywhere, in what covers the conversation, or
// where the focus is.
func (m *Model) key(k tea.KeyPressMsg) tea.Cmd {
	m.note = note{}
	name := k.String()
	switch name {
	case "ctrl+c":
		m.stop()
		return tea.Quit
	case "ctrl+z":
		return tea.Suspend
	}
	if m.panel != nil {
		return m.panel.key(m, k)
	}
	switch name {
	case "f1", "ctrl+g":
		m.panel = &help{}
	case "ctrl+f":
		m.panel = newSearch(m)
	case "ctrl+t":
		return m.verify()
	case "ctrl+n", "alt+down":
		return m.neighbour(1)
	case "ctrl+p", "alt+up":
		return m.neighbour(-1)
	case "tab", "shift+tab":
		m.turn(name == "tab")
	case "pgup":
		m.scroll(1 - m.tall())
	case "pgdown":
		m.scroll(m.tall() - 1)
	default:
		switch m.focus {
		case onList:
			return m.listKey(name)
		case onTimeline:
			return m.timelineKey(name)
		case onCompose:
			return m.composeKey(k)
		}
	}
	return nil
}

// turn moves the focus.
func (m *Model) turn(on bool) {
	by := 1
	if !on {
		by = 2
	}
	next := (m.focus + focus(by)) % 3
	if m.open() == nil {
		next = onList
	}
	m.to(next)
}

// to puts the focus somewhere.
func (m *Model) to(f focus) {
	m.focus = f
	switch {
	case f == onTimeline && m.line.selected() == nil:
		m.line.sel = ""
		m.choose(-1)
	case f != onTimeline:
		m.line.sel = ""
	}
}

// neighbour opens the conversation before or after the one that is open.
func (m *Model) neighbour(by int) tea.Cmd {
	for i, c := range m.convs {
		if c.account() == m.chosen {
			if to := i + by; m.line.account == "" {
				return m.show(m.chosen)
			} else if to >= 0 && to < len(m.convs) {
				return m.show(m.convs[to].account())
			}
		}
	}
	return nil
}

func (m *Model) listKey(name string) tea.Cmd {
	at := 0
	for i, c := range m.convs {
		if c.account() == m.chosen {
			at = i
		}
	}
	switch name {
	case "up", "k":
		at--
	case "down", "j":
		at++
	case "home", "g":
		at = 0
	case "end", "G":
		at = len(m.convs) - 1
	case "enter", "right", "l":
		if m.chosen == m.line.account && m.chosen != "" {
			m.to(onCompose)
			return nil
		}
		return m.show(m.chosen)
	case "/":
		m.panel = newSearch(m)
	case "?":
		m.panel = &help{}
	case "v":
		return m.verify()
	case "esc":
		if m.open() != nil {
			m.to(onCompose)
		}
	case "q":
		m.stop()
		return tea.Quit
	}
	if at >= 0 && at < len(m.convs) {
		m.chosen = m.convs[at].account()
	}
	return nil
}

func (m *Model) composeKey(k tea.KeyPressMsg) tea.Cmd {
	c := m.open()
	if c == nil {
		m.to(onList)
		return nil
	}
	d, name := &c.draft, k.String()
	switch name {
	case "enter":
		return m.submit()
	case "alt+enter", "shift+enter", "ctrl+j", "ctrl+enter":
		d.field.insert("\n", true)
		return nil
	case "up":
		if !d.field.vertical(m.term.cells, m.fieldWidth(), -1) {
			m.to(onTimeline)
		}
		return nil
	case "down":
		d.field.vertical(m.term.cells, m.fieldWidth(), 1)
		return nil
	case "esc":
		if !d.leave() {
			m.to(onList)
		}
		return nil
	case "ctrl+o":
		m.panel = newAttach()
		return nil
	case "ctrl+x":
		m.cancelUpload()
		return nil
	}
	if k.Text != "" && !k.Mod.Contains(tea.ModCtrl) && !k.Mod.Contains(tea.ModAlt) {
		return m.write(k.Text)
	}
	d.field.key(name, m.term.cells)
	return nil
}

// write puts text into what is being written.
func (m *Model) write(text string) tea.Cmd {
	c := m.open()
	if c == nil {
		return nil
	}
	if !c.draft.field.insert(text, true) {
		m.note = note{text: "this is as long as a message may be; send more as a file", bad: true}
	}
	return m.writes()
}

// paste puts what was pasted where the person is writing.
func (m *Model) paste(text string) tea.Cmd {
	m.note = note{}
	if m.panel != nil {
		m.panel.paste(m, text)
		return nil
	}
	if m.open() == nil {
		return nil
	}
	m.to(onCompose)
	return m.write(strings.ReplaceAll(text, "\r", "\n"))
}

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
	if m.term.cells.long(one.GetText(), m.paneWidth()-2-len(indent)) {
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
