package tui

import (
	tea "charm.land/bubbletea/v2"
)

// key does what a key means: everywhere, in what covers the conversation, or
// where the focus is.
func (m *Model) key(k tea.KeyPressMsg) tea.Cmd {
	m.note = note{}
	name := k.String()
	switch name {
	case "ctrl+c":
		return m.leave()
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

// leave ends it, and has the terminal forget what pictures it was given.
func (m *Model) leave() tea.Cmd {
	m.stop()
	return tea.Sequence(tea.Raw(m.shots.takeBack()), tea.Quit)
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
		return m.leave()
	}
	if at >= 0 && at < len(m.convs) {
		m.chosen = m.convs[at].account()
	}
	return nil
}
