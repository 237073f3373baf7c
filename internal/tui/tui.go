package tui

import (
	"context"
	"errors"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"

	"kith/internal/client"
)

// Run shows the screen on a terminal until the person leaves, ctx ends or the
// terminal is gone. In and out must be one. Contact is the account whose
// conversation is opened first; empty: none.
func Run(ctx context.Context, c *client.Client, in, out *os.File, contact string) error {
	os.Unsetenv("TEA_TRACE") // it would have everything that is drawn written to a file
	m := New(ctx, Options{Node: NewLive(c), Contact: contact, Now: time.Now, Zone: time.Local,
		After: func(d time.Duration, msg tea.Msg) tea.Cmd {
			return tea.Tick(d, func(time.Time) tea.Msg { return msg })
		}})
	defer m.stop()
	_, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler()).Run()
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return nil
	}
	return err
}
