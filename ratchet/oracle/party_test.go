package oracle_test

import (
	"maps"
	"testing"
	"time"

	"kith/ratchet/internal/signalv4"
)

// The names are service ids, so that libsignal puts addresses into first messages.
const (
	ourName    = "11111111-1111-4111-8111-111111111111"
	theirName  = "22222222-2222-4222-8222-222222222222"
	strangerID = "33333333-3333-4333-8333-333333333333"
)

const (
	ourRegistration   = 4711
	theirRegistration = 1147
)

// epoch is the time of all tests: nothing here expires.
var epoch = time.Unix(1_800_000_000, 0)

// wire is a message on its way.
type wire struct {
	kind signalv4.Kind
	body []byte
	text string
}

// party is one side of a conversation, ours or libsignal's.
type party interface {
	seal(t testing.TB, text string) wire
	open(w wire) (string, error)
	state(t testing.TB) string
	ready() bool // whether it can speak
}

// ours is our engine.
type ours struct {
	*signalv4.Device
	peer string
}

func newOurs(t testing.TB, negotiable bool) *ours {
	t.Helper()
	d, err := signalv4.NewDevice(ourName, signalv4.Options{Negotiable: negotiable, Registration: ourRegistration})
	if err != nil {
		t.Fatal(err)
	}
	return &ours{d, theirName}
}

func (o *ours) ready() bool { return o.Sessions[o.peer] != nil }

func (o *ours) seal(t testing.TB, text string) wire {
	t.Helper()
	kind, body, err := o.Seal(o.peer, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return wire{kind, body, text}
}

func (o *ours) open(w wire) (string, error) {
	text, err := o.Open(o.peer, w.kind, w.body, epoch)
	return string(text), err
}

func (o *ours) state(testing.TB) string { return string(o.State(o.peer)) }

// restore stores and reads our session.
func (o *ours) restore(t testing.TB) {
	t.Helper()
	if !o.ready() {
		return
	}
	s, err := o.Sessions[o.peer].Restored()
	if err != nil {
		t.Fatal(err)
	}
	o.Sessions[o.peer] = s
}

// theirs is libsignal.
type theirs struct {
	node  *node
	name  string
	peer  string
	heard bool
}

func newTheirs(n *node) *theirs {
	n.t.Helper()
	n.must("new", map[string]any{"party": theirName, "registration": theirRegistration}, nil)
	return &theirs{node: n, name: theirName, peer: ourName}
}

func (p *theirs) args(more map[string]any) map[string]any {
	all := map[string]any{"party": p.name, "peer": p.peer}
	maps.Copy(all, more)
	return all
}

func (p *theirs) ready() bool { return p.heard }

func (p *theirs) bundle(oneTime bool) *offer {
	p.node.t.Helper()
	var o offer
	p.node.must("bundle", map[string]any{"party": p.name, "oneTime": oneTime}, &o)
	return &o
}

// start makes libsignal the initiator.
func (p *theirs) start(o *offer) error {
	p.node.t.Helper()
	err := p.node.call("process", p.args(map[string]any{"bundle": o}), nil)
	p.heard = p.heard || err == nil
	return err
}

func (p *theirs) seal(t testing.TB, text string) wire {
	t.Helper()
	var m struct {
		Type signalv4.Kind
		Body octets
	}
	p.node.must("enc", p.args(map[string]any{"text": octets(text)}), &m)
	return wire{m.Type, m.Body, text}
}

func (p *theirs) open(w wire) (string, error) {
	var m struct{ Text octets }
	err := p.node.call("dec", p.args(map[string]any{"type": w.kind, "body": octets(w.body)}), &m)
	p.heard = p.heard || err == nil
	return string(m.Text), err
}

func (p *theirs) state(t testing.TB) string {
	t.Helper()
	var s struct{ State string }
	p.node.must("state", p.args(nil), &s)
	return s.State
}

// introduce makes one of both the initiator of a session.
func introduce(t testing.TB, o *ours, p *theirs, weStart, oneTime bool) *offer {
	t.Helper()
	if weStart {
		offered := p.bundle(oneTime)
		b, err := offered.bundle()
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Start(o.peer, b); err != nil {
			t.Fatal(err)
		}
		return offered
	}
	b, err := o.NewBundle(oneTime)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.start(offerOf(b)); err != nil {
		t.Fatal(err)
	}
	return nil
}
