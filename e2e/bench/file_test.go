package bench

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"connectrpc.com/connect"

	apiv1 "kith/api/v1"
	"kith/internal/transfer"
	"kith/media"
)

// Targets for files.
const (
	bareShare   = 0.60 // of a bare stream's rate
	crocFactor  = 2.0
	memoryLimit = 150 << 20
)

// source makes a file of random bytes and reads it once, so that every run
// finds it in the page cache.
func (b *bed) source() (path string, sum []byte) {
	path = filepath.Join(b.dir, "source.bin")
	f, err := os.Create(path)
	b.must(err, "making a file")
	defer f.Close()
	h := sha256.New()
	_, err = io.CopyN(io.MultiWriter(f, h), rand.Reader, *mebis<<20)
	b.must(err, "making a file")
	b.must(f.Sync(), "making a file")
	return path, h.Sum(nil)
}

// warm makes the page cache touch as much memory as a run will fill, and gives
// it back: a virtual machine gets memory from its host at the first touch, at
// a price that falls on whoever comes first.
func (b *bed) warm() {
	path := filepath.Join(b.dir, "warm")
	f, err := os.Create(path)
	b.must(err, "warming the page cache")
	defer os.Remove(path)
	defer f.Close()
	block := make([]byte, 1<<20)
	for range 3 * *mebis {
		_, err := f.Write(block)
		b.must(err, "warming the page cache")
	}
}

// copied is the disk's floor: how fast the file is copied and durable.
func (b *bed) copied(path string) time.Duration {
	from, err := os.Open(path)
	b.must(err, "copying")
	defer from.Close()
	to, err := os.Create(filepath.Join(b.dir, "copy"))
	b.must(err, "copying")
	defer os.Remove(to.Name())
	defer to.Close()
	began := time.Now()
	_, err = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, 1<<20))
	b.must(err, "copying")
	b.must(to.Sync(), "copying")
	return time.Since(began)
}

// sending is how one file went.
type sending struct {
	whole    time.Duration // from the start of kith send to stored at the receiver
	transfer time.Duration // from the message at the receiver to stored
	peaks    [2]int64      // of resident memory: sender, receiver
	written  int64         // by the sender, files and sockets
}

// file measures a large file from one process to another, beside a bare stream
// and beside croc, in turns.
func (b *bed) file() {
	path, _ := b.source()
	defer os.Remove(path)
	link := b.bareLink()
	defer link.close()
	croc := b.newCroc()
	defer croc.close()
	var bare, rival, copies, whole, moved, attached figures[float64]
	var senders, receivers figures[int64]
	perSecond := func(d time.Duration) float64 { return float64(*mebis) / d.Seconds() }
	for range *runs {
		d, err := link.bulk(b.ctx, *mebis<<20)
		b.must(err, "filling a bare stream")
		bare = append(bare, perSecond(d))
		b.warm()
		copies = append(copies, perSecond(b.copied(path)))
		if croc != nil {
			b.warm()
			rival = append(rival, perSecond(croc.send(path)))
		}
		b.warm()
		s := b.sendOnce(path)
		whole, moved = append(whole, perSecond(s.whole)), append(moved, perSecond(s.transfer))
		attached = append(attached, perSecond(s.whole-s.transfer))
		senders, receivers = append(senders, s.peaks[0]), append(receivers, s.peaks[1])
		b.Logf("bare %s; kith whole %s, transfer %s, peaks %s %s", rate(bare[len(bare)-1]), seconds(s.whole), seconds(s.transfer),
			mib(s.peaks[0]), mib(s.peaks[1]))
	}
	b.fileRows(bare, rival, whole, moved)
	b.rows = append(b.rows, row{"file, attach: read, stripped, sealed, hashed, durable", attached.spread(rate),
		"copied and durable " + copies.spread(rate), percent(attached.median() / copies.median()), "", none})
	for i, who := range []string{"sender", "receiver"} {
		most := []figures[int64]{senders, receivers}[i].quantile(1)
		b.rows = append(b.rows, row{"file, most resident memory of the " + who, mib(most), "", "",
			"< " + mib(memoryLimit), judge(most > 0 && most < memoryLimit)})
	}
}

