package client

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// maxFileName bounds the name of a saved file, in bytes.
const maxFileName = 200

// SafeName makes a file name that somebody sent fit to be one here: it names no
// folder, is not hidden, has no character that a file system refuses or that
// nobody sees, and is none of the names Windows keeps for devices.
func SafeName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`<>:"|?*`, r), r == unicode.ReplacementChar:
			return '_'
		case !unicode.IsPrint(r) && r != '\u200c' && r != '\u200d':
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	name = strings.Trim(name, ". ")
	ext := filepath.Ext(name)
	if len(ext) > 16 {
		ext = ""
	}
	if stem := name[:len(name)-len(ext)]; len(name) > maxFileName {
		name = strings.ToValidUTF8(stem[:maxFileName-len(ext)], "") + ext
	}
	stem, _, _ := strings.Cut(strings.ToLower(name), ".")
	if device := strings.TrimRight(stem, "0123456789¹²³"); name == "" || stem == "con" || stem == "prn" || stem == "aux" || stem == "nul" ||
		(device == "com" || device == "lpt") && device != stem {
		name = strings.TrimSuffix("file-"+name, "-")
	}
	return name
}

// UnusedName is a path in a folder for a file of this name, with a number where
// there is one already.
func UnusedName(folder, name string) string {
	name = SafeName(name)
	ext := filepath.Ext(name)
	for n := 1; ; n++ {
		path := filepath.Join(folder, name)
		if n > 1 {
			path = filepath.Join(folder, fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(name, ext), n, ext))
		}
		if _, err := os.Lstat(path); os.IsNotExist(err) || n == 1000 {
			return path
		}
	}
}
