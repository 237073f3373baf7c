package media_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kith/media"
)

// riff is a chunk of a WebP.
func riff(kind, body string) string {
	b := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(body)))
	return string(b) + body + strings.Repeat("\x00", len(body)%2)
}

func webp(chunks ...string) []byte {
	body := "WEBP" + strings.Join(chunks, "")
	return []byte(riff("RIFF", body))
}

const webpPixels = "pixels that nobody decodes here"

func leakyWebP(orientation uint16) []byte {
	return append(webp(riff("VP8X", "\x2c\x00\x00\x00\x24\x00\x00\x16\x00\x00"), riff("ICCP", "a profile"), riff("ALPH", "see-through"), riff("VP8 ", webpPixels),
		riff("EXIF", tiff(binary.LittleEndian, orientation)), riff("XMP ", "<x:xmpmeta>"+secret), riff("prvt", secret)), "after the end "+secret...)
}

func TestMedia_ME10_nothingPersonalIsLeftInAWebP(t *testing.T) {
	leaky := leakyWebP(6)
	out, s := strip(t, leaky)
	if s != (media.Stripped{Type: "image/webp", Removed: true}) {
		t.Errorf("%+v", s)
	}
	if bytes.Contains(out, []byte(secret[:5])) {
		t.Error("the secret is left")
	}
	if n := 8 + int(binary.LittleEndian.Uint32(out[4:])); n != len(out) || n >= len(leaky) {
		t.Errorf("%d bytes, says %d", len(out), n)
	}
	for _, kept := range []string{riff("VP8 ", webpPixels), riff("ICCP", "a profile"), riff("ALPH", "see-through"), "EXIF\x1a\x00\x00\x00MM\x00*"} {
		if !bytes.Contains(out, []byte(kept)) {
			t.Errorf("%q is gone", kept)
		}
	}
	if i := bytes.Index(out, []byte("EXIF")); out[i+8+19] != 6 {
		t.Error("the orientation is another")
	}
	if out[20]&4 != 0 || out[20]&8 == 0 {
		t.Errorf("flags %#x", out[20])
	}
	// Again there is nothing to do but for zeros, which stay as long as they are.
	again, _ := strip(t, out)
	if !bytes.Equal(again, out) {
		t.Error("stripping twice gives something else")
	}
	plain := webp(riff("VP8L", webpPixels))
	if out, s := strip(t, plain); !bytes.Equal(out, plain) || s.Removed || s.Type != "image/webp" {
		t.Errorf("%+v", s)
	}
}

func TestMedia_ME11_damagedWebPIsRefused(t *testing.T) {
	good := leakyWebP(3)
	whole := 8 + int(binary.LittleEndian.Uint32(good[4:]))
	bad := map[string][]byte{
		"without pixels": webp(riff("EXIF", secret)), "a late VP8X": webp(riff("VP8 ", "x"), riff("VP8X", "0123456789")),
		"a chunk longer than the file": webp(riff("VP8 ", "x"), "XMP \xff\xff\xff\x7f"), "a short VP8X": webp(riff("VP8X", "12")),
	}
	for i := 12; i < whole; i++ {
		bad["cut"] = good[:i]
		for name, b := range bad {
			if _, err := media.Strip(new(bytes.Buffer), bytes.NewReader(b)); !errors.Is(err, media.ErrPicture) {
				t.Fatalf("%s (%d): %v", name, i, err)
			}
		}
	}
}

// box is a box of a film.
func box(kind string, parts ...string) string {
	body := strings.Join(parts, "")
	return string(binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))) + kind + body
}

