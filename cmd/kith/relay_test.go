package main

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kith/internal/boxstore"
	"kith/internal/relay"
)

// failing is a store of which the disk does as it is told.
type failing struct {
	relay.Store
	err error
}

func (f *failing) Apply([]relay.Change) error { return f.err }

// TestRelaynet_RN15_operatorIsToldOfTheDisk: once an hour while it is full or fails, and
// not when the cap is reached.
func TestRelaynet_RN15_operatorIsToldOfTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		disk := &failing{}
		s := &toldStore{Store: disk, tell: func(line string) { said = append(said, line) }}
		apply := func(err error, lines int, word string) {
			t.Helper()
			disk.err = err
			if got := s.Apply(nil); !errors.Is(got, err) {
				t.Errorf("error %v", got)
			}
			if len(said) != lines || lines > 0 && !strings.Contains(said[lines-1], word) {
				t.Errorf("told %q", said)
			}
		}
		apply(nil, 0, "")
		apply(boxstore.ErrCap, 0, "")
		apply(boxstore.ErrFull, 1, "full")
		time.Sleep(tellAgain - time.Nanosecond)
		apply(boxstore.ErrFull, 1, "full")
		time.Sleep(time.Nanosecond)
		apply(errors.New("input/output error"), 2, "fails")
		apply(boxstore.ErrFull, 2, "fails")
	})
}
