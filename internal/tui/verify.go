package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
)

// verification shows the safety number with a contact, and takes the mark that
// it was compared.
type verification struct {
	still
	account string
	r       *apiv1.VerifyResponse
}

// verify opens it for the conversation that is open or pointed at.
func (m *Model) verify() tea.Cmd {
	account := m.line.account
	if m.focus == onList || account == "" {
		account = m.chosen
	}
	if account == "" {
		return nil
	}
	p := &verification{account: account}
	m.panel = p
	return p.ask(m, apiv1.VerifyRequest_NONE)
}

func (p *verification) ask(m *Model, change apiv1.VerifyRequest_Change) tea.Cmd {
	return ask(m, p, func(ctx context.Context) (*apiv1.VerifyResponse, error) {
		return m.Node.Verify(ctx, &apiv1.VerifyRequest{Contact: p.account, Change: change})
	})
}

func (p *verification) answered(m *Model, a answer) tea.Cmd {
	if a.err != nil {
		m.failed(a.err)
		return nil
	}
	p.r = a.what.(*apiv1.VerifyResponse)
	m.contact(p.r.GetContact())
	return nil
}

func (*verification) title(*Model) string { return "Safety number" }
func (*verification) keys() string        { return "Esc back  m the same  u take it back" }

func (p *verification) view(m *Model, w, _ int) (lines []string, cur *point) {
	if p.r == nil {
		return []string{"…"}, nil
	}
	c := m.term.cells
	name := short(p.r.GetContact().GetName())
	lines = append(lines, c.wrap(name+" must see the same number. Compare it in person or on a call; if it differs, somebody is between you.", w)...)
	lines = append(lines, "")
	groups := strings.Fields(short(p.r.GetSafetyNumber()))
	for i := 0; i < len(groups); i += 4 {
		lines = append(lines, strong.Styled(c.cut("  "+strings.Join(groups[i:min(len(groups), i+4)], " "), w)))
	}
	lines = append(lines, "")
	if p.r.GetContact().GetVerified() {
		return append(lines, good.Styled(c.cut("✓ "+name+" is verified", w))), nil
	}
	return append(lines, warning.Styled(c.cut("not compared yet", w))), nil
}

func (p *verification) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "m":
		return p.ask(m, apiv1.VerifyRequest_MARK)
	case "u":
		return p.ask(m, apiv1.VerifyRequest_UNMARK)
	case "esc", "q", "enter", "left":
		m.close()
	}
	return nil
}
