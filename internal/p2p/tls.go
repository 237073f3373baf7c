package p2p

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
)

// clockless is libp2p's TLS with a certificate that is valid at any time.
// libp2p's own begins an hour before the maker's clock, so a device whose
// clock is ahead by a day is refused by everybody; what authenticates the peer
// is the key in the certificate, and no date. Spec: libp2p tls.md.
type clockless struct {
	identity *libp2ptls.Identity
	self     peer.ID
	muxers   []string
}

// Beginning and end of every certificate made here: RFC 5280 section 4.1.2.5
// names the latter for certificates without a well-defined end.
var (
	certBegin = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	certEnd   = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

func newClockless(key crypto.PrivKey, self peer.ID, muxers ...protocol.ID) (*clockless, error) {
	dateless, err := datelessCert()
	if err != nil {
		return nil, err
	}
	identity, err := libp2ptls.NewIdentity(key, dateless)
	if err != nil {
		return nil, err
	}
	t := &clockless{identity: identity, self: self}
	for _, m := range muxers {
		t.muxers = append(t.muxers, string(m))
	}
	return t, nil
}

// datelessCert makes libp2p's TLS certificates valid at any time. An option
// serves one identity: libp2p appends to the template.
func datelessCert() (libp2ptls.IdentityOption, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, err
	}
	return libp2ptls.WithCertTemplate(&x509.Certificate{
		SerialNumber: serial,
		NotBefore:    certBegin,
		NotAfter:     certEnd,
		Subject:      pkix.Name{SerialNumber: serial.String()},
	}), nil
}

// ID implements sec.SecureTransport: on the wire it is libp2p's TLS.
func (t *clockless) ID() protocol.ID { return libp2ptls.ID }

// SecureInbound implements sec.SecureTransport.
func (t *clockless) SecureInbound(ctx context.Context, raw net.Conn, p peer.ID) (sec.SecureConn, error) {
	return t.secure(ctx, raw, p, tls.Server)
}

// SecureOutbound implements sec.SecureTransport.
func (t *clockless) SecureOutbound(ctx context.Context, raw net.Conn, p peer.ID) (sec.SecureConn, error) {
	return t.secure(ctx, raw, p, tls.Client)
}

func (t *clockless) secure(ctx context.Context, raw net.Conn, p peer.ID, side func(net.Conn, *tls.Config) *tls.Conn) (sec.SecureConn, error) {
	config, keys := t.identity.ConfigForPeer(p)
	// Both ends are kith and offer the same muxers in the same order.
	config.NextProtos = append(append([]string(nil), t.muxers...), config.NextProtos...)
	config.MinVersion = tls.VersionTLS13
	conn := side(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	var key crypto.PubKey
	select {
	case key = <-keys:
	default:
	}
	if key == nil {
		raw.Close()
		return nil, errors.New("p2p: the peer's certificate has no key")
	}
	id, err := peer.IDFromPublicKey(key)
	if err != nil {
		raw.Close()
		return nil, err
	}
	muxer := conn.ConnectionState().NegotiatedProtocol
	if muxer == "libp2p" {
		muxer = "" // the other side negotiates it after the handshake
	}
	return &secured{Conn: conn, self: t.self, peer: id, key: key, muxer: protocol.ID(muxer)}, nil
}

// secured is a connection after the handshake.
type secured struct {
	*tls.Conn
	self, peer peer.ID
	key        crypto.PubKey
	muxer      protocol.ID
}

// LocalPeer, RemotePeer, RemotePublicKey and ConnState implement sec.SecureConn.
func (c *secured) LocalPeer() peer.ID { return c.self }

// RemotePeer implements sec.SecureConn.
func (c *secured) RemotePeer() peer.ID { return c.peer }

// RemotePublicKey implements sec.SecureConn.
func (c *secured) RemotePublicKey() crypto.PubKey { return c.key }

// ConnState implements sec.SecureConn.
func (c *secured) ConnState() network.ConnectionState {
	return network.ConnectionState{StreamMultiplexer: c.muxer, Security: libp2ptls.ID, UsedEarlyMuxerNegotiation: c.muxer != ""}
}
