package relaynet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"kith/box"
)

// Errors a caller acts on. The first is local, the others are the relay's fault
// or the network's.
var (
	// ErrTooMany reports that too many requests wait already, or too many relays
	// are linked.
	ErrTooMany = errors.New("relaynet: too many requests at once")
	// ErrUnreachable reports that a relay could not be reached at any of its
	// addresses, now or a moment ago.
	ErrUnreachable = errors.New("relaynet: the relay cannot be reached")
	// ErrBroken reports that the link ended before the answer came. What was
	// asked may have been done.
	ErrBroken = errors.New("relaynet: the link to the relay broke")
	// ErrFalse reports an answer that cannot be true. The link was ended.
	ErrFalse = errors.New("relaynet: the relay's answer is false")
)

// DialFunc opens a byte stream to host:port, as [net.Dialer.DialContext] does
// for network "tcp".
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// ClientOptions say how relays are reached.
type ClientOptions struct {
	Dial DialFunc      // nil: directly
	Idle time.Duration // after which an unused link is closed; 0: a minute
}

// Client asks relays. It keeps one link to each and closes it when it is idle.
// It is safe for concurrent use.
type Client struct {
	options ClientOptions
	ended   context.Context
	end     context.CancelFunc
	running sync.WaitGroup
	blobs   *http.Transport

	mu    sync.Mutex // guards what follows
	peers map[[32]byte]*peer
}

// peer is one relay's state: a link, an attempt to make one, or when to try again.
type peer struct {
	link     *clientLink
	dialing  chan struct{} // closed when the attempt is over
	failures int
	again    time.Time
}

// NewClient makes a client. Call Close when done.
func NewClient(o ClientOptions) *Client {
	if o.Dial == nil {
		o.Dial = (&net.Dialer{KeepAliveConfig: probing}).DialContext
	}
	if o.Idle <= 0 {
		o.Idle = idleTimeout
	}
	c := &Client{options: o, peers: map[[32]byte]*peer{}}
	c.ended, c.end = context.WithCancel(context.Background())
	c.blobs = c.transport()
	return c
}

// Close ends all links and waits for all goroutines. Bodies of GetBlob stay their
// callers'.
func (c *Client) Close() error {
	c.end()
	c.blobs.CloseIdleConnections()
	c.running.Wait()
	return nil
}

// Refresh ends every link and forgets when relays could not be reached: to be called
// when the machine slept, or is in another network. What waits for an answer ends with
// [ErrBroken], or is asked once more as [Client.Do] says.
func (c *Client) Refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.peers {
		if p.link != nil {
			p.link.cut()
		}
		p.failures, p.again = 0, time.Time{}
	}
	c.blobs.CloseIdleConnections()
}

// Do asks a relay and waits for its answer, until ctx is done or the relay is
// late. The request's tag is replaced by a random one. An answer is returned only
// if it answers the request by [box.Reply.Answers]; its cell is the caller's.
// Errors: [ErrTooMany], [ErrUnreachable] (with [ErrKey] when something else
// answers there), [ErrBroken], [ErrFalse], [ErrClosed], [box.ErrLimit], or the
// context's.
//
// A request whose link broke, and had been in use before, is made once more on a
// new one: what is asked of relays may be asked twice.
func (c *Client) Do(ctx context.Context, relay box.Relay, request *box.Request) (*box.Reply, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ended, cancel)()
	var reply *box.Reply
	var err error
	for tries, again := 0, true; again && tries < maxTries; tries++ {
		var l *clientLink
		if l, again, err = c.link(ctx, relay); err != nil {
			break
		}
		reply, err = l.do(ctx, request)
		again = again && errors.Is(err, ErrBroken)
	}
	if err != nil && c.ended.Err() != nil {
		return nil, ErrClosed
	}
	return reply, err
}

// link returns the link to a relay, or makes it. Of many callers one does.
func (c *Client) link(ctx context.Context, relay box.Relay) (l *clientLink, reused bool, err error) {
	for {
		c.mu.Lock()
		if c.ended.Err() != nil {
			c.mu.Unlock()
			return nil, false, ErrClosed
		}
		p := c.peers[relay.Key]
		if p == nil {
			if len(c.peers) >= MaxRelays && !c.dropOne() {
				c.mu.Unlock()
				return nil, false, ErrTooMany
			}
			p = &peer{}
			c.peers[relay.Key] = p
		}
		switch {
		case p.link != nil && !p.link.ended():
			l = p.link
			c.mu.Unlock()
			return l, true, nil
		case p.dialing != nil:
			dialing := p.dialing
			c.mu.Unlock()
			select {
			case <-dialing:
				continue
			case <-ctx.Done():
				return nil, false, ctx.Err()
			}
		case time.Now().Before(p.again):
			c.mu.Unlock()
			return nil, false, ErrUnreachable
		}
		p.link, p.dialing = nil, make(chan struct{})
		c.running.Add(1)
		c.mu.Unlock()
		return c.connect(ctx, relay, p)
	}
}

// dropOne forgets a relay that is neither linked nor waited for.
func (c *Client) dropOne() bool {
	for key, p := range c.peers {
		if p.dialing == nil && (p.link == nil || p.link.ended()) {
			delete(c.peers, key)
			return true
		}
	}
	return false
}

// connect makes the link others wait for, and the time to try again if it fails.
func (c *Client) connect(ctx context.Context, relay box.Relay, p *peer) (*clientLink, bool, error) {
	defer c.running.Done()
	conn, err := c.dial(ctx, relay, ProtocolFrames)
	c.mu.Lock()
	defer c.mu.Unlock()
	close(p.dialing)
	p.dialing = nil
	if err != nil {
		if ctx.Err() != nil { // the caller gave up; that says nothing about the relay
			return nil, false, ctx.Err()
		}
		p.failures++
		p.again = time.Now().Add(backoff(p.failures))
		return nil, false, err
	}
	p.failures, p.again = 0, time.Time{}
	l := newClientLink(conn, c.options.Idle)
	c.running.Go(func() { l.read(c.ended) }) // by then another may stand in its place
	p.link = l
	return l, false, nil
}

// backoff doubles with each failure. It is drawn, so that not all come at once.
func backoff(failures int) time.Duration {
	d := min(minBackoff<<min(failures-1, 20), maxBackoff)
	return d/2 + rand.N(d/2)
}

// dial tries a relay's addresses until one proves to hold its key: the next when one
// failed, or has not done so for a while, since there are addresses that swallow what
// is sent to them. The first that does it ends the others.
func (c *Client) dial(ctx context.Context, relay box.Relay, protocol string) (*tls.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type attempt struct {
		conn *tls.Conn
		err  error
	}
	ended := make(chan attempt)
	var all error
	for next, open := 0, 0; next < len(relay.Addrs) || open > 0; {
		var late <-chan time.Time
		if next < len(relay.Addrs) {
			addr := relay.Addrs[next]
			go func() {
				conn, err := c.dialOne(ctx, relay, addr, protocol)
				ended <- attempt{conn, err}
			}()
			next, open, late = next+1, open+1, time.After(dialNext)
		}
		select {
		case a := <-ended:
			open--
			if a.err != nil {
				all = errors.Join(all, a.err)
				continue
			}
			cancel()
			for ; open > 0; open-- {
				if other := <-ended; other.err == nil {
					other.conn.NetConn().Close()
				}
			}
			return a.conn, nil
		case <-late:
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrUnreachable, errors.Join(all, ctx.Err()))
}

func (c *Client) dialOne(ctx context.Context, relay box.Relay, addr, protocol string) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := c.options.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, clientConfig(relay.Key[:], protocol))
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}
