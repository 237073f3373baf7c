package p2p

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"time"

	golog "github.com/ipfs/go-log/v2"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"kith/internal/rendezvous"
)

// Names of the DHT, docs/spec/rendezvous.md section 5: libp2p's Kademlia under a prefix of
// kith's own, with one kind of record.
const (
	protoDHT = "/kith"
	recordNS = protoDHT + "/"
)

// ErrNoNetwork reports that no other node of the DHT is known.
var ErrNoNetwork = errors.New("p2p: no node of the network is known")

// startDHT joins the DHT: it keeps others' records only if it can be reached.
func (h *Host) startDHT() (err error) {
	silence()
	mode, room := dht.ModeAuto, MaxRecords
	if h.public {
		mode, room = dht.ModeServer, MaxGuestRecords
	}
	h.dht, err = dht.New(h.host, dht.ProtocolPrefix(protoDHT), dht.Mode(mode), dht.DisableProviders(),
		dht.Validator(records{}), dht.Datastore(newShelf(room)),
		dht.MaxRecordAge(rendezvous.Life), dht.BootstrapPeersFunc(h.beginners),
		dht.RoutingTableRefreshPeriod(refreshDHT))
	return err
}

// silence keeps what the DHT's library logs from standard error: it names peers.
var silence = sync.OnceFunc(func() { golog.SetAllLoggers(golog.LevelFatal) })

// beginners are nodes to begin with when none is known: relays and what the
// person named.
func (h *Host) beginners() []peer.AddrInfo {
	h.relayMu.Lock()
	defer h.relayMu.Unlock()
	all := append([]peer.AddrInfo(nil), h.bootstrap...)
	for _, k := range h.relays {
		all = append(all, k.info)
	}
	return all
}

// parseBootstrap reads multiaddrs that end in /p2p/<peer>.
func parseBootstrap(texts []string) ([]peer.AddrInfo, error) {
	if len(texts) > MaxBootstrap {
		return nil, errors.New("p2p: too many addresses to begin with")
	}
	var addrs []multiaddr.Multiaddr
	for _, t := range texts {
		a, err := multiaddr.NewMultiaddr(t)
		if err != nil {
			return nil, errBootstrap(t)
		}
		if _, err := peer.AddrInfoFromP2pAddr(a); err != nil {
			return nil, errBootstrap(t)
		}
		addrs = append(addrs, a)
	}
	return peer.AddrInfosFromP2pAddrs(addrs...)
}

func errBootstrap(text string) error {
	return errors.New("p2p: " + text + " is no multiaddr with /p2p/ and a peer at its end")
}

// CheckBootstrap reports whether a text can be in Config.Bootstrap.
func CheckBootstrap(text string) error {
	_, err := parseBootstrap([]string{text})
	return err
}

// Publish puts a record at its place in the DHT. [ErrNoNetwork] says that
// nobody is there to keep it; other errors are the network's.
func (h *Host) Publish(ctx context.Context, place [32]byte, record []byte) error {
	if h.dht == nil || h.dht.RoutingTable().Size() == 0 {
		return ErrNoNetwork
	}
	return h.dht.PutValue(ctx, recordNS+hex.EncodeToString(place[:]), record)
}

// Lookup gives the newest record at a place in the DHT; its signature holds.
// An error says that there is none, or the network's.
func (h *Host) Lookup(ctx context.Context, place [32]byte) ([]byte, error) {
	if h.dht == nil || h.dht.RoutingTable().Size() == 0 {
		return nil, ErrNoNetwork
	}
	return h.dht.GetValue(ctx, recordNS+hex.EncodeToString(place[:]))
}

// records holds what comes from and goes into the DHT against the rules.
type records struct{}

// Validate implements record.Validator.
func (records) Validate(key string, value []byte) error {
	place, err := placeOf(key)
	if err != nil {
		return err
	}
	return rendezvous.Check(place, value, time.Now())
}

// Select implements record.Validator: the newest of records that are valid.
func (records) Select(_ string, values [][]byte) (int, error) { return rendezvous.Newest(values) }

func placeOf(key string) (place [32]byte, err error) {
	text, ok := strings.CutPrefix(key, recordNS)
	b, err := hex.DecodeString(text)
	if !ok || err != nil || len(b) != len(place) || hex.EncodeToString(b) != text {
		return place, rendezvous.ErrForged
	}
	return [32]byte(b), nil
}
