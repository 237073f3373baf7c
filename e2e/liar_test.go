package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	apiv1 "kith/api/v1"
)

// liarProgram builds a relay that lies, once.
var liarProgram = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "liar")
	out, err := exec.Command("go", "build", "-o", path, "kith/e2e/liar").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return path, err
})

// newLiar runs a relay that lies in these ways.
func newLiar(t *testing.T, dir, lies string) *relayProcess {
	t.Helper()
	program, err := liarProgram()
	must(t, err)
	r := &relayProcess{t: t, home: filepath.Join(dir, "liar"), listen: fmt.Sprintf("127.0.0.1:%d", freePort(t))}
	t.Cleanup(func() {
		if r.cmd != nil {
			r.kill()
		}
	})
	r.run(program, "--home", r.home, "--listen", r.listen, "--lies", lies, "--seed", fmt.Sprint(dice(t).Uint64()))
	return r
}

// boxedTexts sends texts to somebody who is away, and waits until each is on so many
// relays.
func (p *person) boxedTexts(to *person, on uint32, texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		if _, err := p.say(to.name, text); err != nil {
			p.t.Fatal(err)
		}
	}
	until(p.t, func() bool {
		return !slices.ContainsFunc(p.all(to.name), func(m *apiv1.Message) bool {
			return slices.Contains(texts, m.GetText()) && m.GetBoxedOn() < on
		})
	})
}

// agree checks that two who are both up end with the same conversation: everything
// once, in one order, and known to be delivered.
func agree(t *testing.T, a, b *person, want int) {
	t.Helper()
	for _, p := range [][2]*person{{a, b}, {b, a}} {
		until(t, func() bool {
			return !slices.ContainsFunc(p[0].all(p[1].name), func(m *apiv1.Message) bool {
				return m.GetMine() && m.GetState() != "delivered" && m.GetState() != "read"
			})
		})
	}
	texts := func(p, with *person) (all []string) {
		for _, m := range p.all(with.name) {
			all = append(all, m.GetFrom()+": "+m.GetText())
		}
		return all
	}
	x, y := texts(a, b), texts(b, a)
	if !slices.Equal(x, y) || len(x) != want {
		t.Errorf("%d messages and not the same with both, or not %d:\n%s\n\n%s", len(x), want, strings.Join(x, "\n"), strings.Join(y, "\n"))
	}
	if sorted := slices.Sorted(slices.Values(x)); len(slices.Compact(sorted)) != len(x) {
		t.Errorf("something is there twice:\n%s", strings.Join(x, "\n"))
	}
}

func numbered(topic string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s %d", topic, i))
	}
	return all
}

// TestRelay_oneThatLies: of four relays one says it holds what it does not, gives
// other cells than were asked for, spoils them, and answers in any order. Two who are
// never up together still get everything, once and in order.
func TestRelay_oneThatLies(t *testing.T) {
	t.Parallel()
	alice, bob, _ := withRelays(t, 3)
	liar := newLiar(t, t.TempDir(), "drop,replay,corrupt,reorder")
	bob.ok("relays", "add", liar.link)
	bob.ok("send", "Alice", "and that one", "--wait", "delivered")
	total := 2
	here, away := alice, bob
	away.down()
	for round := range 4 {
		texts := numbered(fmt.Sprintf("round %d", round), 6)
		here.boxedTexts(away, 3, texts...)
		total += len(texts)
		here.down()
		here, away = away, here
		here.up()
		here.hears(texts[len(texts)-1])
		until(t, func() bool { return len(here.all(away.name)) == total })
	}
	away.up()
	agree(t, alice, bob, total)
	liar.kill()
	told := liar.said.String()
	if !strings.Contains(told, "lied: drop") || !strings.Contains(told, "lied: reorder") || !strings.Contains(told, "lied: replay") && !strings.Contains(told, "lied: corrupt") {
		t.Errorf("it hardly lied:\n%s", told)
	}
}

// TestRelay_twoOfFourGone: two of four relays are gone for good, with what they held.
// What was said before is there, and what is said after it.
func TestRelay_twoOfFourGone(t *testing.T) {
	t.Parallel()
	alice, bob, relays := withRelays(t, 4)
	bob.down()
	alice.boxedTexts(bob, 4, numbered("before", 5)...)
	random := dice(t)
	for _, i := range random.Perm(len(relays))[:2] {
		relays[i].kill()
	}
	alice.boxedTexts(bob, 2, numbered("after", 5)...)
	alice.down()
	bob.up()
	bob.hears("after 4")
	until(t, func() bool { return len(bob.all("Alice")) == 11 })
	bob.boxedTexts(alice, 2, numbered("answer", 5)...)
	bob.down()
	alice.up()
	alice.hears("answer 4")
	bob.up()
	agree(t, alice, bob, 16)
}
