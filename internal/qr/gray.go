package qr

import (
	"image"
	"image/color"
)

// searchSizes lists the longer sides, in pixels, at which to look for a code: a
// comfortable one first, then more detail, the picture itself, and less detail, which
// mends noise and blur. Small pictures are enlarged once.
func searchSizes(width, height int) []int {
	longer := max(width, height)
	if longer < 400 {
		return []int{longer, 3 * longer}
	}
	sizes := []int{}
	for _, size := range []int{1000, 2000} {
		if size < longer {
			sizes = append(sizes, size)
		}
	}
	return append(sizes, longer, longer/2)
}

// grayOf returns the luminance of a picture on white ground, origin at zero and no gap
// between rows.
func grayOf(picture image.Image) *image.Gray {
	b := picture.Bounds()
	gray := image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	for y := range b.Dy() {
		row := gray.Pix[y*gray.Stride:][:b.Dx()]
		switch p := picture.(type) {
		case *image.YCbCr: // cameras' JPEG: the luminance is there already
			copy(row, p.Y[p.YOffset(b.Min.X, b.Min.Y+y):])
		case *image.Gray:
			copy(row, p.Pix[p.PixOffset(b.Min.X, b.Min.Y+y):])
		default:
			for x := range row {
				row[x] = luminance(picture.At(b.Min.X+x, b.Min.Y+y))
			}
		}
	}
	return gray
}

// luminance weighs green most and puts what shines through on white.
func luminance(c color.Color) byte {
	r, g, b, a := c.RGBA() // 16 bits each, multiplied by a already
	return byte(((r+2*g+b)/4 + 0xffff - a) >> 8)
}

// resize returns the picture with its longer side being size, averaging the pixels
// that fall together, or repeating those that fall apart.
func resize(picture *image.Gray, size int) *image.Gray {
	width, height := picture.Rect.Dx(), picture.Rect.Dy()
	longer := max(width, height)
	if size == longer {
		return picture
	}
	w, h := max(1, width*size/longer), max(1, height*size/longer)
	small := image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		top, bottom := span(y, h, height)
		for x := range w {
			left, right := span(x, w, width)
			sum := 0
			for sy := top; sy < bottom; sy++ {
				for _, v := range picture.Pix[sy*picture.Stride+left : sy*picture.Stride+right] {
					sum += int(v)
				}
			}
			small.Pix[y*small.Stride+x] = byte(sum / ((bottom - top) * (right - left)))
		}
	}
	return small
}

// span returns the source positions, at least one, that belong to position i of n.
func span(i, n, source int) (from, to int) {
	from = i * source / n
	return from, max(from+1, (i+1)*source/n)
}
