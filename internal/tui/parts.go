package tui

import (
	"fmt"
	"strings"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

// head is the first line of a conversation: with whom, and how things stand.
func (m *Model) head(w int) string {
	conv := m.open()
	c, one := m.term.cells, conv.contact
	words := []string{}
	add := func(s string) { words = append(words, s) }
	if conv.typing.After(m.now) {
		add(accent.Styled("writes…"))
	}
	switch {
	case one.GetBlocked():
		add(bad.Styled("blocked"))
	case one.GetState() == "refused":
		add(bad.Styled("refused: the invite is " + short(one.GetReason())))
	case one.GetState() == "pending":
		add(warning.Styled("pending"))
	case m.away: // nobody knows
	case one.GetOnline():
		add(good.Styled("online"))
	default:
		add(faint.Styled("offline"))
	}
	if one.GetVerified() {
		add(good.Styled("✓ verified"))
	} else if one.GetState() == "established" {
		add(faint.Styled("not verified"))
	}
	for _, s := range cautions(one) {
		add(warning.Styled(s))
	}
	right := "  " + strings.Join(words, faint.Styled(" · "))
	name := strong.Styled(c.cut(short(one.GetName()), max(4, w-c.width(right))))
	return c.fit(name+right, w)
}

// cautions are what a person should know of the session.
func cautions(one *apiv1.Contact) (all []string) {
	if one.GetReduced() {
		all = append(all, "reduced secrecy until an answer")
	}
	if one.GetStale() {
		all = append(all, "keys stand still until an answer")
	}
	return all
}

// welcome is shown where no conversation is.
func (m *Model) welcome(w int) (lines []string) {
	for _, l := range m.term.cells.wrap("Choose a conversation with ↑ ↓ and open it with Enter. F1 shows all keys.", max(1, w-4)) {
		lines = append(lines, faint.Styled("  "+l))
	}
	return append([]string{""}, lines...)
}

// foot is what is below the timeline: what is being written, or a small panel.
type foot struct {
	lines []string
	cur   *point
}

func (m *Model) foot() foot {
	conv := m.open()
	if conv == nil {
		return foot{}
	}
	w := m.paneWidth()
	f := foot{lines: m.ruled(w)}
	if text := m.below(); text != "" {
		f.lines = []string{warning.Styled(m.term.cells.centre(text, "─", w))}
	}
	if m.panel != nil && m.panel.low() {
		body, at := m.panel.view(m, w, 2)
		if at != nil {
			f.cur = &point{at.x, at.y + len(f.lines)}
		}
		f.lines = append(f.lines, body...)
		return f
	}
	f.lines = append(f.lines, m.context(conv, w)...)
	text, x, y := conv.draft.field.view(m.term.cells, m.fieldWidth(), max(1, m.h/5))
	if m.focus == onCompose && m.panel == nil {
		f.cur = &point{2 + x, len(f.lines) + y}
	}
	for i, l := range text {
		mark := "  "
		if i == 0 {
			mark = accent.Styled("› ")
		}
		f.lines = append(f.lines, mark+l)
	}
	return f
}

// below says that there is more than what is shown.
func (m *Model) below() string {
	switch {
	case m.line.below > 0:
		return fmt.Sprintf(" ↓ %d new; PgDn ", m.line.below)
	case m.line.later:
		return " ↓ more; PgDn "
	}
	return ""
}

// context is what the text being written belongs to: an answer, an edit, files.
func (m *Model) context(conv *conversation, w int) (lines []string) {
	c, d := m.term.cells, &conv.draft
	switch {
	case d.edit != nil:
		lines = append(lines, warning.Styled(c.cut("editing: "+short(d.edit.GetText()), w)))
	case d.reply != nil:
		who := short(d.reply.GetFrom())
		lines = append(lines, accent.Styled(c.cut("answering "+who+": "+short(d.reply.GetText()), w)))
	}
	const most = 3
	for i, u := range d.files {
		if i == most-1 && len(d.files) > most {
			lines = append(lines, faint.Styled(c.cut(fmt.Sprintf("and %d more files", len(d.files)-i), w)))
			break
		}
		lines = append(lines, c.cut(uploadLine(u, c, w), w))
	}
	return lines
}

// uploadLine is a file on its way, or ready.
func uploadLine(u *upload, c cells, w int) string {
	name := cleanName(u.name())
	if u.got != nil {
		note := ""
		if u.asFile {
			note = ", as it is"
		}
		return accent.Styled("▤ "+name) + faint.Styled("  "+client.Bytes(u.got.Size)+note+"; Enter sends, Ctrl+X leaves it out")
	}
	tail := fmt.Sprintf("  %s %3d%%  Ctrl+X cancels", bar(u.done.Load(), u.total.Load(), 12), share(u.done.Load(), u.total.Load()))
	return accent.Styled("▤ "+c.cut(name, max(6, w-2-c.width(tail)))) + tail
}

// status is the last line: what was to be said, or which keys do something.
func (m *Model) status(w int) string {
	c := m.term.cells
	right := ""
	if m.away {
		right = bad.Styled(" the node does not answer; trying again ")
	}
	left := faint.Styled(m.hint())
	switch {
	case m.note.bad:
		left = bad.Styled(m.note.text)
	case m.note.text != "":
		left = m.note.text
	}
	return c.ends(left, right, w)
}

// hint names the keys that do something here.
func (m *Model) hint() string {
	if m.panel != nil {
		return m.panel.keys()
	}
	switch m.focus {
	case onList:
		return "? help  Enter open  / search  v verify  q leave"
	case onTimeline:
		return "? help  Esc back  r answer  e edit  a react  d delete  s save  Enter open"
	}
	return "F1 help  Enter send  Alt+Enter line  Ctrl+O file  ↑ messages"
}
