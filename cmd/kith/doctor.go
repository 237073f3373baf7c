package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	apiv1 "kith/api/v1"
	"kith/box"
	"kith/internal/cli"
	"kith/internal/engine"
	"kith/internal/p2p"
	"kith/internal/relaynet"
	"kith/internal/store"
	"kith/internal/vault"
	"kith/internal/wire"
)

// Bounds of what doctor takes for enough.
const (
	diskPoor   = 1 << 30
	diskBad    = 64 << 20
	skewPoor   = 2 * time.Minute
	skewBad    = time.Hour / 2
	probeFor   = 6 * time.Second // a host of our own looks around, when no node runs
	relayCheck = 10 * time.Second
)

// Doctor looks at everything and says what it found, the most basic first.
func (l local) Doctor(ctx context.Context, o cli.DoctorOptions) []cli.Finding {
	all := []cli.Finding{checkHome(o)}
	all = append(all, checkDisk(o.Home), checkKeychain(o.Home), checkNode(o))
	known := knownTo(&o)
	reach, how := o.Running, ""
	if reach == nil {
		reach, how = lookAround(ctx, o)
	}
	all = append(all, checkNetwork(), checkLAN(reach, o.Running != nil))
	all = append(all, checkFar(reach, known, how)...)
	for _, link := range o.Relays {
		all = append(all, checkRelay(ctx, link, reach))
	}
	if len(o.Relays) == 0 {
		all = append(all, cli.Finding{Name: "relays", State: cli.Poor, Says: "none of its own: messages to people who are away and use none either wait here until both are online",
			Do: "run kith relay on a machine that is always on, or get the link of one, and: kith relays add LINK"})
	}
	return all
}

func checkHome(o cli.DoctorOptions) cli.Finding {
	f := cli.Finding{Name: "account", State: cli.Good}
	if _, err := os.Stat(filepath.Join(o.Home, "kith.db")); err != nil {
		f.State, f.Says, f.Do = cli.Bad, "there is none in "+o.Home, "kith init --name NAME"
		return f
	}
	f.Says = "in " + o.Home
	return f
}

func checkNode(o cli.DoctorOptions) cli.Finding {
	f := cli.Finding{Name: "node", State: cli.Good, Says: "is running"}
	switch {
	case o.Running == nil:
		f.State, f.Says, f.Do = cli.Poor, "is not running: nothing is sent or received", "kith up"
	case o.Status.GetTrouble() != "":
		f.State, f.Says = cli.Bad, o.Status.GetTrouble()
	case o.Running.GetDirect()+o.Running.GetRelayed() > 0:
		f.Says = fmt.Sprintf("is running; %d contacts are linked directly, %d through a relay", o.Running.GetDirect(), o.Running.GetRelayed())
	}
	return f
}

func checkDisk(home string) cli.Finding {
	for dir := home; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return judgeDisk(freeSpace(dir))
		}
	}
}

func judgeDisk(free uint64, known bool) cli.Finding {
	f := cli.Finding{Name: "disk", State: cli.Good, Says: fmt.Sprintf("%d MiB are free", free>>20)}
	switch {
	case !known:
		f.State, f.Says = cli.Unknown, "how much is free cannot be asked on this system"
	case free < diskBad:
		f.State, f.Do = cli.Bad, "free some space: without it nothing can be received"
	case free < diskPoor:
		f.State, f.Do = cli.Poor, "free some space before films come"
	}
	return f
}

func checkKeychain(home string) cli.Finding {
	works := vault.KeychainWorks()
	f := cli.Finding{Name: "keychain", State: cli.Good, Says: "works"}
	kind, err := vault.KindOf(home)
	switch {
	case works && err == nil && kind == vault.File:
		f.State, f.Says = cli.Poor, "works, but this account's key is in a file: whoever can read the home directory can read everything"
	case works:
	case err == nil && kind == vault.Keychain:
		f.State, f.Says, f.Do = cli.Bad, "does not answer, and this account's key is in it", "unlock it, or log in to the desktop it belongs to"
	case err == nil && kind == vault.Passphrase:
		f.Says = "there is none; not needed, the key is under your passphrase"
	case err == nil && kind == vault.File:
		f.State, f.Says = cli.Poor, "there is none, and this account's key is in a file: whoever can read the home directory can read everything"
	default:
		f.State, f.Says = cli.Poor, "there is none: a passphrase will be asked for"
	}
	return f
}

func checkNetwork() cli.Finding {
	f := cli.Finding{Name: "network", State: cli.Good}
	n := 0
	all, _ := net.InterfaceAddrs() // without any, that is what it says
	for _, a := range all {
		if p, ok := a.(*net.IPNet); ok && !p.IP.IsLoopback() && !p.IP.IsLinkLocalUnicast() {
			n++
		}
	}
	f.Says = fmt.Sprintf("addresses of this machine: %d", n)
	if n == 0 {
		f.State, f.Says, f.Do = cli.Bad, "this machine has no address", "connect it to a network"
	}
	return f
}

