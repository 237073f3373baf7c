package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"kith/internal/wire"
	"kith/internal/wire/contentpb"
	"kith/media"
)

var wantMalformed = func(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("%s: %v, want ErrMalformed", what, err)
	}
}

func TestFrame_EN02_EN03_roundTripAndEdges(t *testing.T) {
	ids := make([]wire.EnvelopeID, wire.MaxAcks)
	for i := range ids {
		ids[i][0] = byte(i)
	}
	for _, f := range []wire.Frame{
		{Kind: wire.FrameEnvelope, Envelope: []byte{1}},
		{Kind: wire.FrameEnvelope, Envelope: make([]byte, wire.MaxEnvelope)},
		{Kind: wire.FrameAck, Acks: ids[:1]},
		{Kind: wire.FrameAck, Acks: ids},
	} {
		b, err := f.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.ParseFrame(b)
		if err != nil || !reflect.DeepEqual(*got, f) {
			t.Errorf("kind %d: %v", f.Kind, err)
		}
	}
	for name, f := range map[string]wire.Frame{
		"no kind": {}, "empty envelope": {Kind: wire.FrameEnvelope}, "no acks": {Kind: wire.FrameAck}, "unknown": {Kind: 3},
		"envelope beyond": {Kind: wire.FrameEnvelope, Envelope: make([]byte, wire.MaxEnvelope+1)},
		"acks beyond":     {Kind: wire.FrameAck, Acks: append(ids, wire.EnvelopeID{})},
	} {
		_, err := f.AppendBinary(nil)
		wantMalformed(t, name, err)
	}
	for name, b := range map[string][]byte{
		"empty": nil, "kind alone": {1}, "unknown kind": {9, 1}, "odd acks": append([]byte{2}, make([]byte, 33)...),
		"acks beyond":     append([]byte{2}, make([]byte, 32*(wire.MaxAcks+1))...),
		"envelope beyond": append([]byte{1}, make([]byte, wire.MaxEnvelope+1)...),
		"frame beyond":    make([]byte, wire.MaxFrame+1),
	} {
		_, err := wire.ParseFrame(b)
		wantMalformed(t, name, err)
	}
}

var envelopes = []wire.Envelope{
	{Kind: wire.KindRequest, Invite: wire.InviteID{1}},
	{Kind: wire.KindBundle, Invite: wire.InviteID{2}, Body: []byte("sealed")},
	{Kind: wire.KindInitial, Invite: wire.InviteID{3}, Body: []byte("sealed")},
	{Kind: wire.KindSession, Body: []byte("ratchet")},
	{Kind: wire.KindRefusal, Invite: wire.InviteID{4}, Reason: wire.ReasonUsed, Refused: wire.EnvelopeID{5}},
	{Kind: wire.KindRefusal, Reason: wire.ReasonNoSession, Refused: wire.EnvelopeID{5}},
	{Kind: wire.KindRenew, Body: []byte("sixteen bytes...")},
	{Kind: wire.KindPrekeys, Body: []byte("bundle")},
	{Kind: wire.KindRenewal, Body: []byte("initial and first")},
}

// withoutInvite are the kinds whose body begins at once.
var withoutInvite = []wire.EnvelopeKind{wire.KindSession, wire.KindPrekeys, wire.KindRenewal}

