package tui

import (
	"fmt"
	"image"
	"image/color"
	"strings"

	apiv1 "kith/api/v1"
)

// halves draws a picture with two pixels in each cell; without colours in five
// shades, one a cell. A pixel one sees through is drawn as the ground.
func halves(img image.Image, colours bool) (lines []string) {
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y += 2 {
		var line strings.Builder
		for x := b.Min.X; x < b.Max.X; x++ {
			up, down := colourAt(img, x, y), color.NRGBA{}
			if y+1 < b.Max.Y {
				down = colourAt(img, x, y+1)
			}
			if !colours {
				line.WriteString(shade(up, down))
				continue
			}
			line.WriteString(half(up, down))
		}
		if colours {
			line.WriteString("\x1b[m")
		}
		lines = append(lines, line.String())
	}
	return lines
}

func colourAt(img image.Image, x, y int) color.NRGBA {
	return color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
}

// seeThrough is how little of a pixel there may be to leave it out.
const seeThrough = 128

func half(up, down color.NRGBA) string {
	switch {
	case up.A < seeThrough && down.A < seeThrough:
		return "\x1b[m "
	case up.A < seeThrough:
		return fmt.Sprintf("\x1b[m\x1b[38;2;%d;%d;%dm▄", down.R, down.G, down.B)
	case down.A < seeThrough:
		return fmt.Sprintf("\x1b[m\x1b[38;2;%d;%d;%dm▀", up.R, up.G, up.B)
	}
	return fmt.Sprintf("\x1b[38;2;%d;%d;%d;48;2;%d;%d;%dm▀", up.R, up.G, up.B, down.R, down.G, down.B)
}

func shade(up, down color.NRGBA) string {
	light := func(c color.NRGBA) int { return (int(c.R)*299 + int(c.G)*587 + int(c.B)*114) / 1000 * int(c.A) / 255 }
	return []string{" ", "░", "▒", "▓", "█"}[(light(up)+light(down))/2*5/256]
}

// thumbRows is how many lines a picture takes in the timeline; 0: none is shown.
func (m *Model) thumbRows() int {
	switch {
	case m.h < 18:
		return 0
	case m.h < 36:
		return 6
	}
	return 10
}

func (m *Model) thumbCols() int { return max(4, min(40, m.paneWidth()-6)) }

// thumbPixels is how large a picture is asked for.
func (m *Model) thumbPixels() image.Point {
	if m.term.inline() {
		p := m.term.pixels()
		return image.Pt(m.thumbCols()*p.X, m.thumbRows()*p.Y)
	}
	return image.Pt(m.thumbCols(), 2*m.thumbRows())
}

// thumb draws a picture of a message, if it is here.
func (m *Model) thumb(one *apiv1.Message, i, w int) []string {
	s := m.shots.all[shotKey{one.GetId(), i}]
	if s == nil || s.img == nil || s.img.Bounds().Dx() > w && !m.term.inline() || m.thumbRows() == 0 {
		return nil
	}
	if s.id > 0 {
		return placeholders(s.id, s.cols, s.rows)
	}
	if m.term.inline() {
		return nil // on its way to the terminal
	}
	return halves(s.img, m.term.colours)
}
