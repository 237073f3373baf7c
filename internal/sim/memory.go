package sim

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"kith/identity"
	"kith/internal/chat"
	"kith/internal/engine"
	"kith/internal/wire"
)

// memory is a store in memory: what survives a restart of its device.
type memory struct {
	state  map[engine.StateKey][]byte
	log    []chat.Logged
	outbox []wire.Outgoing
	seen   map[wire.EnvelopeID]time.Time
	addrs  map[identity.DeviceID][]string
	cells  map[[32]byte]engine.Cell
	projection
}

// projection is what the fold of the log fills.
type projection struct {
	contacts      map[identity.AccountID]chat.Contact
	conversations map[chat.ConversationID]chat.Conversation
	messages      map[wire.MessageID]chat.Message
	changes       map[changeKey]chat.Change
	forgotten     map[wire.MessageID]bool
	unlogged      []chat.Seq // what the fold wants done to the log
	blanked       []chat.Seq
}

type changeKey struct {
	target wire.MessageID
	kind   chat.ChangeKind
	from   identity.AccountID
}

var _ engine.View = (*memory)(nil)
var _ chat.Projection = (*projection)(nil)

func newMemory() *memory {
	return &memory{
		state: map[engine.StateKey][]byte{}, seen: map[wire.EnvelopeID]time.Time{},
		addrs: map[identity.DeviceID][]string{}, cells: map[[32]byte]engine.Cell{}, projection: newProjection(),
	}
}

func newProjection() projection {
	return projection{
		contacts:      map[identity.AccountID]chat.Contact{},
		conversations: map[chat.ConversationID]chat.Conversation{},
		messages:      map[wire.MessageID]chat.Message{},
		changes:       map[changeKey]chat.Change{},
		forgotten:     map[wire.MessageID]bool{},
	}
}

func (m *memory) State(k engine.StateKey) ([]byte, error) { return m.state[k], nil }

