package p2p_test

import (
	"crypto/ed25519"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"kith/internal/p2p"
	"kith/internal/wire"
)

// Two devices that see each other at once dial at once. From their listening
// ports that would be one TCP connection with a client at either end.
func TestTransport_TR01_bothDialAtOnce(t *testing.T) {
	for _, listen := range transports {
		for range 20 {
			a, b := start(t, listen), start(t, listen)
			a.Serve(absent, func(wire.PeerID) bool { return true })
			b.Serve(absent, func(wire.PeerID) bool { return true })
			errs := make([]error, 2)
			var wg sync.WaitGroup
			wg.Go(func() { errs[0] = a.Dial(t.Context(), b.Self(), b.Addrs()) })
			wg.Go(func() { errs[1] = b.Dial(t.Context(), a.Self(), a.Addrs()) })
			wg.Wait()
			if errs[0] != nil || errs[1] != nil {
				t.Fatal(errs)
			}
			a.next(t, wire.LinkUp)
			b.next(t, wire.LinkUp)
			a.Close()
			b.Close()
		}
	}
}

func TestTransport_TR11_addressInUseIsAnError(t *testing.T) {
	for _, listen := range transports {
		a := start(t, listen)
		b, err := p2p.New(t.Context(), p2p.Config{Key: newKey(t), Listen: a.Addrs()})
		if err == nil {
			b.Close()
			t.Errorf("two hosts listen on %s", a.Addrs()[0])
		}
	}
}

func TestTransport_TR11_samePortAfterARestart(t *testing.T) {
	for _, listen := range transports {
		key := newKey(t)
		b := startAs(t, key, listen)
		where := b.Addrs()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := p2p.New(t.Context(), p2p.Config{Key: key, Listen: where})
		if err != nil {
			t.Fatalf("%s: %v", where[0], err)
		}
		again.Close()
	}
}

// A stranger whose frames wait may be a contact by the time they are read; the
// strangers' allowance comes back all the same.
func TestTransport_TR06_allowanceOutlivesAcceptance(t *testing.T) {
	b := start(t, overTCP)
	key := newKey(t)
	her := wire.PeerID(key.Public().(ed25519.PublicKey))
	var contact atomic.Bool
	var asked atomic.Int64
	b.Serve(absent, func(p wire.PeerID) bool {
		if p == her && !contact.Load() {
			asked.Add(1)
		}
		return p == her && contact.Load()
	})
	a := startAs(t, key, overTCP)
	for range 2 {
		contact.Store(false)
		dial(t, a, b)
		a.next(t, wire.LinkUp)
		b.next(t, wire.LinkUp)
		asked.Store(0)
		for range p2p.MaxStrangerEvents {
			if err := a.Send(t.Context(), b.Self(), []byte("hello")); err != nil {
				t.Fatal(err)
			}
		}
		b.next(t, wire.LinkFrame)
		for asked.Load() < p2p.MaxStrangerEvents { // each frame asks once as it comes
			runtime.Gosched()
			if t.Context().Err() != nil {
				t.Fatal("they never came")
			}
		}
		contact.Store(true)
		for range p2p.MaxStrangerEvents - 1 {
			b.next(t, wire.LinkFrame)
		}
		a.Close()
		b.next(t, wire.LinkDown)
		a = startAs(t, key, overTCP)
	}
}
