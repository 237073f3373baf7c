package relaynet

import (
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
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
	time  time.Duration // for a request, and for its answer

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
	network, ok := r.Context().Value(networkKey{}).(uint64)
	if !ok || !pause(b.gate.spend(network), r.Context().Done()) {
		panic(http.ErrAbortHandler)
	}
	if r.Method == http.MethodPut {
		b.put(w, r, network)
	} else {
		b.bearer(w, r, network)
	}
}

// begin lets a request go on when its network owes no bytes any more, and gives
// it all of its time.
func (b *blobServer) begin(w http.ResponseWriter, r *http.Request, network uint64, bytes int64) bool {
	if !pause(b.gate.spendBytes(network, bytes), r.Context().Done()) {
		return false
	}
	end := time.Now().Add(b.time)
	control := http.NewResponseController(w)
	return control.SetReadDeadline(end) == nil && control.SetWriteDeadline(end) == nil
}

// paid is a blob of which each byte read is charged to a network.
type paid struct {
	*boxstore.Blob
	gate    *gate
	network uint64
}

func (p *paid) Read(b []byte) (int, error) {
	n, err := p.Blob.Read(b)
	p.gate.spendBytes(p.network, int64(n))
	return n, err
}

// notHere is the one answer to whoever may not know more.
func notHere(w http.ResponseWriter) { answer(w, http.StatusNotFound) }

func answer(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}

// bearer serves who has a capability. What is wrong with it, or that there is no
// such blob, looks the same and takes the same steps.
func (b *blobServer) bearer(w http.ResponseWriter, r *http.Request, network uint64) {
	c, sound := parseCapability(r.Method, r.RequestURI)
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
		b.remove(w, c.ID)
		return
	}
	if !b.begin(w, r, network, 0) {
		panic(http.ErrAbortHandler)
	}
	if strings.Contains(r.Header.Get("Range"), ",") {
		r.Header.Del("Range") // several at once cost more than they are worth
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+hex.EncodeToString(c.ID[:])+`"`)
	http.ServeContent(w, r, "", time.Time{}, &paid{blob, b.gate, network})
}

func (b *blobServer) remove(w http.ResponseWriter, id [32]byte) {
	switch err := b.store.DeleteBlob(id); {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.Is(err, boxstore.ErrNoBlob):
		notHere(w)
	default:
		answer(w, http.StatusServiceUnavailable)
	}
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

// put takes an upload. What can be said without its content is said before the
// client is told to send that.
func (b *blobServer) put(w http.ResponseWriter, r *http.Request, network uint64) {
	info, work, ok := parseUpload(r)
	hour := BlobHour(b.now())
	if !ok || b.store == nil || info.Hour < hour || info.Hour > hour+MaxBlobHours {
		answer(w, http.StatusBadRequest)
		return
	}
	used, limit := b.store.BlobUsage()
	if wanted := BlobEffort(used, limit, info.Size); !b.worked(&work, info.ID, wanted) {
		w.Header().Set(headerEffort, strconv.FormatUint(uint64(wanted), 10))
		answer(w, http.StatusTooManyRequests)
		return
	}
	if !b.begin(w, r, network, info.Size) {
		panic(http.ErrAbortHandler)
	}
	err := b.store.PutBlob(info, hour, r.Body)
	// What is left of it is read, so that the answer is not lost on somebody who
	// is still sending. It is at most one blob, and has its time.
	_, _ = io.Copy(io.Discard, r.Body)
	switch {
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

func (b *blobServer) worked(w *box.Work, id [32]byte, wanted uint32) bool {
	return worked(w, b.id, b.now(), id, wanted)
}

// parseUpload reads what an upload says of itself.
func parseUpload(r *http.Request) (info boxstore.BlobInfo, work box.Work, ok bool) {
	path, query, _ := strings.Cut(r.RequestURI, "?")
	var hourOK bool
	if info.ID, ok = parseBlobPath(path); !ok {
		return info, work, false
	}
	info.Hour, hourOK = parseNumber(query, "e=")
	if !hourOK || r.ContentLength < 1 || r.ContentLength > MaxBlob || !parseHeader(r, headerKey, info.Key[:]) {
		return info, work, false
	}
	info.Size = r.ContentLength
	if r.Header[headerWork] == nil {
		return info, work, true
	}
	var b [8 + 16]byte
	ok = parseHeader(r, headerWork, b[:])
	copy(work.Nonce[:], b[:])
	copy(work.Solution[:], b[8:])
	return info, work, ok
}

// parseHeader reads the one value of a header, lower-case hex of so many bytes.
func parseHeader(r *http.Request, name string, to []byte) bool {
	v := r.Header[name]
	if len(v) != 1 || len(v[0]) != hex.EncodedLen(len(to)) || strings.ToLower(v[0]) != v[0] {
		return false
	}
	_, err := hex.Decode(to, []byte(v[0]))
	return err == nil
}
