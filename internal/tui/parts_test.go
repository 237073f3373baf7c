package tui

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/ansi/kitty"

	apiv1 "kith/api/v1"
)

var wide = cells(ansi.GraphemeWidth)

func TestEditor_movesByCharacters(t *testing.T) {
	var e editor
	e.insert("a👨‍👩‍👧‍👦é世", true)
	for _, want := range []string{"a👨‍👩‍👧‍👦é", "a👨‍👩‍👧‍👦", "a", ""} {
		e.key("backspace", wide)
		if e.text != want {
			t.Errorf("%q, want %q", e.text, want)
		}
	}
	e.key("backspace", wide)
	e.insert("one two  three", true)
	e.key("ctrl+w", wide)
	e.key("alt+b", wide)
	e.insert("|", true)
	if e.text != "one |two  " {
		t.Errorf("%q", e.text)
	}
	e.set("first\nsecond line")
	e.key("ctrl+u", wide)
	e.key("left", wide)
	e.key("ctrl+k", wide)
	if e.text != "first\n" || e.at != 5 {
		t.Errorf("%q at %d", e.text, e.at)
	}
}

func TestEditor_upAndDown(t *testing.T) {
	var e editor
	e.insert("世界世界世界\nab", true)
	if rows := e.rows(wide, 5); len(rows) != 4 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, want := range []int{len("世界世界世"), len("世界世"), len("世")} {
		if !e.vertical(wide, 5, -1) || e.at != want {
			t.Errorf("at %d, want %d", e.at, want)
		}
	}
	if e.vertical(wide, 5, -1) {
		t.Error("there is no row above the first")
	}
}

func TestEditor_isBounded(t *testing.T) {
	var e editor
	if e.insert(strings.Repeat("世", maxWritten), true) || len(e.text) > maxWritten {
		t.Errorf("%d bytes", len(e.text))
	}
}

func TestText_wrap(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"one two three", []string{"one two", "three"}},
		{"onetwothree", []string{"onetwoth", "ree"}},
		{"世界世界世界", []string{"世界世界", "世界"}},
		{"one two", []string{"one two"}},
		{"one tw\nx", []string{"one tw", "x"}},
		{"onetwoth ree", []string{"onetwoth", "ree"}},
		{"", []string{""}},
	} {
		if got := wide.wrap(c.text, 8); !slices.Equal(got, c.want) {
			t.Errorf("%q is wrapped to %q, want %q", c.text, got, c.want)
		}
	}
}

func TestText_cutKeepsStylesWhole(t *testing.T) {
	for _, s := range []string{bad.Styled("abcdef"), "ab" + bad.Styled("cd世") + "ef", "👨‍👩‍👧‍👦" + strong.Styled("xyz123")} {
		for w := range 12 {
			for _, c := range []cells{wide, cells(ansi.WcWidth)} {
				got := c.fit(s, w)
				if c.width(got) != w {
					t.Errorf("%q in %d cells is %d", s, w, c.width(got))
				}
				if strings.Count(got, "\x1b[")%2 != 0 {
					t.Errorf("%q in %d cells does not end its style: %q", s, w, got)
				}
			}
		}
	}
}

// claims is a PNG that says it is so large, and holds nothing.
func claims(w, h uint32, depth, kind byte) []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("IHDR"), w), h)
	head = append(head, depth, kind, 0, 0, 0)
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
	b = append(b, head...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(head))
	return append(b, "\x00\x00\x00\x20IDAT\x78\x9c"...) // whoever decodes it has made room by now
}

func TestPicture_saysItsSizeBeforeItIsDecoded(t *testing.T) {
	for name, file := range map[string][]byte{
		"wide":          claims(1<<30, 1, 8, 2),
		"many pixels":   claims(16000, 16000, 8, 6),
		"deep pixels":   claims(6000, 6000, 16, 6),
		"nothing":       nil,
		"no picture":    []byte("<svg onload=alert(1)>"),
		"cut":           claims(10, 10, 8, 2),
		"broken header": []byte("GIF89a\xff\xff\xff\xff\xff"),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := decode(bytes.NewReader(file), image.Pt(10, 10))
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: it was decoded", name)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
			t.Errorf("%s: it took %d bytes", name, took)
		}
	}
	if fits(image.Config{ColorModel: color.NRGBAModel, Width: 1<<31 - 1, Height: 1<<31 - 1}) == nil {
		t.Error("the largest there is, is taken")
	}
	if fits(image.Config{ColorModel: color.YCbCrModel, Width: 4032, Height: 3024}) != nil {
		t.Error("a photo of 12 megapixels is refused")
	}
}

