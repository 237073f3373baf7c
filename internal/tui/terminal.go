package tui

import (
	"image"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
)

// terminal is what is known of the terminal: what it said of itself, never what
// its name promises.
type terminal struct {
	cells   cells
	colours bool // it may be given colours
	palette bool // 256 of them or more
	true24  bool // all of them
	multi   bool // tmux or screen is between

	kitty  bool // it draws pictures by kitty's protocol
	places bool // and where text of it stands
	sixel  bool
	iterm  bool
	cell   image.Point // pixels of a cell
}

// query asks for a picture of one pixel, which terminals that draw none by
// kitty's protocol do not answer; then for name, pixels of a cell, and
// attributes, among which is sixel.
const query = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\" + ansi.RequestNameVersion + "\x1b[16t" + ansi.RequestPrimaryDeviceAttributes

func (t *terminal) ask() tea.Cmd { return tea.Raw(query) }

// hear takes in what a terminal says of itself.
func (t *terminal) hear(m *Model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.ColorProfileMsg:
		t.colours = msg.Profile >= colorprofile.ANSI
		t.palette = msg.Profile >= colorprofile.ANSI256
		t.true24 = msg.Profile >= colorprofile.TrueColor
	case tea.ModeReportMsg:
		if msg.Mode == ansi.ModeUnicodeCore && (msg.Value == ansi.ModeSet || msg.Value == ansi.ModeReset || msg.Value == ansi.ModePermanentlySet) {
			t.cells = cells(ansi.GraphemeWidth) // the renderer does the same
		}
	case tea.TerminalVersionMsg:
		name := strings.ToLower(msg.Name)
		t.places = strings.HasPrefix(name, "kitty") || strings.HasPrefix(name, "ghostty")
		t.iterm = strings.HasPrefix(name, "iterm2") || strings.HasPrefix(name, "wezterm")
		t.multi = strings.HasPrefix(name, "tmux") || strings.HasPrefix(name, "screen")
	case uv.KittyGraphicsEvent:
		if msg.Options.ID == 31 && string(msg.Payload) == "OK" {
			t.kitty = true
		}
	case uv.PrimaryDeviceAttributesEvent:
		for _, a := range msg {
			t.sixel = t.sixel || a == 4
		}
	case uv.CellSizeEvent:
		if msg.Width > 0 && msg.Height > 0 && msg.Width <= maxCellSide && msg.Height <= maxCellSide {
			t.cell = image.Pt(msg.Width, msg.Height)
		}
	default:
		return nil
	}
	m.shots.drop(m.line.blocks) // they are drawn in another way now
	return nil
}

// maxCellSide bounds what a terminal may say a cell measures, in pixels.
const maxCellSide = 128

// inline reports that pictures stand in the text as pixels.
func (t *terminal) inline() bool { return t.kitty && t.places && t.palette && !t.multi }

// way is how a picture is shown alone on the screen.
func (t *terminal) way() way {
	switch {
	case t.inline():
		return byPlaces
	case !t.colours || t.multi && !t.sixel:
		return byBlocks
	case t.kitty && !t.multi:
		return byKitty
	case t.iterm && !t.multi:
		return byITerm
	case t.sixel:
		return bySixel
	}
	return byBlocks
}

// way is a way to show a picture.
type way int

const (
	byBlocks way = iota // half blocks in two colours, or shades without any
	byPlaces            // kitty's placeholders, which are text
	byKitty             // drawn over the screen, as are those that follow
	byITerm
	bySixel
)

// pixels is how large a cell is, by what most terminals have if this one did
// not say.
func (t *terminal) pixels() image.Point {
	if t.cell == (image.Point{}) {
		return image.Pt(8, 16)
	}
	return t.cell
}
