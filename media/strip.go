package media

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// ErrPicture means a file that begins as a picture or film of a kind [Strip] knows
// and goes on as something a decoder might still show: nobody can tell what would be
// left in it.
var ErrPicture = errors.New("media: damaged picture")

// Stripped says what [Strip] found.
type Stripped struct {
	Type    string // "image/jpeg", "image/png", "image/webp", "video/mp4", "video/quicktime", "audio/mp4"; empty for anything else
	Removed bool   // something was left out
}

// Strip copies src to dst without what tells where, when, with what and by
// whom a JPEG, PNG, WebP, MP4 or QuickTime film was made: EXIF, XMP, IPTC, comments,
// embedded previews, places, dates and names of devices, whatever follows the
// picture's end. Pixels, sound, colour profile and orientation stay as they are, bit
// by bit. Any other file is copied whole. Memory is constant, but for the index of a
// film, which is at most 64 MiB. [ErrPicture] and [ErrTrack] blame the file; other
// errors are those of src and dst. After an error dst holds a beginning that must be
// thrown away.
// Spec: media.md 6.
func Strip(dst io.Writer, src io.Reader) (Stripped, error) {
	from := &watched{r: src}
	r := bufio.NewReaderSize(from, 64<<10)
	head, err := r.Peek(webpHead)
	if err != nil && err != io.EOF {
		return Stripped{}, err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xd8, 0xff}):
		return stripWith("image/jpeg", dst, r, from, stripJPEG)
	case bytes.HasPrefix(head, []byte(pngSignature)):
		return stripWith("image/png", dst, r, from, stripPNG)
	case isWebP(head):
		return stripWith("image/webp", dst, r, from, stripWebP)
	case isFilm(head):
		return stripWith(filmType(head), dst, r, from, stripFilm)
	}
	_, err = io.Copy(dst, r)
	return Stripped{}, err
}

// watched is a source that remembers how it failed, so that a source which
// breaks off is not taken for a picture cut short.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

func stripWith(kind string, dst io.Writer, r *bufio.Reader, from *watched, strip func(*bufio.Writer, *bufio.Reader) (bool, error)) (Stripped, error) {
	w := bufio.NewWriterSize(dst, 64<<10)
	removed, err := strip(w, r)
	switch {
	case err == nil:
	case from.err != nil:
		return Stripped{}, from.err
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		return Stripped{}, ErrPicture // cut short
	default:
		return Stripped{}, err
	}
	if err := w.Flush(); err != nil {
		return Stripped{}, err
	}
	// What follows the end is read, so that the sender is not left with a
	// broken pipe, and left out.
	rest, err := io.Copy(io.Discard, r)
	return Stripped{Type: kind, Removed: removed || rest > 0}, err
}
