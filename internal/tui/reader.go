package tui

import (
	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
)

// maxRead bounds a text that is read on a page of its own, in bytes: more than a
// message may have.
const maxRead = 256 << 10

// reader shows all of a long text.
type reader struct {
	still
	one   *apiv1.Message
	top   int
	width int // of what lines are wrapped for
	lines []string
}

func newReader(one *apiv1.Message) *reader { return &reader{one: one} }

func (p *reader) title(m *Model) string {
	return short(p.one.GetFrom()) + " " + m.at(p.one).Format("2 January 2006 15:04")
}

func (*reader) keys() string { return "Esc back  ↑↓ PgUp PgDn scroll" }

func (p *reader) view(m *Model, w, h int) ([]string, *point) {
	if p.width != w {
		p.width, p.lines = w, m.term.cells.wrap(clean(head(p.one.GetText(), maxRead), true), w)
	}
	p.top = min(max(0, p.top), max(0, len(p.lines)-h))
	return p.lines[p.top:min(len(p.lines), p.top+h)], nil
}

func (p *reader) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	p.top = scrolled(m, p.top, k.String())
	return nil
}
