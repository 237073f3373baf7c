package tui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// cells measures text in cells of the terminal, by the rule the terminal
// follows: of whole characters where it says that it does (mode 2027), else of
// code points.
type cells ansi.Method

func (c cells) method() ansi.Method { return ansi.Method(c) }

// width is how many cells a line takes, without its styles.
func (c cells) width(s string) int { return c.method().StringWidth(s) }

// first gives the first character and its width.
func (c cells) first(s string) (cluster string, width int) {
	return ansi.FirstGraphemeCluster(s, c.method())
}

// cut shortens a line to at most w cells; its styles go on to its end.
func (c cells) cut(s string, w int) string {
	if w <= 0 {
		return ""
	}
	if c.width(s) <= w {
		return s
	}
	var b strings.Builder
	width, full := 0, false
	for len(s) > 0 {
		if end := strings.IndexByte(s, 'm') + 1; s[0] == '\x1b' && end > 0 { // a style: nothing else begins so
			b.WriteString(s[:end])
			s = s[end:]
			continue
		}
		cluster, n := c.first(s)
		s = s[len(cluster):]
		if full {
			continue
		}
		if width += n; width > w-1 {
			b.WriteString("…")
			full = true
			continue
		}
		b.WriteString(cluster)
	}
	return b.String()
}

// fit makes a line exactly w cells wide.
func (c cells) fit(s string, w int) string {
	if w <= 0 {
		return ""
	}
	s = c.cut(s, w)
	return s + strings.Repeat(" ", max(0, w-c.width(s)))
}

// ends puts one text at the beginning and another at the end of a line; what
// does not fit is taken from the first.
func (c cells) ends(left, right string, w int) string {
	right = c.cut(right, w)
	return c.fit(left, max(0, w-c.width(right))) + right
}

// centre puts a text in the middle of a line of the given rune.
func (c cells) centre(s, rule string, w int) string {
	s = c.cut(s, w)
	left := max(0, w-c.width(s)) / 2
	return strings.Repeat(rule, left) + s + strings.Repeat(rule, max(0, w-left-c.width(s)))
}

// wrap breaks clean text into lines of at most w cells, between words where
// there is a place, and never within a character.
func (c cells) wrap(s string, w int) []string {
	var out []string
	for line := range strings.SplitSeq(s, "\n") {
		out = append(out, c.wrapLine(line, max(1, w))...)
	}
	return out
}

func (c cells) wrapLine(s string, w int) (out []string) {
	start, width, gap := 0, 0, -1 // gap: where the last word began
	for i := 0; i < len(s); {
		cluster, n := c.first(s[i:])
		if width+n <= w || i == start {
			i += len(cluster)
			width += n
			if cluster == " " || cluster == "-" {
				gap = i
			}
			continue
		}
		end := i
		switch {
		case cluster == " ":
			i++
		case gap > start:
			end, i = gap, gap
		}
		out = append(out, strings.TrimRight(s[start:end], " "))
		start, width, gap = i, 0, -1
	}
	return append(out, s[start:])
}
