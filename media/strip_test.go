package media_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"kith/media"
)

// secret is planted wherever a picture can keep a word about its maker.
const secret = "Alice was here"

// gradient is a small picture without symmetry.
func gradient() image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, 37, 23))
	for y := range 23 {
		for x := range 37 {
			m.SetNRGBA(x, y, color.NRGBA{byte(x * 7), byte(y * 11), byte(x * y), 255})
		}
	}
	return m
}

func plainJPEG(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, gradient(), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// progressiveJPEG is a picture of two blocks in two scans with a table between
// them, written by hand since package jpeg writes baseline only.
func progressiveJPEG(t testing.TB) []byte {
	t.Helper()
	scan := func(selector, first, last byte) string {
		return segment(0xda, string([]byte{1, 1, selector, first, last, 0}))
	}
	// Two codes of two bits in each table: 00 and 01.
	table := func(id, symbol0, symbol1 byte) string {
		return segment(0xc4, string([]byte{id, 0, 2, 14: 0, 17: symbol0, 18: symbol1}))
	}
	return []byte("\xff\xd8" + segment(0xdb, "\x00"+strings.Repeat("\x10", 64)) +
		segment(0xc2, "\x08\x00\x08\x00\x10\x01\x01\x11\x00") + // 16 by 8, grey
		table(0x00, 3, 4) + scan(0, 0, 0) + "\x70\x5f" + // DC +12, then -5
		table(0x10, 0, 2) + scan(0, 1, 63) + "\x70" + // AC +3, end; end
		"\xff\xd9")
}

func plainPNG(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, gradient()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// segment is a JPEG segment.
func segment(mark byte, body string) string {
	return "\xff" + octet(mark) + string(binary.BigEndian.AppendUint16(nil, uint16(len(body)+2))) + body
}

// octet is one byte: string(rune(b)) would be UTF-8.
func octet(b byte) string { return string([]byte{b}) }

// tiff is an EXIF directory with an orientation, a maker, and a GPS directory.
func tiff(order binary.AppendByteOrder, orientation uint16) string {
	head := "MM\x00*"
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		head = "II*\x00"
	}
	b := order.AppendUint32([]byte(head), 8)
	entry := func(tag, kind uint16, count, value uint32) {
		b = order.AppendUint16(b, tag)
		b = order.AppendUint16(b, kind)
		b = order.AppendUint32(b, count)
		if kind == 3 {
			b = order.AppendUint16(order.AppendUint16(b, uint16(value)), 0)
			return
		}
		b = order.AppendUint32(b, value)
	}
	const dir2 = 8 + 2 + 3*12 + 4
	b = order.AppendUint16(b, 3)
	entry(0x010f, 2, uint32(len(secret))+1, dir2+2+12+4) // Make
	entry(0x0112, 3, 1, uint32(orientation))             // Orientation
	entry(0x8825, 4, 1, dir2)                            // GPS directory
	b = order.AppendUint32(b, 0)
	b = order.AppendUint16(b, 1)
	entry(0x001d, 2, uint32(len(secret))+1, dir2+2+12+4) // GPSDateStamp
	b = order.AppendUint32(b, 0)
	return string(b) + secret + "\x00"
}

// adobeBody says that colours are YCbCr.
const adobeBody = "Adobe\x00\x64\x00\x00\x00\x00\x01"

const iccBody = "ICC_PROFILE\x00\x01\x01 not much of a profile"

// leakyJPEG plants the secret in every segment that can hold it.
func leakyJPEG(t testing.TB, picture []byte, orientation uint16) []byte {
	t.Helper()
	// A thumbnail of 3 pixels (9 bytes) in JFIF.
	jfif := "JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x03\x01" + secret[:9]
	head := segment(0xe0, jfif) + segment(0xe0, "JFXX\x00\x10"+secret) +
		segment(0xe1, "Exif\x00\x00"+tiff(binary.LittleEndian, orientation)) +
		segment(0xe1, "http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta>"+secret) +
		segment(0xe2, iccBody) + segment(0xe2, "MPF\x00"+secret) +
		segment(0xed, "Photoshop 3.0\x008BIM\x04\x04"+secret) + segment(0xef, secret) +
		segment(0xee, adobeBody+secret) + segment(0xee, secret) +
		"\xff\xff" + segment(0xfe, secret) // with a fill byte
	body := picture[2:]
	if bytes.HasPrefix(body, []byte{0xff, 0xe0}) {
		body = body[2+int(binary.BigEndian.Uint16(body[2:])):]
	}
	film := append([]byte("film after the end "+secret), plainJPEG(t)...)
	return append(append([]byte("\xff\xd8"+head), body...), film...)
}

// chunk is a PNG chunk.
func chunk(kind, body string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(b, kind+body...)
	return string(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE([]byte(kind+body))))
}

