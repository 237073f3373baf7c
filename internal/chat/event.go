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

// MessageAmended says that somebody edited a message, reacted to it, or took it back.
type MessageAmended struct{ Amendment Amendment }

// MessagesHidden says that the person here deleted messages for herself.
type MessagesHidden struct {
	Conversation ConversationID
	IDs          []wire.MessageID
}

// DeletionDelivered says that the other side's device has deleted a message that was
// taken back.
type DeletionDelivered struct {
	Conversation ConversationID
	ID           wire.MessageID
}

// Passed stands in the log for an amendment of which nothing is left but its place in
// the order.
type Passed struct {
	Conversation ConversationID
	Lamport      uint64
}

// MediaStored says that every chunk of a blob is on this disk, verified.
type MediaStored struct{ Root [32]byte }

// ContentUnknown keeps a content that a newer version of the other side sent
// and this version cannot read, for a later version that can.
type ContentUnknown struct {
	Conversation ConversationID
	Device       identity.DeviceID
	Raw          []byte
}

func (ContactAdded) event()      {}
func (ContactProgressed) event() {}
func (ContactVerified) event()   {}
func (ContactDevices) event()    {}
func (ContactMoved) event()      {}
func (ContactSession) event()    {}
func (MessageAdded) event()      {}
func (MessagesMarked) event()    {}
func (MessageBoxed) event()      {}
func (MessageAmended) event()    {}
func (MessagesHidden) event()    {}
func (DeletionDelivered) event() {}
func (Passed) event()            {}
func (MediaStored) event()       {}
func (ContentUnknown) event()    {}
