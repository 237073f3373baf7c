package tui

import (
	"time"

	tea "charm.land/bubbletea/v2"
)

// tick is a time that was waited for.
type tick int

const (
	tickPresence tick = iota
	tickRetry
	tickTyping
	tickProgress
)

// wait asks for a tick, if it is not on its way already.
func (m *Model) wait(t tick, d time.Duration) tea.Cmd {
	if m.ticking[t] {
		return nil
	}
	m.ticking[t] = true
	return m.After(d, t)
}

func (m *Model) ticked(t tick) tea.Cmd {
	m.ticking[t] = false
	switch t {
	case tickPresence:
		again := m.wait(tickPresence, presenceEvery)
		if m.blurred || m.away {
			return again
		}
		return tea.Batch(again, m.askContacts())
	case tickRetry:
		return m.askConversations()
	case tickTyping:
		return m.untilTypingEnds()
	case tickProgress:
		return m.askProgress()
	}
	return nil
}

// untilTypingEnds draws again when the next contact is no longer writing.
func (m *Model) untilTypingEnds() tea.Cmd {
	var next time.Time
	for _, c := range m.convs {
		if c.typing.After(m.now) && (next.IsZero() || c.typing.Before(next)) {
			next = c.typing
		}
	}
	if next.IsZero() {
		return nil
	}
	return m.wait(tickTyping, next.Sub(m.now))
}