func TestPicture_decode(t *testing.T) {
	src := image.NewNRGBA(image.Rect(0, 0, 300, 100))
	for x := range 300 {
		for y := range 100 {
			src.SetNRGBA(x, y, color.NRGBA{uint8(x / 2), 200, uint8(y), 255})
		}
	}
	var file bytes.Buffer
	if err := png.Encode(&file, src); err != nil {
		t.Fatal(err)
	}
	img, err := decode(&file, image.Pt(30, 30))
	if err != nil || img.Bounds().Size() != image.Pt(30, 10) {
		t.Fatalf("%v, %v", img, err)
	}
	if r, g, _, a := img.At(15, 5).RGBA(); r>>8 < 70 || r>>8 > 80 || g>>8 != 200 || a>>8 != 255 {
		t.Errorf("a pixel is %d %d %d", r>>8, g>>8, a>>8)
	}
	if size := proportions(image.Pt(5, 5), image.Pt(100, 100)); size != image.Pt(5, 5) {
		t.Errorf("it was made larger: %v", size)
	}
}

func TestHalves(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 2, 3))
	img.SetNRGBA(0, 0, color.NRGBA{255, 255, 255, 255})
	img.SetNRGBA(0, 1, color.NRGBA{255, 255, 255, 255})
	img.SetNRGBA(1, 0, color.NRGBA{255, 0, 0, 255})
	img.SetNRGBA(1, 1, color.NRGBA{0, 0, 255, 255})
	lines := halves(img, true)
	if len(lines) != 2 || !strings.Contains(lines[0], "\x1b[38;2;255;0;0;48;2;0;0;255m▀") || ansi.Strip(lines[1]) != "  " {
		t.Errorf("%q", lines)
	}
	if grey := halves(img, false); grey[0][:3] != "█" || strings.Contains(grey[0], "\x1b") {
		t.Errorf("%q", grey)
	}
}

func TestNoColour(t *testing.T) {
	f := withBob(1)
	f.logs["kith1bob"][0].Media = []*apiv1.Media{{Name: "p.png", Type: "image/png", State: "stored", Size: 10}}
	s := begin(t, f, 80, 24, "kith1bob")
	s.shows("▀")
	s.without()
	s.hides("▀")
	s.shows("▒")
}

// kittyTerminal says what kitty says of itself.
func (s *screen) kittyTerminal() {
	s.send(tea.ColorProfileMsg{Profile: colorprofile.TrueColor})
	s.send(tea.TerminalVersionMsg{Name: "kitty(0.40)"})
	s.send(uv.KittyGraphicsEvent{Options: kitty.Options{ID: 31}, Payload: []byte("OK")})
	s.send(uv.CellSizeEvent{Width: 10, Height: 20})
}

func TestKitty_picturesStandInTheText(t *testing.T) {
	f := withBob(1)
	f.logs["kith1bob"][0].Media = []*apiv1.Media{{Name: "p.png", Type: "image/png", State: "stored", Size: 10}}
	s := begin(t, f, 80, 24, "kith1bob")
	s.kittyTerminal()
	if !placeholder.MatchString(s.m.View().Content) {
		t.Error("no placeholders in the timeline")
	}
	s.press("up", "enter")
	if !placeholder.MatchString(s.m.View().Content) {
		t.Error("no placeholders on the page of its own")
	}
	if back := s.m.shots.takeBack(); strings.Count(back, "\x1b_Ga=d,d=I") != s.m.shots.next-firstShot {
		t.Errorf("the terminal keeps pictures: %q", back)
	}
}

// placeholder is the corner of a picture, with its number.
var placeholder = regexp.MustCompile("\x1b\\[38;5;(1[6-9]|[2-9][0-9])m\U0010EEEE\u0305\u0305\U0010EEEE\u0305\u030D")

// TestPictures_anotherSizeMeanwhile: an answer in a size that is wanted no more
// neither counts nor keeps the picture from being asked for.
func TestPictures_anotherSizeMeanwhile(t *testing.T) {
	f := withBob(1)
	f.logs["kith1bob"][0].Media = []*apiv1.Media{{Name: "p.png", Type: "image/png", State: "stored", Size: 10}}
	s := begin(t, f, 80, 24, "")
	s.press("enter")
	s.shows("▀")
	s.hold, s.held = true, nil
	s.send(tea.WindowSizeMsg{Width: 100, Height: 40})
	s.hides("▀")
	first := firstOf(s.held)
	s.held = nil
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	second := firstOf(s.held)
	s.hold = false
	s.send(first)
	s.hides("▀")
	s.send(second)
	s.shows("▀")
}

