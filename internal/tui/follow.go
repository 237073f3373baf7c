package tui

import (
	"context"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
)

// maxFed is how many events are taken in at once, between two drawings.
const maxFed = 256

// feed is a stream of events that is being read.
type feed struct {
	events chan *apiv1.WatchResponse
	err    error // why it ended; read after events is closed
}

// fed is what a feed gave since it was last asked.
type fed struct {
	from   *feed
	events []*apiv1.WatchResponse
	ended  bool
	err    error
}

// follow begins to read what happens after the last event seen.
func (m *Model) follow() tea.Cmd {
	after, ctx, node := m.seq, m.ctx, m.Node
	return func() tea.Msg {
		f := &feed{events: make(chan *apiv1.WatchResponse, maxFed)}
		go f.read(ctx, node, after)
		return f.next()
	}
}

func (f *feed) read(ctx context.Context, node Node, after uint64) {
	f.err = node.Follow(ctx, after, func(w *apiv1.WatchResponse) bool {
		select {
		case f.events <- w:
			return true
		case <-ctx.Done():
			return false
		}
	})
	close(f.events)
}

// next waits for an event and takes those that are there already with it.
func (f *feed) next() tea.Msg {
	out := fed{from: f}
	w, open := <-f.events
	for open {
		out.events = append(out.events, w)
		if len(out.events) == maxFed {
			return out
		}
		select {
		case w, open = <-f.events:
		default:
			return out
		}
	}
	out.ended, out.err = true, f.err
	return out
}

// haveEvents takes in what happened, in order.
func (m *Model) haveEvents(f fed) tea.Cmd {
	var cmds []tea.Cmd
	for _, w := range f.events {
		cmds = append(cmds, m.event(w))
		m.seq = max(m.seq, w.GetSeq())
	}
	if len(f.events) > 0 {
		m.sort()
	}
	if m.ctx.Err() != nil {
		return nil // the person leaves
	}
	if f.ended {
		m.away = true
		return tea.Batch(append(cmds, m.wait(tickRetry, retryAfter))...)
	}
	if f.from != nil {
		cmds = append(cmds, f.from.next)
	}
	return tea.Batch(cmds...)
}

func (m *Model) event(w *apiv1.WatchResponse) tea.Cmd {
	switch {
	case w.GetMessage() != nil:
		m.added(w)
	case w.GetChanged() != nil:
		return m.changed(w)
	case w.GetContact() != nil:
		m.contact(w.GetContact())
	case w.GetTyping() != nil:
		if c := m.named(w.GetTyping().GetContact()); c != nil {
			c.typing = time.UnixMilli(w.GetTyping().GetUntilMs())
			return m.untilTypingEnds()
		}
	case w.GetRemoved() != nil:
		return m.removed(w)
	}
	return nil
}

// added takes in a message that was just said. It may be repeated.
func (m *Model) added(w *apiv1.WatchResponse) {
	one := w.GetMessage()
	c := m.named(one.GetContact())
	if c == nil {
		return
	}
	if !one.GetMine() {
		c.typing = time.Time{}
	}
	if one.GetId() != c.last.GetId() && !m.line.has(one.GetId()) && !one.GetMine() && one.GetNotice() == "" && one.GetState() != "read" {
		c.contact.Unread++
	}
	c.last = one
	if c.account() == m.line.account {
		m.line.happened(w)
	}
}

// changed takes in a message that came further or of which something was said,
// and asks for those that quote it.
func (m *Model) changed(w *apiv1.WatchResponse) tea.Cmd {
	one := w.GetChanged()
	c := m.named(one.GetContact())
	if c == nil {
		return nil
	}
	if c.last.GetId() == one.GetId() {
		c.last = one
	}
	if c.account() != m.line.account {
		return nil
	}
	m.line.happened(w)
	var cmds []tea.Cmd
	for _, other := range m.line.messages {
		if other.GetReplyTo().GetId() == one.GetId() {
			cmds = append(cmds, m.askMessage(other.GetId()))
		}
	}
	return tea.Batch(cmds...)
}

// removed takes a message away that was deleted here alone.
func (m *Model) removed(w *apiv1.WatchResponse) tea.Cmd {
	r := w.GetRemoved()
	c := m.named(r.GetContact())
	if c == nil {
		return nil
	}
	if c.account() == m.line.account {
		m.line.happened(w)
	}
	if c.last.GetId() == r.GetId() {
		return m.askConversations() // what was said before it
	}
	return nil
}

// contact takes in somebody new or changed.
func (m *Model) contact(one *apiv1.Contact) {
	if c := m.find(one.GetAccount()); c != nil {
		c.contact = one
		return
	}
	m.convs = append(m.convs, &conversation{contact: one})
}

// sort puts the conversation in which something was said last first.
func (m *Model) sort() {
	slices.SortStableFunc(m.convs, func(a, b *conversation) int {
		return int(b.last.GetSeq()) - int(a.last.GetSeq())
	})
}
