package media

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// ErrTrack means a film with a track that may tell second by second where it was
// made, among its pictures, where it cannot be taken out.
var ErrTrack = errors.New("media: a film with a track of positions")

// maxFilmIndex bounds what of a film is held in memory: its index, or that of one
// fragment, in bytes.
const maxFilmIndex = 64 << 20

// filmBrands are the beginnings of the major brands of films and sound (ISO/IEC
// 14496-12 and its registry); pictures have others in the same form.
var filmBrands = []string{"iso", "mp4", "avc", "qt  ", "M4V", "M4A", "M4B", "3g", "dash", "MSNV", "f4v", "XAVC", "cmf", "hvc", "av01"}

// filmRooms are the boxes in which boxes are looked at, and which of those there
// make the film; all others are about it. Those that are no rooms are kept whole.
var filmRooms = map[string][]string{
	"moov": {"mvhd", "trak", "mvex"},
	"trak": {"tkhd", "edts", "mdia"},
	"mdia": {"mdhd", "hdlr", "minf", "elng"},
	"minf": {"vmhd", "smhd", "sthd", "nmhd", "gmhd", "dinf", "stbl", "hdlr"},
	"stbl": {"stsd", "stts", "ctts", "cslg", "stsc", "stsz", "stz2", "stco", "co64", "stss", "stsh", "stps", "sdtp", "sbgp", "sgpd", "subs", "padb", "stdp", "saiz", "saio"},
	"moof": {"mfhd", "traf"},
	"traf": {"tfhd", "tfdt", "trun", "sdtp", "sbgp", "sgpd", "subs", "saiz", "saio"},
}

// filmTracks are the handlers of tracks that are seen, heard or read.
var filmTracks = []string{"vide", "auxv", "soun", "text", "sbtl", "subt", "clcp"}

func isFilm(head []byte) bool {
	return len(head) >= 12 && string(head[4:8]) == "ftyp" &&
		slices.ContainsFunc(filmBrands, func(b string) bool { return bytes.HasPrefix(head[8:12], []byte(b)) })
}

// filmType names a film by its major brand.
func filmType(head []byte) string {
	switch brand := string(head[8:12]); {
	case brand == "qt  ":
		return "video/quicktime"
	case brand == "M4A " || brand == "M4B ":
		return "audio/mp4"
	}
	return "video/mp4"
}

// stripFilm copies an MP4 or QuickTime film. What is about the film becomes free
// space of zeros, so that all offsets stay true.
func stripFilm(w *bufio.Writer, r *bufio.Reader) (removed bool, err error) {
	index := false
	for {
		b, err := readBox(r)
		if err == io.EOF && index {
			return removed, nil
		}
		if err != nil {
			return removed, err
		}
		switch {
		case b.kind == "mdat":
			w.Write(b.head)
			if b.length < 0 { // to the end of the file
				_, err = io.Copy(w, r)
			} else {
				_, err = io.CopyN(w, r, b.length)
			}
		case b.length < 0:
			return removed, ErrPicture
		case b.kind == "moov" || b.kind == "moof":
			index = true
			if b.length > maxFilmIndex {
				return removed, ErrPicture
			}
			body := make([]byte, b.length)
			if _, err := io.ReadFull(r, body); err != nil {
				return removed, err
			}
			var changed bool
			if changed, err = cleanBoxes(b.kind, body, ""); err == nil {
				w.Write(b.head)
				_, err = w.Write(body)
			}
			removed = removed || changed
		case slices.Contains([]string{"ftyp", "styp", "sidx", "ssix", "mfra"}, b.kind):
			w.Write(b.head)
			_, err = io.CopyN(w, r, b.length)
		default:
			copy(b.head[4:], "free")
			w.Write(b.head)
			var was bool
			was, err = skipped(r, b.length)
			removed = removed || was || b.kind != "free" && b.kind != "wide" && b.kind != "skip"
			if err == nil {
				err = zeros(w, b.length)
			}
		}
		if err != nil {
			return removed, err
		}
	}
}

// filmBox is the head of a box as it was read; length is what follows it, less
// than zero for all the rest.
type filmBox struct {
	head   []byte
	kind   string
	length int64
}

