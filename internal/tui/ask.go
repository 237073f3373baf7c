package tui

import (
	"context"
	"errors"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

// What a node answered, as messages. Each has the error that came instead.
type (
	conversations struct {
		r   *apiv1.ConversationsResponse
		err error
	}
	contacts struct {
		all []*apiv1.Contact
		err error
	}
	logged struct {
		account string
		want    place
		r       *apiv1.LogResponse
		err     error
	}
	fetched struct {
		m     *apiv1.Message
		asked uint64 // the last event seen before
		err   error
	}
	sent struct {
		account string
		draft   draft // what was sent, to be put back if it was not
		err     error
	}
	saved struct {
		paths []string
		err   error
	}
	// done ends what has no answer but an error.
	done struct{ err error }
	// answer is for the panel that asked.
	answer struct {
		to   panel
		what any
		err  error
	}
)

// place says which messages of a conversation are wanted; nothing set: the newest.
type place struct{ before, after, around string }

func (m *Model) askConversations() tea.Cmd {
	return func() tea.Msg {
		r, err := m.Node.Conversations(m.ctx)
		return conversations{r, err}
	}
}

func (m *Model) askContacts() tea.Cmd {
	return func() tea.Msg {
		all, err := m.Node.Contacts(m.ctx)
		return contacts{all, err}
	}
}

func (m *Model) askLog(account string, want place) tea.Cmd {
	return func() tea.Msg {
		r, err := m.Node.Log(m.ctx, &apiv1.LogRequest{Contact: account, Limit: pageSize,
			Before: want.before, After: want.after, Around: want.around})
		return logged{account, want, r, err}
	}
}

func (m *Model) askMessage(id string) tea.Cmd {
	asked := m.seq
	return func() tea.Msg {
		one, err := m.Node.Message(m.ctx, id)
		return fetched{one, asked, err}
	}
}

// do runs what has no answer but an error.
func (m *Model) do(f func(ctx context.Context) error) tea.Cmd {
	return func() tea.Msg { return done{f(m.ctx)} }
}

// ask runs what answers a panel.
func ask[T any](m *Model, to panel, f func(ctx context.Context) (T, error)) tea.Cmd {
	return func() tea.Msg {
		what, err := f(m.ctx)
		return answer{to, what, err}
	}
}

// hinted is an error in one line, with what to do about it.
func hinted(err error) string {
	var e *client.Error
	if errors.As(err, &e) && e.Hint != "" {
		return short(e.Text + "; " + e.Hint)
	}
	return short(err.Error())
}