func TestEnvelope_EN01_EN05_roundTripAndStrictness(t *testing.T) {
	for _, e := range envelopes {
		b, err := e.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.ParseEnvelope(b)
		if err != nil || !reflect.DeepEqual(*got, e) {
			t.Errorf("kind %d: %v, %v", e.Kind, err, got)
		}
		for _, version := range []byte{0, 2, 255} {
			_, err := wire.ParseEnvelope(append([]byte{version}, b[1:]...))
			wantMalformed(t, fmt.Sprint("version ", version), err)
		}
		for n := range min(len(b), 18) {
			if _, err := wire.ParseEnvelope(b[:n]); err == nil && !slices.Contains(withoutInvite, e.Kind) {
				t.Errorf("kind %d parses from %d bytes", e.Kind, n)
			}
		}
		if e.Kind == wire.KindRequest || e.Kind == wire.KindRefusal || e.Kind == wire.KindRenew {
			_, err := wire.ParseEnvelope(append(bytes.Clone(b), 0))
			wantMalformed(t, "trailing byte", err)
		}
	}
	for name, e := range map[string]wire.Envelope{
		"no kind": {}, "unknown kind": {Kind: 9}, "no body": {Kind: wire.KindSession}, "no sealed body": {Kind: wire.KindBundle},
		"no reason": {Kind: wire.KindRefusal}, "unknown reason": {Kind: wire.KindRefusal, Reason: 5},
		"no session for an invite": {Kind: wire.KindRefusal, Reason: wire.ReasonNoSession, Invite: wire.InviteID{1}},
		"short nonce":              {Kind: wire.KindRenew, Body: make([]byte, wire.RenewSize-1)},
		"long nonce":               {Kind: wire.KindRenew, Body: make([]byte, wire.RenewSize+1)},
		"no bundle":                {Kind: wire.KindPrekeys},
		"no initial":               {Kind: wire.KindRenewal},
		"beyond":                   {Kind: wire.KindSession, Body: make([]byte, wire.MaxEnvelope-1)},
	} {
		_, err := e.AppendBinary(nil)
		wantMalformed(t, name, err)
	}
	if _, err := (&wire.Envelope{Kind: wire.KindSession, Body: make([]byte, wire.MaxEnvelope-2)}).AppendBinary(nil); err != nil {
		t.Errorf("the largest envelope: %v", err)
	}
}

func TestEnvelope_EN09_sealedBytesOpenOnlyWhereTheyBelong(t *testing.T) {
	key, id := [32]byte{1}, wire.InviteID{2}
	sealed := wire.SealToInvite(key, wire.KindBundle, id, []byte("bundle"))
	if pt, err := wire.OpenFromInvite(key, wire.KindBundle, id, sealed); err != nil || string(pt) != "bundle" {
		t.Fatal(err)
	}
	if bytes.Equal(sealed, wire.SealToInvite(key, wire.KindBundle, id, []byte("bundle"))) {
		t.Error("two sealings are equal")
	}
	open := func(what string, key [32]byte, kind wire.EnvelopeKind, id wire.InviteID, b []byte) {
		t.Helper()
		_, err := wire.OpenFromInvite(key, kind, id, b)
		wantMalformed(t, what, err)
	}
	open("another key", [32]byte{9}, wire.KindBundle, id, sealed)
	open("another kind", key, wire.KindInitial, id, sealed)
	open("another invite", key, wire.KindBundle, wire.InviteID{3}, sealed)
	for i := range sealed {
		b := bytes.Clone(sealed)
		b[i] ^= 1
		open("flipped", key, wire.KindBundle, id, b)
		open("cut", key, wire.KindBundle, id, sealed[:i])
	}
}

func TestContent_CO01_CO02_padding(t *testing.T) {
	for n, want := range map[int]int{0: 256, 255: 256, 256: 512, 4095: 4096, 4096: 8192, 8191: 8192, 8192: 12288} {
		if got := wire.Bucket(n); got != want {
			t.Errorf("bucket of %d is %d, want %d", n, got, want)
		}
		padded := wire.Pad(bytes.Repeat([]byte{0x80}, n))
		if len(padded) != want {
			t.Errorf("%d bytes pad to %d", n, len(padded))
		}
		got, err := wire.Unpad(padded)
		if err != nil || len(got) != n {
			t.Errorf("%d bytes: %v, %d back", n, err, len(got))
		}
	}
	good := wire.Pad([]byte("x"))
	for name, b := range map[string][]byte{
		"empty": nil, "zeros": make([]byte, 256), "mark missing": append([]byte("x"), make([]byte, 255)...),
		"longer": append(bytes.Clone(good), 0), "larger bucket": append(bytes.Clone(good), make([]byte, 256)...), "cut": good[:255],
	} {
		_, err := wire.Unpad(b)
		wantMalformed(t, name, err)
	}
}

func content(change func(*wire.Content)) *wire.Content {
	c := &wire.Content{ID: wire.MessageID{1}, Lamport: 7, SentAt: time.UnixMilli(1_700_000_000_123).UTC(),
		Message: &wire.Message{Text: "hi", Media: []wire.Attachment{{
			Pointer: &media.Pointer{Key: [32]byte{1}, Root: [32]byte{2}, Size: 3}, Name: "a.jpg", Type: "image/jpeg"}}}}
	if change != nil {
		change(c)
	}
	return c
}

