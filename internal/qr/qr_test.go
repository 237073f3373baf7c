package qr_test

import (
	"bytes"
	"encoding/base32"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"kith/internal/qr"
)

// link has the length and alphabet of a usual invite.
var link = "KITH:" + strings.Repeat("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 11)

func drawn(t testing.TB, text string) image.Image {
	t.Helper()
	var b bytes.Buffer
	if err := qr.PNG(text, &b); err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

func asPNG(t testing.TB, picture image.Image) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	return &b
}

func asJPEG(t testing.TB, picture image.Image, quality int) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return &b
}

// picture draws by a function of the position.
func picture(width, height int, at func(x, y int) color.Color) image.Image {
	p := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			p.Set(x, y, at(x, y))
		}
	}
	return p
}

func gray(c color.Color) float64 { return float64(color.GrayModel.Convert(c).(color.Gray).Y) }

// scaled changes the size by a factor with linear interpolation, as cameras and
// messengers do.
func scaled(p image.Image, factor float64) image.Image {
	b := p.Bounds()
	at := func(x, y int) float64 { return gray(p.At(min(x, b.Max.X-1), min(y, b.Max.Y-1))) }
	return picture(int(float64(b.Dx())*factor), int(float64(b.Dy())*factor), func(x, y int) color.Color {
		sx, sy := float64(x)/factor, float64(y)/factor
		ix, iy := int(sx), int(sy)
		fx, fy := sx-float64(ix), sy-float64(iy)
		top := at(ix, iy)*(1-fx) + at(ix+1, iy)*fx
		bottom := at(ix, iy+1)*(1-fx) + at(ix+1, iy+1)*fx
		return color.Gray{Y: byte(top*(1-fy) + bottom*fy)}
	})
}

func blurred(p image.Image, radius int) image.Image {
	b := p.Bounds()
	return picture(b.Dx(), b.Dy(), func(x, y int) color.Color {
		var sum, n float64
		for dy := -radius; dy <= radius; dy++ {
			for dx := -radius; dx <= radius; dx++ {
				if (image.Point{x + dx, y + dy}).In(b) {
					sum, n = sum+gray(p.At(x+dx, y+dy)), n+1
				}
			}
		}
		return color.Gray{Y: byte(sum / n)}
	})
}

func rotated(p image.Image) image.Image {
	b := p.Bounds()
	return picture(b.Dy(), b.Dx(), func(x, y int) color.Color { return p.At(y, b.Max.X-1-x) })
}

func inverted(p image.Image) image.Image {
	b := p.Bounds()
	return picture(b.Dx(), b.Dy(), func(x, y int) color.Color { return color.Gray{Y: 255 - byte(gray(p.At(x, y)))} })
}

// inside puts a code into a larger, noisy picture.
func inside(p image.Image, width, height, left, top int) image.Image {
	noise := rand.New(rand.NewPCG(1, 2))
	b := p.Bounds()
	return picture(width, height, func(x, y int) color.Color {
		if (image.Point{x - left, y - top}).In(b) {
			return p.At(x-left, y-top)
		}
		return color.Gray{Y: byte(100 + noise.IntN(80))}
	})
}

// shrunk has one pixel per module, the smallest picture of a code.
func shrunk(p image.Image) image.Image {
	return picture(p.Bounds().Dx()/8, p.Bounds().Dy()/8, func(x, y int) color.Color { return p.At(8*x+4, 8*y+4) })
}

// onGlass has the light modules transparent.
func onGlass(p image.Image) image.Image {
	return picture(p.Bounds().Dx(), p.Bounds().Dy(), func(x, y int) color.Color {
		if gray(p.At(x, y)) > 127 {
			return color.Transparent
		}
		return color.Black
	})
}

func TestQR_roundTrip(t *testing.T) {
	code := drawn(t, link)
	for name, file := range map[string]io.Reader{
		"png":                asPNG(t, code),
		"jpeg":               asJPEG(t, code, 60),
		"scaled 1.7":         asJPEG(t, scaled(code, 1.7), 60),
		"scaled 0.4":         asJPEG(t, scaled(code, 0.4), 60),
		"blurred":            asJPEG(t, blurred(code, 2), 60),
		"rotated 90":         asJPEG(t, rotated(code), 60),
		"rotated 180":        asPNG(t, rotated(rotated(code))),
		"rotated 270":        asJPEG(t, rotated(rotated(rotated(code))), 60),
		"all of it":          asJPEG(t, rotated(blurred(scaled(code, 1.7), 2)), 60),
		"inverted":           asPNG(t, inverted(code)),
		"transparent":        asPNG(t, onGlass(code)),
		"a pixel a module":   asPNG(t, shrunk(code)),
		"in a large photo":   asJPEG(t, inside(scaled(code, 0.5), 2400, 1800, 1500, 200), 60),
		"one byte at a time": iotest.OneByteReader(asPNG(t, shrunk(code))),
	} {
		t.Run(name, func(t *testing.T) {
			if text, err := qr.Decode(file); err != nil || text != link {
				t.Errorf("read %q, %v", text, err)
			}
		})
	}
}

