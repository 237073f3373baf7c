package tui

import (
	tea "charm.land/bubbletea/v2"
)

// panel is what covers the conversation, or the field below it, and takes keys.
type panel interface {
	// title is its first line.
	title(m *Model) string
	// low reports that it takes the place of the field only.
	low() bool
	// view draws it on at most h lines; cur says where the cursor is, if it has one.
	view(m *Model, w, h int) (lines []string, cur *point)
	key(m *Model, k tea.KeyPressMsg) tea.Cmd
	paste(m *Model, text string)
	// answered takes in what it asked for.
	answered(m *Model, a answer) tea.Cmd
	// keys names its keys in a line.
	keys() string
}

// point is a place on the screen or in a part of it.
type point struct{ x, y int }

// still is embedded by panels that neither ask nor are written in.
type still struct{}

func (still) low() bool                       { return false }
func (still) paste(*Model, string)            {}
func (still) answered(*Model, answer) tea.Cmd { return nil }

// written is embedded by panels with a line to write in.
type written struct{ field editor }

func (w *written) paste(_ *Model, text string)   { w.field.insert(head(text, maxShort), false) }
func (*written) answered(*Model, answer) tea.Cmd { return nil }
func (w *written) write(m *Model, k tea.KeyPressMsg) {
	if k.Text != "" && !k.Mod.Contains(tea.ModCtrl) && !k.Mod.Contains(tea.ModAlt) {
		w.field.insert(k.Text, false)
		return
	}
	w.field.key(k.String(), m.term.cells)
}

// line draws the field behind a word, scrolled so that the cursor is seen.
func (w *written) line(c cells, word string, width int) (string, int) {
	room := max(1, width-c.width(word)-1)
	from := 0
	for start := w.field.rows(c, room); len(start) > 0 && start[0][1] < w.field.at; start = start[1:] {
		from = start[0][1] // whole rows are scrolled away
	}
	return c.cut(word+w.field.text[from:], width), c.width(word) + c.width(w.field.text[from:w.field.at])
}

// close ends what covers the conversation.
func (m *Model) close() { m.panel = nil }
