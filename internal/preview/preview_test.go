package preview_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"runtime"
	"slices"
	"strings"
	"testing"

	"kith/internal/preview"
)

// picture is a picture by a formula; holes are transparent.
func picture(w, h int, holes bool) *image.NRGBA {
	p := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{uint8(x * 255 / w), uint8(y * 255 / h), uint8((x*y + 40) % 256), 255}
			if holes && (x/5+y/7)%3 == 0 {
				c.A = 0
			}
			p.SetNRGBA(x, y, c)
		}
	}
	return p
}

func asPNG(t *testing.T, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestPreview_thumbHash holds hashes against those of the reference, thumbhash 0.1.1
// from npm, of the same pixels.
func TestPreview_thumbHash(t *testing.T) {
	for _, c := range []struct {
		w, h  int
		holes bool
		want  string
	}{
		{64, 48, false, "1f080a359a7076777077777777677777808009f877"},
		{30, 40, true, "5ef8891c121a700787787887080989708f8787758482780808"},
		{1, 1, false, "c3060a570008f708888788708f7088f80888707ff8000000"},
	} {
		p, err := preview.Of(bytes.NewReader(asPNG(t, picture(c.w, c.h, c.holes))))
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(p.ThumbHash); !near(got, c.want) || p.Width != c.w || p.Height != c.h {
			t.Errorf("%dx%d: %s, want %s; said to be %dx%d", c.w, c.h, got, c.want, p.Width, p.Height)
		}
	}
}

// near allows each digit to be rounded the other way.
func near(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	const digits = "0123456789abcdef"
	for i := range a {
		if d := strings.IndexByte(digits, a[i]) - strings.IndexByte(digits, b[i]); d < -1 || d > 1 {
			return false
		}
	}
	return true
}

func TestPreview_formats(t *testing.T) {
	p := picture(700, 400, false)
	var j, g bytes.Buffer
	if err := errors.Join(jpeg.Encode(&j, p, nil), gif.Encode(&g, p, nil)); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"png": asPNG(t, p), "jpeg": j.Bytes(), "gif": g.Bytes()} {
		got, err := preview.Of(bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Width != 700 || got.Height != 400 || len(got.ThumbHash) == 0 || len(got.Thumbnail) > preview.ThumbnailBytes || !preview.ValidThumbnail(got.Thumbnail) {
			t.Errorf("%s: %dx%d, hash of %d, thumbnail of %d bytes", name, got.Width, got.Height, len(got.ThumbHash), len(got.Thumbnail))
		}
		c, err := jpeg.DecodeConfig(bytes.NewReader(got.Thumbnail))
		if err != nil || c.Width != preview.ThumbnailSide || c.Height != preview.ThumbnailSide*400/700 {
			t.Errorf("%s: thumbnail %dx%d, %v", name, c.Width, c.Height, err)
		}
	}
}

// withOrientation puts an EXIF segment behind the beginning of a JPEG.
func withOrientation(b []byte, o byte) []byte {
	exif := slices.Concat([]byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"), []byte{o, 0, 0, 0, 0, 0, 0})
	return slices.Concat(b[:2], []byte{0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(exif)+2)), exif, b[2:])
}

// TestPreview_orientation: a corner that is red when looked at is red in the
// thumbnail, whichever way the camera was held.
func TestPreview_orientation(t *testing.T) {
	const w, h = 90, 60
	// Where the red corner is stored for it to be seen at the left above.
	corner := map[byte]image.Point{1: {0, 0}, 2: {w, 0}, 3: {w, h}, 4: {0, h}, 5: {0, 0}, 6: {0, h}, 7: {w, h}, 8: {w, 0}}
	for o, at := range corner {
		p := image.NewRGBA(image.Rect(0, 0, w, h))
		for y := range h {
			for x := range w {
				near := x >= at.X-20 && x < at.X+20 && y >= at.Y-20 && y < at.Y+20
				c := color.RGBA{20, 20, 200, 255}
				if near {
					c = color.RGBA{230, 20, 20, 255}
				}
				p.SetRGBA(x, y, c)
			}
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, p, &jpeg.Options{Quality: 95}); err != nil {
			t.Fatal(err)
		}
		got, err := preview.Of(bytes.NewReader(withOrientation(b.Bytes(), o)))
		if err != nil {
			t.Fatal(err)
		}
		if upright := o < 5; upright != (got.Width == w) || upright != (got.Height == h) {
			t.Errorf("orientation %d: %dx%d", o, got.Width, got.Height)
		}
		small, err := jpeg.Decode(bytes.NewReader(got.Thumbnail))
		if err != nil {
			t.Fatal(err)
		}
		box := small.Bounds()
		red := func(x, y int) bool { r, _, b, _ := small.At(x, y).RGBA(); return r > b }
		if !red(5, 5) || red(box.Dx()-5, 5) || red(5, box.Dy()-5) || red(box.Dx()-5, box.Dy()-5) {
			t.Errorf("orientation %d: the corner is elsewhere", o)
		}
	}
}

// bomb is a PNG of a few bytes that claims a size.
func bomb(w, h uint32) []byte {
	head := slices.Concat([]byte("IHDR"), binary.BigEndian.AppendUint32(nil, w), binary.BigEndian.AppendUint32(nil, h), []byte{8, 6, 0, 0, 0})
	return slices.Concat([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), head, binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(head)))
}

// TestPreview_bombs: what is refused is refused before memory is taken for it.
func TestPreview_bombs(t *testing.T) {
	for name, b := range map[string][]byte{
		"too wide":  bomb(preview.MaxSide+1, 1),
		"too tall":  bomb(1, preview.MaxSide+1),
		"too large": bomb(preview.MaxSide, preview.MaxDecoded/4/preview.MaxSide+1),
		"cut short": asPNG(t, picture(60, 60, false))[:300],
		"no pixels": bomb(0, 5),
		"words":     []byte("<svg xmlns='http://www.w3.org/2000/svg'/>"),
		"nothing":   nil,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := preview.Of(bytes.NewReader(b)); !errors.Is(err, preview.ErrPicture) {
			t.Errorf("%s: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
	}
	// The edge itself is decoded, or would be if the rest were there.
	if _, err := preview.Of(bytes.NewReader(asPNG(t, image.NewGray(image.Rect(0, 0, preview.MaxSide, 2))))); err != nil {
		t.Errorf("the widest picture: %v", err)
	}
}

func TestPreview_validThumbnail(t *testing.T) {
	encode := func(w, h int) []byte {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)), nil); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, c := range []struct {
		b  []byte
		ok bool
	}{
		{encode(preview.MaxThumbnailSide, preview.MaxThumbnailSide), true},
		{encode(preview.MaxThumbnailSide+1, 1), false},
		{encode(1, preview.MaxThumbnailSide+1), false},
		{asPNG(t, picture(8, 8, false)), false},
		{[]byte("<script>"), false},
		{nil, false},
	} {
		if preview.ValidThumbnail(c.b) != c.ok {
			t.Errorf("%.20q: not %v", c.b, c.ok)
		}
	}
}

func FuzzOf(f *testing.F) {
	f.Add(bomb(3, 3))
	f.Add(withOrientation([]byte{0xff, 0xd8, 0xff, 0xd9}, 6))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := preview.Of(bytes.NewReader(b))
		if err == nil && (len(p.ThumbHash) > 25 || len(p.Thumbnail) > preview.ThumbnailBytes) {
			t.Errorf("%d, %d", len(p.ThumbHash), len(p.Thumbnail))
		}
	})
}