func TestQR_textsOfEveryKind(t *testing.T) {
	for _, text := range []string{"1", "0123456789", "KITH:AB", "kith:ab", "Zoë 李雷 👩", strings.Repeat("A", 1991), strings.Repeat("x", 1200)} {
		if got, err := qr.Decode(asPNG(t, drawn(t, text))); err != nil || got != text {
			t.Errorf("%.20q of %d bytes: read %.20q, %v", text, len(text), got, err)
		}
	}
}

func TestQR_longestText(t *testing.T) {
	for _, unit := range []struct {
		letter string
		most   int
	}{{"A", 4296}, {"a", 2953}} {
		for _, n := range []int{unit.most, unit.most + 1} {
			_, errTerminal := qr.Terminal(strings.Repeat(unit.letter, n), qr.Plain)
			errPNG := qr.PNG(strings.Repeat(unit.letter, n), io.Discard)
			if want := n > unit.most; errors.Is(errTerminal, qr.ErrTooLong) != want || errors.Is(errPNG, qr.ErrTooLong) != want {
				t.Errorf("%d times %s: %v, %v", n, unit.letter, errTerminal, errPNG)
			}
		}
	}
}

// photographed turns what the terminal shows back into a picture.
func photographed(lines string, ink, paper byte) image.Image {
	rows := strings.Split(strings.TrimRight(lines, "\n"), "\n")
	const cell = 4
	width := len([]rune(rows[0]))
	return picture(width*cell, len(rows)*2*cell, func(x, y int) color.Color {
		glyph := []rune(rows[y/cell/2])[x/cell]
		if glyph == '█' || glyph == '▀' && y/cell%2 == 0 || glyph == '▄' && y/cell%2 == 1 {
			return color.Gray{Y: ink}
		}
		return color.Gray{Y: paper}
	})
}

func TestQR_terminal(t *testing.T) {
	plain, err := qr.Terminal(link, qr.Plain)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plain, "\x1b") {
		t.Error("plain style has escape sequences")
	}
	coloured, err := qr.Terminal(link, qr.Colour)
	if err != nil {
		t.Fatal(err)
	}
	bare := strings.NewReplacer("\x1b[38;5;16;48;5;231m", "", "\x1b[0m", "").Replace(coloured)
	if strings.Contains(bare, "\x1b") || strings.Count(coloured, "\x1b[0m\n") != strings.Count(coloured, "\n") {
		t.Error("a line does not end with its colours reset")
	}
	for name, screen := range map[string]image.Image{
		"plain, dark terminal":  photographed(plain, 230, 20),
		"plain, light terminal": photographed(plain, 20, 250),
		"coloured":              photographed(bare, 0, 255),
	} {
		if text, err := qr.Decode(asPNG(t, screen)); err != nil || text != link {
			t.Errorf("%s: read %q, %v", name, text, err)
		}
	}
}

func TestQR_quietZone(t *testing.T) {
	code := drawn(t, "KITH:AB")
	side := code.Bounds().Dx()
	for i := range side {
		for d := range 32 {
			for _, p := range []image.Point{{i, d}, {d, i}, {i, side - 1 - d}, {side - 1 - d, i}} {
				if gray(code.At(p.X, p.Y)) != 255 {
					t.Fatalf("ink at %v", p)
				}
			}
		}
	}
	if gray(code.At(32, 32)) != 0 {
		t.Error("the code does not begin after the quiet zone")
	}
}

func TestQR_writerFails(t *testing.T) {
	if err := qr.PNG("A", brokenWriter{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func BenchmarkDecode(b *testing.B) {
	file := asPNG(b, drawn(b, link)).Bytes()
	for b.Loop() {
		if _, err := qr.Decode(bytes.NewReader(file)); err != nil {
			b.Fatal(err)
		}
	}
}

func asGIF(t testing.TB, p image.Image) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	if err := gif.Encode(&b, p, nil); err != nil {
		t.Fatal(err)
	}
	return &b
}

// TestQR_everyDenseCodeIsReadBack makes codes of an invite's length whose data
// looks like a finder pattern in several places, which happens by chance.
func TestQR_everyDenseCodeIsReadBack(t *testing.T) {
	random := rand.NewChaCha8([32]byte{3})
	for i := range 100 {
		raw := make([]byte, 230)
		if _, err := random.Read(raw); err != nil {
			t.Fatal(err)
		}
		text := "KITH:" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)
		var picture bytes.Buffer
		if err := qr.PNG(text, &picture); err != nil {
			t.Fatal(err)
		}
		if got, err := qr.Decode(&picture); err != nil || got != text {
			t.Errorf("code %d: %v", i, err)
		}
	}
}
