package mls

import (
	"fmt"
	"math/bits"
	"runtime"
	"testing"
	"time"

	"kith/mls/internal/tree"
)

var benchNow = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// crowd is a group of many with all their clients, for benchmarks.
type crowd struct {
	suite    Suite
	clients  []*Client
	packages []*PrivateKeyPackage // of clients[1:]
	founder  *Group
	pending  *PendingCommit
}

func newCrowd(tb testing.TB, s Suite, n int) *crowd {
	c := &crowd{suite: s}
	for i := range n {
		signer, err := s.GenerateSigner()
		must(tb, err)
		client := &Client{Suite: s, Credential: BasicCredential(fmt.Appendf(nil, "%d", i)), Signer: signer}
		c.clients = append(c.clients, client)
		if i > 0 {
			k, err := client.NewKeyPackage(benchNow, benchNow.Add(time.Hour))
			must(tb, err)
			c.packages = append(c.packages, k)
		}
	}
	var err error
	c.founder, err = c.clients[0].Create([]byte("crowd"), benchNow)
	must(tb, err)
	return c
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// addAll lets the founder add all others.
func (c *crowd) addAll(tb testing.TB) *PendingCommit {
	adds := make([]Proposal, len(c.packages))
	for i, k := range c.packages {
		adds[i] = Add(k.KeyPackage)
	}
	pending, err := c.founder.Commit(CommitOptions{Now: benchNow}, adds...)
	must(tb, err)
	return pending
}

// as returns the epoch of g as the member at a leaf has it, who can commit but
// holds no keys of the tree but its leaf's.
func (c *crowd) as(g *Group, leaf uint32) *Group {
	out := *g
	out.client, out.signer = c.clients[leaf], c.clients[leaf].Signer
	out.private = tree.NewPrivate(leaf, nil).Prune(g.tree)
	return &out
}

// full returns the group of all with every node of the tree populated: as the
// member at a leaf has it who last committed, and as the last member has it.
func (c *crowd) full(tb testing.TB) (committer, reader *Group) {
	c.pending = c.addAll(tb)
	last := len(c.clients) - 1
	reader, err := c.clients[last].Join(c.pending.Welcome, c.packages[last-1], JoinOptions{Now: benchNow})
	must(tb, err)
	must(tb, c.founder.Merge(c.pending.StagedCommit))
	committer = c.founder
	// A commit fills the path of its leaf; one leaf of each pair is enough. Leaves far
	// apart come first, so that few commits seal to many blank nodes.
	size := committer.tree.Leaves()
	for i := range size / 2 {
		leaf := bits.Reverse32(i) >> (32 - committer.tree.Depth())
		if int(leaf) >= last {
			continue
		}
		committer = c.as(committer, leaf)
		pending, err := committer.Commit(CommitOptions{})
		must(tb, err)
		must(tb, committer.Merge(pending.StagedCommit))
		processed, err := reader.Process(pending.Message, benchNow)
		must(tb, err)
		must(tb, reader.Merge(processed.(*StagedCommit)))
	}
	return committer, reader
}

func BenchmarkUpdateCommit(b *testing.B) {
	for _, s := range []Suite{X25519AES128, XWingAES256} {
		c := newCrowd(b, s, 1000)
		committer, reader := c.full(b)
		b.Run(fmt.Sprintf("create/suite=%d/n=1000", uint16(s)), func(b *testing.B) {
			for b.Loop() {
				_, err := committer.Commit(CommitOptions{})
				must(b, err)
			}
		})
		pending, err := committer.Commit(CommitOptions{MessageOptions: MessageOptions{Public: true}})
		must(b, err)
		b.Run(fmt.Sprintf("process/suite=%d/n=1000", uint16(s)), func(b *testing.B) {
			for b.Loop() {
				_, err := reader.Process(pending.Message, benchNow)
				must(b, err)
			}
			b.ReportMetric(float64(len(pending.Message)), "B/commit")
		})
		// Next to the committer there is most to derive: a key on every level.
		near, err := c.as(committer, 998).Commit(CommitOptions{MessageOptions: MessageOptions{Public: true}})
		must(b, err)
		b.Run(fmt.Sprintf("process-neighbour/suite=%d/n=1000", uint16(s)), func(b *testing.B) {
			for b.Loop() {
				_, err := reader.Process(near.Message, benchNow)
				must(b, err)
			}
		})
		remove, err := committer.Commit(CommitOptions{MessageOptions: MessageOptions{Public: true}}, Remove(uint32(500)))
		must(b, err)
		b.Run(fmt.Sprintf("remove/suite=%d/n=1000", uint16(s)), func(b *testing.B) {
			for b.Loop() {
				_, err := reader.Process(remove.Message, benchNow)
				must(b, err)
			}
			b.ReportMetric(float64(len(remove.Message)), "B/commit")
		})
	}
}

func BenchmarkJoin(b *testing.B) {
	c := newCrowd(b, X25519AES128, 1000)
	committer, _ := c.full(b)
	newcomer := newCrowd(b, X25519AES128, 2)
	k := newcomer.packages[0]
	pending, err := committer.Commit(CommitOptions{Now: benchNow}, Add(k.KeyPackage))
	must(b, err)
	b.Run("n=1000", func(b *testing.B) {
		for b.Loop() {
			_, err := newcomer.clients[1].Join(pending.Welcome, k, JoinOptions{Now: benchNow})
			must(b, err)
		}
		b.ReportMetric(float64(len(pending.Welcome)), "B/welcome")
	})
}

func BenchmarkAddAll(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		c := newCrowd(b, X25519AES128, n)
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			for b.Loop() {
				c.addAll(b)
			}
		})
	}
}