func leakyPNG(t testing.TB, orientation uint16) []byte {
	t.Helper()
	const head = 8 + 12 + 13 // signature, IHDR
	p := plainPNG(t)
	planted := chunk("gAMA", "\x00\x00\xb1\x8f") + chunk("pHYs", "\x00\x00\x0b\x13\x00\x00\x0b\x13\x01") +
		chunk("tEXt", "Author\x00"+secret) + chunk("zTXt", "Comment\x00\x00"+secret) + chunk("iTXt", "XML:com.adobe.xmp\x00\x00\x00\x00\x00"+secret) +
		chunk("eXIf", tiff(binary.BigEndian, orientation)) + chunk("tIME", "\x07\xea\x01\x02\x03\x04\x05") + chunk("prVt", secret)
	return []byte(string(p[:head]) + planted + string(p[head:]) + "after the end " + secret)
}

func strip(t testing.TB, picture []byte) ([]byte, media.Stripped) {
	t.Helper()
	var out bytes.Buffer
	s, err := media.Strip(&out, bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), s
}

// scans gives what lies between the first frame header and the end mark.
func scans(picture []byte) []byte {
	from := max(bytes.Index(picture, []byte{0xff, 0xc0}), bytes.Index(picture, []byte{0xff, 0xc2}))
	return picture[from : bytes.Index(picture, []byte{0xff, 0xd9})+2]
}

func samePixels(t *testing.T, a, b []byte) {
	t.Helper()
	x, _, err := image.Decode(bytes.NewReader(a))
	if err != nil {
		t.Fatal(err)
	}
	y, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("the stripped picture does not decode: %v", err)
	}
	if x.Bounds() != y.Bounds() {
		t.Fatal("another size")
	}
	for i := x.Bounds().Min.Y; i < x.Bounds().Max.Y; i++ {
		for j := x.Bounds().Min.X; j < x.Bounds().Max.X; j++ {
			if x.At(j, i) != y.At(j, i) {
				t.Fatalf("pixel %d,%d is another", j, i)
			}
		}
	}
}

func TestMedia_ME10_nothingPersonalIsLeftInAJPEG(t *testing.T) {
	for name, picture := range map[string][]byte{"baseline": plainJPEG(t), "progressive": progressiveJPEG(t)} {
		leaky := leakyJPEG(t, picture, 6)
		out, s := strip(t, leaky)
		if s != (media.Stripped{Type: "image/jpeg", Removed: true}) {
			t.Errorf("%s: %+v", name, s)
		}
		if bytes.Contains(out, []byte(secret[:9])) {
			t.Errorf("%s: the secret is left", name)
		}
		if !bytes.Contains(out, []byte(iccBody)) {
			t.Errorf("%s: the colour profile is gone", name)
		}
		if !bytes.Contains(out, []byte(segment(0xee, adobeBody))) {
			t.Errorf("%s: the colour transform is gone", name)
		}
		if !bytes.Equal(scans(out), scans(picture)) {
			t.Errorf("%s: scans are not what they were", name)
		}
		samePixels(t, picture, out)
		again, s := strip(t, out)
		if s.Removed || !bytes.Equal(again, out) {
			t.Errorf("%s: stripping twice is not stripping once", name)
		}
	}
}

