package identity

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

const (
	linkScheme   = "KITH:"
	linkChecksum = 4
)

var linkEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// Link returns the invite as text: "kith:" and upper-case base32. It contains the
// secret: show it only to the person invited. Put into upper case as a whole it fits
// the dense alphanumeric mode of QR codes.
func (v *Invite) Link() string {
	body := v.body()
	sum := sha256.Sum256(body)
	return asciiLower(linkScheme) + linkEncoding.EncodeToString(append(body, sum[:linkChecksum]...))
}

// ParseInvite reads a link in any mixture of cases, with white space and line breaks
// around and inside. It does not look at the expiry: see [Invite.Expired]. Errors:
// ErrNotInvite, ErrDamagedLink, ErrVersion (made by a newer program), and
// ErrMalformed for an undamaged link with a forbidden content. None shows the text.
// Rules ID-18 to ID-21.
func ParseInvite(text string) (*Invite, error) {
	if len(text) > MaxLinkText {
		return nil, ErrNotInvite
	}
	compact := asciiUpper(dropWhiteSpace(text))
	encoded, ok := strings.CutPrefix(compact, linkScheme)
	if !ok {
		return nil, ErrNotInvite
	}
	raw, err := linkEncoding.DecodeString(encoded)
	// The decoder overlooks excess bits, which would give a link a second spelling.
	if err != nil || len(raw) < linkChecksum || linkEncoding.EncodeToString(raw) != encoded {
		return nil, ErrDamagedLink
	}
	body, checksum := raw[:len(raw)-linkChecksum], raw[len(raw)-linkChecksum:]
	if sum := sha256.Sum256(body); string(sum[:linkChecksum]) != string(checksum) {
		return nil, ErrDamagedLink
	}
	return parseInviteBody(body)
}

func dropWhiteSpace(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, s)
}
