// Package webui is the page: HTML, style and ES modules as they are served,
// written by hand and embedded. It imports nothing of kith; package door serves
// it. Types are in JSDoc comments.
package webui

import (
	"embed"
	"io/fs"
)

//go:embed index.html app
var files embed.FS

// Files returns the page's files: index.html, and the rest below app.
func Files() fs.FS { return files }
