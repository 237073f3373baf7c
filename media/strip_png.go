package media

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// keptChunks are the chunks of a PNG that make its picture or its colours
// (PNG third edition sections 11 and 13); all others are about it.
var keptChunks = []string{
	"IHDR", "PLTE", "IDAT", "IEND", "tRNS", "gAMA", "cHRM", "sRGB", "iCCP", "sBIT", "bKGD", "pHYs", "cICP", "mDCV", "cLLI",
	"acTL", "fcTL", "fdAT",
}

const (
	maxPNGChunk = 1<<31 - 1 // longest chunk the format allows, in bytes
	maxPNGExif  = 1 << 16   // longest EXIF chunk searched for the orientation
)

// stripPNG copies a PNG up to its end chunk, without the chunks that are about
// the picture instead of the picture.
func stripPNG(w *bufio.Writer, r *bufio.Reader) (removed bool, err error) {
	if _, err := io.CopyN(w, r, int64(len(pngSignature))); err != nil {
		return false, err
	}
	pixels, exif := false, false // seen
	for first := true; ; first = false {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return removed, err
		}
		length, kind := binary.BigEndian.Uint32(head[:]), string(head[4:])
		if length > maxPNGChunk || !fitsPNG(kind, length, first, pixels) {
			return removed, ErrPicture
		}
		keep := slices.Contains(keptChunks, kind)
		switch {
		case keep:
			err = copyPNGChunk(w, r, head[:], length)
		case kind == "eXIf" && !exif && length <= maxPNGExif:
			exif = true
			var body bytes.Buffer
			if err = copyPNGChunk(&body, r, head[:], length); err == nil {
				keep = keepOrientation(w, body.Bytes())
			}
		default:
			err = copyPNGChunk(io.Discard, r, head[:], length)
		}
		removed = removed || !keep
		if err != nil || kind == "IEND" {
			return removed, err
		}
		pixels = pixels || kind == "IDAT"
	}
}

// fitsPNG reports whether a chunk may stand where it stands. A critical chunk
// that no standard knows may hold anything.
func fitsPNG(kind string, length uint32, first, pixels bool) bool {
	switch kind {
	case "IHDR":
		return first && length == 13
	case "IEND":
		return pixels && length == 0
	}
	critical := kind[0]&0x20 == 0
	return !first && (!critical || slices.Contains(keptChunks, kind))
}

// keepOrientation writes what an EXIF chunk says of the orientation, and
// reports whether that was all it said.
func keepOrientation(w *bufio.Writer, chunk []byte) bool {
	const head, crc = 8, 4
	o := Orientation(chunk[head : len(chunk)-crc])
	if o < 2 {
		return false
	}
	tiff := orientationOnly(o)
	minimal := binary.BigEndian.AppendUint32(nil, uint32(len(tiff)))
	minimal = append(append(minimal, "eXIf"...), tiff...)
	minimal = binary.BigEndian.AppendUint32(minimal, crc32.ChecksumIEEE(minimal[4:]))
	w.Write(minimal) // bufio keeps the first error for Flush
	return bytes.Equal(minimal, chunk)
}

// copyPNGChunk copies a chunk, whose checksum must hold.
func copyPNGChunk(out io.Writer, r *bufio.Reader, head []byte, length uint32) error {
	if _, err := out.Write(head); err != nil {
		return err
	}
	sum := crc32.NewIEEE()
	sum.Write(head[4:])
	if _, err := io.CopyN(io.MultiWriter(out, sum), r, int64(length)); err != nil {
		return err
	}
	var crc [4]byte
	if _, err := io.ReadFull(r, crc[:]); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(crc[:]) != sum.Sum32() {
		return ErrPicture
	}
	_, err := out.Write(crc[:])
	return err
}
