package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/internal/engine"
	"kith/internal/node"
	"kith/internal/qr"
)

// maxQRText bounds a text to be drawn, in bytes: more fits no code.
const maxQRText = 4096

// inline are the types a page may show in place; the bytes say which one a file is,
// not its sender. Whatever could hold a script is not among them.
var inline = []string{"image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4", "video/webm", "audio/mpeg", "audio/wave", "application/ogg", "audio/aiff"}

// PageHandler serves to the page what [Handler] serves to other faces, and besides:
// pictures, sound and film of a few kinds to be shown in place, QR codes, and what
// docs/spec/page.md says of setting up, which is over.
func PageHandler(n *node.Node, about About) http.Handler {
	s, mux := service(n, about)
	mux.HandleFunc("GET /media/{message}/{index}", s.show)
	mux.HandleFunc("POST /qr", drawQR)
	mux.HandleFunc("POST /qr/read", readQR)
	mux.HandleFunc("GET /setup", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]string{"state": "running"})
	})
	return mux
}

// Page implements the service.
func (s *Service) Page(context.Context, *connect.Request[apiv1.PageRequest]) (*connect.Response[apiv1.PageResponse], error) {
	if s.about.Page == nil {
		return nil, fail(&engine.Error{Code: engine.NotNow, Text: "this node has no page"})
	}
	url, err := s.about.Page()
	if err != nil {
		return nil, fail(&engine.Error{Code: engine.NotNow, Text: "the page cannot be opened: no port of the loopback is free"})
	}
	return connect.NewResponse(&apiv1.PageResponse{Url: url}), nil
}

// show serves an attachment with ranges, decrypted as it is read: in place if its bytes
// are of a kind that is nothing but seen or heard, else as a file to be saved.
func (s *Service) show(w http.ResponseWriter, r *http.Request) {
	blob, a, err := s.open(r, r.URL.Query().Get("save") == "")
	if err != nil {
		refuse(w, err)
		return
	}
	defer blob.Close()
	head := make([]byte, sniffed)
	n, err := io.ReadFull(blob, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && err != io.EOF {
		refuse(w, err)
		return
	}
	if _, err := blob.Seek(0, io.SeekStart); err != nil {
		refuse(w, err)
		return
	}
	kind, disposition := "application/octet-stream", "attachment"
	if is, _, _ := strings.Cut(http.DetectContentType(head[:n]), ";"); slices.Contains(inline, is) && r.URL.Query().Get("save") == "" {
		kind, disposition = is, "inline"
	}
	h := w.Header()
	guard(h)
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": filepath.Base(a.Name)}))
	http.ServeContent(w, r, "", time.Time{}, blob)
}

// sniffed is how much of a file is looked at to find its kind.
const sniffed = 512

// drawQR answers a text with its QR code as a PNG.
func drawQR(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(io.LimitReader(r.Body, maxQRText+1))
	if err != nil || len(text) > maxQRText {
		refuse(w, &engine.Error{Code: engine.Invalid, Text: "this is too long for a QR code"})
		return
	}
	w.Header().Set("Content-Type", "image/png")
	if err := qr.PNG(string(text), w); errors.Is(err, qr.ErrTooLong) {
		refuse(w, &engine.Error{Code: engine.Invalid, Text: "this is too long for a QR code"})
	}
}

// readQR answers a picture with the text of its QR code.
func readQR(w http.ResponseWriter, r *http.Request) {
	text, err := qr.Decode(http.MaxBytesReader(w, r.Body, qr.MaxFile+1))
	if err != nil {
		refuse(w, &engine.Error{Code: engine.Invalid, Text: "no QR code was found in this picture", Hint: "nearer, sharper, with a white edge around it"})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{"text": text})
}
