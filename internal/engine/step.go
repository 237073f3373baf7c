package engine

import (
	"errors"
	"time"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/wire"
	"kith/media"
)

// StateKey names one row of engine state, such as "self" or
// "sessions/<device in hex>". The forms are in docs/spec/store.md.
type StateKey string

// View is what a step may read: a transaction of the store, or maps in a
// simulation. All methods see what earlier steps of the same transaction
// wrote. Every error is local.
type View interface {
	// State returns a row, nil when there is none.
	State(StateKey) ([]byte, error)
	// StateKeys returns the keys that start with prefix, sorted.
	StateKeys(prefix string) ([]StateKey, error)
	// Contacts returns every contact, in no order.
	Contacts() ([]chat.Contact, error)
	Contact(identity.AccountID) (c chat.Contact, ok bool, err error)
	Conversation(chat.ConversationID) (chat.Conversation, error)
	Message(wire.MessageID) (m chat.Message, ok bool, err error)
	// Unread returns up to limit ids of messages of others not yet read,
	// oldest first.
	Unread(id chat.ConversationID, limit int) ([]wire.MessageID, error)
	// Undelivered returns the ids of own messages not known to be delivered,
	// oldest first.
	Undelivered(chat.ConversationID) ([]wire.MessageID, error)
	// OutboxFor returns the ids of everything that waits for a device.
	OutboxFor(identity.DeviceID) ([]wire.EnvelopeID, error)
	// Outbox returns an envelope that waits for its acknowledgement.
	Outbox(wire.EnvelopeID) (o wire.Outgoing, ok bool, err error)
	// OutboxCarrying returns the envelopes that wait and carry a message or a change.
	OutboxCarrying(wire.MessageID) ([]wire.EnvelopeID, error)
	// Change returns what somebody did last of a kind to a message, Changes what
	// everybody did to one, and ChangesBy what one content did.
	Change(kind chat.ChangeKind, target wire.MessageID, from identity.AccountID) (c chat.Change, ok bool, err error)
	Changes(target wire.MessageID) ([]chat.Change, error)
	ChangesBy(id wire.MessageID) ([]chat.Change, error)
	// EarlyChanges returns how many changes wait for messages that are not here.
	EarlyChanges(chat.ConversationID) (int, error)
	// Forgotten reports whether the person here deleted a message for herself.
	Forgotten(wire.MessageID) (bool, error)
	// MediaKnown reports whether any message refers to a blob.
	MediaKnown(root [32]byte) (bool, error)
	// WithRoot returns the messages that refer to a blob.
	WithRoot(root [32]byte) ([]chat.Message, error)
	// Seen reports whether this envelope was opened before.
	Seen(wire.EnvelopeID) (bool, error)
	// Cell returns what one box is to hold, CellsFor all boxes of an envelope, and
	// CellsExpired the envelopes of which a box expired before a day.
	Cell(box [32]byte) (c Cell, ok bool, err error)
	CellsFor(wire.EnvelopeID) ([]Cell, error)
	CellsExpired(day uint32) ([]wire.EnvelopeID, error)
	// CellsOf returns the envelopes in boxes of a group.
	CellsOf(BoxGroup) ([]wire.EnvelopeID, error)
}

// Want is a blob that a conversation now refers to and that is not here.
type Want struct {
	Ref    media.Ref
	From   identity.DeviceID // who has it
	Paused bool              // only what is looked at is to be fetched
}

// Held is what the person wants of a blob, and who has it.
type Held struct {
	Ref  media.Ref
	Hold chat.Hold
	From []identity.DeviceID
}

