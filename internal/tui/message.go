package tui

import (
	"fmt"
	"strings"
	"time"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

const (
	// maxShown is how much of a text is looked at for the timeline, in bytes,
	// and maxLines how many lines of it are drawn there; Enter shows more.
	maxShown = 16 << 10
	maxLines = 20
	maxWidth = 110 // cells of a line: longer ones are hard to read
	// together is how close two messages of one person share her name.
	together = 5 * time.Minute
	indent   = "  "
)

// block is a message as it is drawn.
type block struct {
	of    *apiv1.Message
	key   blockKey
	lines []string // each at most width cells
}

// blockKey is what the drawing depends on besides the message.
type blockKey struct {
	width    int
	method   cells
	day, new bool // marks before it
	name     bool // who said it and when
	shots    int  // of its pictures, how many times one came
	thumb    int  // rows of a picture
}

// block draws a message of the window, if it is not drawn already.
func (m *Model) block(i int) *block {
	t := &m.line
	one := t.messages[i]
	k := blockKey{width: min(m.paneWidth()-2, maxWidth), method: m.term.cells, new: one.GetId() == t.unread,
		shots: m.shots.came[one.GetId()], thumb: m.thumbRows()}
	k.day, k.name = m.marks(i)
	if b := t.blocks[one.GetId()]; b != nil && b.of == one && b.key == k {
		return b
	}
	b := &block{of: one, key: k}
	b.lines = m.draw(one, k)
	t.blocks[one.GetId()] = b
	return b
}

// marks says what stands before a message because of the one before it.
func (m *Model) marks(i int) (day, name bool) {
	if i == 0 {
		return true, true
	}
	one, prev := m.line.messages[i], m.line.messages[i-1]
	at, before := m.at(one), m.at(prev)
	y, mo, d := at.Date()
	y2, mo2, d2 := before.Date()
	day = y != y2 || mo != mo2 || d != d2
	gap := at.Sub(before)
	name = day || one.GetMine() != prev.GetMine() || prev.GetNotice() != "" || gap > together || gap < -together ||
		one.GetId() == m.line.unread
	return day, name
}

func (m *Model) at(one *apiv1.Message) time.Time { return time.UnixMilli(one.GetAtMs()).In(m.Zone) }

func (m *Model) draw(one *apiv1.Message, k blockKey) (lines []string) {
	c, w := k.method, k.width
	if k.day {
		lines = append(lines, faint.Styled(c.centre(" "+m.at(one).Format("Monday, 2 January 2006")+" ", "─", w)))
	}
	if k.new {
		lines = append(lines, warning.Styled(c.centre(" new ", "─", w)))
	}
	if one.GetNotice() != "" {
		for _, l := range c.wrap("— "+clean(head(one.GetNotice(), maxShown), false)+" —", w) {
			lines = append(lines, faint.Styled(c.centre(l, " ", w)))
		}
		return lines
	}
	if k.name {
		style := hersName
		if one.GetMine() {
			style = mineName
		}
		when := " " + m.at(one).Format("15:04")
		lines = append(lines, style.Styled(c.cut(short(one.GetFrom()), w-len(when)))+faint.Styled(when))
	}
	return append(lines, m.body(one, k)...)
}

// body is what was said, and what became of it.
func (m *Model) body(one *apiv1.Message, k blockKey) (lines []string) {
	c, w := k.method, k.width-len(indent)
	add := func(s string) { lines = append(lines, indent+s) }
	if one.GetDeleted() {
		text := "deleted"
		if one.GetDeletedOf() > 0 {
			text += fmt.Sprintf(" on %d of %d devices", one.GetDeletedOn(), one.GetDeletedOf())
		}
		add(faint.Styled(c.cut(text, w)))
		return lines
	}
	if q := one.GetReplyTo(); q != nil {
		add(faint.Styled(c.cut("▏ "+quoted(q), w)))
	}
	for _, l := range c.textLines(one.GetText(), w) {
		add(l)
	}
	last := len(lines) - 1 // of what is no picture
	for i, a := range one.GetMedia() {
		add(m.attachment(a, c, w))
		last = len(lines) - 1
		for _, l := range m.thumb(one, i, w) {
			add(l)
		}
	}
	if r := reactions(one); r != "" {
		add(c.cut(r, w))
		last = len(lines) - 1
	}
	s := state(one)
	switch {
	case s == "":
	case last >= 0 && c.width(lines[last])+2+c.width(s) <= k.width:
		lines[last] += "  " + faint.Styled(s)
	default:
		add(faint.Styled(c.cut(s, w)))
	}
	return lines
}

// textLines wraps a text, and says what is left out of a long one.
func (c cells) textLines(text string, w int) []string {
	if text == "" {
		return nil
	}
	part := head(text, maxShown)
	lines := c.wrap(strings.TrimRight(clean(part, true), "\n"), w)
	if len(lines) > maxLines || len(part) < len(text) {
		more := fmt.Sprintf("… %s in all; Enter shows it", client.Bytes(int64(len(text))))
		lines = append(lines[:min(len(lines), maxLines-1):min(len(lines), maxLines-1)], faint.Styled(c.cut(more, w)))
	}
	return lines
}

// state is what is known of a message, in words.
func state(one *apiv1.Message) string {
	var words []string
	if one.GetEditedAtMs() != 0 {
		words = append(words, "edited")
	}
	switch {
	case !one.GetMine():
	case one.GetState() == "boxed":
		words = append(words, fmt.Sprintf("boxed %d/%d", one.GetBoxedOn(), one.GetBoxedOf()))
	default:
		words = append(words, short(one.GetState()))
	}
	return strings.Join(words, ", ")
}

// quoted is a message in the words of one that answers it.
func quoted(q *apiv1.Quote) string {
	who := short(q.GetFrom())
	switch {
	case !q.GetHere():
		return "a message that is not here"
	case q.GetDeleted():
		return who + ": deleted"
	case q.GetText() == "" && q.GetMedia() == 1:
		return who + ": a file"
	case q.GetText() == "":
		return fmt.Sprintf("%s: %d files", who, q.GetMedia())
	}
	return who + ": " + short(q.GetText())
}

func reactions(one *apiv1.Message) string {
	var words []string
	for _, r := range one.GetReactions() {
		words = append(words, short(r.GetEmoji())+" "+short(r.GetWho()))
	}
	return strings.Join(words, "  ")
}

// attachment is one line about a file.
func (m *Model) attachment(a *apiv1.Media, c cells, w int) string {
	tail := "  " + client.Bytes(a.GetSize())
	switch a.GetState() {
	case "stored":
	case "waiting", "fetching":
		tail += fmt.Sprintf("  %s %s %d%%", a.GetState(), bar(a.GetHave(), a.GetSize(), 8), share(a.GetHave(), a.GetSize()))
	default:
		tail += "  " + short(a.GetState())
	}
	return c.cut(accent.Styled("▤ "+c.cut(cleanName(a.GetName()), max(8, w-2-c.width(tail))))+faint.Styled(tail), w)
}
