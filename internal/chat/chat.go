package chat

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"kith/identity"
	"kith/internal/wire"
	"kith/media"
)

// Seq is an event's place in the log of this device, from 1.
type Seq uint64

// ConversationID names a conversation on this device. A conversation of two
// is named by the contact's account.
type ConversationID [32]byte

// With returns the conversation of two with the given contact.
func With(a identity.AccountID) ConversationID { return ConversationID(a) }

// Account returns the contact of a conversation of two.
func (c ConversationID) Account() identity.AccountID { return identity.AccountID(c) }

// ContactState says how far two people have come with each other.
type ContactState uint8

const (
	// ContactPending means an invite was taken up and the other side has not
	// answered yet.
	ContactPending ContactState = 1
	// ContactEstablished means a session exists and was used by both sides.
	ContactEstablished ContactState = 2
	// ContactRefused means the other side turned the invite down.
	ContactRefused ContactState = 3
)

// String returns the word used in the interface.
func (s ContactState) String() string {
	switch s {
	case ContactPending:
		return "pending"
	case ContactEstablished:
		return "established"
	case ContactRefused:
		return "refused"
	}
	return "unknown"
}

// Contact is a person known to this account.
type Contact struct {
	Account  identity.AccountID
	Device   identity.DeviceID // the device met through the invite
	Name     string            // unique on this device
	State    ContactState
	Reason   wire.Reason // why, when refused
	Verified bool        // safety numbers were compared
	AddedAt  time.Time
	// Reduced means that the session began without a one-time prekey and the
	// first messages can be read by whoever steals this device within weeks; it
	// ends with the first answer. Stale means that the post-quantum ratchet has
	// not turned for long, since only one side writes.
	Reduced, Stale bool
	// NoReceipts and NoTyping say what this person is not told; Blocked that nothing
	// of theirs is taken and nothing is told to them.
	NoReceipts, NoTyping, Blocked bool
}

// State is how far a message is known to have come. It never goes back.
type State uint8

const (
	// Queued means durable here and waiting to leave.
	Queued State = 1
	// Delivered means decrypted and durable on a device of the other side.
	Delivered State = 2
	// Read means a person of the receiving side has seen it.
	Read State = 3
	// Boxed means that relays hold it for a device that is away; the message says
	// how many. It comes after Queued.
	Boxed State = 4
	// Fetched means that a relay no longer holds it because the other side took it
	// and had it deleted; whether it could be read is not known yet. It comes
	// between Boxed and Delivered.
	Fetched State = 5
)

// way is the order in which a message passes through the states; their numbers
// are those at rest and came about otherwise.
var way = [...]State{Queued, Boxed, Fetched, Delivered, Read}

// Before reports whether a message passes through s before t.
func (s State) Before(t State) bool { return slices.Index(way[:], s) < slices.Index(way[:], t) }

// String returns the word used in the interface.
func (s State) String() string {
	switch s {
	case Queued:
		return "queued"
	case Delivered:
		return "delivered"
	case Read:
		return "read"
	case Boxed:
		return "boxed"
	case Fetched:
		return "fetched"
	}
	return "unknown"
}

// Media is one attachment of a message and whether its bytes are here.
type Media struct {
	wire.Attachment
	Stored bool // every chunk is on this device's disk and verified
	Hold   Hold // what the person wants of one that is not stored
}

// Hold is what the person here wants of a blob that is not stored.
type Hold uint8

const (
	// Fetch means that it is fetched as soon as somebody can give it.
	Fetch Hold = 0
	// Paused means that what is here stays, and only what is looked at is fetched.
	Paused Hold = 1
	// Cancelled means that it is not wanted, and nothing of it is kept.
	Cancelled Hold = 2
)

// Message is something a person said.
type Message struct {
	ID           wire.MessageID
	Conversation ConversationID
	From         identity.AccountID
	Device       identity.DeviceID
	Lamport      uint64
	SentAt       time.Time // by the sender's clock
	Text         string
	Media        []Media
	State        State
	// BoxedOn of BoxedOf relays said that they hold all of it; both are 0 for what
	// was never boxed.
	BoxedOn, BoxedOf int
	Notice           Notice
	Seq              Seq            // of the event that added it
	ReplyTo          wire.MessageID // the message it answers; zero for none
	EditedAt         time.Time      // by the author's clock; zero when it was not edited
	// Deleted means that its author took it back: text and files are gone.
	// DeletedOn of DeletedOf devices of the other side have done so, too; both are 0
	// for messages of others.
	Deleted              bool
	DeletedOn, DeletedOf int
	// Reactions are in order of the account; they are changes of their own, which
	// [Projection.PutMessage] ignores.
	Reactions []Reaction
}

// Reaction is what somebody thinks of a message.
type Reaction struct {
	From  identity.AccountID
	Emoji string
}

// Notice marks a message that nobody wrote: something the person should see in
// the conversation. Its text is empty.
type Notice uint8

const (
	// NoticeSession means that the encrypted session was made anew.
	NoticeSession Notice = 1
)

// String returns the word used in the interface, empty for no notice.
func (n Notice) String() string {
	if n == NoticeSession {
		return "session made anew"
	}
	return ""
}

// Compare orders messages of a conversation the same way on every device:
// by causal order, then sender, then id. Clocks play no part.
func Compare(a, b *Message) int {
	return cmp.Or(
		cmp.Compare(a.Lamport, b.Lamport),
		bytes.Compare(a.From[:], b.From[:]),
		bytes.Compare(a.ID[:], b.ID[:]),
	)
}

// Conversation is the summary of a conversation.
type Conversation struct {
	ID       ConversationID
	Lamport  uint64 // the highest seen or given
	Unread   int    // messages of others not read here
	LastSeq  Seq    // the event of the newest message
	Messages int
}

// Roots returns the blob roots of a message's attachments.
func (m *Message) Roots() []media.Ref {
	var refs []media.Ref
	for _, a := range m.Media {
		refs = append(refs, a.Pointer.Ref())
	}
	return refs
}