// Update is everything one step decided.
type Update struct {
	Events   []chat.Event        // for the log, in order
	State    map[StateKey][]byte // rows to replace; nil deletes
	Outgoing []wire.Outgoing     // persisted with the rest, but for the ephemeral
	Drop     []wire.EnvelopeID   // rows of the outbox that have done their work
	Seen     []wire.EnvelopeID   // envelopes never to be opened again
	// SeenBefore, when not zero, forgets ids of envelopes seen before it.
	SeenBefore time.Time
	Wants      []Want
	// Holds says of blobs what the person wants from now on.
	Holds []Held
	// Erase names blobs that a message referred to which is gone: what no other
	// message refers to must go, too.
	Erase [][32]byte
	// Typing are contacts who are writing now. It is nothing durable.
	Typing    []identity.AccountID
	Addrs     map[identity.DeviceID][]string // where a device says it can be reached
	Cells     []Cell                         // what boxes are to hold: inserted or replaced
	DropCells []wire.EnvelopeID              // boxes of these hold nothing any more for us
	Boxes     []BoxChange                    // for the placement of boxes, in order
	Deposits  []DepositChange                // files left with relays, in order
	// Wake, when not zero, asks for a [Tick] at that time.
	Wake time.Time
	// Ack tells that the received envelope may be acknowledged once this
	// update is durable.
	Ack bool
	// Reply is a command's answer: [Invited], [Added], [Sent], or nil.
	Reply any
}

// Input is something a step reacts to: a command or a happening.
type Input interface{ input() }

// Invite is a command: make a one-time invite that lives for Life, with the
// addresses at which this device can be reached now. Reply: [Invited].
type Invite struct {
	Life  time.Duration
	Addrs []string
}

// Add is a command: take up an invite. Name is what the person here wants to
// call the contact; empty takes the inviter's own name. Reply: [Added].
type Add struct {
	Invite *identity.Invite
	Name   string
}

// Send is a command: say something to a contact. Media must already be stored
// here. Reply: [Sent].
type Send struct {
	To    identity.AccountID
	Text  string
	Media []wire.Attachment
	// ReplyTo is the message of the conversation it answers; zero for none.
	ReplyTo wire.MessageID
}

// Edit is a command: give an own message another text. Reply: [Sent] with the id
// of the message.
type Edit struct {
	ID   wire.MessageID
	Text string
}

// React is a command: say with one emoji what one thinks of a message; empty takes
// it back.
type React struct {
	ID    wire.MessageID
	Emoji string
}

// Delete is a command: take messages of one conversation away, here alone, or own
// ones everywhere.
type Delete struct {
	IDs      []wire.MessageID // 1 to [wire.MaxDeleted]
	Everyone bool
}

// Typing is a command: tell a contact that the person is writing. Give it only
// while a link to the contact is up: what it seals is not kept.
type Typing struct{ To identity.AccountID }

// Configure is a command: what a contact is called and may know; nil leaves
// something as it is.
type Configure struct {
	Account                   identity.AccountID
	Name                      *string
	Receipts, Typing, Blocked *bool
}

// Hold is a command: fetch a file of a message, pause that, or cancel it.
type Hold struct {
	ID    wire.MessageID
	Index int // of the attachment
	Hold  chat.Hold
}

// Draft is a command: keep what the person is about to say to a contact; an empty
// one is forgotten. Nobody else hears of it.
type Draft struct {
	To      identity.AccountID
	Text    string         // at most [wire.MaxText]
	ReplyTo wire.MessageID // zero for none
}

// MarkRead is a command: the person has seen everything in the conversation.
type MarkRead struct{ Conversation chat.ConversationID }

// Verify is a command: set or take back the mark that safety numbers were
// compared.
type Verify struct {
	Account identity.AccountID
	Mark    bool
}

// Received says that an envelope came from the device the transport
// authenticated.
type Received struct {
	From     identity.DeviceID
	Envelope []byte
}

// Acked says that a device acknowledged an envelope.
type Acked struct {
	From identity.DeviceID
	ID   wire.EnvelopeID
}

// Stored says that every chunk of a blob is on disk and verified. From are the
// devices whose messages point to it.
type Stored struct {
	Root [32]byte
	From []identity.DeviceID
}

// Tick says that time has passed: expired invites and old memories go.
type Tick struct{}

