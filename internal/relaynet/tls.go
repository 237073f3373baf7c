package relaynet

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"time"
)

// Protocols of the port, chosen by ALPN.
const (
	// ProtocolFrames is a stream of frames of one size in both directions.
	ProtocolFrames = "kith-relay/1"
	// ProtocolBlobs is HTTP for blobs.
	ProtocolBlobs = "http/1.1"
)

// ErrKey reports that whoever answers at a relay's address does not hold its key.
var ErrKey = errors.New("relaynet: the relay has another key")

// certificate makes the self-signed certificate of a relay's key. Nothing in
// it but the key means anything, so it says nothing else: no name, the same
// serial number and dates for everybody.
func certificate(key ed25519.PrivateKey) (tls.Certificate, error) {
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280, 4.1.2.5: no end
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// base is what both sides demand.
func base() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The first is post-quantum; the second lets nobody be shut out who
		// cannot do it yet.
		CurvePreferences:       []tls.CurveID{tls.X25519MLKEM768, tls.X25519},
		SessionTicketsDisabled: true, // a resumed session ties two visits together
		// Otherwise a frame goes out as several records at first.
		DynamicRecordSizingDisabled: true,
	}
}

// serverConfig asks clients for nothing.
func serverConfig(key ed25519.PrivateKey) (*tls.Config, error) {
	cert, err := certificate(key)
	if err != nil {
		return nil, err
	}
	c := base()
	c.Certificates = []tls.Certificate{cert}
	c.NextProtos = []string{ProtocolFrames, ProtocolBlobs}
	c.ClientAuth = tls.NoClientCert
	return c, nil
}

// clientConfig talks to the holder of one key and to nobody else, without
// telling the network a name.
func clientConfig(relay ed25519.PublicKey, protocol string) *tls.Config {
	c := base()
	c.NextProtos = []string{protocol}
	// There is no authority to verify against: VerifyConnection does it all,
	// and is called on resumed connections, too.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) != 1 {
			return ErrKey
		}
		key, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
		if !ok || len(relay) != ed25519.PublicKeySize || subtle.ConstantTimeCompare(key, relay) != 1 {
			return ErrKey
		}
		if state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != protocol {
			return errors.New("relaynet: the relay speaks another protocol")
		}
		return nil
	}
	return c
}
