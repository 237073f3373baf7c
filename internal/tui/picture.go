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
