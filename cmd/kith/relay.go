package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"kith/box"
	"kith/internal/boxstore"
	"kith/internal/cli"
	"kith/internal/p2p"
	"kith/internal/relay"
	"kith/internal/relaynet"
	"kith/internal/wire"
)

// The files of a relay's home.
const (
	relayKeyFile = "relay.key"
	relayDir     = "boxes"
)

// Relay runs a relay until ctx ends.
func (l local) Relay(ctx context.Context, o cli.RelayOptions) (err error) {
	relaynet.TuneProcess()
	key, err := relayKey(o.Home)
	if err != nil {
		return err
	}
	tell := func(line string) { fmt.Fprintln(o.Log, time.Now().UTC().Format("2006-01-02 15:04"), line) }
	boxes, blobs := share(o.Bytes)
	store, err := boxstore.Open(filepath.Join(o.Home, relayDir), box.Day(time.Now()), boxstore.Options{Cap: boxes, BlobCap: blobs,
		Trouble: func(err error) { tell(err.Error()) }})
	if err != nil {
		return relayError(err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	is := box.Relay{Key: [32]byte(key.Public().(ed25519.PublicKey)), Addrs: o.Public}
	if len(is.Addrs) == 0 {
		is.Addrs = relayAddrs(listener.Addr())
	}
	if _, err := box.ParseRelay(is.String()); err != nil {
		listener.Close()
		return &cli.Error{Text: "an address of this relay is not host:port", Hint: "such as --public relay.example.org:4747; at most four", Exit: 2}
	}
	options := relaynet.ServerOptions{Key: key, Machine: relay.New(is.ID(), &toldStore{Store: store, tell: tell}), Version: l.Version(), Blobs: store,
		Effort: func() uint32 { return relay.Effort(store.Usage()) }, Look: store.Settled}
	if !o.Quiet {
		options.Log = tell
	}
	if o.Verbose {
		options.Full = func() int { u := store.Usage(); return int(u.Bytes * 100 / max(u.Cap, 1)) }
	}
	server, err := relaynet.NewServer(options)
	if err != nil {
		listener.Close()
		return err
	}
	defer server.Close()
	bootstrap, end, err := relayLinks(ctx, o, key, is, listener.Addr(), tell)
	if err != nil {
		listener.Close()
		return err
	}
	defer end()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	o.Ready(is.String(), bootstrap)
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	return err
}

// relayLinks makes a relay connect people to each other: over QUIC on its port,
// over TCP on the one after it. A port that is taken costs only this. TR-25.
func relayLinks(ctx context.Context, o cli.RelayOptions, key ed25519.PrivateKey, is box.Relay, at net.Addr, tell func(string)) (bootstrap []string, end func() error, err error) {
	none := func() error { return nil }
	for _, b := range o.Bootstrap {
		if p2p.CheckBootstrap(b) != nil {
			return nil, none, badBootstrap()
		}
	}
	bound, err := netip.ParseAddrPort(at.String())
	if !o.Links || err != nil {
		return nil, none, nil
	}
	ips := []netip.Addr{bound.Addr().Unmap()}
	if bound.Addr().Is6() && bound.Addr().IsUnspecified() {
		ips = append(ips, netip.IPv4Unspecified())
	}
	var listen []string
	for _, ip := range ips {
		family := "/ip4/"
		if ip.Is6() {
			family = "/ip6/"
		}
		if l, err := net.ListenPacket("udp", netip.AddrPortFrom(ip, bound.Port()).String()); err == nil {
			l.Close()
			listen = append(listen, fmt.Sprintf("%s%s/udp/%d/quic-v1", family, ip, bound.Port()))
		}
		if bound.Port() == 65535 {
			continue
		}
		if l, err := net.Listen("tcp", netip.AddrPortFrom(ip, bound.Port()+1).String()); err == nil {
			l.Close()
			listen = append(listen, fmt.Sprintf("%s%s/tcp/%d", family, ip, bound.Port()+1))
		}
	}
	if len(listen) == 0 {
		tell("the ports for links are taken: boxes only")
		return nil, none, nil
	}
	host, err := p2p.New(ctx, p2p.Config{Key: key, Public: true, Listen: listen, Bootstrap: o.Bootstrap})
	if err != nil {
		tell("no links: " + err.Error())
		return nil, none, nil
	}
	return p2p.Bootstraps(wire.RelayHint{Peer: wire.PeerID(is.Key), Addrs: is.Addrs}), host.Close, nil
}

func badBootstrap() error {
	return &cli.Error{Text: "this is nowhere to begin: a multiaddr with /p2p/ and a peer at its end", Hint: "kith relay prints it after the word bootstrap", Exit: 2}
}

// share divides what a relay may hold: half for boxes, half for chunks of files. One
// that holds next to nothing holds boxes.
func share(bytes int64) (boxes, blobs int64) {
	if boxes = bytes - bytes/2; boxes < boxstore.MinBytes {
		return bytes, 0
	}
	return boxes, bytes / 2
}

// relayKey reads the relay's key, or makes it. It names the relay and is no key to
// what the relay holds.
func relayKey(home string) (ed25519.PrivateKey, error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(home, relayKeyFile)
	seed, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		seed = make([]byte, ed25519.SeedSize)
		rand.Read(seed)
		err = writeKey(path, seed)
	}
	if err != nil {
		return nil, err
	}
	if len(seed) != ed25519.SeedSize {
		return nil, &cli.Error{Text: relayKeyFile + " is damaged", Hint: "restore it from a copy, or remove it: then this is another relay", Exit: 1}
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func writeKey(path string, seed []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(seed); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// relayAddrs guesses under which addresses a relay is reached that listens on all of
// them: those of this machine that others can reach, or its loopback.
func relayAddrs(a net.Addr) []string {
	bound, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return nil
	}
	if !bound.Addr().IsUnspecified() {
		return []string{bound.String()}
	}
	var near, far []string
	all, _ := net.InterfaceAddrs() // without any, the loopback is named
	for _, x := range all {
		p, err := netip.ParsePrefix(x.String())
		if err != nil || p.Addr().IsLinkLocalUnicast() || p.Addr().IsLoopback() {
			continue
		}
		text := netip.AddrPortFrom(p.Addr().WithZone(""), bound.Port()).String()
		if p.Addr().IsPrivate() {
			near = append(near, text)
		} else {
			far = append(far, text)
		}
	}
	addrs := append(far, near...)
	if len(addrs) == 0 {
		addrs = []string{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), bound.Port()).String()}
	}
	return addrs[:min(len(addrs), box.MaxAddrs)]
}

func relayError(err error) error {
	switch {
	case errors.Is(err, boxstore.ErrInUse):
		return cli.NotNow("a relay runs in this home already", "end it first, or give another --home")
	case errors.Is(err, boxstore.ErrFull):
		return &cli.Error{Text: "the disk is full", Hint: "free some space", Exit: 1}
	}
	return err
}

// toldStore has the operator told when the disk takes nothing, once an hour.
type toldStore struct {
	relay.Store
	tell func(string)
	last time.Time
}

const tellAgain = time.Hour

// Apply makes changes durable, all or none.
func (s *toldStore) Apply(changes []relay.Change) error {
	err := s.Store.Apply(changes)
	if err == nil || errors.Is(err, boxstore.ErrCap) {
		return err
	}
	if now := time.Now(); now.Sub(s.last) >= tellAgain {
		s.last = now
		if errors.Is(err, boxstore.ErrFull) {
			s.tell("the disk is full: nothing is taken before there is room; perhaps --max is more than it has")
		} else {
			s.tell("the disk fails: nothing is taken")
		}
	}
	return err
}
