package relaynet

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"io"
	"sync"
	"time"

	"kith/box"
)

// clientLink is one stream of frames to a relay.
type clientLink struct {
	conn *tls.Conn
	idle time.Duration
	done chan struct{} // closed when the link is over

	writing sync.Mutex // around a frame

	mu        sync.Mutex // guards what follows
	waiting   map[uint64]chan *box.Reply
	abandoned map[uint64]struct{} // of them, those nobody waits for any more
	timer     *time.Timer         // ends the link when nothing has been asked for long
	over      bool
}

func newClientLink(conn *tls.Conn, idle time.Duration) *clientLink {
	l := &clientLink{conn: conn, idle: idle, done: make(chan struct{}), waiting: map[uint64]chan *box.Reply{}, abandoned: map[uint64]struct{}{}}
	l.mu.Lock()
	defer l.mu.Unlock() // endIdle may be at once
	l.timer = time.AfterFunc(idle, l.endIdle)
	return l
}

// cut ends the link, without the alert that would be a record of another size.
func (l *clientLink) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.over = true
		close(l.done)
		l.timer.Stop()
		l.conn.NetConn().Close()
	}
}

func (l *clientLink) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// endIdle ends the link unless an answer is awaited: then the last one begins
// the idle time again.
func (l *clientLink) endIdle() {
	l.mu.Lock()
	idle := len(l.waiting) == 0
	l.mu.Unlock()
	if idle {
		l.cut()
	}
}

// expect makes a place for an answer.
func (l *clientLink) expect() (tag uint64, answer chan *box.Reply, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return 0, nil, ErrBroken
	}
	if len(l.waiting) >= MaxPending {
		return 0, nil, ErrTooMany
	}
	l.timer.Stop()
	for {
		var b [8]byte
		rand.Read(b[:])
		tag = binary.BigEndian.Uint64(b[:])
		if _, taken := l.waiting[tag]; !taken {
			answer = make(chan *box.Reply, 1)
			l.waiting[tag] = answer
			return tag, answer, nil
		}
	}
}

// settle takes an answer's place away, and the idle time begins with the last.
func (l *clientLink) settle(tag uint64) (answer chan *box.Reply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	answer = l.waiting[tag]
	delete(l.waiting, tag)
	delete(l.abandoned, tag)
	if len(l.waiting) == 0 && !l.over {
		l.timer.Reset(l.idle)
	}
	return answer
}

// do asks one thing.
func (l *clientLink) do(ctx context.Context, request *box.Request) (*box.Reply, error) {
	tagged := *request
	tag, answer, err := l.expect()
	if err != nil {
		return nil, err
	}
	tagged.Tag = tag
	frame, err := tagged.AppendBinary(make([]byte, 0, box.FrameSize))
	if err != nil {
		l.settle(tag)
		return nil, err
	}
	if !l.write(frame) {
		return nil, ErrBroken
	}
	late := time.NewTimer(time.Duration(request.Wait)*time.Second + answerSlack)
	defer late.Stop()
	select {
	case reply := <-answer:
		if !reply.Answers(&tagged) {
			l.cut()
			return nil, ErrFalse
		}
		return reply, nil
	case <-l.done:
		return nil, ErrBroken
	case <-late.C:
		l.cut()
		return nil, ErrBroken
	case <-ctx.Done():
		l.abandon(tag)
		return nil, ctx.Err()
	}
}

// abandon gives up an answer. Its place stays until it comes, since the relay
// owes it; when most places are such, the link has had its time.
func (l *clientLink) abandon(tag uint64) {
	l.mu.Lock()
	if _, waits := l.waiting[tag]; waits {
		l.abandoned[tag] = struct{}{}
	}
	most := len(l.abandoned) > MaxPending/2
	l.mu.Unlock()
	if most {
		l.cut()
	}
}

// write sends a frame as one record.
func (l *clientLink) write(frame []byte) bool {
	l.writing.Lock()
	defer l.writing.Unlock()
	err := l.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = l.conn.Write(frame)
	}
	if err != nil {
		l.cut()
	}
	return err == nil
}

// read hands out answers until the link ends.
func (l *clientLink) read(ended context.Context) {
	defer context.AfterFunc(ended, l.cut)()
	defer l.cut()
	for {
		frame := make([]byte, box.FrameSize)
		if _, err := io.ReadFull(l.conn, frame[:1]); err != nil {
			return
		}
		if l.conn.SetReadDeadline(time.Now().Add(frameTimeout)) != nil {
			return
		}
		if _, err := io.ReadFull(l.conn, frame[1:]); err != nil {
			return
		}
		if l.conn.SetReadDeadline(time.Time{}) != nil {
			return
		}
		reply, err := box.ParseReply(frame)
		if err != nil {
			return
		}
		answer := l.settle(reply.Tag)
		if answer == nil {
			return // an answer to nothing
		}
		answer <- reply
	}
}
