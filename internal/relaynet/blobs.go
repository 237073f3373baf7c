package relaynet

import (
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"kith/box"
	"kith/internal/boxstore"
	"kith/internal/relay"
)

// Headers of an upload, docs/spec/relaynet.md RN-26.
const (
	headerKey    = "Kith-Key"    // hex: under which capabilities will be minted
	headerWork   = "Kith-Work"   // hex: nonce and solution of the work done for it
	headerEffort = "Kith-Effort" // of an answer: the work that is wanted
)

// BlobHour is the hour of a time, as blobs count: hours since 1970.
func BlobHour(t time.Time) uint32 { return uint32(max(t.Unix(), 0) / 3600) }

// BlobEffort is how much work a blob of a size must bring when blobs take so many
// bytes of their cap: what a cell must bring, for each part of 64 KiB.
func BlobEffort(used, limit, size int64) uint32 {
	parts := (size + blobPart - 1) / blobPart
	return uint32(min(int64(relay.Effort(relay.Usage{Bytes: used, Cap: limit}))*parts, box.MaxEffort))
}

// blobServer answers HTTP requests about blobs.
type blobServer struct {
	store *boxstore.Store // nil: there are none
	id    box.RelayID
	now   func() time.Time
	gate  *gate

	mu   sync.Mutex // guards uses
	uses map[[16]byte]*use
}

// use is how often a capability that is good for so many times was used.
type use struct {
	n, hour uint32
}

func (b *blobServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Date"] = nil // nobody needs the relay's clock
	w.Header().Set("Cache-Control", "no-store")
	if key, ok := r.Context().Value(networkKey{}).(uint64); ok && !pause(b.gate.spend(key), r.Context().Done()) {
		return
	}
	switch r.Method {
	case http.MethodPut:
		b.put(w, r)
	case http.MethodGet, http.MethodHead, http.MethodDelete:
		b.bearer(w, r)
	default:
		notHere(w)
	}
}

// notHere is the one answer to whoever may not know more.
func notHere(w http.ResponseWriter) { answer(w, http.StatusNotFound) }

func answer(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}

// bearer serves who has a capability. What is wrong with it, or that there is no
// such blob, looks the same and takes the same steps.
func (b *blobServer) bearer(w http.ResponseWriter, r *http.Request) {
	c, sound := parseCapability(r.Method, r.URL.EscapedPath(), r.URL.RawQuery)
	hour := BlobHour(b.now())
	var blob *boxstore.Blob
	var key [32]byte
	if b.store != nil {
		if found, err := b.store.FindBlob(c.ID, hour); err == nil {
			defer found.Close()
			blob, key = found, found.Info.Key
		}
	}
	minted := c.minted(key)
	if !sound || blob == nil || !minted || c.Hour < hour || !b.spend(&c) {
		notHere(w)
		return
	}
	if r.Method == http.MethodDelete {
		switch err := b.store.DeleteBlob(c.ID); {
		case err == nil:
			w.WriteHeader(http.StatusNoContent)
		case errors.Is(err, boxstore.ErrNoBlob):
			notHere(w)
		default:
			answer(w, http.StatusServiceUnavailable)
		}
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, blob)
}

// spend counts a use of a capability that is good for so many. Counts are kept in
// memory until it expires; there is room for so many capabilities.
func (b *blobServer) spend(c *Capability) bool {
	if c.Uses == 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.uses[c.MAC]
	if u == nil {
		if len(b.uses) >= maxCounted && !b.forget(BlobHour(b.now())) {
			return false
		}
		u = &use{hour: c.Hour}
		b.uses[c.MAC] = u
	}
	if u.n >= c.Uses {
		return false
	}
	u.n++
	return true
}

// forget drops capabilities that expired and reports whether there is room.
func (b *blobServer) forget(hour uint32) bool {
	for mac, u := range b.uses {
		if u.hour < hour {
			delete(b.uses, mac)
		}
	}
	return len(b.uses) < maxCounted
}

// put takes an upload.
func (b *blobServer) put(w http.ResponseWriter, r *http.Request) {
	info, work, ok := parseUpload(r)
	hour := BlobHour(b.now())
	if !ok || b.store == nil || info.Hour < hour || info.Hour > hour+MaxBlobHours {
		answer(w, http.StatusBadRequest)
		return
	}
	if wanted := BlobEffort(b.used(), b.limit(), info.Size); !b.worked(&work, info.ID, wanted) {
		w.Header().Set(headerEffort, strconv.FormatUint(uint64(wanted), 10))
		answer(w, http.StatusTooManyRequests)
		return
	}
	switch err := b.store.PutBlob(info, io.LimitReader(r.Body, info.Size+1)); {
	case err == nil:
		answer(w, http.StatusCreated)
	case errors.Is(err, boxstore.ErrHeld):
		answer(w, http.StatusConflict)
	case errors.Is(err, boxstore.ErrContent):
		answer(w, http.StatusBadRequest)
	case errors.Is(err, boxstore.ErrCap), errors.Is(err, boxstore.ErrFull):
		answer(w, http.StatusInsufficientStorage)
	default:
		answer(w, http.StatusServiceUnavailable)
	}
}

func (b *blobServer) used() int64 {
	used, _ := b.store.BlobUsage()
	return used
}

func (b *blobServer) limit() int64 {
	_, limit := b.store.BlobUsage()
	return limit
}

func (b *blobServer) worked(w *box.Work, id [32]byte, wanted uint32) bool {
	return worked(w, b.id, b.now(), id, wanted)
}

// parseUpload reads what an upload says of itself.
func parseUpload(r *http.Request) (info boxstore.BlobInfo, work box.Work, ok bool) {
	var hourOK bool
	if info.ID, ok = parseBlobPath(r.URL.EscapedPath()); !ok {
		return info, work, false
	}
	info.Hour, hourOK = parseNumber(r.URL.RawQuery, "e=")
	key, err := hex.DecodeString(r.Header.Get(headerKey))
	if !hourOK || err != nil || len(key) != len(info.Key) || r.ContentLength < 1 || r.ContentLength > boxstore.MaxBlob {
		return info, work, false
	}
	info.Key, info.Size = [32]byte(key), r.ContentLength
	if text := r.Header.Get(headerWork); text != "" {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != len(work.Nonce)+len(work.Solution) {
			return info, work, false
		}
		work = box.Work{Nonce: [8]byte(b), Solution: [16]byte(b[8:])}
	}
	return info, work, true
}
