package p2p_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"kith/internal/p2p"
	"kith/internal/rendezvous"
	"kith/internal/wire"
)

// relayed is a public host on the loopback and how others are told of it.
type relayed struct {
	*p2p.Host
	hint      wire.RelayHint
	bootstrap string
}

func startPublic(t testing.TB, bootstrap ...string) *relayed {
	t.Helper()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := u.LocalAddr().(*net.UDPAddr).Port
	u.Close()
	h, err := p2p.New(t.Context(), p2p.Config{Key: newKey(t), Public: true, Bootstrap: bootstrap,
		Listen: []string{fmt.Sprintf("/ip4/127.0.0.1/udp/%d/quic-v1", port)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	publics.Store(h.Self(), true)
	hint := wire.RelayHint{Peer: h.Self(), Addrs: []string{fmt.Sprintf("127.0.0.1:%d", port)}}
	return &relayed{h, hint, p2p.Bootstraps(hint)[0]}
}

func startWide(t testing.TB, bootstrap ...string) *host {
	t.Helper()
	key := newKey(t)
	h, err := p2p.New(t.Context(), p2p.Config{Key: key, Wide: true, Bootstrap: bootstrap, Listen: []string{overQUIC, overTCP}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	h.Serve(absent, func(p wire.PeerID) bool { _, public := publics.Load(p); return !public })
	return &host{h, key}
}

// publics are the public hosts, which are nobody's contacts.
var publics sync.Map

// until waits for something that takes libp2p a moment.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in 20 s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// circuits are the addresses of a host that lead through relays.
func circuits(h *host) (all []string) {
	for _, a := range h.Addrs() {
		if strings.Contains(a, "/p2p-circuit") {
			all = append(all, a)
		}
	}
	return all
}

func TestTransport_TR20_relayCarriesFramesAndNoChunks(t *testing.T) {
	t.Parallel()
	r := startPublic(t)
	a, b := startWide(t), startWide(t)
	a.UseRelays([]wire.RelayHint{r.hint})
	until(t, "a place at the relay", func() bool { return len(circuits(a)) > 0 })
	if err := b.Dial(t.Context(), a.Self(), circuits(a)); err != nil {
		t.Fatal(err)
	}
	for _, h := range []*host{a, b} {
		if e := h.next(t, wire.LinkUp); !e.Relayed {
			t.Error("the link is not said to go through a relay")
		}
	}
	for i := range 50 {
		if err := b.Send(t.Context(), a.Self(), []byte{byte(i), 1}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		if e := a.next(t, wire.LinkFrame); e.Frame[0] != byte(i) {
			t.Fatalf("frame %d came as number %d", e.Frame[0], i)
		}
	}
	if _, _, err := b.Fetch(t.Context(), a.Self(), wire.ChunkRef{}, nil); err == nil || errors.Is(err, wire.ErrAbsent) {
		t.Errorf("a chunk was asked for through a relay: %v", err)
	}
	// A direct connection beside it takes over, without a frame lost.
	var direct []string
	for _, x := range a.Addrs() {
		if !strings.Contains(x, "/p2p-circuit") {
			direct = append(direct, x)
		}
	}
	if err := b.DialBeside(t.Context(), a.Self(), direct); err != nil {
		t.Fatal(err)
	}
	a.next(t, wire.LinkDirect)
	b.next(t, wire.LinkDirect)
	for i := range 50 {
		if err := b.Send(t.Context(), a.Self(), []byte{byte(i), 2}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		if e := a.next(t, wire.LinkFrame); !bytes.Equal(e.Frame, []byte{byte(i), 2}) {
			t.Fatalf("frame %v came as number %d", e.Frame, i)
		}
	}
	if _, _, err := b.Fetch(t.Context(), a.Self(), wire.ChunkRef{}, nil); !errors.Is(err, wire.ErrAbsent) {
		t.Errorf("over a direct connection: %v", err)
	}
}

func TestTransport_TR21_sharedRelayIsTriedWithoutAHint(t *testing.T) {
	t.Parallel()
	r := startPublic(t)
	a, b := startWide(t), startWide(t)
	a.UseRelays([]wire.RelayHint{r.hint})
	b.UseRelays([]wire.RelayHint{r.hint})
	until(t, "a place at the relay", func() bool { return len(circuits(a)) > 0 && len(circuits(b)) > 0 })
	if err := b.Dial(t.Context(), a.Self(), nil); err != nil {
		t.Fatal(err)
	}
	a.next(t, wire.LinkUp)
}

func TestTransport_TR22_relayThatComesBackIsUsedAgain(t *testing.T) {
	t.Parallel()
	r := startPublic(t)
	a := startWide(t)
	a.UseRelays([]wire.RelayHint{r.hint})
	until(t, "a place at the relay", func() bool { return len(circuits(a)) > 0 })
	if got := a.Reach(); len(got.Relays) != 1 || !got.Relays[0].Reserved || !got.Relays[0].Connected {
		t.Errorf("reach: %+v", got)
	}
	r.Close()
	until(t, "the place is gone", func() bool { return len(circuits(a)) == 0 })
	again, err := p2p.New(t.Context(), p2p.Config{Key: r.Key(), Public: true, Listen: []string{strings.Split(r.bootstrap, "/p2p/")[0]}})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	until(t, "a place at the relay again", func() bool { return len(circuits(a)) > 0 })
	a.UseRelays(nil)
	until(t, "no place is kept", func() bool { return len(circuits(a)) == 0 })
}

func TestTransport_TR23_linksAreNoneUntilWanted(t *testing.T) {
	t.Parallel()
	r := startPublic(t)
	a := startWide(t, r.bootstrap)
	a.Serve(absent, func(wire.PeerID) bool { return false })
	until(t, "the DHT", func() bool { return a.Reach().Nodes > 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if e, err := a.Recv(ctx); err == nil {
		t.Errorf("event %d of a node of the DHT", e.Kind)
	}
	if err := a.Dial(t.Context(), r.Self(), nil); err != nil {
		t.Fatal(err)
	}
	a.next(t, wire.LinkUp)
}

func TestRendezvous_RV08_recordsGoThroughTheDHT(t *testing.T) {
	t.Parallel()
	r := startPublic(t)
	second := startPublic(t, r.bootstrap)
	until(t, "the DHT", func() bool { return second.Reach().Nodes > 0 })
	a, b := startWide(t, r.bootstrap), startWide(t, second.bootstrap)
	for _, h := range []*host{a, b} {
		until(t, "the DHT", func() bool { return h.Reach().Nodes > 0 })
	}
	pair := rendezvous.NewPair([32]byte{1}, a.Self(), b.Self())
	now := time.Now()
	place, record := pair.Seal(a.Addrs(), now)
	if err := a.Publish(t.Context(), place, record); err != nil {
		t.Fatal(err)
	}
	got, err := b.Lookup(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	addrs, _, err := pair.Open(rendezvous.Days(now)[0], got)
	if err != nil || len(addrs) == 0 {
		t.Fatalf("%v, %v", addrs, err)
	}
	// Neither another's record nor an older one takes its place.
	forged := bytes.Clone(record)
	forged[100] ^= 1
	if err := b.Publish(t.Context(), place, forged); err == nil {
		t.Error("a forged record was taken")
	}
	_, older := pair.Seal([]string{"/ip4/192.0.2.1/tcp/1"}, now.Add(-time.Minute))
	_ = b.Publish(t.Context(), place, older) // others refuse it
	if got, err = a.Lookup(t.Context(), place); err != nil || !bytes.Equal(got, record) {
		t.Errorf("an older record took its place: %v", err)
	}
	if _, err := startWide(t).Lookup(t.Context(), place); !errors.Is(err, p2p.ErrNoNetwork) {
		t.Errorf("without a network: %v", err)
	}
}

func TestTransport_TR25_bootstrapIsAddressAndPeer(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "nonsense", "/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1/p2p/nobody"} {
		if p2p.CheckBootstrap(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
		if h, err := p2p.New(t.Context(), p2p.Config{Key: newKey(t), Wide: true, Bootstrap: []string{bad}, Listen: []string{overTCP}}); err == nil {
			h.Close()
			t.Errorf("a host begins with %q", bad)
		}
	}
	good := startPublic(t).bootstrap
	if err := p2p.CheckBootstrap(good); err != nil {
		t.Error(err)
	}
	many := make([]string, p2p.MaxBootstrap+1)
	for i := range many {
		many[i] = good
	}
	if h, err := p2p.New(t.Context(), p2p.Config{Key: newKey(t), Wide: true, Bootstrap: many, Listen: []string{overTCP}}); err == nil {
		h.Close()
		t.Error("more than MaxBootstrap are taken")
	}
}
