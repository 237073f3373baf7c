package e2e

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apiv1 "kith/api/v1"
)

// needStrace skips a test where processes cannot be traced.
func needStrace(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=pwrite64:signal=KILL:when=1", "true").CombinedOutput(); err != nil {
		t.Skipf("skipped: strace does not work here: %v %s", err, out)
	}
}

// killAt is the command that kills what it runs exactly before the nth of a
// system call (of one thread, which is how strace counts).
func killAt(call string, n int) []string {
	return []string{"strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call,
		"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n)}
}

// point is where to kill a node.
type point struct {
	call string // empty: at a random instant
	n    int
}

func (p point) String() string {
	if p.call == "" {
		return fmt.Sprintf("after %d ms", p.n)
	}
	return fmt.Sprintf("%s %d", p.call, p.n)
}

// textCalls are the system calls that an exchange of text is made of: pages
// written, commits made durable, frames and answers let out. With each how
// many of them an exchange has, about, by thread.
var textCalls = map[string][]point{
	"tcp":  {{"pwrite64", 90}, {"fdatasync", 4}, {"write", 30}, {"", 250}},
	"quic": {{"pwrite64", 90}, {"fdatasync", 4}, {"sendmsg", 15}, {"", 250}},
}

// TestCrash_textAtEveryPoint kills a node again and again while both sides
// talk, at system calls on each side of each invariant: before state is
// durable, between that and its ciphertext, between an event's commit and its
// acknowledgement, before an acknowledgement is taken note of.
func TestCrash_textAtEveryPoint(t *testing.T) {
	t.Parallel()
	needStrace(t)
	for transport, calls := range textCalls {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			crashText(t, transport, calls)
		})
	}
}

func crashText(t *testing.T, transport string, calls []point) {
	random := dice(t)
	alice, bob := pairOver(t, t.TempDir(), transport)
	said := &record{sent: map[string]string{}}
	reached := map[string]int{}
	for round := range *crashPoints / len(textCalls) {
		call := calls[round/2%len(calls)]
		where := point{call.call, 1 + random.IntN(call.n)}
		victim, other := alice, bob
		if round%2 == 1 {
			victim, other = bob, alice
		}
		victim.kill()
		if crashRound(t, round, where, victim, other, said) {
			reached[call.call]++
		}
		victim.up()
		compare(t, fmt.Sprintf("round %d, %s killed at %s", round, victim.name, where), alice, bob, said)
		if t.Failed() {
			return
		}
	}
	settle(t, alice, bob)
	compare(t, "at the end", alice, bob, said)
	for _, m := range alice.all("Bob") {
		if m.GetState() == "queued" {
			t.Errorf("%q is still queued", m.GetText())
		}
	}
	t.Logf("%d points, died at %v; %d texts acknowledged, %d in the log", *crashPoints/len(textCalls), reached, len(said.sent), len(bob.all("Alice")))
}

// contact is whom Alice and Bob talk to.
func (p *person) contact() string {
	if p.name == "Alice" {
		return "Bob"
	}
	return "Alice"
}

// record is what was said and acknowledged by the node it was given to.
type record struct {
	mu    sync.Mutex
	sent  map[string]string // text -> id
	tried []string
}

// crashRound runs the victim so that it dies at the point, lets both talk, and
// reports whether the point was reached.
func crashRound(t *testing.T, round int, where point, victim, other *person, said *record) bool {
	var wrap []string
	if where.call != "" {
		wrap = killAt(where.call, where.n)
	}
	ready := victim.start(wrap...)
	var talk sync.WaitGroup
	if ready {
		if where.call == "" {
			timer := time.AfterFunc(time.Duration(where.n)*time.Millisecond, func() { _ = victim.node.Process.Kill() })
			defer timer.Stop()
		}
		for _, p := range []*person{victim, other} {
			talk.Go(func() { said.talk(p, round) })
		}
	}
	talk.Wait()
	died := !ready
	select {
	case <-victim.done:
		died = true
		victim.forget()
	default:
		victim.kill()
	}
	return died
}

