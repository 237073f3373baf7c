package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
	"kith/internal/client"
)

// asked fails unless exactly these calls beginning with a word were made.
func (s *screen) asked(word string, want ...string) {
	s.t.Helper()
	if got := s.node.took(word); !slices.Equal(got, want) {
		s.t.Errorf("asked for %q, want %q", got, want)
	}
}

func TestSend_enterAndNewLine(t *testing.T) {
	s := begin(t, withBob(2), 80, 24, "kith1bob")
	s.typed("one")
	s.press("alt+enter")
	s.typed("two")
	s.press("ctrl+j")
	s.typed("👩‍👩‍👧")
	s.press("backspace", "enter")
	s.asked("send", `send "one\ntwo\n" to kith1bob reply= files=0`)
	s.press("enter")
	s.asked("send")
	s.hides("one")
}

func TestSend_failurePutsTextBack(t *testing.T) {
	f := withBob(2)
	s := begin(t, f, 80, 24, "kith1bob")
	f.fail = &client.Error{Text: "no node is running here", Hint: "start it with: kith up"}
	s.typed("precious")
	s.press("enter")
	s.shows("precious", "no node is running here; start it with: kith up")
}

func TestRead_onlyWhatIsSeen(t *testing.T) {
	f := withBob(300)
	f.contacts[0].Unread = 2
	s := begin(t, f, 80, 24, "")
	s.asked("read")
	s.press("enter")
	s.asked("read", "read kith1bob")

	s.send(tea.BlurMsg{}) // she looks at another window
	s.happens(&apiv1.WatchResponse{Seq: 2000, Event: &apiv1.WatchResponse_Message{Message: says(2000, false, "are you there")}})
	s.asked("read")
	s.send(tea.FocusMsg{})
	s.asked("read", "read kith1bob")

	s.press("pgup", "pgup") // she reads what was said before
	s.happens(&apiv1.WatchResponse{Seq: 2001, Event: &apiv1.WatchResponse_Message{Message: says(2001, false, "hello?")}})
	s.asked("read")
	s.press("f1")
	s.press("esc", "pgdown", "pgdown", "pgdown")
	s.shows("hello?")
	s.asked("read", "read kith1bob")
}

func TestTimeline_newMessagesDoNotMoveWhatIsRead(t *testing.T) {
	s := begin(t, withBob(300), 80, 24, "kith1bob")
	s.press("pgup", "pgup")
	before := strings.Split(s.text(), "\n")[3:15]
	for n := range 5 {
		s.happens(&apiv1.WatchResponse{Seq: uint64(3000 + n), Event: &apiv1.WatchResponse_Message{Message: says(3000+n, false, "news")}})
	}
	s.shows("↓ 5 new")
	after := strings.Split(s.text(), "\n")[3:15]
	for i := range before {
		if _, b, _ := strings.Cut(before[i], "│"); !strings.HasSuffix(after[i], b) {
			t.Fatalf("what is read moved:\n%s", s.text())
		}
	}
	s.press("up", "end")
	s.hides("↓")
}

// TestTimeline_hundredThousand scrolls through a long conversation: every
// message once and in order, never many of them held.
func TestTimeline_hundredThousand(t *testing.T) {
	f := withBob(100_000)
	s := begin(t, f, 100, 50, "kith1bob")
	next := 100_000
	for next > 98_000 {
		ends := s.m.ends()
		for _, m := range slices.Backward(s.m.visible()) {
			n := int(m.GetSeq())
			if n < next-1 {
				t.Fatalf("after message %d comes %d", next, n)
			}
			next = min(next, n)
		}
		if len(s.m.line.messages) > maxWindow+pageSize || len(s.m.line.blocks) > 3*maxWindow {
			t.Fatalf("%d messages and %d drawn are held", len(s.m.line.messages), len(s.m.line.blocks))
		}
		if bottom := s.m.bottom(ends); bottom <= s.m.tall() {
			t.Fatalf("the scroll ends at message %d", next)
		}
		s.press("pgup")
	}
	for range 10 { // and forth, over the edge of the window
		s.press("pgdown")
	}
	s.press("up", "end", "esc")
	s.shows("text-100000.")
	if f.largest > pageSize+1 {
		t.Errorf("%d messages in one answer", f.largest)
	}
}

