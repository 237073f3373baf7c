package relaynet_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kith/box"
	"kith/internal/relaynet"
)

// TestRelaynet_RN01_certificate: it says nothing but the key.
func TestRelaynet_RN01_certificate(t *testing.T) {
	r, other := start(t, roomy(), nil), start(t, roomy(), nil)
	var forms []string
	for _, s := range []*relay{r, other} {
		conn := bare(t, s, relaynet.ProtocolFrames)
		must(t, conn.Handshake())
		state := conn.ConnectionState()
		if len(state.PeerCertificates) != 1 || state.Version != tls.VersionTLS13 {
			t.Fatalf("%d certificates, TLS %x", len(state.PeerCertificates), state.Version)
		}
		c := state.PeerCertificates[0]
		if key, ok := c.PublicKey.(ed25519.PublicKey); !ok || !key.Equal(s.key.Public()) || c.SignatureAlgorithm != x509.PureEd25519 {
			t.Error("the certificate is of another key")
		}
		if err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
			t.Error(err)
		}
		forms = append(forms, c.Subject.String()+c.Issuer.String()+c.SerialNumber.String()+c.NotBefore.String()+c.NotAfter.String())
	}
	if forms[0] != forms[1] || forms[0] != "1"+time.Unix(0, 0).UTC().String()+"9999-12-31 23:59:59 +0000 UTC" {
		t.Errorf("certificates can be told apart: %q", forms)
	}
	conn, err := net.Dial("tcp", r.relay.Addrs[0])
	must(t, err)
	defer conn.Close()
	old := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if old.Handshake() == nil {
		t.Error("TLS 1.2 is spoken")
	}
}

// TestRelaynet_RN02_pinned: whoever holds another key is not talked to.
func TestRelaynet_RN02_pinned(t *testing.T) {
	r := start(t, roomy(), nil)
	c := client(t, relaynet.ClientOptions{})
	o := newOwned(t)
	wrong := r.relay
	rand.Read(wrong.Key[:])
	if _, err := c.Do(t.Context(), wrong, o.asPut()); !errors.Is(err, relaynet.ErrUnreachable) || !errors.Is(err, relaynet.ErrKey) {
		t.Errorf("another key is %v", err)
	}
	wrong = r.relay
	wrong.Key[31] ^= 1
	if _, err := c.Do(t.Context(), wrong, o.asPut()); !errors.Is(err, relaynet.ErrKey) {
		t.Errorf("a bit of the key is %v", err)
	}
	wantStatus(t, c, r, o.asPut(), box.OK)
}

// hello is what a TLS server sees of clients.
func hello(t *testing.T, r *relay, do func(*relaynet.Client, box.Relay)) (hellos []*tls.ClientHelloInfo, states []tls.ConnectionState) {
	t.Helper()
	cert := tls.Certificate{PrivateKey: r.key}
	probe := bare(t, r, relaynet.ProtocolFrames)
	must(t, probe.Handshake())
	cert.Certificate = [][]byte{probe.ConnectionState().PeerCertificates[0].Raw}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	var group sync.WaitGroup
	group.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{relaynet.ProtocolFrames},
				GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) { hellos = append(hellos, h); return nil, nil }})
			if conn.Handshake() == nil {
				states = append(states, conn.ConnectionState())
				frame := make([]byte, box.FrameSize)
				_, _ = conn.Read(frame)
			}
			raw.Close()
		}
	})
	c := relaynet.NewClient(relaynet.ClientOptions{})
	do(c, box.Relay{Key: r.relay.Key, Addrs: []string{"localhost:" + portOf(l)}})
	must(t, c.Close())
	l.Close()
	group.Wait()
	return hellos, states
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// TestRelaynet_RN03_nothingTiesVisits: no name, no ticket, no resumption, no
// client certificate, and another tag each time.
func TestRelaynet_RN03_nothingTiesVisits(t *testing.T) {
	r := start(t, roomy(), nil)
	hellos, states := hello(t, r, func(c *relaynet.Client, at box.Relay) {
		for range 2 {
			if _, err := c.Do(t.Context(), at, &box.Request{Op: box.OpInfo}); !errors.Is(err, relaynet.ErrBroken) {
				t.Errorf("a relay that hangs up is %v", err)
			}
		}
	})
	if len(hellos) != 2 || len(states) != 2 {
		t.Fatalf("%d and %d visits", len(hellos), len(states))
	}
	for i, h := range hellos {
		if h.ServerName != "" {
			t.Errorf("the name %q goes over the wire in clear", h.ServerName)
		}
		if len(h.SupportedCurves) == 0 || h.SupportedCurves[0] != tls.X25519MLKEM768 || !slices.Equal(h.SupportedProtos, []string{relaynet.ProtocolFrames}) {
			t.Errorf("curves %v, protocols %v", h.SupportedCurves, h.SupportedProtos)
		}
		if states[i].DidResume || len(states[i].PeerCertificates) != 0 {
			t.Error("a session was resumed, or a client has a certificate")
		}
	}
	cache := tls.NewLRUClientSessionCache(4)
	for range 2 {
		raw, err := net.Dial("tcp", r.relay.Addrs[0])
		must(t, err)
		conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{relaynet.ProtocolFrames}, ServerName: "x", ClientSessionCache: cache})
		_, err = conn.Write(frameOf(t, &box.Request{Op: box.OpInfo}))
		must(t, err)
		_, err = conn.Read(make([]byte, box.FrameSize))
		must(t, err)
		if conn.ConnectionState().DidResume {
			t.Error("the server resumes sessions")
		}
		conn.Close()
	}
}

