package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

// terminal reports whether w is a terminal.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// printJSON writes v as one line.
func (e *env) printJSON(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := e.out.Write(b.Bytes())
	return err
}

func (e *env) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(e.out, format, args...)
	return err
}

// visible makes received text safe to print: control characters, with which a
// message could move the cursor or restyle the terminal, and marks that turn
// the direction of text become replacement characters. Line breaks stay when
// lines is true.
func visible(s string, lines bool) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' && lines, r == '\t' && lines:
			return r
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x2028, r == 0x2029:
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

func oneLine(s string) string { return visible(strings.ReplaceAll(s, "\n", " "), false) }

// messageJSON is one line of log and search.
type messageJSON struct {
	ID        string         `json:"id"`
	Contact   string         `json:"contact"`
	From      string         `json:"from"`
	Mine      bool           `json:"mine"`
	At        string         `json:"at"`
	Text      string         `json:"text"`
	State     string         `json:"state"`
	Notice    string         `json:"notice,omitempty"`
	BoxedOn   uint32         `json:"boxed_on,omitempty"`
	BoxedOf   uint32         `json:"boxed_of,omitempty"`
	Media     []mediaJSON    `json:"media"`
	ReplyTo   *quoteJSON     `json:"reply_to,omitempty"`
	EditedAt  string         `json:"edited_at,omitempty"`
	Deleted   bool           `json:"deleted,omitempty"`
	DeletedOn *uint32        `json:"deleted_on,omitempty"`
	DeletedOf uint32         `json:"deleted_of,omitempty"`
	Reactions []reactionJSON `json:"reactions,omitempty"`
}

