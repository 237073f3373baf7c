package tui

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi/kitty"
)

const (
	asking = -1 // the id of a shot that is on its way
	// firstShot and lastShot bound the numbers of pictures in the terminal. They
	// are told by a colour of the palette of 256, without the 16 that a
	// renderer may take for others.
	firstShot, lastShot = 16, 255
	chunk               = 4096 // of what is sent to a terminal, in bytes of base64
)

// give hands a picture to the terminal, to stand on so many cells at most.
func (m *Model) give(s *shot, cols, rows int) tea.Cmd {
	p := m.term.pixels()
	size := s.img.Bounds().Size()
	s.cols = min(cols, max(1, (size.X+p.X-1)/p.X))
	s.rows = min(rows, max(1, (size.Y+p.Y-1)/p.Y))
	s.id = m.shots.next
	m.shots.highest = max(m.shots.highest, s.id)
	if m.shots.next++; m.shots.next > lastShot {
		m.shots.next = firstShot
	}
	control := fmt.Sprintf("a=T,U=1,q=2,f=100,i=%d,c=%d,r=%d", s.id, s.cols, s.rows)
	data, err := kittyData(s.img, control)
	if err != nil {
		s.id = 0
		return nil
	}
	return tea.Raw(data)
}

// takeBack has the terminal forget the pictures it was given.
func (p *pictures) takeBack() string {
	var b strings.Builder
	for id := firstShot; id <= p.highest; id++ {
		fmt.Fprintf(&b, "\x1b_Ga=d,d=I,q=2,i=%d\x1b\\", id)
	}
	return b.String()
}

// kittyData is a picture for kitty's protocol, in pieces terminals take.
func kittyData(img image.Image, control string) (string, error) {
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		return "", err
	}
	data := base64.StdEncoding.EncodeToString(file.Bytes())
	var b strings.Builder
	for first := true; first || data != ""; first = false {
		part := data[:min(chunk, len(data))]
		data = data[len(part):]
		more := 1
		if data == "" {
			more = 0
		}
		if first {
			fmt.Fprintf(&b, "\x1b_G%s,m=%d;%s\x1b\\", control, more, part)
		} else {
			fmt.Fprintf(&b, "\x1b_Gq=2,m=%d;%s\x1b\\", more, part)
		}
	}
	return b.String(), nil
}

// placeholders are the text on which a terminal puts a picture it was given:
// its number as a colour, row and column as marks.
func placeholders(id, cols, rows int) (lines []string) {
	for y := range rows {
		var line strings.Builder
		fmt.Fprintf(&line, "\x1b[38;5;%dm", id)
		for x := range cols {
			line.WriteRune(kitty.Placeholder)
			line.WriteRune(kitty.Diacritic(y))
			line.WriteRune(kitty.Diacritic(x))
		}
		line.WriteString("\x1b[m")
		lines = append(lines, line.String())
	}
	return lines
}
