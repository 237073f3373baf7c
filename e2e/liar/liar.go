package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"kith/box"
	"kith/internal/relay"
	"kith/internal/relaynet"
)

// liar is a machine that lies about what an honest one does.
type liar struct {
	relaynet.Machine // what it lies about
	random           *rand.Rand

	drop, replay, corrupt, reorder, chatty bool

	told []*box.Reply   // found once, to be told again
	late []relay.Answer // to be given some other time
	wake time.Time      // for late
}

// memory bounds told.
const memory = 64

func newLiar(m relaynet.Machine, lies []string, seed uint64) (*liar, error) {
	l := &liar{Machine: m, random: rand.New(rand.NewPCG(seed, 0))}
	for _, name := range lies {
		switch name {
		case "drop":
			l.drop = true
		case "replay":
			l.replay = true
		case "corrupt":
			l.corrupt = true
		case "reorder":
			l.reorder = true
		case "chatty":
			l.chatty = true
		default:
			return nil, fmt.Errorf("no lie is called %q", name)
		}
	}
	return l, nil
}

// lied tells the test that there was a lie, and of which kind.
func (l *liar) lied(kind string) { fmt.Fprintln(os.Stderr, "lied:", kind) }

// often is one time in three.
func (l *liar) often() bool { return l.random.IntN(3) == 0 }

// Step implements relaynet.Machine.
func (l *liar) Step(now time.Time, asked []relay.Asked) ([]relay.Answer, error) {
	var lies []relay.Answer
	honest := slices.DeleteFunc(slices.Clone(asked), func(a relay.Asked) bool {
		r := l.shrug(&a, now)
		if r != nil {
			lies = append(lies, relay.Answer{Link: a.Link, Reply: r})
		}
		return r != nil
	})
	answers, err := l.Machine.Step(now, honest)
	if err != nil {
		return nil, err
	}
	for i := range answers {
		answers[i].Reply = l.twist(answers[i].Reply)
	}
	return l.shuffle(now, append(answers, lies...)), nil
}

// shrug says "done", and does nothing, to some of what is asked.
func (l *liar) shrug(a *relay.Asked, now time.Time) *box.Reply {
	q := a.Request
	if l.chatty {
		fmt.Fprintf(os.Stderr, "link %d asks %d of box %x\n", a.Link, q.Op, q.Box)
	}
	if l.drop && q.Op != box.OpInfo && l.often() {
		l.lied("drop")
		said := box.OK
		if q.Op == box.OpGet {
			said = box.Miss
		}
		return &box.Reply{Status: said, Tag: q.Tag, Day: box.Day(now)}
	}
	return nil
}

// twist gives another cell than was asked for, or spoils the one it gives.
func (l *liar) twist(r *box.Reply) *box.Reply {
	if r.Status != box.Found {
		return r
	}
	x := *r
	x.Cell = bytes.Clone(r.Cell)
	if len(l.told) < memory {
		l.told = append(l.told, &x)
	}
	y := x
	switch {
	case l.replay && l.often():
		l.lied("replay")
		y = *l.told[l.random.IntN(len(l.told))]
		y.Tag = r.Tag
	case l.corrupt && l.often():
		l.lied("corrupt")
		y.Cell = bytes.Clone(x.Cell)
		y.Cell[l.random.IntN(len(y.Cell))] ^= 1 << l.random.IntN(8)
	}
	return &y
}

// shuffle answers in any order, and some of it later.
func (l *liar) shuffle(now time.Time, answers []relay.Answer) []relay.Answer {
	if !l.reorder {
		return answers
	}
	answers = append(answers, l.late...)
	l.late = nil
	l.random.Shuffle(len(answers), func(i, j int) { answers[i], answers[j] = answers[j], answers[i] })
	keep := 0
	if l.often() {
		keep = l.random.IntN(len(answers) + 1)
	}
	if keep > 0 {
		l.lied("reorder")
	}
	l.late, answers = slices.Clone(answers[:keep]), answers[keep:]
	l.wake = now.Add(time.Duration(l.random.IntN(3000)) * time.Millisecond)
	return answers
}

// Gone implements relaynet.Machine.
func (l *liar) Gone(link uint64) {
	l.late = slices.DeleteFunc(l.late, func(a relay.Answer) bool { return a.Link == link })
	l.Machine.Gone(link)
}

// Wake implements relaynet.Machine.
func (l *liar) Wake() time.Time {
	w := l.Machine.Wake()
	if len(l.late) > 0 && (w.IsZero() || l.wake.Before(w)) {
		return l.wake
	}
	return w
}
