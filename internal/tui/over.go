package tui

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/ansi/sixel"
	"golang.org/x/term"
)

// over draws one picture over the whole screen and waits for a key, while
// Bubble Tea stands aside: it draws text, and these pictures are none.
type over struct {
	data string
	in   io.Reader
	out  io.Writer
}

// overScreen gives the command for a picture.
func overScreen(w way, img image.Image) tea.Cmd {
	data, err := pictureData(w, img)
	if err != nil {
		return func() tea.Msg { return done{err} }
	}
	return tea.Exec(&over{data: data}, func(err error) tea.Msg { return done{err} })
}

// pictureData is a picture as a terminal takes it.
func pictureData(w way, img image.Image) (string, error) {
	var b bytes.Buffer
	switch w {
	case byKitty:
		return kittyData(img, "a=T,q=2,f=100")
	case byITerm:
		if err := png.Encode(&b, img); err != nil {
			return "", err
		}
		return fmt.Sprintf("\x1b]1337;File=inline=1;size=%d:%s\a", b.Len(), base64.StdEncoding.EncodeToString(b.Bytes())), nil
	case bySixel:
		if err := new(sixel.Encoder).Encode(&b, img); err != nil {
			return "", err
		}
		return ansi.SixelGraphics(0, 1, 0, b.Bytes()), nil
	}
	return "", errors.ErrUnsupported
}

// SetStdin, SetStdout and SetStderr are called by Bubble Tea before Run.
func (o *over) SetStdin(r io.Reader) { o.in = r }

// SetStdout is where it is drawn.
func (o *over) SetStdout(w io.Writer) { o.out = w }

// SetStderr is not used.
func (*over) SetStderr(io.Writer) {}

// Run draws, waits for a key and leaves the screen as it was.
func (o *over) Run() error {
	if f, ok := o.in.(*os.File); ok {
		old, err := term.MakeRaw(int(f.Fd()))
		if err != nil {
			return err
		}
		defer term.Restore(int(f.Fd()), old)
	}
	clearPictures := "\x1b_Ga=d,q=2\x1b\\"
	if _, err := io.WriteString(o.out, ansi.SetModeAltScreenSaveCursor+ansi.EraseEntireScreen+ansi.CursorHomePosition+o.data+
		"\r\nany key: back"); err != nil {
		return err
	}
	_, err := o.in.Read(make([]byte, 64))
	_, werr := io.WriteString(o.out, clearPictures+ansi.ResetModeAltScreenSaveCursor)
	return errors.Join(err, werr)
}
