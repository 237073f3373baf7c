package tui

import (
	"fmt"

	apiv1 "kith/api/v1"
)

// list draws the conversations, two lines each, around the one chosen.
func (m *Model) list(w, h int) []string {
	c := m.term.cells
	lines := []string{strong.Styled(c.cut("kith", w))}
	lines = append(lines, m.ruled(w)...)
	if m.loaded && len(m.convs) == 0 {
		for _, l := range c.wrap("Nobody yet. kith invite makes an invite to hand over, kith add takes one up.", max(1, w-2)) {
			lines = append(lines, " "+l)
		}
	}
	if !m.loaded {
		lines = append(lines, faint.Styled(" …"))
	}
	at := 0
	for i, conv := range m.convs {
		if conv.account() == m.chosen {
			at = i
		}
	}
	room := max(1, (h-len(lines))/2)
	top := min(max(0, at-room/2), max(0, len(m.convs)-room))
	for _, conv := range m.convs[min(top, len(m.convs)):min(len(m.convs), top+room)] {
		lines = append(lines, m.row(conv, w)...)
	}
	return m.filled(lines, w, h)
}

func (m *Model) row(conv *conversation, w int) []string {
	c, one := m.term.cells, conv.contact
	mark, name := " ", short(one.GetName())
	chosen := conv.account() == m.chosen
	if chosen {
		mark = accent.Styled("▌")
	}
	style := strong
	if chosen && m.focus == onList {
		style = reversed
	}
	first := m.presence(one) + " " + style.Styled(c.cut(name, max(1, w-12)))
	if one.GetVerified() {
		first += " " + good.Styled("✓")
	}
	right := ""
	if n := one.GetUnread(); n > 0 {
		right = warning.Styled(fmt.Sprintf(" (%d)", n))
	}
	return []string{mark + c.ends(first, faint.Styled(m.when(conv.last)), w-1),
		mark + c.ends("  "+faint.Styled(c.cut(m.summary(conv), max(1, w-4-c.width(right)))), right, w-1)}
}

// presence is one sign: there, away, or not yet a contact one can talk with.
func (m *Model) presence(one *apiv1.Contact) string {
	switch {
	case one.GetBlocked():
		return bad.Styled("⊘")
	case one.GetState() == "refused":
		return bad.Styled("✗")
	case one.GetState() == "pending":
		return warning.Styled("?")
	case one.GetOnline() && !m.away:
		return good.Styled("●")
	}
	return faint.Styled("○")
}

// when is the time of a message if that is today, else its day.
func (m *Model) when(one *apiv1.Message) string {
	if one == nil {
		return ""
	}
	at, now := m.at(one), m.now.In(m.Zone)
	switch {
	case at.Format("20060102") == now.Format("20060102"):
		return " " + at.Format("15:04")
	case at.Year() == now.Year():
		return " " + at.Format("2 Jan")
	}
	return " " + at.Format("2 Jan 2006")
}

// summary is what was said last, in one line.
func (m *Model) summary(conv *conversation) string {
	one := conv.last
	who := ""
	if one.GetMine() {
		who = "You: "
	}
	switch {
	case conv.typing.After(m.now):
		return "writes…"
	case conv.contact.GetState() == "pending":
		return "pending until that device answers"
	case conv.contact.GetState() == "refused":
		return "refused: the invite is " + short(conv.contact.GetReason())
	case one == nil:
		return ""
	case one.GetNotice() != "":
		return "— " + short(one.GetNotice())
	case one.GetDeleted():
		return who + "deleted"
	case one.GetText() != "":
		return who + short(one.GetText())
	case len(one.GetMedia()) > 0:
		return who + "▤ " + cleanName(one.GetMedia()[0].GetName())
	}
	return who
}
