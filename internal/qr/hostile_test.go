package qr_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image/color"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"kith/internal/qr"
)

// pngHeader claims a size without holding a picture.
func pngHeader(width, height uint32) []byte {
	chunk := []byte("IHDR")
	chunk = binary.BigEndian.AppendUint32(chunk, width)
	chunk = binary.BigEndian.AppendUint32(chunk, height)
	chunk = append(chunk, 1, 0, 0, 0, 0)
	file := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	return binary.BigEndian.AppendUint32(append(file, chunk...), crc32.ChecksumIEEE(chunk))
}

func TestQR_hugePicturesAreRefusedUnread(t *testing.T) {
	for name, file := range map[string][]byte{
		"40000 x 40000":       pngHeader(40000, 40000),
		"one pixel too many":  pngHeader(qr.MaxPixels+1, 1),
		"one column too many": pngHeader(1, qr.MaxPixels+1),
	} {
		if _, err := qr.Decode(bytes.NewReader(file)); !errors.Is(err, qr.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// At the limit the header passes, and the missing rest is noticed.
	if _, err := qr.Decode(bytes.NewReader(pngHeader(qr.MaxPixels/10, 10))); !errors.Is(err, qr.ErrNotPicture) {
		t.Errorf("at the limit: %v", err)
	}
}

func TestQR_fileSizeLimit(t *testing.T) {
	code := asPNG(t, drawn(t, "AB")).Bytes()
	padded := append(code, make([]byte, qr.MaxFile-len(code))...)
	if text, err := qr.Decode(bytes.NewReader(padded)); err != nil || text != "AB" {
		t.Errorf("file of MaxFile bytes: %q, %v", text, err)
	}
	if _, err := qr.Decode(bytes.NewReader(append(padded, 0))); !errors.Is(err, qr.ErrTooLarge) {
		t.Errorf("one byte more: %v", err)
	}
}

func TestQR_notPictures(t *testing.T) {
	code := asPNG(t, drawn(t, "AB")).Bytes()
	photo := asJPEG(t, drawn(t, "AB"), 60).Bytes()
	for name, file := range map[string][]byte{
		"empty": nil, "text": []byte("KITH:AB"), "a GIF": asGIF(t, drawn(t, "AB")).Bytes(),
		"PNG cut short": code[:len(code)/2], "JPEG cut short": photo[:len(photo)/2], "no area": pngHeader(0, 0), "2^31-1 a side": pngHeader(1<<31-1, 1<<31-1), "JPEG marker": {0xff, 0xd8},
	} {
		if _, err := qr.Decode(bytes.NewReader(file)); !errors.Is(err, qr.ErrNotPicture) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := qr.Decode(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("broken reader: %v", err)
	}
}

func TestQR_picturesWithoutCode(t *testing.T) {
	noise := rand.New(rand.NewPCG(3, 4))
	for name, at := range map[string]func(x, y int) color.Color{
		"white":   func(int, int) color.Color { return color.White },
		"noise":   func(int, int) color.Color { return color.Gray{Y: byte(noise.Uint32())} },
		"stripes": func(x, _ int) color.Color { return color.Gray{Y: byte(x / 3 % 2 * 255)} },
	} {
		for _, side := range []int{1, 7, 39, 300, 1100} {
			if text, err := qr.Decode(asPNG(t, picture(side, side, at))); !errors.Is(err, qr.ErrNoCode) {
				t.Errorf("%s, %d a side: %q, %v", name, side, text, err)
			}
		}
	}
}

// finder is the pattern in a QR code's corners, seven modules a side.
func finder(x, y int) bool {
	d := max(x-3, 3-x, y-3, 3-y)
	return d != 2 && d <= 3
}

// A picture tiled with corner patterns: the reader compares every three of them, which
// for the 22,500 patterns here would take hours.
func TestQR_tiledPatternsEndQuickly(t *testing.T) {
	tiles := picture(1200, 1200, func(x, y int) color.Color {
		if finder(x%8, y%8) {
			return color.Black
		}
		return color.White
	})
	large := picture(1500, 1500, func(x, y int) color.Color {
		if finder(x/3%9, y/3%9) {
			return color.Black
		}
		return color.White
	})
	for name, p := range map[string]*bytes.Buffer{"1 pixel a module": asPNG(t, tiles), "3 pixels a module": asPNG(t, large)} {
		if _, err := qr.Decode(p); !errors.Is(err, qr.ErrNoCode) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(asPNG(f, shrunk(drawn(f, "AB"))).Bytes())
	f.Add(asJPEG(f, shrunk(drawn(f, "AB")), 60).Bytes())
	f.Add(pngHeader(40000, 40000))
	f.Add(pngHeader(21, 21))
	f.Fuzz(func(t *testing.T, file []byte) {
		_, err := qr.Decode(bytes.NewReader(file))
		if err != nil && !errors.Is(err, qr.ErrNoCode) && !errors.Is(err, qr.ErrNotPicture) && !errors.Is(err, qr.ErrTooLarge) {
			t.Errorf("unexpected error %v", err)
		}
	})
}