func checkLAN(r *apiv1.ReachResponse, running bool) cli.Finding {
	f := cli.Finding{Name: "nearby", State: cli.Good, Says: "contacts on the same network find this device by mDNS"}
	switch {
	case r.GetLan():
	case running:
		f.State, f.Says, f.Do = cli.Poor, "contacts on the same network are not looked for", "start the node without --no-lan; if you did, this network has no multicast"
	default:
		f.State, f.Says, f.Do = cli.Poor, "multicast does not work on this network", "ask whoever runs it; guest networks often keep devices apart"
	}
	return f
}

// lookAround makes a host with a key of its own for a moment, to see what a node
// would. It says why it could see little.
func lookAround(ctx context.Context, o cli.DoctorOptions) (*apiv1.ReachResponse, string) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return &apiv1.ReachResponse{}, ""
	}
	host, err := p2p.New(ctx, p2p.Config{Key: key, MDNS: true, Wide: true, Bootstrap: o.Begin})
	if err != nil {
		return &apiv1.ReachResponse{}, "this device cannot listen: " + err.Error()
	}
	defer host.Close()
	var hints []wire.RelayHint
	for _, link := range o.Relays {
		if r, err := box.ParseRelay(link); err == nil {
			hints = append(hints, wire.RelayHint{Peer: wire.PeerID(r.Key), Addrs: r.Addrs})
		}
	}
	host.UseRelays(hints)
	for end := time.Now().Add(probeFor); time.Now().Before(end) && len(o.Begin)+len(hints) > 0; {
		if r := host.Reach(); r.Punch && r.Nodes > 0 && allTimed(r) {
			break
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			end = time.Time{}
		}
	}
	return reachOf(host), ""
}

func allTimed(r p2p.Reach) bool {
	for _, l := range r.Relays {
		if !l.Timed {
			return false
		}
	}
	return true
}

// knownTo adds to o what the store knows of relays and nodes to begin with, when
// no node runs and the store opens without asking. It reports whether that, or
// the node, could be asked.
func knownTo(o *cli.DoctorOptions) bool {
	if _, err := os.Stat(filepath.Join(o.Home, "kith.db")); o.Running != nil || err != nil {
		return true // or there is nothing to know
	}
	ask := func() ([]byte, error) {
		if p, ok := os.LookupEnv("KITH_PASSPHRASE"); ok {
			return []byte(p), nil
		}
		return nil, errors.New("not asked for")
	}
	db, _, err := openStore(cli.UpOptions{Home: o.Home, Passphrase: ask})
	if err != nil {
		return false
	}
	defer db.Close()
	err = db.View(func(tx *store.Tx) error {
		stored, err := tx.Setting(settingBootstrap)
		if err != nil {
			return err
		}
		o.Begin = append(o.Begin, strings.Fields(stored)...)
		relays, err := engine.RelaysOf(tx)
		for _, r := range relays {
			o.Relays = append(o.Relays, r.String())
		}
		return err
	})
	return err == nil
}

// checkFar says what reaches beyond the local network.
func checkFar(r *apiv1.ReachResponse, known bool, trouble string) []cli.Finding {
	switch {
	case trouble != "":
		return []cli.Finding{{Name: "far away", State: cli.Bad, Says: trouble}}
	case !r.GetWide():
		return []cli.Finding{{Name: "far away", State: cli.Poor, Says: "contacts beyond this network are found by what is known of them alone",
			Do: "start the node without --lan-only, and without --listen on the loopback"}}
	case r.GetNodes() == 0 && len(r.GetRelays()) == 0 && known:
		return []cli.Finding{{Name: "far away", State: cli.Poor, Says: "no relay and no other node is known: nobody can say how this device is seen, and contacts who move are lost",
			Do: "kith up --bootstrap ADDRESS, as kith relay prints it, or kith relays add LINK"}}
	case r.GetNodes() == 0 && len(r.GetRelays()) == 0:
		return []cli.Finding{{Name: "far away", State: cli.Unknown, Says: "what this account knows of relays is under its passphrase",
			Do: "start the node, or set KITH_PASSPHRASE, and ask again"}}
	}
	return []cli.Finding{checkUDP(r), checkReach(r), checkHoles(r), checkDHT(r), checkClock(r)}
}

func checkUDP(r *apiv1.ReachResponse) cli.Finding {
	f := cli.Finding{Name: "udp", State: cli.Good, Says: "leaves this network and comes back"}
	switch {
	case r.GetUdp():
	case r.GetBeyond():
		f.State, f.Says, f.Do = cli.Poor, "does not leave this network: links go through relays over TCP", "let UDP out, in the firewall of this machine or network"
	default:
		f.State, f.Says, f.Do = cli.Unknown, "nobody beyond this network is connected", "is the network up? see the relays below"
	}
	return f
}

