package relaynet_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"kith/box"
	"kith/internal/boxstore"
	machine "kith/internal/relay"
	"kith/internal/relaynet"
)

// triple is the three requests about a box, made beforehand.
type triple struct {
	owned         *owned
	put, get, del []byte // frames
	tomb          *machine.Record
}

const benchClients = 64

// BenchmarkTriples is PUT, GET and DEL of a box, each durable before it is answered,
// for 64 clients at once: asked of a relay, a process of its own, over a TLS
// connection for each client; of the store inside the process, with the look-ups the
// machine makes; and of bbolt alone with the same entries of the same size, changes
// that come together committed together.
func BenchmarkTriples(b *testing.B) {
	b.Run("relay", func(b *testing.B) {
		all := prepare(b)
		cmd, at := child(b, b.TempDir())
		defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
		var conns []*tls.Conn
		for range benchClients {
			raw, err := net.Dial("tcp", at.Addrs[0])
			must(b, err)
			defer raw.Close()
			conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{relaynet.ProtocolFrames}, DynamicRecordSizingDisabled: true})
			must(b, conn.Handshake())
			conns = append(conns, conn)
		}
		before, ours := cpu(b, cmd.Process.Pid), cpu(b, os.Getpid())
		inParallel(b, all, func(i int, t *triple) error {
			reply := make([]byte, box.FrameSize)
			for at, frame := range [][]byte{t.put, t.get, t.del} {
				if _, err := conns[i].Write(frame); err != nil {
					return err
				}
				if _, err := io.ReadFull(conns[i], reply); err != nil {
					return err
				}
				if r, err := box.ParseReply(reply); err != nil || r.Status != []box.Status{box.OK, box.Found, box.OK}[at] {
					return errors.New("another answer than wanted")
				}
			}
			return nil
		})
		b.ReportMetric(float64((cpu(b, cmd.Process.Pid)-before).Microseconds())/float64(b.N), "relay-cpu-µs/triple")
		b.ReportMetric(float64((cpu(b, os.Getpid())-ours).Microseconds())/float64(b.N), "clients-cpu-µs/triple")
	})
	b.Run("store", func(b *testing.B) {
		s, err := boxstore.Open(b.TempDir(), box.Day(time.Now()), boxstore.Options{Cap: 1 << 33})
		must(b, err)
		defer s.Close()
		inParallel(b, prepare(b), func(_ int, t *triple) error {
			o := t.owned
			rec := machine.Record{Box: o.box, Expiry: o.put.Expiry, Sig: o.put.Sig, Cell: o.cell}
			_, _, err := s.Get(o.box)
			err = errors.Join(err, s.Apply([]machine.Change{{Put: &rec}}))
			for range 2 {
				_, ok, e := s.Get(o.box)
				if !ok {
					return errors.Join(e, errors.New("not there"))
				}
			}
			return errors.Join(err, s.Apply([]machine.Change{{Put: t.tomb}}))
		})
	})
	b.Run("bbolt", func(b *testing.B) {
		db, err := bbolt.Open(filepath.Join(b.TempDir(), "x"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
		must(b, err)
		defer db.Close()
		must(b, db.Update(func(tx *bbolt.Tx) (err error) {
			for _, name := range [][]byte{cells, order, totals} {
				_, e := tx.CreateBucket(name)
				err = errors.Join(err, e)
			}
			return err
		}))
		g := &together{db: db}
		inParallel(b, prepare(b), func(_ int, t *triple) error {
			o, value := t.owned, make([]byte, storedHead+box.CellSize)
			copy(value[copy(value, o.put.Sig[:]):], o.cell)
			err := g.put(o.box[:16], value, 1, 0)
			return errors.Join(err, db.View(func(tx *bbolt.Tx) error {
				if len(tx.Bucket(cells).Get(o.box[:16])) != len(value) {
					return errors.New("not there")
				}
				return nil
			}), g.put(o.box[:16], value[:storedHead], 2, 1))
		})
	})
}

// What the store writes: docs/spec/boxstore.md section 5.
var cells, order, totals = []byte("cells"), []byte("order"), []byte("totals")

const storedHead = 12 + 1 + 32 + 4 + 64 + 16

// together is bbolt with changes that come together in one transaction: the first
// to come commits for all that came while the last commit was at work.
type together struct {
	db *bbolt.DB

	mu    sync.Mutex
	queue []*change
	busy  bool
}

type change struct {
	key, value []byte
	kind, was  byte
	err        error
	lead       bool
	done       chan struct{}
}

// write puts one record, its entry in order in place of the one it had.
func (c *change) write(tx *bbolt.Tx) error {
	entry := func(kind byte) []byte { return append([]byte{kind, 0, 0, 0, 0}, c.key...) }
	err := tx.Bucket(cells).Put(c.key, c.value)
	if c.was != 0 {
		err = errors.Join(err, tx.Bucket(order).Delete(entry(c.was)))
	}
	return errors.Join(err, tx.Bucket(order).Put(entry(c.kind), nil))
}

func (g *together) put(key, value []byte, kind, was byte) error {
	c := &change{key: key, value: value, kind: kind, was: was, done: make(chan struct{})}
	g.mu.Lock()
	g.queue = append(g.queue, c)
	lead := !g.busy
	g.busy = true
	g.mu.Unlock()
	if !lead {
		if <-c.done; !c.lead {
			return c.err
		}
	}
	g.mu.Lock()
	batch := g.queue
	g.queue = nil
	g.mu.Unlock()
	err := g.db.Update(func(tx *bbolt.Tx) (err error) {
		for _, c := range batch {
			err = errors.Join(err, c.write(tx))
		}
		return errors.Join(err, tx.Bucket(totals).Put([]byte("t"), make([]byte, 16)))
	})
	for _, o := range batch {
		if o.err = err; o != c {
			close(o.done)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		g.busy = false
	} else {
		g.queue[0].lead = true
		close(g.queue[0].done)
	}
	return err
}

// prepare makes b.N triples.
func prepare(b *testing.B) []triple {
	all := make([]triple, b.N)
	var group sync.WaitGroup
	for at := range 8 {
		group.Go(func() {
			for i := at; i < b.N; i += 8 {
				o := newOwned(b)
				del := o.asDelete()
				all[i] = triple{o, frameOf(b, o.asPut()), frameOf(b, o.asGet(0)), frameOf(b, del),
					&machine.Record{Box: o.box, Expiry: o.put.Expiry, Sig: del.Delete.Sig}}
			}
		})
	}
	group.Wait()
	return all
}

// inParallel does b.N triples by 64 clients.
func inParallel(b *testing.B, all []triple, do func(client int, t *triple) error) {
	b.Helper()
	var group sync.WaitGroup
	var next atomic.Int64
	b.ResetTimer()
	for client := range benchClients {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < b.N; i = int(next.Add(1)) - 1 {
				if err := do(client, &all[i]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "triples/s")
}

// cpu is what a process has used, or zero where the system does not say.
func cpu(t testing.TB, pid int) time.Duration {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	user, err := strconv.Atoi(f[11])
	must(t, err)
	system, err := strconv.Atoi(f[12])
	must(t, err)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// BenchmarkChunks is a chunk of a file uploaded to a relay, durable there, and fetched
// and checked, each over a connection of its own, by 4 clients at once; and the same
// bytes written to a file, synchronised and read.
func BenchmarkChunks(b *testing.B) {
	const clients = 4
	chunk := random(relaynet.MaxBlob)
	run := func(b *testing.B, do func(i int, content []byte) error) {
		b.SetBytes(relaynet.MaxBlob)
		var next atomic.Int64
		var group sync.WaitGroup
		for range clients {
			group.Go(func() {
				content := bytes.Clone(chunk)
				for i := int(next.Add(1)) - 1; i < b.N; i = int(next.Add(1)) - 1 {
					binary.BigEndian.PutUint64(content, uint64(i))
					if err := do(i, content); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		group.Wait()
	}
	b.Run("relay", func(b *testing.B) {
		store, err := boxstore.Open(b.TempDir(), box.Day(time.Now()), boxstore.Options{Cap: 1 << 33, BlobCap: 1 << 40})
		must(b, err)
		limits := roomy()
		limits.BlobBurst, limits.BlobRate = 1<<50, 1<<40
		r := start(b, limits, func(o *relaynet.ServerOptions) { o.Blobs = store })
		b.Cleanup(func() { must(b, r.Close()); must(b, store.Close()) })
		c := client(b, relaynet.ClientOptions{})
		b.ResetTimer()
		run(b, func(_ int, content []byte) error {
			info := relaynet.NewBlob(content, [32]byte{1}, box.Day(time.Now())+7)
			if err := c.Upload(b.Context(), r.relay, info, content); err != nil {
				return err
			}
			_, err := c.Fetch(b.Context(), r.relay, relaynet.Mint(info.Key, "GET", info.ID, info.Hour, 0), nil)
			return err
		})
	})
	b.Run("files", func(b *testing.B) {
		dir := b.TempDir()
		run(b, func(i int, content []byte) error {
			path := filepath.Join(dir, strconv.Itoa(i))
			f, err := os.Create(path)
			if err != nil {
				return err
			}
			_, err = f.Write(content)
			if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
				return err
			}
			_, err = os.ReadFile(path)
			return err
		})
	})
}
