package tui

import (
	tea "charm.land/bubbletea/v2"
)

// help is the page of keys.
type help struct {
	still
	top int
}

var helpText = []struct{ keys, does string }{
	{"", "Everywhere"},
	{"Tab", "conversations, messages, field in turn"},
	{"Ctrl+N Ctrl+P", "next, previous conversation"},
	{"PgUp PgDn", "scroll"},
	{"Ctrl+F", "search, and jump to what is found"},
	{"Ctrl+T", "compare the safety number"},
	{"F1 Ctrl+G", "this page"},
	{"Ctrl+C", "leave"},
	{"", "In the field"},
	{"Enter", "send"},
	{"Alt+Enter", "new line; Shift+Enter or Ctrl+J, too"},
	{"Ctrl+O", "send a file"},
	{"Ctrl+X", "leave the file out again, cancel"},
	{"Up", "to the messages"},
	{"Esc", "leave an answer or edit; to the list"},
	{"", "On a message"},
	{"↑ ↓ Home End", "choose"},
	{"Enter", "open picture, long text, or what it answers"},
	{"r", "answer"},
	{"e", "edit"},
	{"a", "react"},
	{"d", "delete"},
	{"s", "save its files"},
	{"y", "copy its text"},
	{"", "What is said of a message"},
	{"queued", "safe here, waiting to leave"},
	{"boxed n/k", "held by n of k relays"},
	{"fetched", "taken from the relays"},
	{"delivered", "decrypted and safe on the other device"},
	{"read", "its reader has said so"},
}

func (*help) title(*Model) string { return "Help" }
func (*help) keys() string        { return "Esc back  ↑↓ scroll" }

func (p *help) view(m *Model, w, h int) ([]string, *point) {
	var lines []string
	c := m.term.cells
	for _, t := range helpText {
		if t.keys == "" {
			if len(lines) > 0 {
				lines = append(lines, "")
			}
			lines = append(lines, strong.Styled(t.does))
			continue
		}
		const column = 15
		for i, l := range c.wrap(t.does, w-column-1) {
			key := ""
			if i == 0 {
				key = accent.Styled(c.fit(t.keys, column))
			}
			lines = append(lines, c.fit(key, column)+" "+l)
		}
	}
	p.top = min(max(0, p.top), max(0, len(lines)-h))
	return lines[p.top:min(len(lines), p.top+h)], nil
}

func (p *help) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	p.top = scrolled(m, p.top, k.String())
	return nil
}

// scrolled is the first line of a page after a key; what is no key for scrolling
// closes it.
func scrolled(m *Model, top int, key string) int {
	switch key {
	case "up", "k":
		return top - 1
	case "down", "j":
		return top + 1
	case "pgup":
		return top - m.h/2
	case "pgdown", "space":
		return top + m.h/2
	case "home", "g":
		return 0
	case "end", "G":
		return 1 << 20
	case "esc", "q", "enter", "?", "f1", "ctrl+g", "left":
		m.close()
	}
	return top
}