func readBox(r *bufio.Reader) (b filmBox, err error) {
	b.head = make([]byte, 8, 16)
	if _, err := io.ReadFull(r, b.head); err != nil {
		return b, err // io.EOF: between two boxes
	}
	b.kind = string(b.head[4:8])
	switch size := binary.BigEndian.Uint32(b.head); size {
	case 0:
		b.length = -1
	case 1:
		b.head = b.head[:16]
		if _, err := io.ReadFull(r, b.head[8:]); err != nil {
			return b, noEOF(err)
		}
		if b.length = int64(binary.BigEndian.Uint64(b.head[8:])) - 16; b.length < 0 {
			return b, ErrPicture
		}
	default:
		if b.length = int64(size) - 8; b.length < 0 {
			return b, ErrPicture
		}
	}
	return b, nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// skipped passes over so many bytes and reports whether there was anything but
// zeros.
func skipped(r *bufio.Reader, n int64) (something bool, err error) {
	buf := make([]byte, 4096)
	for n > 0 {
		k, err := io.ReadFull(r, buf[:min(n, int64(len(buf)))])
		if err != nil {
			return something, noEOF(err)
		}
		something = something || !blankBytes(buf[:k])
		n -= int64(k)
	}
	return something, nil
}

func blankBytes(b []byte) bool {
	return !slices.ContainsFunc(b, func(x byte) bool { return x != 0 })
}

// eachBox calls do for the boxes in a room, with the whole box and what follows its
// head.
func eachBox(room []byte, do func(kind string, whole, body []byte) error) error {
	for len(room) > 0 {
		b, err := readBox(bufio.NewReaderSize(bytes.NewReader(room), 16))
		if err != nil || b.length < 0 || b.length > int64(len(room)-len(b.head)) {
			if blankBytes(room) && len(room) <= 8 {
				return nil // QuickTime ends some rooms with a zero
			}
			return ErrPicture
		}
		end := len(b.head) + int(b.length)
		if err := do(b.kind, room[:end], room[len(b.head):end]); err != nil {
			return err
		}
		room = room[end:]
	}
	return nil
}

// cleanBoxes blanks what in a room is about the film, in place. In the rooms of a
// track handler is what the track is for.
func cleanBoxes(room string, boxes []byte, handler string) (changed bool, err error) {
	free := func(whole, body []byte) {
		changed = changed || string(whole[4:8]) != "free" || !blankBytes(body)
		copy(whole[4:8], "free")
		clear(body)
	}
	err = eachBox(boxes, func(kind string, whole, body []byte) error {
		if !slices.Contains(filmRooms[room], kind) {
			free(whole, body)
			return nil
		}
		if kind == "trak" {
			if handler, err = wantsTrack(body); err != nil || handler == "" {
				free(whole, body)
				return err
			}
		}
		if len(filmRooms[kind]) > 0 {
			inner, err := cleanBoxes(kind, body, handler)
			changed = changed || inner
			return err
		}
		changed = cleanHeader(kind, body, handler) || changed
		return nil
	})
	return changed, err
}

// cleanHeader blanks the fields of a kept box that tell when and with what it was
// made.
func cleanHeader(kind string, body []byte, handler string) (changed bool) {
	wipe := func(from, to int) {
		if from <= len(body) && from < to {
			part := body[from:min(to, len(body))]
			changed = changed || !blankBytes(part)
			clear(part)
		}
	}
	switch kind {
	case "mvhd", "tkhd", "mdhd": // created, changed
		if len(body) > 0 && body[0] == 1 {
			wipe(4, 20)
		} else {
			wipe(4, 12)
		}
	case "hdlr": // manufacturer and name
		wipe(12, len(body))
	case "stsd":
		if len(body) < 8 || handler != "vide" && handler != "soun" {
			return changed
		}
		// Entries that are no boxes are left as they are: a decoder has to make of
		// them what it can.
		_ = eachBox(body[8:], func(_ string, _, entry []byte) error {
			at := cap(body) - cap(entry)
			if len(entry) >= 16 {
				wipe(at+12, at+16) // vendor
			}
			if len(entry) >= 78 && handler == "vide" {
				wipe(at+42, at+74) // compressor
			}
			return nil
		})
	}
	return changed
}

// wantsTrack returns what a track that people see, hear or read is for, and nothing for
// another. Such a one leaves the index, and what it says stays among the pictures: if
// that can be positions, the film is refused.
func wantsTrack(trak []byte) (handler string, err error) {
	var entries []byte
	var look func(room string, boxes []byte) error
	look = func(room string, boxes []byte) error {
		return eachBox(boxes, func(kind string, _, body []byte) error {
			switch {
			case kind == "hdlr" && room == "mdia" && len(body) >= 12:
				handler = string(body[8:12])
			case kind == "stsd":
				entries = body
			case len(filmRooms[kind]) > 0:
				return look(kind, body)
			}
			return nil
		})
	}
	if err := look("trak", trak); err != nil {
		return "", err
	}
	if slices.Contains(filmTracks, handler) {
		return handler, nil
	}
	if handler == "tmcd" || handler == "hint" {
		return "", nil
	}
	// Apple's tracks name what they hold; of others nothing is known.
	lower := bytes.ToLower(entries)
	if len(entries) >= 16 && string(entries[12:16]) == "mebx" && !bytes.Contains(lower, []byte("location")) && !bytes.Contains(lower, []byte("gps")) {
		return "", nil
	}
	return "", ErrTrack
}
