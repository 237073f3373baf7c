package tui

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

const (
	// maxMarks is how many combining marks in a row are drawn; scripts that
	// are written use up to four.
	maxMarks = 4
	// maxCluster is how many code points are drawn as one character: enough for
	// a family of four, each with a colour of skin.
	maxCluster = 16
	// dotted carries marks that came with nothing to stand on.
	dotted = "\u25cc"
	joiner = '\u200d'
)

// clean makes text of others safe to draw. What could steer the terminal,
// turn the direction of text, stand for a picture (private use) or has no known
// width becomes U+FFFD; what nobody sees is left out; heaps of marks are
// cut. Line breaks stay if lines is true. Tabs become spaces.
func clean(s string, lines bool) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	marks, base := 0, false // marks in a row, and whether they have something to stand on
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		switch {
		case r == '\r' && i < len(s) && s[i] == '\n': // the break follows
		case r == '\n' && lines:
			b.WriteByte('\n')
			marks, base = 0, false
		case r == '\t' && lines:
			b.WriteString("    ")
			marks, base = 0, true
		case r == '\n', r == '\t', unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
			marks, base = 0, true
		case r == joiner || r == '\u200c': // emoji and scripts need them
			if base {
				b.WriteRune(r)
			}
		case unseen(r):
		case unicode.Is(unicode.M, r):
			if marks++; marks > maxMarks {
				continue
			}
			if !base {
				b.WriteString(dotted)
			}
			b.WriteRune(r)
			base = true
		case !drawable(r) || r == utf8.RuneError:
			b.WriteRune(utf8.RuneError)
			marks, base = 0, true
		default:
			b.WriteRune(r)
			marks, base = 0, true
		}
	}
	return bounded(b.String())
}

// plain reports printable ASCII, which needs no work.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// unseen are characters without a picture or an effect that is wanted here.
func unseen(r rune) bool {
	switch r {
	case 0x115f, 0x1160, 0x3164, 0xffa0, 0x2800, 0x034f: // fillers
		return true
	case 0xfe0e, 0xfe0f: // text or emoji: marks
		return false
	}
	turns := r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
	return unicode.Is(unicode.Cf, r) && !turns || r >= 0xe0000 && r <= 0xe0fff ||
		r >= 0xfe00 && r <= 0xfe0d || r >= 0x180b && r <= 0x180f
}

// drawable reports a character whose width is known.
func drawable(r rune) bool {
	return unicode.IsPrint(r) || r >= 0x1f000 && r <= 0x1faff // emoji newer than the tables
}

// bounded cuts characters made of too many code points.
func bounded(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		cluster, _ := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
		s = s[len(cluster):]
		n := 0
		for i := range cluster {
			if n++; n > maxCluster {
				cluster = cluster[:i] + string(utf8.RuneError)
				break
			}
		}
		b.WriteString(cluster)
	}
	return b.String()
}

// short makes what is shown on one line safe: a name, a word, the beginning of a
// text.
func short(s string) string { return clean(head(s, maxShort), false) }

// maxShort bounds what is looked at for one line, in bytes.
const maxShort = 1024

// cleanName makes a file name of others safe to show: no part of it is a path.
func cleanName(s string) string {
	return short(strings.NewReplacer("/", "_", `\`, "_").Replace(head(s, maxShort)))
}

// head gives at most n bytes of a text, whole characters of it.
func head(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
