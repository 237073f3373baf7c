package wire_test

import (
	"strings"
	"testing"

	"kith/internal/wire"
)

func edit(text string) func(*wire.Content) {
	return func(c *wire.Content) { c.Message, c.Edit = nil, &wire.Edit{Target: wire.MessageID{9}, Text: text} }
}

func react(emoji string) func(*wire.Content) {
	return func(c *wire.Content) {
		c.Message, c.Reaction = nil, &wire.Reaction{Target: wire.MessageID{9}, Emoji: emoji}
	}
}

func deletion(all ...wire.Deleted) func(*wire.Content) {
	return func(c *wire.Content) { c.Message, c.Deletion = nil, all }
}

func typing(c *wire.Content) { c.Message, c.Typing = nil, true }

// TestContent_CO24_reactionsAreOneCharacter: what people see as one character is
// one, and nothing that could be a text or act on a screen.
func TestContent_CO24_reactionsAreOneCharacter(t *testing.T) {
	for _, s := range []string{"👍", "👍🏿", "❤️", "❤", "👩‍👩‍👧", "🇩🇪", "1️⃣", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "é", "e\u0301", "你", "a", "+"} {
		if !wire.ValidEmoji(s) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{"", "ok", "👍👍", " ", "👍 ", " 👍", "\n", "\x1b", "\u202e", "\u200d", "👍\u200d", "\u0301", "🇩🇪🇫🇷", "🇩🇪🇫", "\xff", "👍\x00", "\u00a0", "🏿",
		strings.Repeat("👍", 17)} {
		if wire.ValidEmoji(s) {
			t.Errorf("%q is taken", s)
		}
	}
}

// TestContent_CO03_idsOfTargetsHave16Bytes: a target of another length, or zeros,
// is malformed.
func TestContent_CO03_idsOfTargetsHave16Bytes(t *testing.T) {
	for _, change := range []func(*wire.Content){edit("x"), react("x"), deletion(wire.Deleted{Target: wire.MessageID{9}}),
		func(c *wire.Content) { c.Message.ReplyTo = wire.MessageID{9} }} {
		b, err := content(change).AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		zero := strings.ReplaceAll(string(b), string([]byte{16, 9})+strings.Repeat("\x00", 15), string([]byte{16, 0})+strings.Repeat("\x00", 15))
		if zero == string(b) {
			t.Fatal("the id is not where it was thought to be")
		}
		_, err = wire.ParseContent([]byte(zero))
		wantMalformed(t, "a target of zeros", err)
	}
}