func (Invite) input()    {}
func (Add) input()       {}
func (Send) input()      {}
func (Edit) input()      {}
func (React) input()     {}
func (Delete) input()    {}
func (Typing) input()    {}
func (Configure) input() {}
func (Hold) input()      {}
func (Draft) input()     {}
func (MarkRead) input()  {}
func (Verify) input()    {}
func (Received) input()  {}
func (Acked) input()     {}
func (Stored) input()    {}
func (Tick) input()      {}

// Invited answers [Invite].
type Invited struct{ Invite *identity.Invite }

// Added answers [Add].
type Added struct{ Contact chat.Contact }

// Sent answers [Send].
type Sent struct{ ID wire.MessageID }

// ErrRefused reports an envelope that no correct peer would have sent us now:
// the peer's fault. It says nothing more, since the peer could learn from it.
var ErrRefused = errors.New("engine: refused")

// Code classifies a command that cannot be done.
type Code uint8

// The codes of [Error].
const (
	Invalid  Code = 1 // an argument is wrong
	NotFound Code = 2 // no such contact or message
	Exists   Code = 3 // it is there already
	Expired  Code = 4 // past its time by this device's clock
	NotNow   Code = 5 // not in this state
)

// Error is a command that cannot be done, in words for the person who asked.
// Text is one lower-case line; Hint may be empty. Neither holds a secret.
type Error struct {
	Code       Code
	Text, Hint string
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// Machine is the engine. Its zero value is ready. What it decides depends on the view
// alone: it keeps nothing but this device's keys, read once. Not safe for concurrent
// use.
type Machine struct {
	self          *self
	secrets, list []byte // what self was read from
}

// Step decides what follows from in. It never changes v. See the package
// documentation for its errors; on any of them the update is nil.
func (m *Machine) Step(v View, now time.Time, in Input) (*Update, error) {
	s := &step{View: v, now: now, up: &Update{State: map[StateKey][]byte{}}, kept: m}
	if err := s.run(in); err != nil {
		return nil, err
	}
	return s.up, nil
}

// step is one call of Step: what it reads and what it has decided so far.
type step struct {
	View
	now  time.Time
	up   *Update
	self *self
	kept *Machine // nil: nothing is kept
	// boxed: the envelope came by boxes, so answers go there, too. silent: there was
	// nothing in it that would want an acknowledgement of its own.
	boxed, silent bool
}

func (s *step) run(in Input) error {
	var err error
	if s.self, err = s.loadSelf(); err != nil {
		return err
	}
	switch in := in.(type) {
	case Invite:
		return s.invite(in)
	case Add:
		return s.add(in)
	case Send:
		return s.send(in)
	case Edit:
		return s.edit(in)
	case React:
		return s.react(in)
	case Delete:
		return s.delete(in)
	case Typing:
		return s.typing(in)
	case Configure:
		return s.configure(in)
	case Hold:
		return s.hold(in)
	case Draft:
		return s.draft(in)
	case MarkRead:
		return s.markRead(in)
	case Verify:
		return s.verify(in)
	case Received:
		return s.receive(in)
	case Acked:
		return s.acked(in)
	case Stored:
		return s.stored(in)
	case Deposited:
		return s.deposited(in)
	case Tick:
		return s.tick()
	case BoxUp:
		return s.boxUp(in)
	case BoxStored:
		return s.boxStored(in)
	case BoxGone:
		return s.boxGone(in)
	case BoxTaken:
		return s.boxTaken(in)
	case BoxFound:
		return s.boxFound(in)
	case BoxSkipped:
		return s.boxSkipped(in)
	case AddRelay:
		return s.addRelay(in)
	case RemoveRelay:
		return s.removeRelay(in)
	}
	return &Error{Code: Invalid, Text: "unknown command"}
}

func (s *step) event(e chat.Event) { s.up.Events = append(s.up.Events, e) }

// wake asks for a tick at a time, if none is asked for sooner.
func (s *step) wake(at time.Time) {
	if s.up.Wake.IsZero() || at.Before(s.up.Wake) {
		s.up.Wake = at
	}
}

// State reads through what this step has already written.
func (s *step) State(k StateKey) ([]byte, error) {
	if b, ok := s.up.State[k]; ok {
		return b, nil
	}
	return s.View.State(k)
}
