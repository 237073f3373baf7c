package tui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
)

const (
	pageSize = 100 // messages asked for at once
	// maxWindow is how many messages of a conversation are held; those farther
	// from what is shown are let go and asked for again.
	maxWindow = 400
)

// timeline is a window of the conversation that is shown.
type timeline struct {
	account  string
	messages []*apiv1.Message // oldest first
	earlier  bool             // there are some before the window
	later    bool             // and after
	below    int              // said since, after the window

	loading bool
	wanted  place // what was asked for
	stuck   bool  // asking failed: not again by itself

	anchor string // what is at the bottom of the screen: so many lines of this message
	lines  int
	sel    string // the message keys are about
	unread string // the first that was new when it was opened
	jump   bool   // sel is to be brought to the middle

	early   []*apiv1.WatchResponse // what happened while a page was on its way
	touched map[string]uint64      // the last event of a message

	blocks map[string]*block
}

func (t *timeline) index(id string) int {
	return slices.IndexFunc(t.messages, func(m *apiv1.Message) bool { return m.GetId() == id })
}

func (t *timeline) has(id string) bool { return t.index(id) >= 0 }

// selected is the message keys are about, or nil.
func (t *timeline) selected() *apiv1.Message {
	if i := t.index(t.sel); t.sel != "" && i >= 0 {
		return t.messages[i]
	}
	return nil
}

// atEnd reports that the newest message is shown and new ones will be.
func (t *timeline) atEnd() bool { return t.anchor == "" && !t.later }

// show opens a conversation at its end.
func (m *Model) show(account string) tea.Cmd {
	m.chosen = account
	if m.find(account) == nil {
		return nil
	}
	m.line = timeline{account: account, loading: true, blocks: map[string]*block{}, touched: map[string]uint64{}}
	m.focus = onCompose
	return m.askLog(account, place{})
}

// showAround opens a conversation at a message.
func (m *Model) showAround(account, id string) tea.Cmd {
	m.chosen, m.focus = account, onTimeline
	if m.line.account == account && m.line.has(id) {
		m.line.sel, m.line.jump = id, true
		return nil
	}
	want := place{around: id}
	m.line = timeline{account: account, loading: true, wanted: want, sel: id, jump: true, blocks: map[string]*block{}, touched: map[string]uint64{}}
	return m.askLog(account, want)
}

// take puts a page in.
func (t *timeline) take(want place, r *apiv1.LogResponse, unread, tall int) {
	page := slices.DeleteFunc(slices.Clone(r.GetMessages()), func(m *apiv1.Message) bool {
		return (want.before != "" || want.after != "") && t.has(m.GetId())
	})
	switch {
	case want.before != "":
		t.messages = append(page, t.messages...)
		if t.earlier = r.GetEarlier(); len(t.messages) > maxWindow {
			t.messages, t.later = t.messages[:maxWindow], true
		}
	case want.after != "":
		t.messages = append(t.messages, page...)
		if t.later = r.GetLater(); !t.later {
			t.below = 0
		}
		t.trimTop()
	default:
		t.messages, t.earlier, t.later = page, r.GetEarlier(), r.GetLater()
		if want == (place{}) {
			t.anchor, t.below = "", 0
			t.markUnread(unread)
		}
	}
	if t.later && t.anchor == "" && len(t.messages) > 0 { // the end of the window is not the end
		t.anchor, t.lines = t.messages[len(t.messages)-1].GetId(), tall
	}
	t.forget()
}

// happened takes in an event of this conversation. While a page is on its way
// it is kept, too: the page may be older.
func (t *timeline) happened(w *apiv1.WatchResponse) {
	if t.loading {
		t.early = append(t.early, w)
	}
	switch {
	case w.GetMessage() != nil && (!t.loading || len(t.messages) > 0):
		t.touched[w.GetMessage().GetId()] = w.GetSeq()
		t.add(w.GetMessage())
	case w.GetChanged() != nil:
		t.touched[w.GetChanged().GetId()] = w.GetSeq()
		t.replace(w.GetChanged())
	case w.GetRemoved() != nil:
		t.remove(w.GetRemoved().GetId())
	}
}

// catchUp takes in what happened after a page was made.
func (t *timeline) catchUp(page uint64) {
	early := t.early
	t.early = nil
	for _, w := range early {
		if w.GetSeq() > page {
			t.happened(w)
		}
	}
}

// markUnread remembers where the new messages begin.
func (t *timeline) markUnread(n int) {
	for i := len(t.messages) - 1; i >= 0 && n > 0; i-- {
		if one := t.messages[i]; !one.GetMine() && one.GetNotice() == "" {
			t.unread = one.GetId()
			n--
		}
	}
}

// trimTop lets go of the oldest.
func (t *timeline) trimTop() {
	if n := len(t.messages) - maxWindow; n > 0 {
		t.messages, t.earlier = slices.Clone(t.messages[n:]), true
	}
}

// add puts a message at the end that was just said.
func (t *timeline) add(one *apiv1.Message) {
	switch {
	case t.has(one.GetId()):
		t.replace(one)
	case t.later:
		t.below++
	default:
		if t.messages = append(t.messages, one); t.anchor != "" {
			t.below++
		}
		if t.anchor == "" && len(t.messages) > maxWindow+pageSize {
			t.trimTop()
			t.forget()
		}
	}
}

func (t *timeline) replace(one *apiv1.Message) {
	if i := t.index(one.GetId()); i >= 0 {
		t.messages[i] = one
	}
}

func (t *timeline) remove(id string) {
	i := t.index(id)
	if i < 0 {
		return
	}
	if t.sel == id {
		t.sel = ""
		if len(t.messages) > 1 {
			t.sel = t.messages[max(0, i-1)].GetId()
		}
	}
	if t.anchor == id {
		t.anchor = ""
		if i > 0 {
			t.anchor, t.lines = t.messages[i-1].GetId(), maxLines
		}
	}
	t.messages = slices.Delete(t.messages, i, i+1)
	delete(t.blocks, id)
}

// forget lets go of what was drawn of messages that are not in the window.
func (t *timeline) forget() {
	if len(t.blocks) <= 2*maxWindow {
		return
	}
	held := make(map[string]bool, len(t.messages))
	for _, one := range t.messages {
		held[one.GetId()] = true
	}
	for id := range t.blocks {
		if !held[id] {
			delete(t.blocks, id)
		}
	}
}

// wantMore asks for the next page when the edge of the window comes near.
func (m *Model) wantMore() tea.Cmd {
	t := &m.line
	if t.account == "" || t.loading || t.stuck || len(t.messages) == 0 || m.away {
		return nil
	}
	ends := m.ends()
	bottom := m.bottom(ends)
	var want place
	switch {
	case t.earlier && bottom-m.tall() < m.tall():
		want.before = t.messages[0].GetId()
	case t.later && ends[len(ends)-1]-bottom < m.tall():
		want.after = t.messages[len(t.messages)-1].GetId()
	default:
		return nil
	}
	t.loading, t.wanted = true, want
	return m.askLog(t.account, want)
}
