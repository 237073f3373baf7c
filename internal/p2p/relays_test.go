package p2p_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	datastore "github.com/ipfs/go-datastore"

	"kith/internal/p2p"
	"kith/internal/wire"
)

func TestTransport_TR22_fewRelaysAreKept(t *testing.T) {
	t.Parallel()
	var hints []wire.RelayHint
	var bootstrap []string
	for i := range p2p.MaxRelays + 1 {
		r := startPublic(t)
		hints, bootstrap = append(hints, r.hint), append(bootstrap, r.bootstrap)
		if i == 0 {
			hints = append(hints, wire.RelayHint{Peer: r.Self(), Addrs: nil}, wire.RelayHint{Peer: r.Self(), Addrs: []string{"nonsense"}})
		}
	}
	a := startWide(t, bootstrap[1:]...)
	count := func() (own, places int) {
		for _, l := range a.Reach().Relays {
			if l.Connected {
				own++
			}
			if l.Reserved {
				places++
			}
		}
		return own, places
	}
	until(t, "all relays", func() bool { n, places := count(); return n == p2p.MaxRelays && places >= p2p.MaxReserved })
	// One's own relay takes the place of one told at start.
	a.UseRelays(hints[:1])
	until(t, "the own relay", func() bool {
		return slices.ContainsFunc(a.Reach().Relays, func(l p2p.RelayLink) bool {
			return l.Peer == hints[0].Peer && l.Reserved && l.Timed && l.Skew.Abs() < 10*time.Second
		})
	})
	a.UseRelays(hints)
	until(t, "own relays alone", func() bool { n, _ := count(); return n == p2p.MaxRelays })
	if n := len(a.Reach().Relays); n > p2p.MaxRelays {
		t.Errorf("%d relays are kept", n)
	}
}

func TestTransport_TR24_othersRelayForContactsAlone(t *testing.T) {
	t.Parallel()
	h := startWide(t)
	friend, stranger := wire.PeerID(newKey(t)[32:]), wire.PeerID(newKey(t)[32:])
	h.Serve(absent, func(p wire.PeerID) bool { return p == friend })
	if reserve, to := h.Relays(friend); !reserve || !to {
		t.Error("a contact is refused")
	}
	if reserve, to := h.Relays(stranger); reserve || to {
		t.Error("a stranger is relayed for")
	}
}

func TestTransport_TR25_relayIsWhereItsLinkSays(t *testing.T) {
	for _, x := range []struct {
		in   []string
		want []string
	}{
		{[]string{"192.0.2.1:4747"}, []string{"/ip4/192.0.2.1/udp/4747/quic-v1", "/ip4/192.0.2.1/tcp/4748"}},
		{[]string{"[2001:db8::1]:1"}, []string{"/ip6/2001:db8::1/udp/1/quic-v1", "/ip6/2001:db8::1/tcp/2"}},
		{[]string{"relay.example.org:65535"}, []string{"/dns/relay.example.org/udp/65535/quic-v1"}},
		{[]string{"", "x", "a:0", "a:65536", ":", "/ip4/1.2.3.4:x"}, nil},
	} {
		if got := p2p.RelayMultiaddrs(x.in...); !slices.Equal(got, x.want) {
			t.Errorf("%q: %q, want %q", x.in, got, x.want)
		}
	}
	many := slices.Repeat([]string{"192.0.2.1:1"}, 1000)
	if got := p2p.RelayMultiaddrs(many...); len(got) > wire.MaxAddrs {
		t.Errorf("%d addresses", len(got))
	}
}

func TestTransport_TR21_directAddressesAreTriedFirst(t *testing.T) {
	const public, far = "/ip4/192.0.0.130/udp/1/quic-v1", "/ip4/192.0.0.131/udp/1/quic-v1/p2p/12D3KooWNU5qpqDYYfnpWHaugeA66jiDEqcKqQ3DTx6w4CZrqy2w/p2p-circuit"
	if d := p2p.Rank(public, far); d[public] != 0 || d[far] == 0 {
		t.Errorf("delays %v", d)
	}
	if d := p2p.Rank(far); d[far] != 0 {
		t.Errorf("nothing else to try, and a delay of %v", d[far])
	}
}

func TestRendezvous_RV06_shelfIsBounded(t *testing.T) {
	const room = 3
	s := p2p.NewShelf(room)
	key := func(i int) datastore.Key { return datastore.NewKey(fmt.Sprint(i)) }
	for i := range room {
		if err := s.Put(t.Context(), key(i), make([]byte, p2p.MaxKept)); err != nil {
			t.Fatal(err)
		}
	}
	if s.Put(t.Context(), key(room), []byte{1}) == nil {
		t.Error("one more than there is room for")
	}
	if err := s.Put(t.Context(), key(0), []byte{1}); err != nil {
		t.Errorf("a newer record of a place: %v", err)
	}
	if s.Put(t.Context(), key(0), make([]byte, p2p.MaxKept+1)) == nil {
		t.Error("a record that is too large")
	}
	if err := s.Delete(t.Context(), key(1)); err != nil {
		t.Fatal(err)
	}
	b, err := s.Batch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.Put(t.Context(), key(room), []byte{2})
	if err := b.Commit(t.Context()); err != nil {
		t.Errorf("after one went: %v", err)
	}
	if got, err := s.Get(t.Context(), key(room)); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if has, err := s.Has(t.Context(), key(1)); err != nil || has {
		t.Errorf("what was deleted is there: %v", err)
	}
}
