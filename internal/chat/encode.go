package chat

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"kith/identity"
	"kith/internal/chat/eventpb"
	"kith/internal/wire"
	"kith/media"
)

var errEvent = errors.New("chat: stored event is damaged")

// MarshalEvent encodes e for the log. It fails only on an event this package
// does not know, a local fault. Spec: store.md, events.
func MarshalEvent(e Event) ([]byte, error) {
	pb := &eventpb.Event{}
	switch e := e.(type) {
	case ContactAdded:
		pb.Body = &eventpb.Event_ContactAdded{ContactAdded: contactToPB(e.Contact)}
	case ContactProgressed:
		pb.Body = &eventpb.Event_ContactProgressed{ContactProgressed: &eventpb.ContactProgressed{
			Account: e.Account[:], State: uint32(e.State), Reason: uint32(e.Reason)}}
	case ContactVerified:
		pb.Body = &eventpb.Event_ContactVerified{ContactVerified: &eventpb.ContactVerified{
			Account: e.Account[:], Verified: e.Verified}}
	case ContactDevices:
		pb.Body = &eventpb.Event_ContactDevices{ContactDevices: &eventpb.ContactDevices{Account: e.Account[:], Seq: e.Seq}}
	case ContactMoved:
		pb.Body = &eventpb.Event_ContactMoved{ContactMoved: &eventpb.ContactMoved{Account: e.Account[:], Device: e.Device[:]}}
	case ContactSession:
		pb.Body = &eventpb.Event_ContactSession{ContactSession: &eventpb.ContactSession{
			Account: e.Account[:], Reduced: e.Reduced, Stale: e.Stale}}
	case MessageAdded:
		m, err := messageToPB(&e.Message)
		if err != nil {
			return nil, err
		}
		pb.Body = &eventpb.Event_MessageAdded{MessageAdded: m}
	case MessagesMarked:
		marked := &eventpb.MessagesMarked{Conversation: e.Conversation[:], State: uint32(e.State), Received: e.Received}
		for _, id := range e.IDs {
			marked.Ids = append(marked.Ids, id[:])
		}
		pb.Body = &eventpb.Event_MessagesMarked{MessagesMarked: marked}
	case MessageBoxed:
		pb.Body = &eventpb.Event_MessageBoxed{MessageBoxed: &eventpb.MessageBoxed{
			Conversation: e.Conversation[:], Id: e.ID[:], On: uint32(e.On), Of: uint32(e.Of)}}
	case MediaStored:
		pb.Body = &eventpb.Event_MediaStored{MediaStored: &eventpb.MediaStored{Root: e.Root[:]}}
	case MediaHeld:
		pb.Body = &eventpb.Event_MediaHeld{MediaHeld: &eventpb.MediaHeld{Root: e.Root[:], Hold: uint32(e.Hold)}}
	case ContentUnknown:
		pb.Body = &eventpb.Event_ContentUnknown{ContentUnknown: &eventpb.ContentUnknown{
			Conversation: e.Conversation[:], Device: e.Device[:], Raw: e.Raw}}
	case MessageChanged:
		pb.Body = &eventpb.Event_MessageChanged{MessageChanged: changeToPB(&e.Change)}
	case ChangeDelivered:
		pb.Body = &eventpb.Event_ChangeDelivered{ChangeDelivered: &eventpb.ChangeDelivered{Conversation: e.Conversation[:], Id: e.ID[:]}}
	case MessagesForgotten:
		forgotten := &eventpb.MessagesForgotten{Conversation: e.Conversation[:]}
		for _, id := range e.IDs {
			forgotten.Ids = append(forgotten.Ids, id[:])
		}
		pb.Body = &eventpb.Event_MessagesForgotten{MessagesForgotten: forgotten}
	case ContactConfigured:
		pb.Body = &eventpb.Event_ContactConfigured{ContactConfigured: &eventpb.ContactConfigured{
			Account: e.Account[:], Name: e.Name, NoReceipts: e.NoReceipts, NoTyping: e.NoTyping, Blocked: e.Blocked}}
	default:
		return nil, fmt.Errorf("chat: event %T has no encoding", e)
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(pb)
}

// ParseEvent decodes what [MarshalEvent] made. Bytes it cannot read are a
// local fault: the store is damaged or was written by a newer version.
func ParseEvent(b []byte) (Event, error) {
	var pb eventpb.Event
	if err := proto.Unmarshal(b, &pb); err != nil {
		return nil, errEvent
	}
	f := &fields{}
	var e Event
	switch body := pb.GetBody().(type) {
	case *eventpb.Event_ContactAdded:
		e = ContactAdded{contactFromPB(f, body.ContactAdded)}
	case *eventpb.Event_ContactProgressed:
		p := body.ContactProgressed
		e = ContactProgressed{Account: f.account(p.GetAccount()), State: ContactState(p.GetState()), Reason: wire.Reason(p.GetReason())}
	case *eventpb.Event_ContactVerified:
		e = ContactVerified{Account: f.account(body.ContactVerified.GetAccount()), Verified: body.ContactVerified.GetVerified()}
	case *eventpb.Event_ContactDevices:
		e = ContactDevices{Account: f.account(body.ContactDevices.GetAccount()), Seq: body.ContactDevices.GetSeq()}
	case *eventpb.Event_ContactMoved:
		p := body.ContactMoved
		e = ContactMoved{Account: f.account(p.GetAccount()), Device: identity.DeviceID(f.bytes32(p.GetDevice()))}
	case *eventpb.Event_ContactSession:
		p := body.ContactSession
		e = ContactSession{Account: f.account(p.GetAccount()), Reduced: p.GetReduced(), Stale: p.GetStale()}
	case *eventpb.Event_MessageAdded:
		e = MessageAdded{messageFromPB(f, body.MessageAdded)}
	case *eventpb.Event_MessagesMarked:
		p := body.MessagesMarked
		marked := MessagesMarked{Conversation: ConversationID(f.bytes32(p.GetConversation())), State: State(p.GetState()), Received: p.GetReceived()}
		for _, id := range p.GetIds() {
			marked.IDs = append(marked.IDs, f.message(id))
		}
		e = marked
	case *eventpb.Event_MessageBoxed:
		p := body.MessageBoxed
		e = MessageBoxed{Conversation: ConversationID(f.bytes32(p.GetConversation())), ID: f.message(p.GetId()),
			On: int(p.GetOn()), Of: int(p.GetOf())}
	case *eventpb.Event_MediaStored:
		e = MediaStored{Root: f.bytes32(body.MediaStored.GetRoot())}
	case *eventpb.Event_MediaHeld:
		held := MediaHeld{Root: f.bytes32(body.MediaHeld.GetRoot()), Hold: Hold(body.MediaHeld.GetHold())}
		if body.MediaHeld.GetHold() > uint32(Cancelled) {
			f.err = errEvent
		}
		e = held
	case *eventpb.Event_ContentUnknown:
		p := body.ContentUnknown
		e = ContentUnknown{Conversation: ConversationID(f.bytes32(p.GetConversation())), Device: identity.DeviceID(f.bytes32(p.GetDevice())), Raw: p.GetRaw()}
	case *eventpb.Event_MessageChanged:
		e = MessageChanged{changeFromPB(f, body.MessageChanged)}
	case *eventpb.Event_ChangeDelivered:
		p := body.ChangeDelivered
		e = ChangeDelivered{Conversation: ConversationID(f.bytes32(p.GetConversation())), ID: f.message(p.GetId())}
	case *eventpb.Event_MessagesForgotten:
		forgotten := MessagesForgotten{Conversation: ConversationID(f.bytes32(body.MessagesForgotten.GetConversation()))}
		for _, id := range body.MessagesForgotten.GetIds() {
			forgotten.IDs = append(forgotten.IDs, f.message(id))
		}
		e = forgotten
	case *eventpb.Event_ContactConfigured:
		p := body.ContactConfigured
		e = ContactConfigured{Account: f.account(p.GetAccount()), Name: p.GetName(),
			NoReceipts: p.GetNoReceipts(), NoTyping: p.GetNoTyping(), Blocked: p.GetBlocked()}
	default:
		return nil, errEvent
	}
	return e, f.err
}

// fields reads fixed-size fields and remembers the first that is not.
type fields struct{ err error }

func (f *fields) bytes32(b []byte) (out [32]byte) {
	if len(b) != len(out) {
		f.err = errEvent
		return out
	}
	return [32]byte(b)
}

func (f *fields) account(b []byte) identity.AccountID { return identity.AccountID(f.bytes32(b)) }

func (f *fields) message(b []byte) (id wire.MessageID) {
	if len(b) != len(id) {
		f.err = errEvent
		return id
	}
	return wire.MessageID(b)
}

func contactToPB(c Contact) *eventpb.Contact {
	return &eventpb.Contact{Account: c.Account[:], Device: c.Device[:], Name: c.Name, State: uint32(c.State),
		Reason: uint32(c.Reason), Verified: c.Verified, AddedAtMs: c.AddedAt.UnixMilli()}
}

func contactFromPB(f *fields, p *eventpb.Contact) Contact {
	return Contact{Account: f.account(p.GetAccount()), Device: identity.DeviceID(f.bytes32(p.GetDevice())), Name: p.GetName(),
		State: ContactState(p.GetState()), Reason: wire.Reason(p.GetReason()), Verified: p.GetVerified(),
		AddedAt: time.UnixMilli(p.GetAddedAtMs()).UTC()}
}

func messageToPB(m *Message) (*eventpb.Message, error) {
	p := &eventpb.Message{Id: m.ID[:], Conversation: m.Conversation[:], From: m.From[:], Device: m.Device[:],
		Lamport: m.Lamport, SentAtMs: m.SentAt.UnixMilli(), Text: m.Text, State: uint32(m.State), Notice: uint32(m.Notice)}
	if m.ReplyTo != (wire.MessageID{}) {
		p.ReplyTo = m.ReplyTo[:]
	}
	for _, a := range m.Media {
		ptr, err := a.Pointer.AppendBinary(nil)
		if err != nil {
			return nil, err
		}
		preview, err := a.Preview.AppendBinary(nil)
		if err != nil {
			return nil, err
		}
		p.Media = append(p.Media, &eventpb.Media{Pointer: ptr, Name: a.Name, Type: a.Type, Stored: a.Stored, Preview: preview})
	}
	return p, nil
}

func messageFromPB(f *fields, p *eventpb.Message) Message {
	m := Message{ID: f.message(p.GetId()), Conversation: ConversationID(f.bytes32(p.GetConversation())), From: f.account(p.GetFrom()),
		Device: identity.DeviceID(f.bytes32(p.GetDevice())), Lamport: p.GetLamport(), SentAt: time.UnixMilli(p.GetSentAtMs()).UTC(),
		Text: p.GetText(), State: State(p.GetState()), Notice: Notice(p.GetNotice())}
	if len(p.GetReplyTo()) > 0 {
		m.ReplyTo = f.message(p.GetReplyTo())
	}
	for _, a := range p.GetMedia() {
		ptr, err := media.ParsePointer(a.GetPointer())
		if err != nil {
			f.err = errEvent
			return m
		}
		m.Media = append(m.Media, Media{Attachment: wire.Attachment{Pointer: ptr, Name: a.GetName(), Type: a.GetType(), Preview: wire.ParsePreview(a.GetPreview())}, Stored: a.GetStored()})
	}
	return m
}

func changeToPB(c *Change) *eventpb.Change {
	return &eventpb.Change{Kind: uint32(c.Kind), Conversation: c.Conversation[:], Target: c.Target[:], From: c.From[:], Id: c.ID[:],
		Lamport: c.Lamport, SentAtMs: c.SentAt.UnixMilli(), Text: c.Text}
}

func changeFromPB(f *fields, p *eventpb.Change) Change {
	c := Change{Kind: ChangeKind(p.GetKind()), Conversation: ConversationID(f.bytes32(p.GetConversation())), Target: f.message(p.GetTarget()),
		From: f.account(p.GetFrom()), ID: f.message(p.GetId()), Lamport: p.GetLamport(),
		SentAt: time.UnixMilli(p.GetSentAtMs()).UTC(), Text: p.GetText()}
	if c.Kind < Edit || c.Kind > Deletion {
		f.err = errEvent
	}
	return c
}
