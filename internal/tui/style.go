package tui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// The styles: the sixteen colours of the person's own theme. Without colour
// (NO_COLOR) what they say is still there in words and signs.
var (
	faint    = ansi.Style{}.Faint()
	strong   = ansi.Style{}.Bold()
	mineName = ansi.Style{}.Bold().ForegroundColor(ansi.Green)
	hersName = ansi.Style{}.Bold().ForegroundColor(ansi.Cyan)
	good     = ansi.Style{}.ForegroundColor(ansi.Green)
	warning  = ansi.Style{}.ForegroundColor(ansi.Yellow)
	bad      = ansi.Style{}.ForegroundColor(ansi.Red)
	accent   = ansi.Style{}.ForegroundColor(ansi.Cyan)
	reversed = ansi.Style{}.Reverse(true)
)

// bar draws how far something is, in w cells.
func bar(done, total int64, w int) string {
	full := w
	if total > 0 {
		full = int(min(max(done, 0), total) * int64(w) / total)
	}
	return strings.Repeat("█", full) + strings.Repeat("░", w-full)
}

// share is how far something is, in percent.
func share(done, total int64) int64 {
	if total <= 0 {
		return 100
	}
	return min(max(done, 0), total) * 100 / total
}