func (m *memory) StateKeys(prefix string) ([]engine.StateKey, error) {
	var keys []engine.StateKey
	for k := range m.state {
		if strings.HasPrefix(string(k), prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

func (m *memory) Unread(id chat.ConversationID, limit int) ([]wire.MessageID, error) {
	var ids []wire.MessageID
	for _, msg := range m.timeline(id) {
		if msg.From == id.Account() && msg.State.Before(chat.Read) && !msg.Deleted && len(ids) < limit {
			ids = append(ids, msg.ID)
		}
	}
	return ids, nil
}

func (m *memory) Undelivered(id chat.ConversationID) ([]wire.MessageID, error) {
	var ids []wire.MessageID
	for _, msg := range m.timeline(id) {
		if msg.From != id.Account() && msg.State.Before(chat.Delivered) && !msg.Deleted {
			ids = append(ids, msg.ID)
		}
	}
	return ids, nil
}

func (m *memory) OutboxFor(d identity.DeviceID) ([]wire.EnvelopeID, error) {
	var ids []wire.EnvelopeID
	for _, o := range m.outbox {
		if o.To == d {
			ids = append(ids, o.ID)
		}
	}
	return ids, nil
}

// outboxTo counts what waits for a device.
func (m *memory) outboxTo(d *Device) int {
	ids, _ := m.OutboxFor(d.Self.Device.ID())
	return len(ids)
}

func (m *memory) Outbox(id wire.EnvelopeID) (wire.Outgoing, bool, error) {
	i := slices.IndexFunc(m.outbox, func(o wire.Outgoing) bool { return o.ID == id })
	if i < 0 {
		return wire.Outgoing{}, false, nil
	}
	return m.outbox[i], true, nil
}

func (m *memory) Seen(id wire.EnvelopeID) (bool, error) {
	_, ok := m.seen[id]
	return ok, nil
}

func (m *memory) Cell(b [32]byte) (engine.Cell, bool, error) {
	c, ok := m.cells[b]
	return c, ok, nil
}

// someCells gives the cells that a function wants, in a fixed order.
func (m *memory) someCells(want func(engine.Cell) bool) []engine.Cell {
	var all []engine.Cell
	for _, c := range m.cells {
		if want(c) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b engine.Cell) int { return slices.Compare(a.Box[:], b.Box[:]) })
	return all
}

func (m *memory) CellsFor(id wire.EnvelopeID) ([]engine.Cell, error) {
	return m.someCells(func(c engine.Cell) bool { return c.Envelope == id }), nil
}

func (m *memory) CellsExpired(day uint32) ([]wire.EnvelopeID, error) {
	return envelopes(m.someCells(func(c engine.Cell) bool { return c.Expiry < day })), nil
}

func (m *memory) CellsOf(g engine.BoxGroup) ([]wire.EnvelopeID, error) {
	return envelopes(m.someCells(func(c engine.Cell) bool { return c.Group == g })), nil
}

func envelopes(cells []engine.Cell) []wire.EnvelopeID {
	var ids []wire.EnvelopeID
	for _, c := range cells {
		if !slices.Contains(ids, c.Envelope) {
			ids = append(ids, c.Envelope)
		}
	}
	return ids
}

// apply commits an update as the real store does.
func (m *memory) apply(up *engine.Update, at time.Time) (chat.Seq, error) {
	for k, v := range up.State {
		if v == nil {
			delete(m.state, k)
		} else {
			m.state[k] = v
		}
	}
	m.outbox = slices.DeleteFunc(m.outbox, func(o wire.Outgoing) bool { return slices.Contains(up.Drop, o.ID) })
	for _, o := range up.Outgoing {
		if !o.Ephemeral {
			m.outbox = append(m.outbox, o)
		}
	}
	for b, c := range m.cells {
		if slices.Contains(up.DropCells, c.Envelope) {
			delete(m.cells, b)
		}
	}
	for _, c := range up.Cells {
		m.cells[c.Box] = c
	}
	for _, id := range up.Seen {
		m.seen[id] = at
	}
	for id, t := range m.seen {
		if t.Before(up.SeenBefore) {
			delete(m.seen, id)
		}
	}
	maps.Copy(m.addrs, up.Addrs)
	for _, e := range up.Events {
		// Through the encoding at rest, as the real log.
		b, err := chat.MarshalEvent(e)
		if err != nil {
			return 0, err
		}
		if e, err = chat.ParseEvent(b); err != nil {
			return 0, err
		}
		l := chat.Logged{Seq: m.lastSeq() + 1, At: at, Event: e}
		m.log = append(m.log, l)
		if err := chat.Apply(&m.projection, l); err != nil {
			return 0, err
		}
		m.tidy()
	}
	return m.lastSeq(), nil
}

func (m *memory) lastSeq() chat.Seq {
	if len(m.log) == 0 {
		return 0
	}
	return m.log[len(m.log)-1].Seq
}

// tidy does to the log what the fold wants.
func (m *memory) tidy() {
	for _, seq := range m.blanked {
		if i, ok := slices.BinarySearchFunc(m.log, seq, bySeq); ok {
			m.log[i].Event = chat.Blank(m.log[i].Event)
		}
	}
	for _, seq := range m.unlogged {
		if i, ok := slices.BinarySearchFunc(m.log, seq, bySeq); ok {
			m.log = slices.Delete(m.log, i, i+1)
		}
	}
	m.blanked, m.unlogged = nil, nil
}

func bySeq(l chat.Logged, seq chat.Seq) int { return cmp.Compare(l.Seq, seq) }

func (m *memory) OutboxCarrying(id wire.MessageID) ([]wire.EnvelopeID, error) {
	var ids []wire.EnvelopeID
	for _, o := range m.outbox {
		if o.Message == id {
			ids = append(ids, o.ID)
		}
	}
	return ids, nil
}

func (m *memory) EarlyChanges(id chat.ConversationID) (n int, err error) {
	for _, c := range m.changes {
		if _, known := m.messages[c.Target]; c.Conversation == id && !known && !m.forgotten[c.Target] {
			n++
		}
	}
	return n, nil
}

func (m *memory) WithRoot(root [32]byte) (all []chat.Message, err error) {
	for _, msg := range m.messages {
		if slices.ContainsFunc(msg.Media, func(a chat.Media) bool { return a.Pointer.Ref().Root == root }) {
			all = append(all, msg)
		}
	}
	slices.SortFunc(all, func(a, b chat.Message) int { return cmp.Compare(a.Seq, b.Seq) })
	return all, nil
}

func (m *memory) MediaKnown(root [32]byte) (bool, error) {
	for _, msg := range m.messages {
		for _, a := range msg.Media {
			if a.Pointer.Ref().Root == root {
				return true, nil
			}
		}
	}
	return false, nil
}

func (p *projection) Change(kind chat.ChangeKind, target wire.MessageID, from identity.AccountID) (chat.Change, bool, error) {
	c, ok := p.changes[changeKey{target, kind, from}]
	return c, ok, nil
}

// some gives the changes that a function wants, in a fixed order.
func (p *projection) some(want func(*chat.Change) bool) (all []chat.Change, err error) {
	for _, c := range p.changes {
		if want(&c) {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b chat.Change) int {
		return cmp.Or(slices.Compare(a.Target[:], b.Target[:]), cmp.Compare(a.Kind, b.Kind), slices.Compare(a.From[:], b.From[:]))
	})
	return all, nil
}

func (p *projection) Changes(target wire.MessageID) ([]chat.Change, error) {
	return p.some(func(c *chat.Change) bool { return c.Target == target })
}

func (p *projection) ChangesBy(id wire.MessageID) ([]chat.Change, error) {
	return p.some(func(c *chat.Change) bool { return c.ID == id })
}

func (p *projection) PutChange(c chat.Change) error {
	p.changes[changeKey{c.Target, c.Kind, c.From}] = c
	return nil
}

func (p *projection) RemoveMessage(id wire.MessageID) error {
	delete(p.messages, id)
	return nil
}

func (p *projection) Forget(id wire.MessageID) error {
	p.forgotten[id] = true
	return nil
}

func (p *projection) Forgotten(id wire.MessageID) (bool, error) { return p.forgotten[id], nil }

func (p *projection) Unlog(seq chat.Seq) error {
	p.unlogged = append(p.unlogged, seq)
	return nil
}

func (p *projection) Blank(seq chat.Seq) error {
	p.blanked = append(p.blanked, seq)
	return nil
}

// timeline returns a conversation in the order every device shows it.
func (p *projection) timeline(id chat.ConversationID) []chat.Message {
	var all []chat.Message
	for _, m := range p.messages {
		if m.Conversation == id {
			reactions, _ := p.some(func(c *chat.Change) bool {
				return c.Kind == chat.React && c.Target == m.ID && c.Conversation == id && c.Text != ""
			})
			for _, r := range reactions {
				m.Reactions = append(m.Reactions, chat.Reaction{From: r.From, Emoji: r.Text})
			}
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b chat.Message) int { return chat.Compare(&a, &b) })
	return all
}

func (p *projection) Contacts() ([]chat.Contact, error) {
	var all []chat.Contact
	for _, c := range p.contacts {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b chat.Contact) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (p *projection) Contact(a identity.AccountID) (chat.Contact, bool, error) {
	c, ok := p.contacts[a]
	return c, ok, nil
}

func (p *projection) PutContact(c chat.Contact) error {
	p.contacts[c.Account] = c
	return nil
}

func (p *projection) Conversation(id chat.ConversationID) (chat.Conversation, error) {
	c := p.conversations[id]
	c.ID = id
	return c, nil
}

func (p *projection) PutConversation(c chat.Conversation) error {
	p.conversations[c.ID] = c
	return nil
}

func (p *projection) Message(id wire.MessageID) (chat.Message, bool, error) {
	m, ok := p.messages[id]
	return m, ok, nil
}

func (p *projection) PutMessage(m chat.Message) error {
	p.messages[m.ID] = m
	return nil
}

func (p *projection) SetMediaStored(root [32]byte) error {
	p.eachMedia(root, func(a *chat.Media) { a.Stored = true })
	return nil
}

func (p *projection) SetMediaHeld(root [32]byte, h chat.Hold) error {
	p.eachMedia(root, func(a *chat.Media) { a.Hold = h })
	return nil
}

func (p *projection) eachMedia(root [32]byte, change func(*chat.Media)) {
	for id, m := range p.messages {
		for i := range m.Media {
			if m.Media[i].Pointer.Ref().Root == root {
				m.Media = slices.Clone(m.Media)
				change(&m.Media[i])
				p.messages[id] = m
			}
		}
	}
}
