package mls_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kith/mls"
)

var (
	simSeed  = flag.Uint64("mls.seed", 0, "seed of the random simulation; 0 takes the built-in ones")
	simSteps = flag.Int("mls.steps", 40, "steps of the random simulation")
)

// noon is the time in all tests.
var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// world is a group as all its members have it. Every member is stored and restored
// after each step.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	suite   mls.Suite
	clients int
	peers   []*peer
	psks    map[string][]byte
}

type peer struct {
	name   string
	client *mls.Client
	group  *mls.Group
}

func newWorld(t *testing.T, s mls.Suite, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, seed)), suite: s, psks: map[string][]byte{}}
	p := w.newcomer()
	var err error
	p.group, err = p.client.Create(nil, noon)
	w.must(err)
	w.peers = []*peer{p}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) newcomer() *peer {
	signer, err := w.suite.GenerateSigner()
	w.must(err)
	w.clients++
	name := fmt.Sprintf("client %d", w.clients)
	return &peer{name: name, client: &mls.Client{
		Suite: w.suite, Credential: mls.BasicCredential([]byte(name)), Signer: signer,
		Capabilities: mls.Capabilities{Extensions: []uint16{0xf0f0}},
		PSK:          func(id []byte) ([]byte, bool) { s, ok := w.psks[string(id)]; return s, ok },
	}}
}

func (w *world) keyPackage(p *peer) *mls.PrivateKeyPackage {
	k, err := p.client.NewKeyPackage(noon.Add(-time.Hour), noon.Add(time.Hour))
	w.must(err)
	return k
}

func (w *world) any() *peer { return w.peers[w.rng.IntN(len(w.peers))] }

func (w *world) other(than *peer) *peer {
	for {
		if p := w.any(); p != than {
			return p
		}
	}
}

// framing chooses how a handshake message is framed.
func (w *world) framing() mls.MessageOptions {
	return mls.MessageOptions{Public: w.rng.IntN(2) == 0, Padding: w.rng.IntN(64), Data: []byte("data")[:w.rng.IntN(5)]}
}

// deliver hands a message to all but its sender, some of whom get it twice.
func (w *world) deliver(from *peer, message []byte) {
	for _, p := range slices.Clone(w.peers) {
		if p == from {
			continue
		}
		processed, err := p.group.Process(message, noon)
		w.must(err)
		if c, ok := processed.(*mls.StagedCommit); ok {
			w.merge(p, c)
		} else if _, err := p.group.Process(message, noon); err == nil {
			w.t.Fatal("a message was taken twice")
		}
	}
}

// merge merges or forks.
func (w *world) merge(p *peer, c *mls.StagedCommit) {
	if c.SelfRemoved {
		w.must(p.group.Merge(c))
		if !p.group.Closed() {
			w.t.Fatal("removed, and the group is open")
		}
		w.peers = slices.DeleteFunc(w.peers, func(q *peer) bool { return q == p })
		return
	}
	if w.rng.IntN(2) == 0 {
		w.must(p.group.Merge(c))
		return
	}
	next, err := p.group.Fork(c)
	w.must(err)
	if _, err := p.group.Fork(c); err == nil {
		w.t.Fatal("a commit was forked twice")
	}
	p.group.Wipe()
	p.group = next
}

// commit lets a member commit, brings newcomers in, and tells the others.
func (w *world) commit(p *peer, newcomers []*peer, proposals ...mls.Proposal) {
	o := mls.CommitOptions{MessageOptions: w.framing(), Now: noon, OmitPath: w.rng.IntN(4) == 0, OmitTree: w.rng.IntN(3) == 0}
	var packages []*mls.PrivateKeyPackage
	for _, n := range newcomers {
		packages = append(packages, w.keyPackage(n))
		proposals = append(proposals, mls.Add(packages[len(packages)-1].KeyPackage))
	}
	c, err := p.group.Commit(o, proposals...)
	w.must(err)
	w.deliver(p, c.Message)
	w.must(p.group.Merge(c.StagedCommit))
	for i, n := range newcomers {
		n.group, err = n.client.Join(c.Welcome, packages[i], mls.JoinOptions{Tree: p.group.Tree(), Now: noon})
		w.must(err)
		w.peers = append(w.peers, n)
	}
}

// step does something random.
func (w *world) step() {
	p := w.any()
	switch action := w.rng.IntN(10); {
	case action < 3 || len(w.peers) < 3:
		newcomers := []*peer{w.newcomer()}
		for w.rng.IntN(3) == 0 {
			newcomers = append(newcomers, w.newcomer())
		}
		w.commit(p, newcomers)
	case action < 4:
		w.commit(p, nil, mls.Remove(w.other(p).group.Leaf()))
	case action < 5:
		w.commit(p, []*peer{w.newcomer()}, mls.Remove(w.other(p).group.Leaf()))
	case action < 6:
		id := fmt.Sprintf("psk %d", w.rng.IntN(1000))
		w.psks[id] = []byte("secret of " + id)
		w.commit(p, nil, mls.PSK([]byte(id)), mls.ResumptionPSK(p.group.ID(), p.group.Epoch()))
	case action < 7:
		w.commit(p, nil, mls.SetExtensions(mls.Extension{Type: 0xf0f0, Data: []byte{byte(w.rng.IntN(256))}}))
	case action < 8:
		w.propose(p)
	case action < 9:
		w.enter(p)
	default:
		w.commit(p, nil)
	}
	w.talk()
	w.check()
}