type quoteJSON struct {
	ID      string `json:"id"`
	Here    bool   `json:"here"`
	From    string `json:"from,omitempty"`
	Text    string `json:"text,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
	Media   uint32 `json:"media,omitempty"`
}

type reactionJSON struct {
	Who   string `json:"who"`
	Emoji string `json:"emoji"`
	Mine  bool   `json:"mine"`
}

type mediaJSON struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Type   string `json:"type"`
	State  string `json:"state"`
	Have   int64  `json:"have"`
}

func toJSON(m *apiv1.Message) messageJSON {
	out := messageJSON{ID: m.GetId(), Contact: m.GetContact(), From: m.GetFrom(), Mine: m.GetMine(),
		At: at(m.GetAtMs()), Text: m.GetText(), State: m.GetState(), Notice: m.GetNotice(), Media: []mediaJSON{},
		BoxedOn: m.GetBoxedOn(), BoxedOf: m.GetBoxedOf()}
	for _, a := range m.GetMedia() {
		out.Media = append(out.Media, mediaJSON{Name: a.GetName(), Size: a.GetSize(), SHA256: a.GetSha256(),
			Type: a.GetType(), State: a.GetState(), Have: a.GetHave()})
	}
	if q := m.GetReplyTo(); q != nil {
		out.ReplyTo = &quoteJSON{ID: q.GetId(), Here: q.GetHere(), From: q.GetFrom(), Text: q.GetText(), Deleted: q.GetDeleted(), Media: q.GetMedia()}
	}
	if m.GetEditedAtMs() != 0 {
		out.EditedAt = at(m.GetEditedAtMs())
	}
	if out.Deleted = m.GetDeleted(); m.GetDeletedOf() > 0 {
		out.DeletedOn, out.DeletedOf = new(m.GetDeletedOn()), m.GetDeletedOf()
	}
	for _, r := range m.GetReactions() {
		out.Reactions = append(out.Reactions, reactionJSON{Who: r.GetWho(), Emoji: r.GetEmoji(), Mine: r.GetMine()})
	}
	return out
}

func at(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// printMessage shows one message, for people or as JSON.
func (e *env) printMessage(m *apiv1.Message, withContact bool) error {
	if e.json {
		return e.printJSON(toJSON(m))
	}
	when := time.UnixMilli(m.GetAtMs()).Format("2006-01-02 15:04")
	if m.GetNotice() != "" {
		return e.printf("%s  -- with %s: %s\n", when, oneLine(m.GetContact()), m.GetNotice())
	}
	who := m.GetFrom()
	if withContact && m.GetMine() {
		who += " to " + m.GetContact()
	}
	if e.ids {
		when = m.GetId()[:idDigits] + "  " + when
	}
	if m.GetDeleted() {
		return e.printf("%s  %s: -- deleted%s\n", when, oneLine(who), deletedState(m))
	}
	state := ""
	if m.GetMine() {
		state = "  [" + m.GetState() + "]"
		if m.GetState() == "boxed" {
			state = fmt.Sprintf("  [boxed on %d of %d relays]", m.GetBoxedOn(), m.GetBoxedOf())
		}
	}
	if m.GetEditedAtMs() != 0 {
		state = "  (edited)" + state
	}
	var b strings.Builder
	if q := m.GetReplyTo(); q != nil {
		fmt.Fprintf(&b, "%s  %s answers %s\n    ", when, oneLine(who), quoted(q))
	} else {
		fmt.Fprintf(&b, "%s  %s: ", when, oneLine(who))
	}
	fmt.Fprintf(&b, "%s%s\n", strings.ReplaceAll(visible(m.GetText(), true), "\n", "\n    "), state)
	for _, a := range m.GetMedia() {
		fmt.Fprintf(&b, "    %s  %s  %s  %s\n", oneLine(a.GetName()), client.Bytes(a.GetSize()), mediaState(a), "kith save "+m.GetId()[:8])
	}
	for i, r := range m.GetReactions() {
		if i == 0 {
			b.WriteString("   ")
		}
		fmt.Fprintf(&b, " %s %s", visible(r.GetEmoji(), false), oneLine(r.GetWho()))
		if i == len(m.GetReactions())-1 {
			b.WriteString("\n")
		}
	}
	return e.printf("%s", b.String())
}

// idDigits is how much of an id people are shown: enough among some thousands.
const idDigits = 8

// deletedState says how far an own deletion has come.
func deletedState(m *apiv1.Message) string {
	if m.GetDeletedOf() == 0 {
		return ""
	}
	return fmt.Sprintf("  [on %d of %d devices]", m.GetDeletedOn(), m.GetDeletedOf())
}

// quoted is a message in the words of one that answers it.
func quoted(q *apiv1.Quote) string {
	const width = 60
	switch {
	case !q.GetHere():
		return "a message that is not here:"
	case q.GetDeleted():
		return fmt.Sprintf("%s (deleted):", oneLine(q.GetFrom()))
	}
	text := []rune(oneLine(q.GetText()))
	if len(text) > width {
		text = append(text[:width], '…')
	}
	if len(text) == 0 {
		text = []rune(fmt.Sprintf("%d files", q.GetMedia()))
	}
	return fmt.Sprintf("%s (%s):", oneLine(q.GetFrom()), string(text))
}

func mediaState(a *apiv1.Media) string {
	if a.GetState() == "stored" || a.GetSize() == 0 {
		return a.GetState()
	}
	return fmt.Sprintf("%s %d%%", a.GetState(), 100*a.GetHave()/a.GetSize())
}

// contactJSON is one line of contacts.
type contactJSON struct {
	Name     string `json:"name"`
	Account  string `json:"account"`
	State    string `json:"state"`
	Reason   string `json:"reason,omitempty"`
	Verified bool   `json:"verified"`
	Online   bool   `json:"online"`
	Unread   uint32 `json:"unread"`
	AddedAt  string `json:"added_at"`
	Reduced  bool   `json:"reduced,omitempty"`
	Stale    bool   `json:"stale,omitempty"`
	Blocked  bool   `json:"blocked,omitempty"`
	Receipts string `json:"receipts,omitempty"` // "off", or absent
	Typing   string `json:"typing,omitempty"`
}

func contactToJSON(c *apiv1.Contact) contactJSON {
	return contactJSON{Blocked: c.GetBlocked(), Receipts: offOrNothing(c.GetReceipts()), Typing: offOrNothing(c.GetTyping()), Name: c.GetName(), Account: c.GetAccount(), State: c.GetState(), Reason: c.GetReason(),
		Verified: c.GetVerified(), Online: c.GetOnline(), Unread: c.GetUnread(), AddedAt: at(c.GetAddedAtMs()),
		Reduced: c.GetReduced(), Stale: c.GetStale()}
}

// offOrNothing names a setting that is not as it is at first.
func offOrNothing(on bool) string {
	if on {
		return ""
	}
	return "off"
}

// progress draws one line that says how far something is, on a terminal only.
type progress struct {
	w           io.Writer
	what        string
	total, done int64
	began, last time.Time
}

func (e *env) progress(what string, total int64) *progress {
	p := &progress{what: what, total: total, began: time.Now()}
	if terminal(e.errOut) && !e.json {
		p.w = e.errOut
	}
	return p
}

// add counts n more bytes.
func (p *progress) add(n int64) {
	p.done += n
	if now := time.Now(); p.w != nil && now.Sub(p.last) > 100*time.Millisecond {
		p.last = now
		p.draw("")
	}
}

func (p *progress) draw(end string) {
	const width = 24
	share := 1.0
	if p.total > 0 {
		share = min(float64(p.done)/float64(p.total), 1)
	}
	bar := strings.Repeat("█", int(share*width)) + strings.Repeat("░", width-int(share*width))
	rate := int64(float64(p.done) / max(time.Since(p.began).Seconds(), 0.001))
	fmt.Fprintf(p.w, "\r\033[K%s %s %3.0f%%  %s  %s/s%s", oneLine(p.what), bar, 100*share, client.Bytes(p.done), client.Bytes(rate), end)
}

func (p *progress) end() {
	if p.w != nil {
		p.draw("\n")
	}
}
