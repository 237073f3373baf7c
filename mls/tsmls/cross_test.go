package tsmls_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"kith/mls"
	"kith/mls/tsmls"
)

var (
	now  = time.Now()
	life = map[string]any{"notBefore": now.Add(-time.Hour).Unix(), "notAfter": now.Add(time.Hour).Unix()}
)

// start runs ts-mls, or skips the test where it cannot.
func start(t *testing.T) *tsmls.Process {
	t.Helper()
	dir, err := tsmls.Install()
	if errors.Is(err, tsmls.ErrAbsent) && os.Getenv("KITH_ORACLE") != "require" {
		t.Skipf("no cross run: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := tsmls.Start(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// party is a group some members of which are ours and some ts-mls's.
type party struct {
	t      *testing.T
	ts     *tsmls.Process
	suite  mls.Suite
	ours   map[string]*mls.Group
	theirs map[string]string // name -> key package
	turn   int               // whose it is to talk
}

func (p *party) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *party) call(op string, args map[string]any) *tsmls.Answer {
	p.t.Helper()
	a, err := p.ts.Call(op, args)
	p.must(err)
	return a
}

func (p *party) client(name string) (*mls.Client, *mls.PrivateKeyPackage) {
	p.t.Helper()
	signer, err := p.suite.GenerateSigner()
	p.must(err)
	c := &mls.Client{Suite: p.suite, Credential: mls.BasicCredential([]byte(name)), Signer: signer}
	k, err := c.NewKeyPackage(now.Add(-time.Hour), now.Add(time.Hour))
	p.must(err)
	return c, k
}

// stranger makes a client of ts-mls and returns its key package.
func (p *party) stranger(name string) []byte {
	p.t.Helper()
	a := p.call("client", map[string]any{"name": name, "suite": int(p.suite), "notBefore": life["notBefore"], "notAfter": life["notAfter"]})
	return unhex(p.t, a.KeyPackage)
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tell gives a handshake message to all members but its sender.
func (p *party) tell(from string, message []byte) {
	p.t.Helper()
	for name, g := range p.ours {
		if name == from {
			continue
		}
		got, err := g.Process(message, now)
		if err != nil {
			p.t.Fatalf("%s: %v", name, err)
		}
		if c, ok := got.(*mls.StagedCommit); ok {
			p.must(g.Merge(c))
			if c.SelfRemoved {
				delete(p.ours, name)
			}
		}
	}
	for name := range p.theirs {
		if name != from {
			p.call("process", map[string]any{"name": name, "message": hex.EncodeToString(message)})
		}
	}
}

// commit lets one of ours commit.
func (p *party) commit(name string, public bool, proposals ...mls.Proposal) []byte {
	p.t.Helper()
	c, err := p.ours[name].Commit(mls.CommitOptions{MessageOptions: mls.MessageOptions{Public: public}, Now: now}, proposals...)
	p.must(err)
	p.tell(name, c.Message)
	p.must(p.ours[name].Merge(c.StagedCommit))
	return c.Welcome
}

// commitBy lets one of theirs commit.
func (p *party) commitBy(name string, public bool, list ...map[string]any) []byte {
	p.t.Helper()
	a := p.call("commit", map[string]any{"name": name, "list": list, "public": public})
	p.tell(name, unhex(p.t, a.Commit))
	return unhex(p.t, a.Welcome)
}

// agree compares all members and lets one of each side talk to all others.
func (p *party) agree(step string) {
	p.t.Helper()
	var authenticator, exported []byte
	for name, g := range p.ours {
		e, err := g.Export("test", []byte("context"), 32)
		p.must(err)
		if authenticator == nil {
			authenticator, exported = g.Authenticator(), e
		}
		if !bytes.Equal(authenticator, g.Authenticator()) || !bytes.Equal(exported, e) {
			p.t.Fatalf("%s: %s is in another epoch", step, name)
		}
	}
	p.turn++
	us := slices.Sorted(maps.Keys(p.ours))
	name := us[p.turn%len(us)]
	message, err := p.ours[name].Seal([]byte("from "+name), mls.MessageOptions{Padding: 13})
	p.must(err)
	p.hear(name, message)
	for name := range p.theirs {
		a := p.call("state", map[string]any{"name": name})
		if a.Authenticator != hex.EncodeToString(authenticator) || a.Exported != hex.EncodeToString(exported) {
			p.t.Fatalf("%s: %s is in another epoch", step, name)
		}
	}
	them := slices.Sorted(maps.Keys(p.theirs))
	name = them[p.turn%len(them)]
	a := p.call("seal", map[string]any{"name": name, "plaintext": hex.EncodeToString([]byte("from " + name))})
	p.hear(name, unhex(p.t, a.Message))
}

func (p *party) hear(from string, message []byte) {
	p.t.Helper()
	for name, g := range p.ours {
		if name == from {
			continue
		}
		got, err := g.Process(message, now)
		p.must(err)
		if a, ok := got.(*mls.Application); !ok || string(a.Plaintext) != "from "+from {
			p.t.Fatalf("%s heard %+v from %s", name, got, from)
		}
	}
	for name := range p.theirs {
		if name == from {
			continue
		}
		a := p.call("process", map[string]any{"name": name, "message": hex.EncodeToString(message)})
		if string(unhex(p.t, a.Plaintext)) != "from "+from {
			p.t.Fatalf("%s heard %+v from %s", name, a, from)
		}
	}
}

// addStranger lets one of ours add one of theirs.
func (p *party) addStranger(by, name string) {
	p.t.Helper()
	k, err := (&mls.Client{Suite: p.suite}).ParseKeyPackage(p.stranger(name), now)
	p.must(err)
	welcome := p.commit(by, false, mls.Add(k))
	p.call("join", map[string]any{"name": name, "welcome": hex.EncodeToString(welcome)})
	p.theirs[name] = name
}

// addOurs lets one of theirs add one of ours.
func (p *party) addOurs(by, name string) {
	p.t.Helper()
	c, k := p.client(name)
	welcome := p.commitBy(by, false, map[string]any{"add": hex.EncodeToString(k.Message())})
	g, err := c.Join(welcome, k, mls.JoinOptions{Now: now})
	p.must(err)
	p.ours[name] = g
}

// leafOf returns the leaf of a member by its name.
func (p *party) leafOf(name string) uint32 {
	p.t.Helper()
	for _, g := range p.ours {
		for m := range g.Members() {
			if string(m.Credential.Identity) == name {
				return m.Leaf
			}
		}
	}
	p.t.Fatalf("%s is no member", name)
	return 0
}

// live is a whole life of a group, from where it has one of ours and one of theirs.
func (p *party) live(us, them string) {
	p.agree("begin")
	p.addOurs(them, "carol")
	p.agree("they add ours")
	p.addStranger(us, "dave")
	p.agree("we add theirs")
	p.commit("carol", true)
	p.commitBy("dave", true)
	p.commitBy(them, false)
	p.commit(us, false)
	p.agree("updates")

	m, err := p.ours["carol"].ProposeUpdate(nil, mls.MessageOptions{})
	p.must(err)
	p.tell("carol", m)
	p.commitBy(them, false)
	p.agree("they commit our update")
	m, err = p.ours["carol"].Propose(mls.Remove(p.leafOf("dave")), mls.MessageOptions{Public: true}, now)
	p.must(err)
	delete(p.theirs, "dave")
	p.tell("carol", m)
	p.commitBy(them, true)
	p.agree("they commit our remove")

	p.stranger("erin")
	info, err := p.ours[us].GroupInfo(mls.GroupInfoOptions{})
	p.must(err)
	a := p.call("external", map[string]any{"name": "erin", "groupInfo": hex.EncodeToString(info)})
	p.tell("erin", unhex(p.t, a.Commit))
	p.theirs["erin"] = "erin"
	p.agree("they join externally")

	c, _ := p.client("frank")
	info = unhex(p.t, p.call("groupInfo", map[string]any{"name": them}).GroupInfo)
	m, g, err := c.JoinExternally(info, mls.ExternalOptions{JoinOptions: mls.JoinOptions{Now: now}})
	p.must(err)
	p.tell("frank", m)
	p.ours["frank"] = g
	p.agree("we join externally")

	p.commitBy("erin", false, map[string]any{"remove": p.leafOf("carol")})
	if p.ours["carol"] != nil {
		p.t.Fatal("carol is still there")
	}
	p.agree("they remove ours")
	leaf := p.leafOf("erin")
	delete(p.theirs, "erin")
	p.commit("frank", false, mls.Remove(leaf))
	p.agree("we remove theirs")
}

func TestCross_groupsLiveTogether(t *testing.T) {
	ts := start(t)
	for _, s := range []mls.Suite{1, 2, 3, 5, 7} {
		t.Run(fmt.Sprintf("suite-%d/ours", uint16(s)), func(t *testing.T) {
			p := &party{t: t, ts: ts, suite: s, ours: map[string]*mls.Group{}, theirs: map[string]string{}}
			c, _ := p.client("alice")
			g, err := c.Create([]byte("ours"), now)
			p.must(err)
			p.ours["alice"] = g
			p.addStranger("alice", "bob")
			p.live("alice", "bob")
		})
		t.Run(fmt.Sprintf("suite-%d/theirs", uint16(s)), func(t *testing.T) {
			p := &party{t: t, ts: ts, suite: s, ours: map[string]*mls.Group{}, theirs: map[string]string{}}
			p.stranger("bob")
			p.call("create", map[string]any{"name": "bob", "groupId": hex.EncodeToString([]byte("theirs"))})
			p.theirs["bob"] = "bob"
			p.addOurs("bob", "alice")
			p.live("alice", "bob")
		})
	}
}