func TestMedia_ME10_orientationIsAllThatIsLeftOfEXIF(t *testing.T) {
	for o := range uint16(10) {
		oriented := 2 <= o && o <= 8
		want := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00" + octet(byte(o)) + "\x00\x00\x00\x00\x00\x00"
		jpg, _ := strip(t, leakyJPEG(t, plainJPEG(t), o))
		if got := bytes.Contains(jpg, []byte(segment(0xe1, want))); got != oriented || bytes.Contains(jpg, []byte("Exif")) != oriented {
			t.Errorf("JPEG orientation %d: kept %v", o, got)
		}
		pic, _ := strip(t, leakyPNG(t, o))
		if got := bytes.Contains(pic, []byte(chunk("eXIf", want[6:]))); got != oriented || bytes.Contains(pic, []byte("eXIf")) != oriented {
			t.Errorf("PNG orientation %d: kept %v", o, got)
		}
	}
}

func TestMedia_ME10_nothingPersonalIsLeftInAPNG(t *testing.T) {
	out, s := strip(t, leakyPNG(t, 8))
	if s != (media.Stripped{Type: "image/png", Removed: true}) {
		t.Errorf("%+v", s)
	}
	if bytes.Contains(out, []byte(secret)) {
		t.Error("the secret is left")
	}
	for _, kind := range []string{"tEXt", "zTXt", "iTXt", "tIME", "prVt"} {
		if bytes.Contains(out, []byte(kind)) {
			t.Errorf("%s is left", kind)
		}
	}
	if !bytes.Contains(out, []byte("gAMA")) || !bytes.Contains(out, []byte("pHYs")) {
		t.Error("what the picture needs is gone")
	}
	samePixels(t, plainPNG(t), out)
	again, s := strip(t, out)
	if s.Removed || !bytes.Equal(again, out) {
		t.Error("stripping twice is not stripping once")
	}
}

func TestMedia_ME10_cleanPicturesStayAndBytesAfterThemGo(t *testing.T) {
	for name, picture := range map[string][]byte{"baseline": plainJPEG(t), "progressive": progressiveJPEG(t), "png": plainPNG(t)} {
		if out, s := strip(t, picture); s.Removed || !bytes.Equal(out, picture) {
			t.Errorf("%s: %+v, changed %v", name, s, !bytes.Equal(out, picture))
		}
		if out, s := strip(t, append(bytes.Clone(picture), 0)); !s.Removed || !bytes.Equal(out, picture) {
			t.Errorf("%s and a byte: %+v, changed %v", name, s, !bytes.Equal(out, picture))
		}
	}
}

func TestMedia_ME10_onlyTheFirstShortEXIFOfAPNGIsKept(t *testing.T) {
	p := string(plainPNG(t))
	exif := func(size int) string { // with a tail of zeros
		body := tiff(binary.BigEndian, 5)
		return chunk("eXIf", body+strings.Repeat("\x00", size-len(body)))
	}
	for name, c := range map[string]struct {
		chunks string
		kept   int
	}{
		"longest":  {exif(65536), 1},
		"too long": {exif(65537), 0},
		"two":      {exif(200) + exif(300), 1},
	} {
		out, _ := strip(t, []byte(p[:33]+c.chunks+p[33:]))
		if n := bytes.Count(out, []byte("eXIf")); n != c.kept {
			t.Errorf("%s: %d kept, want %d", name, n, c.kept)
		}
	}
}

// personal matches what exiftool may not find: who, where, when, with what.
var personal = regexp.MustCompile(`(?i)\[(GPS|XMP[^]]*|IPTC2?|MakerNotes?|MPF[0-9]*|Photoshop)\]|GPS|Location|Serial|Owner|Artist|Author|Creator|\bModel |Make |Software|Comment|ThumbnailImage|DateTime|TrailerLength|` + secret)

