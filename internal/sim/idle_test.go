package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kith/box"
	"kith/internal/engine"
)

// What a frame of a request or an answer costs on the wire: it is one TLS record (5
// bytes of header, 1 of type, 16 of tag) in TCP segments of at most 1448 bytes with 52
// bytes of IPv4 and TCP headers each, of which every second is acknowledged with 52.
const (
	tlsRecord    = box.FrameSize + 22
	segments     = (tlsRecord + 1447) / 1448
	frameOnWire  = tlsRecord + 52*segments + 52*((segments+1)/2)
	probesOnWire = 2 * 2 * 52 * 24 * 60 / 4 // a day of one link: both sides probe every 4 minutes
	idleContacts = 50
	idleWorld    = 10         // of them are there; each costs the same
	idleMost     = 25_000_000 // bytes a day
)

// TestBoxing_BG09_idleTraffic counts what a device with 50 contacts says to its four
// relays, and they to it (a fifth of them are there), in a day on which nothing happens: after contacts were made,
// and after weeks in which all talked by boxes and streams changed. Links to contacts
// who are up cost what QUIC costs and are not in it.
func TestBoxing_BG09_idleTraffic(t *testing.T) {
	w := New(*flagSeed)
	alice := must(t)(w.AddDevice("alice", 0))
	var relays []*Relay
	for range 4 {
		relays = append(relays, w.AddRelay())
	}
	if err := alice.UseRelays(relays...); err != nil {
		t.Fatal(err)
	}
	var contacts []*Device
	off := func() {
		for _, d := range contacts {
			d.Switch(false)
		}
	}
	for i := range idleWorld {
		d := must(t)(w.AddDevice(fmt.Sprint("contact", i), 0))
		meet(t, w, alice, d)
		w.Advance(time.Second)
		w.Cut(alice, d)
		contacts = append(contacts, d)
	}
	off()
	count := func(when string) {
		t.Helper()
		asked := func() (n int) {
			for _, r := range relays {
				n += r.Puts + r.Gets
			}
			return n
		}
		before := asked()
		w.Advance(24 * time.Hour)
		n := (asked() - before) * idleContacts / idleWorld
		bytes := n*2*frameOnWire + len(relays)*probesOnWire
		t.Logf("seed %d, %s: %d requests a day, %d bytes each with their answer: %.1f MB a day", *flagSeed, when, n, 2*frameOnWire, float64(bytes)/1e6)
		if bytes > idleMost || n < idleContacts*24 {
			t.Errorf("%d requests, %d bytes", n, bytes)
		}
	}
	w.Advance(2 * 24 * time.Hour) // what first contact left to do is done
	count("new contacts")

	for range 2 {
		for i, d := range contacts {
			d.Switch(true)
			say(t, alice, d, fmt.Sprint("to ", i))
			say(t, d, alice, fmt.Sprint("from ", i))
		}
		w.Advance(8 * 24 * time.Hour) // streams change
		off()
		w.Advance(time.Hour)
	}
	for _, in := range streamsOf(t, alice) {
		if in < 2 {
			t.Fatalf("%d streams of a contact are watched: none changed", in)
		}
	}
	w.Advance(24 * time.Hour)
	count("streams changed a day ago")
	w.Advance(28 * 24 * time.Hour)
	count("weeks later")
}

// streamsOf returns how many streams of each contact a device watches.
func streamsOf(t *testing.T, d *Device) (n []int) {
	t.Helper()
	all, err := engine.BoxesNow(d.mem, d.now())
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]int{}
	for _, c := range all {
		if w, ok := c.(engine.WatchBoxes); ok {
			name, _, _ := strings.Cut(strings.TrimPrefix(string(w.Group), "d/"), "/")
			of[name]++
		}
	}
	for _, x := range of {
		n = append(n, x)
	}
	return n
}