func checkReach(r *apiv1.ReachResponse) cli.Finding {
	f := cli.Finding{Name: "reach", State: cli.Good}
	switch r.GetMapping() {
	case string(p2p.MappingNone):
		f.Says = "others can reach this device by itself, at " + strings.Join(r.GetReachable(), " ")
	case string(p2p.MappingSame):
		f.Says = "this device is behind a router that keeps to one port (endpoint-independent): most contacts come through"
	case string(p2p.MappingVaries):
		f.State = cli.Poor
		f.Says = "this device is behind a router with a port for each destination (symmetric): contacts come through if their side is open, else through a relay"
		f.Do = "forward a port to this device, or turn UPnP on in the router"
	default:
		f.State, f.Says = cli.Unknown, fmt.Sprintf("it takes two others to tell what the router does; %d told", r.GetObservers())
		f.Do = "know a second relay"
	}
	if len(r.GetMapped()) > 0 {
		f.Says += "; the router gave " + strings.Join(r.GetMapped(), " ")
	}
	return f
}

func checkHoles(r *apiv1.ReachResponse) cli.Finding {
	f := cli.Finding{Name: "holes", State: cli.Good, Says: "direct links through routers are possible as far as this side is concerned"}
	switch {
	case r.GetMapping() == string(p2p.MappingNone):
		f.Says = "no router is in the way"
	case r.GetMapping() == string(p2p.MappingVaries):
		f.State, f.Says = cli.Poor, "direct links through this router are possible only to contacts without such a one"
	case !r.GetPunch():
		f.State, f.Says, f.Do = cli.Poor, "nobody beyond this network has told this device its address yet", "know a relay with a public address"
	}
	return f
}

func checkDHT(r *apiv1.ReachResponse) cli.Finding {
	f := cli.Finding{Name: "dht", State: cli.Good, Says: fmt.Sprintf("nodes known: %d; contacts who move are found again", r.GetNodes())}
	if r.GetNodes() == 0 {
		f.State, f.Says, f.Do = cli.Poor, "no node is known: contacts who move are found through relays only", "kith up --bootstrap ADDRESS, as kith relay prints it"
	}
	return f
}

func checkClock(r *apiv1.ReachResponse) cli.Finding {
	f := cli.Finding{Name: "clock", State: cli.Unknown, Says: "no relay of this device has told the time"}
	for _, l := range r.GetRelays() {
		if !l.GetTimed() {
			continue
		}
		skew := time.Duration(l.GetSkewS()) * time.Second
		says := fmt.Sprintf("agrees with a relay's within %v", skewPoor)
		state := cli.Good
		if skew.Abs() > skewPoor {
			way := "behind"
			if skew < 0 {
				way, skew = "ahead of", -skew
			}
			state, says = cli.Poor, fmt.Sprintf("is %v %s a relay's", skew.Round(time.Second), way)
			if skew >= skewBad {
				state = cli.Bad
			}
		}
		if f.State == cli.Unknown || state == cli.Good {
			f = cli.Finding{Name: "clock", State: state, Says: says}
		}
	}
	if f.State == cli.Bad || f.State == cli.Poor {
		f.Do = "set this machine's clock; if it is right, the relay's is wrong"
	}
	return f
}

// checkRelay asks a relay for a box that nobody has.
func checkRelay(ctx context.Context, link string, reach *apiv1.ReachResponse) cli.Finding {
	f := cli.Finding{Name: "relay", State: cli.Good}
	r, err := box.ParseRelay(link)
	if err != nil {
		f.State, f.Says, f.Do = cli.Bad, "this is not the link of a relay: "+link, "it begins with kith-relay:// and is what kith relay prints"
		return f
	}
	where := strings.Join(r.Addrs, " ")
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		return cli.Finding{Name: "relay", State: cli.Unknown, Says: where}
	}
	ctx, cancel := context.WithTimeout(ctx, relayCheck)
	defer cancel()
	client := relaynet.NewClient(relaynet.ClientOptions{})
	defer client.Close()
	_, err = client.Do(ctx, r, &box.Request{Op: box.OpGet, Box: [32]byte(public)})
	switch {
	case errors.Is(err, relaynet.ErrKey):
		f.State, f.Says = cli.Bad, where+" answers with another key than its link has: somebody else is there, or in between"
		f.Do = "ask whoever runs it for the link of today, over a way you trust; until then: kith relays remove LINK"
		return f
	case err != nil:
		f.State, f.Says, f.Do = cli.Bad, where+" does not answer", "ask whoever runs it; is TCP to that port let out here?"
		return f
	}
	f.Says = where + " answers, with the right key"
	for _, l := range reach.GetRelays() {
		switch {
		case [32]byte(l.GetKey()) != r.Key:
		case l.GetReserved():
			f.Says += "; contacts can come through it"
		case !l.GetConnected():
			f.State, f.Says = cli.Poor, f.Says+"; it makes no links, boxes only"
			f.Do = "nothing, if it was started with --boxes-only; else the UDP port of that number has to be open there"
		}
	}
	return f
}
