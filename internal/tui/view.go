package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

const (
	narrowWidth = 70 // below it either the list is shown or a conversation
	roomy       = 16 // lines from which there are rules between the parts
)

// narrow reports that there is room for one pane only.
func (m *Model) narrow() bool { return m.w < narrowWidth }

func (m *Model) listWidth() int {
	if m.narrow() {
		return m.w
	}
	return min(max(m.w/4, 24), 40)
}

// paneWidth is that of the conversation.
func (m *Model) paneWidth() int {
	if m.narrow() {
		return max(1, m.w)
	}
	return max(1, m.w-m.listWidth()-1)
}

// fieldWidth is that of the text being written.
func (m *Model) fieldWidth() int { return max(1, m.paneWidth()-3) }

// rule is how many lines a rule takes.
func (m *Model) rule() int {
	if m.h >= roomy {
		return 1
	}
	return 0
}

// bodyHeight is all but the last line.
func (m *Model) bodyHeight() int { return max(1, m.h-1) }

// panelHeight is what is below the title of a panel that covers the pane.
func (m *Model) panelHeight() int { return max(1, m.bodyHeight()-1-m.rule()) }

// tall is how many lines of the timeline are shown.
func (m *Model) tall() int {
	return max(1, m.bodyHeight()-1-m.rule()-len(m.foot().lines))
}

// View draws the screen.
func (m *Model) View() tea.View {
	lines, cur := m.screen()
	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen, v.ReportFocus = true, true
	v.WindowTitle = "kith" // other programs read it: no names
	if cur != nil && cur.x < m.w && cur.y < m.h {
		v.Cursor = tea.NewCursor(cur.x, cur.y)
	}
	return v
}

// screen is every line of it, each exactly as wide as the terminal.
func (m *Model) screen() (lines []string, cur *point) {
	c, h := m.term.cells, m.bodyHeight()
	if m.narrow() {
		if m.focus == onList && m.panel == nil || m.open() == nil && m.panel == nil {
			lines = m.list(m.w, h)
		} else {
			lines, cur = m.pane(m.w, h)
		}
	} else {
		lw := m.listWidth()
		right, at := m.pane(m.paneWidth(), h)
		for i, l := range m.list(lw, h) {
			lines = append(lines, l+faint.Styled("│")+right[i])
		}
		if at != nil {
			cur = &point{at.x + lw + 1, at.y}
		}
	}
	for i := range lines {
		lines[i] = c.fit(lines[i], m.w)
	}
	lines = append(lines[:min(len(lines), h)], m.status(m.w))
	return lines[:min(len(lines), m.h)], cur
}

// pane is the conversation, or what covers it.
func (m *Model) pane(w, h int) (lines []string, cur *point) {
	c := m.term.cells
	if m.panel != nil && !m.panel.low() {
		lines = append(lines, strong.Styled(c.cut(m.panel.title(m), w)))
		lines = append(lines, m.ruled(w)...)
		top := len(lines)
		body, at := m.panel.view(m, w, m.panelHeight())
		if lines = append(lines, body...); at != nil {
			cur = &point{at.x, at.y + top}
		}
		return m.filled(lines, w, h), cur
	}
	if m.open() == nil {
		return m.filled(m.welcome(w), w, h), nil
	}
	lines = append(lines, m.head(w))
	lines = append(lines, m.ruled(w)...)
	lines = append(lines, m.timelineLines(w, m.tall())...)
	top := len(lines)
	foot := m.foot()
	if lines = append(lines, foot.lines...); foot.cur != nil {
		cur = &point{foot.cur.x, foot.cur.y + top}
	}
	return m.filled(lines, w, h), cur
}

// ruled is a rule where there is room for one.
func (m *Model) ruled(w int) []string {
	if m.rule() == 0 {
		return nil
	}
	return []string{faint.Styled(strings.Repeat("─", w))}
}

// filled makes a part exactly w by h.
func (m *Model) filled(lines []string, w, h int) []string {
	out := make([]string, 0, h)
	for _, l := range lines[:min(len(lines), h)] {
		out = append(out, m.term.cells.fit(l, w))
	}
	for len(out) < h {
		out = append(out, strings.Repeat(" ", w))
	}
	return out
}

// timelineLines is the part of the timeline that is shown.
func (m *Model) timelineLines(w, h int) []string {
	t := &m.line
	if len(t.messages) == 0 {
		text := "nothing was said yet"
		if t.loading {
			text = "…"
		}
		lines := make([]string, h)
		lines[h/2] = faint.Styled(m.term.cells.centre(text, " ", w))
		return lines
	}
	ends := m.ends()
	bottom := m.bottom(ends)
	top := bottom - h
	lines := make([]string, max(0, -top)) // what there is stands at the bottom
	start := 0
	for i, end := range ends {
		if end > top && start < bottom {
			b := m.block(i)
			mark := "  "
			if m.focus == onTimeline && t.messages[i].GetId() == t.sel {
				mark = accent.Styled("▌ ")
			}
			for _, l := range b.lines[max(0, top-start):min(len(b.lines), bottom-start)] {
				lines = append(lines, mark+l)
			}
		}
		start = end
	}
	return lines
}