func TestKitty_dataComesInPieces(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 200, 200))
	for i := range img.Pix {
		img.Pix[i] = uint8(uint32(i) * 2654435761 >> 13)
	}
	data, err := kittyData(img, "a=T")
	if err != nil {
		t.Fatal(err)
	}
	parts := regexp.MustCompile(`\x1b_G([^;]*);([^\x1b]*)\x1b\\`).FindAllStringSubmatch(data, -1)
	if len(parts) < 2 {
		t.Fatalf("%d pieces", len(parts))
	}
	var all strings.Builder
	for i, p := range parts {
		if len(p[2]) > chunk || strings.Contains(p[1], "m=1") != (i < len(parts)-1) {
			t.Errorf("piece %d of %d is %q and %d bytes", i, len(parts), p[1], len(p[2]))
		}
		all.WriteString(p[2])
	}
	file, err := base64.StdEncoding.DecodeString(all.String())
	if _, decodeErr := png.Decode(bytes.NewReader(file)); err != nil || decodeErr != nil {
		t.Error(err, decodeErr)
	}
}

func TestTerminal_wayOfPictures(t *testing.T) {
	version := func(name string) tea.Msg { return tea.TerminalVersionMsg{Name: name} }
	draws := uv.KittyGraphicsEvent{Options: kitty.Options{ID: 31}, Payload: []byte("OK")}
	cannot := uv.KittyGraphicsEvent{Options: kitty.Options{ID: 31}, Payload: []byte("ENOTSUP")}
	for name, c := range map[string]struct {
		said []tea.Msg
		want way
	}{
		"nothing":         {nil, byBlocks},
		"kitty":           {[]tea.Msg{version("kitty(0.40)"), draws}, byPlaces},
		"ghostty":         {[]tea.Msg{version("ghostty 1.2"), draws}, byPlaces},
		"konsole":         {[]tea.Msg{version("Konsole 24"), draws}, byKitty},
		"switched off":    {[]tea.Msg{version("kitty(0.40)"), cannot}, byBlocks},
		"iterm":           {[]tea.Msg{version("iTerm2 3.5"), uv.PrimaryDeviceAttributesEvent{62, 4}}, byITerm},
		"foot":            {[]tea.Msg{version("foot(1.2)"), uv.PrimaryDeviceAttributesEvent{62, 4, 22}}, bySixel},
		"tmux":            {[]tea.Msg{version("tmux 3.3a"), uv.PrimaryDeviceAttributesEvent{1, 2}}, byBlocks},
		"tmux with sixel": {[]tea.Msg{version("tmux 3.5"), uv.PrimaryDeviceAttributesEvent{1, 2, 4}}, bySixel},
		"no colour":       {[]tea.Msg{version("kitty"), draws, tea.ColorProfileMsg{Profile: colorprofile.ASCII}}, byBlocks},
	} {
		s := begin(t, withBob(1), 80, 24, "")
		s.send(tea.ColorProfileMsg{Profile: colorprofile.TrueColor})
		for _, m := range c.said {
			s.send(m)
		}
		if got := s.m.term.way(); got != c.want {
			t.Errorf("%s: way %d, want %d", name, got, c.want)
		}
	}
	s := begin(t, withBob(1), 80, 24, "")
	s.send(uv.CellSizeEvent{Width: 1 << 20, Height: 16})
	s.send(uv.CellSizeEvent{Width: 8, Height: 1 << 20})
	if s.m.term.pixels() != image.Pt(8, 16) {
		t.Error("a terminal may say that its cells are of any size")
	}
}

func TestOver_pictureData(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	for w, begins := range map[way]string{byKitty: "\x1b_Ga=T", byITerm: "\x1b]1337;File=inline=1", bySixel: "\x1bP0;1"} {
		data, err := pictureData(w, img)
		if err != nil || !strings.HasPrefix(data, begins) {
			t.Errorf("way %d: %.30q, %v", w, data, err)
		}
	}
	var out bytes.Buffer
	o := &over{data: "PICTURE"}
	o.SetStdin(strings.NewReader("q"))
	o.SetStdout(&out)
	if err := o.Run(); err != nil || !strings.Contains(out.String(), "PICTURE") {
		t.Errorf("%q, %v", out.String(), err)
	}
}
