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
	"time"

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
	n, err := node.New(node.Config{Store: db, Network: host, Relays: relays, Blobs: blobs{relays}, Log: log})
	if err != nil {
		return storeError(err, o.Home)
	}
	listener, err := listen(o.Socket)
	if err != nil {
		return err
	}
	about := api.About{Version: l.Version(), Key: kind, LAN: o.LAN, Stop: stop}
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
	err := db.View(func(tx *store.Tx) (err error) {
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
	host, err := p2p.New(ctx, p2p.Config{Key: self.Device.SigningPrivate(), Listen: o.Listen, Port: port, MDNS: o.LAN, Log: log})
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
