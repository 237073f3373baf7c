package relay_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"kith/box"
	"kith/internal/relay"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// memory is a store in memory.
type memory struct {
	held map[[32]byte]relay.Record
	cap  int64
	fail error
}

func newMemory() *memory { return &memory{held: map[[32]byte]relay.Record{}, cap: 1 << 30} }

func (m *memory) Get(b [32]byte) (relay.Record, bool, error) {
	r, ok := m.held[b]
	return r, ok, nil
}

func (m *memory) Find(b [32]byte) (relay.Ref, bool, bool, error) {
	r, ok := m.held[b]
	return relay.Ref{Box: r.Box, Expiry: r.Expiry, Effort: r.Effort}, r.Cell != nil, ok, nil
}

func (m *memory) Lowest(visit func(relay.Ref) bool) error {
	var all []relay.Ref
	for _, r := range m.held {
		if r.Cell != nil {
			all = append(all, relay.Ref{Box: r.Box, Expiry: r.Expiry, Effort: r.Effort})
		}
	}
	slices.SortFunc(all, func(x, y relay.Ref) int {
		if x.Expiry != y.Expiry {
			return int(x.Expiry) - int(y.Expiry)
		}
		if x.Effort != y.Effort {
			return int(x.Effort) - int(y.Effort)
		}
		return slices.Compare(x.Box[:], y.Box[:])
	})
	for _, r := range all {
		if !visit(r) {
			break
		}
	}
	return nil
}

func (m *memory) Apply(changes []relay.Change) error {
	if m.fail != nil {
		return m.fail
	}
	for _, c := range changes {
		if c.Remove != nil {
			delete(m.held, c.Remove.Box)
		}
		if c.Put != nil {
			r := *c.Put
			r.Cell = slices.Clone(r.Cell)
			m.held[r.Box] = r
		}
	}
	return nil
}

func (m *memory) Expire(today uint32) error {
	for b, r := range m.held {
		if r.Expiry < today {
			delete(m.held, b)
		}
	}
	return nil
}

func (m *memory) Usage() relay.Usage {
	u := relay.Usage{Cap: m.cap}
	for _, r := range m.held {
		if r.Cell == nil {
			u.Tombs++
			u.Bytes += relay.TombCost
		} else {
			u.Records++
			u.Bytes += relay.CellCost
		}
	}
	return u
}

// bench is a relay, a writer and a reader.
type bench struct {
	t      *testing.T
	m      *relay.Machine
	store  *memory
	chain  *box.Chain
	reader *box.Reader
	now    time.Time
	tag    uint64
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, store: newMemory(), now: noon, chain: box.NewChain([32]byte{1}, [32]byte{2}, [32]byte{3}),
		reader: box.NewReader([32]byte{1}, [32]byte{2}, [32]byte{3})}
	b.m = relay.New(box.RelayID{7}, b.store)
	return b
}

