package oracle_test

import (
	"cmp"
	"flag"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	seedFlag     = flag.Uint64("oracle.seed", 0, "seed of the conversations with libsignal; 0 draws one")
	messagesFlag = flag.Int("oracle.messages", 650, "messages of each conversation with libsignal, at least")
)

// pattern says whose turn it is.
type pattern struct {
	name string
	// speaks reports whether the initiator sends message n of a conversation.
	speaks func(r *rand.Rand, n int) bool
}

var patterns = []pattern{
	{"ping-pong", func(_ *rand.Rand, n int) bool { return n%2 == 0 }},
	{"bursts", func(_ *rand.Rand, n int) bool { return n/40%2 == 0 }},
	{"three-to-one", func(_ *rand.Rand, n int) bool { return n%4 != 3 }},
	{"random", func(r *rand.Rand, _ int) bool { return r.IntN(2) == 0 }},
}

// epochsWanted is how many secrets of the post-quantum ratchet a conversation
// goes through at least. One that has not after so many messages more than wanted
// never will.
const (
	epochsWanted = 6
	messagesMore = 3500
)

// flying is a message under way, or one that has been delivered and may come again.
type flying struct {
	wire
	toUs   bool
	turn   int // of its sender
	number int
}

// conversation delivers the messages of two parties badly.
type conversation struct {
	t        testing.TB
	r        *rand.Rand
	us       *ours
	them     *theirs
	log      *transcript // nil: not recorded
	short    bool        // whether texts are numbers only
	weStart  bool
	flights  []flying
	old      []flying
	turns    [2]int // how often they and we began to speak
	lastToUs bool

	sent, opened, lost, refused int
}

func (c *conversation) party(us bool) party {
	if us {
		return c.us
	}
	return c.them
}

// run holds a conversation of a pattern, until enough was said.
func (c *conversation) run(p *pattern) {
	c.t.Helper()
	for n := 0; c.sent < *messagesFlag || c.us.Sessions[c.us.peer].Epoch() < epochsWanted; n++ {
		if n > *messagesFlag+messagesMore {
			c.t.Fatalf("%d epochs in %d messages", c.us.Sessions[c.us.peer].Epoch(), c.sent)
		}
		byUs := p.speaks(c.r, n) == c.weStart
		if !c.party(byUs).ready() { // the responder has heard nothing yet
			byUs = c.weStart
		}
		c.speak(byUs, n)
		for len(c.flights) > 0 && c.r.IntN(10) < 7 || len(c.flights) > 6 {
			c.deliver()
		}
		if c.r.IntN(10) == 0 {
			c.us.restore(c.t)
		}
		if len(c.old) > 0 && c.r.IntN(15) == 0 {
			c.again()
		}
	}
	for len(c.flights) > 0 {
		c.deliver()
	}
}

// speak sends one message, or loses it.
func (c *conversation) speak(byUs bool, n int) {
	c.t.Helper()
	if toUs := !byUs; toUs != c.lastToUs || n == 0 {
		c.turns[index(byUs)]++
		c.lastToUs = toUs
	}
	text := strconv.Itoa(n)
	if !c.short {
		text += strings.Repeat(" all work and no play", c.r.IntN(8))
	}
	w := c.party(byUs).seal(c.t, text)
	c.sent++
	f := flying{w, !byUs, c.turns[index(byUs)], n}
	c.log.sent(f)
	if c.r.IntN(12) == 0 {
		c.lost++
		return
	}
	c.flights = append(c.flights, f)
}

func index(us bool) int {
	if us {
		return 1
	}
	return 0
}

// deliver takes any message under way. One that is too late for libsignal, which
// keeps five chains, is lost.
func (c *conversation) deliver() {
	c.t.Helper()
	i := c.r.IntN(min(len(c.flights), 4))
	f := c.flights[i]
	c.flights = slices.Delete(c.flights, i, i+1)
	if c.turns[index(!f.toUs)]-f.turn > 3 {
		c.lost++
		return
	}
	text, err := c.party(f.toUs).open(f.wire)
	if err != nil || text != f.text {
		c.t.Fatalf("message %d (to us: %t): %q, %v", f.number, f.toUs, text, err)
	}
	c.log.delivered(f)
	c.opened++
	c.old = append(c.old, f)
}

// again delivers a message a second time.
func (c *conversation) again() {
	c.t.Helper()
	f := c.old[len(c.old)-1-c.r.IntN(min(len(c.old), 50))]
	receiver := c.party(f.toUs)
	before := receiver.state(c.t)
	if text, err := receiver.open(f.wire); err == nil {
		c.t.Fatalf("message %d opened twice (to us: %t): %q", f.number, f.toUs, text)
	}
	if receiver.state(c.t) != before {
		c.t.Fatalf("message %d, replayed, changed the state (to us: %t)", f.number, f.toUs)
	}
	c.log.replayed(f)
	c.refused++
}

func newSeed(t testing.TB) uint64 {
	return cmp.Or(*seedFlag, uint64(time.Now().UnixNano()))
}

func TestOracle_conversations(t *testing.T) {
	seed := newSeed(t)
	t.Logf("-oracle.seed %d", seed)
	var sent, opened, refused int
	var epochs uint64
	for _, version := range []string{"v103", "v90"} {
		n := startNode(t, version)
		for i, p := range patterns {
			for _, weStart := range []bool{true, false} {
				c := &conversation{
					t: t, r: rand.New(rand.NewPCG(seed, uint64(2*i+index(weStart)))), weStart: weStart,
					us: newOurs(t, version == "v90"), them: newTheirs(n),
				}
				introduce(t, c.us, c.them, weStart, i != 1)
				c.run(&p)
				e := c.us.Sessions[c.us.peer].Epoch()
				t.Logf("%s, %s, we start: %t: %d messages sent, %d opened, %d lost, %d refused as replays, %d epochs",
					version, p.name, weStart, c.sent, c.opened, c.lost, c.refused, e)
				sent, opened, refused, epochs = sent+c.sent, opened+c.opened, refused+c.refused, epochs+e
			}
		}
	}
	t.Logf("%d messages, %d of them opened, %d replays refused, %d epochs", sent, opened, refused, epochs)
	if sent < 5000 {
		t.Errorf("%d messages", sent)
	}
}