func TestContent_CO03_everyKindTravels(t *testing.T) {
	for _, c := range []*wire.Content{
		content(nil),
		{ID: wire.MessageID{2}, SentAt: time.UnixMilli(1).UTC(), Hello: &wire.Hello{DeviceList: []byte("list"), Name: "Ω", Addrs: []string{"/ip4/1.2.3.4/tcp/5"}}},
		{ID: wire.MessageID{3}, SentAt: time.UnixMilli(-5).UTC(), Receipt: &wire.Receipt{Read: []wire.MessageID{{4}, {5}}}},
		content(func(c *wire.Content) { c.Message.ReplyTo = wire.MessageID{8} }),
		content(edit("other")), content(edit("")), content(react("")), content(react("👩‍👩‍👧")), content(typing),
		content(deletion(wire.Deleted{Target: wire.MessageID{4}, Lamport: 3, SentAt: time.UnixMilli(9).UTC()}, wire.Deleted{Target: wire.MessageID{5}, SentAt: time.UnixMilli(0).UTC()})),
	} {
		b, err := c.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.ParseContent(b)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%v\n%+v\n%+v", err, got, c)
		}
	}
	// A body of a kind nobody knows yet: field 99 in place of a body.
	unknown, _ := content(nil).AppendBinary(nil)
	id := unknown[:18] // field 1, 16 bytes
	got, err := wire.ParseContent(append(bytes.Clone(id), 0x9a, 0x06, 0x01, 'x'))
	if err != nil || got.Hello != nil || got.Message != nil || got.Receipt != nil {
		t.Errorf("unknown kind: %v, %+v", err, got)
	}
}

