package netns

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
)

// Two people in homes of their own who are never up together, and relays between
// them to which things happen.

// apart makes two contacts behind routers who both know the relays. Both are up.
func apart(t *testing.T, relays ...*relay) (alice, bob *person) {
	t.Helper()
	l := relays[0].at.lab
	alice, bob = l.home(cone).host().person("Alice"), l.home(symmetric).host().person("Bob")
	acquaint(alice, bob, relays...)
	return alice, bob
}

func acquaint(alice, bob *person, relays ...*relay) {
	alice.t.Helper()
	alice.up(begin(relays...)...)
	bob.up(begin(relays...)...)
	for _, r := range relays {
		bob.kith(nil, "relays", "add", r.Link)
	}
	alice.until("a place at a relay", 30*time.Second, reserved)
	bob.meet(alice)
	// Alice has heard of Bob's relays when she has what he said after that.
	bob.say(alice, "I use relays")
	settled(bob, alice)
}

// leaves has somebody say things to one who is away, and waits until each is on
// so many relays.
func (p *person) leaves(to *person, on uint32, texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.say(to, text)
	}
	p.boxed(to, on, texts...)
}

func (p *person) boxed(to *person, on uint32, texts ...string) {
	p.t.Helper()
	p.wait("boxes on relays", func() bool {
		return !slices.ContainsFunc(p.log(to), func(m *apiv1.Message) bool {
			return slices.Contains(texts, m.GetText()) && m.GetBoxedOn() < on
		})
	})
}

// hears waits until all of these are there.
func (p *person) hears(from *person, texts ...string) {
	p.t.Helper()
	p.wait(fmt.Sprintf("what %s left", from.name), func() bool {
		_, theirs, _ := p.told(from)
		return !slices.ContainsFunc(texts, func(text string) bool { return !slices.Contains(theirs, text) })
	})
}

func (p *person) wait(what string, is func() bool) {
	p.t.Helper()
	for began := time.Now(); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > deadline {
			p.t.Fatalf("%s: no %s in %v\n%s", p.name, what, deadline, p.said())
		}
	}
}

func (p *person) log(with *person) []*apiv1.Message {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), deadline)
	defer cancel()
	r, err := p.Log(ctx, connect.NewRequest(&apiv1.LogRequest{Contact: with.name, Limit: 1000}))
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", p.name, err, p.said())
	}
	return r.Msg.GetMessages()
}

// agree checks that two who are up end with the same conversation: everything once,
// in one order, states true.
func agree(a, b *person, want int) {
	a.t.Helper()
	settled(a, b)
	settled(b, a)
	texts := func(p, with *person) (all []string) {
		for _, m := range p.log(with) {
			all = append(all, m.GetFrom()+": "+m.GetText())
		}
		return all
	}
	x, y := texts(a, b), texts(b, a)
	if !slices.Equal(x, y) || len(x) != want {
		a.t.Errorf("%d messages and not the same with both, or not %d:\n%s\n\n%s", len(x), want, strings.Join(x, "\n"), strings.Join(y, "\n"))
	}
}

func numbered(topic string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s %d", topic, i))
	}
	return all
}

// TestBoxes_relayKilledInMidPut: relays are killed with kill -9 while they are written
// to, and come back. What was acknowledged is there.
func TestBoxes_relayKilledInMidPut(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	relays := []*relay{l.public().relay(), l.public().relay(), l.public().relay()}
	alice, bob := apart(t, relays...)
	bob.down()
	texts := numbered("while relays die", 40)
	said := make(chan struct{})
	go func() {
		defer close(said)
		for _, text := range texts {
			alice.tell(bob, text)
		}
	}()
	for range 5 {
		r := relays[rand.IntN(len(relays))]
		time.Sleep(time.Duration(100+rand.IntN(300)) * time.Millisecond) // any moment will do
		r.kill()
		r.up()
	}
	<-said
	alice.boxed(bob, 2, texts...)
	alice.down()
	relays[0].kill() // for good: another has a copy
	bob.up(begin(relays[1:]...)...)
	bob.hears(alice, texts...)
	alice.up(begin(relays[1:]...)...)
	agree(alice, bob, len(texts)+1)
}

// tell is say for another goroutine than the test's.
func (p *person) tell(to *person, text string) {
	ctx, cancel := context.WithTimeout(p.t.Context(), deadline)
	defer cancel()
	if _, err := p.Send(ctx, connect.NewRequest(&apiv1.SendRequest{Contact: to.name, Text: text})); err != nil {
		p.t.Error(err)
	}
}

