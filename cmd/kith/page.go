package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"kith/internal/cli"
	"kith/internal/door"
	"kith/internal/webui"
	"kith/internal/wire"
)

// pagePort is the port tried first for the page of a home, so that the page is the
// same to a browser after a restart.
func pagePort(home string) int {
	const first, count = 20000, 20000
	sum := sha256.Sum256([]byte(home))
	return first + int(binary.BigEndian.Uint32(sum[:]))%count
}

// lazyDoor is a running node's door: opened when somebody first asks for the page.
type lazyDoor struct {
	ctx    context.Context
	home   string
	behind http.Handler

	mu   sync.Mutex // guards what follows
	door *door.Door
	over chan struct{}
}

// launch opens the door if it is not open, and returns an address for a browser.
func (l *lazyDoor) launch() (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.door == nil {
		d, err := door.New(pagePort(l.home), webui.Files())
		if err != nil {
			return "", err
		}
		d.Behind(l.behind)
		_ = d.Remember(sessionsFile(l.home)) // without it a browser asks again after a restart
		l.door, l.over = d, make(chan struct{})
		go func() {
			defer close(l.over)
			_ = d.Serve(l.ctx) // it ends with the node
		}()
	}
	return l.door.Launch(), nil
}

// reopen opens the door if a browser was ever let in here: its page finds the node again.
func (l *lazyDoor) reopen() {
	if _, err := os.Stat(sessionsFile(l.home)); err == nil {
		_, _ = l.launch() // without a port there is no page, and all else works
	}
}

// sessionsFile holds the browsers that were let in, in a home.
func sessionsFile(home string) string { return filepath.Join(home, "page.sessions") }

// wait returns when the door is closed; its context is over.
func (l *lazyDoor) wait() {
	l.mu.Lock()
	over := l.over
	l.mu.Unlock()
	if over != nil {
		<-over
	}
}

// Page serves the page, from before there is an account, and runs the node behind
// it, until ctx ends.
func (l local) Page(ctx context.Context, o cli.PageOptions) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d, err := door.New(pagePort(o.Up.Home), webui.Files())
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- d.Serve(ctx) }()
	defer func() { stop(); <-served }()
	s := &setup{local: l, ctx: ctx, up: o.Up, secrets: make(chan []byte)}
	s.set(stateStarting, "")
	d.Behind(s)
	if _, err := os.Stat(filepath.Join(o.Up.Home, "kith.db")); err == nil {
		_ = d.Remember(sessionsFile(o.Up.Home))
	}
	o.Ready(d.Launch())
	for {
		secret, err := s.wait(ctx)
		if err != nil {
			return err
		}
		up := o.Up
		up.Passphrase = func() ([]byte, error) {
			if secret == nil {
				return nil, cli.Locked("the passphrase is needed", "")
			}
			return secret, nil
		}
		up.Ready = func(string, []string) {}
		up.Page = func(h http.Handler) func() (string, error) {
			_ = d.Remember(sessionsFile(o.Up.Home))
			d.Behind(h)
			return func() (string, error) { return d.Launch(), nil }
		}
		err = l.Up(ctx, up)
		clear(secret)
		if e, ok := errors.AsType[*cli.Error](err); ok && cli.IsLocked(e) {
			what := ""
			if secret != nil {
				what = e.Text
			}
			s.set(stateLocked, what)
			d.Behind(s)
			continue
		}
		return err
	}
}

// States of a home before its node runs. PG-07.
const (
	stateNew      = "new"
	stateLocked   = "locked"
	stateStarting = "starting"
)

// setup is behind the door until a node is.
type setup struct {
	local   local
	ctx     context.Context
	up      cli.UpOptions
	secrets chan []byte // to open the vault with; nil when none is needed

	mu    sync.Mutex // guards what follows
	state string
	wrong string // what was wrong with the last passphrase
}

func (s *setup) set(state, wrong string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.wrong = state, wrong
}

