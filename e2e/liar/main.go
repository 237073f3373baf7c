// Command liar is a relay that lies, for tests: it says that it holds what it
// does not, corrupts what it gives, gives what was asked for before, answers in
// any order or not at all. It takes the first words of kith relay and prints the
// same line when it is ready.
package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"kith/box"
	"kith/internal/boxstore"
	"kith/internal/relay"
	"kith/internal/relaynet"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "liar:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	home := flag.String("home", "", "where it keeps what it keeps")
	listen := flag.String("listen", "127.0.0.1:0", "address")
	lies := flag.String("lies", "drop,replay,corrupt,reorder", "what it does wrong; chatty: it tells all it sees")
	seed := flag.Uint64("seed", 1, "of its moods")
	flag.Parse()

	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	store, err := boxstore.Open(filepath.Join(*home, "boxes"), box.Day(time.Now()), boxstore.Options{Cap: 1 << 30, BlobCap: 1 << 30})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	is := box.Relay{Key: [32]byte(key.Public().(ed25519.PublicKey)), Addrs: []string{l.Addr().String()}}
	machine, err := newLiar(relay.New(is.ID(), store), strings.Split(*lies, ","), *seed)
	if err != nil {
		return err
	}
	if machine.chatty {
		l = eavesdropper{l}
	}
	server, err := relaynet.NewServer(relaynet.ServerOptions{Key: key, Machine: machine, Version: "liar", Blobs: store,
		Log: func(s string) { fmt.Fprintln(os.Stderr, s) }})
	if err != nil {
		return err
	}
	defer server.Close()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"ready": true, "link": is.String()}); err != nil {
		return err
	}
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	return err
}

// eavesdropper tells who comes.
type eavesdropper struct{ net.Listener }

func (e eavesdropper) Accept() (net.Conn, error) {
	c, err := e.Listener.Accept()
	if err == nil {
		fmt.Fprintln(os.Stderr, "link from", c.RemoteAddr())
	}
	return c, err
}
