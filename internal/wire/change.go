package wire

import (
	"time"
	"unicode"
	"unicode/utf8"

	"kith/internal/wire/contentpb"
)

// changeToPB sets the body of a content that does something to messages.
func changeToPB(pb *contentpb.Content, c *Content) {
	switch {
	case c.Edit != nil:
		pb.Body = &contentpb.Content_Edit{Edit: &contentpb.Edit{Id: c.Edit.Target[:], Text: c.Edit.Text}}
	case c.Deletion != nil:
		d := &contentpb.Deletion{}
		for i := range c.Deletion {
			x := &c.Deletion[i]
			d.Messages = append(d.Messages, &contentpb.Deleted{Id: x.Target[:], Lamport: x.Lamport, SentAtMs: x.SentAt.UnixMilli()})
		}
		pb.Body = &contentpb.Content_Deletion{Deletion: d}
	case c.Reaction != nil:
		pb.Body = &contentpb.Content_Reaction{Reaction: &contentpb.Reaction{Id: c.Reaction.Target[:], Emoji: c.Reaction.Emoji}}
	case c.Typing:
		pb.Body = &contentpb.Content_Typing{Typing: &contentpb.Typing{}}
	}
}

// parseChange reads a body of changeToPB; known is false when it is none.
func parseChange(c *Content, pb *contentpb.Content) (known bool, err error) {
	switch body := pb.GetBody().(type) {
	case *contentpb.Content_Edit:
		c.Edit = &Edit{Text: body.Edit.GetText()}
		c.Edit.Target, err = messageID(body.Edit.GetId())
	case *contentpb.Content_Deletion:
		all := body.Deletion.GetMessages()
		if len(all) == 0 || len(all) > MaxDeleted {
			return true, ErrMalformed
		}
		for _, x := range all {
			d := Deleted{Lamport: x.GetLamport(), SentAt: time.UnixMilli(x.GetSentAtMs()).UTC()}
			if d.Target, err = messageID(x.GetId()); err != nil {
				return true, err
			}
			c.Deletion = append(c.Deletion, d)
		}
	case *contentpb.Content_Reaction:
		c.Reaction = &Reaction{Emoji: body.Reaction.GetEmoji()}
		c.Reaction.Target, err = messageID(body.Reaction.GetId())
	case *contentpb.Content_Typing:
		c.Typing = true
	default:
		return false, nil
	}
	return true, err
}

// messageID reads the id of a message; zeros name none.
func messageID(b []byte) (id MessageID, err error) {
	if len(b) != len(id) || MessageID(b) == (MessageID{}) {
		return id, ErrMalformed
	}
	return MessageID(b), nil
}

// validChange checks the limits of content.md section 3 for what is done to
// messages.
func (c *Content) validChange() bool {
	switch {
	case c.Edit != nil:
		return c.Edit.Target != MessageID{} && len(c.Edit.Text) <= MaxText && utf8.ValidString(c.Edit.Text)
	case c.Deletion != nil:
		for _, d := range c.Deletion {
			if d.Target == (MessageID{}) || d.Lamport > MaxLamport {
				return false
			}
		}
		return len(c.Deletion) > 0 && len(c.Deletion) <= MaxDeleted
	case c.Reaction != nil:
		return c.Reaction.Target != MessageID{} && (c.Reaction.Emoji == "" || ValidEmoji(c.Reaction.Emoji))
	}
	return c.Typing
}

// ValidEmoji reports whether s may be a reaction: 1 to [MaxEmoji] bytes of
// printable UTF-8 without white space that make up one character as people see
// it, as far as that can be told without tables of emoji: a first code point
// that is no mark, then only marks, skin tones, tags, the enclosing keycap, the
// second half of a flag, and whatever a joiner joins. Spec: content.md, CO-24.
func ValidEmoji(s string) bool {
	if s == "" || len(s) > MaxEmoji || !printable(s) {
		return false
	}
	var before rune
	flag := false // the code point before began a flag
	for i, r := range s {
		if unicode.IsSpace(r) || r == utf8.RuneError {
			return false
		}
		switch {
		case i == 0:
			if continues(r) {
				return false
			}
			flag = regional(r)
		case continues(r), before == joiner:
		case flag && regional(r):
			flag = false
		default:
			return false
		}
		before = r
	}
	return before != joiner
}

const joiner = 0x200d

// continues reports whether a code point belongs to the one before it.
func continues(r rune) bool {
	return unicode.IsMark(r) || r == joiner || r >= 0x1f3fb && r <= 0x1f3ff || r >= 0xe0020 && r <= 0xe007f
}

func regional(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }
