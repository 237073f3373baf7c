package media_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"kith/media"
)

func TestMedia_ME01_servedByRange(t *testing.T) {
	plain := random(t, 3*media.ChunkSegments*media.SegmentSize/2)
	blob, _, p := encrypt(t, plain)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r, err := media.NewReader(bytes.NewReader(blob), p)
		if err != nil {
			t.Error(err)
			return
		}
		http.ServeContent(w, req, "film.mp4", time.Time{}, r)
	}))
	defer s.Close()
	for ask, want := range map[string][]byte{
		"":                  plain,
		"bytes=0-0":         plain[:1],
		"bytes=65530-65545": plain[65530:65546],
		"bytes=1048570-":    plain[1048570:],
		"bytes=-70000":      plain[len(plain)-70000:],
		"bytes=99999999-":   nil,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ask != "" {
			req.Header.Set("Range", ask)
		}
		resp, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want == nil {
			if resp.StatusCode != http.StatusRequestedRangeNotSatisfiable {
				t.Errorf("%q: %s", ask, resp.Status)
			}
			continue
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: %v, %s, %d bytes, want %d", ask, err, resp.Status, len(got), len(want))
		}
	}
}

// A segment that does not verify must not leave a byte of itself with the
// caller, nor spoil the ones that do.
func TestMedia_ME03_forgedSegmentGivesNothingAndSpoilsNothing(t *testing.T) {
	plain := random(t, 3*media.SegmentSize)
	blob, _, p := encrypt(t, plain)
	blob[media.SegmentSize+media.Overhead+5] ^= 1 // in the second
	r, err := media.NewReader(bytes.NewReader(blob), p)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	for range 2 {
		if n, err := r.ReadAt(buf, media.SegmentSize+10); n != 0 || err != media.ErrForged || !bytes.Equal(buf, make([]byte, 100)) {
			t.Errorf("%d bytes of a forged segment, %v", n, err)
		}
		if n, err := r.ReadAt(buf, 10); n != 100 || err != nil || !bytes.Equal(buf, plain[10:110]) {
			t.Errorf("the segment before: %d bytes, %v", n, err)
		}
		clear(buf)
	}
	if n, err := r.ReadAt(buf, media.SegmentSize-40); n != 40 || err != media.ErrForged {
		t.Errorf("across the edge: %d bytes, %v", n, err)
	}
	for _, seek := range []struct {
		offset int64
		whence int
	}{{-1, io.SeekStart}, {-1 - int64(len(plain)), io.SeekEnd}, {0, 7}} {
		if _, err := r.Seek(seek.offset, seek.whence); err == nil {
			t.Errorf("seek %+v", seek)
		}
	}
	if _, err := r.ReadAt(buf, -1); err == nil {
		t.Error("read before the beginning")
	}
}