// wait returns when the node can be tried: at once if there is a home that was not
// found locked, else when a person gave what it takes.
func (s *setup) wait(ctx context.Context) ([]byte, error) {
	s.mu.Lock()
	if _, err := os.Stat(filepath.Join(s.up.Home, "kith.db")); err != nil {
		s.state = stateNew
	}
	ready := s.state == stateStarting
	s.mu.Unlock()
	if ready {
		return nil, nil
	}
	select {
	case secret := <-s.secrets:
		return secret, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// maxSetup bounds a request to be set up, in bytes.
const maxSetup = 4096

// ServeHTTP implements http.Handler.
func (s *setup) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /setup":
		s.mu.Lock()
		state := map[string]string{"state": s.state, "wrong": s.wrong}
		s.mu.Unlock()
		answer(w, http.StatusOK, state)
	case "POST /setup/create":
		s.create(w, r)
	case "POST /setup/unlock":
		s.unlock(w, r)
	default:
		answer(w, http.StatusServiceUnavailable, map[string]string{"error": "there is no node yet"})
	}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// Whoever has gone away needs no answer.
	_ = json.NewEncoder(w).Encode(v)
}

// wish is what a person asks to be set up with.
type wish struct {
	Name       string `json:"name"`
	Passphrase string `json:"passphrase"`
	Key        string `json:"key"`    // passphrase, file, or empty: the keychain
	Phrase     string `json:"phrase"` // 24 words: restore this account
}

func (s *setup) read(w http.ResponseWriter, r *http.Request, state string) (in wish, ok bool) {
	s.mu.Lock()
	right := s.state == state
	s.mu.Unlock()
	if !right {
		answer(w, http.StatusConflict, map[string]string{"error": "not now"})
		return in, false
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSetup))
	d.DisallowUnknownFields()
	if d.Decode(&in) != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": "this cannot be read"})
		return in, false
	}
	return in, true
}

// create makes an account, and answers its words.
func (s *setup) create(w http.ResponseWriter, r *http.Request) {
	in, ok := s.read(w, r, stateNew)
	if !ok {
		return
	}
	if !wire.ValidName(in.Name) {
		answer(w, http.StatusBadRequest, map[string]string{"error": "this cannot be a name", "hint": "1 to 64 characters that can be seen"})
		return
	}
	var secret []byte
	if in.Key == "passphrase" {
		if len(in.Passphrase) < cli.MinPassphrase {
			answer(w, http.StatusBadRequest, map[string]string{"error": "the passphrase is too short", "hint": "several words are good"})
			return
		}
		secret = []byte(in.Passphrase)
	}
	made, err := s.local.Init(r.Context(), cli.InitOptions{Home: s.up.Home, Name: in.Name, Phrase: in.Phrase, KeyFile: in.Key == "file", UsePassphrase: secret != nil,
		Passphrase: func() ([]byte, error) {
			if secret == nil {
				return nil, cli.NotNow("this system has no keychain that can be used", "choose a passphrase")
			}
			return append([]byte(nil), secret...), nil
		}})
	if err != nil {
		out := map[string]string{"error": "the account could not be made"}
		if e, ok := errors.AsType[*cli.Error](err); ok {
			out["error"], out["hint"] = e.Text, e.Hint
		}
		answer(w, http.StatusConflict, out)
		return
	}
	s.set(stateStarting, "")
	answer(w, http.StatusOK, map[string]any{"account": made.Account, "phrase": made.Phrase, "key": made.Key})
	s.give(secret)
}

// unlock tries a passphrase; whether it was right shows in the state.
func (s *setup) unlock(w http.ResponseWriter, r *http.Request) {
	in, ok := s.read(w, r, stateLocked)
	if !ok {
		return
	}
	s.set(stateStarting, "")
	answer(w, http.StatusAccepted, map[string]string{})
	s.give([]byte(in.Passphrase))
}

func (s *setup) give(secret []byte) {
	select {
	case s.secrets <- secret:
	case <-s.ctx.Done():
	}
}
