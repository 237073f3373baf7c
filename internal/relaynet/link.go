package relaynet

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"kith/box"
	"kith/internal/relay"
)

// pending is a request on its way to the machine, or, without a frame, the news
// that its link is over. Both take the same way, so that the news comes last.
type pending struct {
	asked relay.Asked
	link  *link
	frame *[box.FrameSize]byte
}

// frames are used again, zeroed: nothing of a request stays in memory that is
// not of use.
var frames = sync.Pool{New: func() any { return new([box.FrameSize]byte) }}

func (p *pending) release() {
	clear(p.frame[:])
	frames.Put(p.frame)
}

// link is one client's stream of frames.
type link struct {
	id      uint64
	raw     *meter
	conn    *tls.Conn
	answers chan *box.Reply // has room for all that is asked; the writer ends with done
	done    chan struct{}   // closed when the link is over
	over    sync.Once
	pending atomic.Int64 // requests of which the answer is not written
	waiting atomic.Int64 // of them, those without an answer
}

// cut ends a link without the alert by which TLS would say so: it would be the
// only record of another size.
func (l *link) cut() {
	l.over.Do(func() {
		close(l.done)
		l.raw.Close()
	})
}

// answer queues a reply. Who lets many of them lie while others do the same is
// cut off. Called by the loop, and by the link's reader.
func (s *Server) answer(l *link, r *box.Reply) {
	l.waiting.Add(-1)
	if s.backlog.Load() >= maxBacklog && len(l.answers) >= fairBacklog {
		l.cut()
		return
	}
	select {
	case l.answers <- r:
		s.backlog.Add(1)
	case <-l.done:
	default:
		l.cut() // the machine answered what was not asked
	}
}

// serveFrames reads until the link ends. It owns the link's two goroutines.
func (s *Server) serveFrames(raw *meter, conn *tls.Conn, network uint64) {
	l := &link{id: s.next.Add(1), raw: raw, conn: conn, answers: make(chan *box.Reply, s.limits.Pending), done: make(chan struct{})}
	defer context.AfterFunc(s.stopped, l.cut)()
	var writer sync.WaitGroup
	writer.Go(func() { s.write(l) })
	for s.read(l, network) {
	}
	l.cut()
	writer.Wait()
	select {
	case s.asked <- &pending{link: l}:
	case <-s.stopped.Done():
	}
}

// read takes one frame to the machine and reports whether the link goes on.
func (s *Server) read(l *link, network uint64) bool {
	p := &pending{link: l, frame: frames.Get().(*[box.FrameSize]byte)}
	if !s.readFrame(l, p.frame[:]) {
		p.release()
		return false
	}
	request, err := box.ParseRequest(p.frame[:])
	if err != nil || l.pending.Add(1) > int64(s.limits.Pending) {
		p.release()
		return false // nobody who speaks this protocol does that
	}
	l.waiting.Add(1)
	if r := s.look(request); r != nil {
		p.release()
		s.answer(l, r)
		return pause(s.gate.spend(network), l.done)
	}
	p.asked = relay.Asked{Link: l.id, Request: request, Signed: s.verify(request)}
	select {
	case s.asked <- p:
	case <-l.done:
		p.release()
		return false
	}
	return pause(s.gate.spend(network), l.done)
}

// look answers a question for a box that is there, or gives nil.
func (s *Server) look(q *box.Request) *box.Reply {
	if q.Op != box.OpGet || s.options.Look == nil {
		return nil
	}
	r, ok := s.options.Look(q.Box)
	day := box.Day(s.options.Now())
	if !ok || r.Expiry < day {
		return nil
	}
	s.looked.Add(1)
	return relay.Found(day, q.Tag, &r)
}

// verify checks a request's signature here, where requests are beside each other,
// rather than in the machine; but not before its work, which costs less.
func (s *Server) verify(q *box.Request) bool {
	switch {
	case q.Delete != nil:
		return q.Delete.Verify()
	case q.Put == nil || !s.worked(q):
		return false
	}
	return q.Put.Verify()
}

func (s *Server) worked(q *box.Request) bool {
	return s.options.Effort != nil && worked(&q.Work, s.id, s.options.Now(), q.Put.Box, s.options.Effort())
}

// worked reports whether the work wanted was done, by a clock that may be a little
// off.
func worked(w *box.Work, id box.RelayID, now time.Time, b [32]byte, wanted uint32) bool {
	if wanted == 0 {
		return true
	}
	today := box.Day(now)
	for day := today - box.ClockSlack; day <= today+box.ClockSlack; day++ {
		if box.VerifyWork(w, id, day, b, wanted) {
			return true
		}
	}
	return false
}

// pause waits and reports whether the link is still there.
func pause(d time.Duration, done <-chan struct{}) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-done:
		return false
	}
}

// readFrame reads a frame. It may begin as late as the idle time, and later while
// answers are awaited, but once begun it must end in time.
func (s *Server) readFrame(l *link, frame []byte) bool {
	n := 0
	for since := time.Now(); n == 0; {
		var err error
		if l.conn.SetReadDeadline(time.Now().Add(min(s.limits.Idle, s.limits.Frame))) != nil {
			return false
		}
		if n, err = l.conn.Read(frame); n > 0 || err == nil {
			continue
		}
		idle := time.Since(since) >= s.limits.Idle && l.waiting.Load() == 0
		if !errors.Is(err, os.ErrDeadlineExceeded) || idle || l.raw.late(s.limits.Frame) {
			return false
		}
	}
	if n == len(frame) {
		return true
	}
	if l.conn.SetReadDeadline(time.Now().Add(s.limits.Frame)) != nil {
		return false
	}
	_, err := io.ReadFull(l.conn, frame[n:])
	return err == nil
}

// write sends answers until the link ends: one frame, one record.
func (s *Server) write(l *link) {
	defer l.cut()
	buf := make([]byte, 0, box.FrameSize)
	for {
		var r *box.Reply
		select {
		case r = <-l.answers:
			s.backlog.Add(-1)
		case <-l.done:
			return
		}
		frame, err := r.AppendBinary(buf[:0])
		if err != nil {
			return // a fault of the machine
		}
		if l.conn.SetWriteDeadline(time.Now().Add(s.limits.Write)) != nil {
			return
		}
		if _, err := l.conn.Write(frame); err != nil {
			return
		}
		clear(frame)
		l.pending.Add(-1)
	}
}
