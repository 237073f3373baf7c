package tui

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// maxWritten bounds what is being written, in bytes: what a message may have.
const maxWritten = 64 << 10

// editor is text with a place in it, moved by characters as a person sees them.
type editor struct {
	text string
	at   int // bytes before the place

	drawn rowsOf // what rows found last
}

// rowsOf are the rows of a text.
type rowsOf struct {
	text  string
	cells cells
	width int
	rows  [][2]int
}

// set replaces everything, with the place behind it.
func (e *editor) set(s string) { e.text, e.at = s, len(s) }

// insert puts clean text in; it reports whether all of it had room.
func (e *editor) insert(s string, lines bool) bool {
	n := e.before(cells(ansi.GraphemeWidth)) // a mark or joiner belongs to what is before it
	last := e.text[e.at-n : e.at]
	room := max(0, maxWritten-len(e.text)+n)
	whole := len(s) <= 2*maxWritten
	s = clean(last+head(s, 2*maxWritten), lines) // what is left out may make it shorter
	fitting := head(s, room)
	e.text = e.text[:e.at-n] + fitting + e.text[e.at:]
	e.at += len(fitting) - n
	return whole && len(fitting) == len(s)
}

// before gives the length of the character before the place.
func (e *editor) before(c cells) int {
	if e.at == 0 {
		return 0
	}
	from := strings.LastIndexByte(e.text[:e.at-1], '\n') + 1
	last := 0
	for s := e.text[from:e.at]; len(s) > 0; {
		cluster, _ := c.first(s)
		last, s = len(cluster), s[len(cluster):]
	}
	return last
}

// after gives the length of the character behind the place.
func (e *editor) after(c cells) int {
	if e.at == len(e.text) {
		return 0
	}
	cluster, _ := c.first(e.text[e.at:])
	return len(cluster)
}

// remove takes n bytes away before the place.
func (e *editor) remove(n int) {
	e.text = e.text[:e.at-n] + e.text[e.at:]
	e.at -= n
}

// word is where the word before the place begins.
func (e *editor) word() int {
	s := strings.TrimRightFunc(e.text[:e.at], unicode.IsSpace)
	return strings.LastIndexFunc(s, unicode.IsSpace) + 1
}

// wordEnd is where the word behind the place ends.
func (e *editor) wordEnd() int {
	s := e.text[e.at:]
	rest := strings.TrimLeftFunc(s, unicode.IsSpace)
	if i := strings.IndexFunc(rest, unicode.IsSpace); i >= 0 {
		return e.at + len(s) - len(rest) + i
	}
	return len(e.text)
}

// lineStart and lineEnd bound the line the place is in.
func (e *editor) lineStart() int { return strings.LastIndexByte(e.text[:e.at], '\n') + 1 }

func (e *editor) lineEnd() int {
	if i := strings.IndexByte(e.text[e.at:], '\n'); i >= 0 {
		return e.at + i
	}
	return len(e.text)
}

// key does what a key means in a field; it reports whether it meant something.
func (e *editor) key(k string, c cells) bool {
	switch k {
	case "left", "ctrl+b":
		e.at -= e.before(c)
	case "right":
		e.at += e.after(c)
	case "home", "ctrl+a":
		e.at = e.lineStart()
	case "end", "ctrl+e":
		e.at = e.lineEnd()
	case "alt+b", "ctrl+left", "alt+left":
		e.at = e.word()
	case "alt+f", "ctrl+right", "alt+right":
		e.at = e.wordEnd()
	case "backspace", "shift+backspace":
		e.remove(e.before(c))
	case "delete", "ctrl+d":
		n := e.after(c)
		e.at += n
		e.remove(n)
	case "ctrl+w", "alt+backspace":
		e.remove(e.at - e.word())
	case "ctrl+u":
		e.remove(e.at - e.lineStart())
	case "ctrl+k":
		n := e.lineEnd() - e.at
		e.at += n
		e.remove(n)
	default:
		return false
	}
	return true
}

// rows are the lines as they are drawn, w cells wide: where each begins and ends.
func (e *editor) rows(c cells, w int) [][2]int {
	if d := &e.drawn; d.rows == nil || d.text != e.text || d.cells != c || d.width != w {
		*d = rowsOf{e.text, c, w, split(e.text, c, w)}
	}
	return e.drawn.rows
}

func split(text string, c cells, w int) (rows [][2]int) {
	start, width := 0, 0
	for i := 0; i < len(text); {
		cluster, n := c.first(text[i:])
		switch {
		case cluster == "\n":
			rows = append(rows, [2]int{start, i})
			start, width = i+1, 0
		case width+n > w && i > start:
			rows = append(rows, [2]int{start, i})
			start, width = i, n
		default:
			width += n
		}
		i += len(cluster)
	}
	return append(rows, [2]int{start, len(text)})
}

// row is the line the place is in, and the cell.
func (e *editor) row(c cells, rows [][2]int) (row, cell int) {
	for i, r := range rows {
		if e.at >= r[0] && (e.at < r[1] || e.at == r[1] && (i+1 == len(rows) || rows[i+1][0] > e.at)) {
			return i, c.width(e.text[r[0]:e.at])
		}
	}
	return len(rows) - 1, 0
}

// vertical moves the place by lines as they are drawn; it reports whether there
// was one.
func (e *editor) vertical(c cells, w, by int) bool {
	rows := e.rows(c, w)
	at, cell := e.row(c, rows)
	if at+by < 0 || at+by >= len(rows) {
		return false
	}
	to := rows[at+by]
	e.at = to[0]
	for width := 0; e.at < to[1]; {
		cluster, n := c.first(e.text[e.at:])
		if width += n; width > cell {
			break
		}
		e.at += len(cluster)
	}
	return true
}

// view draws at most h rows around the place, w cells wide, and says where the
// cursor is. The text is clean since all of it came by insert.
func (e *editor) view(c cells, w, h int) (lines []string, x, y int) {
	rows := e.rows(c, w)
	at, cell := e.row(c, rows)
	top := min(max(0, at-h+1), max(0, len(rows)-h))
	for _, r := range rows[top:min(len(rows), top+h)] {
		lines = append(lines, e.text[r[0]:r[1]])
	}
	return lines, min(cell, w), at - top
}
