package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

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
