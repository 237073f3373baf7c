package cli

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
)

// demoCamera is what the made photo says of the camera.
const demoCamera = "Demo Camera 1"

// demoPhoto makes a JPEG with an EXIF block that holds a camera's name and a
// place, and returns it with its pixels.
func demoPhoto() (photo []byte, pixels image.Image) {
	const w, h = 1280, 853
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			sky := uint8(140 + 90*y/h)
			hill := 0.62 + 0.12*math.Sin(float64(x)/170) + 0.05*math.Sin(float64(x)/61)
			c := color.RGBA{sky / 2, sky - 30, sky, 255}
			if float64(y)/h > hill {
				c = color.RGBA{uint8(30 + x%23), uint8(90 + (x*7+y*3)%40), 40, 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 88}); err != nil {
		panic(err) // an image in memory always encodes
	}
	plain := b.Bytes()
	decoded, err := jpeg.Decode(bytes.NewReader(plain))
	if err != nil {
		panic(err) // it was just encoded
	}
	exif := demoEXIF()
	photo = append(photo, plain[:2]...) // SOI
	photo = append(photo, 0xff, 0xe1)
	photo = binary.BigEndian.AppendUint16(photo, uint16(len(exif)+2))
	photo = append(photo, exif...)
	return append(photo, plain[2:]...), decoded
}

// demoEXIF is a TIFF structure with a Model tag and a GPS directory.
func demoEXIF() []byte {
	le := binary.LittleEndian
	model := demoCamera + "\x00"
	const modelAt = 8 + 2 + 2*12 + 4
	gpsAt := modelAt + len(model)
	entry := func(b []byte, tag, kind uint16, count, value uint32) []byte {
		b = le.AppendUint16(b, tag)
		b = le.AppendUint16(b, kind)
		b = le.AppendUint32(b, count)
		return le.AppendUint32(b, value)
	}
	t := append([]byte("II*\x00"), 8, 0, 0, 0)
	t = le.AppendUint16(t, 2)
	t = entry(t, 0x0110, 2, uint32(len(model)), modelAt) // Model
	t = entry(t, 0x8825, 4, 1, uint32(gpsAt))            // GPS directory
	t = le.AppendUint32(t, 0)
	t = append(t, model...)
	latAt := uint32(gpsAt + 2 + 2*12 + 4)
	t = le.AppendUint16(t, 2)
	t = entry(t, 1, 2, 2, 'N')   // GPSLatitudeRef
	t = entry(t, 2, 5, 3, latAt) // GPSLatitude
	t = le.AppendUint32(t, 0)
	for _, v := range []uint32{48, 1, 12, 1, 30, 1} {
		t = le.AppendUint32(t, v)
	}
	return append([]byte("Exif\x00\x00"), t...)
}

// hasCamera reports whether a file still names the camera or has EXIF.
func hasCamera(photo []byte) bool {
	return bytes.Contains(photo, []byte(demoCamera)) || bytes.Contains(photo, []byte("Exif\x00\x00"))
}

func samePixels(photo []byte, want image.Image) bool {
	got, err := jpeg.Decode(bytes.NewReader(photo))
	if err != nil || got.Bounds() != want.Bounds() {
		return false
	}
	for y := want.Bounds().Min.Y; y < want.Bounds().Max.Y; y++ {
		for x := want.Bounds().Min.X; x < want.Bounds().Max.X; x++ {
			if got.At(x, y) != want.At(x, y) {
				return false
			}
		}
	}
	return true
}

// randomFile writes size random bytes and returns their SHA-256 in hex.
func randomFile(path string, size int64) (sum string, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, h), rand.Reader, size); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func readMiddle(path string, b []byte) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	_, err = f.ReadAt(b, st.Size()/2)
	return err
}

// needle is something that must not be found on disk in clear.
type needle struct {
	what  string
	bytes []byte
}

// scan looks for needles in every file under dir, names included.
func scan(dir string, needles []needle) (files int, size int64, found []string, err error) {
	hit := map[string]bool{}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !e.Type().IsRegular() {
			return nil
		}
		n, err := scanFile(path, needles, func(what string) { hit[what+" in "+e.Name()] = true })
		files++
		size += n
		return err
	})
	for what := range hit {
		found = append(found, what)
	}
	return files, size, found, err
}

// scanFile reads a file in windows that overlap by the longest needle.
func scanFile(path string, needles []needle, hit func(string)) (size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	longest := 0
	for _, n := range needles {
		longest = max(longest, len(n.bytes))
	}
	window := make([]byte, 0, 1<<20+longest)
	for {
		n, err := io.ReadFull(f, window[len(window):cap(window)])
		window = window[:len(window)+n]
		size += int64(n)
		for _, nd := range needles {
			if bytes.Contains(window, nd.bytes) {
				hit(nd.what)
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return size, nil
		}
		if err != nil {
			return size, fmt.Errorf("reading %s: %w", path, err)
		}
		keep := min(longest, len(window))
		window = window[:copy(window, window[len(window)-keep:])]
	}
}
