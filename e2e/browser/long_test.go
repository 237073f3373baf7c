package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/store"
	"kith/internal/vault"
	"kith/internal/wire"
)

// messages is how long the longest conversation is.
const messages = 100_000

// TestPage_longConversation: a conversation of 100,000 messages opens, scrolls and is
// searched without anybody waiting. The figures are logged; what is held against them here
// is loose, since other work may run beside.
func TestPage_longConversation(t *testing.T) {
	if !*run {
		t.Skip("skipped: browsers are driven only with -browser")
	}
	where := chromium(t)
	dir, err := os.MkdirTemp("", "kith-long-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	kith, home := filepath.Join(dir, "kith"), filepath.Join(dir, "home")
	for _, c := range [][]string{{"go", "build", "-o", kith, "kith/cmd/kith"}, {"npm", "ci", "--silent", "--no-audit", "--no-fund"}, {kith, "--home", home, "init", "--name", "Alice", "--key-file"}} {
		if out, err := exec.CommandContext(t.Context(), c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(c, " "), err, out)
		}
	}
	began := time.Now()
	talk(t, home)
	t.Logf("%d messages written in %v", messages, time.Since(began).Round(time.Millisecond))
	node := exec.CommandContext(t.Context(), kith, "--home", home, "--json", "page", "--no-open", "--no-lan", "--listen", "/ip4/127.0.0.1/tcp/0")
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = node.Process.Signal(os.Interrupt)
		_ = node.Wait() // interrupted
	}()
	var page struct{ URL string }
	if err := json.NewDecoder(out).Decode(&page); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "node", "long.mjs", page.URL, *keep)
	c.Env = append(os.Environ(), "CHROMIUM="+where)
	c.Stderr = os.Stderr
	said, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	var took struct {
		Interactive, KiB, Open, Longest, Search float64
		Over50, Frames, Rows                    int
	}
	if err := json.Unmarshal(said, &took); err != nil {
		t.Fatalf("%v in %s", err, said)
	}
	t.Logf("interactive after %.0f ms, %.0f KiB; opened in %.0f ms; %d frames while scrolling, %d over 50 ms, longest %.0f ms; %d rows in the page; slowest search %.0f ms",
		took.Interactive, took.KiB, took.Open, took.Frames, took.Over50, took.Longest, took.Rows, took.Search)
	if took.Interactive > 1500 || took.KiB > 150 || took.Open > 1000 || took.Longest > 500 || took.Search > 1000 || took.Rows > 300 {
		t.Error("that is far from what it should be")
	}
}

// talk fills a home with a conversation.
func talk(t *testing.T, home string) {
	t.Helper()
	key, err := vault.Open(home, func() ([]byte, error) { return nil, os.ErrInvalid })
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(home, key)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	var self engine.Self
	if err := db.View(func(tx *store.Tx) (err error) { self, err = engine.LoadSelf(tx); return err }); err != nil {
		t.Fatal(err)
	}
	bob := chat.Contact{Account: identity.NewAccount().ID(), Device: identity.DeviceID{2}, Name: "Bob", State: chat.ContactEstablished, AddedAt: time.Now()}
	words := strings.Fields("harbour lantern thirty one rain over the lake and nobody in between who would have thought of seven sisters")
	events := []chat.Event{chat.ContactAdded{Contact: bob}}
	for i := range messages {
		m := chat.Message{ID: wire.MessageID{1, byte(i >> 16), byte(i >> 8), byte(i)}, Conversation: chat.With(bob.Account), From: bob.Account, Device: bob.Device,
			Lamport: uint64(i + 1), SentAt: time.Now().Add(time.Duration(i-messages) * 7 * time.Minute), State: chat.Read}
		if i%3 == 0 {
			m.From, m.Device = self.Account, self.Device.ID()
		}
		m.Text = fmt.Sprintf("message %d: %s", i, strings.Join(words[i%len(words):], " "))
		if i%11 == 0 {
			m.Text += strings.Repeat(" and so on", i%40)
		}
		if events = append(events, chat.MessageAdded{Message: m}); len(events) >= 2000 || i == messages-1 {
			err := db.Update(t.Context(), func(tx *store.Tx) error {
				_, err := tx.Apply(&engine.Update{Events: events}, time.Now())
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			events = nil
		}
	}
}
