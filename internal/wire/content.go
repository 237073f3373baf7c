package wire

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"kith/internal/wire/contentpb"
	"kith/media"
)

// MessageID names a message: 16 random bytes, the same on every device.
type MessageID [16]byte

// Content is what one device tells another inside a session. Exactly one of
// Hello, Message, Receipt, Boxes, Nothing, Deposit, Stored, Edit, Deletion, Reaction and Typing is set; all
// are nil when the content came from a newer version that says something this one does not know.
type Content struct {
	ID      MessageID
	Lamport uint64    // causal order within the conversation
	SentAt  time.Time // by the sender's clock, to the millisecond; a claim
	// Opened acknowledges envelopes that came by boxes; at most [MaxOpened].
	Opened []EnvelopeID
	// Missing names boxes of the other side's that were not found though later
	// ones were; at most [MaxMissing].
	Missing [][32]byte
	Hello   *Hello
	Message *Message
	Receipt *Receipt
	Boxes   *Boxes
	Nothing bool // there is only something to acknowledge
	Deposit *Deposit
	Stored  [][32]byte // roots of files that are complete here; at most [MaxStored]
	// What is done to messages that were said: content.md, section 6.
	Edit     *Edit
	Deletion []Deleted // 1 to [MaxDeleted]
	Reaction *Reaction
	Typing   bool // the person is writing
}

// Edit gives a message of the sender's another text.
type Edit struct {
	Target MessageID
	Text   string // at most [MaxText]; empty leaves only the message's files
}

// Deleted names a message of the sender's that is to be gone, and what is left of
// it: its place in the conversation, for a device that never had it.
type Deleted struct {
	Target  MessageID
	Lamport uint64
	SentAt  time.Time
}

// Reaction is what the sender thinks of a message: one emoji, or nothing to take
// back what was said before.
type Reaction struct {
	Target MessageID
	Emoji  string // see [ValidEmoji]
}

// Boxes says where the sender's boxes for this device are from now on.
type Boxes struct {
	Root   [32]byte // of a chain of the sender's; docs/spec/box.md
	Relays []string // the sender's relays as links; at most [MaxRelays]
	Number uint64   // grows with each that a device says
}

// Deposit says that a file is left with relays. Source: docs/spec/deposit.md.
type Deposit struct {
	Ref  media.Ref
	Key  [32]byte
	Hour uint32     // the last one relays keep it for, hours since 1970
	IDs  [][32]byte // 1 to [MaxDepositIDs], of chunks or of indexes
}

// Hello introduces a device. DeviceList is the signed list as bytes, checked
// by whoever reads it.
type Hello struct {
	DeviceList []byte
	Name       string
	Addrs      []string
	// Generation is the generation of the session of which this is the first
	// message, from 1; 0 in other hellos. Spec: contact.md, FC-18.
	Generation uint64
	// Boxes comes with every hello of a device that uses boxes.
	Boxes *Boxes
}

// Message is what a person says: text, attachments, or both.
type Message struct {
	Text    string
	Media   []Attachment
	ReplyTo MessageID // the message it answers; zero for none
}

// Attachment is a pointer to media and what its sender says about it. Name
// and Type are the sender's words: show them, never trust them.
type Attachment struct {
	Pointer *media.Pointer
	Name    string
	Type    string
	// Preview is what can be shown before the file is here; nil for nothing.
	Preview *Preview
}

// Receipt says which messages the sender's person has read.
type Receipt struct {
	Read []MessageID
}

// AppendBinary appends the encoding of c, unpadded, to b. It fails with
// [ErrMalformed] when c breaks a limit of docs/spec/content.md, which is the
// caller's fault.
func (c *Content) AppendBinary(b []byte) ([]byte, error) {
	if !c.valid() {
		return nil, ErrMalformed
	}
	pb := &contentpb.Content{Id: c.ID[:], Lamport: c.Lamport, SentAtMs: c.SentAt.UnixMilli()}
	for _, id := range c.Opened {
		pb.Opened = append(pb.Opened, id[:])
	}
	for _, b := range c.Missing {
		pb.Missing = append(pb.Missing, b[:])
	}
	switch {
	case c.Hello != nil:
		pb.Body = &contentpb.Content_Hello{Hello: &contentpb.Hello{
			DeviceList: c.Hello.DeviceList, Name: c.Hello.Name, Addrs: c.Hello.Addrs, Generation: c.Hello.Generation,
			Boxes: boxesToPB(c.Hello.Boxes)}}
	case c.Message != nil:
		m := &contentpb.Message{Text: c.Message.Text}
		for _, a := range c.Message.Media {
			p, err := a.Pointer.AppendBinary(nil)
			if err != nil {
				return nil, ErrMalformed
			}
			m.Media = append(m.Media, &contentpb.Attachment{Pointer: p, Name: a.Name, Type: a.Type, Preview: a.Preview.toPB()})
		}
		if c.Message.ReplyTo != (MessageID{}) {
			m.ReplyTo = c.Message.ReplyTo[:]
		}
		pb.Body = &contentpb.Content_Message{Message: m}
	case c.Receipt != nil:
		r := &contentpb.Receipt{}
		for _, id := range c.Receipt.Read {
			r.Read = append(r.Read, id[:])
		}
		pb.Body = &contentpb.Content_Receipt{Receipt: r}
	case c.Boxes != nil:
		pb.Body = &contentpb.Content_Boxes{Boxes: boxesToPB(c.Boxes)}
	case c.Nothing:
		pb.Body = &contentpb.Content_Nothing{Nothing: &contentpb.Nothing{}}
	case c.Deposit != nil:
		d := c.Deposit
		pb.Body = &contentpb.Content_Deposit{Deposit: &contentpb.Deposit{
			Root: d.Ref.Root[:], Length: uint64(d.Ref.Length), Key: d.Key[:], Hour: d.Hour, Ids: slicesOf(d.IDs)}}
	case c.Stored != nil:
		pb.Body = &contentpb.Content_Stored{Stored: &contentpb.Stored{Roots: slicesOf(c.Stored)}}
	default:
		changeToPB(pb, c)
	}
	out, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(b, pb)
	if err != nil || len(out)-len(b) > MaxContent {
		return nil, ErrMalformed
	}
	return out, nil
}