func TestTimeline_downThroughTheWindow(t *testing.T) {
	s := begin(t, withBob(5000), 100, 50, "kith1bob")
	s.m.showAround("kith1bob", fmt.Sprintf("%032x", 1000))
	s.run(s.m.askLog("kith1bob", s.m.line.wanted))
	s.shows("text-1000.")
	next := 0
	for range 200 {
		for _, m := range s.m.visible() {
			if n := int(m.GetSeq()); next != 0 && n > next+1 {
				t.Fatalf("after message %d comes %d", next, n)
			} else {
				next = max(next, n)
			}
		}
		s.press("pgdown")
	}
	if next != 5000 || !s.m.line.atEnd() {
		t.Errorf("the way down ends at message %d", next)
	}
}

func TestSearch_jump(t *testing.T) {
	s := begin(t, withBob(5000), 80, 24, "kith1bob")
	s.press("ctrl+f")
	s.typed("text-77.")
	s.press("enter", "enter")
	s.shows("▌   text-77.", "text-76.", "text-78.")
	if one := s.m.line.selected(); one.GetText() != "text-77." {
		t.Errorf("selected is %q", one.GetText())
	}
	s.press("esc", "ctrl+f")
	s.typed("text-")
	s.press("enter")
	s.node.took("")
	for range 60 {
		s.press("down")
	}
	s.asked("search", `search "text-" in "kith1bob" from 50`)
}

func TestSearch_jumpToWhatIsGone(t *testing.T) {
	f := withBob(50)
	s := begin(t, f, 80, 24, "kith1bob")
	s.hold = true
	s.run(s.m.showAround("kith1bob", "gone"))
	s.hold = false
	s.send(logged{account: "kith1bob", want: place{around: "gone"}, err: errors.New("no message gone")})
	s.shows("no message gone", "text-50.")
}

func TestSearch_pageWithoutItsMessage(t *testing.T) {
	f := withBob(2000)
	s := begin(t, f, 80, 24, "kith1bob")
	s.hold = true
	s.run(s.m.showAround("kith1bob", "gone"))
	s.hold = false
	s.node.took("")
	s.send(logged{account: "kith1bob", want: place{around: "gone"}, r: &apiv1.LogResponse{Messages: f.logs["kith1bob"][100:200], Earlier: true, Later: true}})
	s.shows("that message is not here", "text-200.")
	if got := s.node.took("log"); len(got) > 1 {
		t.Errorf("it runs to the end by itself: %d pages", len(got))
	}
}

func TestFollow_asksAgainForWhatCouldNotBeHad(t *testing.T) {
	f := withBob(3)
	s := begin(t, f, 80, 24, "")
	f.fail = errors.New("gone")
	s.press("enter")
	s.send(fed{ended: true})
	s.hides("text-3.  delivered")
	f.fail = nil
	s.send(tickRetry)
	s.shows("text-3.  delivered")
}

func TestKeys_whatIsDoneToMessages(t *testing.T) {
	s := begin(t, withBob(3), 80, 24, "kith1bob")
	own, hers := fmt.Sprintf("%032x", 3), fmt.Sprintf("%032x", 2)
	s.typed("draft")
	s.press("home", "up", "e") // the last is her own
	s.shows("editing: text-3.")
	s.typed("!")
	s.press("enter")
	s.asked("edit", fmt.Sprintf(`edit %s "text-3.!"`, own))
	s.shows("› draft")
	s.press("up", "up", "e")
	s.shows("only messages of your own can be edited")
	s.press("r")
	s.shows("answering Bob: text-2.")
	s.press("enter")
	s.asked("send", fmt.Sprintf(`send "draft" to kith1bob reply=%s files=0`, hers))
	s.press("up", "up", "a", "3")
	s.asked("react", fmt.Sprintf("react %s %q", hers, emoji[2]))
	s.press("a", "0")
	s.asked("react", fmt.Sprintf(`react %s ""`, hers))
	s.press("a")
	s.send(tea.PasteMsg{Content: "🦊"})
	s.press("enter")
	s.asked("react", fmt.Sprintf(`react %s "🦊"`, hers))
	s.press("d", "e") // of another: only here
	s.asked("delete")
	s.press("h")
	s.asked("delete", fmt.Sprintf("delete %s everyone=false", hers))
	s.press("down", "d", "e")
	s.asked("delete", fmt.Sprintf("delete %s everyone=true", own))
	s.press("ctrl+t", "m")
	s.asked("verify", "verify kith1bob NONE", "verify kith1bob MARK")
	s.shows("✓ Bob is verified")
	s.press("esc", "ctrl+c")
	if !s.quit || s.m.ctx.Err() == nil {
		t.Error("Ctrl+C does not leave")
	}
}