func TestContent_CO05_CO06_limitsHoldOnBothSides(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	attachment := content(nil).Message.Media[0]
	named := func(name string) func(*wire.Content) {
		return func(c *wire.Content) { c.Message.Media[0].Name = name }
	}
	hello := func(h wire.Hello) func(*wire.Content) {
		return func(c *wire.Content) { c.Message, c.Hello = nil, &h }
	}
	for name, change := range map[string]func(*wire.Content){
		"longest text":      func(c *wire.Content) { c.Message.Text = long(wire.MaxText) },
		"most attachments":  func(c *wire.Content) { c.Message.Media = repeat(attachment, wire.MaxAttachments) },
		"longest file name": named(long(wire.MaxFileName)),
		"emoji name":        named("👩‍👩‍👧.png"),
		"longest name":      hello(wire.Hello{DeviceList: []byte{1}, Name: long(wire.MaxName)}),
		"most addresses":    hello(wire.Hello{DeviceList: []byte{1}, Name: "n", Addrs: repeat(long(wire.MaxAddr), wire.MaxAddrs)}),
		"most receipts": func(c *wire.Content) {
			c.Message, c.Receipt = nil, &wire.Receipt{Read: make([]wire.MessageID, wire.MaxReceipts)}
		},
		"highest lamport":  func(c *wire.Content) { c.Lamport = wire.MaxLamport },
		"longest edit":     edit(long(wire.MaxText)),
		"longest emoji":    react("a" + strings.Repeat("\u0301", (wire.MaxEmoji-1)/2)),
		"most deletions":   deletion(repeat(wire.Deleted{Target: wire.MessageID{1}, Lamport: wire.MaxLamport, SentAt: time.UnixMilli(1)}, wire.MaxDeleted)...),
		"text of controls": func(c *wire.Content) { c.Message.Text = "\x1b[2J\u202e" },
	} {
		b, err := content(change).AppendBinary(nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := wire.ParseContent(b); err != nil {
			t.Errorf("%s does not parse: %v", name, err)
		}
	}
	for name, change := range map[string]func(*wire.Content){
		"nothing":           func(c *wire.Content) { c.Message = nil },
		"empty message":     func(c *wire.Content) { c.Message = &wire.Message{} },
		"text beyond":       func(c *wire.Content) { c.Message.Text = long(wire.MaxText + 1) },
		"text no UTF-8":     func(c *wire.Content) { c.Message.Text = "\xff" },
		"attachments":       func(c *wire.Content) { c.Message.Media = repeat(attachment, wire.MaxAttachments+1) },
		"no pointer":        func(c *wire.Content) { c.Message.Media[0].Pointer = nil },
		"type beyond":       func(c *wire.Content) { c.Message.Media[0].Type = long(wire.MaxMediaType + 1) },
		"name beyond":       named(long(wire.MaxFileName + 1)),
		"no name":           named(""),
		"path":              named("a/b"),
		"windows path":      named(`a\b`),
		"parent":            named(".."),
		"control":           named("a\nb"),
		"turned around":     named("gpj.\u202efdp.exe"),
		"unseen":            named("a\u200bb"),
		"hello: no list":    hello(wire.Hello{Name: "n"}),
		"hello: no name":    hello(wire.Hello{DeviceList: []byte{1}}),
		"hello: blank name": hello(wire.Hello{DeviceList: []byte{1}, Name: " \t"}),
		"hello: name":       hello(wire.Hello{DeviceList: []byte{1}, Name: long(wire.MaxName + 1)}),
		"hello: addresses":  hello(wire.Hello{DeviceList: []byte{1}, Name: "n", Addrs: repeat("/a", wire.MaxAddrs+1)}),
		"hello: address":    hello(wire.Hello{DeviceList: []byte{1}, Name: "n", Addrs: []string{long(wire.MaxAddr + 1)}}),
		"no receipts":       func(c *wire.Content) { c.Message, c.Receipt = nil, &wire.Receipt{} },
		"receipts beyond": func(c *wire.Content) {
			c.Message, c.Receipt = nil, &wire.Receipt{Read: make([]wire.MessageID, wire.MaxReceipts+1)}
		},
		"edit of nothing":  func(c *wire.Content) { edit("x")(c); c.Edit.Target = wire.MessageID{} },
		"edit beyond":      edit(long(wire.MaxText + 1)),
		"edit no UTF-8":    edit("\xff"),
		"no deletions":     func(c *wire.Content) { c.Message, c.Deletion = nil, []wire.Deleted{} },
		"deletions beyond": deletion(repeat(wire.Deleted{Target: wire.MessageID{1}}, wire.MaxDeleted+1)...),
		"deletion of none": deletion(wire.Deleted{}),
		"deleted lamport":  deletion(wire.Deleted{Target: wire.MessageID{1}, Lamport: wire.MaxLamport + 1}),
		"reaction to none": func(c *wire.Content) { react("x")(c); c.Reaction.Target = wire.MessageID{} },
		"emoji beyond":     react("a" + strings.Repeat("\u0301", wire.MaxEmoji/2)),
		"lamport beyond":   func(c *wire.Content) { c.Lamport = wire.MaxLamport + 1 },
	} {
		_, err := content(change).AppendBinary(nil)
		wantMalformed(t, name, err)
	}
	_, err := wire.ParseContent(make([]byte, wire.MaxContent+1))
	wantMalformed(t, "content beyond", err)
}

// TestContent_CO33_previews: what a preview may be, on both sides; one that breaks a
// limit is not sent, and what is received without it stands.
func TestContent_CO33_previews(t *testing.T) {
	most := wire.Preview{Width: wire.MaxSide, Height: wire.MaxSide, Duration: wire.MaxDuration * time.Millisecond, ThumbHash: make([]byte, wire.MaxThumbHash),
		Thumbnail: make([]byte, wire.MaxThumbnail), Waveform: make([]byte, wire.MaxWaveform)}
	with := func(p *wire.Preview) *wire.Content {
		return content(func(c *wire.Content) { c.Message.Media[0].Preview = p })
	}
	b, err := with(&most).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := wire.ParseContent(b)
	if err != nil || !reflect.DeepEqual(got.Message.Media[0].Preview, &most) {
		t.Errorf("%v, %+v", err, got)
	}
	for name, change := range map[string]func(*wire.Preview){
		"width":     func(p *wire.Preview) { p.Width++ },
		"height":    func(p *wire.Preview) { p.Height++ },
		"duration":  func(p *wire.Preview) { p.Duration += time.Millisecond },
		"hash":      func(p *wire.Preview) { p.ThumbHash = make([]byte, wire.MaxThumbHash+1) },
		"thumbnail": func(p *wire.Preview) { p.Thumbnail = make([]byte, wire.MaxThumbnail+1) },
		"waveform":  func(p *wire.Preview) { p.Waveform = make([]byte, wire.MaxWaveform+1) },
	} {
		p := most
		change(&p)
		_, err := with(&p).AppendBinary(nil)
		wantMalformed(t, name, err)
		_, err = p.AppendBinary(nil)
		wantMalformed(t, name, err)
		// The same from somebody who does not keep to it.
		raw := foreign(t, with(nil), &p)
		got, err := wire.ParseContent(raw)
		if err != nil || got.Message == nil || got.Message.Media[0].Preview != nil {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
	}
	// All previews of a message together.
	c := content(nil)
	c.Message.Media = repeat(wire.Attachment{Pointer: c.Message.Media[0].Pointer, Name: "n", Preview: &wire.Preview{Thumbnail: make([]byte, wire.MaxThumbnail)}}, wire.MaxPreviews/wire.MaxThumbnail)
	if _, err := c.AppendBinary(nil); err != nil {
		t.Errorf("as much as there is room for: %v", err)
	}
	c.Message.Media = append(c.Message.Media, wire.Attachment{Pointer: c.Message.Media[0].Pointer, Name: "n", Preview: &wire.Preview{Waveform: []byte{1}}})
	_, err = c.AppendBinary(nil)
	wantMalformed(t, "all together", err)
	c.Message.Media[len(c.Message.Media)-1].Preview = nil
	raw := foreign(t, c, &wire.Preview{Waveform: []byte{1}})
	if got, err := wire.ParseContent(raw); err != nil || got.Message.Media[len(got.Message.Media)-1].Preview != nil || got.Message.Media[0].Preview == nil {
		t.Errorf("beyond the room: %v", err)
	}
	if wire.ParsePreview([]byte{0xff}) != nil || wire.ParsePreview(nil) != nil {
		t.Error("a row that is no preview")
	}
}

// foreign encodes a content whose last attachment has a preview, whatever it is.
func foreign(t *testing.T, c *wire.Content, p *wire.Preview) []byte {
	t.Helper()
	b, err := c.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	var pb contentpb.Content
	if err := proto.Unmarshal(b, &pb); err != nil {
		t.Fatal(err)
	}
	all := pb.GetMessage().GetMedia()
	all[len(all)-1].Preview = &contentpb.Preview{Width: uint32(p.Width), Height: uint32(p.Height), DurationMs: uint64(p.Duration.Milliseconds()),
		Thumbhash: p.ThumbHash, Thumbnail: p.Thumbnail, Waveform: p.Waveform}
	if b, err = proto.Marshal(&pb); err != nil {
		t.Fatal(err)
	}
	return b
}

func repeat[T any](v T, n int) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = v
	}
	return all
}

