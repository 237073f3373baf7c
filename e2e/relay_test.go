package e2e

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/identity"
)

// relayProcess is a running relay.
type relayProcess struct {
	t      *testing.T
	home   string
	listen string
	link   string
	cmd    *exec.Cmd
	mu     sync.Mutex
	said   bytes.Buffer // all it wrote to standard error
}

// Write takes what a relay says.
func (r *relayProcess) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.Write(b)
}

func newRelay(t *testing.T, dir string, n int) *relayProcess {
	t.Helper()
	r := &relayProcess{t: t, home: filepath.Join(dir, fmt.Sprint("relay", n)), listen: fmt.Sprintf("127.0.0.1:%d", freePort(t))}
	t.Cleanup(func() {
		if r.cmd != nil {
			r.kill()
		}
	})
	r.up()
	return r
}

func (r *relayProcess) up() {
	r.t.Helper()
	r.run(binary, "--home", r.home, "--json", "relay", "--listen", r.listen, "--log-level", "debug")
}

// run runs a program that is a relay.
func (r *relayProcess) run(program string, args ...string) {
	r.t.Helper()
	r.cmd = exec.Command(program, args...)
	out, err := r.cmd.StdoutPipe()
	must(r.t, err)
	r.cmd.Stderr = r
	must(r.t, r.cmd.Start())
	line, err := bufio.NewReader(out).ReadBytes('\n')
	must(r.t, err)
	var ready struct {
		Ready bool
		Link  string
	}
	must(r.t, json.Unmarshal(line, &ready))
	r.link = ready.Link
}

func (r *relayProcess) kill() {
	must(r.t, r.cmd.Process.Kill())
	_ = r.cmd.Wait() // it was killed
	r.cmd = nil
}

// withRelays makes Alice and Bob, contacts, and relays that Bob uses.
func withRelays(t *testing.T, n int) (alice, bob *person, relays []*relayProcess) {
	t.Helper()
	dir := t.TempDir()
	alice, bob = pair(t, dir)
	for i := range n {
		r := newRelay(t, dir, i)
		relays = append(relays, r)
		bob.ok("relays", "add", r.link)
	}
	// Alice has heard of all of them when what Bob says after that is there.
	bob.ok("send", "Alice", "I use relays now", "--wait", "delivered")
	return alice, bob, relays
}

func (p *person) stateOf(id string) *apiv1.Message {
	p.t.Helper()
	r, err := p.Message(p.t.Context(), connect.NewRequest(&apiv1.MessageRequest{Id: id}))
	must(p.t, err)
	return r.Msg.GetMessage()
}

// boxed sends a text to somebody who is away, and waits until relays hold it.
func (p *person) boxed(to, text string, of uint32) string {
	p.t.Helper()
	var sent struct{ ID, State string }
	p.json(&sent, "send", to, text, "--wait", "boxed", "--timeout", "30s")
	p.await("boxes for "+text, func(w *apiv1.WatchResponse) bool {
		return message(w).GetId() == sent.ID && message(w).GetBoxedOn() == of
	})
	return sent.ID
}

func (p *person) hears(text string) {
	p.t.Helper()
	p.await(text, func(w *apiv1.WatchResponse) bool { return message(w).GetText() == text })
}

// TestRelay_awayAndBack: what is said to somebody who is away is in boxes, and there at
// once when they return, though the sender has gone.
func TestRelay_awayAndBack(t *testing.T) {
	t.Parallel()
	alice, bob, _ := withRelays(t, 4)
	bob.down()
	id := alice.boxed("Bob", "you are away", 4)
	if m := alice.stateOf(id); m.GetState() != "boxed" || m.GetBoxedOf() != 4 {
		t.Errorf("state %s, on %d of %d", m.GetState(), m.GetBoxedOn(), m.GetBoxedOf())
	}
	alice.down()
	bob.up()
	bob.hears("you are away")
	if n := len(bob.all("Alice")); n != 2 {
		t.Errorf("%d messages", n)
	}
	// Directly, it is known to be delivered as soon as both are there.
	alice.up()
	alice.awaitState(id, "delivered")
	if n := len(bob.all("Alice")); n != 2 {
		t.Errorf("%d messages", n)
	}
}

// TestRelay_firstContactApart: an invite is taken up while the inviter is away.
func TestRelay_firstContactApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alice, bob := newPerson(t, dir, "Alice"), newPerson(t, dir, "Bob")
	for _, p := range []*person{alice, bob} {
		p.init()
	}
	alice.up()
	for i := range 4 {
		alice.ok("relays", "add", newRelay(t, dir, i).link)
	}
	var invite struct{ Link string }
	alice.json(&invite, "invite")
	// The bundle is in a box when one of the relays has it.
	until(t, func() bool {
		held := 0
		for i := range 4 {
			days, err := filepath.Glob(filepath.Join(dir, fmt.Sprint("relay", i), "boxes", "*"))
			must(t, err)
			held += min(len(days), 1)
		}
		return held == 4
	})
	alice.down()
	bob.up()
	bob.ok("add", invite.Link)
	var sent struct{ ID string }
	bob.json(&sent, "send", "Alice", "I took it up", "--wait", "boxed", "--timeout", "30s")
	bob.down()
	alice.up()
	alice.await("contact Bob", established("Bob"))
	alice.hears("I took it up")
	bob.up()
	bob.await("contact Alice", established("Alice"))
	bob.awaitState(sent.ID, "delivered")
}