func be(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

// track is a track of a kind; its entry of the sample table is given.
func track(handler, entry string) string {
	return box("trak",
		box("tkhd", be(7), be(3_900_000_000), be(3_900_000_001), be(1), strings.Repeat("\x00", 68)),
		box("udta", box("name", secret)), box("meta", be(0), secret),
		box("mdia",
			box("mdhd", "\x01\x00\x00\x00", secret[:8], secret[:8], be(90000), be(0), be(90000), be(0)),
			box("hdlr", be(0), "mhlr", handler, secret[:4], be(0), be(0), "\x0e"+secret),
			box("minf", box("vmhd", be(1), be(0), be(0)), box("dinf", box("dref", be(0), be(0))),
				box("stbl", box("stsd", be(0), be(1), entry), box("stco", be(0), be(1), be(48)), box("prvt", secret)), box("uuid", secret))))
}

func visual(codec, compressor string) string {
	return box(codec, be(0), "\x00\x00\x00\x01", be(0), secret[:4], be(0), be(0), "\x07\x80\x04\x38", be(72<<16), be(72<<16), be(0), "\x00\x01",
		compressor+strings.Repeat("\x00", 32-len(compressor)), "\x00\x18\xff\xff", box("avcC", "how to decode"))
}

func sound() string {
	return box("mp4a", be(0), "\x00\x00\x00\x01", be(0), be(0), be(2<<16|16), be(0), be(48000<<16), box("esds", strings.Repeat("how to hear ", 9)))
}

func film(tracks ...string) []byte {
	return []byte(box("ftyp", "qt  ", be(0), "qt  ") + box("wide") + box("mdat", "pictures and sound") +
		box("moov", box("mvhd", be(0), be(3_900_000_000), be(3_900_000_001), strings.Repeat("\x00", 88)), strings.Join(tracks, ""),
			box("udta", box("\xa9xyz", "\x00\x16\x15\xc7+52.5200+013.4050/"+secret)), box("meta", box("keys", secret)), box("uuid", secret)) +
		box("uuid", "0123456789abcdef<x:xmpmeta>"+secret) + box("free", secret) + box("skip", secret))
}

// live says the time and where a finger is, as phones do.
func live(key string) string {
	return track("meta", box("mebx", be(0), "\x00\x00\x00\x01", box("keys", box("\x00\x00\x00\x01", box("keyd", "mdta"+key)))))
}

func TestMedia_ME10_nothingPersonalIsLeftInAFilm(t *testing.T) {
	leaky := film(track("vide", visual("avc1", "Alice's camera")), track("soun", sound()), track("tmcd", box("tmcd", secret)), live("com.apple.quicktime.video-orientation"))
	out, s := strip(t, leaky)
	if s != (media.Stripped{Type: "video/quicktime", Removed: true}) {
		t.Errorf("%+v", s)
	}
	for _, what := range []string{secret, secret[:8], "Alice", "xyz", "+52.52", "xmp", "keys", be(3_900_000_000), be(3_900_000_001)} {
		if bytes.Contains(out, []byte(what)) {
			t.Errorf("%q is left", what)
		}
	}
	if len(out) != len(leaky) || bytes.Index(out, []byte("pictures and sound")) != bytes.Index(leaky, []byte("pictures and sound")) {
		t.Error("offsets are others")
	}
	for _, kept := range []string{"how to decode", strings.Repeat("how to hear ", 9), "stco", be(72 << 16)} {
		if !bytes.Contains(out, []byte(kept)) {
			t.Errorf("%q is gone", kept)
		}
	}
	if n := bytes.Count(out, []byte("trak")); n != 2 {
		t.Errorf("%d tracks", n)
	}
	again, s := strip(t, out)
	if !bytes.Equal(again, out) || s.Removed {
		t.Errorf("stripping twice: %+v", s)
	}
}

func TestMedia_ME10_pictureTypesLikeFilmsAreNotFilms(t *testing.T) {
	for _, brand := range []string{"heic", "mif1", "avif", "jxl "} {
		b := []byte(box("ftyp", brand, be(0)) + box("meta", "the picture is in here"))
		if out, s := strip(t, b); !bytes.Equal(out, b) || s != (media.Stripped{}) {
			t.Errorf("%s: %+v", brand, s)
		}
	}
}

func TestMedia_ME11_filmsWithPositionsAreRefused(t *testing.T) {
	for name, tr := range map[string]string{
		"an action camera": track("meta", box("gpmd", secret)), "unknown": track("abcd", box("abcd")), "none": track("\x00\x00\x00\x00", ""),
		"a phone that says where": live("com.apple.quicktime.location.ISO6709"),
	} {
		_, err := media.Strip(new(bytes.Buffer), bytes.NewReader(film(track("vide", visual("avc1", "")), tr)))
		if !errors.Is(err, media.ErrTrack) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMedia_ME11_damagedFilmsAreRefused(t *testing.T) {
	good := film(track("vide", visual("avc1", "")))
	index := bytes.Index(good, []byte("moov")) - 4
	end := index + int(binary.BigEndian.Uint32(good[index:]))
	for i := 12; i < len(good); i++ {
		_, err := media.Strip(new(bytes.Buffer), bytes.NewReader(good[:i]))
		// Between two boxes nobody can tell that something is missing.
		if whole := i >= end && err == nil; !whole && !errors.Is(err, media.ErrPicture) {
			t.Fatalf("cut at %d of %d: %v", i, len(good), err)
		}
	}
	huge := box("ftyp", "isom", be(0)) + "\x00\x00\x00\x01moov" + be(1<<20) + be(0)
	for name, b := range map[string]string{
		"an index that does not fit": huge, "a box shorter than its head": box("ftyp", "isom", be(0)) + be(7) + "moov",
		"a wide box shorter than its head": box("ftyp", "isom", be(0)) + be(1) + "moov" + be(0) + be(15),
		"boxes longer than their room":     box("ftyp", "isom", be(0)) + box("moov", be(100)+"trak"),
		"an index without an end":          box("ftyp", "isom", be(0)) + be(0) + "moov" + box("mvhd", be(0)),
	} {
		if _, err := media.Strip(new(bytes.Buffer), strings.NewReader(b)); !errors.Is(err, media.ErrPicture) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMedia_ME10_realFilms: what ffmpeg and cwebp write, with places planted by
// exiftool, plays as before and tells exiftool nothing.
func TestMedia_ME10_realFilms(t *testing.T) {
	for _, tool := range []string{"ffmpeg", "cwebp", "dwebp", "exiftool"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("skipped: no %s to make films and pictures with", tool)
		}
	}
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		c := exec.Command(name, args...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	source := []string{"-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25:duration=2", "-f", "lavfi", "-i", "sine=duration=2"}
	tags := []string{"-metadata", "title=" + secret, "-metadata", "location=+52.5200+013.4050/", "-metadata", "creation_time=2026-05-06T07:08:09Z", "-metadata", "com.apple.quicktime.make=" + secret}
	for name, how := range map[string][]string{
		"last.mp4": {"-c:v", "libx264", "-c:a", "aac"}, "first.mp4": {"-c:v", "libx264", "-c:a", "aac", "-movflags", "+faststart"},
		"phone.mov": {"-c:v", "libx264", "-c:a", "aac", "-movflags", "use_metadata_tags"}, "pieces.mp4": {"-c:v", "libx264", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"},
		"voice.m4a": {"-vn", "-c:a", "aac"},
	} {
		run("ffmpeg", append(append(append(append([]string{}, source...), how...), tags...), name)...)
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		out, s := strip(t, b)
		if !s.Removed || s.Type == "" || len(out) != len(b) {
			t.Errorf("%s: %+v, %d bytes of %d", name, s, len(out), len(b))
		}
		if err := os.WriteFile(filepath.Join(dir, "clean-"+name), out, 0o600); err != nil {
			t.Fatal(err)
		}
		hash := func(file string) string {
			return run("ffmpeg", "-nostdin", "-loglevel", "error", "-i", file, "-f", "streamhash", "-hash", "md5", "-")
		}
		if hash(name) != hash("clean-"+name) {
			t.Errorf("%s plays as something else", name)
		}
		told := run("exiftool", "-a", "-G1", "-s", "-ee", "clean-"+name)
		for _, what := range []string{secret, "2026", "52 deg", "GPS"} {
			for line := range strings.Lines(told) {
				if strings.Contains(line, what) && !strings.Contains(line, "[System]") {
					t.Errorf("%s: exiftool says %s", name, line)
				}
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "p.png"), plainPNG(t), 0o600); err != nil {
		t.Fatal(err)
	}
	run("cwebp", "-quiet", "p.png", "-o", "p.webp")
	run("exiftool", "-q", "-overwrite_original", "-Artist="+secret, "-GPSLatitude=52.5", "-GPSLatitudeRef=N", "-XMP:Creator="+secret, "-Orientation#=6", "p.webp")
	b, err := os.ReadFile(filepath.Join(dir, "p.webp"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(secret)) {
		t.Fatal("exiftool planted nothing")
	}
	out, s := strip(t, b)
	if s != (media.Stripped{Type: "image/webp", Removed: true}) || bytes.Contains(out, []byte(secret)) {
		t.Errorf("%+v", s)
	}
	if err := os.WriteFile(filepath.Join(dir, "clean.webp"), out, 0o600); err != nil {
		t.Fatal(err)
	}
	told := run("exiftool", "-a", "-G1", "-s", "-n", "clean.webp")
	if strings.Contains(told, "GPS") || strings.Contains(told, secret) || !strings.Contains(told, "Orientation") {
		t.Errorf("exiftool says\n%s", told)
	}
	run("dwebp", "-quiet", "p.webp", "-o", "a.png")
	run("dwebp", "-quiet", "clean.webp", "-o", "b.png")
	a, _ := os.ReadFile(filepath.Join(dir, "a.png"))
	c, _ := os.ReadFile(filepath.Join(dir, "b.png"))
	samePixels(t, a, c)
}
