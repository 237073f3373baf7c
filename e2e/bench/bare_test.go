package bench

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
)

const roleFarEnd = "far-end"

// What a bare stream is for is its first byte.
const (
	purposeEcho = 'e' // every pingSize bytes are sent back
	purposeSink = 's' // a length, that many bytes, then one byte back
)

// pingSize is what libp2p's own ping sends.
const pingSize = 32

// bareSwarm is internal/p2p's way over TCP (TLS 1.3, yamux) and nothing else:
// no host, no identify, no negotiation of protocols.
func bareSwarm() (*swarm.Swarm, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, err
	}
	self, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return nil, err
	}
	peers, err := pstoremem.NewPeerstore()
	if err != nil {
		return nil, err
	}
	if err := peers.AddPrivKey(self, key); err != nil {
		return nil, err
	}
	sw, err := swarm.NewSwarm(self, peers, eventbus.NewBus())
	if err != nil {
		return nil, err
	}
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}
	security, err := libp2ptls.New(protocol.ID(libp2ptls.ID), key, muxers)
	if err != nil {
		return nil, err
	}
	up, err := upgrader.New([]sec.SecureTransport{security}, muxers, nil, &network.NullResourceManager{}, nil)
	if err != nil {
		return nil, err
	}
	transport, err := tcp.NewTCPTransport(up, &network.NullResourceManager{}, nil)
	if err != nil {
		return nil, err
	}
	return sw, sw.AddTransport(transport)
}

// farEnd is the other process: it listens, says where, and serves streams
// until its standard input ends.
func farEnd(in io.Reader, out io.Writer) error {
	sw, err := bareSwarm()
	if err != nil {
		return err
	}
	defer sw.Close()
	sw.SetStreamHandler(func(s network.Stream) {
		if serveBare(s) != nil {
			s.Reset()
		}
	})
	if err := sw.Listen(multiaddr.StringCast("/ip4/127.0.0.1/tcp/0")); err != nil {
		return err
	}
	fmt.Fprintln(out, sw.ListenAddresses()[0], sw.LocalPeer())
	_, err = io.Copy(io.Discard, in)
	return err
}

func serveBare(s network.Stream) error {
	var purpose [1]byte
	if _, err := io.ReadFull(s, purpose[:]); err != nil {
		return err
	}
	if purpose[0] == purposeEcho {
		var b [pingSize]byte
		for {
			if _, err := io.ReadFull(s, b[:]); err != nil {
				return err
			}
			if _, err := s.Write(b[:]); err != nil {
				return err
			}
		}
	}
	var length [8]byte
	if _, err := io.ReadFull(s, length[:]); err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	for left := int64(binary.BigEndian.Uint64(length[:])); left > 0; {
		n, err := s.Read(buf)
		if left -= int64(n); err != nil && left > 0 {
			return err
		}
	}
	_, err := s.Write([]byte{1})
	return err
}

// bareLink is a connection to a far end in a process of its own.
type bareLink struct {
	swarm *swarm.Swarm
	peer  peer.ID
	far   *exec.Cmd
	stdin io.Closer
}

func (b *bed) bareLink() *bareLink {
	self, err := os.Executable()
	b.must(err, "finding this program")
	far := exec.CommandContext(b.ctx, self)
	far.Env = append(os.Environ(), roleEnv+"="+roleFarEnd)
	far.Stderr = os.Stderr
	in, err := far.StdinPipe()
	b.must(err, "starting the far end")
	out, err := far.StdoutPipe()
	b.must(err, "starting the far end")
	b.must(far.Start(), "starting the far end")
	line, err := bufio.NewReader(out).ReadString('\n')
	b.must(err, "reading where the far end is")
	where := strings.Fields(line)
	id, err := peer.Decode(where[1])
	b.must(err, "reading who the far end is")
	sw, err := bareSwarm()
	b.must(err, "starting a bare swarm")
	sw.Peerstore().AddAddr(id, multiaddr.StringCast(where[0]), peerstore.PermanentAddrTTL)
	return &bareLink{swarm: sw, peer: id, far: far, stdin: in}
}

func (l *bareLink) close() {
	l.swarm.Close()
	l.stdin.Close()
	// The far end ends with its input; how no longer matters.
	_ = l.far.Wait()
}

// bulk sends size bytes on one stream and returns how long it took until the
// far end said that it has counted them all.
func (l *bareLink) bulk(ctx context.Context, size int64) (time.Duration, error) {
	s, err := l.swarm.NewStream(ctx, l.peer)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	block := make([]byte, 1<<20)
	began := time.Now()
	if _, err := s.Write(binary.BigEndian.AppendUint64([]byte{purposeSink}, uint64(size))); err != nil {
		return 0, err
	}
	for left := size; left > 0; left -= int64(len(block)) {
		if _, err := s.Write(block[:min(left, int64(len(block)))]); err != nil {
			return 0, err
		}
	}
	_, err = io.ReadFull(s, make([]byte, 1))
	return time.Since(began), err
}

// echo is a stream that is pinged on.
type echo struct{ network.Stream }

func (l *bareLink) echo(ctx context.Context) (echo, error) {
	s, err := l.swarm.NewStream(ctx, l.peer)
	if err != nil {
		return echo{}, err
	}
	_, err = s.Write([]byte{purposeEcho})
	return echo{s}, err
}

func (e echo) ping() (time.Duration, error) {
	var b [pingSize]byte
	began := time.Now()
	if _, err := e.Write(b[:]); err != nil {
		return 0, err
	}
	_, err := io.ReadFull(e, b[:])
	return time.Since(began), err
}
