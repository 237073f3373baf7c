package tui

import (
	"context"
	"image"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
)

// viewer shows one picture on the whole pane.
type viewer struct {
	still
	one   *apiv1.Message
	index int
	asked image.Point
	s     shot
	err   error
}

// showPicture opens it.
func (m *Model) showPicture(one *apiv1.Message, i int) tea.Cmd {
	p := &viewer{one: one, index: i}
	m.panel = p
	return p.ask(m)
}

// room is how large a picture may be, in pixels of the way it is drawn.
func (p *viewer) room(m *Model, w, h int) image.Point {
	px := m.term.pixels()
	switch m.term.way() {
	case byBlocks:
		px = image.Pt(1, 2)
	case byPlaces:
	default: // over the whole screen
		w, h = m.w, m.h-1
	}
	return image.Pt(max(1, w)*px.X, max(1, h)*px.Y)
}

func (p *viewer) ask(m *Model) tea.Cmd {
	within := p.room(m, m.paneWidth(), m.panelHeight())
	p.asked = within
	id, i := p.one.GetId(), p.index
	return ask(m, p, func(ctx context.Context) (image.Image, error) { return m.Node.Picture(ctx, id, i, within) })
}

func (p *viewer) answered(m *Model, a answer) tea.Cmd {
	if p.err = a.err; p.err != nil {
		return nil
	}
	p.s = shot{img: a.what.(image.Image)}
	switch m.term.way() {
	case byBlocks:
		return nil
	case byPlaces:
		return m.give(&p.s, m.paneWidth(), m.panelHeight())
	}
	if m.panel == panel(p) {
		m.close()
	}
	return overScreen(m.term.way(), p.s.img)
}

func (p *viewer) title(*Model) string { return cleanName(p.one.GetMedia()[p.index].GetName()) }
func (*viewer) keys() string          { return "Esc back  s save" }

func (p *viewer) view(m *Model, w, h int) ([]string, *point) {
	switch {
	case p.err != nil:
		return m.term.cells.wrap(hinted(p.err), w), nil
	case p.s.img == nil:
		return []string{"…"}, nil
	case p.s.id > 0:
		return placeholders(p.s.id, p.s.cols, p.s.rows), nil
	}
	lines := halves(p.s.img, m.term.colours)
	return lines[:min(len(lines), h)], nil
}

func (p *viewer) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "s":
		m.panel = newSave(p.one, m.Node.Folder())
	case "esc", "q", "enter", "left", "o":
		m.close()
	}
	return nil
}