func TestKeys_saveAndFiles(t *testing.T) {
	f := withBob(3)
	f.logs["kith1bob"][2].Media = []*apiv1.Media{{Name: "a.pdf", Size: 10, State: "stored"}}
	s := begin(t, f, 80, 24, "kith1bob")
	s.press("up", "s")
	s.shows("Folder: ~/Downloads")
	s.press("enter")
	s.asked("save", fmt.Sprintf("save %032x ~/Downloads", 3))
	s.shows("saved as ~/Downloads/x")
}

func TestUpload_progressCancelAndSend(t *testing.T) {
	f := withBob(1)
	s := begin(t, f, 80, 24, "kith1bob")
	began, finish := make(chan struct{}), make(chan struct{})
	f.upload = func(ctx context.Context, count func(done, total int64)) (*client.Uploaded, error) {
		count(25, 100)
		close(began)
		select {
		case <-finish:
			return &client.Uploaded{Token: "t", Size: 100, Stripped: true}, nil
		case <-ctx.Done():
			return nil, context.Canceled
		}
	}
	attach := func() chan tea.Msg {
		s.press("ctrl+o")
		s.typed("p")
		s.press("tab")
		s.hold, s.held = true, nil
		s.press("enter")
		s.hold = false
		out := make(chan tea.Msg, 1)
		go func() { out <- firstOf(s.held) }()
		<-began
		return out
	}
	over := attach()
	s.shows("▤ photo.jpg", "25%", "Ctrl+X cancels")
	s.press("ctrl+x")
	s.send(<-over)
	s.hides("25%")
	s.shows("photo.jpg is not sent")

	began = make(chan struct{})
	over = attach()
	s.typed("look")
	s.press("enter") // before the file is there
	s.asked("send")
	close(finish)
	s.send(<-over)
	s.asked("send", `send "look" to kith1bob reply= files=1`)
}

// firstOf runs commands until one gives a message.
func firstOf(cmds []tea.Cmd) tea.Msg {
	for _, c := range cmds {
		switch msg := c().(type) {
		case nil:
		case tea.BatchMsg:
			if out := firstOf(msg); out != nil {
				return out
			}
		default:
			return msg
		}
	}
	return nil
}

func TestFollow_resumesWhereItWas(t *testing.T) {
	f := withBob(3)
	s := begin(t, f, 80, 24, "kith1bob")
	hello := &apiv1.WatchResponse{Seq: 1005, Event: &apiv1.WatchResponse_Message{Message: says(1005, false, "only once")}}
	s.happens(hello)
	s.send(fed{ended: true, err: errors.New("gone")})
	s.shows("the node does not answer")
	f.fail = errors.New("still gone")
	s.send(tickRetry)
	s.shows("the node does not answer")
	f.fail = nil
	s.send(tickRetry)
	s.hides("the node does not answer")
	if !slices.Equal(s.resumed, []uint64{1000, 1005}) {
		t.Errorf("it followed from %d", s.resumed)
	}
	s.happens(hello) // may be repeated
	if n := strings.Count(s.text(), "│    only once"); n != 1 {
		t.Errorf("a repeated message is shown %d times:\n%s", n, s.text())
	}
}

func TestFollow_nothingFallsBetweenPageAndEvents(t *testing.T) {
	f := withBob(3)
	s := begin(t, f, 80, 24, "")
	s.hold = true
	s.press("enter")
	page := firstOf(s.held).(logged)
	s.hold = false
	early := says(1001, false, "meanwhile")
	s.happens(&apiv1.WatchResponse{Seq: 1001, Event: &apiv1.WatchResponse_Message{Message: early}},
		&apiv1.WatchResponse{Seq: 1002, Event: &apiv1.WatchResponse_Changed{Changed: says(3, true, "changed meanwhile")}})
	s.send(page) // made before
	s.shows("meanwhile", "changed meanwhile", "text-2.")
}

