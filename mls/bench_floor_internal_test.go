package mls

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"kith/mls/internal/suite"
	"kith/mls/tsmls"
)

// primitives are what the floors are made of, on the suite of the figures.
type primitives struct {
	b         *testing.B
	s         *suite.Suite
	key       *suite.PrivateKey
	secret    []byte
	content   []byte
	signature []byte
	public    []byte
	output    []byte
	sealed    []byte
	client    *Client
}

func newPrimitives(b *testing.B) *primitives {
	s, _ := suite.ByID(1)
	p := &primitives{b: b, s: s, secret: make([]byte, 32), content: make([]byte, 300), client: newClient(b, 1, "x")}
	rand.Read(p.secret)
	var err error
	p.key, err = s.GenerateKey()
	must(b, err)
	p.public, err = s.SignatureKey(p.client.Signer)
	must(b, err)
	p.signature, err = s.Sign(p.client.Signer, "x", p.content)
	must(b, err)
	p.output, p.sealed, err = s.EncryptWithLabel(p.key.Public(), "x", p.content, p.secret)
	must(b, err)
	return p
}

func (p *primitives) seal() {
	_, _, err := p.s.EncryptWithLabel(p.key.Public(), "x", p.content, p.secret)
	must(p.b, err)
}

func (p *primitives) open() {
	_, err := p.s.DecryptWithLabel(p.key, "x", p.content, p.output, p.sealed)
	must(p.b, err)
}

func (p *primitives) derive() {
	_, err := p.s.DeriveKeyPair(p.secret)
	must(p.b, err)
}

func (p *primitives) generate() {
	_, err := p.s.GenerateKey()
	must(p.b, err)
}

func (p *primitives) sign() {
	_, err := p.s.Sign(p.client.Signer, "x", p.content)
	must(p.b, err)
}

func (p *primitives) verify() {
	if !p.s.Verify(p.public, "x", p.content, p.signature) {
		p.b.Fatal("signature")
	}
}

func (p *primitives) expand(n int) {
	for range n {
		p.s.DeriveSecret(p.secret, "x")
	}
}

func (p *primitives) aead(n int) {
	for range n {
		p.s.Seal(p.secret[:16], p.secret[:12], p.content[:180], nil)
	}
}

// BenchmarkFloor is what the primitives alone cost that each operation cannot do
// without, at n = 1,000 with all nodes populated: depth 10.
func BenchmarkFloor(b *testing.B) {
	p := newPrimitives(b)
	for name, step := range map[string]func(){
		"update-create": func() {
			for range 10 {
				p.seal()
				p.derive()
			}
			p.generate()
			p.sign()
			p.sign()
			p.expand(40)
		},
		"update-process": func() {
			p.open()
			p.derive()
			p.derive()
			p.verify()
			p.verify()
			p.expand(20)
		},
		"join": func() {
			for range 1000 {
				p.verify()
			}
		},
		"add-999": func() {
			for range 999 {
				p.verify()
				p.verify()
				p.seal()
			}
		},
		"message-seal": func() { p.sign(); p.expand(5); p.aead(2) },
		"message-open": func() { p.verify(); p.expand(5); p.aead(2) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				step()
			}
		})
	}
}

// BenchmarkTSMLS is what ts-mls needs for the same messages, as it measures itself.
func BenchmarkTSMLS(b *testing.B) {
	dir, err := tsmls.Install()
	if errors.Is(err, tsmls.ErrAbsent) {
		b.Skipf("no comparison: %v", err)
	}
	must(b, err)
	ts, err := tsmls.Start(dir)
	must(b, err)
	defer ts.Close()
	call := func(op string, args map[string]any) *tsmls.Answer {
		a, err := ts.Call(op, args)
		must(b, err)
		return a
	}
	measure := func(name string, runs int, args map[string]any) {
		b.Run(name, func(b *testing.B) {
			args["name"], args["runs"] = "ts", runs
			var ms float64
			for range b.N {
				ms = call("bench", args).MS
			}
			b.ReportMetric(ms*1e6, "ns/op")
		})
	}
	unhex := func(s string) []byte {
		v, err := hex.DecodeString(s)
		must(b, err)
		return v
	}
	c := newCrowd(b, X25519AES128, 1000)
	committer, _ := c.full(b)
	self := map[string]any{"name": "ts", "suite": 1, "notBefore": benchNow.Unix(), "notAfter": benchNow.Unix() + 3600}
	k, err := (&Client{Suite: 1}).ParseKeyPackage(unhex(call("client", self).KeyPackage), benchNow)
	must(b, err)
	// ts-mls 1.6.4 takes no tree with an unmerged leaf that some node above lacks,
	// though section 12.4.3.1 does: a neighbour adds it, whose path leaves none.
	committer = c.as(committer, 998)
	add, err := committer.Commit(CommitOptions{Now: benchNow}, Add(k))
	must(b, err)
	must(b, committer.Merge(add.StagedCommit))
	welcome := hex.EncodeToString(add.Welcome)
	measure("join/n=1000", 3, map[string]any{"what": "join", "welcome": welcome})
	call("join", map[string]any{"name": "ts", "welcome": welcome})
	measure("update-create/n=1000", 5, map[string]any{"what": "commit"})
	m, err := committer.Seal(make([]byte, 100), MessageOptions{})
	must(b, err)
	measure("message-open/100B", 51, map[string]any{"what": "process", "message": hex.EncodeToString(m)})
	measure("message-seal/100B", 51, map[string]any{"what": "seal", "plaintext": hex.EncodeToString(make([]byte, 100))})
	update, err := committer.Commit(CommitOptions{})
	must(b, err)
	measure("update-process/n=1000", 5, map[string]any{"what": "process", "message": hex.EncodeToString(update.Message)})
	var list []map[string]any
	for _, client := range c.clients[1:] {
		k, err := client.NewKeyPackage(time.Now().Add(-time.Hour), time.Now().Add(time.Hour)) // ts-mls has a clock of its own
		must(b, err)
		list = append(list, map[string]any{"add": hex.EncodeToString(k.Message())})
	}
	call("client", self)
	call("create", map[string]any{"name": "ts", "groupId": "00"})
	measure("add-999", 1, map[string]any{"what": "commit", "list": list})
}