func FuzzParseFrame(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Add(append([]byte{2}, make([]byte, 64)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := wire.ParseFrame(b)
		if err != nil {
			return
		}
		if again, err := p.AppendBinary(nil); err != nil || !bytes.Equal(again, b) {
			t.Fatal("not canonical")
		}
	})
}

func FuzzParseEnvelope(f *testing.F) {
	for _, e := range envelopes {
		b, _ := e.AppendBinary(nil)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := wire.ParseEnvelope(b)
		if err != nil {
			return
		}
		if again, err := p.AppendBinary(nil); err != nil || !bytes.Equal(again, b) {
			t.Fatal("not canonical")
		}
	})
}

func FuzzParseContent(f *testing.F) {
	for _, change := range []func(*wire.Content){nil, edit("x"), react("👍"), typing, deletion(wire.Deleted{Target: wire.MessageID{1}, Lamport: 4})} {
		b, _ := content(change).AppendBinary(nil)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := wire.ParseContent(b)
		if err != nil || reflect.DeepEqual(*c, wire.Content{ID: c.ID, Lamport: c.Lamport, SentAt: c.SentAt, Opened: c.Opened, Missing: c.Missing}) {
			return
		}
		again, err := c.AppendBinary(nil)
		if err != nil {
			t.Fatal("what was received cannot be sent:", err)
		}
		if back, err := wire.ParseContent(again); err != nil || !reflect.DeepEqual(back, c) {
			t.Fatal("another content after a round trip")
		}
	})
}

func FuzzUnpad(f *testing.F) {
	f.Add(wire.Pad([]byte("x")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := wire.Unpad(b); err == nil && !bytes.Equal(wire.Pad(c), b) {
			t.Fatal("not canonical")
		}
	})
}