func TestFollow_feedKeepsOrderAndEnds(t *testing.T) {
	s := begin(t, withBob(1), 80, 24, "")
	got := s.m.follow()().(fed)
	next := uint64(1000)
	for {
		for _, w := range got.events {
			if w.GetSeq() != next {
				t.Fatalf("event %d, want %d", w.GetSeq(), next)
			}
			next++
		}
		if got.ended {
			break
		}
		if len(got.events) == 0 || len(got.events) > maxFed {
			t.Fatalf("%d events at once", len(got.events))
		}
		got = got.from.next().(fed)
	}
	if next != 1600 || got.err == nil {
		t.Errorf("it ended before event %d: %v", next, got.err)
	}
}

func TestFollow_changes(t *testing.T) {
	f := withBob(3)
	answering := says(4, true, "my answer")
	answering.ReplyTo = &apiv1.Quote{Id: fmt.Sprintf("%032x", 2), Here: true, From: "Bob", Text: "text-2."}
	f.logs["kith1bob"] = append(f.logs["kith1bob"], answering)
	s := begin(t, f, 80, 24, "kith1bob")
	s.node.took("")
	deleted := says(2, false, "")
	deleted.Deleted = true
	s.happens(&apiv1.WatchResponse{Seq: 1001, Event: &apiv1.WatchResponse_Changed{Changed: deleted}})
	s.asked("message", "message "+answering.GetId()) // it quotes what changed
	s.happens(&apiv1.WatchResponse{Seq: 1002, Event: &apiv1.WatchResponse_Removed{Removed: &apiv1.Removed{Id: fmt.Sprintf("%032x", 1), Contact: "Bob"}}})
	s.hides("text-1.")
	s.happens(&apiv1.WatchResponse{Seq: 1003, Event: &apiv1.WatchResponse_Contact{Contact: &apiv1.Contact{Account: "kith1carol", Name: "Carol", State: "pending"}}})
	s.shows("Carol")
}

func TestTyping_bothWays(t *testing.T) {
	s := begin(t, withBob(1), 80, 24, "kith1bob")
	s.typed("hello")
	s.asked("typing", "typing kith1bob")
	s.now = s.now.Add(typingEvery)
	s.typed("!")
	s.asked("typing", "typing kith1bob")

	s.happens(&apiv1.WatchResponse{Event: &apiv1.WatchResponse_Typing{Typing: &apiv1.Typing{Contact: "Bob", UntilMs: s.now.Add(5 * time.Second).UnixMilli()}}})
	s.shows("writes… · online")
	s.now = s.now.Add(6 * time.Second)
	s.send(tickTyping)
	s.hides("writes…")
}

func TestProgress_isAskedForWhileFilesCome(t *testing.T) {
	f := withBob(1)
	f.logs["kith1bob"][0].Media = []*apiv1.Media{{Name: "film.mp4", Size: 100, Have: 40, State: "fetching"}}
	s := begin(t, f, 80, 24, "kith1bob")
	s.shows("film.mp4  100 B  fetching", "40%")
	if !slices.Contains(s.waits, tickProgress) {
		t.Fatal("nothing waits for progress")
	}
	f.logs["kith1bob"][0] = says(1, false, "text-1.")
	f.logs["kith1bob"][0].Media = []*apiv1.Media{{Name: "film.mp4", Size: 100, Have: 100, State: "stored"}}
	s.waits = nil
	s.send(tickProgress)
	s.hides("fetching")
	s.waits = nil
	s.send(tickProgress)
	if slices.Contains(s.waits, tickProgress) {
		t.Error("it is asked for when all is here")
	}
}

func TestDraft_staysWithItsConversation(t *testing.T) {
	f := withBob(2)
	f.contacts = append(f.contacts, &apiv1.Contact{Account: "kith1carol", Name: "Carol", State: "established"})
	s := begin(t, f, 80, 24, "kith1bob")
	s.typed("for Bob")
	s.press("ctrl+n")
	s.hides("for Bob")
	s.press("ctrl+p")
	s.shows("› for Bob")
}

func TestList_nobodyYet(t *testing.T) {
	s := begin(t, newFake(), 80, 24, "")
	s.shows("Nobody yet.", "kith add")
	s.press("enter", "up", "down", "v", "tab", "ctrl+n", "ctrl+o", "r", "esc")
}