// propose lets several members propose and another commit.
func (w *world) propose(committer *peer) {
	for range 1 + w.rng.IntN(3) {
		p := w.any()
		var message []byte
		var err error
		switch w.rng.IntN(3) {
		case 0:
			message, err = p.group.ProposeUpdate(nil, w.framing())
		case 1:
			target := w.other(committer)
			message, err = p.group.Propose(mls.Remove(target.group.Leaf()), w.framing(), noon)
		default:
			w.psks["shared"] = []byte("shared secret")
			message, err = p.group.Propose(mls.PSK([]byte("shared")), w.framing(), noon)
		}
		w.must(err)
		w.deliver(p, message)
	}
	if _, err := committer.group.Seal([]byte("too early"), mls.MessageOptions{}); !errors.Is(err, mls.ErrProposalsWait) {
		w.t.Fatalf("data beside waiting proposals: %v", err)
	}
	w.restore()
	w.commit(committer, nil)
}

// enter lets somebody join by an external commit, sometimes in place of a member.
func (w *world) enter(helper *peer) {
	tree := helper.group.Tree()
	info, err := helper.group.GroupInfo(mls.GroupInfoOptions{OmitTree: w.rng.IntN(2) == 0})
	w.must(err)
	n := w.newcomer()
	o := mls.ExternalOptions{JoinOptions: mls.JoinOptions{Tree: tree, Now: noon}}
	if w.rng.IntN(2) == 0 && len(w.peers) > 2 {
		old := w.other(helper)
		o.Replace = new(old.group.Leaf())
		n.client, n.name = old.client, old.name
	}
	message, g, err := n.client.JoinExternally(info, o)
	w.must(err)
	w.deliver(nil, message)
	n.group = g
	w.peers = append(w.peers, n)
}

// talk sends messages that arrive out of order.
func (w *world) talk() {
	from := w.any()
	var messages [][]byte
	for i := range 3 {
		m, err := from.group.Seal([]byte{byte(i)}, mls.MessageOptions{Padding: w.rng.IntN(300)})
		w.must(err)
		messages = append(messages, m)
	}
	w.rng.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
	for _, p := range w.peers {
		if p == from {
			continue
		}
		for _, m := range messages {
			got, err := p.group.Process(m, noon)
			w.must(err)
			if a, ok := got.(*mls.Application); !ok || a.Sender != from.group.Leaf() || len(a.Plaintext) != 1 {
				w.t.Fatalf("opened %+v", got)
			}
			if _, err := p.group.Process(m, noon); !errors.Is(err, mls.ErrDuplicate) {
				w.t.Fatalf("the same message again: %v", err)
			}
		}
	}
}

// check compares all members, and stores and restores them.
func (w *world) check() {
	first := w.peers[0].group
	exported, err := first.Export("test", []byte("context"), 32)
	w.must(err)
	for _, p := range w.peers {
		if !bytes.Equal(p.group.Authenticator(), first.Authenticator()) || p.group.Epoch() != first.Epoch() || p.group.Size() != len(w.peers) {
			w.t.Fatalf("%s is in another epoch", p.name)
		}
		if e, err := p.group.Export("test", []byte("context"), 32); err != nil || !bytes.Equal(e, exported) {
			w.t.Fatalf("%s exports something else", p.name)
		}
	}
	w.restore()
}

func (w *world) restore() {
	for _, p := range w.peers {
		state, err := p.group.MarshalBinary()
		w.must(err)
		p.group, err = p.client.Restore(state)
		w.must(err)
		again, err := p.group.MarshalBinary()
		w.must(err)
		if !bytes.Equal(state, again) {
			w.t.Fatalf("state of %s changes when it is restored", p.name)
		}
	}
}

func TestSimulation_membersAgree(t *testing.T) {
	type run struct {
		suite mls.Suite
		seed  uint64
		steps int
	}
	runs := []run{{1, 1, *simSteps}, {1, 2, *simSteps}, {2, 3, 10}, {3, 4, 10}, {5, 5, 5}, {7, 6, 5}, {4, 7, 5}, {6, 8, 5}, {mls.XWingAES256, 9, 10}}
	if *simSeed != 0 {
		runs = []run{{1, *simSeed, *simSteps}}
	}
	for _, r := range runs {
		t.Run(fmt.Sprintf("suite-%d/seed-%d", uint16(r.suite), r.seed), func(t *testing.T) {
			w := newWorld(t, r.suite, r.seed)
			for i := range r.steps {
				w.step()
				if t.Failed() {
					t.Fatalf("step %d of seed %d", i, r.seed)
				}
			}
			t.Logf("seed %d: %d members in epoch %d", r.seed, len(w.peers), w.peers[0].group.Epoch())
		})
	}
}
