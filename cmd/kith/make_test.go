package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"kith/identity"
)

// camera is what made pictures tell.
const camera = "Camera of Script"

// makeFile makes a file for a script:
//
//	jpeg FILE             a photo whose EXIF block names camera and place
//	png FILE              a picture with a comment and an EXIF block
//	random FILE SIZE      bytes of no meaning, the same every time
//	text FILE SIZE        letters
//	asjpeg FILE PNG       the same picture as a JPEG
//	grey FILE             a picture without a code
//	phrase FILE JSON      the words of an account that init printed
//	shout FILE FILE       the same words in capitals, one a line
//	expired VAR LINK      the invite as if it had run out, into the environment
//	damaged VAR LINK      the invite with one character changed
func makeFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: make KIND FILE ...")
	}
	var b []byte
	switch args[0] {
	case "jpeg":
		b = photo(ts)
	case "png":
		b = pngWithComment(ts)
	case "grey":
		b = encoded(ts, false)
	case "random", "text":
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		if b = bytes.Repeat([]byte("x"), n); args[0] == "random" {
			// Strings of equal bytes would hide a chunk in the wrong place.
			if _, err := rand.NewChaCha8([32]byte{1}).Read(b); err != nil {
				ts.Fatalf("%v", err)
			}
		}
	case "asjpeg":
		f, err := os.Open(ts.MkAbs(args[2]))
		ts.Check(err)
		defer f.Close()
		img, err := png.Decode(f)
		ts.Check(err)
		var out bytes.Buffer
		ts.Check(jpeg.Encode(&out, img, &jpeg.Options{Quality: 60}))
		b = out.Bytes()
	case "phrase":
		var made struct{ Phrase []string }
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[2])), &made))
		b = []byte(strings.Join(made.Phrase, " ") + "\n")
	case "shout":
		b = []byte(strings.Join(strings.Fields(strings.ToUpper(ts.ReadFile(args[2]))), "\n"))
	case "expired", "damaged":
		ts.Setenv(args[1], badInvite(ts, args[0], strings.Join(args[2:], "")))
		return
	default:
		ts.Fatalf("nothing is called %q", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
}

func badInvite(ts *testscript.TestScript, kind, link string) string {
	switch kind {
	case "damaged":
		i := len(link) - 20
		other := byte('A')
		if link[i] == 'A' || link[i] == 'a' {
			other = 'B'
		}
		return link[:i] + string(other) + link[i+1:]
	case "expired":
		v, err := identity.ParseInvite(link)
		ts.Check(err)
		old, err := identity.NewInvite(v.Account, v.Device, v.Bundle, 1_000_000_000, v.Name, v.Hints)
		ts.Check(err)
		return old.Link()
	}
	return ""
}

func encoded(ts *testscript.TestScript, asJPEG bool) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 160, 120))
	for y := range 120 {
		for x := range 160 {
			img.SetRGBA(x, y, color.RGBA{uint8(x), uint8(y), uint8(x * y), 255})
		}
	}
	var b bytes.Buffer
	if asJPEG {
		ts.Check(jpeg.Encode(&b, img, nil))
	} else {
		ts.Check(png.Encode(&b, img))
	}
	return b.Bytes()
}

// tiff is an EXIF block with one tag, the camera's model.
func tiff() []byte {
	le := binary.LittleEndian
	b := append([]byte("II*\x00"), 8, 0, 0, 0)
	b = le.AppendUint16(b, 1)
	b = le.AppendUint16(b, 0x0110)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint32(b, uint32(len(camera)+1))
	b = le.AppendUint32(b, 8+2+12+4)
	b = le.AppendUint32(b, 0)
	return append(append(b, camera...), 0)
}

func photo(ts *testscript.TestScript) []byte {
	plain := encoded(ts, true)
	block := append([]byte("Exif\x00\x00"), tiff()...)
	b := append(bytes.Clone(plain[:2]), 0xff, 0xe1)
	b = binary.BigEndian.AppendUint16(b, uint16(len(block)+2))
	return append(append(b, block...), plain[2:]...)
}

func pngWithComment(ts *testscript.TestScript) []byte {
	plain := encoded(ts, false)
	const afterHeader = 8 + 4 + 4 + 13 + 4
	b := bytes.Clone(plain[:afterHeader])
	for _, c := range []struct{ name, data string }{
		{"tEXt", "Comment\x00taken with " + camera},
		{"eXIf", string(tiff())},
	} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(c.data)))
		b = append(b, c.name+c.data...)
		b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE([]byte(c.name+c.data)))
	}
	return append(b, plain[afterHeader:]...)
}