func (b *bed) fileRows(bare, rival, whole, moved figures[float64]) {
	beside := "bare stream " + bare.spread(rate)
	for _, r := range []struct {
		what string
		got  figures[float64]
	}{{"file, transfer: message to durable at the receiver", moved}, {"file, whole: kith send to durable at the receiver", whole}} {
		share := r.got.median() / bare.median()
		b.rows = append(b.rows, row{r.what, r.got.spread(rate), beside, percent(share), ">= " + percent(bareShare), judge(share >= bareShare)})
		if len(rival) > 0 {
			factor := r.got.median() / rival.median()
			b.rows = append(b.rows, row{"the same beside croc", r.got.spread(rate), "croc " + rival.spread(rate), times(factor),
				fmt.Sprintf(">= %.0f x", crocFactor), judge(factor >= crocFactor)})
		}
	}
}

// sendOnce sends the file between two fresh nodes.
func (b *bed) sendOnce(path string) sending {
	p := b.pair(false)
	defer p.end()
	w := p.bob.watchNews()
	defer w.close()
	for _, who := range []*person{p.alice, p.bob} {
		_ = forgetPeak(who.pid()) // where it cannot be done the peak is of the whole life
	}
	before, _ := written(p.alice.pid())
	began := time.Now()
	p.alice.run(nil, "send", "Bob", "--file", path)
	came := w.await(arrived)
	done := w.await(stored)
	s := sending{whole: done.Sub(began), transfer: done.Sub(came)}
	after, _ := written(p.alice.pid())
	s.written = after - before
	for i, who := range []*person{p.alice, p.bob} {
		s.peaks[i], _ = peak(who.pid())
	}
	return s
}

// kill measures what a receiver killed in the middle makes the sender send
// twice: everything the sender wrote, beside an undisturbed run.
func (b *bed) kill() {
	path, sum := b.source()
	defer os.Remove(path)
	undisturbed := b.sendOnce(path).written
	p := b.pair(false)
	defer p.end()
	w := p.bob.watchNews()
	before, err := written(p.alice.pid())
	if err != nil {
		b.Logf("not measured: %v", err)
		return
	}
	var sent struct{ ID string }
	p.alice.run(&sent, "send", "Bob", "--file", path)
	w.await(arrived)
	have := p.untilHalf(sent.ID)
	p.bob.kill()
	w.close()
	began := time.Now()
	p.bob.up()
	w = p.bob.watch(0)
	defer w.close()
	done := w.await(stored)
	after, err := written(p.alice.pid())
	b.must(err, "reading what the sender wrote")
	twice := float64(after-before-undisturbed) / media.ChunkSize
	got := p.bob.sumOf(sent.ID)
	b.rows = append(b.rows,
		row{fmt.Sprintf("file, receiver killed at %s, sent twice", percent(float64(have)/float64(*mebis<<20))),
			fmt.Sprintf("%.1f chunks", twice), fmt.Sprintf("%d fetchers", transfer.MaxFetches), "",
			fmt.Sprintf("<= %d chunks", transfer.MaxFetches), judge(twice <= transfer.MaxFetches)},
		row{"the same file, whole and right after the restart", seconds(done.Sub(began)), "", "", "same SHA-256", judge(bytes.Equal(got, sum))},
	)
}

// untilHalf waits until half of an attachment is at Bob's.
func (p *pair) untilHalf(id string) (have int64) {
	for {
		m, err := p.bob.Message(p.bob.b.ctx, connect.NewRequest(&apiv1.MessageRequest{Id: id}))
		p.bob.b.must(err, "asking how far it is")
		at := m.Msg.GetMessage().GetMedia()[0]
		if at.GetState() == "stored" {
			p.bob.b.Fatal("the file was there before half of it was seen")
		}
		if have = at.GetHave(); have >= *mebis<<20/2 {
			return have
		}
	}
}

func (p *person) sumOf(id string) []byte {
	r := p.media(id)
	defer r.Close()
	h := sha256.New()
	_, err := io.Copy(h, r)
	p.b.must(err, "reading an attachment")
	return h.Sum(nil)
}
