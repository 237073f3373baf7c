package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	apiv1 "kith/api/v1"
	"kith/internal/api"
	"kith/internal/cli"
	"kith/internal/engine"
	"kith/internal/node"
	"kith/internal/p2p"
	"kith/internal/relaynet"
	"kith/internal/store"
	"kith/internal/vault"
)

// settingPort is where the port is kept that this node listens on, so that
// contacts find it again after a restart.
const settingPort = "port"

// drain is how long open requests may take when the node ends.
const drain = 2 * time.Second

// Up runs a node until ctx ends: vault, store, network, loop and API, in this
// order, and down again in the other.
func (l local) Up(ctx context.Context, o cli.UpOptions) (err error) {
	db, kind, err := openStore(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// Deriving the key took 64 MiB that are not needed again.
	debug.FreeOSMemory()

	log := slog.New(slog.DiscardHandler)
	if o.Verbose != nil {
		log = slog.New(slog.NewTextHandler(o.Verbose, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	host, err := openNetwork(ctx, db, o, log)
	if err != nil {
		return err
	}
	defer host.Close()
	relays := relaynet.NewClient(relaynet.ClientOptions{})
	defer relays.Close()
	n, err := node.New(node.Config{Store: db, Network: host, Relays: relays, Blobs: blobs{relays}, Far: far(host), Log: log})
	if err != nil {
		return storeError(err, o.Home)
	}
	listener, err := listen(o.Socket)
	if err != nil {
		return err
	}
	var launch func() (string, error)
	about := api.About{Page: func() (string, error) { return launch() }, Version: l.Version(), Key: kind, LAN: o.LAN, Stop: stop, Reach: func() *apiv1.ReachResponse { return reachOf(host) }}
	page := api.PageHandler(n, about)
	if o.Page != nil {
		launch = o.Page(page)
	} else {
		lazy := &lazyDoor{ctx: ctx, home: o.Home, behind: page}
		defer lazy.wait()
		defer stop()
		launch = lazy.launch
		lazy.reopen()
	}
	server := &http.Server{Handler: api.Handler(n, about), Protocols: protocols(), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	ran := make(chan error, 1)
	go func() { ran <- n.Run(ctx) }()

	o.Ready(n.Self().Account.String(), host.Addrs())
	select {
	case err = <-ran:
	case err = <-served:
		stop()
		err = errors.Join(err, <-ran)
	}
	stop()
	closeCtx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	if server.Shutdown(closeCtx) != nil {
		server.Close()
	}
	return storeError(err, o.Home)
}

func protocols() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return &p
}

func openStore(o cli.UpOptions) (*store.DB, string, error) {
	if _, err := os.Stat(filepath.Join(o.Home, "kith.db")); errors.Is(err, fs.ErrNotExist) {
		return nil, "", storeError(store.ErrNone, o.Home)
	}
	key, err := vault.Open(o.Home, o.Passphrase)
	if err != nil {
		return nil, "", vaultError(err)
	}
	defer clear(key[:])
	kind, err := vault.KindOf(o.Home)
	if err != nil {
		return nil, "", vaultError(err)
	}
	db, err := store.Open(o.Home, key)
	return db, string(kind), storeError(err, o.Home)
}

// openNetwork starts the network as this device, on the port of last time when
// it is free.
func openNetwork(ctx context.Context, db *store.DB, o cli.UpOptions, log *slog.Logger) (*p2p.Host, error) {
	var self engine.Self
	var port int
	var begin []string
	err := db.View(func(tx *store.Tx) (err error) {
		stored, err := tx.Setting(settingBootstrap)
		if err != nil {
			return err
		}
		begin = strings.Fields(stored)
		if self, err = engine.LoadSelf(tx); err != nil {
			return err
		}
		text, err := tx.Setting(settingPort)
		port, _ = strconv.Atoi(text) // absent or odd: any port
		return err
	})
	if err != nil {
		return nil, storeError(err, o.Home)
	}
	if len(o.Bootstrap) > 0 {
		if begin, err = rememberBootstrap(ctx, db, o.Bootstrap); err != nil {
			return nil, storeError(err, o.Home)
		}
	}
	// Whoever listens on the loopback alone wants nothing of the world, unless he
	// says where it begins.
	local := onlyLoopback(o.Listen)
	host, err := p2p.New(ctx, p2p.Config{Key: self.Device.SigningPrivate(), Listen: o.Listen, Port: port, MDNS: o.LAN, Log: log,
		Wide: o.Wide && (!local || len(begin) > 0), MapPorts: o.Wide && !local, Bootstrap: begin})
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	if got := host.Port(); got != 0 && got != port && len(o.Listen) == 0 {
		err := db.Update(ctx, func(tx *store.Tx) error { return tx.PutSetting(settingPort, strconv.Itoa(got)) })
		if err != nil {
			host.Close()
			return nil, storeError(err, o.Home)
		}
	}
	return host, nil
}

// settingBootstrap is where nodes to begin with are kept.
const settingBootstrap = "bootstrap"

// rememberBootstrap keeps where to begin for the next time; an empty text
// forgets.
func rememberBootstrap(ctx context.Context, db *store.DB, given []string) (begin []string, err error) {
	for _, b := range given {
		if b == "" {
			continue
		}
		if p2p.CheckBootstrap(b) != nil || len(begin) == p2p.MaxBootstrap {
			return nil, badBootstrap()
		}
		begin = append(begin, b)
	}
	return begin, db.Update(ctx, func(tx *store.Tx) error { return tx.PutSetting(settingBootstrap, strings.Join(begin, " ")) })
}

// onlyLoopback reports whether all addresses asked for are of this machine alone.
func onlyLoopback(listen []string) bool {
	for _, a := range listen {
		if !strings.HasPrefix(a, "/ip4/127.") && !strings.HasPrefix(a, "/ip6/::1/") {
			return false
		}
	}
	return len(listen) > 0
}

// far is the host as the node sees it, if it looks beyond the local network.
func far(host *p2p.Host) node.Far {
	if !host.Reach().Wide {
		return nil
	}
	return host
}

// reachOf is what the API tells of how the host is reached.
func reachOf(host *p2p.Host) *apiv1.ReachResponse {
	r := host.Reach()
	out := &apiv1.ReachResponse{Wide: r.Wide, Lan: r.LAN, Beyond: r.Beyond, Udp: r.UDP, Reachable: r.Reachable, Seen: r.Seen, Observers: uint32(r.Observers),
		Mapping: string(r.Mapping()), Mapped: r.Mapped, Punch: r.Punch, Nodes: uint32(r.Nodes), Direct: uint32(r.Direct), Relayed: uint32(r.Relayed)}
	for _, l := range r.Relays {
		out.Relays = append(out.Relays, &apiv1.RelayLink{Key: l.Peer[:], Connected: l.Connected, Reserved: l.Reserved, Timed: l.Timed, SkewS: int64(l.Skew / time.Second)})
	}
	return out
}

// listen opens the API's socket, for the owner only. The database's lock is
// held by now, so a socket that lies there is of a node that ended.
func listen(path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := private(dir); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}