// ParseContent decodes content. Fields this version does not know are left
// out; a content whose body it does not know parses with all bodies nil.
// It fails with [ErrMalformed] when a limit of docs/spec/content.md is broken.
func ParseContent(b []byte) (*Content, error) {
	if len(b) > MaxContent {
		return nil, ErrMalformed
	}
	var pb contentpb.Content
	if proto.Unmarshal(b, &pb) != nil || len(pb.GetId()) != len(MessageID{}) {
		return nil, ErrMalformed
	}
	c := &Content{ID: MessageID(pb.GetId()), Lamport: pb.GetLamport(), SentAt: time.UnixMilli(pb.GetSentAtMs()).UTC()}
	for _, id := range pb.GetOpened() {
		if len(id) != len(EnvelopeID{}) || len(c.Opened) == MaxOpened {
			return nil, ErrMalformed
		}
		c.Opened = append(c.Opened, EnvelopeID(id))
	}
	for _, b := range pb.GetMissing() {
		if len(b) != 32 || len(c.Missing) == MaxMissing {
			return nil, ErrMalformed
		}
		c.Missing = append(c.Missing, [32]byte(b))
	}
	switch body := pb.GetBody().(type) {
	case *contentpb.Content_Hello:
		c.Hello = &Hello{DeviceList: body.Hello.GetDeviceList(), Name: body.Hello.GetName(), Addrs: body.Hello.GetAddrs(),
			Generation: body.Hello.GetGeneration()}
		if b := body.Hello.GetBoxes(); b != nil {
			boxes, err := parseBoxes(b)
			if err != nil {
				return nil, err
			}
			c.Hello.Boxes = boxes
		}
	case *contentpb.Content_Message:
		m, err := parseMessage(body.Message)
		if err != nil {
			return nil, err
		}
		c.Message = m
	case *contentpb.Content_Receipt:
		r := &Receipt{}
		for _, id := range body.Receipt.GetRead() {
			if len(id) != len(MessageID{}) {
				return nil, ErrMalformed
			}
			r.Read = append(r.Read, MessageID(id))
		}
		c.Receipt = r
	case *contentpb.Content_Boxes:
		boxes, err := parseBoxes(body.Boxes)
		if err != nil {
			return nil, err
		}
		c.Boxes = boxes
	case *contentpb.Content_Nothing:
		c.Nothing = true
	case *contentpb.Content_Deposit:
		d, err := parseDeposit(body.Deposit)
		if err != nil {
			return nil, err
		}
		c.Deposit = d
	case *contentpb.Content_Stored:
		roots, err := arraysOf(body.Stored.GetRoots())
		if err != nil {
			return nil, err
		}
		c.Stored = roots
	default:
		if known, err := parseChange(c, &pb); !known || err != nil {
			return c, err
		}
	}
	if !c.valid() {
		return nil, ErrMalformed
	}
	return c, nil
}

func parseDeposit(pb *contentpb.Deposit) (*Deposit, error) {
	if len(pb.GetRoot()) != 32 || len(pb.GetKey()) != 32 || pb.GetLength() > math.MaxInt64 {
		return nil, ErrMalformed
	}
	ref, err := media.RefOf([32]byte(pb.GetRoot()), int64(pb.GetLength()))
	if err != nil {
		return nil, ErrMalformed
	}
	ids, err := arraysOf(pb.GetIds())
	if err != nil {
		return nil, err
	}
	return &Deposit{Ref: ref, Key: [32]byte(pb.GetKey()), Hour: pb.GetHour(), IDs: ids}, nil
}

func slicesOf(arrays [][32]byte) (all [][]byte) {
	for i := range arrays {
		all = append(all, arrays[i][:])
	}
	return all
}

