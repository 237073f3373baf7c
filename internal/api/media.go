package api

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/node"
	"kith/internal/wire"
)

// Bounds of stored files that no message refers to yet.
const (
	maxUploads = 256
	uploadLife = time.Hour
)

// uploads keeps what POST /media stored until a Send refers to it.
type uploads struct {
	mu   sync.Mutex // guards byToken
	held map[string]upload
}

type upload struct {
	wire.Attachment
	at time.Time
}

func newUploads() *uploads { return &uploads{held: map[string]upload{}} }

func (u *uploads) put(a wire.Attachment) (token string, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for t, held := range u.held {
		if time.Since(held.at) > uploadLife {
			delete(u.held, t)
		}
	}
	if len(u.held) >= maxUploads {
		return "", false
	}
	token = rand.Text()
	u.held[token] = upload{Attachment: a, at: time.Now()}
	return token, true
}

// take gives an upload out once, under the name its sender chose.
func (u *uploads) take(token, name string) (wire.Attachment, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	held, ok := u.held[token]
	delete(u.held, token)
	held.Name = name
	return held.Attachment, ok
}

// stored is the answer of POST /media.
type stored struct {
	Token    string `json:"token"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256"`
	Type     string `json:"type"`
	Stripped bool   `json:"stripped"`
}

// upload stores the body, encrypted once, for the next Send. Query: name (the
// file's name), as_file=1 (leave its bytes as they are).
func (s *Service) upload(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	if !wire.ValidFileName(name) {
		refuse(w, &engine.Error{Code: engine.Invalid, Text: fmt.Sprintf("%q cannot be a file name", name), Hint: "rename the file"})
		return
	}
	a, err := s.node.Attach(r.Context(), r.Body, node.AttachOptions{Name: name, AsFile: r.URL.Query().Get("as_file") == "1"})
	if err != nil {
		refuse(w, err)
		return
	}
	token, ok := s.files.put(a.Attachment)
	if !ok {
		refuse(w, &engine.Error{Code: engine.NotNow, Text: "too many files wait to be sent"})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(stored{
		Token: token, Size: a.Pointer.Size, SHA256: fmt.Sprintf("%x", a.Pointer.SHA256), Type: a.Type, Stripped: a.Stripped})
}

// download serves an attachment's plaintext with ranges, decrypted as it is
// read; nothing of it is written anywhere.
func (s *Service) download(w http.ResponseWriter, r *http.Request) {
	blob, a, err := s.open(r, r.URL.Query().Get("coming") == "1")
	if err != nil {
		refuse(w, err)
		return
	}
	defer blob.Close()
	h := w.Header()
	// What somebody sent is never run or shown as a page of ours.
	h.Set("Content-Type", "application/octet-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": filepath.Base(a.Name)}))
	http.ServeContent(w, r, "", time.Time{}, blob)
}

// open opens the attachment a request names, and with coming also one whose parts
// are still coming in, which waits for what is read.
func (s *Service) open(r *http.Request, coming bool) (*node.MediaFile, *chat.Media, error) {
	m, err := s.findMessage(r.PathValue("message"))
	if err != nil {
		return nil, nil, err
	}
	a, err := attachment(&m, r.PathValue("index"))
	if err != nil {
		return nil, nil, err
	}
	if !a.Stored {
		if !coming || a.Hold == chat.Cancelled {
			return nil, nil, &engine.Error{Code: engine.NotNow, Text: fmt.Sprintf("%q is not complete yet", a.Name), Hint: "kith log shows how far it is"}
		}
		blob, err := s.node.StreamMedia(r.Context(), a.Pointer)
		return blob, a, err
	}
	blob, err := s.node.OpenMedia(a.Pointer)
	if err != nil {
		return nil, nil, &engine.Error{Text: fmt.Sprintf("%q is damaged or missing on this disk", a.Name), Hint: "put the home directory back from a backup, or ask for the file again"}
	}
	return blob, a, nil
}

func attachment(m *chat.Message, index string) (*chat.Media, error) {
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= len(m.Media) {
		return nil, &engine.Error{Code: engine.NotFound, Text: "the message has no such attachment"}
	}
	return &m.Media[i], nil
}

// refuse answers a media request with an error as JSON: code, message, hint.
func refuse(w http.ResponseWriter, err error) {
	out := struct {
		Error string `json:"error"`
		Hint  string `json:"hint,omitempty"`
	}{Error: "internal error"}
	status := http.StatusInternalServerError
	var e *engine.Error
	switch {
	case errors.As(err, &e):
		out.Error, out.Hint = e.Text, e.Hint
		status = httpStatus(e.Code)
	case errors.Is(err, node.ErrFull):
		out.Error, out.Hint = "the disk is full", "free some space; nothing was lost"
		status = http.StatusInsufficientStorage
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(out)
}

func httpStatus(c engine.Code) int {
	switch c {
	case engine.Invalid:
		return http.StatusBadRequest
	case engine.NotFound:
		return http.StatusNotFound
	case engine.Exists, engine.Expired, engine.NotNow:
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}