// TestRelaynet_RN04_postQuantum: the key exchange both sides choose.
func TestRelaynet_RN04_postQuantum(t *testing.T) {
	r := start(t, roomy(), nil)
	_, states := hello(t, r, func(c *relaynet.Client, at box.Relay) { _, _ = c.Do(t.Context(), at, &box.Request{Op: box.OpInfo}) })
	conn := bare(t, r, relaynet.ProtocolFrames)
	must(t, conn.Handshake())
	for _, s := range append(states, conn.ConnectionState()) {
		if s.CurveID != tls.X25519MLKEM768 {
			t.Errorf("the key exchange is %v", s.CurveID)
		}
	}
	raw, err := net.Dial("tcp", r.relay.Addrs[0])
	must(t, err)
	defer raw.Close()
	old := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{relaynet.ProtocolFrames}, CurvePreferences: []tls.CurveID{tls.CurveP256}})
	if old.Handshake() == nil {
		t.Error("P-256 is spoken")
	}
}

// TestRelaynet_RN05_protocols: without one of the two nothing is served.
func TestRelaynet_RN05_protocols(t *testing.T) {
	r := start(t, roomy(), nil)
	none := bare(t, r)
	_ = none.Handshake()
	ends(t, none, 10*time.Second)
	if bare(t, r, "h2", "kith-relay/2").Handshake() == nil {
		t.Error("an unknown protocol is spoken")
	}
}

// recorded are the records of a connection, by direction.
type recorded struct {
	mu     sync.Mutex
	writes map[string][]byte
}

// tap records what goes over a connection.
type tap struct {
	net.Conn
	r    *recorded
	name string
}

func (t *tap) Write(b []byte) (int, error) {
	t.r.add(t.name+" up", b)
	return t.Conn.Write(b)
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.r.add(t.name+" down", b[:n])
	return n, err
}

func (r *recorded) add(name string, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes[name] = append(r.writes[name], b...)
}

func (r *recorded) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &tap{conn, r, conn.LocalAddr().String()}, nil
}

// sizes counts the sizes of records of encrypted data in all directions, without
// those of the handshake, which are the first ones.
func (r *recorded) sizes(t *testing.T) map[int]int {
	t.Helper()
	counts := map[int]int{}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, b := range r.writes {
		handshake := 1 // Finished
		if strings.HasSuffix(name, " down") {
			handshake = 4 // EncryptedExtensions, Certificate, CertificateVerify, Finished
		}
		for len(b) > 0 {
			n := 5 + int(binary.BigEndian.Uint16(b[3:]))
			if n > len(b) {
				t.Fatalf("%s ends inside a record", name)
			}
			if b[0] == 23 {
				if handshake--; handshake < 0 {
					counts[n]++
				}
			}
			b = b[n:]
		}
	}
	return counts
}

// TestRelaynet_RN06_oneSize does everything that can be asked, and looks at what
// is on the wire: records of one size in both directions. (T3)
func TestRelaynet_RN06_oneSize(t *testing.T) {
	r := start(t, roomy(), nil)
	record := &recorded{writes: map[string][]byte{}}
	c := relaynet.NewClient(relaynet.ClientOptions{Dial: record.dial})
	for range 3 {
		o := newOwned(t)
		wantStatus(t, c, r, o.asGet(0), box.Miss)
		var group sync.WaitGroup
		group.Go(func() { wantStatus(t, c, r, o.asGet(60), box.Found) })
		wantStatus(t, c, r, &box.Request{Op: box.OpInfo}, box.OK)
		wantStatus(t, c, r, o.asPut(), box.OK)
		group.Wait()
		wantStatus(t, c, r, o.asPut(), box.Exists)
		wantStatus(t, c, r, o.asGet(0), box.Found)
		wantStatus(t, c, r, o.asDelete(), box.OK)
		wantStatus(t, c, r, o.asPut(), box.Gone)
		wantStatus(t, c, r, o.asGet(5), box.Gone)
		forged := *o.put
		forged.Sig[0] ^= 1
		forged.Box[0] ^= 1
		wantStatus(t, c, r, &box.Request{Op: box.OpPut, Box: forged.Box, Put: &forged}, box.Refused)
	}
	must(t, c.Close()) // its end is on the wire, too
	counts := record.sizes(t)
	if len(counts) != 1 || counts[relaynet.RecordSize] < 60 {
		t.Errorf("records by size: %v; a frame is %d", counts, relaynet.RecordSize)
	}
	// A peer that writes otherwise is seen.
	raw, err := record.dial(t.Context(), "tcp", r.relay.Addrs[0])
	must(t, err)
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{relaynet.ProtocolFrames}})
	_, err = conn.Write(frameOf(t, &box.Request{Op: box.OpInfo})[:1000])
	must(t, err)
	raw.Close()
	if counts = record.sizes(t); len(counts) < 2 {
		t.Errorf("the recorder does not see other sizes: %v", slices.Collect(maps.Keys(counts)))
	}
}
