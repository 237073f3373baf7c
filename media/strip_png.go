package media

import (
	"bufio"
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

// maxPNGChunk is the longest chunk the format allows, in bytes.
const maxPNGChunk = 1<<31 - 1

// stripPNG copies a PNG up to its end chunk, without the chunks that are about
// the picture instead of the picture.
func stripPNG(w *bufio.Writer, r *bufio.Reader) (removed bool, err error) {
	if _, err := io.CopyN(w, r, int64(len(pngSignature))); err != nil {
		return false, err
	}
	for first := true; ; first = false {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return removed, err
		}
		length, kind := binary.BigEndian.Uint32(head[:]), string(head[4:])
		if length > maxPNGChunk || first != (kind == "IHDR") || kind == "IHDR" && length != 13 || kind == "IEND" && length != 0 {
			return removed, ErrPicture
		}
		keep := slices.Contains(keptChunks, kind)
		if !keep && kind[0]&0x20 == 0 {
			return removed, ErrPicture // a critical chunk no standard knows
		}
		removed = removed || !keep
		if err := copyPNGChunk(w, r, head[:], length, keep); err != nil {
			return removed, err
		}
		if kind == "IEND" {
			return removed, nil
		}
	}
}

// copyPNGChunk copies or skips a chunk's body, whose checksum must hold.
func copyPNGChunk(w *bufio.Writer, r *bufio.Reader, head []byte, length uint32, keep bool) error {
	var out io.Writer = io.Discard
	if keep {
		out = w
	}
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