// TestRelay_killedInMidPut: relays are killed while they are written to, and come back:
// what they said they hold they hold, and everything arrives once.
func TestRelay_killedInMidPut(t *testing.T) {
	t.Parallel()
	alice, bob, relays := withRelays(t, 3)
	bob.down()
	var texts []string
	var talk sync.WaitGroup
	talk.Go(func() {
		for i := range 30 {
			text := fmt.Sprintf("text %02d", i)
			texts = append(texts, text)
			if _, err := alice.say("Bob", text); err != nil {
				t.Error(err)
			}
		}
	})
	random := dice(t)
	for range 6 {
		r := relays[random.IntN(len(relays))]
		time.Sleep(time.Duration(300+random.IntN(500)) * time.Millisecond) // any moment will do
		r.kill()
		r.up()
	}
	talk.Wait()
	alice.await("the last in boxes", func(w *apiv1.WatchResponse) bool {
		return message(w).GetText() == texts[len(texts)-1] && message(w).GetBoxedOn() > 0
	})
	until(t, func() bool {
		return !slices.ContainsFunc(alice.all("Bob"), func(m *apiv1.Message) bool { return m.GetMine() && m.GetBoxedOn() < 2 })
	})
	alice.down()
	relays[0].kill() // for good: two copies are left
	bob.up()
	bob.hears(texts[len(texts)-1])
	until(t, func() bool { return len(bob.all("Alice")) == len(texts)+1 })
	var got []string
	for _, m := range bob.all("Alice") {
		if !m.GetMine() {
			got = append(got, m.GetText())
		}
	}
	if !slices.Equal(got, texts) {
		t.Errorf("not once and in order: %q", got)
	}
}

// TestRelay_T1_relaysKnowNobody: nothing on a relay's disk or in its log tells of those
// who use it, three people, 200 messages and a file: no keys, names, words or
// addresses, though it tells all that it ever does. The same search finds what is
// there, and what a relay that listens to its users writes down.
func TestRelay_T1_relaysKnowNobody(t *testing.T) {
	t.Parallel()
	alice, bob, relays := withRelays(t, 4)
	dir := t.TempDir()
	chatty := newLiar(t, dir, "chatty")
	carol := newPerson(t, dir, "Caroline")
	carol.init()
	carol.up()
	bob.meet(carol)
	bob.ok("relays", "add", chatty.link)
	for _, p := range []*person{alice, carol} {
		bob.ok("send", p.name, "I use that one, too", "--wait", "delivered")
	}
	const canary = "canary-7f3a"
	alice.say200(carol, bob, canary)
	path := filepath.Join(dir, "canary-picture.bin")
	sum := randomFile(t, path, 300_000)
	id := alice.sendFile("Bob", path, "--wait", "boxed", "--timeout", "60s")
	alice.leftWithRelays()
	alice.down()
	carol.down()
	bob.up()
	bob.awaitFile("canary-picture.bin")
	bob.saved(id, sum)
	until(t, func() bool { return len(bob.all("Alice")) == 100+3 && len(bob.all("Caroline")) == 100+1 })
	alice.up()
	carol.up()
	content, err := os.ReadFile(path)
	must(t, err)
	needles := []needle{spoken("words", canary), hidden("address", []byte("127.0.0.1")), hidden("the file", content[100_000:100_032])}
	for _, p := range []*person{alice, bob, carol} {
		s := p.status()
		device, err := hex.DecodeString(s.GetDevice())
		must(t, err)
		account, err := identity.ParseAccountID(s.GetAccount())
		must(t, err)
		needles = append(needles, hidden(p.name+"'s device", device), hidden(p.name+"'s account", account[:]),
			hidden(p.name+"'s address", []byte(s.GetAccount())))
	}
	// Three letters are found in any heap of random bytes; these are enough.
	needles = append(needles, spoken("a name", carol.name))
	for _, r := range relays {
		r.kill()
		key, err := os.ReadFile(filepath.Join(r.home, "relay.key"))
		must(t, err)
		control := hidden("its own key", key)
		found := false
		all := files(t, r.home)
		all["its log"] = r.said.Bytes()
		for path, content := range all {
			for _, n := range needles {
				if n.in(content) {
					t.Errorf("%s is in %s", n.what, path)
				}
			}
			found = found || control.in(content)
		}
		if !found {
			t.Error("the search does not find what is there")
		}
		if r.said.Len() == 0 {
			t.Error("the relay logged nothing at all: the test shows nothing")
		}
	}
	chatty.kill()
	if !needles[1].in(chatty.said.Bytes()) {
		t.Error("the search does not find what a relay tells that listens to its users")
	}
}

// say200 has two people say so much to a third, who goes away.
func (p *person) say200(other, to *person, words string) {
	p.t.Helper()
	to.down()
	var talk sync.WaitGroup
	for _, who := range []*person{p, other} {
		talk.Go(func() {
			for _, text := range numbered(words, 100) {
				if _, err := who.say(to.name, text); err != nil {
					p.t.Error(err)
				}
			}
		})
	}
	talk.Wait()
	for _, who := range []*person{p, other} {
		until(p.t, func() bool {
			return !slices.ContainsFunc(who.all(to.name), func(m *apiv1.Message) bool {
				return m.GetMine() && m.GetState() != "delivered" && m.GetBoxedOn() < 4
			})
		})
	}
}
