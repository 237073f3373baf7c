package qr

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"strings"

	"rsc.io/qr"
)

// ErrTooLong: the text does not fit into the largest QR code (4296 characters of the
// dense set, 2953 bytes of others).
var ErrTooLong = errors.New("qr: text too long for a QR code")

const (
	quietZone = 4 // modules of white around the code, as ISO/IEC 18004 asks
	pngScale  = 8 // pixels per module
)

// Style says how Terminal draws.
type Style int

const (
	// Colour sets black and white explicitly, so that the code is right on dark and
	// light terminals alike. It uses the 256-colour escape sequences.
	Colour Style = iota
	// Plain uses no escape sequences and draws the light modules, so that it is right
	// on a dark terminal; on a light one it appears inverted, which many readers
	// (Decode among them) accept.
	Plain
)

// Colours 16 and 231 of the 256-colour table are black and white whatever the theme.
const (
	blackOnWhite = "\x1b[38;5;16;48;5;231m"
	resetColours = "\x1b[0m"
)

// Terminal draws text with half blocks, two modules above each other in a character,
// quiet zone included. Every line ends with a line feed; lines have 29 to 185
// characters. It returns ErrTooLong for a text that fits no code.
func Terminal(text string, style Style) (string, error) {
	// The least redundancy makes the smallest code, and a screen has no stains.
	code, err := encode(text, qr.L)
	if err != nil {
		return "", err
	}
	glyphs := []rune(" ▄▀█") // by ink in the lower (1) and upper (2) half
	var out strings.Builder
	for y := -quietZone; y < code.Size+quietZone; y += 2 {
		if style == Colour {
			out.WriteString(blackOnWhite)
		}
		for x := -quietZone; x < code.Size+quietZone; x++ {
			upper, lower := code.Black(x, y), code.Black(x, y+1)
			if style == Plain {
				upper, lower = !upper, !lower
			}
			out.WriteRune(glyphs[halves(upper, lower)])
		}
		if style == Colour {
			out.WriteString(resetColours)
		}
		out.WriteByte('\n')
	}
	return out.String(), nil
}

func halves(upper, lower bool) (n int) {
	if lower {
		n = 1
	}
	if upper {
		n += 2
	}
	return n
}

// PNG writes text to w as a black and white PNG, 8 pixels per module, quiet zone
// included. It returns ErrTooLong for a text that fits no code, or the error of w.
func PNG(text string, w io.Writer) error {
	code, err := encode(text, qr.M)
	if errors.Is(err, ErrTooLong) {
		code, err = encode(text, qr.L)
	}
	if err != nil {
		return err
	}
	side := (code.Size + 2*quietZone) * pngScale
	picture := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range side {
		for x := range side {
			if code.Black(x/pngScale-quietZone, y/pngScale-quietZone) {
				picture.SetColorIndex(x, y, 1)
			}
		}
	}
	if err := png.Encode(w, picture); err != nil {
		return fmt.Errorf("qr: write PNG: %w", err)
	}
	return nil
}

func encode(text string, level qr.Level) (*qr.Code, error) {
	code, err := qr.Encode(text, level)
	if err != nil {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLong, len(text))
	}
	return code, nil
}
