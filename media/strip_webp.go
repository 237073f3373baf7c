package media

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"slices"
)

const (
	webpHead  = 12     // "RIFF", a length, "WEBP"
	webpSpace = "JUNK" // a chunk every reader skips
)

// keptWebP are the chunks of a WebP that make its picture or its colours
// (RFC 9649 section 2); all others are about it.
var keptWebP = []string{"VP8 ", "VP8L", "VP8X", "ALPH", "ANIM", "ANMF", "ICCP"}

// webpXMP is the flag of VP8X that says that there is XMP.
const webpXMP = 1 << 2

func isWebP(head []byte) bool {
	return len(head) >= webpHead && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP"
}

// stripWebP copies a WebP. What is about the picture becomes a chunk of zeros
// that every reader skips: so the length at the beginning stays true.
func stripWebP(w *bufio.Writer, r *bufio.Reader) (removed bool, err error) {
	var head [webpHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return false, err
	}
	w.Write(head[:]) // bufio keeps the first error for Flush
	left := int64(binary.LittleEndian.Uint32(head[4:])) - 4
	pixels := false
	for first := true; left > 0; first = false {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return removed, err
		}
		kind, length := string(head[:4]), int64(binary.LittleEndian.Uint32(head[4:]))
		padded := length + length%2
		if left -= 8 + padded; left < 0 || kind == "VP8X" && (!first || length < 4) {
			return removed, ErrPicture
		}
		pixels = pixels || kind == "VP8 " || kind == "VP8L" || kind == "ANMF"
		switch {
		case kind == "VP8X":
			var flags [4]byte
			if _, err := io.ReadFull(r, flags[:]); err != nil {
				return removed, err
			}
			removed = removed || flags[0]&webpXMP != 0
			flags[0] &^= webpXMP // that of EXIF stays: its orientation may
			w.Write(head[:])
			w.Write(flags[:])
			_, err = io.CopyN(w, r, padded-4)
		case slices.Contains(keptWebP, kind):
			w.Write(head[:])
			_, err = io.CopyN(w, r, padded)
		case kind == "EXIF" && length <= maxPNGExif:
			var same bool
			same, err = webpOrientation(w, r, length)
			removed = removed || !same
		default:
			var was bool
			was, err = skipped(r, padded)
			removed = removed || was || kind != webpSpace
			if err == nil {
				err = blankChunk(w, padded)
			}
		}
		if err != nil {
			return removed, err
		}
	}
	if !pixels || left < 0 {
		return removed, ErrPicture
	}
	return removed, nil
}

// webpOrientation writes what an EXIF chunk says of the orientation, and zeros for
// the rest of it; it reports whether that was all it said.
func webpOrientation(w *bufio.Writer, r *bufio.Reader, length int64) (same bool, err error) {
	body := make([]byte, length+length%2)
	if _, err := io.ReadFull(r, body); err != nil {
		return false, err
	}
	tiff := orientationOnly(max(Orientation(bytes.TrimPrefix(body, []byte("Exif\x00\x00"))), 1))
	rest := len(body) - len(tiff)
	if rest != 0 && rest < 8 {
		// Too little for it and a chunk of zeros.
		return false, blankChunk(w, int64(len(body)))
	}
	w.WriteString("EXIF")
	w.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(tiff))))
	w.Write(tiff)
	if rest == 0 {
		return bytes.Equal(body, tiff), nil
	}
	return false, blankChunk(w, int64(rest-8))
}

// blankChunk writes a chunk of so many zeros.
func blankChunk(w *bufio.Writer, length int64) error {
	w.WriteString(webpSpace)
	w.Write(binary.LittleEndian.AppendUint32(nil, uint32(length)))
	return zeros(w, length)
}

// zeros writes so many bytes of zero.
func zeros(w *bufio.Writer, n int64) error {
	var z [4096]byte
	for n > 0 {
		k, err := w.Write(z[:min(n, int64(len(z)))])
		if err != nil {
			return err
		}
		n -= int64(k)
	}
	return nil
}
