// Package preview makes what is shown of a picture before it is there: its size, a
// thumbnail of a few kilobytes and a ThumbHash of a few bytes. It decodes pictures
// (JPEG, PNG, GIF, WebP) that the person here sends, and checks thumbnails that
// others sent without decoding them. Bounds are checked before anything is
// allocated for a picture.
package preview

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	_ "image/gif" // decoders register themselves
	"image/jpeg"
	_ "image/png"
	"io"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"

	"kith/media"
)

// Bounds of this package, each with a test at its edge.
const (
	// MaxSide is the longest width or height of a picture that is decoded.
	MaxSide = 1 << 15
	// MaxDecoded bounds what a decoded picture may take, in bytes.
	MaxDecoded = 96 << 20
	// MaxThumbnailSide is the longest width or height of a thumbnail of somebody's.
	MaxThumbnailSide = 512
	// ThumbnailSide is the longer side of a thumbnail made here.
	ThumbnailSide = 128
	// ThumbnailBytes is how long a thumbnail made here is at most.
	ThumbnailBytes = 3 << 10
	// exifWithin is how far into a JPEG its orientation is looked for.
	exifWithin = 64 << 10
)

// ErrPicture means a file that is no picture of a known kind, is damaged, or is too
// large to be decoded here. The file is at fault, and can be sent without a preview.
var ErrPicture = errors.New("preview: no picture that can be shown small")

// Picture is what is shown of a picture.
type Picture struct {
	Width, Height int    // in pixels, turned as its orientation says
	ThumbHash     []byte // at most 25 bytes
	Thumbnail     []byte // a JPEG of at most [ThumbnailBytes]; nil if none is so short
}

// Of decodes a picture. It fails with [ErrPicture], also when r breaks off, and as r
// does when it cannot seek.
func Of(r io.ReadSeeker) (*Picture, error) {
	c, kind, err := image.DecodeConfig(r)
	if err != nil || !decodable(c) {
		return nil, ErrPicture
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	head := &firstBytes{most: exifWithin}
	full, _, err := image.Decode(io.TeeReader(r, head))
	if err != nil || full.Bounds().Dx() != c.Width || full.Bounds().Dy() != c.Height {
		return nil, ErrPicture
	}
	o := byte(0)
	if kind == "jpeg" {
		o = orientation(head.b)
	}
	small := turn(scale(full, ThumbnailSide), o)
	p := &Picture{Width: c.Width, Height: c.Height, Thumbnail: thumbnail(small)}
	if o >= 5 { // on its side
		p.Width, p.Height = c.Height, c.Width
	}
	p.ThumbHash = thumbHash(turn(scale(full, hashSide), o))
	return p, nil
}

// ValidThumbnail reports whether somebody's thumbnail is a JPEG that is small
// enough to be shown. It decodes its head alone.
func ValidThumbnail(b []byte) bool {
	c, err := jpeg.DecodeConfig(bytes.NewReader(b))
	return err == nil && c.Width <= MaxThumbnailSide && c.Height <= MaxThumbnailSide
}

func decodable(c image.Config) bool {
	if c.Width < 1 || c.Height < 1 || c.Width > MaxSide || c.Height > MaxSide {
		return false
	}
	size := int64(4)
	switch c.ColorModel {
	case color.RGBA64Model, color.NRGBA64Model:
		size = 8
	case color.YCbCrModel:
		size = 3
	case color.GrayModel:
		size = 1
	}
	return int64(c.Width)*int64(c.Height)*size <= MaxDecoded
}

// firstBytes keeps the beginning of what is written to it.
type firstBytes struct {
	b    []byte
	most int
}

func (f *firstBytes) Write(b []byte) (int, error) {
	f.b = append(f.b, b[:min(len(b), f.most-len(f.b))]...)
	return len(b), nil
}

// orientation reads a JPEG's EXIF orientation, 0 when there is none.
func orientation(head []byte) byte {
	_, after, ok := bytes.Cut(head, []byte("Exif\x00\x00"))
	if !ok {
		return 0
	}
	return media.Orientation(after)
}

// scale makes a picture small, flat on white, with the given longer side at most.
func scale(full image.Image, side int) *image.RGBA {
	b := full.Bounds()
	w, h := b.Dx(), b.Dy()
	if longer := max(w, h); longer > side {
		w, h = max(1, w*side/longer), max(1, h*side/longer)
	}
	small := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.ApproxBiLinear.Scale(small, small.Bounds(), full, b, draw.Src, nil)
	return small
}

// turn turns and mirrors a picture as an EXIF orientation says (2 to 8).
func turn(p *image.RGBA, o byte) *image.RGBA {
	if o < 2 || o > 8 {
		return p
	}
	w, h := p.Bounds().Dx(), p.Bounds().Dy()
	tw, th := w, h
	if o >= 5 {
		tw, th = h, w
	}
	out := image.NewRGBA(image.Rect(0, 0, tw, th))
	for y := range th {
		for x := range tw {
			fx, fy := x, y // where the pixel comes from
			if o >= 5 {
				fx, fy = y, x
			}
			if o == 2 || o == 3 || o == 7 || o == 8 {
				fx = w - 1 - fx
			}
			if o == 3 || o == 4 || o == 6 || o == 7 {
				fy = h - 1 - fy
			}
			out.SetRGBA(x, y, p.RGBAAt(fx, fy))
		}
	}
	return out
}

// thumbnail is the best JPEG that is short enough, nil when none is.
func thumbnail(p *image.RGBA) []byte {
	flat := image.NewRGBA(p.Bounds())
	draw.Draw(flat, flat.Bounds(), image.White, image.Point{}, draw.Src)
	draw.Draw(flat, flat.Bounds(), p, p.Bounds().Min, draw.Over)
	for _, side := range []int{ThumbnailSide, ThumbnailSide / 2} {
		for _, quality := range []int{60, 40, 25} {
			var b bytes.Buffer
			if jpeg.Encode(&b, scale(flat, side), &jpeg.Options{Quality: quality}) == nil && b.Len() <= ThumbnailBytes {
				return b.Bytes()
			}
		}
	}
	return nil
}
