package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	apiv1 "kith/api/v1"
)

// focus is where keys go.
type focus int

const (
	onList focus = iota
	onTimeline
	onCompose
)

const (
	retryAfter    = time.Second      // until a node that went away is asked again
	presenceEvery = 10 * time.Second // who is online is no event
	progressEvery = 500 * time.Millisecond
	typingEvery   = 3 * time.Second
)

// Options is what a Model needs.
type Options struct {
	Node Node
	// Contact is the account whose conversation is opened first; empty: none.
	Contact string
	Now     func() time.Time
	// After gives a command that sends a message when so much time has passed.
	After func(time.Duration, tea.Msg) tea.Cmd
	Zone  *time.Location
}

// Model is everything the screen shows. It is used by one goroutine.
type Model struct {
	ctx  context.Context
	stop context.CancelFunc
	Options

	now  time.Time
	w, h int
	term terminal

	convs  []*conversation
	chosen string // account the list points at
	line   timeline
	focus  focus
	panel  panel // what covers the conversation; nil: nothing

	watch   func() tea.Cmd // begins to follow what happens
	seq     uint64         // of the last event seen
	loaded  bool
	away    bool // the node does not answer
	blurred bool // the person looks at another window
	note    note
	typed   time.Time // when the contact was last told
	ticking map[tick]bool
	shots   pictures
}

// conversation is one row of the list, and what is being written in it.
type conversation struct {
	contact *apiv1.Contact
	last    *apiv1.Message
	typing  time.Time // the contact writes, until then
	draft   draft
}

func (c *conversation) account() string { return c.contact.GetAccount() }

// note is one line for the person, until the next key.
type note struct {
	text string
	bad  bool
}

// New makes the screen as it is before anything is known. Everything it asks
// ends with ctx.
func New(ctx context.Context, o Options) *Model {
	ctx, stop := context.WithCancel(ctx)
	m := &Model{ctx: ctx, stop: stop, Options: o, now: o.Now(), w: 80, h: 24,
		ticking: map[tick]bool{}, shots: newPictures(), term: terminal{colours: true}}
	m.watch = m.follow
	return m
}

// Init asks for what is shown first.
func (m *Model) Init() tea.Cmd {
	return tea.Batch(m.askConversations(), m.wait(tickPresence, presenceEvery), m.term.ask())
}

// Update takes in what happened.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.now = m.Now()
	cmd := m.handle(msg)
	m.settle()
	return m, tea.Batch(cmd, m.seen(), m.wantMore(), m.wantPictures(), m.wantProgress())
}

func (m *Model) handle(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		return m.resized(msg.Width, msg.Height)
	case tea.KeyPressMsg:
		return m.key(msg)
	case tea.PasteMsg:
		return m.paste(msg.Content)
	case tea.FocusMsg:
		m.blurred = false
	case tea.BlurMsg:
		m.blurred = true
	case tick:
		return m.ticked(msg)
	case conversations:
		return m.haveConversations(msg)
	case contacts:
		m.haveContacts(msg)
	case logged:
		return m.haveLog(msg)
	case fetched:
		m.haveMessage(msg)
	case fed:
		return m.haveEvents(msg)
	case sent:
		m.haveSent(msg)
	case uploaded:
		return m.haveUpload(msg)
	case saved:
		m.haveSaved(msg)
	case drawn:
		return m.havePicture(msg)
	case done:
		m.failed(msg.err)
	case answer:
		return msg.to.answered(m, msg)
	default:
		return m.term.hear(m, msg)
	}
	return nil
}

// resized draws for another size; pictures are asked for again if theirs is
// another, too.
func (m *Model) resized(w, h int) tea.Cmd {
	before := m.thumbPixels()
	m.w, m.h = max(1, w), max(1, h)
	if m.thumbPixels() != before {
		m.shots.drop(m.line.blocks)
	}
	if p, ok := m.panel.(*viewer); ok {
		return p.ask(m)
	}
	return nil
}

// find gives the conversation with an account, or nil.
func (m *Model) find(account string) *conversation {
	for _, c := range m.convs {
		if c.account() == account {
			return c
		}
	}
	return nil
}

// named gives the conversation with the contact of a name, by which messages know it.
func (m *Model) named(name string) *conversation {
	for _, c := range m.convs {
		if c.contact.GetName() == name {
			return c
		}
	}
	return nil
}

// open is the conversation that is shown, or nil.
func (m *Model) open() *conversation { return m.find(m.line.account) }

// say shows a line until the next key.
func (m *Model) say(text string) { m.note = note{text: text} }

// failed shows an error, if it is one.
func (m *Model) failed(err error) {
	if err != nil && m.ctx.Err() == nil {
		m.note = note{text: hinted(err), bad: true}
	}
}