func (b *bench) put(text string) *box.Put {
	b.t.Helper()
	p, err := b.chain.Seal([]byte(text), box.ExpiryDay(b.now, box.DefaultLife))
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

func (b *bench) ask(link uint64, q *box.Request) relay.Asked {
	b.tag++
	q.Tag = b.tag
	return relay.Asked{Link: link, Request: q}
}

func (b *bench) step(asked ...relay.Asked) []relay.Answer {
	b.t.Helper()
	answers, err := b.m.Step(b.now, asked)
	if err != nil {
		b.t.Fatal(err)
	}
	return answers
}

// one asks one thing and wants one answer.
func (b *bench) one(q *box.Request) *box.Reply {
	b.t.Helper()
	answers := b.step(b.ask(1, q))
	if len(answers) != 1 || answers[0].Reply.Tag != b.tag || answers[0].Link != 1 {
		b.t.Fatalf("%d answers", len(answers))
	}
	return answers[0].Reply
}

func (b *bench) want(q *box.Request, s box.Status) *box.Reply {
	b.t.Helper()
	r := b.one(q)
	if r.Status != s {
		b.t.Errorf("op %d answered %d, want %d", q.Op, r.Status, s)
	}
	if r.Status != box.Refused && !r.Answers(q) {
		b.t.Errorf("op %d: a reply that cannot be believed", q.Op)
	}
	return r
}

func putOf(p *box.Put) *box.Request { return &box.Request{Op: box.OpPut, Box: p.Box, Put: p} }
func getOf(a [32]byte, wait uint16) *box.Request {
	return &box.Request{Op: box.OpGet, Box: a, Wait: wait}
}

func TestRelay_RL01_writeOnce(t *testing.T) {
	b := newBench(t)
	p := b.put("first")
	b.want(getOf(p.Box, 0), box.Miss)
	b.want(putOf(p), box.OK)
	b.want(putOf(p), box.Exists)
	other := *p
	twin := box.NewChain([32]byte{1}, [32]byte{2}, [32]byte{3})
	second, err := twin.Seal([]byte("second"), p.Expiry)
	if err != nil || second.Box != p.Box {
		t.Fatal("not the same box", err)
	}
	b.want(putOf(second), box.Conflict)
	if r := b.want(getOf(p.Box, 0), box.Found); !slices.Equal(r.Cell, p.Cell) || r.Expiry != p.Expiry || r.Sig != p.Sig {
		t.Error("another cell than was put")
	}
	other.Expiry++
	b.want(putOf(&other), box.Refused) // the signature covers the expiry
	// Both in one step: the first wins.
	b = newBench(t)
	answers := b.step(b.ask(1, putOf(p)), b.ask(2, putOf(second)), b.ask(3, putOf(p)))
	if len(answers) != 3 || answers[0].Reply.Status != box.OK || answers[1].Reply.Status != box.Conflict || answers[2].Reply.Status != box.Exists {
		t.Errorf("in one step: %v", answers)
	}
}

func TestRelay_RL02_badPutsAreRefused(t *testing.T) {
	b := newBench(t)
	for name, edit := range map[string]func(*box.Put){
		"expired":    func(p *box.Put) { p.Expiry = box.Day(noon) - 1 },
		"too far":    func(p *box.Put) { p.Expiry = box.Day(noon) + 21 + box.ClockSlack + 1 },
		"signature":  func(p *box.Put) { p.Sig[0] ^= 1 },
		"cell":       func(p *box.Put) { p.Cell[100] ^= 1 },
		"elsewhere":  func(p *box.Put) { p.Box[0] ^= 1 },
		"far future": func(p *box.Put) { p.Expiry = 1<<32 - 1 },
	} {
		p := b.put("x")
		edit(p)
		if r := b.one(putOf(p)); r.Status != box.Refused {
			t.Errorf("%s: %d", name, r.Status)
		}
	}
	if len(b.store.held) != 0 {
		t.Error("something was kept")
	}
	for _, edge := range []uint32{0, 21 + box.ClockSlack} {
		p, err := b.chain.Seal(nil, box.Day(noon)+edge)
		if err != nil {
			t.Fatal(err)
		}
		b.want(putOf(p), box.OK)
	}
}

func TestRelay_RL06_waiting(t *testing.T) {
	b := newBench(t)
	p := b.put("later")
	if n := len(b.step(b.ask(1, getOf(p.Box, 60)), b.ask(2, getOf(p.Box, 30)))); n != 0 {
		t.Fatalf("%d answers before anything was written", n)
	}
	b.now = b.now.Add(30 * time.Second)
	if b.m.Wake().After(b.now) {
		t.Error("does not want to be woken")
	}
	answers := b.step()
	if len(answers) != 1 || answers[0].Link != 2 || answers[0].Reply.Status != box.Miss {
		t.Fatalf("at the deadline of one: %v", answers)
	}
	answers = b.step(b.ask(3, putOf(p)))
	if len(answers) != 2 || answers[1].Link != 1 || answers[1].Reply.Status != box.Found {
		t.Fatalf("when written: %v", answers)
	}
	b.now = b.now.Add(time.Hour)
	if n := len(b.step()); n != 0 {
		t.Errorf("answered again, %d times", n)
	}
}

func TestRelay_RL06_waitsAreBounded(t *testing.T) {
	b := newBench(t)
	for i := range relay.MaxLinkWaits {
		if n := len(b.step(b.ask(1, getOf([32]byte{byte(i), byte(i >> 8)}, 60)))); n != 0 {
			t.Fatalf("%d answered", i)
		}
	}
	b.want(getOf([32]byte{9, 9, 9}, 60), box.Busy)
	if n := len(b.step(b.ask(2, getOf([32]byte{9, 9, 9}, 60)))); n != 0 {
		t.Error("another link suffers")
	}
	b.m.Gone(1)
	if n := len(b.step(b.ask(1, getOf([32]byte{9, 9, 9}, 60)))); n != 0 {
		t.Error("a link that ended still counts")
	}
	b.now = b.now.Add(2 * time.Minute)
	if n := len(b.step()); n != 2 {
		t.Errorf("%d answered at the deadline", n)
	}
}

func TestRelay_RL07_tombstones(t *testing.T) {
	b := newBench(t)
	p := b.put("read")
	b.want(putOf(p), box.OK)
	d, err := b.reader.Delete(p.Box)
	if err != nil {
		t.Fatal(err)
	}
	forged := *d
	forged.Sig[3] ^= 1
	b.want(&box.Request{Op: box.OpDelete, Box: d.Box, Delete: &forged}, box.Refused)
	b.want(getOf(p.Box, 0), box.Found)
	q := &box.Request{Op: box.OpDelete, Box: d.Box, Delete: d}
	b.want(q, box.OK)
	b.want(q, box.OK)
	b.want(getOf(p.Box, 0), box.Gone)
	b.want(putOf(p), box.Gone) // a copy does not come back
	if u := b.store.Usage(); u.Records != 0 || u.Tombs != 1 {
		t.Errorf("%+v", u)
	}
	// Of what was never there nothing is kept.
	p = b.put("never put")
	if d, err = b.reader.Delete(p.Box); err != nil {
		t.Fatal(err)
	}
	b.want(&box.Request{Op: box.OpDelete, Box: d.Box, Delete: d}, box.OK)
	if u := b.store.Usage(); u.Tombs != 1 {
		t.Errorf("%+v", u)
	}
	b.now = b.now.Add((box.DefaultLife + 1) * 24 * time.Hour)
	b.step()
	if len(b.store.held) != 0 {
		t.Error("something is left after expiry")
	}
}

func TestRelay_RL04_effortRisesWithFill(t *testing.T) {
	for _, tt := range []struct {
		bytes int64
		want  uint32
	}{{0, 0}, {499, 0}, {500, 1}, {599, 1}, {600, 2}, {700, 4}, {800, 8}, {900, 16}, {1000, 32}, {5000, 1 << 16}} {
		if got := relay.Effort(relay.Usage{Bytes: tt.bytes, Cap: 1000}); got != tt.want {
			t.Errorf("at %d of 1000: %d, want %d", tt.bytes, got, tt.want)
		}
	}
	b := newBench(t)
	b.store.cap = 10 * relay.CellCost
	for range 5 {
		b.want(putOf(b.put("x")), box.OK)
	}
	p := b.put("sixth")
	q := putOf(p)
	if r := b.want(q, box.Full); r.Effort != 1 {
		t.Fatalf("wants %d", r.Effort)
	}
	q.Work, _ = box.Solve(box.RelayID{7}, box.Day(b.now)-1, p.Box, 1, func() bool { return false }) // a clock that is slow
	b.want(q, box.OK)
}

// TestRelay_RL05_evictionAtTheCap: a full relay holds no more than its cap; who brings
// no more effort than those there gets nothing, who brings twice as much pushes the
// cheapest of those out that end first.
func TestRelay_RL05_evictionAtTheCap(t *testing.T) {
	b := newBench(t)
	b.store.cap = 4 * relay.CellCost
	var cheap []*box.Put
	for range 4 {
		p := b.put("x")
		effort := relay.Effort(b.store.Usage())
		q := putOf(p)
		q.Work, _ = box.Solve(box.RelayID{7}, box.Day(b.now), p.Box, effort, func() bool { return false })
		b.want(q, box.OK)
		if effort == 0 {
			cheap = append(cheap, p)
		}
	}
	u := b.store.Usage()
	if u.Bytes != u.Cap {
		t.Fatalf("%+v", u)
	}
	p := b.put("pushes")
	q := putOf(p)
	effort := relay.Effort(u)
	q.Work, _ = box.Solve(box.RelayID{7}, box.Day(b.now), p.Box, effort, func() bool { return false })
	b.want(q, box.OK)
	gone := 0
	for _, p := range cheap {
		if b.one(getOf(p.Box, 0)).Status == box.Miss {
			gone++
		}
	}
	if len(cheap) != 2 || gone != 1 {
		t.Errorf("%d of %d that brought nothing are gone", gone, len(cheap))
	}
	if u := b.store.Usage(); u.Bytes > u.Cap {
		t.Errorf("above the cap: %+v", u)
	}
}

func TestRelay_RL08_aFailedStepChangesNothing(t *testing.T) {
	b := newBench(t)
	b.store.fail = errors.New("disk")
	p := b.put("x")
	if answers, err := b.m.Step(b.now, []relay.Asked{b.ask(2, getOf(p.Box, 60)), b.ask(1, putOf(p))}); err == nil || answers != nil {
		t.Fatalf("%v, %v", answers, err)
	}
	b.store.fail = nil
	answers := b.step(b.ask(1, putOf(p)))
	if len(answers) != 1 || answers[0].Reply.Status != box.OK {
		t.Errorf("%v", answers)
	}
}

func TestRelay_RL09_info(t *testing.T) {
	b := newBench(t)
	if r := b.want(&box.Request{Op: box.OpInfo}, box.OK); r.Day != box.Day(noon) || r.Effort != 0 {
		t.Errorf("%+v", r)
	}
}

// TestRelay_RL06_answersAliasNothing: what a request was in is used again after the
// step; answers to others that were made of it stay.
func TestRelay_RL06_answersAliasNothing(t *testing.T) {
	b := newBench(t)
	p := b.put("to be read")
	want := slices.Clone(p.Cell)
	b.step(b.ask(1, getOf(p.Box, 60)))
	answers := b.step(b.ask(2, putOf(p)), b.ask(3, getOf(p.Box, 0)))
	clear(p.Cell)
	found := 0
	for _, a := range answers {
		if a.Reply.Status == box.Found {
			found++
			if !bytes.Equal(a.Reply.Cell, want) {
				t.Errorf("link %d gets what the frame is used for now", a.Link)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d answers", found)
	}
	if r := b.want(getOf(p.Box, 0), box.Found); !bytes.Equal(r.Cell, want) {
		t.Error("the store kept what it was given")
	}
}

// TestRelay_storeIsNarrow: another store is six methods away.
func TestRelay_storeIsNarrow(t *testing.T) {
	if n := reflect.TypeFor[relay.Store]().NumMethod(); n > 6 {
		t.Errorf("%d methods", n)
	}
}
