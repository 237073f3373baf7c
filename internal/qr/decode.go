package qr

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

var (
	// ErrNoCode: a picture in which no QR code was found or could be read.
	ErrNoCode = errors.New("qr: no QR code found in the picture")
	// ErrNotPicture: the bytes are neither a PNG nor a JPEG, or a broken one.
	ErrNotPicture = errors.New("qr: not a PNG or JPEG picture")
	// ErrTooLarge: more than MaxFile bytes or MaxPixels pixels.
	ErrTooLarge = errors.New("qr: picture too large")
)

// Decode returns the text of the QR code in a PNG or JPEG read from r to its end. It
// tries several sizes and the inverted picture; a picture without a code therefore
// takes longest, seconds for the largest. Decoding takes up to 20 bytes of memory per
// pixel. The text is whatever the maker of the code wrote: judge it as hostile.
// Errors: ErrNoCode, ErrNotPicture, ErrTooLarge, or the error of r.
func Decode(r io.Reader) (string, error) {
	file, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return "", fmt.Errorf("qr: read picture: %w", err)
	}
	if len(file) > MaxFile {
		return "", fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxFile)
	}
	picture, err := decodePicture(file)
	if err != nil {
		return "", err
	}
	full := grayOf(picture)
	for _, size := range searchSizes(full.Rect.Dx(), full.Rect.Dy()) {
		if text, ok := search(resize(full, size)); ok {
			return text, nil
		}
	}
	return "", ErrNoCode
}

// decodePicture decodes file after looking at its dimensions. It names its two
// formats, so that one registered elsewhere in the program is not accepted here.
func decodePicture(file []byte) (image.Image, error) {
	config, decode := png.DecodeConfig, png.Decode
	if bytes.HasPrefix(file, []byte("\xff\xd8")) {
		config, decode = jpeg.DecodeConfig, jpeg.Decode
	}
	c, err := config(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotPicture, err)
	}
	if c.Width <= 0 || c.Height <= 0 {
		return nil, fmt.Errorf("%w: without area", ErrNotPicture)
	}
	if c.Width > MaxPixels/c.Height {
		return nil, fmt.Errorf("%w: %d x %d pixels", ErrTooLarge, c.Width, c.Height)
	}
	picture, err := decode(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotPicture, err)
	}
	return picture, nil
}

// search looks for a code, black on white first.
func search(picture *image.Gray) (string, bool) {
	b := picture.Rect
	source, err := gozxing.NewPlanarYUVLuminanceSource(picture.Pix, b.Dx(), b.Dy(), 0, 0, b.Dx(), b.Dy(), false)
	if err != nil {
		return "", false
	}
	for _, s := range []gozxing.LuminanceSource{source, source.Invert()} {
		for _, binarizer := range []gozxing.Binarizer{gozxing.NewHybridBinarizer(s), gozxing.NewGlobalHistgramBinarizer(s)} {
			// In one of thirty dense codes the data looks like a finder pattern and
			// leads the search astray. A picture that is nothing but a code, as PNG
			// makes it, is read without a search.
			for _, pure := range []bool{true, false} {
				if text, err := attempt(binarizer, pure); err == nil {
					return text, true
				}
			}
		}
	}
	return "", false
}

// attempt runs the reader once. It turns a panic of the reader into an error, and
// panics itself, out of the reader's callback, when the picture has more candidate
// patterns than maxCandidates: there is no other way to make the reader give up.
func attempt(binarizer gozxing.Binarizer, pure bool) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			text, err = "", fmt.Errorf("qr: reader gave up: %v", p)
		}
	}()
	bitmap, err := gozxing.NewBinaryBitmap(binarizer)
	if err != nil {
		return "", err
	}
	candidates := 0
	hints := map[gozxing.DecodeHintType]any{
		gozxing.DecodeHintType_TRY_HARDER:    true,
		gozxing.DecodeHintType_CHARACTER_SET: "UTF-8",
		gozxing.DecodeHintType_NEED_RESULT_POINT_CALLBACK: gozxing.ResultPointCallback(func(gozxing.ResultPoint) {
			if candidates++; candidates > maxCandidates {
				panic("too many candidate patterns")
			}
		}),
	}
	if pure {
		hints[gozxing.DecodeHintType_PURE_BARCODE] = true
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, hints)
	if err != nil {
		return "", err
	}
	return result.GetText(), nil
}