func BenchmarkMessage(b *testing.B) {
	c := newCrowd(b, X25519AES128, 1000)
	committer, reader := c.full(b)
	plaintext := make([]byte, 100)
	b.Run("seal/100B", func(b *testing.B) {
		for b.Loop() {
			_, err := committer.Seal(plaintext, MessageOptions{})
			must(b, err)
		}
	})
	b.Run("open/100B", func(b *testing.B) {
		// A commit begins fresh ratchets, so that no message is too far ahead.
		pending, err := committer.Commit(CommitOptions{})
		must(b, err)
		processed, err := reader.Process(pending.Message, benchNow)
		must(b, err)
		from, err := committer.Fork(pending.StagedCommit)
		must(b, err)
		to, err := reader.Fork(processed.(*StagedCommit))
		must(b, err)
		messages := make([][]byte, b.N)
		for i := range messages {
			messages[i], err = from.Seal(plaintext, MessageOptions{})
			must(b, err)
		}
		b.ResetTimer()
		for _, m := range messages {
			_, err := to.Process(m, benchNow)
			must(b, err)
		}
	})
}

// retained returns how many bytes 64 epochs of a group of n cost, all of them
// able to process commits and to open messages.
func retained(tb testing.TB, n int) uint64 {
	c := newCrowd(tb, X25519AES128, n)
	committer, reader := c.full(tb)
	kept := []*Group{reader}
	for i := range uint32(64) {
		committer = c.as(committer, i*2%uint32(n))
		pending, err := committer.Commit(CommitOptions{})
		must(tb, err)
		must(tb, committer.Merge(pending.StagedCommit))
		processed, err := kept[len(kept)-1].Process(pending.Message, benchNow)
		must(tb, err)
		next, err := kept[len(kept)-1].Fork(processed.(*StagedCommit))
		must(tb, err)
		kept = append(kept, next)
		for sender := range uint32(20) {
			m, err := c.as(committer, sender*37%uint32(n)).Seal([]byte("hello"), MessageOptions{})
			must(tb, err)
			_, err = next.Process(m, benchNow)
			must(tb, err)
		}
	}
	with := heap()
	clear(kept[1:])
	without := heap()
	runtime.KeepAlive(kept)
	runtime.KeepAlive(committer)
	return with - min(with, without)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkRetainedEpochs(b *testing.B) {
	var bytes uint64
	for b.Loop() {
		bytes = retained(b, 1000)
	}
	b.ReportMetric(float64(bytes)/(1<<20), "MiB/64-epochs")
	b.ReportMetric(0, "ns/op")
}
