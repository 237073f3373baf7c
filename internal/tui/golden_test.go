package tui

import (
	"testing"

	"github.com/charmbracelet/colorprofile"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
)

// household is a node with something of everything.
func household() *fake {
	f := newFake()
	f.contacts = []*apiv1.Contact{
		{Account: "kith1bob", Name: "Bob", State: "established", Online: true, Verified: true, Receipts: true, Typing: true},
		{Account: "kith1carol", Name: "Carol 花子", State: "established", Unread: 12, Receipts: true, Typing: true, Stale: true},
		{Account: "kith1dave", Name: "Dave", State: "pending", Receipts: true, Typing: true},
		{Account: "kith1eve", Name: "Eve", State: "refused", Reason: "expired", Receipts: true, Typing: true},
		{Account: "kith1mallory", Name: "Mallory", State: "established", Blocked: true, Receipts: true, Typing: true},
	}
	day := int64(24 * 60 * 60 * 1000)
	all := []*apiv1.Message{
		says(1, false, "Hello Alice. Is anybody between us?"),
		says(2, true, "Only the air. Your words went straight to my machine."),
		says(3, false, "看看這張照片 👩‍🚀 नमस्ते"),
		{Id: "notice", Contact: "Bob", Notice: "session made anew"},
		says(5, true, "seven it is"),
		says(6, false, ""),
		says(7, true, "a long answer that does not fit on one line of a narrow terminal, and therefore is wrapped between its words"),
		says(8, true, "boxed one"),
		says(9, true, "taken from the relays"),
		says(10, true, ""),
		says(11, true, "still here"),
	}
	all[0].AtMs -= day
	all[1].State = "read"
	all[3].AtMs = all[2].AtMs
	all[4].ReplyTo = &apiv1.Quote{Id: all[0].Id, Here: true, From: "Bob", Text: all[0].Text}
	all[4].EditedAtMs = all[4].AtMs + 1
	all[4].Reactions = []*apiv1.Reaction{{Who: "Bob", Emoji: "👍"}, {Who: "Alice", Emoji: "❤️", Mine: true}}
	all[5].Media = []*apiv1.Media{{Name: "photo.jpg", Size: 1 << 20, Type: "image/jpeg", State: "stored", Have: 1 << 20},
		{Name: "film.mp4", Size: 64 << 20, Type: "video/mp4", State: "fetching", Have: 24 << 20}}
	all[7].State, all[7].BoxedOn, all[7].BoxedOf = "boxed", 2, 3
	all[8].State = "fetched"
	all[9].Deleted, all[9].DeletedOn, all[9].DeletedOf = true, 1, 2
	all[10].State = "queued"
	f.logs["kith1bob"] = all
	f.logs["kith1carol"] = []*apiv1.Message{{Id: "c1", Contact: "Carol 花子", From: "Carol 花子", Text: "bis später", AtMs: noon.UnixMilli() - 40*day, State: "delivered", Seq: 1}}
	return f
}

// without makes the terminal one without colours.
func (s *screen) without() { s.send(tea.ColorProfileMsg{Profile: colorprofile.ASCII}) }

func TestGolden_conversation(t *testing.T) {
	for name, size := range map[string][2]int{"80x24": {80, 24}, "40x12": {40, 12}, "200x60": {200, 60}, "100x16": {100, 16}} {
		s := begin(t, household(), size[0], size[1], "kith1bob")
		s.without()
		s.golden("conversation-"+name, false)
	}
}

func TestGolden_styled(t *testing.T) {
	s := begin(t, household(), 80, 24, "kith1bob")
	s.press("up", "up")
	s.golden("styled-80x24", true)
}

func TestGolden_list(t *testing.T) {
	for name, size := range map[string][2]int{"80x24": {80, 24}, "40x12": {40, 12}} {
		s := begin(t, household(), size[0], size[1], "")
		s.press("down")
		s.golden("list-"+name, false)
	}
}

func TestGolden_panels(t *testing.T) {
	small := begin(t, household(), 40, 12, "kith1bob")
	s := begin(t, household(), 80, 24, "kith1bob")
	for _, s := range []*screen{s, small} {
		size := map[*screen]string{small: "40x12"}[s]
		if size == "" {
			size = "80x24"
		}
		s.without()
		s.press("f1")
		s.golden("help-"+size, false)
		s.press("esc", "ctrl+t")
		s.golden("verify-"+size, false)
		s.press("esc", "ctrl+f")
		s.typed("th")
		s.press("enter")
		s.golden("search-"+size, false)
		s.press("esc", "up", "a")
		s.golden("react-"+size, false)
		s.press("esc", "d")
		s.golden("delete-"+size, false)
		s.press("esc", "esc", "ctrl+o")
		s.typed("p")
		s.press("tab")
		s.golden("attach-"+size, false)
		s.press("esc")
	}
}

func TestGolden_writing(t *testing.T) {
	s := begin(t, household(), 80, 24, "kith1bob")
	s.without()
	s.press("up", "up", "up", "up", "r")
	s.typed("yes")
	s.press("alt+enter")
	s.typed("and no")
	s.hold = true
	s.m.attach("/home/alice/holiday.mp4", false)
	s.m.open().draft.files[0].done.Store(3 << 20)
	s.m.open().draft.files[0].total.Store(8 << 20)
	s.golden("writing-80x24", false)
}
