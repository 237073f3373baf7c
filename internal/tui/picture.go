package tui

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"  // decoders
	_ "image/jpeg" // of what is
	_ "image/png"  // shown here
	"io"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
)

const (
	// maxPictureFile bounds the file of a picture that is shown, in bytes.
	maxPictureFile = 32 << 20
	// maxPictureMemory bounds what decoding one takes, in bytes; a picture says
	// its size before anything of it is decoded.
	maxPictureMemory = 192 << 20
	// maxPictureSide bounds its sides, in pixels.
	maxPictureSide = 16384
	// maxShots is how many pictures are held, made small.
	maxShots = 64
)

var errNoPicture = errors.New("this is no picture that is shown here: JPEG, PNG and GIF up to 32 MiB are")

// fits says whether a picture may be decoded, by what it says of itself.
func fits(cfg image.Config) error {
	if cfg.Width <= 0 || cfg.Height <= 0 || cfg.Width > maxPictureSide || cfg.Height > maxPictureSide {
		return fmt.Errorf("a picture of %d by %d pixels is not shown here", cfg.Width, cfg.Height)
	}
	each := int64(4)
	switch cfg.ColorModel {
	case color.YCbCrModel, color.GrayModel, color.CMYKModel:
		each = 15 // a progressive JPEG holds its coefficients while it is decoded
	case color.RGBA64Model, color.NRGBA64Model, color.Gray16Model:
		each = 8
	}
	if int64(cfg.Width)*int64(cfg.Height)*each > maxPictureMemory {
		return fmt.Errorf("a picture of %d by %d pixels is too large to show here", cfg.Width, cfg.Height)
	}
	return nil
}

// decode reads a picture that others made, smaller than it is if it does not
// fit so many pixels. What it says of its size is judged before anything is
// allocated for it; of a film only the first picture is decoded.
func decode(r io.Reader, within image.Point) (out image.Image, err error) {
	defer func() {
		if recover() != nil { // decoders are fed with what strangers made
			out, err = nil, errNoPicture
		}
	}()
	file, err := io.ReadAll(io.LimitReader(r, maxPictureFile+1))
	if err != nil {
		return nil, err
	}
	if len(file) > maxPictureFile {
		return nil, errNoPicture
	}
	cfg, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, errNoPicture
	}
	if err := fits(cfg); err != nil {
		return nil, err
	}
	full, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, errNoPicture
	}
	return shrink(full, within), nil
}

// shrink makes a picture fit so many pixels, in its own proportions; it never
// makes one larger. Each pixel is the mean of up to 16 of those it stands for.
func shrink(src image.Image, within image.Point) *image.NRGBA {
	b := src.Bounds()
	size := proportions(b.Size(), within)
	out := image.NewNRGBA(image.Rectangle{Max: size})
	for y := range size.Y {
		for x := range size.X {
			out.SetNRGBA(x, y, mean(src, image.Rect(
				b.Min.X+x*b.Dx()/size.X, b.Min.Y+y*b.Dy()/size.Y,
				b.Min.X+(x+1)*b.Dx()/size.X, b.Min.Y+(y+1)*b.Dy()/size.Y)))
		}
	}
	return out
}

// proportions is the largest size with the proportions of one that fits another
// and is no larger than itself.
func proportions(size, within image.Point) image.Point {
	w, h := size.X, size.Y
	if w > within.X {
		w, h = within.X, h*within.X/w
	}
	if h > within.Y {
		w, h = w*within.Y/h, within.Y
	}
	return image.Pt(max(1, w), max(1, h))
}

func mean(src image.Image, r image.Rectangle) color.NRGBA {
	var red, green, blue, alpha, n uint32
	dx, dy := max(1, r.Dx()/4), max(1, r.Dy()/4)
	for y := r.Min.Y; y < max(r.Max.Y, r.Min.Y+1); y += dy {
		for x := r.Min.X; x < max(r.Max.X, r.Min.X+1); x += dx {
			cr, cg, cb, ca := src.At(x, y).RGBA()
			red, green, blue, alpha, n = red+cr>>8, green+cg>>8, blue+cb>>8, alpha+ca>>8, n+1
		}
	}
	if alpha == 0 {
		return color.NRGBA{}
	}
	return color.NRGBA{uint8(min(255, red*255/alpha)), uint8(min(255, green*255/alpha)), uint8(min(255, blue*255/alpha)), uint8(alpha / n)}
}

// showable reports a file that may be a picture that is shown here, by its
// sender's word; decoding finds out.
func showable(a *apiv1.Media) bool {
	switch a.GetType() {
	case "image/jpeg", "image/png", "image/gif":
		return a.GetState() == "stored" && a.GetSize() <= maxPictureFile
	}
	return false
}

// pictures are those that were decoded, made small.
type pictures struct {
	all  map[shotKey]*shot
	came map[string]int // for each message how many times one came
	next int            // number of the next that is given to the terminal
}

type shotKey struct {
	message string
	index   int
}

// shot is one picture: being asked for, here, or not to be had.
type shot struct {
	img  image.Image // nil: not here
	id   int         // by which the terminal knows it, with placeholders; 0: not given
	cols int         // cells it stands on there
	rows int
}

func newPictures() pictures {
	return pictures{all: map[shotKey]*shot{}, came: map[string]int{}, next: firstShot}
}

// drop forgets all, so that they are asked for again.
func (p *pictures) drop(blocks map[string]*block) {
	clear(p.all)
	for k := range p.came {
		p.came[k]++
	}
	clear(blocks)
}

// drawn is a picture that was asked for.
type drawn struct {
	key shotKey
	img image.Image
	err error
}

// wantPictures asks for one that is shown and not here, one at a time.
func (m *Model) wantPictures() tea.Cmd {
	if m.thumbRows() == 0 || m.away {
		return nil
	}
	for _, s := range m.shots.all {
		if s.img == nil && s.id == asking {
			return nil
		}
	}
	for _, one := range m.visible() {
		for i, a := range one.GetMedia() {
			key := shotKey{one.GetId(), i}
			if !showable(a) || m.shots.all[key] != nil {
				continue
			}
			if len(m.shots.all) >= maxShots {
				m.shots.drop(m.line.blocks)
			}
			m.shots.all[key] = &shot{id: asking}
			return m.askPicture(key, m.thumbPixels())
		}
	}
	return nil
}

func (m *Model) askPicture(key shotKey, within image.Point) tea.Cmd {
	return func() tea.Msg {
		img, err := m.Node.Picture(m.ctx, key.message, key.index, within)
		return drawn{key, img, err}
	}
}

// havePicture takes one in; one that cannot be shown stays a line of text.
func (m *Model) havePicture(d drawn) tea.Cmd {
	s := m.shots.all[d.key]
	if s == nil {
		return nil // dropped since
	}
	*s = shot{img: d.img}
	m.shots.came[d.key.message]++
	if d.err != nil || !m.term.inline() {
		return nil
	}
	return m.give(s, m.thumbCols(), m.thumbRows())
}

// visible are the messages some of which is shown.
func (m *Model) visible() []*apiv1.Message {
	ends := m.ends()
	bottom := m.bottom(ends)
	start, first, last := 0, len(ends), 0
	for i, end := range ends {
		if end > bottom-m.tall() && start < bottom {
			first, last = min(first, i), i+1
		}
		start = end
	}
	if first >= last {
		return nil
	}
	return m.line.messages[first:last]
}