// TestBoxes_twoOfFourRelaysGone: two of four relays are gone for good, with what they
// held.
func TestBoxes_twoOfFourRelaysGone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	relays := []*relay{l.public().relay(), l.public().relay(), l.public().relay(), l.public().relay()}
	alice, bob := apart(t, relays...)
	bob.down()
	alice.leaves(bob, 4, numbered("before", 5)...)
	rand.Shuffle(len(relays), func(i, j int) { relays[i], relays[j] = relays[j], relays[i] })
	relays[0].kill()
	relays[1].kill()
	left := begin(relays[2:]...)
	alice.leaves(bob, 2, numbered("after", 5)...)
	alice.down()
	bob.up(left...)
	bob.hears(alice, append(numbered("before", 5), numbered("after", 5)...)...)
	bob.leaves(alice, 2, numbered("answer", 5)...)
	bob.down()
	alice.up(left...)
	alice.hears(bob, numbered("answer", 5)...)
	bob.up(left...)
	agree(alice, bob, 16)
}

// TestBoxes_aRelayThatLies: one relay in four says it holds what it does not, gives
// other cells, spoiled ones, in any order.
func TestBoxes_aRelayThatLies(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	relays := []*relay{l.public().relay(), l.public().relay(), l.public().relay()}
	alice, bob := apart(t, relays...)
	liar := l.public().liar()
	bob.kith(nil, "relays", "add", liar.Link)
	bob.say(alice, "and that one")
	settled(bob, alice)
	flags := begin(relays...)
	total := 2
	here, away := alice, bob
	away.down()
	for round := range 4 {
		texts := numbered(fmt.Sprintf("round %d", round), 6)
		here.leaves(away, 3, texts...)
		total += len(texts)
		here.down()
		here, away = away, here
		here.up(flags...)
		here.hears(away, texts...)
	}
	away.up(flags...)
	agree(alice, bob, total)
	if said := liar.said.String(); !strings.Contains(said, "lied: drop") || !strings.Contains(said, "lied: reorder") {
		t.Errorf("the relay did not lie:\n%s", said)
	}
}

// TestBoxes_offlineInTurnForHours: hours pass by every clock, people's and relays',
// while one of the two is away, then the other, then both. A clock is turned when its
// program starts, so relays start anew each time.
func TestBoxes_offlineInTurnForHours(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if _, err := os.Stat(filepath.Join(*bed, "clock", "build-skewed.sh")); err != nil {
		t.Skipf("skipped: hours cannot be faked here: %v", err)
	}
	program, err := turned()
	if err != nil {
		t.Fatal(err)
	}
	var relays []*relay
	for range 4 {
		relays = append(relays, &relay{at: l.public(), home: filepath.Join(t.TempDir(), "relay"), program: program})
	}
	alice, bob := l.home(cone).host().person("Alice"), l.home(symmetric).host().person("Bob")
	alice.binary, bob.binary = program, program
	hours := 0
	pass := func(n int) {
		hours += n
		clock := []string{fmt.Sprintf("BED_CLOCK_SKEW=%dh", hours)}
		for _, r := range relays {
			r.down()
			r.env = clock
			r.up()
		}
		alice.env, bob.env = clock, clock
	}
	pass(0)
	acquaint(alice, bob, relays...)
	flags := begin(relays...)
	total := 1
	here, away := alice, bob
	away.down()
	for round := range 8 {
		texts := numbered(fmt.Sprintf("after %d hours", hours), 3)
		here.leaves(away, 3, texts...)
		total += len(texts)
		here.down()
		pass(3 + round)
		if round%2 == 0 { // up once more, with nobody to talk to
			here.up(flags...)
			here.say(away, fmt.Sprintf("and %d hours later", 3+round))
			here.boxed(away, 3, fmt.Sprintf("and %d hours later", 3+round))
			total++
			here.down()
		}
		pass(2)
		here, away = away, here
		here.up(flags...)
		here.hears(away, texts...)
	}
	away.up(flags...)
	agree(alice, bob, total)
	t.Logf("%d messages in %d hours", total, hours)
	at := alice.log(bob)
	if passed := time.UnixMilli(at[len(at)-1].GetAtMs()).Sub(time.UnixMilli(at[0].GetAtMs())); passed < time.Duration(hours-20)*time.Hour {
		t.Errorf("by the nodes' clocks only %v passed", passed)
	}
}
