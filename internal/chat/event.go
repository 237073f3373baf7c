package chat

import (
	"time"

	"kith/identity"
	"kith/internal/wire"
)

// Event is one fact of the log: one of the types of this file.
type Event interface{ event() }

// Logged is an event with its place in the log and the local time of its
// commit.
type Logged struct {
	Seq   Seq
	At    time.Time
	Event Event
}

// ContactAdded says that a person became known.
type ContactAdded struct{ Contact Contact }

// ContactProgressed says that first contact went on or ended.
type ContactProgressed struct {
	Account identity.AccountID
	State   ContactState
	Reason  wire.Reason
}

// ContactVerified says that the person here compared safety numbers, or took
// the mark back.
type ContactVerified struct {
	Account  identity.AccountID
	Verified bool
}

// ContactDevices says that a contact's signed device list changed. A mark of
// verification does not survive it.
type ContactDevices struct {
	Account identity.AccountID
	Seq     uint64
}

// ContactMoved says that a contact is now met on another device.
type ContactMoved struct {
	Account identity.AccountID
	Device  identity.DeviceID
}

// ContactSession says how well the encrypted session with a contact protects.
type ContactSession struct {
	Account identity.AccountID
	Reduced bool // see Contact
	Stale   bool
}

// MessageAdded says that a message was written or received.
type MessageAdded struct{ Message Message }

// MessagesMarked says that messages came further: delivered, or read.
type MessagesMarked struct {
	Conversation ConversationID
	IDs          []wire.MessageID
	State        State
	// Received is true for messages of others read here, false for our own
	// messages reported by the other side.
	Received bool
}

// MessageBoxed says how many of the relays wanted hold an own message; it only
// grows.
type MessageBoxed struct {
	Conversation ConversationID
	ID           wire.MessageID
	On, Of       int
}

// MediaStored says that every chunk of a blob is on this disk, verified.
type MediaStored struct{ Root [32]byte }

// MediaHeld says what the person here wants of a blob that is not stored.
type MediaHeld struct {
	Root [32]byte
	Hold Hold
}

// ContentUnknown keeps a content that a newer version of the other side sent
// and this version cannot read, for a later version that can.
type ContentUnknown struct {
	Conversation ConversationID
	Device       identity.DeviceID
	Raw          []byte
}

// MessageChanged says that somebody edited, deleted or reacted to a message. One
// that a later one has taken the place of is taken out of the log.
type MessageChanged struct{ Change Change }

// ChangeDelivered says that the other side has applied what one content of ours
// changed.
type ChangeDelivered struct {
	Conversation ConversationID
	ID           wire.MessageID // of the content
}

// MessagesForgotten says that the person here deleted messages for herself alone.
type MessagesForgotten struct {
	Conversation ConversationID
	IDs          []wire.MessageID
}

// ContactConfigured says what a contact is called and may know from now on.
type ContactConfigured struct {
	Account                       identity.AccountID
	Name                          string
	NoReceipts, NoTyping, Blocked bool
}

// ContactTyping says that a contact is writing now. It is told to watchers and is
// never in the log.
type ContactTyping struct{ Account identity.AccountID }

// MediaMoving says that a blob came further. It is told to watchers and is never in
// the log.
type MediaMoving struct{ Root [32]byte }

// StandingChanged says that what keeps the node from its work, which relays answer
// or who is linked is otherwise than before. It is told to watchers and is never in
// the log.
type StandingChanged struct{}

func (StandingChanged) event()   {}
func (MediaMoving) event()       {}
func (MessageChanged) event()    {}
func (ChangeDelivered) event()   {}
func (MessagesForgotten) event() {}
func (ContactConfigured) event() {}
func (ContactTyping) event()     {}
func (ContactAdded) event()      {}
func (ContactProgressed) event() {}
func (ContactVerified) event()   {}
func (ContactDevices) event()    {}
func (ContactMoved) event()      {}
func (ContactSession) event()    {}
func (MessageAdded) event()      {}
func (MessagesMarked) event()    {}
func (MessageBoxed) event()      {}
func (MediaStored) event()       {}
func (MediaHeld) event()         {}
func (ContentUnknown) event()    {}
