package door

import (
	"net/http"
	"path"
	"slices"
	"strings"
)

// policy is what the page may do: run its own scripts, in its own style, talk to
// where it came from, and make no markup of text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; " +
	"manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// kinds are the types of the page's files.
var kinds = map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".webmanifest": "application/manifest+json"}

// ServeHTTP implements http.Handler. PG-01 to PG-06.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Embedder-Policy", "require-corp")
	h.Set("Permissions-Policy", "camera=(self), microphone=(self), geolocation=()")
	h.Set("Cache-Control", "no-store")
	if !slices.Contains(d.hosts, r.Host) || !d.ownOrigin(r) {
		refuse(w, http.StatusForbidden)
		return
	}
	switch {
	case r.URL.Path == "/launch" && r.Method == http.MethodPost:
		d.launch(w, r)
	case isFile(r):
		h.Set("Cache-Control", "no-cache") // it says nothing of anybody
		// Not what this machine believes of file names: a browser runs no module
		// that is called otherwise.
		if kind := kinds[path.Ext(r.URL.Path)]; kind != "" {
			h.Set("Content-Type", kind)
		}
		d.page.ServeHTTP(w, r)
	case !d.admitted(r):
		refuse(w, http.StatusUnauthorized)
	default:
		if behind := d.behind.Load(); behind != nil {
			(*behind).ServeHTTP(w, r)
			return
		}
		refuse(w, http.StatusServiceUnavailable)
	}
}

// ownOrigin reports whether a request comes from the page, or from a person who typed
// the address: never from a page of another origin.
func (d *Door) ownOrigin(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	if origin := r.Header.Get("Origin"); origin != "" {
		return origin == "http://"+r.Host
	}
	switch site {
	case "same-origin", "none":
		return true
	case "": // no browser of today, or a program
		return r.Method == http.MethodGet || r.Method == http.MethodHead
	}
	// A link on another page may lead to the page itself, and to nothing else.
	return isFile(r) && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.URL.Path == "/"
}

// isFile reports whether a request is for a file of the page.
func isFile(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && (r.URL.Path == "/" || strings.HasPrefix(r.URL.Path, "/app/"))
}

// refuse says no more than a number.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
}