func TestMedia_ME10_exiftoolFindsNothing(t *testing.T) {
	tool, err := exec.LookPath("exiftool")
	if err != nil {
		t.Skip("exiftool is not here: what it would find is not checked")
	}
	found := func(name string, b []byte) []string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		out, _ := exec.CommandContext(t.Context(), tool, "-a", "-G1", "-s", "-m", "-ee", path).Output()
		if len(out) == 0 {
			t.Fatal("exiftool says nothing")
		}
		var lines []string
		for line := range strings.Lines(string(out)) {
			if personal.MatchString(line) && !strings.HasPrefix(line, "[System]") && !strings.HasPrefix(line, "[ExifTool]") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	for name, picture := range map[string][]byte{"a.jpg": leakyJPEG(t, progressiveJPEG(t), 6), "b.png": leakyPNG(t, 6)} {
		if len(found(name, picture)) == 0 {
			t.Errorf("%s: exiftool sees nothing even before", name)
		}
		out, _ := strip(t, picture)
		if left := found(name, out); len(left) > 0 {
			t.Errorf("%s: exiftool still finds %q", name, left)
		}
	}
}

func TestMedia_ME10_scanWithRestartsAndFillBytes(t *testing.T) {
	const before = "\xff\xd8\xff\xc0\x00\x02\xff\xdd\x00\x04\x00\x01\xff\xda\x00\x02"
	const scan = "ab\xff\x00\xff\xd0cd\xff\xd7" + "e"
	in := before + "ab\xff\x00\xff\xff\xff\xd0cd\xff\xd7e\xff\xff\xd9"
	out, _ := strip(t, []byte(in))
	if want := before + scan + "\xff\xd9"; string(out) != want {
		t.Errorf("got  %x\nwant %x", out, want)
	}
}

func TestMedia_ME11_damagedPicturesAreRefused(t *testing.T) {
	j, p := string(plainJPEG(t)), string(plainPNG(t))
	sof := strings.Index(j, "\xff\xc0")
	damaged := map[string]string{
		"jpeg: start only":         "\xff\xd8\xff",
		"jpeg: nothing in it":      "\xff\xd8\xff\xd9",
		"jpeg: no frame":           "\xff\xd8" + segment(0xfe, "x") + "\xff\xd9",
		"jpeg: no scan":            "\xff\xd8" + segment(0xc0, "x") + "\xff\xd9",
		"jpeg: scan before frame":  "\xff\xd8" + segment(0xda, "x") + "\xff\xd9",
		"jpeg: two frames":         j[:sof] + segment(0xc0, "x") + j[sof:],
		"jpeg: short length":       "\xff\xd8\xff\xe0\x00\x01" + j[2:],
		"jpeg: restart in header":  "\xff\xd8\xff\xd0" + j[2:],
		"jpeg: second start":       "\xff\xd8" + j,
		"jpeg: extension":          "\xff\xd8" + segment(0xf3, secret) + j[2:],
		"jpeg: hierarchy":          "\xff\xd8" + segment(0xde, secret) + j[2:],
		"jpeg: reserved":           "\xff\xd8" + segment(0x02, secret) + j[2:],
		"jpeg: junk before marker": "\xff\xd8" + segment(0xfe, "x") + "junk" + j[2:],
		"png: signature only":      p[:8],
		"png: no header":           p[:8] + p[33:],
		"png: header twice":        p[:33] + p[8:],
		"png: header of 14":        p[:8] + chunk("IHDR", strings.Repeat("x", 14)) + p[33:],
		"png: no pixels":           p[:33] + chunk("IEND", ""),
		"png: end with a body":     p[:len(p)-12] + chunk("IEND", "x"),
		"png: wrong checksum":      p[:33] + "\x00\x00\x00\x00tEXt\x00\x00\x00\x00" + p[33:],
		"png: unknown critical":    p[:33] + chunk("QUux", "") + p[33:],
		"png: length beyond 2^31":  p[:33] + "\x80\x00\x00\x00tEXt" + p[33:],
	}
	for _, whole := range []string{j, p} {
		for _, n := range []int{9, 40, len(whole) / 2, len(whole) - 1} {
			damaged["cut of "+whole[1:4]+string(rune('0'+n%10))] = whole[:n]
		}
	}
	for name, picture := range damaged {
		if s, err := media.Strip(io.Discard, strings.NewReader(picture)); !errors.Is(err, media.ErrPicture) || s != (media.Stripped{}) {
			t.Errorf("%q: %v, %+v, want ErrPicture", name, err, s)
		}
	}
}

func TestMedia_ME11_errorsOfSourceAndDestinationAreTheirOwn(t *testing.T) {
	broken := errors.New("broken")
	for name, picture := range map[string][]byte{"jpeg": plainJPEG(t), "png": plainPNG(t), "other": bytes.Repeat([]byte("x"), 300)} {
		for _, want := range []error{broken, io.ErrUnexpectedEOF} {
			src := io.MultiReader(bytes.NewReader(picture[:len(picture)/2]), iotest.ErrReader(want))
			if _, err := media.Strip(io.Discard, src); err != want {
				t.Errorf("%s: the source's %v became %v", name, want, err)
			}
		}
		if _, err := media.Strip(failing{broken}, bytes.NewReader(picture)); !errors.Is(err, broken) {
			t.Errorf("%s: the destination's error became %v", name, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// endless is a scan that never ends.
type endless struct {
	head []byte
	read int
}

func (e *endless) Read(b []byte) (int, error) {
	n := copy(b, e.head)
	e.head = e.head[n:]
	clear(b[n:])
	e.read += len(b)
	return len(b), nil
}

func TestMedia_ME11_anEndlessScanStopsWithItsDestination(t *testing.T) {
	broken := errors.New("broken")
	src := &endless{head: []byte("\xff\xd8\xff\xc0\x00\x02\xff\xda\x00\x02")}
	if _, err := media.Strip(failing{broken}, src); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// A chunk longer than the format allows is refused before it is read.
func TestMedia_ME11_hugePNGChunkIsNotRead(t *testing.T) {
	p := plainPNG(t)
	src := &endless{head: append(p[:33:33], "\x80\x00\x00\x00tEXt"...)}
	if _, err := media.Strip(io.Discard, src); !errors.Is(err, media.ErrPicture) || src.read > 1<<20 {
		t.Errorf("%v after %d bytes", err, src.read)
	}
}

func TestMedia_ME12_otherFilesAreNotChanged(t *testing.T) {
	for _, f := range []string{"", "\xff", "\xff\xd8", "\x89PNG", "GIF89a" + secret, "%PDF-1.7", string(random(t, 200_000))} {
		out, s := strip(t, []byte(f))
		if string(out) != f || s != (media.Stripped{}) {
			t.Errorf("%.8q: %+v, changed %v", f, s, string(out) != f)
		}
	}
}

func FuzzStrip(f *testing.F) {
	f.Add(leakyJPEG(f, plainJPEG(f), 6))
	f.Add(progressiveJPEG(f))
	f.Add(leakyPNG(f, 3))
	f.Add(leakyWebP(6))
	f.Add(film(track("vide", visual("avc1", "x")), track("soun", sound()), live("x")))
	f.Add([]byte("\xff\xd8\xff\xc0\x00\x02\xff\xda\x00\x02ab\xff\x00\xff\xff\xd9"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var once, twice bytes.Buffer
		s, err := media.Strip(&once, bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, media.ErrPicture) && !errors.Is(err, media.ErrTrack) {
				t.Fatal(err)
			}
			return
		}
		if s.Type == "" && !bytes.Equal(once.Bytes(), b) {
			t.Fatal("another file was changed")
		}
		again, err := media.Strip(&twice, bytes.NewReader(once.Bytes()))
		if err != nil || again.Removed || again.Type != s.Type || !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Fatalf("stripping twice: %v, %+v", err, again)
		}
	})
}
