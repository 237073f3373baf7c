package media

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// Markers of ITU-T T.81 table B.1.
const (
	markSOF0  = 0xc0
	markDHT   = 0xc4
	markJPG   = 0xc8
	markDAC   = 0xcc
	markSOF15 = 0xcf
	markRST0  = 0xd0
	markRST7  = 0xd7
	markSOI   = 0xd8
	markEOI   = 0xd9
	markSOS   = 0xda
	markDQT   = 0xdb
	markDNL   = 0xdc
	markDRI   = 0xdd
	markAPP0  = 0xe0
	markAPP15 = 0xef
	markCOM   = 0xfe
)

// stripJPEG copies a JPEG up to its end mark, without the segments that are
// about the picture instead of the picture.
func stripJPEG(w *bufio.Writer, r *bufio.Reader) (removed bool, err error) {
	if _, err := r.Discard(2); err != nil { // SOI, seen by the caller
		return false, err
	}
	w.Write([]byte{0xff, markSOI})
	segment := make([]byte, 0, 1<<16)
	frame, scan := false, false // seen
	for inMarker := false; ; {
		mark, err := readMarker(r, inMarker)
		if err != nil {
			return removed, err
		}
		if mark == markEOI {
			if !scan {
				return removed, ErrPicture // no picture in it
			}
			_, err := w.Write([]byte{0xff, markEOI})
			return removed, err
		}
		if !allowedJPEG(mark) || mark == markSOS && !frame || isFrame(mark) && frame {
			return removed, ErrPicture
		}
		if segment, err = readSegment(r, segment[:0]); err != nil {
			return removed, err
		}
		kept, changed := keepJPEG(mark, segment)
		removed = removed || changed
		if kept != nil {
			writeSegment(w, mark, kept)
		}
		frame = frame || isFrame(mark)
		if inMarker = mark == markSOS; inMarker {
			scan = true
			if err := copyScan(w, r); err != nil {
				return removed, err
			}
		}
	}
}

// isFrame reports whether a marker begins a frame, the picture itself.
func isFrame(mark byte) bool {
	return mark >= markSOF0 && mark <= markSOF15 && mark != markDHT && mark != markJPG && mark != markDAC
}

// allowedJPEG reports whether a segment may stand in a JPEG of one frame. Of
// reserved, extension and hierarchical ones nobody can tell what they hold.
func allowedJPEG(mark byte) bool {
	switch mark {
	case markDHT, markDAC, markSOS, markDQT, markDNL, markDRI, markCOM:
		return true
	}
	return isFrame(mark) || mark >= markAPP0 && mark <= markAPP15
}

// readMarker reads a marker, past the fill bytes that may precede it. When
// inMarker is true its first 0xff was read before.
func readMarker(r *bufio.Reader, inMarker bool) (byte, error) {
	b := byte(0xff)
	var err error
	if !inMarker {
		if b, err = r.ReadByte(); err != nil {
			return 0, err
		}
	}
	if b != 0xff {
		return 0, ErrPicture
	}
	for b == 0xff {
		if b, err = r.ReadByte(); err != nil {
			return 0, err
		}
	}
	if b == 0 {
		return 0, ErrPicture
	}
	return b, nil
}

// readSegment reads what follows a marker: a length and that many bytes, less
// the length's own two.
func readSegment(r *bufio.Reader, segment []byte) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return segment, err
	}
	n := int(binary.BigEndian.Uint16(head[:]))
	if n < 2 {
		return segment, ErrPicture
	}
	segment = segment[:n-2]
	_, err := io.ReadFull(r, segment)
	return segment, err
}

func writeSegment(w *bufio.Writer, mark byte, body []byte) {
	// bufio keeps the first error for Flush.
	w.Write([]byte{0xff, mark})
	w.Write(binary.BigEndian.AppendUint16(nil, uint16(len(body)+2)))
	w.Write(body)
}

// keepJPEG decides what of a segment stays: nil for nothing.
func keepJPEG(mark byte, body []byte) (kept []byte, changed bool) {
	switch {
	case mark == markAPP0 && bytes.HasPrefix(body, []byte("JFIF\x00")) && len(body) >= 14:
		if len(body) == 14 && body[12] == 0 && body[13] == 0 {
			return body, false
		}
		head := bytes.Clone(body[:14])
		head[12], head[13] = 0, 0 // the thumbnail goes
		return head, true
	case mark == markAPP0+1 && bytes.HasPrefix(body, []byte("Exif\x00")):
		o := Orientation(body[min(len(body), len(exifHead)):])
		if o < 2 {
			return nil, true
		}
		minimal := append([]byte(exifHead), orientationOnly(o)...)
		return minimal, !bytes.Equal(minimal, body)
	case mark == markAPP0+2 && bytes.HasPrefix(body, []byte("ICC_PROFILE\x00")):
		return body, false
	case mark == markAPP0+14 && bytes.HasPrefix(body, []byte("Adobe")):
		return body[:min(len(body), 12)], len(body) > 12
	case mark >= markAPP0 && mark <= markAPP15, mark == markCOM:
		return nil, true
	}
	return body, false
}

// copyScan copies entropy-coded data up to the marker that ends it, and reads
// that marker's first byte. Fill bytes before a marker go.
func copyScan(w *bufio.Writer, r *bufio.Reader) error {
	for {
		run, err := r.ReadSlice(0xff)
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
		ended := err == nil
		if ended {
			run = run[:len(run)-1]
		}
		if _, err := w.Write(run); err != nil {
			return err // a scan has no length: it may go on for ever
		}
		if !ended {
			continue
		}
		next := byte(0xff)
		for next == 0xff {
			if next, err = r.ReadByte(); err != nil {
				return err
			}
		}
		if next != 0 && (next < markRST0 || next > markRST7) {
			return r.UnreadByte()
		}
		w.Write([]byte{0xff, next})
	}
}

const tagOrientation = 0x0112

// exifHead comes before EXIF's TIFF structure in a JPEG.
const exifHead = "Exif\x00\x00"

// Orientation reads the orientation, 1 to 8, out of EXIF's TIFF structure; 0
// when there is none. Source: TIFF 6.0 section 2, EXIF 2.3 section 4.6.4.
func Orientation(tiff []byte) byte {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.BigEndian
	if tiff[0] == 'I' {
		order = binary.LittleEndian
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 0
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return 0
		}
		if order.Uint16(entries) == tagOrientation {
			if o := order.Uint16(entries[8:]); order.Uint16(entries[2:]) == 3 && o >= 1 && o <= 8 {
				return byte(o)
			}
			return 0
		}
		entries = entries[12:]
	}
	return 0
}

// orientationOnly is a TIFF structure that says nothing but the orientation.
func orientationOnly(o byte) []byte {
	return []byte{
		'M', 'M', 0, 42, 0, 0, 0, 8, // TIFF header, first directory at 8
		0, 1, // one entry
		tagOrientation >> 8, tagOrientation & 0xff, 0, 3, 0, 0, 0, 1, 0, o, 0, 0,
		0, 0, 0, 0, // no next directory
	}
}