// arraysOf reads names of 32 bytes. There are no more than a content has room for.
func arraysOf(slices [][]byte) (all [][32]byte, err error) {
	for _, b := range slices {
		if len(b) != 32 {
			return nil, ErrMalformed
		}
		all = append(all, [32]byte(b))
	}
	return all, nil
}

func boxesToPB(b *Boxes) *contentpb.Boxes {
	if b == nil {
		return nil
	}
	return &contentpb.Boxes{Root: b.Root[:], Relays: b.Relays, Number: b.Number}
}

func parseBoxes(pb *contentpb.Boxes) (*Boxes, error) {
	if len(pb.GetRoot()) != len(Boxes{}.Root) {
		return nil, ErrMalformed
	}
	return &Boxes{Root: [32]byte(pb.GetRoot()), Relays: pb.GetRelays(), Number: pb.GetNumber()}, nil
}

func (b *Boxes) valid() bool {
	if len(b.Relays) > MaxRelays {
		return false
	}
	for _, r := range b.Relays {
		if len(r) == 0 || len(r) > MaxRelay || !utf8.ValidString(r) {
			return false
		}
	}
	return true
}

func parseMessage(pb *contentpb.Message) (*Message, error) {
	m := &Message{Text: pb.GetText()}
	if len(pb.GetMedia()) > MaxAttachments {
		return nil, ErrMalformed
	}
	room := MaxPreviews
	for _, a := range pb.GetMedia() {
		p, err := media.ParsePointer(a.GetPointer())
		if err != nil {
			return nil, ErrMalformed
		}
		preview := previewOf(a.GetPreview())
		if room -= preview.Len(); room < 0 {
			preview = nil
		}
		m.Media = append(m.Media, Attachment{Pointer: p, Name: a.GetName(), Type: a.GetType(), Preview: preview})
	}
	if len(pb.GetReplyTo()) > 0 {
		var err error
		if m.ReplyTo, err = messageID(pb.GetReplyTo()); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// valid checks every limit of docs/spec/content.md section 3, the same for
// what is sent and what is received.
func (c *Content) valid() bool {
	if c.Lamport > MaxLamport || len(c.Opened) > MaxOpened || len(c.Missing) > MaxMissing {
		return false
	}
	switch {
	case c.Hello != nil:
		h := c.Hello
		if !ValidName(h.Name) || len(h.DeviceList) == 0 || len(h.Addrs) > MaxAddrs {
			return false
		}
		for _, a := range h.Addrs {
			if len(a) == 0 || len(a) > MaxAddr || !utf8.ValidString(a) {
				return false
			}
		}
		return h.Boxes == nil || h.Boxes.valid()
	case c.Message != nil:
		return c.Message.valid()
	case c.Receipt != nil:
		return len(c.Receipt.Read) > 0 && len(c.Receipt.Read) <= MaxReceipts
	case c.Boxes != nil:
		return c.Boxes.valid()
	case c.Nothing:
		return true
	case c.Deposit != nil:
		return len(c.Deposit.IDs) > 0 && len(c.Deposit.IDs) <= MaxDepositIDs
	case c.Stored != nil:
		return len(c.Stored) > 0 && len(c.Stored) <= MaxStored
	}
	return c.validChange()
}

func (m *Message) valid() bool {
	if len(m.Text) > MaxText || !utf8.ValidString(m.Text) || len(m.Media) > MaxAttachments {
		return false
	}
	previews := 0
	if m.Text == "" && len(m.Media) == 0 {
		return false
	}
	for _, a := range m.Media {
		if a.Pointer == nil || !ValidFileName(a.Name) || len(a.Type) > MaxMediaType || !printable(a.Type) ||
			a.Preview != nil && !a.Preview.Valid() {
			return false
		}
		previews += a.Preview.Len()
	}
	return previews <= MaxPreviews
}

// ValidName reports whether s may be a person's name: 1 to [MaxName] bytes of
// UTF-8 without control characters and not only white space.
func ValidName(s string) bool {
	return len(s) <= MaxName && strings.TrimSpace(s) != "" && printable(s)
}

// ValidFileName reports whether s may name an attachment: 1 to [MaxFileName]
// bytes of UTF-8 without control characters or path separators, and not a
// directory's own name.
func ValidFileName(s string) bool {
	return s != "" && len(s) <= MaxFileName && s != "." && s != ".." &&
		!strings.ContainsAny(s, `/\`) && printable(s)
}

// printable refuses control characters, characters nobody sees, and the marks
// that turn the direction of text around, with which a name could pretend to be
// another. The joiners U+200C and U+200D stay: scripts and emoji need them.
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		switch {
		case r < 0x20, r >= 0x7f && r < 0xa0,
			r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069,
			r == 0xad, r == 0x200b, r == 0x200e, r == 0x200f, r == 0x2028, r == 0x2029, r >= 0x2060 && r <= 0x2064, r == 0xfeff:
			return false
		}
	}
	return true
}