// talk says a few things until the node does not answer any more.
func (r *record) talk(p *person, round int) {
	for i := range 20 {
		text := fmt.Sprintf("%s %03d %02d", p.name, round, i)
		r.mu.Lock()
		r.tried = append(r.tried, text)
		r.mu.Unlock()
		id, err := p.say(p.contact(), text)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.sent[text] = id
		r.mu.Unlock()
	}
}

// settle waits until nothing is queued on either side: what is said last is
// delivered after everything before it.
func settle(t *testing.T, alice, bob *person) {
	t.Helper()
	for _, p := range []*person{alice, bob} {
		to := p.contact()
		var queued []string
		for _, m := range p.all(to) {
			if m.GetMine() && m.GetState() == "queued" {
				queued = append(queued, m.GetId())
			}
		}
		for _, id := range queued {
			p.await("delivered "+id, func(w *apiv1.WatchResponse) bool {
				return message(w).GetId() == id && message(w).GetState() != "queued"
			})
		}
	}
}

// compare holds two logs against each other and against what was said: what a
// node acknowledged is there once; what it says was delivered is there at the
// other side, once and in the same order; nothing is there that nobody said.
func compare(t *testing.T, when string, alice, bob *person, said *record) {
	t.Helper()
	said.mu.Lock()
	defer said.mu.Unlock()
	// What is still on its way moves while the logs are read: a state is compared
	// with what the other side has after it.
	early := map[*person][]*apiv1.Message{alice: alice.all("Bob")}
	logs := map[*person][]*apiv1.Message{bob: bob.all("Alice")}
	logs[alice], early[bob] = alice.all("Bob"), logs[bob]
	for p, log := range early {
		other := bob
		if p == bob {
			other = alice
		}
		times := map[string]int{}
		for _, m := range log {
			what := m.GetText()
			if len(m.GetMedia()) > 0 {
				what = m.GetMedia()[0].GetName()
			}
			if times[what]++; times[what] > 1 {
				t.Errorf("%s: %s has %q twice", when, p.name, what)
			}
			if !slices.Contains(said.tried, what) {
				t.Errorf("%s: %s has %q, which nobody said", when, p.name, what)
			}
			there := slices.ContainsFunc(logs[other], func(o *apiv1.Message) bool { return o.GetId() == m.GetId() && o.GetText() == m.GetText() })
			if m.GetMine() && m.GetState() != "queued" && !there {
				t.Errorf("%s: %s thinks that %q was delivered", when, p.name, m.GetText())
			}
			if !m.GetMine() && !there {
				t.Errorf("%s: %s has %q, which its sender does not know", when, p.name, m.GetText())
			}
		}
		for text, id := range said.sent {
			if !strings.HasPrefix(text, p.name) {
				continue
			}
			if !slices.ContainsFunc(log, func(m *apiv1.Message) bool { return m.GetId() == id }) {
				t.Errorf("%s: %s lost %q, which was acknowledged", when, p.name, text)
			}
		}
	}
	if a, b := order(logs[alice], logs[bob]), order(logs[bob], logs[alice]); !slices.Equal(a, b) {
		t.Errorf("%s: the two logs have different orders:\n%v\n%v", when, a, b)
	}
	for _, p := range []*person{alice, bob} {
		var own []string
		for _, m := range logs[p] {
			if m.GetMine() && len(m.GetMedia()) == 0 {
				own = append(own, m.GetText())
			}
		}
		if !slices.IsSorted(own) {
			t.Errorf("%s: %s's own texts are out of order: %v", when, p.name, own)
		}
	}
}

// order gives the texts of a log that are in the other one, too.
func order(log, other []*apiv1.Message) []string {
	there := map[string]bool{}
	for _, m := range other {
		there[m.GetId()] = true
	}
	var texts []string
	for _, m := range log {
		if there[m.GetId()] {
			texts = append(texts, m.GetText())
		}
	}
	return texts
}
