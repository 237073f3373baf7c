package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
)

// searchPage is how many messages are asked for at once.
const searchPage = 50

// search finds messages by words.
type search struct {
	written
	here    bool // only in the conversation that is open
	asked   string
	found   []*apiv1.Message
	more    bool
	at      int
	loading bool
}

func newSearch(m *Model) *search { return &search{here: m.open() != nil} }

func (p *search) title(m *Model) string {
	if c := m.open(); p.here && c != nil {
		return "Search with " + short(c.contact.GetName())
	}
	return "Search everywhere"
}

func (*search) low() bool    { return false }
func (*search) keys() string { return "Esc back  Enter search, jump  ↑↓ choose  Tab where" }

func (p *search) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "esc":
		m.close()
	case "tab":
		p.here = !p.here && m.open() != nil
		p.asked, p.found = "", nil
	case "up":
		p.at = max(0, p.at-1)
	case "down":
		p.at = min(len(p.found)-1, p.at+1)
		if p.more && p.at >= len(p.found)-3 && !p.loading {
			return p.ask(m, len(p.found))
		}
		p.at = max(0, p.at)
	case "enter":
		if p.asked == p.field.text && p.at < len(p.found) {
			return p.jump(m, p.found[p.at])
		}
		if p.field.text == "" {
			return nil
		}
		p.asked, p.found, p.at = p.field.text, nil, 0
		return p.ask(m, 0)
	default:
		p.write(m, k)
	}
	return nil
}

func (p *search) ask(m *Model, offset int) tea.Cmd {
	r := &apiv1.SearchRequest{Words: p.asked, Limit: searchPage, Offset: uint32(offset)}
	if p.here {
		r.Contact = m.line.account
	}
	p.loading = true
	return ask(m, p, func(ctx context.Context) (page, error) {
		a, err := m.Node.Search(ctx, r)
		return page{r, a}, err
	})
}

// page is an answer and what was asked.
type page struct {
	asked *apiv1.SearchRequest
	r     *apiv1.SearchResponse
}

func (p *search) answered(m *Model, a answer) tea.Cmd {
	got := a.what.(page)
	if got.asked.GetWords() != p.asked || (got.asked.GetContact() != "") != p.here || int(got.asked.GetOffset()) != len(p.found) {
		return nil // something else was asked since
	}
	p.loading = false
	if a.err != nil {
		m.failed(a.err)
		return nil
	}
	p.found, p.more = append(p.found, got.r.GetMessages()...), got.r.GetMore()
	if len(p.found) == 0 {
		m.say("nothing found")
	}
	return nil
}

func (p *search) jump(m *Model, one *apiv1.Message) tea.Cmd {
	c := m.named(one.GetContact())
	if c == nil {
		return nil
	}
	m.close()
	return m.showAround(c.account(), one.GetId())
}

func (p *search) view(m *Model, w, h int) ([]string, *point) {
	c := m.term.cells
	line, x := p.line(c, "Words: ", w)
	lines := []string{line, faint.Styled(c.cut("all of them; word* finds what begins so", w)), ""}
	fit := max(1, (h-len(lines))/2)
	top := min(max(0, p.at-fit+1), max(0, len(p.found)-fit))
	for i, one := range p.found[top:min(len(p.found), top+fit)] {
		lines = append(lines, p.row(m, one, top+i == p.at, w)...)
	}
	return lines, &point{x, 0}
}

func (p *search) row(m *Model, one *apiv1.Message, chosen bool, w int) []string {
	c := m.term.cells
	mark := "  "
	if chosen {
		mark = accent.Styled("▌ ")
	}
	who := short(one.GetFrom())
	if one.GetMine() {
		who += " to " + short(one.GetContact())
	}
	return []string{mark + c.ends(strong.Styled(who), faint.Styled(m.at(one).Format(" 2 Jan 2006 15:04")), w-2),
		mark + c.cut(short(one.GetText()), w-2)}
}
